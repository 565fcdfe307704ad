#pragma once

// The protobuf wire format, read in place and written without a schema.
//
// Reading: a varint has at most ten bytes (bits past the 64th are dropped, as every protobuf reader
// does), a length must fit in what is left, groups (wire types 3 and 4) are refused. Every error
// carries the byte offset counted from the first byte of the whole input. Longer varints are put
// together without a branch on their length: real files mix lengths of one to five bytes, and
// mispredicted branches would cost more than the arithmetic.

#include "base/error.hpp"
#include "base/pod_vector.hpp"

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace profcore {

enum class WireType : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

namespace wire {

/// At most ten bytes, never past `end`; nullptr when there is no whole varint.
inline const uint8_t *read_varint_slowly(const uint8_t *at, const uint8_t *end,
                                         uint64_t &value) noexcept {
  uint64_t result = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (at == end) return nullptr;
    const uint64_t byte = *at++;
    result |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      value = result;
      return at;
    }
  }
  return nullptr;
}

inline uint64_t load_little_endian(const uint8_t *at) noexcept {
  uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

/// The 7-bit groups of a word, low byte first, pushed together.
inline uint64_t squeeze_groups(uint64_t word) noexcept {
  word &= UINT64_C(0x7f7f7f7f7f7f7f7f);
  word = (word & UINT64_C(0x007f007f007f007f)) | ((word & UINT64_C(0x7f007f007f007f00)) >> 1);
  word = (word & UINT64_C(0x00003fff00003fff)) | ((word & UINT64_C(0x3fff00003fff0000)) >> 2);
  return (word & UINT64_C(0x000000000fffffff)) | ((word & UINT64_C(0x0fffffff00000000)) >> 4);
}

/// A varint of any length up to eight bytes without a branch.
inline const uint8_t *read_long_varint(const uint8_t *at, const uint8_t *end,
                                       uint64_t &value) noexcept {
  if (end - at < 8) [[unlikely]]
    return read_varint_slowly(at, end, value);
  const uint64_t word = load_little_endian(at);
  const uint64_t stops = ~word & UINT64_C(0x8080808080808080);
  if (stops == 0) [[unlikely]]
    return read_varint_slowly(at, end, value);
  value = squeeze_groups(word & (stops ^ (stops - 1)));
  return at + (static_cast<unsigned>(std::countr_zero(stops)) + 1) / 8;
}

/// The varint at `at`, or nullptr when it is damaged or does not end before `end`. Most are
/// lengths, tags and small numbers of one byte.
inline const uint8_t *read_varint(const uint8_t *at, const uint8_t *end, uint64_t &value) noexcept {
  if (at != end && *at < 0x80) [[likely]] {
    value = *at;
    return at + 1;
  }
  return read_long_varint(at, end, value);
}

/// The same for lists of ids, whose lengths cannot be foretold: no branch up to four bytes.
inline const uint8_t *read_id(const uint8_t *at, const uint8_t *end, uint64_t &value) noexcept {
  if (end - at < 8) [[unlikely]]
    return read_varint_slowly(at, end, value);
  const auto word = static_cast<uint32_t>(load_little_endian(at));
  const uint32_t stops = ~word & 0x80808080U;
  if (stops == 0) [[unlikely]]
    return read_long_varint(at, end, value);
  uint32_t groups = word & (stops ^ (stops - 1)) & 0x7f7f7f7fU;
  groups = (groups & 0x007f007fU) | ((groups & 0x7f007f00U) >> 1);
  value = (groups & 0x3fffU) | ((groups & 0x3fff0000U) >> 2);
  return at + (static_cast<unsigned>(std::countr_zero(stops)) + 1) / 8;
}

} // namespace wire

struct WireField {
  uint64_t number = 0;
  WireType type = WireType::kVarint;
  uint64_t value = 0;             ///< kVarint, kFixed32, kFixed64
  std::span<const uint8_t> bytes; ///< kBytes
  uint64_t offset = 0;            ///< of the field's tag
};

/// Walks over the fields of one message. Messages inside are walked by a reader of their own, made
/// by `inside`, so depth is the caller's business.
class WireReader {
public:
  /// `origin` is where offset 0 is: the first byte of the whole input.
  WireReader(std::span<const uint8_t> message, const uint8_t *origin) noexcept
      : at_{message.data()}, end_{message.data() + message.size()}, origin_{origin} {}

