#pragma once

#include "base/json_writer.hpp"
#include "flame/tree.hpp"

#include <string_view>

namespace profcore {

// What the documents made from a tree have in common.

void write_frame_members(const FlameTree &tree, const FlameFrame &frame, JsonWriter &json);
void write_tree_header(const FlameTree &tree, std::string_view format, JsonWriter &json);

/// "meta": pairs of a key and a text.
void write_tree_meta(const FlameTree &tree, JsonWriter &json);

} // namespace profcore
