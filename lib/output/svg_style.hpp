#pragma once

#include "base/pod_vector.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace profcore {

// Bars are coloured through style classes, so that one file has a light and a dark face and a bar
// costs three bytes of colour. A class is a letter for the family and a digit for the shade.

/// By what the frame is; the shade is a hash of the name, the same in every file.
std::string frame_style(uint32_t kind, std::string_view name);
/// By how a node's share of the whole changed: "z" as before, "g1".."g8" grew, "s1".."s8" shrank,
/// "n" only in the new side.
std::string diff_style(int64_t total, int64_t whole, int64_t base_total, int64_t base_whole);

/// The text of the <style> element.
void append_stylesheet(bool is_diff, Buffer &output);

} // namespace profcore
