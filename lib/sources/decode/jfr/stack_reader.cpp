#include "sources/decode/jfr/stack_reader.hpp"

#include "sources/decode/jfr/java_text.hpp"

#include <algorithm>
#include <bit>
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
    : profile_{profile}, chunk_{chunk}, context_{context}, form_{form}, multiplier_{
                                                                            random_hash_seed() |
                                                                            1} {
  grow_slots();
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
    functions_.resize(chunk_.pool(method_type_).size() * 2, 0);
  }
  if (class_type_ != kNoType) class_name_field_ = schema[class_type_].find_field("name");
  if (kind_type_ != kNoType) {
    const Pool &kinds = chunk_.pool(kind_type_);
    for (size_t i = 0; i < kinds.size(); ++i)
      kinds_.push_back(kind_named(chunk_.text_of(kind_type_, kinds.key(i), arena_)));
    has_libraries_ = !form_.pyroscope &&
                     std::find(kinds_.begin(), kinds_.end(), FrameKind::kKernel) != kinds_.end();
  }
  if (trace_type_ == kNoType) return;
  const Type &trace = schema[trace_type_];
  truncated_field_ = trace.find_field("truncated");
  frames_field_ = trace.find_field("frames");
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
  is_usual_ = shape_.fields > 0 && trace.fields.size() == 2 && truncated_field_ == 0 &&
              frames_field_ == 1 && trace.forms[0] == Form::kBoolean &&
              chunk_.header().compressed();
  make_tables();
}

/// What makes look-ups short, as large as the chunk is worth.
void StackReader::make_tables() {
  const Pool &traces = chunk_.pool(trace_type_);
  if (traces.size() == 0) return;
  // async-profiler numbers traces by slots of a table of 65 536 that is mostly empty.
  const uint64_t count = traces.size();
  const uint64_t range = traces.largest_key() - traces.smallest_key();
  constexpr uint64_t kSmallTable = 1 << 17;
  by_key_ = range < 2 * count ||
            range < std::min(kSmallTable, std::max(16 * count + 64, 4 * chunk_.events().size()));
  smallest_key_ = traces.smallest_key();
  traces_.assign_zeros(static_cast<size_t>(by_key_ ? range + 1 : count));
  for (size_t i = 0; i < traces.size(); ++i) {
    Trace &trace = traces_[by_key_ ? static_cast<size_t>(traces.key(i) - smallest_key_) : i];
    trace.position = traces.position(i);
    trace.length = traces.end(i) - traces.position(i);
  }

  constexpr size_t kSmallestCache = 256;
  constexpr size_t kLargestCache = 16384;
  const size_t methods = method_type_ == kNoType ? 0 : chunk_.pool(method_type_).size();
  cache_.assign_zeros(std::bit_ceil(std::clamp(4 * methods, kSmallestCache, kLargestCache)));
  cache_shift_ = 64 - std::countr_zero(cache_.size());
  // A new node for every second frame of the usual four bytes.
  constexpr uint64_t kBytesPerNode = 8;
  const uint64_t nodes = traces.value_bytes() / kBytesPerNode;
  if (nodes >= kLargestCache) profile_.stacks.reserve_more(static_cast<size_t>(nodes));
  // Most methods of a pool are in some trace, but input may have any number that is in none.
  constexpr size_t kMostExpected = size_t{1} << 16;
  if (methods <= kMostExpected && profile_.functions().size() < methods) {
    profile_.expect_functions(methods);
    profile_.expect_locations(methods);
  }
}

StackId StackReader::read_stack(Trace &trace) {
  const uint8_t *const at = chunk_.begin() + trace.position;
  const StackId stack = read_trace(at, at + trace.length);
  trace.position = 0;
  trace.stack = stack;
  return stack;
}

