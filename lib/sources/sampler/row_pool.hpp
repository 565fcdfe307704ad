#pragma once

#include "base/pod_vector.hpp"
#include "sources/sampler/unwind_table.hpp"

#include <cstdint>
#include <map>
#include <span>
#include <vector>

struct sampler_file;

namespace profcore::sampler {

/// Where chunks of SAMPLER_CHUNK_SLOTS slots come from.
class RowMemory {
public:
  virtual ~RowMemory() = default;
  /// Memory of chunk `number`; null when there is none to be had.
  virtual unwind_row *add(uint32_t number) = 0;
  virtual void remove(uint32_t number) = 0;
};

/// A table's rows by place in the file instead of by address, as mappings tell it, up to `end`.
/// Only what lies in the first four gigabytes of the file.
struct FileRows {
  PodVector<unwind_row> rows;
  uint32_t end = 0;
};
FileRows rows_by_file_offset(const UnwindTable &table);
/// The same into memory that is used again.
void rows_by_file_offset(const UnwindTable &table, FileRows &result);

/// Unwind rows of files, where the BPF program reads them: chunks that are made when they are
/// needed and go when they are empty. Their number is bounded. How rows lie in them:
/// bpf/row_index.h.
class RowPool {
public:
  /// Slots of a chunk that belong to a file.
  struct Run {
    uint32_t chunk = 0;
    uint32_t first = 0;
    uint32_t slots = 0;
    uint32_t rows = 0;
  };

  RowPool(RowMemory &memory, uint32_t most_chunks);

  /// All of a file's rows or none, since half a table would end walks where they need not: false
  /// when there is no room. Fills the places of `file` and the runs that were taken.
  bool place(const FileRows &rows, sampler_file &file, std::vector<Run> &runs);
  /// Gives slots back. Whoever still reads them reads other rows soon.
  void remove(std::vector<Run> &runs);

  uint64_t bytes() const noexcept;
  uint64_t rows_used() const noexcept { return rows_used_; }
  /// Room for more, new chunks included; it may be in pieces.
  uint64_t free_slots() const noexcept { return free_slots_; }

private:
  struct Chunk {
    unwind_row *slots = nullptr;       ///< null: not made
    std::map<uint32_t, uint32_t> free; ///< first slot and number of slots, never side by side
  };
  struct Room {
    uint32_t chunk, first, slots;
  };

  Room find_room(uint64_t wanted);
  bool add_chunk();
  void take(const Room &room, uint32_t slots);
  void give_back(const Run &run);

  RowMemory &memory_;
  std::vector<Chunk> chunks_;
  uint64_t rows_used_ = 0;
  uint64_t free_slots_;
  std::vector<uint32_t> words_;
};

} // namespace profcore::sampler
