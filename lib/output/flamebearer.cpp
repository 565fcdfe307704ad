#include "base/json_writer.hpp"
#include "output/layout.hpp"
#include "output/output.hpp"

#include <algorithm>

namespace profcore {
namespace {

constexpr size_t kReportEvery = 1 << 16;

/// One side of the graph: where each node starts and how wide it is.
struct Side {
  PodVector<int64_t> start;
  PodVector<int64_t> width;
  const PodVector<int64_t> &self;
  int64_t max_self = 0;

  Side(const FlameTree &tree, const PodVector<int64_t> &totals,
       const PodVector<int64_t> &self_values)
      : width{layout_widths(tree, totals)}, self{self_values} {
    PodVector<int64_t> next; // where the next child of a node starts
    start.resize(tree.size());
    next.resize(tree.size());
    for (size_t node = 0; node < tree.size(); ++node) {
      if (node != 0) {
        int64_t &at = next[tree.parent[node]];
        start[node] = at;
        at = saturating_sum(at, width[node]);
      }
      next[node] = start[node];
      max_self = std::max(max_self, self[node]);
    }
  }

  /// Offset from the end of the bar before it on the same level, width, self.
  void write(size_t node, int64_t &level_end, JsonWriter &json) const {
    json.number(saturating_difference(start[node], level_end));
    json.number(width[node]);
    json.number(std::max<int64_t>(self[node], 0));
    level_end = saturating_sum(start[node], width[node]);
  }
};

/// The word Pyroscope's readers know, and the rate by which they divide "samples" to get seconds.
struct Units {
  std::string_view name;
  uint64_t sample_rate;
};

Units units_of(const FlameTree &tree) {
  const std::string_view type = tree.strings[tree.type];
  const std::string_view unit = tree.strings[tree.unit];
  if (unit == "nanoseconds") return {"samples", 1'000'000'000};
  if (unit == "microseconds") return {"samples", 1'000'000};
  if (unit == "count") {
    const bool goroutines = type == "goroutine" || type == "goroutines";
    return {goroutines ? "goroutines" : "objects", 100};
  }
  return {unit, 100};
}

/// Nodes level by level, left to right: a counting sort of the preorder by depth.
void sort_by_depth(const FlameTree &tree, PodVector<size_t> &first, PodVector<uint32_t> &nodes) {
  uint32_t deepest = 0;
  for (const uint32_t depth : tree.depth) deepest = std::max(deepest, depth);
  first.resize(size_t{deepest} + 2);
  for (const uint32_t depth : tree.depth) ++first[size_t{depth} + 1];
  for (size_t i = 1; i < first.size(); ++i) first[i] += first[i - 1];
  PodVector<size_t> next{first};
  nodes.resize(tree.size());
  for (uint32_t node = 0; node < tree.size(); ++node) nodes[next[tree.depth[node]]++] = node;
}

} // namespace

void write_flamebearer(const FlameTree &tree, std::string_view name, const Context &context,
                       Buffer &output) {
  const size_t start = output.size();
  // Frames that differ in more than the name share one entry.
  PodVector<uint32_t> name_index;
  name_index.resize(tree.strings.size(), UINT32_MAX);
  JsonWriter json{output};
  json.begin_object();
  json.member("version", 1);
  json.key("flamebearer");
  json.begin_object();
  json.key("names");
  json.begin_array();
  json.string("total"); // the root's, whatever it is called here
  uint32_t names = 1;
  for (size_t node = 1; node < tree.size(); ++node) {
    const StringId id = tree.frames[tree.frame[node]].name;
    if (name_index[id] != UINT32_MAX) continue;
    name_index[id] = names++;
    json.string(id == 0 ? std::string_view{"unknown"} : tree.strings[id]);
  }
  json.end_array();

  const bool is_double = tree.is_diff();
  const Side right{tree, tree.total, tree.self};
  const Side left{tree, is_double ? tree.base_total : tree.total,
                  is_double ? tree.base_self : tree.self};
  PodVector<size_t> first;
  PodVector<uint32_t> nodes;
  sort_by_depth(tree, first, nodes);
  json.key("levels");
  json.begin_array();
  for (size_t level = 0; level + 1 < first.size(); ++level) {
    int64_t left_end = 0;
    int64_t right_end = 0;
    json.begin_array();
    for (size_t i = first[level]; i < first[level + 1]; ++i) {
      if (i % kReportEvery == 0) {
        context.report(i, nodes.size());
        context.check_result(output.size() - start);
      }
      const uint32_t node = nodes[i];
      if (is_double) left.write(node, left_end, json);
      right.write(node, right_end, json);
      json.number(uint64_t{node == 0 ? 0 : name_index[tree.frames[tree.frame[node]].name]});
    }
    json.end_array();
  }
  json.end_array();
  const int64_t right_ticks = tree.size() == 0 ? 0 : right.width[0];
  const int64_t left_ticks = tree.size() == 0 || !is_double ? 0 : left.width[0];
  json.member("numTicks", saturating_sum(left_ticks, right_ticks));
  json.member("maxSelf", std::max(left.max_self, right.max_self));
  json.end_object();

  const Units units = units_of(tree);
  json.key("metadata");
  json.begin_object();
  json.member("format", is_double ? "double" : "single");
  json.member("spyName", "");
  json.member("sampleRate", units.sample_rate);
  json.member("units", units.name);
  json.member("name", name);
  json.end_object();
  json.key("timeline");
  json.null();
  if (is_double) {
    json.member("leftTicks", left_ticks);
    json.member("rightTicks", right_ticks);
  }
  json.end_object();
  json.newline();
}

} // namespace profcore
