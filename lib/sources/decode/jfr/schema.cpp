// A metadata event is a table of strings and a tree of elements, each with attributes:
//   root -> metadata -> class (id, name, superType, simpleType) -> field (name, class,
//   constantPool, dimension), annotation (class, value), setting; and root -> region.
// The tree is walked front to back with a stack of its own (no recursion: its depth is the
// input's), collecting classes; then names are bound to indices, annotations to meanings, and every
// type gets a list of steps by which a value of it is stepped over. Types nest by value, so steps
// of inner types are copied into outer ones; what would take too many steps or contains itself by
// value is marked unreadable, and costs whoever meets it the rest of that event or checkpoint.

#include "sources/decode/jfr/schema.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace profcore::jfr {
namespace {

constexpr size_t kMostSteps = 1024;
constexpr uint32_t kMostAmount = 1 << 20;
constexpr uint32_t kMostDepth = 16;

// What a chunk's metadata may have in all, fifty times what the largest of real ones has: each
// costs many times the bytes that it has in the input.
constexpr uint64_t kMostBytes = 32 << 20;
constexpr size_t kMostStrings = 1 << 20;
constexpr size_t kMostTypes = 1 << 16;
constexpr size_t kMostFields = 1 << 18;
constexpr size_t kMostAnnotations = 1 << 19;
constexpr size_t kMostStepsInAll = 1 << 20;
constexpr size_t kMostNesting = 64;       ///< of elements; five are used
constexpr uint64_t kMostEmptyFields = 64; ///< of a type: structs of nothing, which take no byte
constexpr size_t kLongestMadeText = 512;

bool strip_prefix(std::string_view &text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

/// JDK 9 and 10 say com.oracle.jdk.X, com.oracle.jfr.types.X, com.oracle.jfr.X for what is called
/// jdk.X, jdk.types.X, jdk.jfr.X since 11.
std::string_view todays_name(std::string_view name, Arena &arena) {
  // Any number of types may share one long name, which is copied here for each.
  if (name.size() > kLongestMadeText) return name;
  std::string_view rest = name;
  std::string_view prefix;
  if (strip_prefix(rest, "com.oracle.jfr.types."))
    prefix = "jdk.types.";
  else if (strip_prefix(rest, "com.oracle.jfr."))
    prefix = "jdk.jfr.";
  else if (strip_prefix(rest, "com.oracle.jdk."))
    prefix = "jdk.";
  else
    return name;
  return arena.copy(fmt::format("{}{}", prefix, rest));
}

Primitive primitive_of(std::string_view name) {
  constexpr std::pair<std::string_view, Primitive> kNames[] = {
      {"boolean", Primitive::kBoolean},
      {"byte", Primitive::kByte},
      {"char", Primitive::kChar},
      {"short", Primitive::kShort},
      {"int", Primitive::kInt},
      {"long", Primitive::kLong},
      {"float", Primitive::kFloat},
      {"double", Primitive::kDouble},
      {"java.lang.String", Primitive::kString}};
  for (const auto &[known, primitive] : kNames)
    if (name == known) return primitive;
  return Primitive::kNone;
}

Content content_of(std::string_view annotation, std::string_view value, Content otherwise) {
  const auto is = [&](std::string_view word) { return value == word; };
  if (annotation == "jdk.jfr.Timestamp") {
    if (is("TICKS")) return Content::kTimestampTicks;
    if (is("NANOSECONDS_SINCE_EPOCH")) return Content::kTimestampNanos;
    return Content::kTimestampMillis; // its default
  }
  if (annotation == "jdk.jfr.Timespan") {
    if (is("NANOSECONDS")) return Content::kTimespanNanos;
    if (is("MICROSECONDS")) return Content::kTimespanMicros;
    if (is("MILLISECONDS")) return Content::kTimespanMillis;
    if (is("SECONDS")) return Content::kTimespanSeconds;
    return Content::kTimespanTicks; // its default
  }
  if (annotation == "jdk.jfr.DataAmount") return is("BITS") ? Content::kBits : Content::kBytes;
  if (annotation == "jdk.jfr.Frequency") return Content::kFrequency;
  if (annotation == "jdk.jfr.Percentage") return Content::kPercentage;
  if (annotation == "jdk.jfr.MemoryAddress") return Content::kMemoryAddress;
  return otherwise;
}

} // namespace

/// The state of one metadata event being read.
class SchemaBuilder {
public:
  SchemaBuilder(Schema &schema, Cursor cursor, uint64_t offset, Findings &findings)
      : schema_{schema}, in_{cursor}, begin_{cursor.at()}, offset_{offset}, findings_{findings} {}

