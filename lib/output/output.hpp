#pragma once

#include "base/context.hpp"
#include "base/pod_vector.hpp"
#include "flame/tree.hpp"
#include "model/metrics.hpp"
#include "model/profile.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace profcore {

// Every writer appends to `output` and is deterministic: the same input gives the same bytes.
// Text that is not valid UTF-8 comes out with U+FFFD wherever the format is UTF-8.

struct PprofOptions {
  Context context;
  int gzip_level = 6; ///< 0 = plain protobuf
};
/// profile.proto; reads back equal. Values are divided by the column's scale again.
void write_pprof(const Profile &profile, const PprofOptions &options, Buffer &output);

struct CollapsedOptions {
  Context context;
  size_t type = SIZE_MAX;   ///< column; SIZE_MAX = default
  bool kind_suffix = false; ///< append _[k], _[j], _[i] as async-profiler does
};
/// `root;...;leaf value` lines, sorted bytewise, equal stacks added up. ';' and control characters
/// inside a name become '_' (with a count in the return value).
uint64_t write_collapsed(const Profile &profile, const CollapsedOptions &options, Buffer &output);

/// The documented JSON of a whole profile (lib/output/README.md, "profcore-profile" version 1).
void write_profile_json(const Profile &profile, const Context &context, Buffer &output);
/// The documented JSON of a tree ("profcore-flame" version 1).
void write_flame_json(const FlameTree &tree, const Context &context, Buffer &output);
/// Pyroscope's flamebearer ("single", or "double" for a diff).
void write_flamebearer(const FlameTree &tree, std::string_view name, const Context &context,
                       Buffer &output);
/// speedscope's file format, one "sampled" profile per column.
void write_speedscope(const Profile &profile, std::string_view name, const Context &context,
                      Buffer &output);

struct RenderOptions {
  Context context;
  std::string_view title;
  std::string_view subtitle;
  uint32_t width = 1200;     ///< SVG: pixels
  double min_width_px = 0.1; ///< SVG: narrower nodes are left out and counted
  bool icicle = false;       ///< SVG: root on top
};
void write_svg(const FlameTree &tree, const RenderOptions &options, Buffer &output);
/// One self-contained HTML file; nodes under a millionth of the total are left out past 2 M nodes.
void write_html(const FlameTree &tree, const RenderOptions &options, Buffer &output);

struct TableOptions {
  Context context;
  TopOrder order = TopOrder::kSelf;
  size_t limit = 0;
  uint32_t width = 0; ///< columns to fit names into; 0 = never cut
  bool tsv = false;
  bool exact = false; ///< peek: the function's whole name instead of a regex
};
void write_top_table(const FlameTree &tree, const TableOptions &options, Buffer &output);
/// The documented JSON of a top table ("profcore-top" version 1).
void write_top_json(const FlameTree &tree, const TableOptions &options, Buffer &output);
void write_peek_table(const FlameTree &tree, std::string_view function, const TableOptions &options,
                      Buffer &output);
/// The documented JSON of callers and callees ("profcore-peek" version 1).
void write_peek_json(const FlameTree &tree, std::string_view function, const TableOptions &options,
                     Buffer &output);
/// The tree as indented text, children under parents, with totals and shares.
void write_tree_table(const FlameTree &tree, const TableOptions &options, Buffer &output);

/// Texts of metrics: what they are of (host, service ...), by key, without empty ones.
using MetricTags = std::span<const std::pair<std::string, std::string>>;
/// One line of InfluxDB's protocol, measurement `profiling_metrics`. Throws kNoData when no metric
/// has a value.
void write_metrics_line(const Metrics &metrics, MetricTags tags, Buffer &output);
/// The documented JSON of metrics ("profcore-metrics" version 1).
void write_metrics_json(const Metrics &metrics, MetricTags tags, Buffer &output);
void write_metrics_table(const Metrics &metrics, Buffer &output);

} // namespace profcore
