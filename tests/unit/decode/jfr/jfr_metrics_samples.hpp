#pragma once

// Recordings with events that metrics are computed from, of figures that can be added up by hand:
// for unit tests and for those of the tool.

#include "jfr_builder.hpp"

#include <string>
#include <vector>

namespace jfr_test {

/// A field of an event with its value.
struct Part {
  Field field;
  Body body;
};

constexpr uint64_t kGcWhen = 60;

/// Events by name; the type of one is made of the parts that it first comes with.
class EventChunk {
public:
  explicit EventChunk(int64_t start_seconds, int64_t seconds, int64_t ticks_per_second) {
    chunk.start_ns += start_seconds * 1'000'000'000;
    chunk.duration_ns = seconds * 1'000'000'000;
    chunk.ticks_per_second = ticks_per_second;
    chunk.add_jdk_types();
    chunk.type(kGcWhen, "jdk.types.GCWhen", {{"when", kString}}, {}, true);
  }

  /// The chunk's ticks of so many milliseconds.
  int64_t ticks(int64_t milliseconds) const {
    return milliseconds * (chunk.ticks_per_second / 1000);
  }
  Part start(int64_t milliseconds = 0) const {
    const int64_t at = chunk.start_ticks + ticks(milliseconds);
    return {{"startTime", kLong, false, false, {{kTimestamp, "TICKS"}}},
            [at](Writer &out) { out.i64(at); }};
  }
  Part duration(int64_t milliseconds) const {
    const int64_t length = ticks(milliseconds);
    return {{"duration", kLong, false, false, {{kTimespan, "TICKS"}}},
            [length](Writer &out) { out.i64(length); }};
  }
  static Part milliseconds(const std::string &name, int64_t value, bool is_time = false) {
    return {{name,
             kLong,
             false,
             false,
             {is_time ? Annotation{kTimestamp, "MILLISECONDS_SINCE_EPOCH"}
                      : Annotation{kTimespan, "MILLISECONDS"}}},
            [value](Writer &out) { out.i64(value); }};
  }
  static Part number(const std::string &name, int64_t value) {
    return {{name, kLong}, [value](Writer &out) { out.i64(value); }};
  }
  static Part real(const std::string &name, float value) {
    return {{name, kFloat}, [value](Writer &out) { out.f32(value); }};
  }
  static Part text(const std::string &name, const std::string &value) {
    return {{name, kString}, [value](Writer &out) { out.utf8(value); }};
  }
  static Part key(const std::string &name, uint64_t type, uint64_t value) {
    return {{name, type, true}, [value](Writer &out) { out.key(value); }};
  }

  uint64_t type_id(const std::string &name, const std::vector<Part> &parts) {
    for (size_t i = 0; i < names_.size(); ++i)
      if (names_[i] == name) return kFirstId + i;
    std::vector<Field> fields;
    for (const Part &part : parts) fields.push_back(part.field);
    names_.push_back(name);
    const uint64_t id = kFirstId + names_.size() - 1;
    chunk.type(id, name, fields, "jdk.jfr.Event");
    return id;
  }
  void event(const std::string &name, const std::vector<Part> &parts, int times = 1) {
    const uint64_t id = type_id(name, parts);
    for (int i = 0; i < times; ++i)
      chunk.event(id, [&](Writer &out) {
        for (const Part &part : parts) part.body(out);
      });
  }
  /// An event that the recording was to have.
  void enable(const std::string &name, const std::vector<Part> &parts) {
    const auto id = static_cast<int64_t>(type_id(name, parts));
    event("jdk.ActiveSetting",
          {start(), number("id", id), text("name", "enabled"), text("value", "true")});
  }
  std::string finish() {
    chunk.checkpoint({{kGcWhen,
                       {{1, [](Writer &out) { out.utf8("Before GC"); }},
                        {2, [](Writer &out) { out.utf8("After GC"); }}}}});
    return chunk.finish();
  }

