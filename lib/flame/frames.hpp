#pragma once

#include "flame/tree.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace profcore::flame {

/// A frame before it has a place in a tree's tables. The views must outlive the table they go into.
struct FrameDraft {
  std::string_view name;
  std::string_view file;
  std::string_view module;
  int64_t line = 0;
  uint64_t address = 0;
  uint32_t kind = 0;
};

/// Kinds that keep frames of one name apart: a kernel `read` is not the user's. How a function was
/// compiled is not: `f` and an inlined `f` are one frame.
uint32_t kind_class(uint32_t kind) noexcept;
/// Of two kinds of one class, the one to show: a physical frame before unknown before inlined.
uint32_t merged_kind(uint32_t a, uint32_t b) noexcept;

FrameDraft draft_of(const FlameTree &tree, uint32_t frame) noexcept;

/// Sorts drafts, merges those that `tree.key` makes one and makes them the tree's frames 1, 2, ...
/// (0 is the root), so that comparing frame ids compares names. Returns draft -> frame.
PodVector<uint32_t> place_frames(const std::vector<FrameDraft> &drafts, FlameTree &tree);

/// Drops frames that no node uses, and strings that nothing uses.
void drop_unused_frames(FlameTree &tree);

// What a trie node's location turns into: one frame, or several from outermost to innermost.
// A code without kMany is the frame; with it, the index of a run in `runs` whose elements but the
// last carry kMore.
constexpr uint32_t kMany = UINT32_C(1) << 31;
constexpr uint32_t kMore = UINT32_C(1) << 31;
constexpr uint32_t kNoCode = UINT32_MAX;

/// Turns the locations that a tree needs into frames, each once.
class FrameNamer {
public:
  FrameNamer(const Profile &profile, FrameKey key);

  void add_location(LocationId location) {
    if (location >= codes_.size())
      throw Error{Status::kInvalidArgument, "a stack has a location that does not exist"};
    if (codes_[location] == kNoCode) codes_[location] = make_code(location);
  }
  /// A grouping frame; returns its draft.
  uint32_t add_label(std::string_view key, std::string_view value);

  /// Fills the tree's frames; from here on codes and `frame_of` speak of those.
  void finish(FlameTree &tree);
  uint32_t frame_of(uint32_t draft) const noexcept { return remap_[draft]; }
  const uint32_t *codes() const noexcept { return codes_.data(); }
  const uint32_t *runs() const noexcept { return runs_.data(); }

private:
  bool goes_by_function() const noexcept {
    return key_ == FrameKey::kFunction || key_ == FrameKey::kFileFunction;
  }
  uint32_t make_code(LocationId location);
  uint32_t draft_of_line(const Location &location, const Line &line, FrameKind kind);
  uint32_t draft_of_unnamed(const Location &location);
  uint32_t intern(const FrameDraft &draft);
  std::string_view unnamed(const Location &location);

  const Profile &profile_;
  FrameKey key_;
  PodVector<uint32_t> codes_;
  PodVector<uint32_t> runs_;
  PodVector<uint32_t> by_function_; ///< draft of a function, for the plain key
  std::vector<FrameDraft> drafts_;
  InternIndex index_;
  StringTable made_; ///< names that are not in the profile
  std::string text_; ///< scratch
  PodVector<uint32_t> remap_;
  uint64_t seed_;
};

} // namespace profcore::flame
