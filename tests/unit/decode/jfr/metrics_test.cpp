// Metrics of recordings whose figures are added up by hand: jfr_metrics_samples.hpp says what is in
// them.
#include "base/error.hpp"
#include "jfr_metrics_samples.hpp"
#include "model/jvm_facts.hpp"
#include "model/metrics.hpp"
#include "model/operations.hpp"
#include "sources/decode/decode.hpp"

#include <doctest/doctest.h>
#include <map>

using namespace profcore;
using jfr_test::EventChunk;

namespace {

Profile decode(const std::string &file, bool metrics = true) {
  DecodeOptions options;
  options.jfr.metrics = metrics;
  return decode_jfr({reinterpret_cast<const uint8_t *>(file.data()), file.size()}, options);
}

std::map<std::string_view, Metric> by_name(const Metrics &metrics) {
  std::map<std::string_view, Metric> all;
  for (const Metric &metric : metrics.metrics) CHECK(all.emplace(metric.name, metric).second);
  return all;
}

std::map<std::string_view, Metric> compute(const Profile &profile, MetricsVariant variant) {
  MetricsOptions options;
  options.variant = variant;
  return by_name(compute_metrics(profile, options));
}

struct Expected {
  std::string_view name; ///< without prof_jvm_
  double value;
  MetricKind kind = MetricKind::kInteger;
};
constexpr MetricKind kReal = MetricKind::kFloat;

void check(const std::map<std::string_view, Metric> &all, const std::vector<Expected> &expected) {
  for (const Expected &one : expected) {
    const std::string name = "prof_jvm_" + std::string{one.name};
    INFO(name);
    const auto found = all.find(name);
    REQUIRE(found != all.end());
    CHECK(found->second.real == doctest::Approx(one.value).epsilon(1e-12));
    CHECK(found->second.kind == one.kind);
    CHECK_FALSE(found->second.note.empty());
    if (one.kind == MetricKind::kInteger)
      CHECK(found->second.integer == static_cast<int64_t>(one.value));
  }
}

const Metric &of(const std::map<std::string_view, Metric> &all, std::string_view name) {
  const auto found = all.find(name);
  REQUIRE(found != all.end());
  return found->second;
}

} // namespace

