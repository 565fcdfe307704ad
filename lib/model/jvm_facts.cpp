#include "model/jvm_facts.hpp"

#include <algorithm>
#include <cmath>

namespace profcore {
namespace {

int64_t add_saturating(int64_t a, int64_t b) noexcept {
  int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return a < 0 ? INT64_MIN : INT64_MAX;
}

using enum JvmFact;
using enum JvmTake;

constexpr std::array<JvmFactRule, kJvmFacts> kRules = {{
    {kJvmStart, "jdk.JVMInformation", "jvmStartTime", ""},
    {kDatadogCpu, "datadog.ExecutionSample", "weight", ""},
    {kDatadogCpuInterval, "datadog.DatadogProfilerConfig", "cpuInterval", ""},
    {kCpuTimeSamples, "jdk.CPUTimeSample", "samplingPeriod", "", kColumn},
    {kAsyncSamples, "jdk.ExecutionSample", "", "", kColumn},
    {kJdkSamples, "jdk.ExecutionSample", "", "", kColumn},
    {kCpuLoad, "jdk.CPULoad", "jvmUser", "jvmSystem", kValues, '+'},
    {kHardwareThreads, "jdk.CPUInformation", "hwThreads", ""},
    {kObjectBytes, "datadog.ObjectSample", "size", "weight", kValues, '*'},
    {kObjectWeight, "datadog.ObjectSample", "weight", ""},
    {kAllocationSamples, "jdk.ObjectAllocationSample", "weight", ""},
    {kTlabs, "jdk.ObjectAllocationInNewTLAB", "tlabSize", ""},
    {kOutsideTlabs, "jdk.ObjectAllocationOutsideTLAB", "allocationSize", ""},
    {kThreadAllocations, "jdk.ThreadAllocationStatistics", "allocated", "", kThreadCounter},
    {kDirectBytes, "datadog.DirectAllocationTotal", "allocated", ""},
    {kClassLoaders, "jdk.ClassLoaderStatistics", "", ""},
    {kLoadedClasses, "jdk.ClassLoadingStatistics", "loadedClassCount", "", kCounter},
    {kClassLoads, "jdk.ClassLoad", "", ""},
    {kCompilations, "jdk.Compilation", "duration", ""},
    {kCompilerTime, "jdk.CompilerStatistics", "totalTimeSpent", "", kCounter},
    {kSwitchRate, "jdk.ThreadContextSwitchRate", "switchRate", ""},
    {kExceptionSamples, "datadog.ExceptionSample", "", ""},
    {kExceptionCount, "datadog.ExceptionCount", "count", ""},
    {kThrowables, "jdk.ExceptionStatistics", "throwables", "", kCounter},
    {kFileReadTime, "jdk.FileRead", "duration", ""},
    {kFileReadBytes, "jdk.FileRead", "bytesRead", ""},
    {kFileWriteTime, "jdk.FileWrite", "duration", ""},
    {kFileWriteBytes, "jdk.FileWrite", "bytesWritten", ""},
    {kSocketReadTime, "jdk.SocketRead", "duration", ""},
    {kSocketReadBytes, "jdk.SocketRead", "bytesRead", ""},
    {kSocketWriteTime, "jdk.SocketWrite", "duration", ""},
    {kSocketWriteBytes, "jdk.SocketWrite", "bytesWritten", ""},
    {kCollections, "jdk.GarbageCollection", "duration", ""},
    {kCollectionPauses, "jdk.GarbageCollection", "sumOfPauses", ""},
    {kLongestPauses, "jdk.GarbageCollection", "longestPause", ""},
    {kGcPauses, "jdk.GCPhasePause", "duration", ""},
    {kLiveObjects, "datadog.HeapLiveObject", "", ""},
    {kLiveWeight, "datadog.HeapLiveObject", "weight", "", kLevel},
    {kHeapUsage, "datadog.HeapUsage", "size", ""},
    {kHeapAfterGc, "jdk.GCHeapSummary", "heapUsed", "", kValues, 0, "when", "After GC"},
    {kMonitorWaits, "jdk.JavaMonitorEnter", "duration", ""},
    {kThreadStarts, "jdk.ThreadStart", "", ""},
    {kThreadsStarted, "jdk.JavaThreadStatistics", "accumulatedCount", "", kCounter},
    {kDeadlocks, "datadog.DeadlockedThread", "", ""},
    {kDeadlockedThreads, "datadog.DeadlockedThread", "threadId", "", kDistinct},
}};

constexpr bool is_in_order() {
  for (size_t i = 0; i < kRules.size(); ++i)
    if (static_cast<size_t>(kRules[i].fact) != i) return false;
  return true;
}
static_assert(is_in_order());

} // namespace

const std::array<JvmFactRule, kJvmFacts> &jvm_fact_rules() noexcept {
  return kRules;
}

void FactValue::add(int64_t value) noexcept {
  ++values;
  sum = add_saturating(sum, value);
  real_sum += static_cast<double>(value);
  max = std::max(max, value);
  if (first <= 0) first = value;
  last = value;
}

void FactValue::add_real(double value) noexcept {
  const double before = real_sum;
  add(value >= 0x1p62 ? INT64_MAX : value <= -0x1p62 ? INT64_MIN : std::llround(value));
  real_sum = before + value;
}

void JvmFacts::merge(const JvmFacts &later) noexcept {
  for (size_t i = 0; i < kJvmFacts; ++i) {
    FactValue &to = values[i];
    const FactValue &from = later.values[i];
    if (kRules[i].take == kLevel) {
      const bool was_recorded = to.was_recorded || from.was_recorded;
      if (from.events > 0) to = from;
      to.was_recorded = was_recorded;
      continue;
    }
    if (from.values > 0) to.last = from.last;
    if (to.first <= 0) to.first = from.first;
    to.was_recorded = to.was_recorded || from.was_recorded;
    to.events = add_saturating(to.events, from.events);
    to.values = add_saturating(to.values, from.values);
    to.sum = add_saturating(to.sum, from.sum);
    to.real_sum += from.real_sum;
    to.max = std::max(to.max, from.max);
    to.gained = add_saturating(to.gained, from.gained);
    to.covered_ns = add_saturating(to.covered_ns, from.covered_ns);
  }
}

} // namespace profcore
