#pragma once

// Figures of a whole profile under the names that DataKit gives them (measurement
// `profiling_metrics`): of a JVM from the facts of its recording, of Go and Python programs from
// the sums of sample columns.

#include "model/profile.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace profcore {

// The numbers of these are part of the C ABI.

enum class MetricsLanguage : int32_t { kAuto = 0, kJvm = 1, kGo = 2, kPython = 3 };

enum class MetricsVariant : int32_t {
  kDatakit = 0,   ///< what DataKit computes, its mistakes included
  kCorrected = 1, ///< what the names promise, from what source there is
};

/// What Go's column `delay` is of: profiles of blocking and of mutexes do not tell themselves
/// apart.
enum class GoDelay : int32_t { kUnknown = 0, kBlock = 1, kMutex = 2 };

enum class MetricKind : int32_t {
  kNone = 0, ///< the profile does not tell; the note says why
  kInteger = 1,
  kFloat = 2,
};

struct Metric {
  std::string_view name;
  std::string_view unit; ///< nanosecond, byte, count, core, byte/s, count/s
  MetricKind kind = MetricKind::kNone;
  int64_t integer = 0; ///< of kFloat rounded
  double real = 0;
  std::string note; ///< what it was computed from
};

struct MetricsOptions {
  MetricsLanguage language = MetricsLanguage::kAuto;
  MetricsVariant variant = MetricsVariant::kDatakit;
  GoDelay go_delay = GoDelay::kUnknown;
  /// Since 1970; both 0 = what the profile says. Rates are per second of the time between them.
  int64_t start_ns = 0;
  int64_t end_ns = 0;
};

struct Metrics {
  MetricsLanguage language = MetricsLanguage::kAuto; ///< never kAuto
  MetricsVariant variant = MetricsVariant::kDatakit;
  int64_t start_ns = 0;
  int64_t end_ns = 0; ///< both 0 = not known
  std::vector<Metric> metrics;
};

/// Throws kNoData when the profile has nothing that metrics of the language are computed from.
Metrics compute_metrics(const Profile &profile, const MetricsOptions &options);

/// "java", "golang", "python".
std::string_view metrics_language_name(MetricsLanguage language) noexcept;

/// The range that rates are taken over.
struct MetricsRange {
  int64_t start_ns;
  int64_t end_ns;
  int64_t length_ns; ///< 0 = not known
};

// One set each, in metrics_jvm.cpp and metrics_columns.cpp.
std::vector<Metric> jvm_metrics(const JvmFacts &facts, MetricsVariant variant,
                                const MetricsRange &range);
std::vector<Metric> go_metrics(const Profile &profile, MetricsVariant variant, GoDelay delay,
                               const MetricsRange &range);
std::vector<Metric> python_metrics(const Profile &profile, const MetricsRange &range);

/// Sets a metric's value, of a kind that `real` then is rounded to.
void set_integer(Metric &metric, int64_t value) noexcept;
void set_real(Metric &metric, double value) noexcept; ///< kNone when it is not finite

} // namespace profcore
