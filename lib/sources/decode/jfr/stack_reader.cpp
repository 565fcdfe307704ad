#include "sources/decode/jfr/stack_reader.hpp"

#include "sources/decode/jfr/java_text.hpp"

#include <fmt/format.h>

namespace profcore::jfr {
namespace {

constexpr uint32_t kAbsent = UINT32_MAX;
constexpr uint32_t kMostFrameFields = 16;

FrameKind kind_named(std::string_view name) noexcept {
  if (name == "Interpreted") return FrameKind::kJavaInterpreted;
  if (name == "JIT compiled" || name == "C1 compiled") return FrameKind::kJavaCompiled;
  if (name == "Inlined") return FrameKind::kJavaInlined;
  if (name == "Kernel") return FrameKind::kKernel;
  if (name == "Native") return FrameKind::kLibrary;
  if (name == "C++") return FrameKind::kUser;
  return FrameKind::kUnknown;
}

/// The class file format ends names at 65 535 bytes; millions of methods may share one.
std::string_view shortened(std::string_view name) noexcept {
  constexpr size_t kLongest = 8192;
  if (name.size() <= kLongest) return name;
  size_t end = kLongest;
  while (end > 0 && (static_cast<uint8_t>(name[end]) & 0xc0) == 0x80) --end;
  return name.substr(0, end);
}

} // namespace

StackReader::StackReader(Profile &profile, const Chunk &chunk, const Context &context,
                         NameForm form)
    : profile_{profile}, chunk_{chunk}, context_{context}, form_{form}, seed_{random_hash_seed()} {
  bind();
}

void StackReader::bind() {
  const Schema &schema = chunk_.schema();
  trace_type_ = schema.find_name("jdk.types.StackTrace");
  method_type_ = schema.find_name("jdk.types.Method");
  class_type_ = schema.find_name("java.lang.Class");
  kind_type_ = schema.find_name("jdk.types.FrameType");
  if (method_type_ != kNoType) {
    const Type &method = schema[method_type_];
    method_class_ = method.find_field("type");
    method_name_ = method.find_field("name");
    method_descriptor_ = method.find_field("descriptor");
    functions_.resize(chunk_.pool(method_type_).size(), 0);
  }
  if (class_type_ != kNoType) class_name_field_ = schema[class_type_].find_field("name");
  if (kind_type_ != kNoType) {
    const Pool &kinds = chunk_.pool(kind_type_);
    for (size_t i = 0; i < kinds.size(); ++i)
      kinds_.push_back(kind_named(chunk_.text_of(kind_type_, kinds.key(i), arena_)));
  }
  if (trace_type_ == kNoType) return;
  const Type &trace = schema[trace_type_];
  truncated_field_ = trace.find_field("truncated");
  frames_field_ = trace.find_field("frames");
  stacks_.resize(chunk_.pool(trace_type_).size(), 0);
  if (frames_field_ == kAbsent) return;
  const Field &frames = trace.fields[frames_field_];
  if (!frames.is_array || frames.in_pool || frames.type == kNoType) return;
  frame_type_ = frames.type;
  const Type &frame = schema[frame_type_];
  shape_.method = frame.find_field("method");
  shape_.line = frame.find_field("lineNumber");
  shape_.kind = frame.find_field("type");
  const bool all_numbers =
      frame.is_readable && frame.skips.size() == 1 && frame.skips[0].kind == Skip::kVarints &&
      frame.skips[0].amount == frame.fields.size() && frame.fields.size() <= kMostFrameFields;
  shape_.fields = all_numbers ? static_cast<uint32_t>(frame.fields.size()) : 0;
}

StackId StackReader::stack(uint64_t key) {
  if (key == 0 || frame_type_ == kNoType) return 0;
  const uint32_t number = chunk_.pool(trace_type_).find(key);
  if (number == kAbsent) return 0;
  if (stacks_[number] == 0) stacks_[number] = read_trace(chunk_.find(trace_type_, key)) + 1;
  return stacks_[number] - 1;
}

StackId StackReader::read_trace(const uint8_t *at) {
  values_.resize(std::max(frames_field_, truncated_field_ == kAbsent ? 0 : truncated_field_) + 1);
  chunk_.read_fields(trace_type_, at, chunk_.end(), values_);
  const uint8_t *const frames_at = values_[frames_field_].at;
  if (frames_at == nullptr) return 0;
  const bool truncated = truncated_field_ != kAbsent && values_[truncated_field_].number != 0;
  Cursor cursor{frames_at, chunk_.end(), chunk_.header().compressed()};
  const uint64_t count = cursor.count();
  frames_.clear();
  if (count > context_.limits.max_stack_depth)
    throw Error{Status::kLimit,
                fmt::format("a stack of {} frames, more than the limit of {}", count,
                            context_.limits.max_stack_depth),
                chunk_.offset_of(frames_at)};
  const bool whole =
      shape_.fields > 0 ? read_frames(cursor.at(), count) : read_odd_frames(cursor.at(), count);
  if (!whole) return 0; // cannot be: the pool was stepped over
  if (truncated && !form_.pyroscope) {
    if (truncated_location_ == 0) {
      Location cut;
      cut.reason = UnnamedReason::kTruncated;
      truncated_location_ = profile_.add_location(cut, {});
    }
    frames_.push_back(truncated_location_);
  }
  return profile_.stacks.add_leaf_first(frames_.span());
}

bool StackReader::read_frames(const uint8_t *at, uint64_t count) {
  uint64_t numbers[kMostFrameFields] = {};
  const uint32_t fields = shape_.fields;
  const uint32_t method = shape_.method == kAbsent ? 0 : shape_.method;
  const uint8_t *const end = chunk_.end();
  frames_.reserve_more(static_cast<size_t>(count) + 1);
  for (uint64_t i = 0; i < count; ++i) {
    for (uint32_t f = 0; f < fields; ++f) {
      at = read_varint(at, end, numbers[f]);
      if (at == nullptr) return false;
    }
    const int64_t line = shape_.line == kAbsent ? 0 : static_cast<int32_t>(numbers[shape_.line]);
    frames_.push_back(
        location(numbers[method], line, shape_.kind == kAbsent ? 0 : numbers[shape_.kind]));
  }
  return true;
}

bool StackReader::read_odd_frames(const uint8_t *at, uint64_t count) {
  const Schema &schema = chunk_.schema();
  const size_t fields = schema[frame_type_].fields.size();
  std::vector<FieldValue> values(fields);
  const auto number = [&values](uint32_t field) {
    return field == kAbsent ? 0 : values[field].number;
  };
  for (uint64_t i = 0; i < count; ++i) {
    const uint8_t *const next = schema.skip(frame_type_, at, chunk_.end());
    if (next == nullptr) return false;
    chunk_.read_fields(frame_type_, at, next, values);
    frames_.push_back(location(number(shape_.method), static_cast<int64_t>(number(shape_.line)),
                               number(shape_.kind)));
    at = next;
  }
  return true;
}

LocationId StackReader::location(uint64_t method, int64_t line, uint64_t kind) {
  // A frame whose numbers fit in 64 bits, which all do but those of methods with hashes as keys.
  if (method >> 36 != 0 || line < 0 || line >> 20 != 0 || kind >> 8 != 0)
    return make_location(method, line, kind);
  if ((used_slots_ + 1) * 2 > slots_.size()) {
    PodVector<Slot> old = std::move(slots_);
    slots_.assign_zeros(old.empty() ? 1024 : old.size() * 2);
    for (const Slot &slot : old)
      if (slot.number != 0) {
        size_t to = hash_u64(slot.key, seed_) & (slots_.size() - 1);
        while (slots_[to].number != 0) to = (to + 1) & (slots_.size() - 1);
        slots_[to] = slot;
      }
  }
  const uint64_t key = method << 28 | static_cast<uint64_t>(line) << 8 | kind;
  const size_t mask = slots_.size() - 1;
  size_t at = hash_u64(key, seed_) & mask;
  for (; slots_[at].number != 0; at = (at + 1) & mask)
    if (slots_[at].key == key) return slots_[at].number - 1;
  const LocationId made = make_location(method, line, kind);
  slots_[at] = {key, made + 1, 0};
  ++used_slots_;
  return made;
}

LocationId StackReader::make_location(uint64_t method, int64_t line, uint64_t kind) {
  if (profile_.locations().size() > context_.limits.max_strings)
    throw Error{Status::kLimit,
                fmt::format("more than {} distinct locations", context_.limits.max_strings)};
  Location location;
  location.kind = kind_of(kind);
  spend(0);
  const Line at{function(method), 0, line > 0 ? line : 0, 0};
  return profile_.add_location(location, {&at, 1});
}

FrameKind StackReader::kind_of(uint64_t key) {
  if (kind_type_ == kNoType) return FrameKind::kUnknown;
  const uint32_t number = chunk_.pool(kind_type_).find(key);
  return number == kAbsent ? FrameKind::kUnknown : kinds_[number];
}

FunctionId StackReader::function(uint64_t key) {
  const uint32_t number = method_type_ == kNoType ? kAbsent : chunk_.pool(method_type_).find(key);
  if (number != kAbsent && functions_[number] != 0) return functions_[number] - 1;
  Function function;
  if (number == kAbsent) {
    function.name = profile_.intern(fmt::format("[unknown method {}]", key));
    return profile_.add_function(function);
  }
  const Type &type = chunk_.schema()[method_type_];
  std::vector<FieldValue> values(type.fields.size());
  chunk_.read_fields(method_type_, chunk_.find(method_type_, key), chunk_.end(), values);
  const auto symbol = [&](uint32_t field) -> std::string_view {
    if (field == kAbsent) return {};
    return shortened(chunk_.text_of(type.fields[field], values[field], arena_));
  };
  const std::string_view name = symbol(method_name_);
  const std::string_view descriptor = symbol(method_descriptor_);
  const std::string_view of_class =
      method_class_ == kAbsent ? std::string_view{} : class_name(values[method_class_].number);
  text_.assign(of_class);
  if (!of_class.empty() || form_.pyroscope) text_ += '.';
  text_ += normalize_symbol(name, form_.normalize, normalized_);
  if (text_.empty()) text_ = fmt::format("[unknown method {}]", key);
  function.name = profile_.intern(text_);
  // Native frames have no class, and a descriptor that says nothing.
  if (!of_class.empty() && !descriptor.empty() && !form_.pyroscope)
    function.system_name = profile_.intern(text_.append(descriptor));
  const FunctionId made = profile_.add_function(function);
  functions_[number] = made + 1;
  spend(text_.size());
  return made;
}

/// One row may have a stack of a million frames, each with a long name of its own.
void StackReader::spend(uint64_t bytes) {
  constexpr uint64_t kBetweenChecks = uint64_t{1} << 20;
  constexpr uint64_t kLeast = 64; // of a location and what belongs to it
  spent_ += bytes + kLeast;
  if (spent_ < kBetweenChecks) return;
  spent_ = 0;
  context_.check_result(profile_.bytes());
}

std::string_view StackReader::class_name(uint64_t key) {
  class_text_.clear();
  if (class_type_ == kNoType || class_name_field_ == kAbsent) return {};
  const uint8_t *const at = chunk_.find(class_type_, key);
  if (at == nullptr) return {};
  const Type &type = chunk_.schema()[class_type_];
  std::vector<FieldValue> values(class_name_field_ + 1);
  chunk_.read_fields(class_type_, at, chunk_.end(), values);
  if (values[class_name_field_].at == nullptr) return {};
  const std::string_view internal =
      shortened(chunk_.text_of(type.fields[class_name_field_], values[class_name_field_], arena_));
  constexpr size_t kLong = 64;
  if (internal.size() < kLong) {
    write_class_name(internal, class_text_);
    return class_text_;
  }
  const auto [found, is_new] =
      long_names_.try_emplace(reinterpret_cast<uintptr_t>(internal.data()));
  if (is_new) write_class_name(internal, found->second);
  return found->second;
}

void StackReader::write_class_name(std::string_view internal, std::string &text) {
  const std::string_view symbol = normalize_symbol(internal, form_.normalize, normalized_);
  if (form_.pyroscope)
    text.assign(symbol);
  else
    append_class_name(symbol, text);
}

LocationId StackReader::pseudo_location(std::string_view name, FrameKind kind) {
  Function function;
  function.name = ids_.id_of(profile_, name);
  const auto [found, is_new] =
      pseudo_.try_emplace(uint64_t{function.name} << 8 | static_cast<uint8_t>(kind));
  if (!is_new) return found->second;
  spend(name.size());
  const Line line{profile_.add_function(function), 0, 0, 0};
  Location location;
  location.kind = kind;
  return found->second = profile_.add_location(location, {&line, 1});
}

} // namespace profcore::jfr
