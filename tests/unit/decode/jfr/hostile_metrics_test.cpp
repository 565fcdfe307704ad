// Metrics of recordings whose values cannot be, or come to more than fits: every metric is a number
// that has a sense, or none, and what was left out is counted.

#include "base/error.hpp"
#include "jfr_event_samples.hpp"
#include "jfr_metrics_samples.hpp"
#include "model/jvm_facts.hpp"
#include "model/metrics.hpp"
#include "model/operations.hpp"
#include "output/output.hpp"
#include "sources/decode/decode.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <doctest/doctest.h>
#include <limits>
#include <optional>

using namespace profcore;
using jfr_test::EventChunk;
using jfr_test::Part;
using jfr_test::Writer;

namespace {

using C = EventChunk;

Profile decode(const std::string &file) {
  DecodeOptions options;
  options.jfr.metrics = true;
  return decode_jfr({reinterpret_cast<const uint8_t *>(file.data()), file.size()}, options);
}

Part real64(const std::string &name, double value) {
  return {{name, jfr_test::kDouble}, [value](Writer &out) { out.f64(value); }};
}

/// All there are, after checks of what holds for any of them.
std::vector<Metric> metrics_of(const Profile &profile, MetricsVariant variant) {
  MetricsOptions options;
  options.variant = variant;
  const Metrics metrics = compute_metrics(profile, options);
  bool has_value = false;
  for (const Metric &metric : metrics.metrics) {
    CAPTURE(metric.name);
    CHECK(std::isfinite(metric.real));
    CHECK(metric.real >= 0);
    CHECK(metric.integer >= 0);
    CHECK_FALSE(metric.note.empty());
    has_value = has_value || metric.kind != MetricKind::kNone;
  }
  Buffer json;
  write_metrics_json(metrics, {}, json);
  const std::string_view text{json.data(), json.size()};
  for (const char *word : {":nan", ":-nan", ":inf", ":-inf"})
    CHECK(text.find(word) == std::string_view::npos);
  Buffer line;
  if (has_value) write_metrics_line(metrics, {}, line);
  return metrics.metrics;
}

Metric find(const Profile &profile, MetricsVariant variant, std::string_view name) {
  for (Metric &metric : metrics_of(profile, variant))
    if (metric.name == name) return metric;
  FAIL(name);
  return {};
}

constexpr auto kDatakit = MetricsVariant::kDatakit;
constexpr auto kCorrected = MetricsVariant::kCorrected;

} // namespace

