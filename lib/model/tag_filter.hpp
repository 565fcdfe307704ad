#pragma once

#include "base/regex.hpp"
#include "model/profile.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace profcore {

/// The units that number labels are read in: one per key, as pprof has it. The first unit met in
/// the order of samples; without any, the key itself ("bytes"), or bytes for pprof's own
/// "alignment" and "request". Indexed by key; 0 = the key has no number.
class LabelUnits {
public:
  explicit LabelUnits(const Profile &profile);
  std::string_view of(StringId key) const noexcept {
    const StringId unit = units_[key];
    return unit == kBytes ? std::string_view{"bytes"} : profile_.text(unit);
  }
  /// "For tag bytes used unit kb, also encountered unit(s) mb", a line per such key.
  const std::vector<std::string> &conflicts() const noexcept { return conflicts_; }

private:
  static constexpr StringId kBytes = UINT32_MAX;

  const Profile &profile_;
  PodVector<StringId> units_;
  std::vector<std::string> conflicts_;
};

/// A value with its unit, converted as pprof converts: `unit` is what pprof calls the target.
struct ScaledValue {
  double value;
  std::string_view unit;
};
/// Sizes in powers of 1024, times, Google compute units; what has no known unit is taken as being
/// in `to_unit` already.
ScaledValue scale_label(int64_t value, std::string_view from_unit, std::string_view to_unit);

/// pprof's -tagfocus and -tagignore:
///   key=EXPR      only labels with that key; without it, any label
///   EXPR          a range of numbers: 16kb (that), 16kb: (at least), :16kb (at most), 16kb:32mb
///   EXPR          else regexes after commas. With a key one must match the text of a label;
///                 without, each must match the "key:text" of some label.
class TagFilter {
public:
  /// Throws kInvalidArgument; `what` names the option in messages.
  TagFilter(const Profile &profile, std::string_view expression, std::string_view what);
  bool is_range() const noexcept { return range_.has_value(); }
  /// `units` must be given when `is_range`.
  bool matches(LabelSetId set, const LabelUnits *units);

private:
  struct Range {
    double low;
    double high;
    std::string unit;
  };

  void parse_range(std::string_view text);
  bool in_range(const Label &label, const LabelUnits &units) const;
  uint64_t regexes_matching(const Label &label);

  const Profile &profile_;
  bool has_key_ = false;
  StringId key_ = 0; ///< UINT32_MAX when the profile has no such text
  std::optional<Range> range_;
  std::vector<Regex> regexes_;
  uint64_t all_ = 0; ///< a bit per regex

  InternIndex seen_index_; ///< of distinct (key, text)
  struct Seen {
    StringId key;
    StringId text;
    uint64_t matching;
  };
  PodVector<Seen> seen_;
  uint64_t seed_ = random_hash_seed();
  std::string joined_; ///< scratch
};

} // namespace profcore
