#pragma once

#include "sources/sampler/perf_ring.hpp"
#include "sources/sampler/process_table.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace profcore::sampler {

/// Applies one record of a process's news, made at `time`; any other changes nothing. Returns how
/// many records the kernel says that it had no room for.
uint64_t apply_record(std::span<const uint8_t> record, uint64_t time, ProcessTable &processes);

/// What the kernel tells of processes as it happens: new mappings, forks, programs run, exits; one
/// ring per CPU. Records of different CPUs are put in order by their time before they are applied;
/// those of the last microseconds wait, since older ones of another CPU may not be there yet.
class SideBand {
public:
  struct Applied {
    uint64_t lost = 0;     ///< records that the kernel had no room for
    bool was_full = false; ///< a ring was, so there may be more of them than were told
    size_t records = 0;    ///< that were applied
    bool has_more = false; ///< some wait for the next call
  };

  /// For all processes of the host, which wants CAP_PERFMON. Throws Error.
  explicit SideBand(int cpus, size_t pages_per_cpu);

  /// Applies what is there.
  Applied apply(ProcessTable &processes);

  /// Whether there is something to apply.
  bool has_records() const noexcept {
    return !events_.empty() || std::any_of(rings_.begin(), rings_.end(),
                                           [](const PerfRing &ring) { return !ring.is_empty(); });
  }

  /// A CPU was switched on: what it was told of before its end is kept, and from now on there is a
  /// new ring; null when it is off again. Throws Error.
  const PerfRing *reopen(int cpu);

  const std::vector<PerfRing> &rings() const noexcept { return rings_; }

private:
  struct Event {
    uint64_t time;
    size_t offset; ///< in `bytes_`
  };

  bool open(int cpu);
  uint64_t read(PerfRing &ring);
  void keep(uint64_t time, std::span<const uint8_t> record);

  size_t pages_;
  std::vector<PerfRing> rings_;
  std::vector<int> cpus_;       ///< of the rings
  std::vector<uint64_t> bytes_; ///< records, copied out so that rings are free again
  std::vector<Event> events_;
  std::vector<uint64_t> bytes_before_;
  std::vector<Event> events_before_;
};

} // namespace profcore::sampler