TEST_CASE("durations and sizes that cannot be are left out and counted") {
  EventChunk chunk{0, 10, 1'000'000'000};
  for (const int64_t value : {INT64_C(5), INT64_C(-7), INT64_MIN, INT64_MAX, INT64_C(30)}) {
    chunk.event("jdk.FileRead",
                {chunk.start(),
                 {{"duration", jfr_test::kLong, false, false, {{jfr_test::kTimespan, "TICKS"}}},
                  [value](Writer &out) { out.i64(value); }},
                 C::number("bytesRead", value)});
    chunk.event("jdk.ExceptionStatistics",
                {chunk.start(value == 30 ? 2000 : 0), C::number("throwables", value)});
  }
  const Profile profile = decode(chunk.finish());
  CHECK(profile.counter("metrics_unusable_values") == 9);
  CHECK(find(profile, kDatakit, "prof_jvm_file_io_read_time").integer == 35);
  CHECK(find(profile, kDatakit, "prof_jvm_file_io_max_read_bytes").integer == 30);
  CHECK(find(profile, kCorrected, "prof_jvm_throws_total").integer == 25);
}

TEST_CASE("sums that do not fit stay at the largest number") {
  EventChunk chunk{0, 10, 1'000'000'000};
  for (int i = 0; i < 5; ++i) {
    chunk.event("jdk.FileRead",
                {chunk.start(), chunk.duration(1), C::number("bytesRead", INT64_MAX / 2)});
    chunk.event("jdk.FileWrite",
                {chunk.start(), chunk.duration(1), C::number("bytesWritten", INT64_MAX / 2)});
    chunk.event("datadog.ObjectSample",
                {chunk.start(), C::number("size", INT64_MAX / 2), real64("weight", 1e300)});
    chunk.event("datadog.ExceptionCount", {chunk.start(), C::number("count", INT64_MAX - 1)});
    for (const uint64_t thread : {1, 2})
      chunk.event("jdk.ThreadAllocationStatistics",
                  {chunk.start(i * 1000), C::number("allocated", i == 0 ? 0 : INT64_MAX - 1),
                   C::key("thread", jfr_test::kThread, thread)});
  }
  const Profile profile = decode(chunk.finish());
  CHECK(find(profile, kDatakit, "prof_jvm_file_io_read_bytes").integer == INT64_MAX);
  CHECK(find(profile, kDatakit, "prof_jvm_file_io_max_read_bytes").integer == INT64_MAX / 2);
  CHECK(find(profile, kCorrected, "prof_jvm_throws_total").integer == INT64_MAX);
  CHECK(find(profile, kDatakit, "prof_jvm_allocs_per_sec").real == doctest::Approx(5e299));
  // 1e300 objects of that size are more than a double holds.
  CHECK(profile.counter("metrics_unusable_values") == 5);
  CHECK(find(profile, kDatakit, "prof_jvm_alloc_bytes_total").real == 0);
  JvmFacts twice = *profile.jvm_facts;
  twice.merge(*profile.jvm_facts);
  CHECK(twice[JvmFact::kThreadAllocations].gained == INT64_MAX);
  CHECK(twice[JvmFact::kFileReadBytes].sum == INT64_MAX);
}

TEST_CASE("real values that are no numbers or infinite are left out and counted") {
  EventChunk chunk{0, 10, 1'000'000'000};
  const float none = std::numeric_limits<float>::quiet_NaN();
  for (const float value : {none, HUGE_VALF, -HUGE_VALF, -1.0F, 3.0F}) {
    chunk.event("jdk.ThreadContextSwitchRate", {chunk.start(), C::real("switchRate", value)});
    chunk.event("jdk.CPULoad", {chunk.start(), C::real("jvmUser", value), C::real("jvmSystem", 1)});
    chunk.event("datadog.HeapLiveObject", {chunk.start(), C::real("weight", value)});
  }
  for (const double weight : {1e308, 1e308, 1e308})
    chunk.event("datadog.ObjectSample",
                {chunk.start(), C::number("size", 4), real64("weight", weight)});
  chunk.event("jdk.CPUInformation", {chunk.start(), C::number("hwThreads", INT64_MAX - 1)});
  const Profile profile = decode(chunk.finish());
  CHECK(profile.counter("metrics_unusable_values") == 15); // 1e308 * 4 is infinite
  CHECK(find(profile, kDatakit, "prof_jvm_context_switches_per_sec").real == 3);
  CHECK(find(profile, kCorrected, "prof_jvm_lifetime_heap_objects").integer == 3);
  CHECK(find(profile, kDatakit, "prof_jvm_alloc_bytes_total").real == 0);
  // Each is a number; their sum is none.
  const Metric weights = find(profile, kDatakit, "prof_jvm_allocs_per_sec");
  CHECK(weights.kind == MetricKind::kNone);
  CHECK(weights.note.find("too large for a number") != std::string::npos);
}

TEST_CASE("times at the limits of 64 bits") {
  for (const int64_t first : {INT64_MIN, INT64_C(0), INT64_MAX})
    for (const int64_t second : {INT64_MIN, INT64_MAX}) {
      EventChunk chunk{0, 10, 1'000'000'000};
      const auto start = [](int64_t at) {
        return Part{{"startTime", jfr_test::kLong, false, false, {{jfr_test::kTimestamp, "TICKS"}}},
                    [at](Writer &out) { out.i64(at); }};
      };
      for (const int64_t at : {first, second}) {
        chunk.event("jdk.ExceptionStatistics", {start(at), C::number("throwables", 10)});
        chunk.event("jdk.ThreadAllocationStatistics", {start(at), C::number("allocated", 10),
                                                       C::key("thread", jfr_test::kThread, 1)});
      }
      chunk.event("jdk.JVMInformation", {start(0), C::milliseconds("jvmStartTime", second, true)});
      const Profile profile = decode(chunk.finish());
      metrics_of(profile, kDatakit);
      metrics_of(profile, kCorrected);
    }
  EventChunk chunk{0, 10, 1'000'000'000};
  chunk.chunk.start_ns = INT64_MAX;
  chunk.chunk.duration_ns = INT64_MAX;
  chunk.event("jdk.ThreadStart", {chunk.start()});
  metrics_of(decode(chunk.finish()), kCorrected);
}

TEST_CASE("more threads and deadlocks than are kept apart") {
  EventChunk chunk{0, 10, 1'000'000'000};
  constexpr uint64_t kThreads = 100'000;
  chunk.chunk.size_bytes = 0;
  for (uint64_t i = 0; i < kThreads; ++i) {
    // Keys that are multiples of the numbers of buckets that libstdc++ grows through.
    chunk.event("jdk.ThreadAllocationStatistics",
                {chunk.start(), C::number("allocated", 1),
                 C::key("thread", jfr_test::kThread, i * 107'897)});
    chunk.event("datadog.DeadlockedThread",
                {chunk.start(), C::number("threadId", static_cast<int64_t>(i * 107'897))});
  }
  const std::clock_t start = std::clock();
  const Profile profile = decode(chunk.finish());
  CHECK(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC < 2);
  CHECK(profile.counter("metrics_threads_lost") == 2 * (kThreads - 65'536));
  CHECK(find(profile, kCorrected, "prof_jvm_threads_deadlocked").integer == 65'536);
}

TEST_CASE("a field that is no number, and one that an event ends before") {
  EventChunk chunk{0, 10, 1'000'000'000};
  for (const char *event : {"jdk.FileRead", "jdk.GarbageCollection", "jdk.CPULoad"}) {
    const auto part = [](const char *name, jfr_test::Field field) {
      field.name = name;
      return Part{field, [](Writer &out) { out.count(0); }};
    };
    const jfr_test::Field array{"", jfr_test::kDouble, false, true};
    const jfr_test::Field text{"", jfr_test::kString};
    const jfr_test::Field unknown{"", 9999};
    chunk.event(event, {part("duration", array), part("bytesRead", text), part("jvmUser", array),
                        part("jvmSystem", text), part("sumOfPauses", text),
                        part("longestPause", unknown)});
  }
  chunk.chunk.type(900, "jdk.ThreadContextSwitchRate", {{"switchRate", jfr_test::kDouble}},
                   "jdk.jfr.Event");
  chunk.chunk.event(900, [](Writer &out) { out.raw("1234567"); }); // of eight bytes
  const Profile profile = decode(chunk.finish());
  CHECK((*profile.jvm_facts)[JvmFact::kFileReadBytes].events == 1);
  CHECK((*profile.jvm_facts)[JvmFact::kFileReadBytes].values == 0);
  CHECK((*profile.jvm_facts)[JvmFact::kSwitchRate].events == 1);
  CHECK((*profile.jvm_facts)[JvmFact::kSwitchRate].values == 0);
  metrics_of(profile, kDatakit);
  metrics_of(profile, kCorrected);
}

TEST_CASE("a text that selects events is long, shared and asked for often") {
  EventChunk chunk{0, 10, 1'000'000'000};
  chunk.chunk.size_bytes = 0;
  jfr_test::Pool whens{jfr_test::kGcWhen, {}};
  constexpr uint64_t kKeys = 1000;
  for (uint64_t key = 10; key < 10 + kKeys; ++key)
    whens.values.push_back({key, [](Writer &out) { out.string_key(5); }});
  for (uint64_t i = 0; i < 200'000; ++i)
    chunk.event("jdk.GCHeapSummary",
                {chunk.start(), C::key("when", jfr_test::kGcWhen, 10 + i % kKeys),
                 C::number("heapUsed", 1)});
  chunk.chunk.checkpoint(
      {whens,
       {jfr_test::kString, {{5, [](Writer &out) { out.utf16(std::u16string(1 << 20, u'x')); }}}}});
  const std::clock_t start = std::clock();
  const Profile profile = decode(chunk.finish());
  CHECK(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC < 2);
  CHECK((*profile.jvm_facts)[JvmFact::kHeapAfterGc].events == 0);
}

TEST_CASE("damaged recordings with metrics: an error or a warning, and the metrics of the rest") {
  const std::string good = jfr_test::jdk_metrics_recording();
  const auto throws_of = [](const std::string &file) -> std::optional<int64_t> {
    try {
      const Profile profile = decode(file);
      CHECK_FALSE(profile.warnings().empty());
      metrics_of(profile, kDatakit);
      return find(profile, kCorrected, "prof_jvm_throws_total").integer;
    } catch (const Error &error) {
      CHECK_FALSE(error.message().empty());
      return {};
    }
  };
  for (const jfr_test::Sample &sample : jfr_test::damaged_samples()) {
    if (sample.name == "types_in_types" || sample.name == "types_in_circles") continue;
    CAPTURE(sample.name);
    throws_of(sample.bytes);
    CHECK(throws_of(good + sample.bytes) == 40);
  }
  // Every byte changed.
  for (size_t at = 0; at < good.size(); ++at) {
    std::string file = good + good;
    file[good.size() + at] = static_cast<char>(file[good.size() + at] ^ 0xff);
    CAPTURE(at);
    const Profile profile = decode(file);
    REQUIRE(profile.jvm_facts != nullptr);
    CHECK((*profile.jvm_facts)[JvmFact::kThrowables].gained >= 0);
  }
}

TEST_CASE("what the fuzzer starts from has every column and every fact") {
  std::array<bool, kJvmFacts> seen{};
  size_t columns = 0;
  for (const jfr_test::Sample &sample : jfr_test::every_event_samples()) {
    const Profile profile = decode(sample.bytes);
    columns = std::max(columns, profile.sample_types().size());
    for (size_t fact = 0; fact < kJvmFacts; ++fact)
      seen[fact] = seen[fact] || profile.jvm_facts->values[fact].events > 0;
  }
  CHECK(columns >= 38);
  for (size_t fact = 0; fact < kJvmFacts; ++fact) {
    CAPTURE(jvm_fact_rules()[fact].event);
    CHECK(seen[fact]);
  }
}

TEST_CASE("columns of Go and Python at the limits of 64 bits") {
  for (const char *column :
       {"cpu", "inuse_space", "delay", "goroutine", "cpu-time", "alloc-space", "exception-samples"})
    for (const int64_t value : {INT64_MAX, INT64_MIN})
      for (const int64_t duration : {INT64_C(0), INT64_C(1), INT64_MAX, INT64_MIN}) {
        CAPTURE(column);
        Profile profile;
        const size_t type = profile.add_sample_type(column, "count");
        const size_t first = profile.append_rows_uninitialized(3);
        for (size_t row = first; row < first + 3; ++row) {
          profile.values(type)[row] = value;
          profile.sample_stacks()[row] = 0;
          profile.sample_label_sets()[row] = 0;
        }
        profile.meta.time_ns = INT64_C(1'700'000'000'000'000'000);
        profile.meta.duration_ns = duration;
        MetricsOptions options;
        options.go_delay = GoDelay::kMutex;
        options.variant = kCorrected; // Go's goroutines are none of DataKit's
        const Metrics metrics = compute_metrics(profile, options);
        for (const Metric &metric : metrics.metrics) {
          CHECK(std::isfinite(metric.real));
          if (metric.kind == MetricKind::kInteger) CHECK(metric.integer == value);
        }
        Buffer text;
        write_metrics_json(metrics, {}, text);
        write_metrics_table(metrics, text);
      }
}