  bool at_end() const noexcept { return at_ == end_; }
  uint64_t offset() const noexcept { return static_cast<uint64_t>(at_ - origin_); }
  WireReader inside(const WireField &field) const noexcept { return {field.bytes, origin_}; }

  /// False at the end of the message; throws kMalformed for damage.
  bool next(WireField &field) {
    if (at_ == end_) return false;
    field.offset = offset();
    const uint64_t tag = varint();
    field.number = tag >> 3;
    field.type = static_cast<WireType>(tag & 7);
    switch (field.type) {
    case WireType::kVarint:
      field.value = varint();
      return true;
    case WireType::kBytes: {
      const uint64_t length_at = offset();
      const uint64_t length = varint();
      if (length > static_cast<uint64_t>(end_ - at_))
        throw Error{Status::kMalformed, "a length goes past the end of its message", length_at};
      field.bytes = {at_, static_cast<size_t>(length)};
      at_ += length;
      return true;
    }
    case WireType::kFixed64:
      field.value = fixed(8);
      return true;
    case WireType::kFixed32:
      field.value = fixed(4);
      return true;
    }
    throw Error{Status::kMalformed,
                "wire type " + std::to_string(tag & 7) + " (a group, or none) is not supported",
                field.offset};
  }

  /// The next field, when it is a message with this tag of one byte; else nothing is read. The
  /// quick way over a long run of them.
  bool next_message(uint8_t tag, std::span<const uint8_t> &bytes) {
    if (at_ == end_ || *at_ != tag) return false;
    uint64_t length = 0;
    const uint8_t *begin = wire::read_varint(at_ + 1, end_, length);
    if (begin == nullptr || length > static_cast<uint64_t>(end_ - begin)) return false;
    bytes = {begin, static_cast<size_t>(length)};
    at_ = begin + length;
    return true;
  }

  uint64_t varint() {
    uint64_t value = 0;
    const uint8_t *next = wire::read_varint(at_, end_, value);
    if (next == nullptr) bad_varint();
    at_ = next;
    return value;
  }

private:
  [[noreturn]] void bad_varint() const {
    throw Error{Status::kMalformed,
                end_ - at_ >= 10 ? "a varint has more than ten bytes" : "a varint is cut off",
                offset()};
  }
  uint64_t fixed(size_t size) {
    if (static_cast<size_t>(end_ - at_) < size)
      throw Error{Status::kMalformed, "a fixed-size field is cut off", offset()};
    uint64_t value = 0;
    for (size_t i = 0; i < size; ++i) value |= static_cast<uint64_t>(at_[i]) << (8 * i);
    at_ += size;
    return value;
  }

  const uint8_t *at_;
  const uint8_t *end_;
  const uint8_t *origin_;
};

/// Appends fields to a buffer. A message inside another is built in a buffer of its own first,
/// since its length comes before it.
class WireWriter {
public:
  explicit WireWriter(Buffer &output) noexcept : output_{output} {}

  static constexpr size_t varint_size(uint64_t value) noexcept {
    return (static_cast<size_t>(std::bit_width(value | 1)) + 6) / 7;
  }
  void varint(uint64_t value) {
    const size_t old = output_.size();
    output_.resize_uninitialized(old + varint_size(value));
    char *at = output_.data() + old;
    for (; value >= 0x80; value >>= 7) *at++ = static_cast<char>(value | 0x80);
    *at = static_cast<char>(value);
  }
  void tag(uint32_t number, WireType type) {
    varint(static_cast<uint64_t>(number) << 3 | static_cast<uint64_t>(type));
  }
  void varint_field(uint32_t number, uint64_t value) {
    tag(number, WireType::kVarint);
    varint(value);
  }
  void signed_field(uint32_t number, int64_t value) {
    varint_field(number, static_cast<uint64_t>(value));
  }
  /// Left out when it is the default that a reader assumes.
  void optional_field(uint32_t number, uint64_t value) {
    if (value != 0) varint_field(number, value);
  }
  void bytes_field(uint32_t number, std::string_view bytes) {
    tag(number, WireType::kBytes);
    varint(bytes.size());
    output_.put(bytes.data(), bytes.size());
  }
  void message_field(uint32_t number, const Buffer &message) {
    bytes_field(number, {message.data(), message.size()});
  }

private:
  Buffer &output_;
};

} // namespace profcore
