// pprof's filters over a prefix trie.
//
// pprof walks every frame of every sample. Here a location is judged once (each regex meets each
// distinct string once), a stack once: what a stack is depends only on its caller's state and its
// own location, and parents come before children, so one forward pass over the trie decides all
// stacks. A second one carries the stacks that kept rows use into the new profile.
// Cost: strings * regexes + lines + trie nodes + rows.

#include "base/error.hpp"
#include "base/regex.hpp"
#include "model/operations.hpp"
#include "model/remap.hpp"
#include "model/tag_filter.hpp"

#include <optional>
#include <vector>

namespace profcore {
namespace {

constexpr size_t kReportEvery = size_t{1} << 16;

/// A regex with its answers, one per string of the profile.
class Matcher {
public:
  Matcher(const Profile &profile, Regex regex)
      : strings_{&profile.strings}, regex_{std::move(regex)} {
    known_.resize(profile.strings.size());
  }
  bool matches(StringId id) {
    return matches(id, [](std::string_view text) { return text; });
  }
  /// For answers about a text made from the string.
  template <class Make> bool matches(StringId id, Make &&make) {
    uint8_t &known = known_[id];
    if (known == 0) known = regex_.search(make(strings_->view(id))) ? 2 : 1;
    return known == 2;
  }

private:
  const StringTable *strings_;
  Regex regex_;
  PodVector<uint8_t> known_; ///< 0 not asked yet, 1 no, 2 yes
};

std::optional<Matcher> make_matcher(const Profile &profile, std::string_view pattern,
                                    std::string_view what) {
  if (pattern.empty()) return std::nullopt;
  return Matcher{profile, Regex{pattern, what}};
}

/// A C++ name without its parameters, as pprof simplifies names before drop_frames sees them: cut
/// at the first bracket that belongs neither to "(anonymous namespace)" nor to "operator()". The
/// leading dot is that of PowerPC's ELFv1 entry points.
std::string_view without_parameters(std::string_view name) {
  constexpr std::string_view kAnonymous = "(anonymous namespace)";
  constexpr std::string_view kCall = "operator()";
  if (name.starts_with('.')) name.remove_prefix(1);
  for (size_t at = name.find('('); at != std::string_view::npos; at = name.find('(', at)) {
    constexpr size_t kBefore = kCall.size() - 2;
    if (name.substr(at).starts_with(kAnonymous))
      at += kAnonymous.size();
    else if (at >= kBefore && name.substr(at - kBefore).starts_with(kCall))
      at += 2;
    else
      return name.substr(0, at);
  }
  return name;
}

enum LocationMark : uint8_t {
  kDrops = 1,        ///< drop_frames: goes, with everything leafward
  kDropsBeneath = 2, ///< everything leafward goes
  kFocuses = 4,
  kIgnores = 8,
  kHides = 16,
  kShowsFrom = 32,
};

enum StackState : uint8_t {
  kHasUserFrame = 1, ///< drop_frames acts only below a frame that it leaves alone
  kDropped = 2,      ///< a frame rootward drops this one and all that follow
  kFocused = 4,
  kIgnored = 8,
  kShown = 16, ///< show_from was met
  kNotEmpty = 32,
  kEmits = 64, ///< this node's own frame stays; not inherited
  kUsed = 128, ///< kept rows lead here; not inherited
};

class Filter {
public:
  Filter(const Profile &profile, const FilterOptions &options);
  Profile run();

private:
  void compile_drop_frames();
  void judge_locations();
  uint8_t judge(LocationId id);
  bool line_matches(Matcher &matcher, const Line &line);
  bool module_matches(Matcher &matcher, const Location &location) {
    return location.module != 0 && matcher.matches(profile_.modules()[location.module].path);
  }
  bool location_matches(Matcher &matcher, const Location &location);
  uint8_t prune(const Location &location);
  bool hide_lines(const Location &location);
  bool show_lines(const Location &location);
  bool cut_lines_above(const Location &location);
  bool has_lines(const Location &location) const;
  void judge_stacks();
  void choose_rows();
  bool keeps_time(size_t row) const;
  bool keeps_stack(StackId stack) const;
  bool keeps_labels(LabelSetId set);
  void warn_of_idle_filters(Profile &result) const;
  Profile build();

  const Profile &profile_;
  const FilterOptions &options_;
  std::vector<std::string> warnings_;

  std::optional<Matcher> drop_, keep_;
  std::optional<Matcher> focus_, ignore_, hide_, show_, show_from_;
  std::optional<TagFilter> tag_focus_, tag_ignore_;
  std::optional<LabelUnits> units_;
  bool by_name_;
  bool by_time_;

