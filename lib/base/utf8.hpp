#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace profcore {

/// Length of the valid UTF-8 sequence at the front of `text` (no surrogates, no overlong forms, up
/// to U+10FFFF), or 0 when there is none.
size_t utf8_sequence_length(std::string_view text) noexcept;

bool is_valid_utf8(std::string_view text) noexcept;

/// Writes a code point (up to U+10FFFF) at `to`, four bytes at most, and returns where it ends.
char *write_utf8(char *to, uint32_t code) noexcept;
void append_utf8(std::string &output, uint32_t code);

} // namespace profcore
