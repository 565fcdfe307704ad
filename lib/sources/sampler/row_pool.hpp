#pragma once

#include "sources/sampler/module_files.hpp"

#include <cstdint>
#include <span>
#include <vector>

struct unwind_row;

namespace profcore::sampler {

/// Unwind rows of files, where the BPF program reads them: chunks of SAMPLER_CHUNK_ROWS rows, each
/// an array map that is mapped here and filled by copying. They are made when they are needed and
/// their sum is bounded; a long table is cut where a chunk ends. A file that does not fit goes
/// without rows.
class RowPool {
public:
  /// `outer` is the map of chunks, which takes `most_chunks`; it stays the caller's.
  RowPool(int outer, uint32_t most_chunks) : outer_{outer}, most_chunks_{most_chunks} {}
  RowPool(const RowPool &) = delete;
  RowPool &operator=(const RowPool &) = delete;
  ~RowPool();

  /// False when there is no room: the budget is used up or the kernel gives no memory.
  bool place(std::span<const unwind_row> rows, uint64_t base, std::vector<RowsPlace> &places);

  uint64_t bytes() const noexcept;
  uint64_t rows_used() const noexcept { return rows_used_; }

private:
  struct Chunk {
    Descriptor map;
    unwind_row *rows = nullptr;
    uint32_t used = 0;
  };

  bool add_chunk();

  int outer_;
  uint32_t most_chunks_;
  uint64_t rows_used_ = 0;
  std::vector<Chunk> chunks_;
};

} // namespace profcore::sampler
