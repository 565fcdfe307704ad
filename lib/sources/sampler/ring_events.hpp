#pragma once

#include "sources/sampler/perf_ring.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace profcore::sampler {

/// The events that sample single threads without privileges, in user mode, and the rings that they
/// write to.
///
/// Threads and processes that a sampled thread starts are to be sampled from their first
/// instruction, which the kernel does (`inherit`); but it lets such an event write to a ring only
/// when it is bound to a CPU. So there is one event per thread and CPU, and all of a CPU write to
/// one ring. The ring belongs to an event of our own that counts nothing, so that it outlives every
/// thread that is sampled.
class RingEvents {
public:
  struct Options {
    uint32_t frequency = 99;
    bool processes = true;    ///< also what sampled threads start as new processes
    uint32_t stack_bytes = 0; ///< of each sample; 0: what suits the rings
  };

  /// Maps the rings. Throws Error.
  explicit RingEvents(const Options &options);

  /// Samples this thread and what it will start; false when it has ended. Throws Error with what is
  /// not permitted or missing.
  bool add_thread(int32_t tid);
  /// No more samples.
  void stop() noexcept;

  std::span<PerfRing> rings() noexcept { return rings_; }
  /// The CPU of a ring.
  uint32_t cpu(size_t ring) const noexcept { return cpus_[ring]; }
  /// Records that found no room until now, as the events themselves say; 0 where the kernel does
  /// not tell.
  uint64_t lost() const noexcept;
  std::string_view event() const noexcept;
  uint32_t stack_bytes() const noexcept { return attr_.sample_stack_user; }

private:
  bool map_rings(size_t pages);
  int open_event(int32_t tid, int cpu);

  perf_event_attr attr_{};
  std::vector<PerfRing> rings_;
  std::vector<uint32_t> cpus_;
  std::vector<Descriptor> events_;
};

/// What /proc/sys/kernel/perf_event_paranoid says; empty when it cannot be read.
std::string perf_paranoid();

} // namespace profcore::sampler
