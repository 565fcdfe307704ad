#include "sources/sampler/row_pool.hpp"

#include "sampler.h"
#include "unwind_row.h"

#include <algorithm>
#include <bpf/bpf.h>
#include <cstring>
#include <sys/mman.h>

namespace profcore::sampler {
namespace {

constexpr size_t kChunkBytes = size_t{SAMPLER_CHUNK_ROWS} * sizeof(unwind_row);

} // namespace

RowPool::~RowPool() {
  for (Chunk &chunk : chunks_) munmap(chunk.rows, kChunkBytes);
}

bool RowPool::add_chunk() {
  if (chunks_.size() >= most_chunks_) return false;
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
  Chunk chunk;
  chunk.map = Descriptor{bpf_map_create(BPF_MAP_TYPE_ARRAY, "unwind_rows", sizeof(uint32_t),
                                        kChunkBytes, 1, &options)};
  if (!chunk.map.is_open()) return false;
  void *mapped = mmap(nullptr, kChunkBytes, PROT_READ | PROT_WRITE, MAP_SHARED, chunk.map.get(), 0);
  if (mapped == MAP_FAILED) return false;
  chunk.rows = static_cast<unwind_row *>(mapped);
  const auto number = static_cast<uint32_t>(chunks_.size());
  const int fd = chunk.map.get();
  if (bpf_map_update_elem(outer_, &number, &fd, BPF_ANY) != 0) {
    munmap(mapped, kChunkBytes);
    return false;
  }
  chunks_.push_back(std::move(chunk));
  return true;
}

bool RowPool::place(std::span<const unwind_row> rows, uint64_t base,
                    std::vector<RowsPlace> &places) {
  // No room for all of it: none of it, for half a table would end walks where they need not.
  uint64_t room = uint64_t{most_chunks_ - chunks_.size()} * SAMPLER_CHUNK_ROWS;
  for (const Chunk &chunk : chunks_) room += SAMPLER_CHUNK_ROWS - chunk.used;
  if (rows.empty() || rows.size() > room) return false;
  places.clear();
  while (!rows.empty()) {
    // Short tables stay in one piece where that is possible.
    auto chunk = std::find_if(chunks_.begin(), chunks_.end(), [&](const Chunk &each) {
      return SAMPLER_CHUNK_ROWS - each.used >=
             std::min<size_t>(rows.size(), SAMPLER_CHUNK_ROWS / 4);
    });
    if (chunk == chunks_.end()) {
      if (!add_chunk()) {
        places.clear(); // the pieces placed before stay unused
        return false;
      }
      chunk = chunks_.end() - 1;
    }
    const size_t count = std::min<size_t>(rows.size(), SAMPLER_CHUNK_ROWS - chunk->used);
    std::memcpy(chunk->rows + chunk->used, rows.data(), count * sizeof(unwind_row));
    places.push_back({base + rows.front().pc, static_cast<uint32_t>(chunk - chunks_.begin()),
                      chunk->used, static_cast<uint32_t>(count)});
    chunk->used += static_cast<uint32_t>(count);
    rows_used_ += count;
    rows = rows.subspan(count);
  }
  return true;
}

uint64_t RowPool::bytes() const noexcept {
  return chunks_.size() * kChunkBytes;
}

} // namespace profcore::sampler
