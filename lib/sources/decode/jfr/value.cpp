#include "sources/decode/jfr/value.hpp"

#include "base/utf8.hpp"

#include <limits>

namespace profcore::jfr {
namespace {

/// Classes that stand for their only field, and keys that lead to keys, are followed this far:
/// nobody writes more than two, and a circle ends.
constexpr int kMostHops = 8;

constexpr int64_t kSmallest = std::numeric_limits<int64_t>::min();
constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();

uint64_t unsigned_bits(uint64_t number, Primitive primitive) noexcept {
  switch (primitive) {
  case Primitive::kByte:
    return static_cast<uint8_t>(number);
  case Primitive::kShort:
    return static_cast<uint16_t>(number);
  case Primitive::kInt:
    return static_cast<uint32_t>(number);
  default:
    return number;
  }
}

std::string_view utf8_of(uint64_t unit, Arena &texts) {
  if (unit >= 0xd800 && unit < 0xe000) unit = 0xfffd; // half of a pair
  char *const text = texts.allocate(5);
  char *const end = write_utf8(text, static_cast<uint32_t>(unit));
  *end = '\0';
  return {text, static_cast<size_t>(end - text)};
}

Value null_value(bool absent) noexcept {
  Value value;
  value.kind = ValueKind::kNull;
  value.is_absent = absent;
  return value;
}

} // namespace

ValueUnit unit_of(Content content) noexcept {
  switch (content) {
  case Content::kPlain:
    break;
  case Content::kTimestampTicks:
  case Content::kTimestampMillis:
  case Content::kTimestampNanos:
    return ValueUnit::kTimestamp;
  case Content::kTimespanTicks:
  case Content::kTimespanNanos:
  case Content::kTimespanMicros:
  case Content::kTimespanMillis:
  case Content::kTimespanSeconds:
    return ValueUnit::kNanoseconds;
  case Content::kBytes:
  case Content::kBits:
    return ValueUnit::kBytes;
  case Content::kFrequency:
    return ValueUnit::kHertz;
  case Content::kPercentage:
    return ValueUnit::kPercentage;
  case Content::kMemoryAddress:
    return ValueUnit::kAddress;
  }
  return ValueUnit::kNone;
}

Value ValueReader::scalar(const Field &field, Primitive primitive, const uint8_t *at,
                          const uint8_t *end, uint64_t number) const {
  Value value;
  value.type = field.type;
  value.unit = unit_of(field.content);
  value.raw = number;
  value.integer = static_cast<int64_t>(number);
  switch (primitive) {
  case Primitive::kBoolean:
    value.kind = ValueKind::kBoolean;
    value.integer = number != 0;
    break;
  case Primitive::kChar:
    value.kind = ValueKind::kString;
    value.text = utf8_of(number, texts_);
    break;
  case Primitive::kFloat:
  case Primitive::kDouble: {
    const bool is_double = primitive == Primitive::kDouble;
    value.raw = load_big_endian(at, is_double ? 8 : 4);
    value.kind = ValueKind::kFloat;
    value.real = load_real(at, is_double);
    value.integer = 0;
    return value;
  }
  case Primitive::kString: {
    const uint8_t *next = at;
    const StringValue string = read_string(next, end, chunk_.header().compressed(), texts_);
    value.kind = next == nullptr || string.is_null ? ValueKind::kNull : ValueKind::kString;
    value.text = string.text;
    if (string.is_key) {
      const Schema &schema = chunk_.schema();
      value = of_key(schema[field.type].primitive == Primitive::kString ? field.type
                                                                        : schema.string_type(),
                     string.key);
      if (value.kind != ValueKind::kString) return null_value(string.key != 0);
    }
    return value;
  }
  default: {
    // An address has no sign, a time has one whatever its field says.
    const bool is_time =
        value.unit == ValueUnit::kNanoseconds || value.unit == ValueUnit::kTimestamp;
    const bool has_sign = is_time || !(field.is_unsigned || value.unit == ValueUnit::kAddress);
    value.kind = has_sign ? ValueKind::kInteger : ValueKind::kUnsigned;
    if (field.is_unsigned) number = unsigned_bits(number, primitive);
    // The smallest and the largest say "not available" and "forever", in any unit.
    if (value.integer != kSmallest && value.integer != kLargest)
      value.integer = chunk_.canonical(field, number);
    break;
  }
  }
  value.real = value.kind == ValueKind::kUnsigned
                   ? static_cast<double>(static_cast<uint64_t>(value.integer))
                   : static_cast<double>(value.integer);
  return value;
}

Value ValueReader::of_key(TypeIndex type, uint64_t key) const {
  if (type == kNoType) return null_value(key != 0);
  const uint8_t *const at = chunk_.find(type, key);
  if (at == nullptr) {
    Value value = null_value(key != 0);
    value.type = type;
    value.is_reference = true;
    value.key = key;
    return value;
  }
  // A string of a pool may be a key into the pool again.
  if (chunk_.schema()[type].primitive == Primitive::kString) {
    const uint8_t *place = at;
    for (int hops = 0; hops < kMostHops && place != nullptr; ++hops) {
      const uint8_t *next = place;
      const StringValue string =
          read_string(next, chunk_.end(), chunk_.header().compressed(), texts_);
      if (next == nullptr) break;
      if (string.is_key) {
        place = chunk_.find(type, string.key);
        continue;
      }
      Value value;
      value.kind = string.is_null ? ValueKind::kNull : ValueKind::kString;
      value.type = type;
      value.text = string.text;
      value.is_reference = true;
      value.key = key;
      return value;
    }
    return null_value(true);
  }
  Value value = of_type(type, at, chunk_.end());
  value.is_reference = true;
  value.key = key;
  return value;
}

Value ValueReader::of_type(TypeIndex type, const uint8_t *at, const uint8_t *end) const {
  const Schema &schema = chunk_.schema();
  for (int hops = 0; hops < kMostHops && type != kNoType && at != nullptr; ++hops) {
    const Type &of = schema[type];
    if (of.primitive != Primitive::kNone) {
      Field field;
      field.type = type;
      field.form = schema.form_of(field);
      const uint8_t *next = at;
      return read(field, at, end, next);
    }
    if (!of.is_simple) {
      Value value;
      value.kind = ValueKind::kStruct;
      value.type = type;
      value.count = of.fields.size();
      value.at = at;
      value.end = end;
      return value;
    }
    const Field &only = of.fields[0];
    const uint8_t *next = at;
    if (only.is_array) return array(type, 0, at, end);
    if (!only.in_pool && only.type != kNoType && schema[only.type].primitive != Primitive::kNone)
      return read(only, at, end, next);
    if (only.in_pool) {
      FieldValue key;
      if (chunk_.read_field(only, at, end, key) == nullptr) break;
      if (only.type == kNoType || schema[only.type].primitive == Primitive::kString)
        return of_key(only.type, key.number);
      at = chunk_.find(only.type, key.number);
      if (at == nullptr) return null_value(key.number != 0);
      end = chunk_.end();
    }
    type = only.type;
  }
  return null_value(true);
}

Value ValueReader::array(TypeIndex owner, uint32_t field, const uint8_t *at,
                         const uint8_t *end) const {
  const Field &of = chunk_.schema()[owner].fields[field];
  Cursor cursor{at, end, chunk_.header().compressed()};
  const uint64_t count = cursor.count();
  if (cursor.failed() || count > cursor.left()) return null_value(true);
  Value value;
  value.kind = ValueKind::kArray;
  value.unit = unit_of(of.content);
  value.type = of.type;
  value.count = count;
  value.at = cursor.at();
  value.end = end;
  value.owner = owner;
  value.field = field;
  return value;
}

/// Of what is no array.
Value ValueReader::read(const Field &field, const uint8_t *at, const uint8_t *end,
                        const uint8_t *&next) const {
  FieldValue raw;
  next = field.type == kNoType && !field.in_pool ? nullptr : chunk_.read_field(field, at, end, raw);
  if (next == nullptr) return null_value(true);
  if (field.in_pool) return of_key(field.type, raw.number);
  const Primitive primitive = chunk_.primitive_of(field);
  if (primitive == Primitive::kNone) return of_type(field.type, at, end);
  return scalar(field, primitive, at, end, raw.number);
}

bool ValueReader::next(const Value &parent, Step &step, Value &part) const {
  if ((parent.kind != ValueKind::kStruct && parent.kind != ValueKind::kArray) ||
      step.index >= parent.count)
    return false;
  const uint8_t *const at = step.index == 0 ? parent.at : step.at;
  const bool is_struct = parent.kind == ValueKind::kStruct;
  const TypeIndex owner = is_struct ? parent.type : parent.owner;
  const uint32_t index = is_struct ? static_cast<uint32_t>(step.index) : parent.field;
  Field field = chunk_.schema()[owner].fields[index];
  if (!is_struct) {
    field.is_array = false;
    field.form = chunk_.schema().form_of(field);
  }
  ++step.index;
  step.at = nullptr;
  if (at == nullptr) { // the bytes ended
    part = null_value(true);
    part.type = field.type;
  } else if (field.is_array) {
    part = array(owner, index, at, parent.end);
    if (part.kind == ValueKind::kArray) step.at = chunk_.schema().skip_field(field, at, parent.end);
  } else {
    part = read(field, at, parent.end, step.at);
  }
  return true;
}

/// Where part `index` stands, or nullptr.
const uint8_t *ValueReader::skip_parts(const Value &parent, Step &step, uint64_t index) const {
  const uint8_t *at = parent.at;
  if (parent.kind == ValueKind::kStruct) {
    const Type &type = chunk_.schema()[parent.type];
    for (; step.index < index && at != nullptr; ++step.index)
      at = chunk_.schema().skip_field(type.fields[static_cast<size_t>(step.index)], at, parent.end);
  } else {
    Field element = chunk_.schema()[parent.owner].fields[parent.field];
    element.is_array = false;
    for (; step.index < index && at != nullptr; ++step.index)
      at = chunk_.schema().skip_field(element, at, parent.end);
  }
  return at;
}

Value ValueReader::part(const Value &parent, uint64_t index) const {
  if ((parent.kind != ValueKind::kStruct && parent.kind != ValueKind::kArray) ||
      index >= parent.count)
    return {};
  Step step;
  step.at = skip_parts(parent, step, index);
  step.index = index;
  Value value;
  if (index == 0) step.at = parent.at;
  next(parent, step, value);
  return value;
}

Value ValueReader::part(const Value &parent, std::string_view name) const {
  if (parent.kind != ValueKind::kStruct) return {};
  const uint32_t index = chunk_.schema()[parent.type].find_field(name);
  return index == UINT32_MAX ? Value{} : part(parent, uint64_t{index});
}

} // namespace profcore::jfr
