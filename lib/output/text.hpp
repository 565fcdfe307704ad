#pragma once

#include "base/pod_vector.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace profcore {

// Names come from hostile files and go to terminals and into markup. "Clean" text is valid UTF-8 in
// which control characters (C0, DEL, C1), line separators, bidirectional overrides and the
// noncharacters that XML forbids are U+FFFD.

void append_clean(std::string_view text, std::string &output);
/// Clean, and safe as XML character data and inside quoted attributes.
void append_xml(std::string_view text, Buffer &output);

/// Columns that clean text takes on a terminal: 2 for wide East Asian characters and emoji, 0 for
/// combining marks, 1 for the rest.
size_t display_width(std::string_view text) noexcept;
/// The longest prefix of clean text of at most `width` columns.
std::string_view display_prefix(std::string_view text, size_t width) noexcept;
/// Clean text cut to `width` columns, ending in U+2026 when something was cut.
std::string_view cut_to_width(std::string_view text, size_t width, std::string &storage);

void append(std::string_view text, Buffer &output);
/// As fmt's "{}" and "{:.2f}" write them, which a picture does for every bar.
void append_integer(int64_t value, Buffer &output);
void append_hundredths(double value, Buffer &output);
void append_padding(size_t columns, Buffer &output);
/// Right-aligned.
void append_right(std::string_view text, size_t columns, Buffer &output);

} // namespace profcore
