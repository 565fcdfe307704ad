#pragma once

#include "base/wire.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace profcore::pprof {

/// A bit per byte, from the lowest: whether a varint ends there. 64 bytes are read.
inline uint64_t varint_ends(const uint8_t *bytes) noexcept {
#if defined(__SSE2__)
  const auto goes_on = [&](size_t at) -> uint64_t {
    const __m128i part = _mm_loadu_si128(reinterpret_cast<const __m128i *>(bytes + at));
    return static_cast<uint32_t>(_mm_movemask_epi8(part));
  };
  return ~(goes_on(0) | goes_on(16) << 16 | goes_on(32) << 32 | goes_on(48) << 48);
#else
  uint64_t goes_on = 0;
  for (size_t i = 0; i < 8; ++i) {
    const uint64_t high_bits =
        (wire::load_little_endian(bytes + i * 8) & UINT64_C(0x8080808080808080)) >> 7;
    goes_on |= (high_bits * UINT64_C(0x0102040810204080) >> 56) << (i * 8);
  }
  return ~goes_on;
#endif
}

/// Reads a packed list of ids that `known` has, by number, and writes what stands there for each.
/// Where the ids end is found for 64 bytes at once, so that, unlike in a loop over varints, no id
/// waits for the length of the one before. Returns nullptr when there is anything else in the list,
/// or not 72 bytes can be read behind the begin of a piece: the general way is for that. `out` has
/// room for an id per byte. `known[0]` is `kAbsent`, the largest number, and so is all that is not
/// there.
template <uint32_t kAbsent>
uint32_t *read_known_ids(const uint8_t *at, const uint8_t *end, const uint8_t *readable_end,
                         std::span<const uint32_t> known, uint32_t *out) noexcept {
  static_assert(kAbsent == UINT32_MAX);
  static constexpr uint32_t kMasks[4] = {0x7f, 0x7f7f, 0x7f7f7f, 0x7f7f7f7f};
  const uint32_t *const table = known.data();
  const auto size = static_cast<uint32_t>(known.size());
  uint32_t largest = 0;
  uint32_t lengths = 0;
  while (at < end) {
    if (readable_end - at < 72) return nullptr;
    uint64_t ends = varint_ends(at);
    if (end - at < 64) ends &= (UINT64_C(1) << (end - at)) - 1;
    if (ends == 0) return nullptr;
    uint32_t begin = 0;
    do {
      const auto last = static_cast<uint32_t>(std::countr_zero(ends));
      ends &= ends - 1;
      const uint32_t more = last - begin; // bytes but the last
      lengths |= more;
      // Groups of seven bits move together: two and two, then the pairs.
      uint32_t id = static_cast<uint32_t>(wire::load_little_endian(at + begin)) & kMasks[more & 3];
      id -= (id & 0x7f007f00U) >> 1;
      id -= ((id & 0xffff0000U) >> 2) * 3;
      const uint32_t found = table[id < size ? id : 0];
      largest = largest > found ? largest : found;
      *out++ = found;
      begin = last + 1;
    } while (ends != 0);
    at += begin;
  }
  return at == end && largest != kAbsent && lengths < 4 ? out : nullptr;
}

} // namespace profcore::pprof
