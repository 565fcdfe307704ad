#include "base/json_writer.hpp"
#include "output/output.hpp"
#include "output/tree_json.hpp"

namespace profcore {
namespace {

constexpr size_t kReportEvery = 1 << 16;

template <class Column>
void write_column(std::string_view key, const Column &column, JsonWriter &json) {
  json.key(key);
  json.begin_array();
  for (const auto value : column) {
    if constexpr (std::is_signed_v<std::remove_cvref_t<decltype(value)>>)
      json.number(int64_t{value});
    else
      json.number(uint64_t{value});
  }
  json.end_array();
}

} // namespace

void write_flame_json(const FlameTree &tree, const Context &context, Buffer &output) {
  const uint64_t columns = tree.is_diff() ? 6 : 4;
  const uint64_t all = tree.frames.size() + columns * tree.size();
  const size_t start = output.size();
  JsonWriter json{output};
  json.begin_object();
  write_tree_header(tree, "profcore-flame", json);
  json.member("pruned_nodes", tree.pruned_nodes);
  json.member("pruned_value", tree.pruned_value);
  write_tree_meta(tree, json);
  json.key("frames");
  json.begin_array();
  for (size_t frame = 0; frame < tree.frames.size(); ++frame) {
    if (frame % kReportEvery == 0) {
      context.report(frame, all);
      context.check_result(output.size() - start);
    }
    json.begin_object();
    write_frame_members(tree, tree.frames[frame], json);
    json.end_object();
  }
  json.end_array();
  json.key("nodes");
  json.begin_object();
  uint64_t done = tree.frames.size();
  const auto column = [&](std::string_view key, const auto &values) {
    context.report(done, all);
    context.check_result(output.size() - start);
    write_column(key, values, json);
    done += tree.size();
  };
  json.member("count", uint64_t{tree.size()});
  column("frame", tree.frame);
  column("parent", tree.parent);
  column("self", tree.self);
  column("total", tree.total);
  if (tree.is_diff()) {
    column("base_self", tree.base_self);
    column("base_total", tree.base_total);
  }
  json.end_object();
  json.end_object();
  json.newline();
}

} // namespace profcore
