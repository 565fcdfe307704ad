#include "sources/decode/jfr/frames.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace profcore::jfr {

FrameKind frame_kind_of(std::string_view text) noexcept {
  constexpr std::pair<std::string_view, FrameKind> kKinds[] = {
      {"Interpreted", FrameKind::kJavaInterpreted},
      {"JIT compiled", FrameKind::kJavaCompiled},
      {"C1 compiled", FrameKind::kJavaCompiled},
      {"Inlined", FrameKind::kJavaInlined},
      {"Native", FrameKind::kUser},
      {"C++", FrameKind::kUser},
      {"Kernel", FrameKind::kKernel}};
  for (const auto &[known, kind] : kKinds)
    if (text == known) return kind;
  return FrameKind::kUnknown;
}

FrameReader::FrameReader(const Chunk &chunk, uint64_t most_text, uint64_t most_depth)
    : chunk_{chunk}, most_text_{most_text}, most_depth_{most_depth} {}

void FrameReader::bind(TypeIndex frame_type) {
  frame_type_ = frame_type;
  const Type &type = chunk_.schema()[frame_type];
  const auto number = [&](std::string_view name, bool in_pool) {
    const uint32_t at = type.find_field(name);
    if (at == UINT32_MAX || type.fields[at].is_array || type.fields[at].in_pool != in_pool)
      return UINT32_MAX;
    return at;
  };
  layout_ = {number("method", true), number("lineNumber", false), number("bytecodeIndex", false),
             number("type", true)};
  fields_.resize(type.fields.size());
  methods_.clear(); // keys of another type
  kinds_.clear();
}

std::string_view FrameReader::kept(std::string_view text) {
  constexpr uint64_t kPerKey = 64; // keys that lead nowhere are remembered too
  const uint64_t held = names_.bytes() + (methods_.size() + kinds_.size()) * kPerKey;
  if (held > most_text_ || text.size() > most_text_ - held)
    throw Error{
        Status::kLimit,
        fmt::format("the names of the frames of one chunk take more than {} bytes", most_text_)};
  return names_.copy(text);
}

std::string_view FrameReader::text_of(const Value &value, std::string_view name) {
  return ValueReader{chunk_, scratch_}.part(value, name).text;
}

const FrameReader::Method &FrameReader::method(TypeIndex type, uint64_t key) {
  const auto [found, fresh] = methods_.try_emplace(key);
  if (!fresh) return found->second;
  scratch_.clear();
  const ValueReader reader{chunk_, scratch_};
  const Value value = reader.of_key(type, key);
  const std::string_view name = text_of(value, "name");
  std::string text{text_of(reader.part(value, "type"), "name")};
  std::replace(text.begin(), text.end(), '/', '.');
  if (!text.empty() && !name.empty()) text += '.';
  text += name;
  found->second = {kept(text), kept(text_of(value, "descriptor"))};
  return found->second;
}

void FrameReader::read(const Value &trace, uint64_t most, StackText &stack) {
  stack.frames.clear();
  stack.depth = 0;
  stack.is_truncated = false;
  const ValueReader reader{chunk_, scratch_};
  stack.is_truncated = reader.part(trace, "truncated").integer != 0;
  const Value frames = reader.part(trace, "frames");
  if (frames.kind != ValueKind::kArray || frames.type == kNoType) return;
  stack.depth = frames.count;
  if (std::min(most, frames.count) > most_depth_)
    throw Error{Status::kLimit, fmt::format("a stack of {} frames, more than the limit of {} (by "
                                            "max_stack_depth)",
                                            frames.count, most_depth_)};
  if (frames.type != frame_type_) bind(frames.type);
  Step step;
  Value part;
  const auto number = [&](uint32_t field) {
    return field == UINT32_MAX || fields_[field].at == nullptr
               ? 0
               : static_cast<int32_t>(fields_[field].number);
  };
  while (stack.frames.size() < most && reader.next(frames, step, part)) {
    FrameText frame;
    if (part.kind == ValueKind::kStruct && part.type == frame_type_) {
      chunk_.read_fields(frame_type_, part.at, part.end, fields_);
      const Type &type = chunk_.schema()[frame_type_];
      frame.line = std::max(number(layout_.line), 0);
      frame.bytecode_index =
          layout_.bytecode_index == UINT32_MAX ? -1 : number(layout_.bytecode_index);
      if (layout_.method != UINT32_MAX && fields_[layout_.method].at != nullptr) {
        const Method &of = method(type.fields[layout_.method].type, fields_[layout_.method].number);
        frame.method = of.name;
        frame.descriptor = of.descriptor;
      }
      if (layout_.kind != UINT32_MAX && fields_[layout_.kind].at != nullptr) {
        const uint64_t key = fields_[layout_.kind].number;
        const auto [found, fresh] = kinds_.try_emplace(key);
        if (fresh) found->second = kept(reader.of_key(type.fields[layout_.kind].type, key).text);
        frame.kind_text = found->second;
        frame.kind = frame_kind_of(frame.kind_text);
      }
    }
    stack.frames.push_back(frame);
    if (step.at == nullptr) break; // the bytes ended
  }
}

} // namespace profcore::jfr
