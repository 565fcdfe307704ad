#pragma once

#include "row_index.h"
#include "sources/sampler/module_files.hpp"
#include "sources/sampler/row_pool.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <utility>
#include <vector>

namespace profcore::sampler {

/// The kernel's table of mapped files, each with its unwind rows. Files that no process maps keep
/// their place until another needs it: then they go, the one that was mapped longest ago first.
class FileSlots {
public:
  /// Which modules are mapped by living processes.
  using Mapped = std::function<std::vector<bool>()>;

  /// `table` is what the BPF program reads.
  FileSlots(std::span<sampler_file> table, RowPool &rows, ModuleFiles &files, Mapped mapped);

  /// The file's number in the table; SAMPLER_NO_FILE when all are in use. Who has it for the first
  /// time is to be prepared.
  uint32_t slot_of(uint32_t module);
  /// Puts a module among those to be prepared.
  void want(uint32_t module);
  /// Its rows were made, or never will be: until then a root by its frame pointers is none.
  void no_longer_waits(uint32_t module);
  /// Those to be prepared, oldest first.
  std::deque<uint32_t> &waiting() noexcept { return waiting_; }
  /// Whether making a module's rows again may be of use: not when they did not fit and still would
  /// not, nor twice in a window. If not, it is tried again when there may be room.
  bool is_worth_preparing(uint32_t module);
  /// Makes the rows of a module known. False without room: it is tried again when there may be
  /// some.
  bool place(uint32_t module, const FileRows &rows);
  /// Wants those that found no room and might now. To be called once a window.
  void retry(const std::vector<bool> &mapped);

  uint64_t evicted() const noexcept { return evicted_; }
  size_t without_room() const noexcept { return without_room_.size(); }

private:
  struct Slot {
    uint32_t module = ModuleFiles::kNone;
    std::vector<RowPool::Run> runs;
  };

  uint32_t number_in_frames(uint32_t module) const;
  void clear(uint32_t slot);
  uint64_t possible_room(const std::vector<bool> &mapped) const;
  /// Takes places from files that nobody maps, the oldest first, until it is `enough`.
  bool make_room(const std::function<bool()> &enough);

  std::span<sampler_file> table_;
  RowPool &rows_;
  ModuleFiles &files_;
  Mapped mapped_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  std::vector<std::pair<uint32_t, uint64_t>> without_room_; ///< module, slots it wants
  std::deque<uint32_t> waiting_;
  uint64_t evicted_ = 0;
  uint32_t window_ = 1;
};

} // namespace profcore::sampler