TEST_CASE("all of DataKit's metrics of a Datadog recording, as DataKit computes them") {
  const Profile profile = decode(jfr_test::datadog_metrics_recording());
  CHECK(profile.meta.duration_ns == 10'000'000'000);
  const auto all = compute(profile, MetricsVariant::kDatakit);
  const std::vector<Expected> expected = {
      {"uptime_nanoseconds", 110e9},
      {"cpu_cores", 0.009, kReal}, // 10 samples of 9 ms
      {"alloc_bytes_total", 1064, kReal},
      {"alloc_bytes_per_sec", 106.4, kReal},
      {"allocs_per_sec", 0.35, kReal},
      {"direct_alloc_bytes_per_sec", 800, kReal},
      {"class_loads_per_sec", 0.4, kReal},
      {"compilation_time", 400e6},
      {"context_switches_per_sec", 75.5, kReal},
      {"throws_total", 5},
      {"throws_per_sec", 0.5, kReal},
      {"file_io_max_read_time", 30e6},
      {"file_io_max_read_bytes", 100},
      {"file_io_read_time", 42e6},
      {"file_io_read_bytes", 150},
      {"file_io_max_write_time", 20e6},
      {"file_io_max_write_bytes", 7},
      {"file_io_write_time", 20e6},
      {"file_io_write_bytes", 7},
      {"file_io_time", 62e6},
      {"avg_gc_pause_time", 50e6, kReal},
      {"max_gc_pause_time", 6e6},
      {"gc_pause_time", 15e6},
      {"gc_pauses_per_sec", 0.3, kReal},
      {"lifetime_heap_objects", 4},
      {"lifetime_heap_bytes", 1e6},
      {"locks_max_wait_time", 22e6, kReal},
      {"locks_per_sec", 0.2, kReal},
      {"threads_created_per_sec", 0.6, kReal},
      {"threads_deadlocked", 4},
      {"socket_io_max_read_time", 15e6},
      {"socket_io_max_read_bytes", 300},
      {"socket_io_read_time", 15e6},
      {"socket_io_read_bytes", 300},
      {"socket_io_max_write_time", 25e6},
      {"socket_io_max_write_bytes", 400},
      {"socket_io_write_time", 30e6},
      {"socket_io_write_bytes", 410},
  };
  CHECK(all.size() == expected.size());
  check(all, expected);
}

TEST_CASE("the corrected metrics of a Datadog recording") {
  const auto all =
      compute(decode(jfr_test::datadog_metrics_recording()), MetricsVariant::kCorrected);
  CHECK(all.size() == 38);
  check(all, {{"uptime_nanoseconds", 110e9},
              {"cpu_cores", 0.009, kReal},
              {"class_loads_per_sec", 10, kReal}, // 80 in the 8 s between the two events
              {"compilation_time", 700e6},
              {"throws_total", 50},
              {"throws_per_sec", 5, kReal},
              {"avg_gc_pause_time", 5e6, kReal},
              {"lifetime_heap_objects", 8}, // 8.25 of the last chunk
              {"lifetime_heap_bytes", 2e6},
              {"threads_deadlocked", 2}});
  CHECK(of(all, "prof_jvm_class_loads_per_sec").note ==
        "growth of jdk.ClassLoadingStatistics.loadedClassCount");
  CHECK(of(all, "prof_jvm_cpu_cores").note == "datadog.ExecutionSample.weight * 9 ms");
}

TEST_CASE("a recording of the JDK alone: zeros for DataKit, other sources for the corrected") {
  const Profile profile = decode(jfr_test::jdk_metrics_recording());
  const auto datakit = compute(profile, MetricsVariant::kDatakit);
  CHECK(datakit.size() == 37); // no start of the JVM
  CHECK_FALSE(datakit.contains("prof_jvm_uptime_nanoseconds"));
  check(datakit, {{"cpu_cores", 0, kReal},
                  {"alloc_bytes_total", 0, kReal},
                  {"throws_total", 0},
                  {"avg_gc_pause_time", 40e6, kReal},
                  {"lifetime_heap_bytes", 0}});
  const auto all = compute(profile, MetricsVariant::kCorrected);
  check(all, {{"cpu_cores", 2, kReal}, // (0.25 + 0.5) / 2 + 0.125 of 4
              {"alloc_bytes_total", 4000, kReal},
              {"alloc_bytes_per_sec", 400, kReal},
              {"throws_total", 40},
              {"throws_per_sec", 10, kReal}, // in 4 s
              {"avg_gc_pause_time", 4e6, kReal},
              {"max_gc_pause_time", 3e6},
              {"gc_pauses_per_sec", 0.1, kReal},
              {"lifetime_heap_bytes", 400},
              {"threads_created_per_sec", 1, kReal},
              {"file_io_read_bytes", 0}});
  CHECK(of(all, "prof_jvm_file_io_read_bytes").note == "sum of jdk.FileRead.bytesRead: none");
  // A type that nobody asked to be recorded tells nothing.
  for (const std::string_view name :
       {"prof_jvm_socket_io_read_bytes", "prof_jvm_file_io_write_bytes", "prof_jvm_allocs_per_sec",
        "prof_jvm_uptime_nanoseconds", "prof_jvm_file_io_time"}) {
    INFO(name);
    CHECK(of(all, name).kind == MetricKind::kNone);
    CHECK(of(all, name).note == "not recorded");
  }
}

TEST_CASE("samples are the CPU time of last resort; threads' allocations add up") {
  EventChunk chunk{0, 10, 1'000'000'000};
  using C = EventChunk;
  chunk.event("jdk.ExecutionSample", {chunk.start()}, 3); // of 20 ms, the JDK's default
  const auto allocated = [&](int64_t at, uint64_t thread, int64_t bytes) {
    chunk.event("jdk.ThreadAllocationStatistics", {chunk.start(at), C::number("allocated", bytes),
                                                   C::key("thread", jfr_test::kThread, thread)});
  };
  allocated(0, 1, 1000);
  allocated(0, 2, 5000);
  allocated(5000, 1, 1500);
  allocated(5000, 3, 700); // began in between
  allocated(10000, 1, 1600);
  allocated(10000, 3, 900);
  const auto all = compute(decode(chunk.finish()), MetricsVariant::kCorrected);
  check(all, {{"cpu_cores", 0.006, kReal},
              {"alloc_bytes_total", 1500, kReal},
              {"alloc_bytes_per_sec", 150, kReal}});
  CHECK(of(all, "prof_jvm_cpu_cores").note == "sum of periods of jdk.ExecutionSample");
}

TEST_CASE("TLABs; counters seen once tell nothing; the range may be given") {
  EventChunk chunk{0, 10, 1'000'000'000};
  using C = EventChunk;
  chunk.event("jdk.ObjectAllocationInNewTLAB",
              {chunk.start(), C::number("allocationSize", 24), C::number("tlabSize", 4096)});
  chunk.event("jdk.ObjectAllocationOutsideTLAB", {chunk.start(), C::number("allocationSize", 904)});
  chunk.event("jdk.ClassLoadingStatistics", {chunk.start(), C::number("loadedClassCount", 100)});
  const Profile profile = decode(chunk.finish());
  MetricsOptions options;
  options.variant = MetricsVariant::kCorrected;
  options.start_ns = profile.meta.time_ns;
  options.end_ns = profile.meta.time_ns + 20'000'000'000;
  const Metrics metrics = compute_metrics(profile, options);
  CHECK(metrics.end_ns == options.end_ns);
  const auto all = by_name(metrics);
  check(all, {{"alloc_bytes_total", 5000, kReal}, {"alloc_bytes_per_sec", 250, kReal}});
  CHECK(of(all, "prof_jvm_class_loads_per_sec").kind == MetricKind::kNone);
  options.end_ns = options.start_ns;
  CHECK_THROWS_AS(compute_metrics(profile, options), Error);
}

TEST_CASE("floats that are no numbers and fields that are missing are left out") {
  EventChunk chunk{0, 10, 1'000'000'000};
  using C = EventChunk;
  for (const float rate : {__builtin_nanf(""), __builtin_inff(), 4.0F})
    chunk.event("jdk.ThreadContextSwitchRate", {chunk.start(), C::real("switchRate", rate)});
  chunk.event("jdk.FileRead", {chunk.start(), chunk.duration(12)});
  chunk.event("datadog.ObjectSample", {chunk.start(), C::text("size", "12")});
  const auto all = compute(decode(chunk.finish()), MetricsVariant::kDatakit);
  check(all, {{"context_switches_per_sec", 4, kReal},
              {"file_io_read_time", 12e6},
              {"file_io_read_bytes", 0},
              {"alloc_bytes_total", 0, kReal}});
}

TEST_CASE("sums past 64 bits stop there") {
  EventChunk chunk{0, 10, 1'000'000'000};
  chunk.event("jdk.FileRead",
              {chunk.start(), chunk.duration(0), EventChunk::number("bytesRead", INT64_MAX - 5)},
              3);
  const auto all = compute(decode(chunk.finish()), MetricsVariant::kDatakit);
  CHECK(of(all, "prof_jvm_file_io_read_bytes").integer == INT64_MAX);
}

TEST_CASE("merging adds up; without facts in one there are none") {
  const Profile first = decode(jfr_test::datadog_metrics_recording());
  const Profile second = decode(jfr_test::datadog_metrics_recording());
  const Profile *both[] = {&first, &second};
  const auto all = compute(merge(both, {}), MetricsVariant::kDatakit);
  check(all, {{"throws_total", 10},
              {"throws_per_sec", 0.5, kReal}, // of 20 s
              {"file_io_max_read_time", 30e6},
              {"lifetime_heap_bytes", 1e6}});
  const auto corrected = compute(merge(both, {}), MetricsVariant::kCorrected);
  check(corrected, {{"class_loads_per_sec", 10, kReal}, {"lifetime_heap_objects", 8}});
  const Profile plain = decode(jfr_test::jdk_metrics_recording(), false);
  CHECK(plain.jvm_facts == nullptr);
  const Profile *mixed[] = {&first, &plain};
  const Profile merged = merge(mixed, {});
  CHECK(merged.jvm_facts == nullptr);
  CHECK(merged.warnings().size() == 1);
  CHECK_THROWS_AS(compute_metrics(merged, {}), Error);
}

TEST_CASE("the profile is the same with metrics and without") {
  const std::string file = jfr_test::datadog_metrics_recording();
  const Profile with = decode(file);
  const Profile without = decode(file, false);
  REQUIRE(with.sample_count() == without.sample_count());
  REQUIRE(with.sample_types().size() == without.sample_types().size());
  for (size_t type = 0; type < with.sample_types().size(); ++type) {
    const auto a = with.values(type);
    const auto b = without.values(type);
    CHECK(std::equal(a.begin(), a.end(), b.begin(), b.end()));
  }
}
