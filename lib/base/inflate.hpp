#pragma once

#include "base/context.hpp"
#include "base/pod_vector.hpp"

#include <cstdint>
#include <span>

namespace profcore {

using Bytes = PodVector<uint8_t>;

/// Whole-buffer inflaters. Each stops with kLimit past `limits.max_inflated_bytes` and with
/// kMalformed and the input offset on damage. Gzip may hold several members, zstd and lz4 several
/// frames (skippable ones too).
Bytes inflate_gzip(std::span<const uint8_t> input, const Context &context);
Bytes inflate_zlib(std::span<const uint8_t> input, const Context &context);
Bytes inflate_zstd(std::span<const uint8_t> input, const Context &context);
/// kUnsupported when built without lz4.
Bytes inflate_lz4(std::span<const uint8_t> input, const Context &context);

/// The first `max_output` bytes at most, for sniffing; damage just ends the prefix.
Bytes inflate_prefix(std::span<const uint8_t> input, size_t max_output);

/// One gzip member (level 1-12, 6 is usual).
void deflate_gzip(std::span<const char> input, int level, Buffer &output);
/// Raw deflate, for the data of the HTML file.
void deflate_raw(std::span<const char> input, int level, Buffer &output);

bool is_gzip(std::span<const uint8_t> input) noexcept;
bool is_zlib(std::span<const uint8_t> input) noexcept;
bool is_zstd(std::span<const uint8_t> input) noexcept;
bool is_lz4(std::span<const uint8_t> input) noexcept;

} // namespace profcore