  void run() {
    read_strings();
    read_elements();
    bind();
    for (TypeIndex index = 0; index < schema_.types_.size(); ++index) make_skips(index);
  }

private:
  struct RawAnnotation {
    uint64_t type = 0;
    std::string_view value;
  };
  struct RawField {
    Field field;
    uint64_t type = 0;
    std::vector<RawAnnotation> annotations;
  };
  struct RawType {
    Type type;
    std::vector<RawField> fields;
    std::vector<RawAnnotation> annotations;
  };
  enum class Element : uint8_t { kOther, kClass, kField, kAnnotation };
  struct Open {
    Element element;
    uint64_t children;
  };
  /// Numbers are read when it is known that they are numbers: an annotation of somebody's own may
  /// have a value that is called "id".
  struct Attributes {
    bool in_pool = false, is_array = false, is_simple = false;
    std::string_view id, type, name, super, value;
  };

  uint64_t here() const { return offset_ + static_cast<uint64_t>(in_.at() - begin_); }
  [[noreturn]] void fail(std::string_view what) const {
    throw Error{Status::kMalformed, fmt::format("metadata: {}", what), here()};
  }

  void read_strings() {
    if (in_.left() > kMostBytes) fail(fmt::format("{} bytes, too many to be true", in_.left()));
    const uint64_t count = in_.count();
    if (in_.failed() || count > in_.left())
      fail(
          fmt::format("{} strings cannot be in {} bytes", static_cast<int64_t>(count), in_.left()));
    check_most(count, kMostStrings, "strings");
    strings_.reserve(static_cast<size_t>(count));
    for (uint64_t i = 0; i < count; ++i) {
      const uint8_t *at = in_.at();
      const StringValue value = read_string(at, in_.end(), in_.compressed(), schema_.names_);
      if (at == nullptr || value.is_key) fail(fmt::format("string {} is damaged", i));
      in_.seek(at);
      strings_.push_back(value.text);
    }
  }

  void check_most(size_t count, size_t most, std::string_view what) const {
    if (count > most) fail(fmt::format("{} {}, too many to be true", count, what));
  }

  std::string_view string(uint64_t index) const {
    if (index >= strings_.size()) fail(fmt::format("string {} of {}", index, strings_.size()));
    return strings_[static_cast<size_t>(index)];
  }

  uint64_t decimal(std::string_view text) const {
    uint64_t value = 0;
    int64_t negative = 0;
    const char *const end = text.data() + text.size();
    const auto is_whole = [end](const std::from_chars_result &read) {
      return read.ptr == end && read.ec == std::errc{};
    };
    if (is_whole(std::from_chars(text.data(), end, value))) return value;
    if (is_whole(std::from_chars(text.data(), end, negative)))
      return static_cast<uint64_t>(negative);
    fail(fmt::format("\"{}\" should be a number", text.substr(0, 40)));
  }

  Attributes read_attributes(uint64_t count) {
    Attributes found;
    std::string values; // of several
    for (uint64_t i = 0; i < count; ++i) {
      const std::string_view key = string(in_.count());
      const std::string_view text = string(in_.count());
      if (in_.failed()) fail("an attribute is cut off");
      if (key == "id") {
        found.id = text;
      } else if (key == "class") {
        found.type = text;
      } else if (key == "name") {
        found.name = text;
      } else if (key == "superType") {
        found.super = text;
      } else if (key == "constantPool") {
        found.in_pool = text == "true";
      } else if (key == "dimension") {
        found.is_array = text != "0";
      } else if (key == "simpleType") {
        found.is_simple = text == "true";
      } else if (found.value.empty() && key.starts_with("value")) {
        found.value = text;
      } else if (key.starts_with("value-") &&
                 found.value.size() + values.size() + text.size() < kLongestMadeText) {
        values += fmt::format(", {}", text);
      }
    }
    if (!values.empty())
      found.value = schema_.names_.copy(fmt::format("{}{}", found.value, values));
    return found;
  }

