// profcore_metrics: a JVM's from a recording, Go's and Python's from columns, what is written.
#include "../decode/jfr/jfr_metrics_samples.hpp"
#include "support.hpp"

#include <profcore/profcore.hpp>

using namespace capi;

namespace {

using MetricsPtr = std::unique_ptr<profcore_metrics, Deleter<profcore_metrics_free>>;

ProfilePtr decode_with_metrics(const std::string &file) {
  auto options = PROFCORE_INIT(profcore_decode_options);
  options.jfr_metrics = 1;
  return decode(file, &options);
}

/// One row with these columns, of two seconds.
ProfilePtr with_columns(const std::vector<std::pair<const char *, int64_t>> &columns,
                        const char *unit = "nanoseconds") {
  profcore_profile *made = nullptr;
  REQUIRE_OK(profcore_profile_new(&made, err));
  ProfilePtr profile{made};
  std::vector<int64_t> values;
  for (const auto &[name, value] : columns) {
    size_t index = 0;
    REQUIRE_OK(profcore_profile_add_sample_type(made, name, unit, &index, err));
    values.push_back(value);
  }
  REQUIRE_OK(profcore_profile_add_sample(made, 0, 0, values.data(), values.size(), 0, err));
  auto metadata = PROFCORE_INIT(profcore_metadata);
  metadata.time_ns = 1'700'000'000'000'000'000;
  metadata.duration_ns = 2'000'000'000;
  REQUIRE_OK(profcore_profile_set_metadata(made, &metadata, err));
  return profile;
}

MetricsPtr compute(const ProfilePtr &profile, const profcore_metrics_options *options = nullptr) {
  profcore_metrics *metrics = nullptr;
  REQUIRE_OK(profcore_metrics_compute(profile.get(), options, &metrics, err));
  return MetricsPtr{metrics};
}

std::string write(const MetricsPtr &metrics, profcore_metrics_format format) {
  profcore_buffer *buffer = nullptr;
  REQUIRE_OK(profcore_metrics_write(metrics.get(), format, &buffer, err));
  const BufferPtr owned{buffer};
  return text_of(buffer);
}

profcore_metric metric_of(const MetricsPtr &metrics, const char *name) {
  size_t index = 0;
  REQUIRE_OK(profcore_metrics_find(metrics.get(), name, &index, err));
  auto metric = PROFCORE_INIT(profcore_metric);
  REQUIRE_OK(profcore_metrics_get_metric(metrics.get(), index, &metric, err));
  CHECK(std::string_view{metric.name.data} == name);
  return metric;
}

} // namespace

TEST_CASE("metrics of a JVM") {
  const ProfilePtr profile = decode_with_metrics(jfr_test::datadog_metrics_recording());
  const MetricsPtr metrics = compute(profile);
  CHECK(profcore_metrics_get_language(metrics.get()) == PROFCORE_METRICS_JVM);
  CHECK(profcore_metrics_get_count(metrics.get()) == 38);
  int64_t start = 0;
  int64_t end = 0;
  profcore_metrics_get_range(metrics.get(), &start, &end);
  CHECK(start == 1'700'000'000'000'000'000);
  CHECK(end == 1'700'000'010'000'000'000);
  profcore_metrics_get_range(metrics.get(), nullptr, nullptr);
  profcore_metric metric = metric_of(metrics, "prof_jvm_throws_total");
  CHECK(metric.kind == PROFCORE_METRIC_INTEGER);
  CHECK(metric.integer == 5);
  CHECK(metric.real == 5);
  CHECK(std::string_view{metric.unit.data, metric.unit.size} == "count");
  metric = metric_of(metrics, "prof_jvm_alloc_bytes_per_sec");
  CHECK(metric.kind == PROFCORE_METRIC_FLOAT);
  CHECK(metric.real == doctest::Approx(106.4));
  CHECK(metric.integer == 106);
  auto options = PROFCORE_INIT(profcore_metrics_options);
  options.variant = PROFCORE_METRICS_CORRECTED;
  CHECK(metric_of(compute(profile, &options), "prof_jvm_throws_total").integer == 50);
  options.start_ns = start;
  options.end_ns = start + 1'000'000'000;
  CHECK(metric_of(compute(profile, &options), "prof_jvm_gc_pauses_per_sec").real == 3);
}

