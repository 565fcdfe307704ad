#include "sources/decode/jfr/encoding.hpp"

namespace profcore::jfr {
namespace {

/// Of 64 bytes.
uint64_t long_continuation_bits(const uint8_t *at) noexcept {
  uint64_t bits = 0;
  for (unsigned part = 0; part < 4; ++part)
    bits |= static_cast<uint64_t>(continuation_bits(at + 16 * part)) << (16 * part);
  return bits;
}

/// How many bits are set: without an instruction that not every x86-64 has.
uint64_t count_bits(uint64_t bits) noexcept {
  bits -= bits >> 1 & UINT64_C(0x5555555555555555);
  bits = (bits & UINT64_C(0x3333333333333333)) + (bits >> 2 & UINT64_C(0x3333333333333333));
  bits = (bits + (bits >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
  return bits * UINT64_C(0x0101010101010101) >> 56;
}

/// Whether eight bits stand in a row: only then can a number be of nine bytes.
bool has_run_of_eight(uint64_t bits) noexcept {
  bits &= bits >> 1;
  bits &= bits >> 2;
  return (bits & bits >> 4) != 0;
}

} // namespace

const uint8_t *skip_varints(const uint8_t *at, const uint8_t *end, uint64_t count) noexcept {
  while (count > 0) {
    if (end - at >= 64 && count > 16) {
      const uint64_t goes_on = long_continuation_bits(at);
      const uint64_t whole = count_bits(~goes_on);
      if (whole < count && !has_run_of_eight(goes_on)) [[likely]] {
        at += std::bit_width(~goes_on);
        count -= whole;
        continue;
      }
    }
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
