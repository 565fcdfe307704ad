#pragma once

// What the metrics of a JVM are computed from: of each event type that tells something, how many
// events there were and what one of their fields adds up to. A recording of any length comes down
// to these few numbers while it is decoded.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace profcore {

enum class JvmFact : uint8_t {
  kJvmStart,
  kDatadogCpu,
  kDatadogCpuInterval,
  kCpuTimeSamples,
  kAsyncSamples,
  kJdkSamples,
  kCpuLoad,
  kHardwareThreads,
  kObjectBytes,
  kObjectWeight,
  kAllocationSamples,
  kTlabs,
  kOutsideTlabs,
  kThreadAllocations,
  kDirectBytes,
  kClassLoaders,
  kLoadedClasses,
  kClassLoads,
  kCompilations,
  kCompilerTime,
  kSwitchRate,
  kExceptionSamples,
  kExceptionCount,
  kThrowables,
  kFileReadTime,
  kFileReadBytes,
  kFileWriteTime,
  kFileWriteBytes,
  kSocketReadTime,
  kSocketReadBytes,
  kSocketWriteTime,
  kSocketWriteBytes,
  kCollections,
  kCollectionPauses,
  kLongestPauses,
  kGcPauses,
  kLiveObjects,
  kLiveWeight,
  kHeapUsage,
  kHeapAfterGc,
  kMonitorWaits,
  kThreadStarts,
  kThreadsStarted,
  kDeadlocks,
  kDeadlockedThreads,
  kNone,
};
constexpr size_t kJvmFacts = static_cast<size_t>(JvmFact::kNone);

/// How a fact is taken from events.
enum class JvmTake : uint8_t {
  kValues,        ///< each event's value on its own
  kCounter,       ///< grows as long as the JVM runs: what it gained counts
  kThreadCounter, ///< the same, one per thread
  kLevel,         ///< each chunk has all there is at its end: the last one that has any counts
  kDistinct,      ///< how many different values there are
  kColumn,        ///< from the samples of the profile, which know their periods
};

struct JvmFactRule {
  JvmFact fact;
  std::string_view event;
  std::string_view field;  ///< "" = only how many events there are
  std::string_view second; ///< multiplied with `field`, or added
  JvmTake take = JvmTake::kValues;
  char operation = 0;               ///< '*' or '+'
  std::string_view only_field = {}; ///< only events where this is the text `only`
  std::string_view only = {};
};

/// One per fact, in the order of JvmFact.
const std::array<JvmFactRule, kJvmFacts> &jvm_fact_rules() noexcept;

struct FactValue {
  bool was_recorded = false; ///< there were events, or the recording's settings ask for them
  int64_t events = 0;
  int64_t values = 0; ///< events that have the field, with a value that can be
  int64_t sum = 0;    ///< saturating; of whole numbers, canonical units
  double real_sum = 0;
  int64_t max = 0;
  int64_t first = 0; ///< the first that is over 0
  int64_t last = 0;
  int64_t gained = 0;     ///< of counters
  int64_t covered_ns = 0; ///< the time in which they gained that; 0 = it was seen only once

  void add(int64_t value) noexcept;
  void add_real(double value) noexcept; ///< which is finite
};

struct JvmFacts {
  std::array<FactValue, kJvmFacts> values{};

  FactValue &operator[](JvmFact fact) noexcept { return values[static_cast<size_t>(fact)]; }
  const FactValue &operator[](JvmFact fact) const noexcept {
    return values[static_cast<size_t>(fact)];
  }
  /// Adds what a later recording has.
  void merge(const JvmFacts &later) noexcept;
};

} // namespace profcore
