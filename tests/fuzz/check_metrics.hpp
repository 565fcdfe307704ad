#pragma once

#include "base/error.hpp"
#include "check_profile.hpp"
#include "model/metrics.hpp"
#include "output/output.hpp"

#include <cmath>

/// Metrics of every language that the profile has something for are finite numbers, and are written
/// in every form.
inline void check_metrics(const profcore::Profile &profile) {
  using namespace profcore;
  MetricsOptions options;
  for (const MetricsLanguage language : {MetricsLanguage::kAuto, MetricsLanguage::kJvm,
                                         MetricsLanguage::kGo, MetricsLanguage::kPython})
    for (const MetricsVariant variant : {MetricsVariant::kDatakit, MetricsVariant::kCorrected}) {
      options.language = language;
      options.variant = variant;
      options.go_delay = variant == MetricsVariant::kDatakit ? GoDelay::kBlock : GoDelay::kUnknown;
      Metrics metrics;
      try {
        metrics = compute_metrics(profile, options);
      } catch (const Error &error) {
        require(error.status() == Status::kNoData);
        continue;
      }
      require(!metrics.metrics.empty() && metrics.end_ns >= metrics.start_ns);
      bool has_value = false;
      for (const Metric &metric : metrics.metrics) {
        require(!metric.name.empty() && !metric.note.empty() && std::isfinite(metric.real));
        require(metric.kind != MetricKind::kNone || (metric.integer == 0 && metric.real == 0));
        has_value = has_value || metric.kind != MetricKind::kNone;
      }
      Buffer text;
      write_metrics_json(metrics, {}, text);
      write_metrics_table(metrics, text);
      try {
        write_metrics_line(metrics, {}, text);
        require(has_value);
      } catch (const Error &error) {
        require(!has_value && error.status() == Status::kNoData);
      }
    }
}
