#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace proto {

/// A protobuf message made by hand, field by field, damage included.
class Builder {
public:
  Builder &raw(std::string_view bytes) {
    bytes_ += bytes;
    return *this;
  }
  Builder &raw_varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
    return *this;
  }
  Builder &tag(uint64_t field, unsigned wire_type) { return raw_varint(field << 3 | wire_type); }
  Builder &varint(uint64_t field, uint64_t value) { return tag(field, 0).raw_varint(value); }
  Builder &bytes(uint64_t field, std::string_view value) {
    return tag(field, 2).raw_varint(value.size()).raw(value);
  }
  Builder &message(uint64_t field, const Builder &inner) { return bytes(field, inner.bytes_); }
  Builder &packed(uint64_t field, std::initializer_list<uint64_t> values) {
    return packed(field, std::span<const uint64_t>{values.begin(), values.size()});
  }
  Builder &packed(uint64_t field, std::span<const uint64_t> values) {
    Builder list;
    for (const uint64_t value : values) list.raw_varint(value);
    return message(field, list);
  }

  size_t size() const { return bytes_.size(); }
  const std::string &str() const { return bytes_; }
  std::span<const uint8_t> span() const {
    return {reinterpret_cast<const uint8_t *>(bytes_.data()), bytes_.size()};
  }

private:
  std::string bytes_;
};

} // namespace proto
