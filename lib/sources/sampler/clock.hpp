#pragma once

#include <cstdint>
#include <ctime>

namespace profcore::sampler {

inline int64_t now(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

/// Adds the CPU time of a call to a sum.
class CpuClock {
public:
  explicit CpuClock(uint64_t &sum) : sum_{sum}, began_{now(CLOCK_THREAD_CPUTIME_ID)} {}
  CpuClock(const CpuClock &) = delete;
  CpuClock &operator=(const CpuClock &) = delete;
  ~CpuClock() { sum_ += static_cast<uint64_t>(now(CLOCK_THREAD_CPUTIME_ID) - began_); }

private:
  uint64_t &sum_;
  int64_t began_;
};

} // namespace profcore::sampler
