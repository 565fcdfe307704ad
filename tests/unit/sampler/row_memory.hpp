#pragma once

#include "row_index.h"
#include "sources/sampler/row_pool.hpp"

#include <map>
#include <vector>

/// Chunks as the kernel would have them, and its look-up in them.
class HeapRows final : public profcore::sampler::RowMemory {
public:
  unwind_row *add(uint32_t number) override {
    if (chunks_.size() >= most) return nullptr;
    auto &chunk = chunks_[number];
    chunk.resize(SAMPLER_CHUNK_SLOTS);
    return chunk.data();
  }
  void remove(uint32_t number) override { chunks_.erase(number); }

  /// The row that holds at an offset, as the BPF program finds it; null without one.
  const unwind_row *find(const sampler_file &file, uint32_t offset) const {
    if (offset >= file.end) return nullptr;
    const uint32_t run = sampler_run_of(&file, offset);
    const uint32_t place = file.place[run];
    const auto chunk = chunks_.find(sampler_place_chunk(place));
    if (chunk == chunks_.end()) return nullptr;
    const uint32_t word = sampler_index_word(chunk->second.data(), place, offset - file.from[run]);
    const unwind_row *rows = chunk->second.data() + (word & (SAMPLER_CHUNK_SLOTS - 1));
    const unwind_row *found = nullptr;
    for (uint32_t i = 0; i < word >> 19 && rows[i].pc <= offset; ++i) found = rows + i;
    return found;
  }
  size_t count() const noexcept { return chunks_.size(); }

  size_t most = SAMPLER_MOST_CHUNKS;

private:
  std::map<uint32_t, std::vector<unwind_row>> chunks_;
};

/// `count` rows from `begin` on, each with its own number in `cfa` and `bp`, `step` bytes apart on
/// average.
inline profcore::sampler::FileRows make_rows(uint32_t count, uint32_t begin = 0x1000,
                                             uint32_t step = 40) {
  profcore::sampler::FileRows made;
  uint64_t random = count;
  uint32_t pc = begin;
  for (uint32_t i = 0; i < count; ++i) {
    made.rows.push_back({pc, static_cast<int16_t>(i), static_cast<uint8_t>(i >> 16), 0});
    random = random * 6364136223846793005U + 1442695040888963407U;
    pc += 1 + static_cast<uint32_t>(random >> 40) % (2 * step - 1);
  }
  made.end = pc;
  return made;
}