StackId StackReader::read_trace(const uint8_t *at, const uint8_t *end) {
  if (is_usual_) {
    // One byte that tells whether it was cut, then the frames.
    const uint8_t *const frames_at = at + 1;
    Cursor cursor{frames_at, end, true};
    const uint64_t count = cursor.count();
    check_depth(count, frames_at);
    return read_plain_trace(cursor.at(), end, count, *at != 0 && !form_.pyroscope);
  }
  values_.resize(std::max(frames_field_, truncated_field_ == kAbsent ? 0 : truncated_field_) + 1);
  chunk_.read_fields(trace_type_, at, chunk_.end(), values_);
  const uint8_t *const frames_at = values_[frames_field_].at;
  if (frames_at == nullptr) return 0;
  const bool truncated = truncated_field_ != kAbsent && values_[truncated_field_].number != 0;
  Cursor cursor{frames_at, chunk_.end(), chunk_.header().compressed()};
  const uint64_t count = cursor.count();
  frames_.clear();
  check_depth(count, frames_at);
  if (shape_.fields > 0) {
    end = skip_varints(cursor.at(), end, count * shape_.fields);
    if (end == nullptr) return 0; // cannot be: the pool was stepped over
    return read_plain_trace(cursor.at(), end, count, truncated && !form_.pyroscope);
  }
  if (!read_odd_frames(cursor.at(), count)) return 0; // cannot be: the pool was stepped over
  if (truncated && !form_.pyroscope) frames_.push_back(truncated_location());
  return profile_.stacks.add_leaf_first(frames_.span());
}

void StackReader::check_depth(uint64_t count, const uint8_t *at) const {
  if (count > context_.limits.max_stack_depth)
    throw Error{Status::kLimit,
                fmt::format("a stack of {} frames, more than the limit of {}", count,
                            context_.limits.max_stack_depth),
                chunk_.offset_of(at)};
}

LocationId StackReader::truncated_location() {
  if (truncated_ == 0) {
    Location cut;
    cut.reason = UnnamedReason::kTruncated;
    truncated_ = profile_.add_location(cut, {});
  }
  return truncated_;
}

/// How many frames at the end of these bytes are those of the trace before. A byte below 0x80 ends
/// a number wherever it stands, so after one that both have the numbers are the same too.
size_t StackReader::shared_frames(const uint8_t *begin, const uint8_t *end) const noexcept {
  const auto most = static_cast<size_t>(std::min(end - begin, last_end_ - last_begin_));
  size_t same = 0;
  while (same + 8 <= most) {
    const uint64_t differ =
        wire::load_little_endian(end - same - 8) ^ wire::load_little_endian(last_end_ - same - 8);
    same += differ == 0 ? 8 : static_cast<size_t>(std::countl_zero(differ)) / 8;
    if (differ != 0) break;
  }
  const auto longer = std::lower_bound(from_end_.begin(), from_end_.end(), same);
  auto frames = static_cast<size_t>(longer - from_end_.begin());
  while (frames > 0 && end[-1 - static_cast<ptrdiff_t>(from_end_[frames - 1])] >= 0x80) --frames;
  return frames;
}

StackId StackReader::read_plain_trace(const uint8_t *at, const uint8_t *end, uint64_t count,
                                      bool truncated) {
  const size_t shared = last_truncated_ == truncated ? shared_frames(at, end) : 0;
  if (shared > count) return 0; // cannot be: as many bytes, and more numbers
  from_end_.resize_uninitialized(static_cast<size_t>(count));
  stacks_.resize_uninitialized(static_cast<size_t>(count));
  frames_.resize_uninitialized(static_cast<size_t>(count) - shared);
  const bool whole = shape_.fields == 4 ? read_four_number_frames(at, end, shared)
                                        : read_number_frames(at, end, shared);
  if (!whole) {
    from_end_.clear();
    return 0; // cannot be: the pool was stepped over
  }
  StackTrie &trie = profile_.stacks;
  StackId stack = shared > 0  ? stacks_[shared - 1]
                  : truncated ? trie.child(0, truncated_location())
                              : 0;
  size_t done = 0;
  for (; done < frames_.size() && size_t{stack} + 1 < trie.size(); ++done)
    stacks_[shared + done] = stack = trie.child(stack, frames_[done]);
  // Nobody is below the last node: all the rest is new.
  trie.append_below_last(frames_.span().subspan(done));
  for (; done < frames_.size(); ++done) stacks_[shared + done] = ++stack;
  last_begin_ = at;
  last_end_ = end;
  last_truncated_ = truncated;
  return stack;
}