  bool focus_matched_ = false, ignore_matched_ = false, hide_matched_ = false;
  bool show_matched_ = false, show_from_matched_ = false;
  bool tag_focus_matched_ = false, tag_ignore_matched_ = false, time_matched_ = false;

  PodVector<uint8_t> keep_lines_;
  PodVector<uint8_t> marks_;  ///< LocationMark per location
  PodVector<uint8_t> states_; ///< StackState per stack
  PodVector<uint8_t> labels_; ///< per label set: 0 not asked, 1 out, 2 in
  PodVector<uint32_t> rows_;  ///< that stay
};

Filter::Filter(const Profile &profile, const FilterOptions &options)
    : profile_{profile}, options_{options}, focus_{make_matcher(profile, options.focus, "focus")},
      ignore_{make_matcher(profile, options.ignore, "ignore")},
      hide_{make_matcher(profile, options.hide, "hide")}, show_{make_matcher(profile, options.show,
                                                                             "show")},
      show_from_{make_matcher(profile, options.show_from, "show_from")},
      by_name_{focus_ || ignore_ || hide_ || show_}, by_time_{options.time_from_ns != INT64_MIN ||
                                                              options.time_to_ns != INT64_MAX} {
  if (!options.tag_focus.empty()) tag_focus_.emplace(profile, options.tag_focus, "tag_focus");
  if (!options.tag_ignore.empty()) tag_ignore_.emplace(profile, options.tag_ignore, "tag_ignore");
  if ((tag_focus_ && tag_focus_->is_range()) || (tag_ignore_ && tag_ignore_->is_range()))
    units_.emplace(profile);
  if (options.drop_frames) compile_drop_frames();
}

void Filter::compile_drop_frames() {
  if (profile_.meta.drop_frames == 0) return;
  // These come with the data: what is wrong with them is no fault of the caller.
  const auto compile = [&](StringId text, std::string_view what) -> std::optional<Matcher> {
    std::string problem;
    std::optional<Regex> regex =
        Regex::try_compile("^(" + std::string{profile_.text(text)} + ")$", problem);
    if (regex) return Matcher{profile_, std::move(*regex)};
    warnings_.push_back("The profile's " + std::string{what} +
                        " is no usable regular expression, frames were not dropped: " + problem);
    return std::nullopt;
  };
  drop_ = compile(profile_.meta.drop_frames, "drop_frames");
  if (!drop_ || profile_.meta.keep_frames == 0) return;
  keep_ = compile(profile_.meta.keep_frames, "keep_frames");
  if (!keep_) drop_.reset();
}

bool Filter::line_matches(Matcher &matcher, const Line &line) {
  if (line.function == 0) return line.file != 0 && matcher.matches(line.file);
  const Function &function = profile_.functions()[line.function];
  return matcher.matches(function.name) ||
         matcher.matches(line.file != 0 ? line.file : function.file);
}

bool Filter::location_matches(Matcher &matcher, const Location &location) {
  for (uint32_t i = 0; i < location.line_count; ++i) {
    const uint32_t at = location.first_line + i;
    if (keep_lines_[at] != 0 && line_matches(matcher, profile_.lines()[at])) return true;
  }
  return module_matches(matcher, location);
}

bool Filter::has_lines(const Location &location) const {
  for (uint32_t i = 0; i < location.line_count; ++i)
    if (keep_lines_[location.first_line + i] != 0) return true;
  return false;
}

// The outermost line that matches decides; it and what was inlined into it go.
uint8_t Filter::prune(const Location &location) {
  for (uint32_t i = location.line_count; i-- > 0;) {
    const Line &line = profile_.lines()[location.first_line + i];
    const StringId name = profile_.functions()[line.function].name;
    if (name == 0) continue;
    if (!drop_->matches(name, without_parameters)) continue;
    if (keep_ && keep_->matches(name, without_parameters)) continue;
    if (i + 1 == location.line_count) return kDrops;
    for (uint32_t inlined = 0; inlined <= i; ++inlined)
      keep_lines_[location.first_line + inlined] = 0;
    return kDropsBeneath;
  }
  return 0;
}

/// False when nothing is left.
bool Filter::hide_lines(const Location &location) {
  const bool whole = module_matches(*hide_, location);
  for (uint32_t i = 0; i < location.line_count; ++i) {
    const uint32_t at = location.first_line + i;
    if (whole || line_matches(*hide_, profile_.lines()[at])) keep_lines_[at] = 0;
  }
  return has_lines(location);
}

/// False when nothing is left. As in pprof a frame without a name is not shown even when its module
/// matches, and a line of no function always is.
bool Filter::show_lines(const Location &location) {
  if (!module_matches(*show_, location)) {
    for (uint32_t i = 0; i < location.line_count; ++i) {
      const uint32_t at = location.first_line + i;
      const Line &line = profile_.lines()[at];
      if (line.function != 0 && !line_matches(*show_, line)) keep_lines_[at] = 0;
    }
  }
  return has_lines(location);
}

/// True when the frame matches; lines that called the outermost matching one go.
bool Filter::cut_lines_above(const Location &location) {
  if (module_matches(*show_from_, location)) return true;
  for (uint32_t i = location.line_count; i-- > 0;) {
    const uint32_t at = location.first_line + i;
    if (keep_lines_[at] == 0 || !line_matches(*show_from_, profile_.lines()[at])) continue;
    for (uint32_t above = i + 1; above < location.line_count; ++above)
      keep_lines_[location.first_line + above] = 0;
    return true;
  }
  return false;
}

uint8_t Filter::judge(LocationId id) {
  const Location &location = profile_.locations()[id];
  uint8_t marks = 0;
  if (drop_) marks |= prune(location);
  if (by_name_) {
    if (ignore_ && location_matches(*ignore_, location)) {
      ignore_matched_ = true;
      marks |= kIgnores;
    } else if (!focus_ || location_matches(*focus_, location)) {
      focus_matched_ = true;
      marks |= kFocuses;
    }
    if (hide_ && location_matches(*hide_, location)) {
      hide_matched_ = true;
      if (!hide_lines(location)) marks |= kHides;
    }
    if (show_) {
      if (show_lines(location))
        show_matched_ = true;
      else
        marks |= kHides;
    }
  }
  if (show_from_ && cut_lines_above(location)) {
    show_from_matched_ = true;
    marks |= kShowsFrom;
  }
  return marks;
}

void Filter::judge_locations() {
  keep_lines_.resize(profile_.lines().size(), 1);
  marks_.resize(profile_.locations().size());
  for (LocationId id = 1; id < marks_.size(); ++id) marks_[id] = judge(id);
}

void Filter::judge_stacks() {
  const std::span<const StackNode> nodes = profile_.stacks.nodes();
  states_.resize_uninitialized(nodes.size());
  states_[0] = 0;
  for (StackId id = 1; id < nodes.size(); ++id) {
    uint8_t state = states_[nodes[id].parent] & static_cast<uint8_t>(~kEmits);
    const uint8_t marks = marks_[nodes[id].location];
    bool emits = (state & kDropped) == 0;
    if (emits && (marks & (kDrops | kDropsBeneath)) == 0) {
      state |= kHasUserFrame;
    } else if (emits && (state & kHasUserFrame) != 0) {
      state |= kDropped;
      emits = (marks & kDrops) == 0;
    }
    if (emits) {
      if ((marks & kFocuses) != 0) state |= kFocused;
      if ((marks & kIgnores) != 0) state |= kIgnored;
      emits = (marks & kHides) == 0;
    }
    if (emits && show_from_) {
      if ((marks & kShowsFrom) != 0) state |= kShown;
      emits = (state & kShown) != 0;
    }
    if (emits) state |= kEmits | kNotEmpty;
    states_[id] = state;
  }
}

bool Filter::keeps_time(size_t row) const {
  if (!by_time_ || !profile_.has_timestamps()) return true;
  const int64_t time = profile_.timestamps()[row];
  if (time == 0) return true;
  return time >= options_.time_from_ns &&
         (time < options_.time_to_ns || options_.time_to_ns == INT64_MAX);
}

bool Filter::keeps_stack(StackId stack) const {
  const uint8_t state = states_[stack];
  if (by_name_ && (state & (kFocused | kIgnored)) != kFocused) return false;
  return !(by_name_ || show_from_) || (state & kNotEmpty) != 0;
}

bool Filter::keeps_labels(LabelSetId set) {
  if (!tag_focus_ && !tag_ignore_) return true;
  uint8_t &known = labels_[set];
  if (known == 0) {
    const LabelUnits *units = units_ ? &*units_ : nullptr;
    const bool focused = !tag_focus_ || tag_focus_->matches(set, units);
    const bool ignored = tag_ignore_ && tag_ignore_->matches(set, units);
    tag_focus_matched_ = tag_focus_matched_ || focused;
    tag_ignore_matched_ = tag_ignore_matched_ || ignored;
    known = focused && !ignored ? 2 : 1;
  }
  return known == 2;
}

void Filter::choose_rows() {
  labels_.resize(profile_.label_set_count());
  const std::span<const StackId> stacks = profile_.sample_stacks();
  const std::span<const LabelSetId> label_sets = profile_.sample_label_sets();
  for (size_t row = 0; row < stacks.size(); ++row) {
    if (row % kReportEvery == 0) options_.context.report(row, 2 * stacks.size());
    if (!keeps_time(row)) continue;
    time_matched_ = true;
    if (!keeps_stack(stacks[row]) || !keeps_labels(label_sets[row])) continue;
    rows_.push_back(static_cast<uint32_t>(row));
    states_[stacks[row]] |= kUsed;
  }
}

void Filter::warn_of_idle_filters(Profile &result) const {
  const auto warn = [&](bool used, bool matched, std::string_view option) {
    if (used && !matched) result.warn(std::string{option} + " expression matched no samples");
  };
  warn(focus_.has_value(), focus_matched_, "Focus");
  warn(ignore_.has_value(), ignore_matched_, "Ignore");
  warn(hide_.has_value(), hide_matched_, "Hide");
  warn(show_.has_value(), show_matched_, "Show");
  warn(show_from_.has_value(), show_from_matched_, "ShowFrom");
  warn(tag_focus_.has_value(), tag_focus_matched_, "TagFocus");
  warn(tag_ignore_.has_value(), tag_ignore_matched_, "TagIgnore");
  if (by_time_ && !profile_.has_timestamps())
    result.warn("The time range was not applied: the profile has no timestamps");
  else if (by_time_ && !time_matched_)
    result.warn("The time range matched no samples");
}

Profile Filter::build() {
  Profile result;
  Remap remap{profile_, result, keep_lines_.span()};
  for (const SampleType &type : profile_.sample_types())
    result.add_sample_type(remap.sample_type(type));
  result.meta = remap.metadata();
  // All of them: the first is the main binary, and what is mapped is news even without a sample.
  for (ModuleId id = 1; id < profile_.modules().size(); ++id) remap.module(id);

  const std::span<const StackNode> nodes = profile_.stacks.nodes();
  mark_callers(profile_.stacks, states_.span(), kUsed);
  if (!drop_ && !hide_ && !show_ && !show_from_) {
    // Stacks stay as they are, so their number is known; else many may become one.
    size_t used = 0;
    for (const uint8_t state : states_) used += state / kUsed;
    result.stacks.reserve(used + 1);
  }
  PodVector<StackId> mapped;
  mapped.resize_uninitialized(nodes.size());
  mapped[0] = 0;
  for (StackId id = 1; id < nodes.size(); ++id) {
    if ((states_[id] & kUsed) == 0) continue;
    mapped[id] = mapped[nodes[id].parent];
    if ((states_[id] & kEmits) != 0)
      mapped[id] = result.stacks.child(mapped[id], remap.location(nodes[id].location));
  }

  result.append_rows_uninitialized(rows_.size());
  const std::span<StackId> stacks = result.sample_stacks();
  const std::span<LabelSetId> label_sets = result.sample_label_sets();
  for (size_t row = 0; row < rows_.size(); ++row) {
    if (row % kReportEvery == 0) {
      options_.context.report(rows_.size() + row, 2 * rows_.size());
      options_.context.check_result(result.bytes());
    }
    stacks[row] = mapped[profile_.sample_stacks()[rows_[row]]];
    label_sets[row] = remap.label_set(profile_.sample_label_sets()[rows_[row]]);
  }
  const auto gather = [&](std::span<const int64_t> from, std::span<int64_t> to) {
    for (size_t row = 0; row < rows_.size(); ++row) to[row] = from[rows_[row]];
  };
  for (size_t type = 0; type < profile_.sample_types().size(); ++type)
    gather(profile_.values(type), result.values(type));
  if (profile_.has_timestamps()) gather(profile_.timestamps(), result.add_timestamps());
  return result;
}

Profile Filter::run() {
  judge_locations();
  judge_stacks();
  choose_rows();
  Profile result = build();
  carry_findings(profile_, result);
  const size_t dropped = profile_.sample_count() - rows_.size();
  if (dropped != 0) result.count("filtered_samples", dropped);
  for (const std::string &warning : warnings_) result.warn(warning);
  if (units_)
    for (const std::string &conflict : units_->conflicts()) result.warn(conflict);
  warn_of_idle_filters(result);
  return result;
}

} // namespace

Profile filter(const Profile &profile, const FilterOptions &options) {
  return Filter{profile, options}.run();
}

Profile apply_drop_frames(const Profile &profile) {
  FilterOptions options;
  options.drop_frames = true;
  return filter(profile, options);
}

} // namespace profcore
