#pragma once

// A chunk's metadata event: what types there are, what fields they have, how values are encoded.
// Nothing but names carries over from one chunk to the next: ids and even field orders differ.

#include "base/arena.hpp"
#include "sources/decode/jfr/encoding.hpp"
#include "sources/decode/jfr/findings.hpp"

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace profcore::jfr {

using TypeIndex = uint32_t;
constexpr TypeIndex kNoType = UINT32_MAX;

enum class Primitive : uint8_t {
  kNone, ///< a class with fields of its own
  kBoolean,
  kByte,
  kChar,
  kShort,
  kInt,
  kLong,
  kFloat,
  kDouble,
  kString,
};

/// What a number means, by the field's annotation.
enum class Content : uint8_t {
  kPlain,
  kTimestampTicks,
  kTimestampMillis, ///< since 1970
  kTimestampNanos,
  kTimespanTicks,
  kTimespanNanos,
  kTimespanMicros,
  kTimespanMillis,
  kTimespanSeconds,
  kBytes,
  kBits,
  kFrequency, ///< Hz
  kPercentage,
  kMemoryAddress,
};

/// How a field is read, so that nobody works it out per event.
enum class Form : uint8_t {
  kOther, ///< an array, a string, a struct, a floating point number: stepped over
  kKey,   ///< a key into a pool
  kLong,
  kInt,
  kShort,
  kChar,
  kByte,
  kBoolean,
};

struct Field {
  std::string_view name;
  TypeIndex type = kNoType; ///< kNoType: the chunk does not define it
  bool in_pool = false;     ///< the value is a key into the type's constant pool
  bool is_array = false;
  bool is_unsigned = false;
  Form form = Form::kOther;
  Content content = Content::kPlain;
  std::string_view label;       ///< for people; may be empty
  std::string_view description; ///< may be empty
};

/// How to step over a value: runs of the same thing, nested types flattened.
struct Skip {
  enum Kind : uint8_t {
    kVarints,     ///< `amount` numbers
    kBytes,       ///< `amount` bytes
    kString,      ///< an encoded string
    kVarintArray, ///< a count, then that many times `amount` numbers
    kByteArray,   ///< a count, then that many times `amount` bytes
    kStringArray, ///< a count, then that many strings
    kNestedArray, ///< a count, then that many values of type `amount`
  };
  Kind kind;
  uint32_t amount;
};

struct Type {
  uint64_t id = 0;
  std::string_view name;     ///< with the prefixes of JDK 9 and 10 put into today's form
  std::string_view super;    ///< likewise
  std::string_view label;    ///< for people; may be empty
  std::string_view category; ///< "Java Virtual Machine, GC, Phases"; may be empty
  Primitive primitive = Primitive::kNone;
  bool is_event = false;
  bool is_simple = false;  ///< stands for its only field
  bool is_readable = true; ///< false: a value cannot even be stepped over (unknown types in it)
  std::vector<Field> fields;
  std::vector<Form> forms; ///< of the fields, close together
  /// How many fields at the front are one compressed number each, of 64 or 32 bits or a key.
  uint32_t leading_numbers = 0;
  std::vector<Skip> skips;
  uint32_t smallest = 0; ///< bytes that a value takes at least
  uint32_t depth = 0;    ///< of arrays inside arrays

  /// UINT32_MAX when there is none of that name.
  uint32_t find_field(std::string_view field) const noexcept;
};

class Schema {
public:
  /// Reads the payload of a metadata event (after size, type, start, duration, metadata id).
  /// `offset` is of `cursor.at()` in the input. Throws kMalformed when it cannot be read.
  Schema(Cursor cursor, uint64_t offset, Findings &findings);
  Schema(Schema &&) = default;
  Schema &operator=(Schema &&) = default;

  std::span<const Type> types() const noexcept { return types_; }
  const Type &operator[](TypeIndex index) const noexcept { return types_[index]; }
  /// kNoType when the chunk defines no type with that id.
  TypeIndex find_id(uint64_t id) const noexcept {
    if (id < dense_.size()) return dense_[static_cast<size_t>(id)];
    return sparse_.empty() ? kNoType : find_sparse(id);
  }
  /// Looks at every type: to be asked once per chunk, not per event.
  TypeIndex find_name(std::string_view name) const noexcept;
  /// java.lang.String, or kNoType.
  TypeIndex string_type() const noexcept { return string_type_; }
  Form form_of(const Field &field) const noexcept;
  bool compressed() const noexcept { return compressed_; }
  /// Whether a string stands in the field, be it in classes of one field.
  bool is_string(const Field &field) const noexcept;

  /// Past the value of type `index` at `at`; nullptr when it does not end before `end`.
  const uint8_t *skip(TypeIndex index, const uint8_t *at, const uint8_t *end) const noexcept;
  const uint8_t *skip_field(const Field &field, const uint8_t *at,
                            const uint8_t *end) const noexcept;

private:
  friend class SchemaBuilder;
  struct IdOf {
    uint64_t id;
    TypeIndex type;
  };

  TypeIndex find_sparse(uint64_t id) const noexcept;

  bool compressed_;
  Arena names_;
  std::vector<Type> types_;
  std::vector<TypeIndex> dense_; ///< by id, for ids that are small
  std::vector<IdOf> sparse_;     ///< the others, by id: searched, as the ids are the input's
  TypeIndex string_type_ = kNoType;
};

/// Past an encoded string, or nullptr.
const uint8_t *skip_string(const uint8_t *at, const uint8_t *end, bool compressed) noexcept;

/// An encoded string as UTF-8: in place where it is UTF-8, else made in `arena`. `at` moves past it
/// or becomes nullptr. Kind 2 (a key into the String pool) sets `key` and gives "".
struct StringValue {
  std::string_view text;
  bool is_null = false;
  bool is_key = false;
  uint64_t key = 0;
};
/// Whether reading the string takes long: it is not in place, and not short.
bool is_long_to_make(const uint8_t *at, const uint8_t *end, bool compressed) noexcept;
StringValue read_string(const uint8_t *&at, const uint8_t *end, bool compressed, Arena &arena);

} // namespace profcore::jfr