/// A frame that is not in the cache.
[[gnu::noinline]] LocationId StackReader::decode_frame(const uint8_t *&at) {
  uint64_t numbers[5] = {}; // the last is 0: of fields that are not there
  for (uint32_t f = 0; f < 4 && at != nullptr; ++f) at = read_varint(at, chunk_.end(), numbers[f]);
  if (at == nullptr) return 0;
  const auto number = [&](uint32_t field) { return numbers[std::min<uint32_t>(field, 4)]; };
  return location(number(shape_.method), static_cast<int32_t>(number(shape_.line)),
                  number(shape_.kind));
}

/// The frames before the shared ones into `frames_` and `from_end_`, root first.
bool StackReader::read_four_number_frames(const uint8_t *at, const uint8_t *end, size_t shared) {
  const uint8_t *const last_word = chunk_.end() - 8; // a chunk has a header
  const uint64_t multiplier = multiplier_;
  const int shift = cache_shift_;
  Slot *const cache = cache_.data();
  LocationId *const frames = frames_.data();
  uint32_t *const from_end = from_end_.data() + shared;
  for (size_t i = frames_.size(); i-- > 0;) {
    from_end[i] = static_cast<uint32_t>(end - at);
    if (at > last_word) [[unlikely]] {
      frames[i] = decode_frame(at);
      if (at == nullptr) return false;
      continue;
    }
    uint64_t word = wire::load_little_endian(at);
    const uint8_t *next = at + 4;
    if ((word & 0x80808080) == 0) {
      word &= UINT32_MAX;
    } else {
      uint64_t stops = ~word & UINT64_C(0x8080808080808080);
      for (int before = 0; before < 3; ++before) stops &= stops - 1;
      if (stops == 0) [[unlikely]] { // more than eight bytes
        frames[i] = decode_frame(at);
        if (at == nullptr) return false;
        continue;
      }
      next = at + (static_cast<size_t>(std::countr_zero(stops)) + 1) / 8;
      word &= stops ^ (stops - 1);
    }
    Slot &slot = cache[(word * multiplier) >> shift];
    if (slot.key != word || slot.number == 0) [[unlikely]]
      slot = {word, decode_frame(at) + 1, 0};
    frames[i] = slot.number - 1;
    at = next;
  }
  return true;
}

/// The same, with as many numbers per frame as the shape says.
bool StackReader::read_number_frames(const uint8_t *at, const uint8_t *end, size_t shared) {
  uint64_t numbers[kMostFrameFields + 1] = {}; // the last is 0: of fields that are not there
  const auto place = [](uint32_t field) { return field == kAbsent ? kMostFrameFields : field; };
  const uint32_t method = place(shape_.method);
  const uint32_t line = place(shape_.line);
  const uint32_t kind = place(shape_.kind);
  for (size_t i = frames_.size(); i-- > 0;) {
    from_end_[shared + i] = static_cast<uint32_t>(end - at);
    for (uint32_t f = 0; f < shape_.fields; ++f) {
      at = read_varint(at, chunk_.end(), numbers[f]);
      if (at == nullptr) return false;
    }
    frames_[i] = location(numbers[method], static_cast<int32_t>(numbers[line]), numbers[kind]);
  }
  return true;
}

