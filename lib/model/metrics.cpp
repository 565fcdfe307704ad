#include "model/metrics.hpp"

#include "base/error.hpp"
#include "model/jvm_facts.hpp"

#include <algorithm>
#include <cmath>

namespace profcore {
namespace {

bool has_column(const Profile &profile, std::initializer_list<std::string_view> names) {
  return std::any_of(names.begin(), names.end(),
                     [&](std::string_view name) { return profile.find_type(name) != SIZE_MAX; });
}

MetricsLanguage guess_language(const Profile &profile) {
  if (profile.jvm_facts != nullptr || profile.text(profile.meta.source_format) == "jfr")
    return MetricsLanguage::kJvm;
  if (has_column(profile, {"cpu-time", "wall-time", "exception-samples", "lock-acquire",
                           "lock-release", "alloc-samples", "alloc-space", "heap-space"}))
    return MetricsLanguage::kPython;
  if (has_column(profile, {"cpu", "inuse_space", "inuse_objects", "alloc_space", "delay",
                           "goroutine", "goroutines"}))
    return MetricsLanguage::kGo;
  throw Error{Status::kNoData, "nothing here tells the language of the metrics: neither events of "
                               "a JVM nor columns of Go or Python"};
}

MetricsRange range_of(const Profile &profile, const MetricsOptions &options) {
  int64_t start = options.start_ns;
  int64_t end = options.end_ns;
  int64_t length = 0;
  if (start == 0 && end == 0) {
    start = profile.meta.time_ns;
    length = std::max<int64_t>(0, profile.meta.duration_ns);
    if (start == 0 || __builtin_add_overflow(start, length, &end)) start = end = 0;
    return {start, end, length};
  }
  if (start <= 0 || end <= start)
    throw Error{Status::kInvalidArgument, "the end of the range must be behind its start"};
  return {start, end, end - start};
}

} // namespace

void set_integer(Metric &metric, int64_t value) noexcept {
  metric.kind = MetricKind::kInteger;
  metric.integer = value;
  metric.real = static_cast<double>(value);
}

void set_real(Metric &metric, double value) noexcept {
  if (!std::isfinite(value)) return;
  metric.kind = MetricKind::kFloat;
  metric.real = value;
  metric.integer = value >= 0x1p63    ? INT64_MAX
                   : value <= -0x1p63 ? INT64_MIN
                                      : static_cast<int64_t>(std::llround(value));
}

std::string_view metrics_language_name(MetricsLanguage language) noexcept {
  switch (language) {
  case MetricsLanguage::kJvm:
    return "java";
  case MetricsLanguage::kGo:
    return "golang";
  case MetricsLanguage::kPython:
    return "python";
  default:
    return "unknown";
  }
}

Metrics compute_metrics(const Profile &profile, const MetricsOptions &options) {
  Metrics result;
  const MetricsRange range = range_of(profile, options);
  result.start_ns = range.start_ns;
  result.end_ns = range.end_ns;
  result.variant = options.variant;
  result.language =
      options.language == MetricsLanguage::kAuto ? guess_language(profile) : options.language;
  switch (result.language) {
  case MetricsLanguage::kGo:
    result.metrics = go_metrics(profile, options.variant, options.go_delay, range);
    break;
  case MetricsLanguage::kPython:
    result.metrics = python_metrics(profile, range);
    break;
  default:
    if (profile.jvm_facts == nullptr)
      throw Error{Status::kNoData, "the profile has no figures of a JVM: it was not decoded from "
                                   "JFR with them, or was changed since"};
    result.metrics = jvm_metrics(*profile.jvm_facts, options.variant, range);
  }
  if (result.metrics.empty())
    throw Error{Status::kNoData, "no column of the profile is one that metrics of that language "
                                 "are computed from"};
  return result;
}

} // namespace profcore
