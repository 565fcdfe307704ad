#pragma once

#include "model/profile.hpp"

#include <cstdint>
#include <string_view>

namespace profcore {

/// What the text of one frame says in the dialects of collapsed files. Views point into the text.
struct CollapsedFrame {
  std::string_view name;
  std::string_view file;
  std::string_view module;
  int64_t line = 0;
  FrameKind kind = FrameKind::kUnknown;
};

/// - `name_[k]`, `_[j]`, `_[i]`, `_[0]`, `_[1]`: the mark becomes the kind and leaves the name
/// - `name (file.py:12)` and `name (file.py)` (py-spy): name, file, line
/// - `process 12:"command"`, `[p] command`: a process; `thread (0x7F..)`, `thread 12 (name)`,
///   `[name tid=12]`, `[t] name`: a thread; the text stays whole
/// - module`name (dtrace): module and name; not .NET's Type`1
/// Anything else is a name, and an empty text is "[empty]".
CollapsedFrame parse_collapsed_frame(std::string_view text) noexcept;

/// A count as written, in steps that keep integers exact.
struct CollapsedCount {
  enum class Kind : uint8_t { kNone, kInteger, kFraction, kTooLarge };
  Kind kind = Kind::kNone;
  int64_t integer = 0; ///< kInteger; the nearest for kTooLarge
  double fraction = 0; ///< kFraction
};

/// `[+-]digits`, with thousands as `1,234,567`, a fraction and an exponent. Nothing else around it.
CollapsedCount parse_collapsed_count(std::string_view text) noexcept;

/// Takes the last word off `line`, if it is a count, with the blanks before it and after it.
CollapsedCount take_collapsed_count(std::string_view &line) noexcept;

} // namespace profcore
