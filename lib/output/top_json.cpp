#include "output/output.hpp"
#include "output/tree_json.hpp"

#include <algorithm>

namespace profcore {
namespace {

constexpr size_t kReportEvery = size_t{1} << 16;

std::string_view order_name(TopOrder order) {
  switch (order) {
  case TopOrder::kSelf:
    return "self";
  case TopOrder::kTotal:
    return "total";
  case TopOrder::kName:
    return "name";
  case TopOrder::kDelta:
    return "delta";
  }
  return "self";
}

} // namespace

void write_top_json(const FlameTree &tree, const TableOptions &options, Buffer &output) {
  const std::vector<TopRow> rows = top(tree, options.order, 0);
  const size_t shown = options.limit == 0 ? rows.size() : std::min(options.limit, rows.size());
  const size_t start = output.size();
  JsonWriter json{output};
  json.begin_object();
  write_tree_header(tree, "profcore-top", json);
  json.member("order", order_name(options.order));
  json.member("row_count", uint64_t{rows.size()});
  json.key("rows");
  json.begin_array();
  for (size_t i = 0; i < shown; ++i) {
    if (i % kReportEvery == 0) {
      options.context.report(i, shown);
      options.context.check_result(output.size() - start);
    }
    json.begin_object();
    write_frame_members(tree, tree.frames[rows[i].frame], json);
    json.member("self", rows[i].self);
    json.member("total", rows[i].total);
    if (tree.is_diff()) {
      json.member("base_self", rows[i].base_self);
      json.member("base_total", rows[i].base_total);
    }
    json.end_object();
  }
  json.end_array();
  json.end_object();
  json.newline();
}

} // namespace profcore
