#include "model/metrics.hpp"

#include "capi/guard.hpp"
#include "output/output.hpp"

#include <algorithm>

using namespace profcore;
using namespace profcore::capi;

static_assert(sizeof(profcore_metrics_options) == size_t{11} * 8 &&
                  sizeof(profcore_metric) == size_t{14} * 8,
              "no implicit padding");
static_assert(PROFCORE_METRICS_PYTHON == static_cast<int>(MetricsLanguage::kPython) &&
              PROFCORE_METRICS_CORRECTED == static_cast<int>(MetricsVariant::kCorrected) &&
              PROFCORE_METRICS_DELAY_MUTEX == static_cast<int>(GoDelay::kMutex) &&
              PROFCORE_METRIC_FLOAT == static_cast<int>(MetricKind::kFloat));

namespace {

/// By key; of equal ones the last, and none that is empty.
std::vector<std::pair<std::string, std::string>> read_tags(const profcore_metrics_options &given,
                                                           MetricsLanguage language) {
  std::vector<std::pair<std::string, std::string>> tags;
  tags.emplace_back("language", metrics_language_name(language));
  if (given.tag_count != 0) required(given.tags, "tags");
  for (size_t i = 0; i < given.tag_count; ++i) {
    const std::string_view key = text_or_empty(given.tags[i].key);
    if (key.empty()) invalid("a tag has no key");
    tags.emplace_back(key, text_or_empty(given.tags[i].value));
  }
  std::stable_sort(tags.begin(), tags.end(),
                   [](const auto &a, const auto &b) { return a.first < b.first; });
  size_t kept = 0;
  for (size_t i = 0; i < tags.size(); ++i) {
    if (i + 1 < tags.size() && tags[i + 1].first == tags[i].first) continue;
    if (tags[i].second.empty()) continue;
    if (kept != i) tags[kept] = std::move(tags[i]);
    ++kept;
  }
  tags.resize(kept);
  return tags;
}

} // namespace

extern "C" {

profcore_status profcore_metrics_compute(const profcore_profile *handle,
                                         const profcore_metrics_options *options,
                                         profcore_metrics **out, profcore_error **err) {
  return guard(err, [&] {
    required(out, "out") = nullptr;
    const Profile &profile = required(handle, "profile").profile;
    const profcore_metrics_options given = read_options(options);
    MetricsOptions how;
    how.language =
        checked_enum<MetricsLanguage>(given.language, PROFCORE_METRICS_PYTHON, "language");
    how.variant =
        checked_enum<MetricsVariant>(given.variant, PROFCORE_METRICS_CORRECTED, "variant");
    how.go_delay = checked_enum<GoDelay>(given.go_delay, PROFCORE_METRICS_DELAY_MUTEX, "go_delay");
    how.start_ns = given.start_ns;
    how.end_ns = given.end_ns;
    auto result = std::make_unique<profcore_metrics>();
    result->metrics = compute_metrics(profile, how);
    result->tags = read_tags(given, result->metrics.language);
    *out = result.release();
  });
}

void profcore_metrics_free(profcore_metrics *metrics) {
  delete metrics;
}

size_t profcore_metrics_get_count(const profcore_metrics *metrics) {
  return metrics == nullptr ? 0 : metrics->metrics.metrics.size();
}

profcore_status profcore_metrics_get_metric(const profcore_metrics *metrics, size_t index,
                                            profcore_metric *out, profcore_error **err) {
  return guard(err, [&] {
    start_info(out);
    const std::vector<Metric> &all = required(metrics, "metrics").metrics.metrics;
    if (index >= all.size()) invalid("there is no metric of that index");
    const Metric &metric = all[index];
    profcore_metric info{};
    info.name = to_str(metric.name);
    info.unit = to_str(metric.unit);
    info.note = to_str(metric.note);
    info.kind = static_cast<profcore_metric_kind>(metric.kind);
    info.integer = metric.integer;
    info.real = metric.real;
    write_info(out, info);
  });
}

profcore_status profcore_metrics_find(const profcore_metrics *metrics, const char *name,
                                      size_t *index, profcore_error **err) {
  return guard(err, [&] {
    required(index, "index") = 0;
    const std::vector<Metric> &all = required(metrics, "metrics").metrics.metrics;
    const std::string_view wanted{&required(name, "name")};
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const Metric &metric) { return metric.name == wanted; });
    if (found == all.end())
      throw Error{Status::kNotFound, "there is no metric " + std::string{wanted}};
    *index = static_cast<size_t>(found - all.begin());
  });
}

profcore_metrics_language profcore_metrics_get_language(const profcore_metrics *metrics) {
  return metrics == nullptr ? PROFCORE_METRICS_AUTO
                            : static_cast<profcore_metrics_language>(metrics->metrics.language);
}

void profcore_metrics_get_range(const profcore_metrics *metrics, int64_t *start_ns,
                                int64_t *end_ns) {
  if (start_ns != nullptr) *start_ns = metrics == nullptr ? 0 : metrics->metrics.start_ns;
  if (end_ns != nullptr) *end_ns = metrics == nullptr ? 0 : metrics->metrics.end_ns;
}

profcore_status profcore_metrics_write(const profcore_metrics *metrics,
                                       profcore_metrics_format format, profcore_buffer **out,
                                       profcore_error **err) {
  return guard(err, [&] {
    required(out, "out") = nullptr;
    const profcore_metrics &given = required(metrics, "metrics");
    auto result = std::make_unique<profcore_buffer>();
    switch (format) {
    case PROFCORE_METRICS_LINE:
      write_metrics_line(given.metrics, given.tags, result->bytes);
      break;
    case PROFCORE_METRICS_JSON:
      write_metrics_json(given.metrics, given.tags, result->bytes);
      break;
    case PROFCORE_METRICS_TABLE:
      write_metrics_table(given.metrics, result->bytes);
      break;
    default:
      invalid("unknown format of metrics");
    }
    result->bytes.put('\0');
    *out = result.release();
  });
}

} // extern "C"
