#include "base/hash.hpp"
#include "sources/decode/jfr/chunk.hpp"

#include <limits>

namespace profcore::jfr {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

int64_t saturate(int128_t value) noexcept {
  if (value > std::numeric_limits<int64_t>::max()) return std::numeric_limits<int64_t>::max();
  if (value < std::numeric_limits<int64_t>::min()) return std::numeric_limits<int64_t>::min();
  return static_cast<int64_t>(value);
}

int64_t times(uint64_t value, int64_t factor) noexcept {
  return saturate(static_cast<int128_t>(static_cast<int64_t>(value)) * factor);
}

/// A number narrower than 64 bits: what the writer meant by it.
uint64_t narrowed(uint64_t value, Primitive primitive) noexcept {
  switch (primitive) {
  case Primitive::kInt:
    return static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(value)));
  case Primitive::kShort:
    return static_cast<uint64_t>(static_cast<int64_t>(static_cast<int16_t>(value)));
  case Primitive::kChar:
    return static_cast<uint16_t>(value);
  default:
    return value;
  }
}

unsigned natural_bytes(Primitive primitive) noexcept {
  switch (primitive) {
  case Primitive::kChar:
  case Primitive::kShort:
    return 2;
  case Primitive::kInt:
    return 4;
  default:
    return 8;
  }
}

} // namespace

size_t Chunk::read_fields(TypeIndex type, const uint8_t *at, const uint8_t *end,
                          std::span<FieldValue> values) const noexcept {
  const Type &of = (*schema_)[type];
  const size_t count = std::min(values.size(), of.fields.size());
  const bool compressed = header_.compressed();
  size_t read = 0;
  for (; read < count; ++read) {
    const Field &field = of.fields[read];
    FieldValue &value = values[read];
    // A class that stands for its only field is read as that field.
    TypeIndex inner = field.type;
    for (int depth = 0;
         depth < 4 && !field.in_pool && inner != kNoType && (*schema_)[inner].is_simple &&
         !(*schema_)[inner].fields[0].in_pool && !(*schema_)[inner].fields[0].is_array;
         ++depth)
      inner = (*schema_)[inner].fields[0].type;
    const Primitive primitive = inner == kNoType ? Primitive::kNone : (*schema_)[inner].primitive;
    const uint8_t *next = nullptr;
    uint64_t number = 0;
    if (field.is_varint(primitive)) {
      if (compressed) {
        next = read_varint(at, end, number);
      } else {
        const unsigned bytes = field.in_pool ? 8 : natural_bytes(primitive);
        if (static_cast<uint64_t>(end - at) >= bytes) {
          number = load_big_endian(at, bytes);
          next = at + bytes;
        }
      }
      if (!field.in_pool) number = narrowed(number, primitive);
    } else if (!field.is_array &&
               (primitive == Primitive::kByte || primitive == Primitive::kBoolean)) {
      if (at != end) {
        number = primitive == Primitive::kByte
                     ? static_cast<uint64_t>(static_cast<int64_t>(static_cast<int8_t>(*at)))
                     : *at;
        next = at + 1;
      }
    } else {
      next = schema_->skip_field(field, at, end);
    }
    if (next == nullptr) break;
    value = {at, number};
    at = next;
  }
  for (size_t i = read; i < values.size(); ++i) values[i] = {};
  return read;
}

std::string_view Chunk::string_at(const uint8_t *at, Arena &arena) const {
  // A key may lead to a key (nobody writes that); a circle ends here.
  for (int hops = 0; hops < 4 && at != nullptr; ++hops) {
    const StringValue value = read_string(at, end(), header_.compressed(), arena);
    if (!value.is_key) return value.text;
    const TypeIndex strings = schema_->find_name("java.lang.String");
    at = strings == kNoType ? nullptr : find(strings, value.key);
  }
  return {};
}

std::string_view Chunk::text_of(TypeIndex type, uint64_t key, Arena &arena) const {
  const uint8_t *const at = find(type, key);
  if (at == nullptr) return {};
  const Type &of = (*schema_)[type];
  if (of.primitive == Primitive::kString) return string_at(at, arena);
  if (of.fields.size() != 1 || of.fields[0].is_array || of.fields[0].type == kNoType) return {};
  const Type &inner = (*schema_)[of.fields[0].type];
  if (inner.primitive != Primitive::kString) return {};
  if (!of.fields[0].in_pool) return string_at(at, arena);
  Cursor cursor{at, end(), header_.compressed()};
  const uint64_t string_key = cursor.u64();
  const uint8_t *const string = find(of.fields[0].type, string_key);
  return string == nullptr ? std::string_view{} : string_at(string, arena);
}

int64_t Chunk::duration_of(int64_t ticks) const noexcept {
  const int64_t frequency = header_.ticks_per_second;
  if (frequency == kNanosPerSecond) return ticks;
  return saturate(static_cast<int128_t>(ticks) * kNanosPerSecond / frequency);
}

int64_t Chunk::time_of(int64_t ticks) const noexcept {
  const int128_t since = static_cast<int128_t>(ticks) - header_.start_ticks;
  return saturate(header_.start_ns + since * kNanosPerSecond / header_.ticks_per_second);
}

int64_t Chunk::canonical(const Field &field, uint64_t number) const noexcept {
  const auto value = static_cast<int64_t>(number);
  switch (field.content) {
  case Content::kTimestampTicks:
    return time_of(value);
  case Content::kTimestampMillis:
    return times(number, 1'000'000);
  case Content::kTimespanTicks:
    return duration_of(value);
  case Content::kTimespanMicros:
    return times(number, 1000);
  case Content::kTimespanMillis:
    return times(number, 1'000'000);
  case Content::kTimespanSeconds:
    return times(number, kNanosPerSecond);
  case Content::kBits:
    return value / 8;
  default:
    return value;
  }
}

} // namespace profcore::jfr
