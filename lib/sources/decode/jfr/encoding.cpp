#include "sources/decode/jfr/encoding.hpp"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace profcore::jfr {
namespace {

#if defined(__SSE2__)
/// Bit i: byte i goes on.
uint32_t continuation_bits(const uint8_t *at) noexcept {
  __m128i bytes;
  __builtin_memcpy(&bytes, at, sizeof bytes);
  return static_cast<uint32_t>(_mm_movemask_epi8(bytes));
}
#else
uint32_t continuation_bits(const uint8_t *at) noexcept {
  uint32_t bits = 0;
  for (unsigned half = 0; half < 2; ++half) {
    const uint64_t word = wire::load_little_endian(at + 8 * half) & UINT64_C(0x8080808080808080);
    bits |= static_cast<uint32_t>((word >> 7) * UINT64_C(0x0102040810204080) >> 56) << (8 * half);
  }
  return bits;
}
#endif

/// How many of 16 bits are set: without an instruction that not every x86-64 has.
uint64_t count_bits(uint32_t bits) noexcept {
  bits -= bits >> 1 & 0x5555;
  bits = (bits & 0x3333) + (bits >> 2 & 0x3333);
  bits = (bits + (bits >> 4)) & 0x0f0f;
  return (bits + (bits >> 8)) & 0x1f;
}

/// Whether eight bits stand in a row: only then can a number be of nine bytes.
bool has_run_of_eight(uint32_t bits) noexcept {
  bits &= bits >> 1;
  bits &= bits >> 2;
  return (bits & bits >> 4) != 0;
}

} // namespace

const uint8_t *skip_varints(const uint8_t *at, const uint8_t *end, uint64_t count) noexcept {
  while (count > 0) {
    if (end - at >= 16 && count > 2) {
      const uint32_t goes_on = continuation_bits(at);
      if (!has_run_of_eight(goes_on)) [[likely]] {
        uint32_t stops = ~goes_on & 0xffff;
        const auto whole = count_bits(stops);
        if (whole < count) {
          at += std::bit_width(stops);
          count -= whole;
          continue;
        }
        for (; count > 1; --count) stops &= stops - 1;
        return at + std::countr_zero(stops) + 1;
      }
    }
    uint64_t value = 0;
    at = read_varint(at, end, value);
    if (at == nullptr) return nullptr;
    --count;
  }
  return at;
}

} // namespace profcore::jfr
