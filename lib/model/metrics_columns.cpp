// Go and Python: what a column of samples adds up to, as it is or by the time. A metric whose
// column is not there is left out.

#include "base/hash.hpp"
#include "model/metrics.hpp"

#include <fmt/format.h>

namespace profcore {
namespace {

enum class Over : uint8_t { kAll, kSeconds, kNanoseconds };

struct ColumnFormula {
  std::string_view name;
  std::string_view unit;
  Over over;
  std::string_view column;
};

constexpr ColumnFormula kGo[] = {
    {"prof_go_cpu_cores", "core", Over::kNanoseconds, "cpu"},
    {"prof_go_lifetime_heap_objects", "count", Over::kAll, "inuse_objects"},
    {"prof_go_lifetime_heap_bytes", "byte", Over::kAll, "inuse_space"},
};
constexpr ColumnFormula kGoBlocked{"prof_go_blocked_time", "nanosecond", Over::kAll, "delay"};
constexpr ColumnFormula kGoMutex{"prof_go_mutex_delay_time", "nanosecond", Over::kAll, "delay"};
constexpr ColumnFormula kGoroutines{"prof_go_num_goroutine", "count", Over::kAll, "goroutine"};
constexpr ColumnFormula kGoroutinesDatakit{"prof_go_num_goroutine", "count", Over::kAll,
                                           "goroutines"};

constexpr ColumnFormula kPython[] = {
    {"prof_python_cpu_cores", "core", Over::kNanoseconds, "cpu-time"},
    {"prof_python_alloc_bytes_total", "byte", Over::kAll, "alloc-space"},
    {"prof_python_alloc_bytes_per_sec", "byte/s", Over::kSeconds, "alloc-space"},
    {"prof_python_allocs_per_sec", "count/s", Over::kSeconds, "alloc-samples"},
    {"prof_python_lock_acquisitions_per_sec", "count/s", Over::kSeconds, "lock-acquire"},
    {"prof_python_lock_acquisition_time", "nanosecond", Over::kAll, "lock-acquire-wait"},
    {"prof_python_lock_hold_time", "nanosecond", Over::kAll, "lock-release-hold"},
    {"prof_python_exceptions_total", "count", Over::kAll, "exception-samples"},
    {"prof_python_exceptions_per_sec", "count/s", Over::kSeconds, "exception-samples"},
    {"prof_python_wall_time", "nanosecond", Over::kAll, "wall-time"},
    {"prof_python_lifetime_heap_bytes", "byte", Over::kAll, "heap-space"},
};

int64_t sum_of(const Profile &profile, size_t column) {
  int128_t sum = 0; // of at most 2^32 values
  for (const int64_t value : profile.values(column)) sum += value;
  return sum > INT64_MAX ? INT64_MAX : sum < INT64_MIN ? INT64_MIN : static_cast<int64_t>(sum);
}

/// False when there is no such column.
bool append(const Profile &profile, const ColumnFormula &formula, const MetricsRange &range,
            std::vector<Metric> &metrics) {
  const size_t column = profile.find_type(formula.column);
  if (column == SIZE_MAX) return false;
  Metric metric;
  metric.name = formula.name;
  metric.unit = formula.unit;
  metric.note = fmt::format("sum of {}", formula.column);
  const int64_t sum = sum_of(profile, column);
  if (formula.over == Over::kAll) {
    set_integer(metric, sum);
  } else if (range.length_ns <= 0) {
    metric.note = "the length of the profile is not known";
  } else {
    const auto length = static_cast<double>(range.length_ns);
    set_real(metric,
             static_cast<double>(sum) / (formula.over == Over::kSeconds ? length / 1e9 : length));
  }
  metrics.push_back(std::move(metric));
  return true;
}

} // namespace

std::vector<Metric> go_metrics(const Profile &profile, MetricsVariant variant, GoDelay delay,
                               const MetricsRange &range) {
  std::vector<Metric> metrics;
  for (const ColumnFormula &formula : kGo) append(profile, formula, range, metrics);
  if (delay != GoDelay::kUnknown) {
    append(profile, delay == GoDelay::kMutex ? kGoMutex : kGoBlocked, range, metrics);
  } else if (profile.find_type("delay") != SIZE_MAX) {
    for (const ColumnFormula *formula : {&kGoBlocked, &kGoMutex}) {
      Metric metric;
      metric.name = formula->name;
      metric.unit = formula->unit;
      metric.note = "whether `delay` is of blocking or of mutexes the profile does not tell";
      metrics.push_back(std::move(metric));
    }
  }
  if (variant == MetricsVariant::kCorrected) {
    if (!append(profile, kGoroutines, range, metrics))
      append(profile, kGoroutinesDatakit, range, metrics);
  } else if (!append(profile, kGoroutinesDatakit, range, metrics) &&
             append(profile, kGoroutines, range, metrics)) {
    set_integer(metrics.back(), 0);
    metrics.back().note = "sum of goroutines: none (Go's column is goroutine)";
  }
  return metrics;
}

std::vector<Metric> python_metrics(const Profile &profile, const MetricsRange &range) {
  std::vector<Metric> metrics;
  for (const ColumnFormula &formula : kPython) append(profile, formula, range, metrics);
  return metrics;
}

} // namespace profcore
