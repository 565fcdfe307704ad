#pragma once

#include "sources/sampler/perf_ring.hpp"
#include "sources/sampler/process_table.hpp"

#include <cstdint>
#include <vector>

namespace profcore::sampler {

/// What the kernel tells of processes as it happens: new mappings, forks, programs run, exits; one
/// ring per CPU. Records of different CPUs are put in order by their time before they are applied.
class SideBand {
public:
  /// For all processes of the host, which wants CAP_PERFMON. Throws Error.
  explicit SideBand(int cpus, size_t pages_per_cpu);

  /// Applies all that is there. Returns how many records the kernel had no room for since.
  uint64_t apply(ProcessTable &processes);

  const std::vector<PerfRing> &rings() const noexcept { return rings_; }

private:
  struct Event {
    uint64_t time;
    size_t offset; ///< in `bytes_`
  };

  std::vector<PerfRing> rings_;
  std::vector<uint64_t> bytes_; ///< records, copied out so that rings are free again
  std::vector<Event> events_;
};

} // namespace profcore::sampler
