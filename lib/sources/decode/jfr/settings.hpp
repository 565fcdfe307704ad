#pragma once

// What a recording says of how it was made: jdk.ActiveSetting, jdk.ActiveRecording,
// datadog.DatadogProfilerConfig. Sampling events carry no weight of their own; the period that
// stands here is what makes them times.

#include "sources/decode/jfr/chunk.hpp"
#include "sources/decode/jfr/origin.hpp"

#include <cstdint>
#include <string>
#include <unordered_map>

namespace profcore::jfr {

enum class Producer : uint8_t { kJdk, kAsyncProfiler, kDatadog };

/// What drives async-profiler's ExecutionSample.
enum class Driver : uint8_t {
  kCpuTime,
  kWallClock,
  kCounter, ///< cache misses, calls of a method ...
};

struct Settings {
  Producer producer = Producer::kJdk;
  std::string event;                ///< async-profiler: what drives ExecutionSample; "" = CPU time
  Driver driver = Driver::kCpuTime; ///< which of them `event` is
  int64_t interval = 0;      ///< async-profiler: nanoseconds, or events when `event` counts those
  int64_t wall_interval = 0; ///< async-profiler: nanoseconds; 0 = no wall clock sampling beside
  int64_t cpu_interval = 0;  ///< java-profiler: nanoseconds
  int64_t dd_wall_interval = 0;
  /// JDK: nanoseconds between samples of an event type, by the type's name.
  std::unordered_map<std::string, int64_t> periods;
  Origin origin;

  /// Takes what the chunk's setting events say; what they do not say stays as it was.
  void read(const Chunk &chunk);

private:
  void find_driver() noexcept;
};

/// "20 ms", "1 s", "everyChunk" ...: nanoseconds, or 0 for what is no time.
int64_t parse_timespan(std::string_view text) noexcept;

bool is_setting_event(std::string_view type_name) noexcept;

} // namespace profcore::jfr
