#include "base/error.hpp"
#include "base/json_writer.hpp"
#include "output/output.hpp"
#include "output/table.hpp"
#include "output/text.hpp"

#include <fmt/format.h>

namespace profcore {
namespace {

constexpr std::string_view kMeasurement = "profiling_metrics";

/// Keys and values of tags. What ends a line or a word is escaped; a backslash at the end would
/// escape the separator behind it, for which the protocol has no other way than to leave it out.
void append_escaped(std::string_view text, Buffer &output) {
  while (text.ends_with('\\')) text.remove_suffix(1);
  for (const char c : text) {
    switch (c) {
    case ',':
    case '=':
    case ' ':
      output.put('\\');
      output.put(c);
      break;
    case '\n':
      append("\\n", output);
      break;
    case '\r':
      append("\\r", output);
      break;
    case '\t':
      append("\\t", output);
      break;
    case '\0':
      break;
    default:
      output.put(c);
    }
  }
}

std::string_view variant_name(MetricsVariant variant) {
  return variant == MetricsVariant::kCorrected ? "corrected" : "datakit";
}

/// At least one digit after the point, so that a reader of JSON or of a table sees what it is.
std::string real_text(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

} // namespace

void write_metrics_line(const Metrics &metrics, MetricTags tags, Buffer &output) {
  append(kMeasurement, output);
  for (const auto &[key, value] : tags) {
    output.put(',');
    append_escaped(key, output);
    output.put('=');
    append_escaped(value, output);
  }
  char before = ' ';
  for (const Metric &metric : metrics.metrics) {
    if (metric.kind == MetricKind::kNone) continue;
    output.put(before);
    before = ',';
    append(metric.name, output);
    output.put('=');
    append(metric.kind == MetricKind::kInteger ? fmt::format("{}i", metric.integer)
                                               : fmt::format("{}", metric.real),
           output);
  }
  if (before == ' ') throw Error{Status::kNoData, "no metric has a value"};
  if (metrics.end_ns != 0) append(fmt::format(" {}", metrics.end_ns), output);
  output.put('\n');
}

void write_metrics_json(const Metrics &metrics, MetricTags tags, Buffer &output) {
  JsonWriter json{output};
  json.begin_object();
  json.member("format", "profcore-metrics");
  json.member("version", 1);
  json.member("measurement", kMeasurement);
  json.member("language", metrics_language_name(metrics.language));
  json.member("variant", variant_name(metrics.variant));
  if (metrics.end_ns != 0) {
    json.member("start_ns", metrics.start_ns);
    json.member("end_ns", metrics.end_ns);
  }
  json.key("tags");
  json.begin_object();
  for (const auto &[key, value] : tags) json.member(key, std::string_view{value});
  json.end_object();
  json.key("metrics");
  json.begin_array();
  for (const Metric &metric : metrics.metrics) {
    json.newline();
    json.begin_object();
    json.member("name", metric.name);
    json.member("unit", metric.unit);
    json.key("value");
    switch (metric.kind) {
    case MetricKind::kInteger:
      json.number(metric.integer);
      break;
    case MetricKind::kFloat:
      json.number(metric.real);
      break;
    default:
      json.null();
    }
    json.member("note", std::string_view{metric.note});
    json.end_object();
  }
  json.end_array();
  json.end_object();
  json.newline();
}

void write_metrics_table(const Metrics &metrics, Buffer &output) {
  append(fmt::format("Language: {}, definitions: {}", metrics_language_name(metrics.language),
                     variant_name(metrics.variant)),
         output);
  if (metrics.end_ns != 0)
    append(fmt::format(", {} s", static_cast<double>(metrics.end_ns - metrics.start_ns) / 1e9),
           output);
  append("\n\n", output);
  TextTable table{{"value", "unit", "metric: computed from"}};
  for (const Metric &metric : metrics.metrics) {
    std::string value = "-";
    if (metric.kind == MetricKind::kInteger) value = fmt::format("{}", metric.integer);
    if (metric.kind == MetricKind::kFloat) value = real_text(metric.real);
    std::string text;
    append_clean(fmt::format("{}: {}", metric.name, metric.note), text);
    table.add_row({value, std::string{metric.unit}, text});
  }
  table.write(0, output);
}

} // namespace profcore
