#pragma once

// How JFR writes numbers and runs of them.
//
// With the header's first flag set (always, in practice) short, char, int, long and all sizes are
// LEB128 of at most nine bytes: seven bits a byte, but all eight of the ninth, so 64 bits fit and a
// tenth byte never comes. Padded forms are normal: writers reserve four or five bytes for a size
// and fill them in later. Without the flag numbers are big-endian of their natural width. byte and
// boolean are one raw byte, float and double are big-endian, either way.

#include "base/wire.hpp"

#include <bit>
#include <cstdint>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace profcore::jfr {

/// At most nine bytes, never past `end`; nullptr when there is no whole number.
inline const uint8_t *read_varint_slowly(const uint8_t *at, const uint8_t *end,
                                         uint64_t &value) noexcept {
  uint64_t result = 0;
  for (unsigned shift = 0; shift < 56; shift += 7) {
    if (at == end) return nullptr;
    const uint64_t byte = *at++;
    result |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      value = result;
      return at;
    }
  }
  if (at == end) return nullptr;
  value = result | static_cast<uint64_t>(*at) << 56;
  return at + 1;
}

inline const uint8_t *read_varint(const uint8_t *at, const uint8_t *end, uint64_t &value) noexcept {
  if (at != end && *at < 0x80) {
    value = *at;
    return at + 1;
  }
  if (end - at < 9) [[unlikely]]
    return read_varint_slowly(at, end, value);
  const uint64_t word = wire::load_little_endian(at);
  const uint64_t stops = ~word & UINT64_C(0x8080808080808080);
  if (stops == 0) {
    value = wire::squeeze_groups(word) | static_cast<uint64_t>(at[8]) << 56;
    return at + 9;
  }
  value = wire::squeeze_groups(word & (stops ^ (stops - 1)));
  return at + (static_cast<unsigned>(std::countr_zero(stops)) + 1) / 8;
}

/// The number in `bytes` bytes, at most eight; as many may be read as eight.
inline uint64_t load_varint(const uint8_t *at, size_t bytes) noexcept {
  const uint64_t word = wire::load_little_endian(at);
  if (bytes > 4) return wire::squeeze_groups(word & ~UINT64_C(0) >> (64 - 8 * bytes));
  // Most are keys and sizes: half the work.
  static constexpr uint32_t kGroups[] = {0, 0x7f, 0x7f7f, 0x7f7f7f, 0x7f7f7f7f};
  uint32_t groups = static_cast<uint32_t>(word) & kGroups[bytes];
  groups = (groups & 0x007f007fU) | ((groups & 0x7f007f00U) >> 1);
  return (groups & 0x3fffU) | ((groups & 0x3fff0000U) >> 2);
}

/// Bit i: byte i of sixteen goes on, which is to say that it does not end a number.
inline uint32_t continuation_bits(const uint8_t *at) noexcept {
#if defined(__SSE2__)
  __m128i bytes;
  __builtin_memcpy(&bytes, at, sizeof bytes);
  return static_cast<uint32_t>(_mm_movemask_epi8(bytes));
#else
  uint32_t bits = 0;
  for (unsigned half = 0; half < 2; ++half) {
    const uint64_t word = wire::load_little_endian(at + 8 * half) & UINT64_C(0x8080808080808080);
    bits |= static_cast<uint32_t>((word >> 7) * UINT64_C(0x0102040810204080) >> 56) << (8 * half);
  }
  return bits;
#endif
}

/// Steps over `count` numbers, many bytes at a time; nullptr when they do not end before `end`.
const uint8_t *skip_varints(const uint8_t *at, const uint8_t *end, uint64_t count) noexcept;

inline uint64_t load_big_endian(const uint8_t *at, unsigned bytes) noexcept {
  uint64_t value = 0;
  for (unsigned i = 0; i < bytes; ++i) value = value << 8 | at[i];
  return value;
}

/// A float or a double, which are never compressed.
inline double load_real(const uint8_t *at, bool is_double) noexcept {
  return is_double ? std::bit_cast<double>(load_big_endian(at, 8))
                   : std::bit_cast<float>(static_cast<uint32_t>(load_big_endian(at, 4)));
}

/// Reads front to back. The first failure sticks: from then on everything reads as 0 and `failed`
/// holds, so a caller checks once per record.
class Cursor {
public:
  Cursor(const uint8_t *at, const uint8_t *end, bool compressed) noexcept
      : at_{at}, end_{end}, compressed_{compressed} {}

  const uint8_t *at() const noexcept { return at_; }
  const uint8_t *end() const noexcept { return end_; }
  uint64_t left() const noexcept { return static_cast<uint64_t>(end_ - at_); }
  bool failed() const noexcept { return failed_; }
  bool compressed() const noexcept { return compressed_; }
  void seek(const uint8_t *at) noexcept {
    if (at == nullptr) {
      fail();
    } else {
      at_ = at;
    }
  }

  uint8_t byte() noexcept {
    if (at_ == end_) return fail();
    return *at_++;
  }
  uint64_t u64() noexcept { return number(8); }
  int64_t i64() noexcept { return static_cast<int64_t>(number(8)); }
  /// A size or a count. JFR's are Java ints; a negative one reads as huge, and so fails every
  /// check.
  uint64_t count() noexcept { return number(4); }

private:
  uint64_t number(unsigned natural) noexcept {
    uint64_t value = 0;
    if (compressed_) {
      const uint8_t *next = read_varint(at_, end_, value);
      if (next == nullptr) return fail();
      at_ = next;
      return value;
    }
    if (left() < natural) return fail();
    value = load_big_endian(at_, natural);
    at_ += natural;
    return value;
  }
  uint8_t fail() noexcept {
    failed_ = true;
    at_ = end_;
    return 0;
  }

  const uint8_t *at_;
  const uint8_t *end_;
  bool compressed_;
  bool failed_ = false;
};

} // namespace profcore::jfr