  void read_elements() {
    std::vector<Open> open;
    do {
      const std::string_view name = string(in_.count());
      const uint64_t attributes = in_.count();
      if (in_.failed() || attributes > in_.left() / 2 + 1) fail("an element is cut off");
      const Attributes found = read_attributes(attributes);
      const uint64_t children = in_.count();
      if (in_.failed() || children > in_.left()) fail("an element's children are cut off");
      const Element parent = open.empty() ? Element::kOther : open.back().element;
      const Element element = take(name, parent, found);
      if (!open.empty()) --open.back().children;
      open.push_back({element, children});
      check_most(open.size(), kMostNesting, "elements inside each other");
      while (!open.empty() && open.back().children == 0) open.pop_back();
    } while (!open.empty());
  }

  Element take(std::string_view name, Element parent, const Attributes &found) {
    if (name == "class") {
      check_most(raw_.size(), kMostTypes - 1, "types");
      RawType raw;
      raw.type.id = decimal(found.id);
      raw.type.name = todays_name(found.name, schema_.names_);
      raw.type.super = todays_name(found.super, schema_.names_);
      raw.type.is_simple = found.is_simple;
      raw_.push_back(std::move(raw));
      return Element::kClass;
    }
    if (name == "field" && parent == Element::kClass) {
      check_most(++fields_, kMostFields, "fields");
      RawField raw;
      raw.field.name = found.name;
      raw.field.in_pool = found.in_pool;
      raw.field.is_array = found.is_array;
      raw.type = decimal(found.type);
      raw_.back().fields.push_back(std::move(raw));
      return Element::kField;
    }
    if (name == "annotation" && !found.type.empty() && !raw_.empty()) {
      check_most(++annotations_, kMostAnnotations, "annotations");
      if (parent == Element::kClass)
        raw_.back().annotations.push_back({decimal(found.type), found.value});
      else if (parent == Element::kField && !raw_.back().fields.empty())
        raw_.back().fields.back().annotations.push_back({decimal(found.type), found.value});
      return Element::kAnnotation;
    }
    return Element::kOther;
  }

  void index_types() {
    // Ids that are small for the number of types are looked up in an array. Those of real files
    // are: writers count them up from one, user events from 1000.
    const uint64_t dense_ids = 4096 + 8 * uint64_t{raw_.size()};
    for (RawType &raw : raw_) {
      const auto index = static_cast<TypeIndex>(schema_.types_.size());
      const uint64_t id = raw.type.id;
      bool fresh = true;
      if (id < dense_ids) {
        if (id >= schema_.dense_.size())
          schema_.dense_.resize(static_cast<size_t>(id) + 1, kNoType);
        fresh = schema_.dense_[static_cast<size_t>(id)] == kNoType;
        if (fresh) schema_.dense_[static_cast<size_t>(id)] = index;
      } else {
        schema_.sparse_.push_back({id, index});
      }
      if (!fresh) warn_twice(id, raw.type.name);
      schema_.types_.push_back(std::move(raw.type));
    }
    auto &sparse = schema_.sparse_;
    std::stable_sort(sparse.begin(), sparse.end(),
                     [](const auto &a, const auto &b) { return a.id < b.id; });
    const auto same = [&](const auto &a, const auto &b) {
      if (a.id == b.id) warn_twice(b.id, schema_.types_[b.type].name);
      return a.id == b.id;
    };
    sparse.erase(std::unique(sparse.begin(), sparse.end(), same), sparse.end());
  }

  void warn_twice(uint64_t id, std::string_view name) {
    findings_.warn(
        fmt::format("type {} ({}) is defined twice; the first is used", id, name.substr(0, 80)),
        offset_, "damaged_types");
  }

