#pragma once

// Any value of a chunk, read when somebody asks for it: a number in canonical units, a text, or
// what has parts, which are stepped through from where they stand. A value is plain data and may be
// copied; nothing is made for it but texts that are not UTF-8 in the chunk.
//
// A reference is looked up by its key when its field is read, one step and not what that refers to
// in turn, so that circles cost nothing to who does not walk them.

#include "base/arena.hpp"
#include "sources/decode/jfr/chunk.hpp"

#include <cstdint>
#include <string_view>

namespace profcore::jfr {

/// The numbers of both are part of the C ABI (`profcore_value_kind`, `profcore_value_unit`).
enum class ValueKind : int32_t {
  kNone = 0, ///< there is no such value
  kNull = 1,
  kBoolean = 2,
  kInteger = 3,
  kUnsigned = 4,
  kFloat = 5,
  kString = 6,
  kStruct = 7,
  kArray = 8,
};

enum class ValueUnit : int32_t {
  kNone = 0,
  kNanoseconds = 1,
  kTimestamp = 2, ///< nanoseconds since 1970
  kBytes = 3,
  kHertz = 4,
  kPercentage = 5, ///< 1 is all of it
  kAddress = 6,
};

ValueUnit unit_of(Content content) noexcept;

struct Value {
  ValueKind kind = ValueKind::kNone;
  ValueUnit unit = ValueUnit::kNone;
  bool is_reference = false; ///< was named by `key`
  bool is_absent = false;   ///< null for want of it: the key leads nowhere, the bytes end before it
  TypeIndex type = kNoType; ///< of an array: of its elements
  uint64_t count = 0;       ///< of a struct's fields, an array's elements
  int64_t integer = 0;      ///< canonical; of kUnsigned the bits
  double real = 0;          ///< any number as one
  uint64_t raw = 0;         ///< as written, sign-extended
  uint64_t key = 0;
  std::string_view text;
  const uint8_t *at = nullptr; ///< where the parts begin
  const uint8_t *end = nullptr;
  TypeIndex owner = kNoType; ///< an array is field `field` of this type, which tells its elements
  uint32_t field = 0;
};

/// A position among the parts of a value; zeroed it is before the first.
struct Step {
  const uint8_t *at = nullptr;
  uint64_t index = 0;
};

class ValueReader {
public:
  /// Texts are made in `texts`.
  ValueReader(const Chunk &chunk, Arena &texts) noexcept : chunk_{chunk}, texts_{texts} {}

  /// What stands at `at`, of a type: an event's body, a pool's value.
  Value of_type(TypeIndex type, const uint8_t *at, const uint8_t *end) const;
  /// Of a constant pool.
  Value of_key(TypeIndex type, uint64_t key) const;

  /// The next field of a struct or element of an array, in one step. False past the last.
  bool next(const Value &parent, Step &step, Value &part) const;
  /// Part `index`, past those before it. kNone when there is none.
  Value part(const Value &parent, uint64_t index) const;
  /// The field of that name. kNone when there is none.
  Value part(const Value &parent, std::string_view name) const;

private:
  Value read(const Field &field, const uint8_t *at, const uint8_t *end, const uint8_t *&next) const;
  Value array(TypeIndex owner, uint32_t field, const uint8_t *at, const uint8_t *end) const;
  Value scalar(const Field &field, Primitive primitive, const uint8_t *at, const uint8_t *end,
               uint64_t number) const;
  const uint8_t *skip_parts(const Value &parent, Step &step, uint64_t index) const;

  const Chunk &chunk_;
  Arena &texts_;
};

} // namespace profcore::jfr
