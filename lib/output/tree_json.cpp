#include "output/tree_json.hpp"

#include "model/frame_name.hpp"

#include <fmt/format.h>

namespace profcore {

void write_frame_members(const FlameTree &tree, const FlameFrame &frame, JsonWriter &json) {
  json.member("name", tree.strings[frame.name]);
  if (frame.file != 0) json.member("file", tree.strings[frame.file]);
  if (frame.line != 0) json.member("line", frame.line);
  if (frame.module != 0) json.member("module", tree.strings[frame.module]);
  if (frame.address != 0)
    json.member("address", std::string_view{fmt::format("{:#x}", frame.address)});
  if (frame.kind != 0) json.member("kind", frame_kind_name(static_cast<FrameKind>(frame.kind)));
}

void write_tree_header(const FlameTree &tree, std::string_view format, JsonWriter &json) {
  json.member("format", format);
  json.member("version", 1);
  json.member("type", tree.strings[tree.type]);
  json.member("unit", tree.strings[tree.unit]);
  if (tree.period != 0) json.member("period", tree.period);
  json.member("inverted", tree.inverted);
  json.member("diff", tree.is_diff());
  if (tree.saturated) json.member("saturated", true);
  json.member("total", tree.size() == 0 ? int64_t{0} : tree.total[0]);
  if (tree.is_diff()) {
    json.member("base_total", tree.base_total[0]);
    json.member("normalised", tree.normalised);
  }
}

void write_tree_meta(const FlameTree &tree, JsonWriter &json) {
  json.key("meta");
  json.begin_array();
  for (const auto &[key, value] : tree.meta) {
    json.begin_array();
    json.string(tree.strings[key]);
    json.string(tree.strings[value]);
    json.end_array();
  }
  json.end_array();
}

} // namespace profcore
