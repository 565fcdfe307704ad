#pragma once

// Which events become samples, and in which columns (sample types).

#include "sources/decode/decode.hpp"

#include <cstdint>
#include <string_view>

namespace profcore::jfr {

enum class Column : uint8_t {
  kCpu,
  kCpuTime,    ///< jdk.CPUTimeSample
  kDatadogCpu, ///< datadog.ExecutionSample
  kCounted,    ///< async-profiler's ExecutionSample driven by a counter (cache-misses ...)
  kWall,
  kNative,
  kAllocObjects,
  kAllocSpace,
  kInuseObjects,
  kInuseSpace,
  kOldObjects, ///< jdk.OldObjectSample: some of what is alive
  kOldSpace,
  kMallocObjects,
  kMallocSpace,
  kLeakObjects,
  kLeakSpace,
  kMutexContentions,
  kMutexDelay,
  kParkCount,
  kParkDelay,
  kWaitCount,
  kWaitDelay,
  kNativeLockContentions,
  kNativeLockDelay,
  kPinnedCount,
  kPinnedDelay,
  kSleepCount,
  kSleepTime,
  kExceptions,
  kErrors,
  kFileReadTime,
  kFileReadBytes,
  kFileWriteTime,
  kFileWriteBytes,
  kSocketReadTime,
  kSocketReadBytes,
  kSocketWriteTime,
  kSocketWriteBytes,
  kNativeReadTime, ///< datadog.NativeSocketEvent: what jdk.SocketRead has too, when that is long
  kNativeReadBytes,
  kNativeWriteTime,
  kNativeWriteBytes,
  kGcPause,
  kMethodCalls,
  kMethodTime,
  // Pyroscope's.
  kTlabObjects,
  kTlabBytes,
  kOutsideTlabObjects,
  kOutsideTlabBytes,
  kAllocSampleObjects,
  kAllocSampleBytes,
  kBlockContentions,
  kBlockDelay,
  kLive,
  kMallocBytes,
  kNone,
};
constexpr size_t kColumns = static_cast<size_t>(Column::kNone);

struct ColumnText {
  std::string_view type;
  std::string_view unit;
};
ColumnText column_text(Column column) noexcept;

enum class EventKind : uint8_t {
  kExecutionSample,
  kNativeSample,
  kCpuTimeSample,
  kDatadogCpu,
  kDatadogWall,
  kWallClock,
  kTlab,
  kOutsideTlab,
  kAllocationSample,
  kDatadogAllocation,
  kLive,
  kDatadogLive,
  kOldObject,
  kMalloc,
  kFree,
  kNativeSocket,
  kGcPause,
  kCounted, ///< one, a duration, bytes: what RecordedEvent says
};

/// How an event type is mapped. For kCounted: what of `count`, `time` and `bytes` is not kNone gets
/// 1, the duration, the field named `bytes_field`.
struct EventRule {
  std::string_view event;
  EventKind kind;
  Column count = Column::kNone;
  Column time = Column::kNone;
  Column bytes = Column::kNone;
  std::string_view bytes_field;
  std::string_view class_field; ///< of a class, given as label "class"
  std::string_view text_field;  ///< of a string, given as label
  std::string_view text_label;
};

/// nullptr for events that become no samples.
const EventRule *find_rule(std::string_view event, JfrCompat compat) noexcept;

} // namespace profcore::jfr
