#pragma once

#include "model/profile.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace profcore::test {

/// Profiles by hand: a frame is "name", "name@file", "outer+inlined" (one location, several lines)
/// or "=module" (no name); "name%module" has both.
class Builder {
public:
  Profile profile;

  LocationId frame(std::string_view text) {
    Location location;
    std::vector<Line> lines;
    const size_t percent = text.find('%');
    if (percent != std::string_view::npos) {
      location.module = module(text.substr(percent + 1));
      text = text.substr(0, percent);
    }
    if (text.starts_with('=')) {
      location.module = module(text.substr(1));
      location.address = 0x1000;
      location.reason = UnnamedReason::kNoSymbols;
      return profile.add_location(location, {});
    }
    while (!text.empty()) {
      const std::string_view one = text.substr(0, text.find('+'));
      text.remove_prefix(std::min(text.size(), one.size() + 1));
      const size_t at = one.find('@');
      Function function;
      function.name = profile.intern(one.substr(0, at));
      if (at != std::string_view::npos) function.file = profile.intern(one.substr(at + 1));
      lines.insert(lines.begin(), Line{profile.add_function(function), 0, 0, 0});
    }
    return profile.add_location(location, lines);
  }
  ModuleId module(std::string_view path) {
    Module module;
    module.path = profile.intern(path);
    return profile.add_module(module);
  }
  /// Frames root first, between blanks.
  StackId stack(std::string_view frames) {
    StackId stack = 0;
    while (!frames.empty()) {
      const std::string_view one = frames.substr(0, frames.find(' '));
      frames.remove_prefix(std::min(frames.size(), one.size() + 1));
      stack = profile.stacks.child(stack, frame(one));
    }
    return stack;
  }
  Label text_label(std::string_view key, std::string_view text) {
    return {profile.intern(key), profile.intern(text), 0, 0, 0};
  }
  Label number_label(std::string_view key, int64_t number, std::string_view unit) {
    return {profile.intern(key), 0, profile.intern(unit), 1, number};
  }
  void sample(std::string_view frames, int64_t value, const std::vector<Label> &labels = {}) {
    if (profile.sample_types().empty()) profile.add_sample_type("cpu", "ns");
    const std::vector<int64_t> values(profile.sample_types().size(), value);
    profile.add_sample(stack(frames), profile.add_label_set(labels), values);
  }
  void timed(std::string_view frames, int64_t value, int64_t time) {
    if (profile.sample_types().empty()) profile.add_sample_type("cpu", "ns");
    const std::vector<int64_t> values(profile.sample_types().size(), value);
    profile.add_sample(stack(frames), 0, values, time);
  }
};

inline std::string stack_text(const Profile &profile, StackId stack) {
  std::string text;
  for (; stack != 0; stack = profile.stacks[stack].parent) {
    const LocationId at = profile.stacks[stack].location;
    std::string frame;
    for (const Line &line : profile.lines_of(at)) {
      const std::string name{profile.text(profile.functions()[line.function].name)};
      frame = frame.empty() ? name : name + "+" + frame;
    }
    if (frame.empty())
      frame =
          "=" + std::string{profile.text(profile.modules()[profile.locations()[at].module].path)};
    text = text.empty() ? frame : frame + " " + text;
  }
  return text;
}

/// Every row as "stack:value", in order, of the first column.
inline std::vector<std::string> rows(const Profile &profile) {
  std::vector<std::string> rows;
  for (size_t row = 0; row < profile.sample_count(); ++row)
    rows.push_back(stack_text(profile, profile.sample_stacks()[row]) + ":" +
                   std::to_string(profile.values(0)[row]));
  return rows;
}

inline bool has_warning(const Profile &profile, std::string_view text) {
  for (const Warning &warning : profile.warnings())
    if (warning.text == text) return true;
  return false;
}

} // namespace profcore::test