  Chunk chunk;

private:
  static constexpr uint64_t kFirstId = 1000;
  std::vector<std::string> names_;
};

/// Ten seconds in two chunks of different clocks, as Datadog's agent records.
inline std::string datadog_metrics_recording() {
  EventChunk first{0, 5, 500'000'000};
  using C = EventChunk;
  first.event("jdk.JVMInformation",
              {first.start(), C::milliseconds("jvmStartTime", 1'699'999'900'000, true)});
  first.event("datadog.DatadogProfilerConfig", {first.start(), C::milliseconds("cpuInterval", 9)});
  for (const int64_t weight : {3, 1})
    first.event("datadog.ExecutionSample", {first.start(), C::number("weight", weight)});
  first.event("datadog.ObjectSample",
              {first.start(), C::number("size", 16), C::real("weight", 2.5F)});
  for (const int64_t bytes : {5000, 3000})
    first.event("datadog.DirectAllocationTotal", {first.start(), C::number("allocated", bytes)});
  first.event("jdk.ClassLoaderStatistics", {first.start(), C::number("classCount", 9)}, 4);
  first.event("jdk.ClassLoadingStatistics",
              {first.start(1000), C::number("loadedClassCount", 100)});
  first.event("jdk.Compilation", {first.start(), first.duration(150)});
  first.event("jdk.CompilerStatistics", {first.start(), C::milliseconds("totalTimeSpent", 1000)});
  first.event("jdk.ThreadContextSwitchRate", {first.start(), C::real("switchRate", 100.5F)});
  first.event("datadog.ExceptionSample", {first.start()}, 3);
  first.event("datadog.ExceptionCount", {first.start(), C::number("count", 20)});
  first.event("jdk.FileRead", {first.start(), first.duration(12), C::number("bytesRead", 100)});
  first.event("jdk.FileRead", {first.start(), first.duration(30), C::number("bytesRead", 50)});
  first.event("jdk.FileWrite", {first.start(), first.duration(20), C::number("bytesWritten", 7)});
  first.event("jdk.GarbageCollection",
              {first.start(), first.duration(40), C::milliseconds("sumOfPauses", 4),
               C::milliseconds("longestPause", 3)});
  first.event("jdk.GCPhasePause", {first.start(), first.duration(4)});
  first.event("datadog.HeapLiveObject", {first.start(), C::real("weight", 100)});
  first.event("datadog.HeapUsage", {first.start(), C::number("size", 1'000'000)});
  first.event("jdk.JavaMonitorEnter", {first.start(), first.duration(22)});
  first.event("jdk.ThreadStart", {first.start()}, 6);
  for (const int64_t thread : {7, 8})
    first.event("datadog.DeadlockedThread",
                {first.start(), C::number("id", 1), C::number("threadId", thread)});
  first.event("jdk.SocketRead", {first.start(), first.duration(15), C::number("bytesRead", 300)});
  first.event("jdk.SocketWrite",
              {first.start(), first.duration(25), C::number("bytesWritten", 400)});

  EventChunk second{5, 5, 1'000'000'000};
  second.event("datadog.ExecutionSample", {second.start(), C::number("weight", 6)});
  second.event("datadog.ObjectSample",
               {second.start(), C::number("size", 1024), C::real("weight", 1)});
  second.event("jdk.ClassLoadingStatistics",
               {second.start(4000), C::number("loadedClassCount", 180)});
  second.event("jdk.Compilation", {second.start(), second.duration(250)});
  second.event("jdk.CompilerStatistics", {second.start(), C::milliseconds("totalTimeSpent", 1700)});
  second.event("jdk.ThreadContextSwitchRate", {second.start(), C::real("switchRate", 50.5F)});
  second.event("datadog.ExceptionSample", {second.start()}, 2);
  second.event("datadog.ExceptionCount", {second.start(), C::number("count", 30)});
  second.event("jdk.GarbageCollection",
               {second.start(), second.duration(60), C::milliseconds("sumOfPauses", 6),
                C::milliseconds("longestPause", 5)});
  for (const int64_t pause : {6, 5})
    second.event("jdk.GCPhasePause", {second.start(), second.duration(pause)});
  for (const float weight : {1.5F, 2.5F, 4.25F})
    second.event("datadog.HeapLiveObject", {second.start(), C::real("weight", weight)});
  second.event("datadog.HeapUsage", {second.start(), C::number("size", 2'000'000)});
  second.event("jdk.JavaMonitorEnter", {second.start(), second.duration(11)});
  for (const int64_t thread : {7, 8})
    second.event("datadog.DeadlockedThread",
                 {second.start(), C::number("id", 1), C::number("threadId", thread)});
  second.event("jdk.SocketWrite",
               {second.start(), second.duration(5), C::number("bytesWritten", 10)});
  return first.finish() + second.finish();
}

/// Ten seconds of a JDK without Datadog's agent.
inline std::string jdk_metrics_recording() {
  EventChunk chunk{0, 10, 1'000'000'000};
  using C = EventChunk;
  chunk.event("jdk.CPUInformation", {chunk.start(), C::number("hwThreads", 4)});
  for (const float load : {0.25F, 0.5F})
    chunk.event("jdk.CPULoad",
                {chunk.start(), C::real("jvmUser", load), C::real("jvmSystem", 0.125F)});
  for (const int64_t weight : {1000, 3000})
    chunk.event("jdk.ObjectAllocationSample", {chunk.start(), C::number("weight", weight)});
  for (const auto &[when, used] : {std::pair{1, 900}, std::pair{2, 300}, std::pair{1, 950},
                                   std::pair{2, 400}, std::pair{1, 980}})
    chunk.event("jdk.GCHeapSummary",
                {chunk.start(), C::key("when", kGcWhen, static_cast<uint64_t>(when)),
                 C::number("heapUsed", used)});
  chunk.event("jdk.GarbageCollection",
              {chunk.start(), chunk.duration(40), C::milliseconds("sumOfPauses", 4),
               C::milliseconds("longestPause", 3)});
  for (const int64_t at : {0, 4}) {
    chunk.event("jdk.ExceptionStatistics",
                {chunk.start(at * 1000), C::number("throwables", 500 + at * 10)});
    chunk.event("jdk.JavaThreadStatistics",
                {chunk.start(at * 1000), C::number("accumulatedCount", 20 + at)});
  }
  chunk.enable("jdk.FileRead", {chunk.start(), chunk.duration(1), C::number("bytesRead", 1)});
  chunk.type_id("jdk.SocketRead", {chunk.start(), chunk.duration(1), C::number("bytesRead", 1)});
  return chunk.finish();
}

} // namespace jfr_test