bool StackReader::read_odd_frames(const uint8_t *at, uint64_t count) {
  if (count == 0) return true;
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

void StackReader::grow_slots() {
  PodVector<Slot> old = std::move(slots_);
  slots_.assign_zeros(old.empty() ? 1024 : old.size() * 2);
  slot_shift_ = 64 - std::countr_zero(slots_.size());
  for (const Slot &slot : old) {
    if (slot.number == 0) continue;
    size_t to = first_slot(slot.key);
    while (slots_[to].number != 0) to = (to + 1) & (slots_.size() - 1);
    slots_[to] = slot;
  }
}

LocationId StackReader::find_location(uint64_t key) {
  if ((used_slots_ + 1) * 2 > slots_.size()) grow_slots();
  const size_t mask = slots_.size() - 1;
  size_t at = first_slot(key);
  for (; slots_[at].number != 0; at = (at + 1) & mask)
    if (slots_[at].key == key) return slots_[at].number - 1;
  const LocationId made =
      make_location(key >> 28, static_cast<int64_t>(key >> 8 & 0xfffff), key & 0xff);
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
  const bool is_native =
      has_libraries_ &&
      (location.kind == FrameKind::kLibrary || location.kind == FrameKind::kUser ||
       location.kind == FrameKind::kKernel) &&
      find_library(method, location.module);
  const Line at{function(method, is_native), 0, line > 0 ? line : 0, 0};
  return profile_.add_location(location, {&at, 1});
}

FrameKind StackReader::kind_of(uint64_t key) {
  if (kind_type_ == kNoType) return FrameKind::kUnknown;
  const uint32_t number = chunk_.pool(kind_type_).find(key);
  return number == kAbsent ? FrameKind::kUnknown : kinds_[number];
}

/// What async-profiler has for the class of a native frame is the library it is in, but for frames
/// of its own (<vtable_receiver> of a class).
bool StackReader::find_library(uint64_t method, ModuleId &module) {
  const uint8_t *const at = method_type_ == kNoType ? nullptr : chunk_.find(method_type_, method);
  if (at == nullptr || method_class_ == kAbsent || method_name_ == kAbsent) return false;
  const Type &type = chunk_.schema()[method_type_];
  std::vector<FieldValue> values(std::max(method_class_, method_name_) + 1);
  chunk_.read_fields(method_type_, at, chunk_.end(), values);
  if (chunk_.text_of(type.fields[method_name_], values[method_name_], arena_).starts_with('<'))
    return false;
  const std::string_view name = class_name(values[method_class_].number);
  if (name.empty()) return true;
  Module library;
  library.path = ids_.id_of(profile_, name);
  module = profile_.add_module(library);
  return true;
}

/// Native ones go without their library and a descriptor that says nothing.
FunctionId StackReader::function(uint64_t key, bool is_native) {
  const uint32_t number = method_type_ == kNoType ? kAbsent : chunk_.pool(method_type_).find(key);
  const size_t known = size_t{number} * 2 + (is_native ? 1 : 0);
  if (number != kAbsent && functions_[known] != 0) return functions_[known] - 1;
  Function function;
  if (number == kAbsent) {
    function.name = profile_.intern(fmt::format("[unknown method {}]", key));
    return profile_.add_function(function);
  }
  const Type &type = chunk_.schema()[method_type_];
  std::vector<FieldValue> &values = method_values_;
  values.resize(type.fields.size());
  chunk_.read_fields(method_type_, chunk_.find(method_type_, key), chunk_.end(), values);
  const auto symbol = [&](uint32_t field) -> std::string_view {
    if (field == kAbsent) return {};
    return shortened(chunk_.text_of(type.fields[field], values[field], arena_));
  };
  const std::string_view name = symbol(method_name_);
  const std::string_view descriptor = symbol(method_descriptor_);
  const std::string_view of_class = method_class_ == kAbsent || is_native
                                        ? std::string_view{}
                                        : class_name(values[method_class_].number);
  text_.assign(of_class);
  if (!of_class.empty() || form_.pyroscope) text_ += '.';
  text_ += normalize_symbol(name, form_.normalize, normalized_);
  if (text_.empty()) text_ = fmt::format("[unknown method {}]", key);
  function.name = profile_.intern(text_);
  // Native frames have no class, and a descriptor that says nothing.
  if (!of_class.empty() && !descriptor.empty() && !form_.pyroscope)
    function.system_name = profile_.intern(text_.append(descriptor));
  const FunctionId made = profile_.add_function(function);
  functions_[known] = made + 1;
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
  if (class_type_ == kNoType || class_name_field_ == kAbsent) return {};
  const Pool &classes = chunk_.pool(class_type_);
  const uint32_t number = classes.find(key);
  if (number == kAbsent) return {};
  if (class_names_.empty()) class_names_.resize(classes.size());
  std::string_view &name = class_names_[number];
  if (name.data() == nullptr) name = make_class_name(chunk_.find(class_type_, key));
  return name;
}

std::string_view StackReader::make_class_name(const uint8_t *at) {
  const Type &type = chunk_.schema()[class_type_];
  std::vector<FieldValue> &values = class_values_;
  values.resize(class_name_field_ + 1);
  chunk_.read_fields(class_type_, at, chunk_.end(), values);
  const std::string_view internal =
      shortened(chunk_.text_of(type.fields[class_name_field_], values[class_name_field_], arena_));
  constexpr size_t kLong = 64;
  if (internal.size() < kLong) {
    class_text_.clear();
    write_class_name(internal, class_text_);
    return arena_.copy(class_text_);
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
