#pragma once

// A recording with an event of every type that profiles or metrics are made of, each with all
// fields that one of them looks at: what the fuzzer starts from.

#include "jfr_samples.hpp"

#include <algorithm>

namespace jfr_test {

constexpr uint64_t kFirstOfEvery = 1000;

/// The first two are read as settings.
inline const std::vector<std::string> &every_event_name() {
  static const std::vector<std::string> names{"jdk.ActiveSetting",
                                              "jdk.ActiveRecording",
                                              "datadog.DatadogProfilerConfig",
                                              "jdk.ExecutionSample",
                                              "jdk.NativeMethodSample",
                                              "jdk.CPUTimeSample",
                                              "datadog.ExecutionSample",
                                              "datadog.MethodSample",
                                              "profiler.WallClockSample",
                                              "jdk.ObjectAllocationInNewTLAB",
                                              "jdk.ObjectAllocationOutsideTLAB",
                                              "jdk.ObjectAllocationSample",
                                              "datadog.ObjectSample",
                                              "profiler.LiveObject",
                                              "datadog.HeapLiveObject",
                                              "jdk.OldObjectSample",
                                              "profiler.Malloc",
                                              "profiler.Free",
                                              "jdk.GCPhasePause",
                                              "jdk.GarbageCollection",
                                              "jdk.JavaMonitorEnter",
                                              "jdk.ThreadPark",
                                              "jdk.JavaMonitorWait",
                                              "profiler.NativeLock",
                                              "jdk.VirtualThreadPinned",
                                              "jdk.ThreadSleep",
                                              "jdk.JavaExceptionThrow",
                                              "jdk.JavaErrorThrow",
                                              "datadog.ExceptionSample",
                                              "jdk.FileRead",
                                              "jdk.FileWrite",
                                              "jdk.FileForce",
                                              "jdk.SocketRead",
                                              "jdk.SocketWrite",
                                              "jdk.MethodTrace",
                                              "jdk.JVMInformation",
                                              "jdk.CPULoad",
                                              "jdk.CPUInformation",
                                              "jdk.ThreadAllocationStatistics",
                                              "datadog.DirectAllocationTotal",
                                              "jdk.ClassLoaderStatistics",
                                              "jdk.ClassLoadingStatistics",
                                              "jdk.ClassLoad",
                                              "jdk.Compilation",
                                              "jdk.CompilerStatistics",
                                              "jdk.ThreadContextSwitchRate",
                                              "datadog.ExceptionCount",
                                              "jdk.ExceptionStatistics",
                                              "datadog.HeapUsage",
                                              "jdk.GCHeapSummary",
                                              "jdk.ThreadStart",
                                              "jdk.JavaThreadStatistics",
                                              "datadog.DeadlockedThread"};
  return names;
}

/// An event of each of these types. `setting` and its value, and the recording's name, tell who
/// wrote it.
inline Chunk chunk_of_events(const std::vector<std::string> &names, const std::string &setting,
                             const std::string &value, const std::string &recording) {
  constexpr uint64_t kWhen = 60;
  constexpr uint64_t kAttribute = 61;
  constexpr uint64_t kFirst = kFirstOfEvery;
  Chunk chunk;
  chunk.metadata_form = StringForm::kUtf8;
  chunk.size_bytes = 0;
  chunk.add_jdk_types();
  chunk.type(kWhen, "jdk.types.GCWhen", {{"when", kString}}, {}, true);
  chunk.type(kAttribute, "profiler.types.AttributeValue", {{"value", kString}});
  std::vector<Field> fields{{"startTime", kLong, false, false, {{kTimestamp, "TICKS"}}},
                            {"duration", kLong, false, false, {{kTimespan, "TICKS"}}},
                            {"eventThread", kThread, true},
                            {"stackTrace", kStackTrace, true},
                            {"state", kThreadState, true},
                            {"thread", kThread, true},
                            {"when", kWhen, true},
                            {"route", kAttribute, true}};
  for (const char *name : {"objectClass", "monitorClass", "parkedClass", "thrownClass"})
    fields.push_back({name, kClass, true});
  const size_t keys = fields.size() - 2;
  const std::vector<std::string> numbers{"id",
                                         "weight",
                                         "size",
                                         "tlabSize",
                                         "allocationSize",
                                         "objectSize",
                                         "address",
                                         "samples",
                                         "timeSpan",
                                         "samplingPeriod",
                                         "failed",
                                         "gcId",
                                         "bytesRead",
                                         "bytesWritten",
                                         "contextId",
                                         "spanId",
                                         "localRootSpanId",
                                         "cpuInterval",
                                         "wallInterval",
                                         "jvmStartTime",
                                         "hwThreads",
                                         "allocated",
                                         "count",
                                         "loadedClassCount",
                                         "totalTimeSpent",
                                         "sumOfPauses",
                                         "longestPause",
                                         "throwables",
                                         "heapUsed",
                                         "accumulatedCount",
                                         "threadId",
                                         "classCount",
                                         "revisionNumber"};
  for (const std::string &name : numbers) fields.push_back({name, kLong});
  const std::vector<std::string> reals{"jvmUser", "jvmSystem", "switchRate"};
  for (const std::string &name : reals) fields.push_back({name, kFloat});
  for (const char *name : {"name", "value", "path", "host", "type", "cause", "spanName"})
    fields.push_back({name, kString});
  for (size_t i = 0; i < names.size(); ++i)
    chunk.type(kFirst + i, names[i], fields, "jdk.jfr.Event");
  const auto event = [&](uint64_t type, int64_t number, const std::string &name,
                         const std::string &text) {
    chunk.event(type, [&](Writer &out) {
      out.i64(2000 + number);
      out.i64(300);
      for (size_t i = 0; i < keys; ++i) out.key(1);
      for (size_t i = 0; i < numbers.size(); ++i) out.i64(number);
      for (size_t i = 0; i < reals.size(); ++i) out.f32(0.5F);
      out.utf8(name);
      out.utf8(text);
      for (int i = 0; i < 5; ++i) out.utf8("text");
    });
  };
  const auto id_of = [&](const char *name) {
    return static_cast<int64_t>(kFirst) +
           (std::find(names.begin(), names.end(), name) - names.begin());
  };
  event(kFirst, 1, setting, value);
  event(kFirst, id_of("jdk.ExecutionSample"), "period", "20 ms");
  event(kFirst, id_of("jdk.FileRead"), "enabled", "true");
  event(kFirst + 1, 1, recording, "");
  for (size_t i = 2; i < names.size(); ++i) event(kFirst + i, 7, "name", "value");
  std::vector<Pool> pools = sample_pools();
  pools.push_back({kWhen, {{1, [](Writer &out) { out.utf8("After GC"); }}}});
  pools.push_back({kAttribute, {{1, [](Writer &out) { out.utf8("/index"); }}}});
  chunk.checkpoint(pools);
  return chunk;
}

inline std::vector<Sample> every_event_samples() {
  const std::vector<std::string> of_async_profiler{
      "jdk.ActiveSetting",   "jdk.ActiveRecording",
      "jdk.ExecutionSample", "profiler.WallClockSample",
      "profiler.LiveObject", "profiler.Malloc",
      "profiler.Free",       "profiler.NativeLock"};
  const auto made = [&](const char *setting, const char *value) {
    return chunk_of_events(of_async_profiler, setting, value, "async-profiler 4.0").finish();
  };
  return {{"every_event", chunk_of_events(every_event_name(), "none", "", "app").finish()},
          {"events_async_profiler", made("engine", "ctimer")},
          {"events_async_profiler_wall", made("event", "wall")},
          {"events_async_profiler_counter", made("event", "cache-misses")}};
}

} // namespace jfr_test
