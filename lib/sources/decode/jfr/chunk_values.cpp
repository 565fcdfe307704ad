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

/// Whole seconds and the rest apart: two divisions of 64 bits are a third of the cost of one of
/// 128, and every event has a time. Ticks of a second fit in 33 bits with every clock there is;
/// false for what does not.
bool to_nanos(int64_t ticks, int64_t frequency, int64_t &nanos) noexcept {
  constexpr int64_t kMostPerSecond = std::numeric_limits<int64_t>::max() / kNanosPerSecond;
  if (frequency == kNanosPerSecond) {
    nanos = ticks;
    return true;
  }
  if (frequency > kMostPerSecond) return false;
  const int64_t rest = ticks % frequency * kNanosPerSecond / frequency;
  return !__builtin_mul_overflow(ticks / frequency, kNanosPerSecond, &nanos) &&
         !__builtin_add_overflow(nanos, rest, &nanos);
}

unsigned natural_bytes(Form form) noexcept {
  switch (form) {
  case Form::kInt:
    return 4;
  case Form::kShort:
  case Form::kChar:
    return 2;
  default:
    return 8;
  }
}

} // namespace

Primitive Chunk::primitive_of(const Field &field) const noexcept {
  TypeIndex inner = field.type;
  for (int depth = 0;
       depth < 4 && !field.in_pool && inner != kNoType && (*schema_)[inner].is_simple &&
       !(*schema_)[inner].fields[0].in_pool && !(*schema_)[inner].fields[0].is_array;
       ++depth)
    inner = (*schema_)[inner].fields[0].type;
  return inner == kNoType ? Primitive::kNone : (*schema_)[inner].primitive;
}

const uint8_t *Chunk::read_field(const Field &field, const uint8_t *at, const uint8_t *end,
                                 FieldValue &value) const noexcept {
  const uint8_t *next = nullptr;
  uint64_t number = 0;
  if (field.form == Form::kOther) {
    next = schema_->skip_field(field, at, end);
  } else if (field.form >= Form::kByte) {
    if (at != end) {
      number = field.form == Form::kBoolean
                   ? *at
                   : static_cast<uint64_t>(static_cast<int64_t>(static_cast<int8_t>(*at)));
      next = at + 1;
    }
  } else {
    if (header_.compressed()) {
      next = read_varint(at, end, number);
    } else if (const unsigned bytes = natural_bytes(field.form);
               static_cast<uint64_t>(end - at) >= bytes) {
      number = load_big_endian(at, bytes);
      next = at + bytes;
    }
    // A number narrower than 64 bits: what the writer meant by it.
    if (field.form == Form::kInt)
      number = static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(number)));
    else if (field.form == Form::kShort)
      number = static_cast<uint64_t>(static_cast<int64_t>(static_cast<int16_t>(number)));
    else if (field.form == Form::kChar)
      number = static_cast<uint16_t>(number);
  }
  value = {at, number};
  return next;
}

size_t Chunk::read_fields(TypeIndex type, const uint8_t *at, const uint8_t *end,
                          std::span<FieldValue> values) const noexcept {
  const Type &of = (*schema_)[type];
  const std::vector<Field> &fields = of.fields;
  const size_t count = std::min(values.size(), fields.size());
  size_t read =
      read_numbers(of, at, end, values.first(std::min<size_t>(count, of.leading_numbers)));
  for (; read < count; ++read) {
    const uint8_t *const next = read_field(fields[read], at, end, values[read]);
    if (next == nullptr) break;
    at = next;
  }
  for (size_t i = read; i < values.size(); ++i) values[i] = {};
  return read;
}

std::string_view Chunk::string_at(const uint8_t *at, Arena &arena) const {
  // A key may lead to a key (nobody writes that); a circle ends here.
  for (int hops = 0; hops < 4 && at != nullptr; ++hops) {
    if (is_long_to_make(at, end(), header_.compressed())) return long_text_at(at);
    const StringValue value = read_string(at, end(), header_.compressed(), arena);
    if (!value.is_key) return value.text;
    const TypeIndex strings = schema_->string_type();
    at = strings == kNoType ? nullptr : find(strings, value.key);
  }
  return {};
}

/// Millions of events may refer to one text of a megabyte.
std::string_view Chunk::long_text_at(const uint8_t *at) const {
  const auto [found, is_new] =
      long_texts_.try_emplace(static_cast<uint64_t>(at - bytes_.data()), std::string_view{});
  if (is_new) found->second = read_string(at, end(), header_.compressed(), long_arena_).text;
  return found->second;
}

std::string_view Chunk::text_of(const Field &field, const FieldValue &value, Arena &arena) const {
  if (value.at == nullptr) return {};
  if (field.form == Form::kKey) return text_of(field.type, value.number, arena);
  return schema_->is_string(field) ? string_at(value.at, arena) : std::string_view{};
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
  int64_t nanos = 0;
  if (to_nanos(ticks, header_.ticks_per_second, nanos)) return nanos;
  return saturate(static_cast<int128_t>(ticks) * kNanosPerSecond / header_.ticks_per_second);
}

int64_t Chunk::convert_time(int64_t ticks) const noexcept {
  int64_t since = 0;
  int64_t nanos = 0;
  if (!__builtin_sub_overflow(ticks, header_.start_ticks, &since) &&
      to_nanos(since, header_.ticks_per_second, nanos))
    return saturate(static_cast<int128_t>(header_.start_ns) + nanos);
  const int128_t wide = static_cast<int128_t>(ticks) - header_.start_ticks;
  return saturate(header_.start_ns + wide * kNanosPerSecond / header_.ticks_per_second);
}

int64_t Chunk::convert(Content content, uint64_t number) const noexcept {
  const auto value = static_cast<int64_t>(number);
  switch (content) {
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