  std::string_view name_of(uint64_t id) const {
    const TypeIndex index = schema_.find_id(id);
    return index == kNoType ? std::string_view{} : schema_.types_[index].name;
  }

  void bind() {
    index_types();
    for (size_t i = 0; i < raw_.size(); ++i) {
      Type &type = schema_.types_[i];
      if (raw_[i].fields.empty()) type.primitive = primitive_of(type.name);
      if (schema_.string_type_ == kNoType && type.primitive == Primitive::kString)
        schema_.string_type_ = static_cast<TypeIndex>(i);
      type.is_event = type.super == "jdk.jfr.Event";
      for (const RawAnnotation &annotation : raw_[i].annotations) {
        const std::string_view name = name_of(annotation.type);
        if (name == "jdk.jfr.Label") type.label = annotation.value;
        if (name == "jdk.jfr.Category") type.category = annotation.value;
      }
      type.fields.reserve(raw_[i].fields.size());
      for (RawField &raw : raw_[i].fields) {
        Field field = raw.field;
        field.type = schema_.find_id(raw.type);
        for (const RawAnnotation &annotation : raw.annotations) {
          const std::string_view name = name_of(annotation.type);
          if (name == "jdk.jfr.Label")
            field.label = annotation.value;
          else if (name == "jdk.jfr.Description")
            field.description = annotation.value;
          else if (name == "jdk.jfr.Unsigned")
            field.is_unsigned = true;
          else
            field.content = content_of(name, annotation.value, field.content);
        }
        type.fields.push_back(field);
      }
      type.is_simple = type.is_simple && type.fields.size() == 1;
    }
    states_.resize(schema_.types_.size());
    for (Type &type : schema_.types_) set_forms(type);
  }

  void set_forms(Type &type) const {
    type.forms.reserve(type.fields.size());
    for (Field &field : type.fields) {
      field.form = schema_.form_of(field);
      if (schema_.compressed_ && type.leading_numbers == type.forms.size() &&
          field.form >= Form::kKey && field.form <= Form::kInt)
        ++type.leading_numbers;
      type.forms.push_back(field.form);
    }
  }

  // Steps.

  enum class State : uint8_t { kNew, kOpen, kDone };

  static void add(Type &type, Skip::Kind kind, uint32_t amount) {
    const bool joins = kind == Skip::kVarints || kind == Skip::kBytes;
    if (joins && !type.skips.empty() && type.skips.back().kind == kind) {
      type.skips.back().amount = std::min(type.skips.back().amount + amount, kMostAmount);
    } else {
      type.skips.push_back({kind, amount});
    }
    if (type.skips.size() > kMostSteps || type.skips.back().amount >= kMostAmount)
      type.is_readable = false;
  }

  /// What one value of a primitive is.
  Skip step_of(Primitive primitive) const {
    switch (primitive) {
    case Primitive::kBoolean:
    case Primitive::kByte:
      return {Skip::kBytes, 1};
    case Primitive::kFloat:
      return {Skip::kBytes, 4};
    case Primitive::kDouble:
      return {Skip::kBytes, 8};
    case Primitive::kString:
      return {Skip::kString, 1};
    case Primitive::kChar:
    case Primitive::kShort:
      return schema_.compressed_ ? Skip{Skip::kVarints, 1} : Skip{Skip::kBytes, 2};
    case Primitive::kInt:
      return schema_.compressed_ ? Skip{Skip::kVarints, 1} : Skip{Skip::kBytes, 4};
    case Primitive::kLong:
    case Primitive::kNone:
      break;
    }
    return schema_.compressed_ ? Skip{Skip::kVarints, 1} : Skip{Skip::kBytes, 8};
  }

