#pragma once

#include "sources/decode/legacy/builder.hpp"

#include <span>
#include <string_view>
#include <vector>

namespace profcore::legacy {

/// The `#` lines that Go's debug=1 profiles put behind a sample:
///
///     1 @ 0x42ce6e 0x42d5cc 0x4e2d05
///     # labels: {"worker":"2"}
///     #	0x42d5cb	main.load+0xc4	/src/load.go:107
///
/// The address there is the location's own, the return address minus 1. Frames of the runtime are
/// left out at the leaf's end, so lines and stack are walked side by side. Lines that repeat an
/// address are either recursion, when the stack repeats it as well, or inlined callers.
class GoComments {
public:
  explicit GoComments(ProfileBuilder &builder) noexcept : builder_{builder} {}

  /// Keeps the line for `apply`.
  void add(const TextLine &line);
  /// Names the addresses of the stack (that of the last sample added) and forgets the lines.
  void apply(std::span<const uint64_t> stack);
  void forget() noexcept { frames_.clear(); }

private:
  struct Frame {
    uint64_t address;
    std::string_view text;
  };
  void name(uint64_t address, std::span<const Frame> frames);

  ProfileBuilder &builder_;
  std::vector<Frame> frames_;
  std::vector<Line> lines_;
};

/// Whether this is a `# labels: {...}` line; `body` is then what follows the colon.
bool is_label_comment(std::string_view line, std::string_view &body) noexcept;

/// Reads `{"key":"value", ...}` with Go's escapes; false when it is something else.
bool read_go_labels(std::string_view body, Profile &profile, std::vector<Label> &out);

} // namespace profcore::legacy
