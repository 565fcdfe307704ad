#pragma once

#include "sources/sampler/perf_ring.hpp"

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

struct bpf_link;
struct bpf_program;

namespace profcore::sampler {

/// The clock of each CPU with the program on it, cycles or else cpu-clock, also of CPUs that are
/// switched on later.
///
/// The kernel takes events off a CPU that is switched off, and does not give them back to one that
/// is switched on. Which ones are dead their own time says, which stands still: once a second it is
/// asked for, and where no clock is, one is tried. Not the list of CPUs that are on: between two
/// looks one may have been off and on again.
class CpuClocks {
public:
  /// Throws Error.
  CpuClocks(bpf_program *program, int cpus, uint32_t frequency);
  ~CpuClocks();

  /// "cycles" or "cpu-clock".
  std::string_view event() const noexcept;
  /// False, and nothing is changed, on a kernel that will not do it.
  bool set_frequency(uint32_t frequency);
  /// CPUs that have a new clock since this call; at most once a second there are any.
  std::vector<int> look(int64_t now);

private:
  struct LinkCloser {
    void operator()(bpf_link *link) const noexcept;
  };
  struct Clock {
    std::unique_ptr<bpf_link, LinkCloser> link;
    int fd = -1;          ///< the link's
    uint64_t enabled = 0; ///< nanoseconds, when it was looked at
  };

  int open(int cpu, std::string_view &what);

  bpf_program *program_;
  perf_event_attr attr_{};
  std::vector<Clock> clocks_; ///< by CPU
  int64_t looked_at_ = 0;
};

} // namespace profcore::sampler