  /// Makes the steps of a type after those of all types it holds by value: an explicit stack, as
  /// the chain of types is the input's.
  void make_skips(TypeIndex root) {
    std::vector<TypeIndex> open{root};
    while (!open.empty()) {
      const TypeIndex index = open.back();
      if (states_[index] == State::kDone) {
        open.pop_back();
        continue;
      }
      Type &type = schema_.types_[index];
      if (states_[index] == State::kNew) {
        states_[index] = State::kOpen;
        for (const Field &field : type.fields) {
          if (field.in_pool || field.type == kNoType) continue;
          if (states_[field.type] == State::kNew) open.push_back(field.type);
          if (states_[field.type] == State::kOpen) type.is_readable = false; // holds itself
        }
        continue;
      }
      for (const Field &field : type.fields) {
        add_field(type, field);
        if (!type.is_readable) break;
      }
      if (type.fields.empty()) {
        if (type.primitive != Primitive::kNone) {
          const Skip step = step_of(type.primitive);
          add(type, step.kind, step.amount);
        }
      }
      if (!type.is_readable || steps_ + type.skips.size() > kMostStepsInAll) {
        type.is_readable = false;
        type.skips = {};
      }
      steps_ += type.skips.size();
      type.smallest = smallest(type);
      // What a value costs must be in proportion to its bytes.
      if (type.fields.size() > type.smallest + kMostEmptyFields) {
        type.is_readable = false;
        type.skips = {};
      }
      states_[index] = State::kDone;
      open.pop_back();
    }
  }

  void add_field(Type &type, const Field &field) {
    Skip step;
    if (field.in_pool) {
      step = step_of(Primitive::kLong);
    } else if (field.type == kNoType || !schema_.types_[field.type].is_readable ||
               states_[field.type] != State::kDone) {
      type.is_readable = false;
      return;
    } else {
      const Type &inner = schema_.types_[field.type];
      if (!field.is_array) {
        for (const Skip &nested : inner.skips) add(type, nested.kind, nested.amount);
        type.depth = std::max(type.depth, inner.depth);
        return;
      }
      if (inner.smallest == 0) { // a count of nothing: no bound by bytes
        type.is_readable = false;
        return;
      }
      if (inner.skips.size() != 1 || inner.skips[0].kind > Skip::kString) {
        add(type, Skip::kNestedArray, field.type);
        type.depth = std::max(type.depth, inner.depth + 1);
        if (type.depth > kMostDepth) type.is_readable = false;
        return;
      }
      step = inner.skips[0];
    }
    if (!field.is_array) {
      add(type, step.kind, step.amount);
      return;
    }
    switch (step.kind) {
    case Skip::kVarints:
      add(type, Skip::kVarintArray, step.amount);
      break;
    case Skip::kBytes:
      add(type, Skip::kByteArray, step.amount);
      break;
    default:
      add(type, Skip::kStringArray, 1);
      break;
    }
  }

  static uint32_t smallest(const Type &type) {
    uint64_t bytes = 0;
    for (const Skip &step : type.skips)
      bytes += step.kind <= Skip::kBytes ? step.amount : 1; // an empty array, an empty string
    return static_cast<uint32_t>(std::min<uint64_t>(bytes, kMostAmount));
  }

