#pragma once

// Stack traces as text: who wants to show one, not to add millions up.

#include "model/profile.hpp"
#include "sources/decode/jfr/value.hpp"

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace profcore::jfr {

struct FrameText {
  std::string_view method;     ///< "java.util.Arrays.copyOf", "" when not known
  std::string_view descriptor; ///< "(I)V"
  int32_t line = 0;            ///< 0: not known
  int32_t bytecode_index = -1;
  FrameKind kind = FrameKind::kUnknown;
  std::string_view kind_text; ///< as the recording has it
};

struct StackText {
  std::vector<FrameText> frames; ///< innermost first
  uint64_t depth = 0;            ///< of the whole stack
  bool is_truncated = false;     ///< by who recorded it
};

/// Of one chunk. Names are made once per method and kept.
class FrameReader {
public:
  /// `most_text` bounds the bytes of what is kept, `most_depth` the frames of one stack: kLimit
  /// past these.
  FrameReader(const Chunk &chunk, uint64_t most_text, uint64_t most_depth);

  /// The first `most` frames of a stack trace (a struct) into `stack`.
  void read(const Value &trace, uint64_t most, StackText &stack);

private:
  struct Method {
    std::string_view name;
    std::string_view descriptor;
  };
  /// Where the fields of a type stand that frames are made of; UINT32_MAX: it has none.
  struct Layout {
    uint32_t method = UINT32_MAX;
    uint32_t line = UINT32_MAX;
    uint32_t bytecode_index = UINT32_MAX;
    uint32_t kind = UINT32_MAX;
  };

  const Method &method(TypeIndex type, uint64_t key);
  std::string_view kept(std::string_view text);
  std::string_view text_of(const Value &value, std::string_view name);
  void bind(TypeIndex frame_type);

  const Chunk &chunk_;
  uint64_t most_text_;
  uint64_t most_depth_;
  Arena names_;
  Arena scratch_;
  TypeIndex frame_type_ = kNoType;
  Layout layout_;
  std::vector<FieldValue> fields_;
  std::unordered_map<uint64_t, Method> methods_;
  std::unordered_map<uint64_t, std::string_view> kinds_;
};

FrameKind frame_kind_of(std::string_view text) noexcept;

} // namespace profcore::jfr
