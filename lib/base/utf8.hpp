#pragma once

#include <cstddef>
#include <string_view>

namespace profcore {

/// Length of the valid UTF-8 sequence at the front of `text` (no surrogates, no overlong forms, up
/// to U+10FFFF), or 0 when there is none.
size_t utf8_sequence_length(std::string_view text) noexcept;

bool is_valid_utf8(std::string_view text) noexcept;

} // namespace profcore
