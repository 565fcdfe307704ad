#pragma once

#include "sampler.h"
#include "sources/sampler/file_slots.hpp"
#include "sources/sampler/process_table.hpp"

#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace profcore::sampler {

/// Throws Error: what the kernel would not do, and why.
[[noreturn]] void fail_bpf(int error, std::string_view what);

/// The kernel's copies of processes: their mappings of files. Processes with few are in a table of
/// small entries, since they come and go by the hundred.
class BpfProcesses {
public:
  /// `small` and `large` are maps that stay the caller's.
  BpfProcesses(int small, int large) : small_{small}, large_{large} {}

  /// False when the kernel has no room. Of more than SAMPLER_MAX_MAPPINGS (or SAMPLER_FEW_MAPPINGS,
  /// when the large table is full) those that matter most are told: with rows before without, large
  /// before small.
  bool put(const Process &process, const ModuleFiles &files, FileSlots &slots);
  void remove(int32_t pid);

  /// Mappings left out since the start.
  uint64_t cut() const noexcept { return cut_; }

private:
  int small_, large_;
  sampler_process process_{};
  sampler_large_process large_process_{};
  std::unordered_set<int32_t> are_large_;
  uint64_t cut_ = 0;
};

/// Kernel memory of a map, as the kernel tells it; 0 where it cannot be read.
uint64_t memory_of_map(int map);

/// Chunks of rows as array maps that are mapped here, so that they are filled by copying.
class BpfRowMemory final : public RowMemory {
public:
  /// `outer` is the map of chunks; it stays the caller's.
  explicit BpfRowMemory(int outer) : outer_{outer} {}
  BpfRowMemory(const BpfRowMemory &) = delete;
  BpfRowMemory &operator=(const BpfRowMemory &) = delete;
  ~BpfRowMemory() override;
  unwind_row *add(uint32_t number) override;
  void remove(uint32_t number) override;

private:
  struct Chunk {
    Descriptor map;
    void *mapped = nullptr;
  };
  int outer_;
  std::vector<Chunk> chunks_;
};

/// The kernel's table of files, mapped here. Throws Error.
class BpfFileTable {
public:
  explicit BpfFileTable(int map);
  BpfFileTable(const BpfFileTable &) = delete;
  BpfFileTable &operator=(const BpfFileTable &) = delete;
  ~BpfFileTable();
  std::span<sampler_file> span() noexcept { return {files_, SAMPLER_MAX_FILES}; }

private:
  sampler_file *files_ = nullptr;
};

/// Waits for the programs in the kernel.
///
/// Who drains a table that a program writes to has to know that none writes to it any more. A time
/// will not do: a program of four microseconds takes a hundred milliseconds when the host of this
/// virtual machine gives its CPU to another. A count of those inside would be read before or after
/// a program has looked which table is meant, unless each of them paid for a barrier. The kernel
/// knows: programs run under RCU, and changing an element of a map of maps returns after a grace
/// period, which is what that is for. 8 to 20 ms, hardly any CPU time.
class RunningPrograms {
public:
  /// Throws Error.
  RunningPrograms();
  /// Until all that were running have ended; what was written before is seen by those that follow.
  /// False: it cannot be known.
  bool wait_for_end();

private:
  Descriptor inner_;
  Descriptor outer_;
};

} // namespace profcore::sampler
