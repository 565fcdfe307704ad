#include "output/output.hpp"
#include "output/tree_json.hpp"

namespace profcore {
namespace {

void write_neighbours(const FlameTree &tree, std::string_view key, const std::vector<PeekRow> &rows,
                      JsonWriter &json) {
  json.key(key);
  json.begin_array();
  for (const PeekRow &row : rows) {
    json.begin_object();
    // Frame 0: called from nowhere. The root's own name would look like a function.
    if (row.frame != 0) write_frame_members(tree, tree.frames[row.frame], json);
    json.member("value", row.value);
    json.end_object();
  }
  json.end_array();
}

} // namespace

void write_peek_json(const FlameTree &tree, std::string_view function, const TableOptions &options,
                     Buffer &output) {
  const std::vector<Peek> found = peek(tree, function, options.exact);
  JsonWriter json{output};
  json.begin_object();
  write_tree_header(tree, "profcore-peek", json);
  json.key("functions");
  json.begin_array();
  for (const Peek &at : found) {
    json.begin_object();
    write_frame_members(tree, tree.frames[at.frame], json);
    json.member("self", at.self);
    json.member("total", at.total);
    write_neighbours(tree, "callers", at.callers, json);
    write_neighbours(tree, "callees", at.callees, json);
    json.end_object();
  }
  json.end_array();
  json.end_object();
  json.newline();
}

} // namespace profcore
