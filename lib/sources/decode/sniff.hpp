#pragma once

#include "base/inflate.hpp"
#include "sources/decode/decode.hpp"

#include <span>
#include <string>

namespace profcore {

/// How much of the inflated bytes is looked at.
constexpr size_t kSniffBytes = size_t{256} << 10;
/// Compression inside compression is followed this deep.
constexpr int kMaxCompressionLayers = 3;

/// The outermost compression; kZlib only when it does inflate, as two bytes prove little.
Compression detect_compression(std::span<const uint8_t> bytes);

/// What plain bytes are. `size` is of the whole, of which `prefix` may be the start.
SniffResult sniff_plain(std::span<const uint8_t> prefix, uint64_t size);

/// Whether text has a form that sniffing can name. Empty when it has none. `format` is set for
/// those that have a number.
std::string describe_json(std::string_view text, Format &format);
std::string describe_text(std::string_view text, Format &format);
std::string describe_binary(std::span<const uint8_t> prefix, Format &format);

} // namespace profcore
