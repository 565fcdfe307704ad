#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace re2 {
class RE2;
}

namespace profcore {

/// A compiled regular expression: RE2, so its time is linear in the text and its memory bounded
/// whatever the pattern. Matching is const and may be done from several threads.
///
/// Text that is not UTF-8 is matched with U+FFFD in place of each damaged byte, as Go does, so that
/// `.` steps over it.
class Regex {
public:
  static constexpr size_t kMaxPattern = size_t{16} << 10;
  static constexpr size_t kMaxMemory = size_t{8} << 20;

  /// Throws kInvalidArgument with the reason and, where it can be told, the position in the pattern
  /// (also as the error's offset). `what` names the pattern in the message ("focus"). Throws
  /// kUnsupported when built without RE2.
  Regex(std::string_view pattern, std::string_view what, size_t max_memory = kMaxMemory);
  /// For patterns out of data: nothing, and the reason in `problem`, instead of kInvalidArgument.
  static std::optional<Regex> try_compile(std::string_view pattern, std::string &problem);

  Regex(Regex &&other) noexcept;
  Regex &operator=(Regex &&other) noexcept;
  ~Regex();

  static bool is_available() noexcept;

  /// Does it match anywhere in the text?
  bool search(std::string_view text) const { return match(text, false); }
  /// Does it match the whole text?
  bool full_match(std::string_view text) const { return match(text, true); }

private:
  struct Problem {
    std::string reason;
    size_t at = SIZE_MAX;
  };
  Regex() noexcept;
  Problem compile(std::string_view pattern, size_t max_memory);
  bool match(std::string_view text, bool whole) const;

  std::unique_ptr<re2::RE2> compiled_;
};

} // namespace profcore
