#pragma once

#include "base/context.hpp"
#include "base/pod_vector.hpp"

#include <cstdint>
#include <span>
#include <string>

namespace profcore {

using Bytes = PodVector<uint8_t>;

/// What an inflater could read. Damage does not throw here: a profile cut short on its way is still
/// worth showing. Data before the damage is what the compressor put in (but not checked by a sum).
struct InflateResult {
  Bytes data;
  uint64_t consumed = 0; ///< input bytes of everything that was whole
  uint64_t trailing =
      0;              ///< bytes after the last member or frame that are not one (zeros not counted)
  std::string damage; ///< empty = none; else one line
  uint64_t damage_offset = kNoOffset; ///< in the compressed input
};

/// Whole-buffer inflaters. Gzip may hold several members, zstd and lz4 several frames (skippable
/// ones too). They throw kLimit past `limits.max_inflated_bytes`, kCancelled and std::bad_alloc;
/// sizes in headers and trailers are hints that never make them take memory the input could not
/// fill.
InflateResult inflate_gzip_lossy(std::span<const uint8_t> input, const Context &context);
InflateResult inflate_zlib_lossy(std::span<const uint8_t> input, const Context &context);
InflateResult inflate_zstd_lossy(std::span<const uint8_t> input, const Context &context);
/// Deflate without a wrapper, as zip has it: one piece, nothing to check it by. `told` is the size
/// that somebody says it has, or 0.
InflateResult inflate_raw_lossy(std::span<const uint8_t> input, uint64_t told,
                                const Context &context);
/// kUnsupported when built without lz4.
InflateResult inflate_lz4_lossy(std::span<const uint8_t> input, const Context &context);

/// The same, with damage thrown as kMalformed and the input offset. Trailing bytes are ignored.
Bytes inflate_gzip(std::span<const uint8_t> input, const Context &context);
Bytes inflate_zlib(std::span<const uint8_t> input, const Context &context);
Bytes inflate_zstd(std::span<const uint8_t> input, const Context &context);
Bytes inflate_lz4(std::span<const uint8_t> input, const Context &context);

/// The first `max_output` bytes at most, for sniffing; damage just ends the prefix.
Bytes inflate_prefix(std::span<const uint8_t> input, size_t max_output);
Bytes raw_prefix(std::span<const uint8_t> input, size_t max_output);

uint32_t crc32_of(std::span<const uint8_t> bytes) noexcept;

/// One gzip member (level 1-12, 6 is usual).
void deflate_gzip(std::span<const char> input, int level, Buffer &output);
/// Raw deflate, for the data of the HTML file.
void deflate_raw(std::span<const char> input, int level, Buffer &output);

/// Whether what is_zlib() takes for zlib inflates to its end or for a good while: its two bytes of
/// header are also the start of ordinary text ("x^2").
bool zlib_inflates(std::span<const uint8_t> input);
/// Whether this build reads lz4.
bool has_lz4() noexcept;

bool is_gzip(std::span<const uint8_t> input) noexcept;
bool is_zlib(std::span<const uint8_t> input) noexcept;
bool is_zstd(std::span<const uint8_t> input) noexcept;
bool is_lz4(std::span<const uint8_t> input) noexcept;

} // namespace profcore