  Schema &schema_;
  Cursor in_;
  const uint8_t *begin_;
  uint64_t offset_;
  Findings &findings_;
  std::vector<std::string_view> strings_;
  std::vector<RawType> raw_;
  std::vector<State> states_;
  size_t fields_ = 0;
  size_t annotations_ = 0;
  size_t steps_ = 0; ///< of all types so far
};

Schema::Schema(Cursor cursor, uint64_t offset, Findings &findings)
    : compressed_{cursor.compressed()} {
  SchemaBuilder{*this, cursor, offset, findings}.run();
}

bool Schema::is_string(const Field &field) const noexcept {
  const Field *at = &field;
  for (int depth = 0; depth < 4; ++depth) {
    if (at->is_array || at->in_pool || at->type == kNoType) return false;
    const Type &type = types_[at->type];
    if (type.fields.size() != 1) return type.primitive == Primitive::kString;
    at = &type.fields[0];
  }
  return false;
}

TypeIndex Schema::find_sparse(uint64_t id) const noexcept {
  const auto found = std::lower_bound(sparse_.begin(), sparse_.end(), id,
                                      [](const IdOf &a, uint64_t b) { return a.id < b; });
  return found == sparse_.end() || found->id != id ? kNoType : found->type;
}

TypeIndex Schema::find_name(std::string_view name) const noexcept {
  for (TypeIndex i = 0; i < types_.size(); ++i)
    if (types_[i].name == name) return i;
  return kNoType;
}

/// A class that stands for its only field is read as that field.
Form Schema::form_of(const Field &field) const noexcept {
  if (field.is_array || field.type == kNoType) return Form::kOther;
  if (field.in_pool) return Form::kKey;
  const Type *type = &types_[field.type];
  for (int depth = 0; depth < 4 && type->fields.size() == 1; ++depth) {
    const Field &only = type->fields[0];
    if (only.is_array || only.type == kNoType) return Form::kOther;
    if (only.in_pool) return Form::kKey;
    type = &types_[only.type];
  }
  switch (type->primitive) {
  case Primitive::kLong:
    return Form::kLong;
  case Primitive::kInt:
    return Form::kInt;
  case Primitive::kShort:
    return Form::kShort;
  case Primitive::kChar:
    return Form::kChar;
  case Primitive::kByte:
    return Form::kByte;
  case Primitive::kBoolean:
    return Form::kBoolean;
  default:
    return Form::kOther;
  }
}

uint32_t Type::find_field(std::string_view field) const noexcept {
  for (uint32_t i = 0; i < fields.size(); ++i)
    if (fields[i].name == field) return i;
  return UINT32_MAX;
}

// Nested arrays recurse on the depth of types, at most kMostDepth; not on the data.
const uint8_t *Schema::skip(TypeIndex index, const uint8_t *at, const uint8_t *end) const noexcept {
  const Type &type = types_[index];
  if (!type.is_readable) return nullptr;
  for (const Skip &step : type.skips) {
    Cursor cursor{at, end, compressed_};
    switch (step.kind) {
    case Skip::kVarints:
      at = skip_varints(at, end, step.amount);
      break;
    case Skip::kBytes:
      at = static_cast<uint64_t>(end - at) < step.amount ? nullptr : at + step.amount;
      break;
    case Skip::kString:
      at = skip_string(at, end, compressed_);
      break;
    case Skip::kVarintArray: {
      const uint64_t count = cursor.count();
      at = cursor.failed() || count > cursor.left() / step.amount
               ? nullptr
               : skip_varints(cursor.at(), end, count * step.amount);
      break;
    }
    case Skip::kByteArray: {
      const uint64_t count = cursor.count();
      at = cursor.failed() || count > cursor.left() / step.amount
               ? nullptr
               : cursor.at() + count * step.amount;
      break;
    }
    case Skip::kStringArray:
    case Skip::kNestedArray: {
      const uint64_t count = cursor.count();
      if (cursor.failed() || count > cursor.left()) return nullptr;
      at = cursor.at();
      for (uint64_t i = 0; i < count && at != nullptr; ++i)
        at = step.kind == Skip::kStringArray ? skip_string(at, end, compressed_)
                                             : skip(step.amount, at, end);
      break;
    }
    }
    if (at == nullptr) return nullptr;
  }
  return at;
}

const uint8_t *Schema::skip_field(const Field &field, const uint8_t *at,
                                  const uint8_t *end) const noexcept {
  Cursor cursor{at, end, compressed_};
  if (!field.is_array) {
    if (!field.in_pool) return field.type == kNoType ? nullptr : skip(field.type, at, end);
    cursor.u64();
    return cursor.failed() ? nullptr : cursor.at();
  }
  const uint64_t count = cursor.count();
  if (cursor.failed() || count > cursor.left()) return nullptr;
  at = cursor.at();
  if (field.in_pool && compressed_) return skip_varints(at, end, count);
  if (field.in_pool) return count > cursor.left() / 8 ? nullptr : at + 8 * count;
  if (field.type == kNoType || types_[field.type].smallest == 0) return nullptr;
  const std::vector<Skip> &skips = types_[field.type].skips;
  if (skips.size() == 1 && skips[0].kind == Skip::kVarints)
    return count > cursor.left() / skips[0].amount ? nullptr
                                                   : skip_varints(at, end, count * skips[0].amount);
  for (uint64_t i = 0; i < count && at != nullptr; ++i) at = skip(field.type, at, end);
  return at;
}

} // namespace profcore::jfr