TEST_CASE("metrics of columns") {
  const MetricsPtr python = compute(with_columns({{"cpu-time", 3'000'000'000}, {"wall-time", 7}}));
  CHECK(profcore_metrics_get_language(python.get()) == PROFCORE_METRICS_PYTHON);
  CHECK(profcore_metrics_get_count(python.get()) == 2);
  CHECK(metric_of(python, "prof_python_cpu_cores").real == 1.5);
  CHECK(metric_of(python, "prof_python_wall_time").integer == 7);
  const MetricsPtr all = compute(with_columns({{"cpu-time", 1},
                                               {"alloc-space", 10},
                                               {"alloc-samples", 4},
                                               {"lock-acquire", 6},
                                               {"lock-acquire-wait", 11},
                                               {"lock-release-hold", 12},
                                               {"exception-samples", 8},
                                               {"wall-time", 13},
                                               {"heap-space", 14}},
                                              "count"));
  CHECK(profcore_metrics_get_count(all.get()) == 11);
  CHECK(metric_of(all, "prof_python_alloc_bytes_total").integer == 10);
  CHECK(metric_of(all, "prof_python_alloc_bytes_per_sec").real == 5);
  CHECK(metric_of(all, "prof_python_allocs_per_sec").real == 2);
  CHECK(metric_of(all, "prof_python_lock_acquisitions_per_sec").real == 3);
  CHECK(metric_of(all, "prof_python_lock_acquisition_time").integer == 11);
  CHECK(metric_of(all, "prof_python_lock_hold_time").integer == 12);
  CHECK(metric_of(all, "prof_python_exceptions_total").integer == 8);
  CHECK(metric_of(all, "prof_python_exceptions_per_sec").real == 4);
  CHECK(metric_of(all, "prof_python_lifetime_heap_bytes").integer == 14);

  const MetricsPtr cpu = compute(with_columns({{"samples", 300}, {"cpu", 1'000'000'000}}));
  CHECK(profcore_metrics_get_language(cpu.get()) == PROFCORE_METRICS_GO);
  CHECK(metric_of(cpu, "prof_go_cpu_cores").real == 0.5);
  const MetricsPtr heap = compute(with_columns({{"inuse_objects", 5}, {"inuse_space", 640}}));
  CHECK(metric_of(heap, "prof_go_lifetime_heap_objects").integer == 5);
  CHECK(metric_of(heap, "prof_go_lifetime_heap_bytes").integer == 640);

  // DataKit looks for a column that Go does not write.
  const ProfilePtr goroutines = with_columns({{"goroutine", 42}}, "count");
  CHECK(metric_of(compute(goroutines), "prof_go_num_goroutine").integer == 0);
  auto options = PROFCORE_INIT(profcore_metrics_options);
  options.variant = PROFCORE_METRICS_CORRECTED;
  CHECK(metric_of(compute(goroutines, &options), "prof_go_num_goroutine").integer == 42);

  const ProfilePtr delay = with_columns({{"contentions", 2}, {"delay", 900}});
  CHECK(metric_of(compute(delay), "prof_go_blocked_time").kind == PROFCORE_METRIC_NONE);
  profcore_buffer *none = rubbish<profcore_buffer>();
  CHECK_STATUS(PROFCORE_ERR_NO_DATA,
               profcore_metrics_write(compute(delay).get(), PROFCORE_METRICS_LINE, &none, err));
  CHECK(none == nullptr);
  options.go_delay = PROFCORE_METRICS_DELAY_MUTEX;
  CHECK(metric_of(compute(delay, &options), "prof_go_mutex_delay_time").integer == 900);
  options.go_delay = PROFCORE_METRICS_DELAY_BLOCK;
  CHECK(metric_of(compute(delay, &options), "prof_go_blocked_time").integer == 900);
}

TEST_CASE("line protocol: sorted tags, escapes, types of numbers, time") {
  const profcore_metrics_tag tags[] = {{"service", "a b,c=d\\"}, {"host", "first"},
                                       {"host", "second"},       {"env", ""},
                                       {"version", nullptr},     {"k,e y=", "l1\nl2\t"}};
  auto options = PROFCORE_INIT(profcore_metrics_options);
  options.tags = tags;
  options.tag_count = std::size(tags);
  const MetricsPtr metrics =
      compute(with_columns({{"cpu-time", 1'000}, {"wall-time", 7}}), &options);
  CHECK(write(metrics, PROFCORE_METRICS_LINE) ==
        "profiling_metrics,host=second,k\\,e\\ y\\==l1\\nl2\\t,language=python,"
        "service=a\\ b\\,c\\=d prof_python_cpu_cores=5e-07,prof_python_wall_time=7i "
        "1700000002000000000\n");
  const std::string json = write(metrics, PROFCORE_METRICS_JSON);
  CHECK(json.find("\"service\":\"a b,c=d\\\\\"") != json.npos);
  CHECK(
      json.find("{\"name\":\"prof_python_wall_time\",\"unit\":\"nanosecond\",\"value\":7,\"note\":"
                "\"sum of wall-time\"}") != json.npos);
  const std::string table = write(metrics, PROFCORE_METRICS_TABLE);
  CHECK(table.find("prof_python_wall_time: sum of wall-time\n") != table.npos);
}

TEST_CASE("metrics: what is refused") {
  profcore_metrics *out = rubbish<profcore_metrics>();
  const ProfilePtr plain = decode(kCollapsed);
  CHECK_STATUS(PROFCORE_ERR_NO_DATA, profcore_metrics_compute(plain.get(), nullptr, &out, err));
  CHECK(out == nullptr);
  // Decoded without what metrics need.
  const ProfilePtr without = decode(jfr_test::datadog_metrics_recording());
  CHECK_STATUS(PROFCORE_ERR_NO_DATA, profcore_metrics_compute(without.get(), nullptr, &out, err));
  CHECK_STATUS(PROFCORE_ERR_INVALID_ARGUMENT,
               profcore_metrics_compute(nullptr, nullptr, &out, err));
  CHECK_STATUS(PROFCORE_ERR_INVALID_ARGUMENT,
               profcore_metrics_compute(plain.get(), nullptr, nullptr, err));
  const ProfilePtr good = with_columns({{"cpu-time", 1}});
  const auto refused = [&](auto &&change) {
    auto options = PROFCORE_INIT(profcore_metrics_options);
    change(options);
    CHECK_STATUS(PROFCORE_ERR_INVALID_ARGUMENT,
                 profcore_metrics_compute(good.get(), &options, &out, err));
    CHECK(out == nullptr);
  };
  const profcore_metrics_tag no_key = {"", "value"};
  refused([](auto &options) { options.language = 4; });
  refused([](auto &options) { options.variant = 2; });
  refused([](auto &options) { options.go_delay = -1; });
  refused([](auto &options) { options.end_ns = 5; });
  refused([](auto &options) { options.start_ns = 5, options.end_ns = 5; });
  refused([](auto &options) { options.tag_count = 1; });
  refused([&](auto &options) { options.tag_count = 1, options.tags = &no_key; });
  refused([](auto &options) { options.reserved[3] = 1; });
  refused([](auto &options) { options.reserved0 = 1; });

  const MetricsPtr metrics = compute(good);
  auto metric = PROFCORE_INIT(profcore_metric);
  metric.integer = 9;
  CHECK_STATUS(PROFCORE_ERR_INVALID_ARGUMENT,
               profcore_metrics_get_metric(metrics.get(), 1, &metric, err));
  CHECK(metric.integer == 0);
  size_t index = 9;
  CHECK_STATUS(PROFCORE_ERR_NOT_FOUND,
               profcore_metrics_find(metrics.get(), "prof_python_wall_time", &index, err));
  CHECK(index == 0);
  profcore_buffer *buffer = rubbish<profcore_buffer>();
  CHECK_STATUS(PROFCORE_ERR_INVALID_ARGUMENT,
               profcore_metrics_write(metrics.get(), 4, &buffer, err));
  CHECK(buffer == nullptr);
  CHECK(profcore_metrics_get_count(nullptr) == 0);
  CHECK(profcore_metrics_get_language(nullptr) == PROFCORE_METRICS_AUTO);
  int64_t end = 9;
  profcore_metrics_get_range(nullptr, nullptr, &end);
  CHECK(end == 0);
  profcore_metrics_free(nullptr);
}

TEST_CASE("metrics by the wrapper") {
  auto options = profcore::init<profcore_decode_options>();
  options.jfr_metrics = 1;
  const std::string file = jfr_test::jdk_metrics_recording();
  const auto profile = profcore::Profile::from_bytes(std::as_bytes(std::span{file}), &options);
  auto how = profcore::init<profcore_metrics_options>();
  how.variant = PROFCORE_METRICS_CORRECTED;
  const profcore::Metrics metrics = profile.metrics(&how);
  CHECK(metrics.language() == PROFCORE_METRICS_JVM);
  CHECK(metrics.size() == 38);
  CHECK(metrics[metrics.find("prof_jvm_cpu_cores")].real == 2);
  CHECK(metrics.range().second - metrics.range().first == 10'000'000'000);
  CHECK(
      metrics.write(PROFCORE_METRICS_LINE).view().starts_with("profiling_metrics,language=java "));
  CHECK_THROWS_AS(metrics.find("prof_jvm_none"), profcore::Exception);
}
