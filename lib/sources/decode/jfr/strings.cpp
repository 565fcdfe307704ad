#include "base/utf8.hpp"
#include "sources/decode/jfr/schema.hpp"

#include <cstring>

namespace profcore::jfr {
namespace {

enum Kind : uint8_t { kNull = 0, kEmpty = 1, kPoolKey = 2, kUtf8 = 3, kUtf16 = 4, kLatin1 = 5 };

constexpr uint32_t kReplacement = 0xfffd;

bool is_high_surrogate(uint64_t unit) noexcept {
  return unit >= 0xd800 && unit < 0xdc00;
}
bool is_low_surrogate(uint64_t unit) noexcept {
  return unit >= 0xdc00 && unit < 0xe000;
}

/// Units that are half of a pair alone, and what is no unit at all, become U+FFFD.
std::string_view from_utf16(Cursor &cursor, uint64_t units, Arena &arena) {
  char *const text = arena.allocate(static_cast<size_t>(units) * 3 + 1);
  char *to = text;
  uint64_t high = 0;
  for (uint64_t i = 0; i < units && !cursor.failed(); ++i) {
    uint64_t unit = 0;
    if (cursor.compressed()) {
      unit = cursor.u64();
    } else {
      unit = static_cast<uint64_t>(cursor.byte()) << 8;
      unit |= cursor.byte();
    }
    if (high != 0) {
      if (is_low_surrogate(unit)) {
        to = write_utf8(to,
                        static_cast<uint32_t>(0x10000 + ((high - 0xd800) << 10) + unit - 0xdc00));
        high = 0;
        continue;
      }
      to = write_utf8(to, kReplacement);
      high = 0;
    }
    if (is_high_surrogate(unit))
      high = unit;
    else
      to = write_utf8(to, is_low_surrogate(unit) || unit > 0xffff ? kReplacement
                                                                  : static_cast<uint32_t>(unit));
  }
  if (high != 0) to = write_utf8(to, kReplacement);
  *to = '\0';
  return {text, static_cast<size_t>(to - text)};
}

std::string_view from_latin1(std::string_view bytes, Arena &arena) {
  size_t high = 0;
  for (const char c : bytes) high += static_cast<uint8_t>(c) >> 7;
  if (high == 0) return bytes;
  char *const text = arena.allocate(bytes.size() + high + 1);
  char *to = text;
  for (const char c : bytes) to = write_utf8(to, static_cast<uint8_t>(c));
  *to = '\0';
  return {text, static_cast<size_t>(to - text)};
}

} // namespace

const uint8_t *skip_string(const uint8_t *at, const uint8_t *end, bool compressed) noexcept {
  if (at == end) return nullptr;
  Cursor cursor{at + 1, end, compressed};
  switch (*at) {
  case kNull:
  case kEmpty:
    return at + 1;
  case kPoolKey:
    cursor.u64();
    break;
  case kUtf8:
  case kLatin1: {
    const uint64_t bytes = cursor.count();
    if (cursor.failed() || bytes > cursor.left()) return nullptr;
    return cursor.at() + bytes;
  }
  case kUtf16: {
    const uint64_t units = cursor.count();
    if (cursor.failed() || units > cursor.left()) return nullptr;
    if (compressed) return skip_varints(cursor.at(), end, units);
    return units > cursor.left() / 2 ? nullptr : cursor.at() + 2 * units;
  }
  default:
    return nullptr;
  }
  return cursor.failed() ? nullptr : cursor.at();
}

bool is_long_to_make(const uint8_t *at, const uint8_t *end, bool compressed) noexcept {
  constexpr uint64_t kShort = 64;
  if (at == end || (*at != kUtf16 && *at != kLatin1)) return false;
  Cursor cursor{at + 1, end, compressed};
  return cursor.count() > kShort;
}

StringValue read_string(const uint8_t *&at, const uint8_t *end, bool compressed, Arena &arena) {
  StringValue value;
  Cursor cursor{at, end, compressed};
  switch (cursor.byte()) {
  case kNull:
    value.is_null = true;
    break;
  case kEmpty:
    break;
  case kPoolKey:
    value.is_key = true;
    value.key = cursor.u64();
    break;
  case kUtf8:
  case kLatin1: {
    const bool latin1 = cursor.at()[-1] == kLatin1;
    const uint64_t bytes = cursor.count();
    if (bytes > cursor.left()) {
      at = nullptr;
      return value;
    }
    const std::string_view raw{reinterpret_cast<const char *>(cursor.at()),
                               static_cast<size_t>(bytes)};
    cursor.seek(cursor.at() + bytes);
    value.text = latin1 ? from_latin1(raw, arena) : raw;
    break;
  }
  case kUtf16: {
    const uint64_t units = cursor.count();
    if (units > cursor.left()) {
      at = nullptr;
      return value;
    }
    value.text = from_utf16(cursor, units, arena);
    break;
  }
  default:
    at = nullptr;
    return value;
  }
  at = cursor.failed() ? nullptr : cursor.at();
  if (at == nullptr) value = {};
  return value;
}

} // namespace profcore::jfr
