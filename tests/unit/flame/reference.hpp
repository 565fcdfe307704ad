#pragma once

// The slow, plain way to everything the flame layer does: each sample is spelled out as a list of
// names and added to maps. Shares no code with lib/flame.

#include "flame/tree.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace reference {

using namespace profcore;
using Path = std::vector<std::string>;
template <class... Parts> std::string cat(const Parts &...parts) {
  std::string text;
  (text.append(parts), ...);
  return text;
}

struct Cell {
  int64_t self = 0;
  int64_t total = 0;
  bool operator==(const Cell &) const = default;
};
using Cells = std::map<Path, Cell>;

/// A sample to be, independent of any table.
struct Draw {
  std::vector<uint32_t> stack; ///< root first; indexes into the locations of `Maker`
  uint32_t labels = 0;
  int64_t value = 0;
};

/// Random stacks over few functions, so that recursion, inlining and equal frames are frequent.
class Maker {
public:
  explicit Maker(uint32_t seed) : random_{seed} {}

  std::vector<Draw> draw(size_t count, bool negative) {
    std::vector<Draw> draws;
    for (size_t i = 0; i < count; ++i) {
      Draw draw;
      if (!draws.empty() && pick(2) == 0) {
        draw.stack = draws[pick(draws.size())].stack;
        if (!draw.stack.empty()) draw.stack.resize(pick(draw.stack.size() + 1));
      }
      for (size_t more = pick(9); more > 0; --more)
        draw.stack.push_back(uint32_t(pick(kLocations)));
      draw.labels = uint32_t(pick(4));
      draw.value = int64_t(pick(50));
      if (negative && pick(3) == 0) draw.value = -draw.value;
      draws.push_back(draw);
    }
    return draws;
  }

  Profile build(const std::vector<Draw> &draws) {
    Profile profile;
    profile.add_sample_type("other", "count");
    profile.add_sample_type("cpu", "nanoseconds");
    std::vector<FunctionId> functions;
    for (int i = 0; i < 7; ++i) {
      Function function;
      function.name = profile.intern(std::string{"f"} + char('0' + i % 5));
      function.file = profile.intern(i >= 5 ? "b.c" : "a.c");
      function.start_line = i;
      functions.push_back(profile.add_function(function));
    }
    Module module;
    module.path = profile.intern("/usr/lib/libx.so");
    module.start = 0x1000;
    module.end = 0x2000;
    module.offset = 0x500;
    const ModuleId lib = profile.add_module(module);
    std::vector<LocationId> locations;
    for (uint32_t i = 0; i < kLocations; ++i) {
      Location location;
      location.address = 0x1000 + i;
      location.module = i % 3 == 0 ? lib : 0;
      std::vector<Line> lines;
      const uint32_t count = i < 2 ? 0 : (i % 4 == 0 ? 3 : 1);
      for (uint32_t j = 0; j < count; ++j)
        lines.push_back({functions[(i + j * 2) % 7], 0, i % 2, 0});
      locations.push_back(profile.add_location(location, lines));
    }
    const LabelSetId sets[] = {0, labels(profile, "x", -1), labels(profile, "y", 7),
                               labels(profile, "", 7)};
    for (const Draw &draw : draws) {
      StackId stack = 0;
      for (const uint32_t at : draw.stack) stack = profile.stacks.child(stack, locations[at]);
      const int64_t values[] = {1, draw.value};
      profile.add_sample(stack, sets[draw.labels], values);
    }
    return profile;
  }

  size_t pick(size_t below) { return std::uniform_int_distribution<size_t>{0, below - 1}(random_); }
  std::mt19937 &random() { return random_; }

private:
  static constexpr uint32_t kLocations = 14;

  static LabelSetId labels(Profile &profile, const char *thread, int64_t pid) {
    std::vector<Label> labels;
    labels.push_back({profile.intern("thread"), profile.intern(thread), 0, 0, 0});
    if (pid >= 0) labels.push_back({profile.intern("pid"), 0, profile.intern("id"), 1, pid});
    return profile.add_label_set(labels);
  }
  std::mt19937 random_;
};

inline std::string hex(uint64_t value) {
  char text[32];
  snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

/// Root-first names of one location's frames: "name|" or "name|file" for functions.
inline Path frames_of(const Profile &profile, LocationId id, FrameKey key) {
  const Location &location = profile.locations()[id];
  const bool in_module = location.module != 0;
  Path frames;
  if (key == FrameKey::kModule) return {in_module ? "libx.so|" : "(no module)|"};
  std::string unnamed =
      (in_module ? cat("libx.so+", hex(location.address - 0x1000 + 0x500)) : hex(location.address));
  if (profile.lines_of(id).empty() && key == FrameKey::kFile)
    return {in_module ? "[libx.so]|" : "(no file)|"};
  if (key == FrameKey::kAddress) unnamed += cat("@", hex(location.address));
  if (profile.lines_of(id).empty()) return {cat(unnamed, "|")};
  for (const Line &line : profile.lines_of(id)) {
    const Function &function = profile.functions()[line.function];
    const std::string name{profile.text(function.name)};
    const std::string file{profile.text(function.file)};
    std::string frame = key == FrameKey::kFile ? cat(file, "|", file) : name;
    if (key == FrameKey::kAddress) frame += cat("@", hex(location.address));
    if (key == FrameKey::kFunction)
      frame += "|";
    else if (key != FrameKey::kFile)
      frame += cat("|", file);
    if (key == FrameKey::kLine || key == FrameKey::kAddress)
      frame += cat(":", std::to_string(line.line));
    frames.insert(frames.begin(), frame);
  }
  return frames;
}

inline std::string name_of(const std::string &frame) {
  return frame.substr(0, frame.find('|'));
}

inline Path label_path(const Profile &profile, LabelSetId set, const FlameOptions &options) {
  Path path;
  for (const std::string_view key : options.group_by) {
    std::string value = cat("(no ", key, ")");
    for (const Label &label : profile.labels_of(set))
      if (profile.text(label.key) == key)
        value = label.is_number != 0
                    ? cat(std::to_string(label.number), " ", profile.text(label.unit))
                    : std::string{profile.text(label.text)};
    path.push_back(cat("<", value, ">"));
  }
  return path;
}

inline Path fold(const Path &path) {
  Path folded;
  for (const std::string &frame : path) {
    const auto at = std::find(folded.begin(), folded.end(), frame);
    if (at != folded.end())
      folded.erase(at + 1, folded.end());
    else
      folded.push_back(frame);
  }
  return folded;
}

/// One spelled-out sample: labels apart from frames, root first.
struct Row {
  Path labels;
  Path frames;
  int64_t value;
};

inline std::vector<Row> rows_of(const Profile &profile, const FlameOptions &options) {
  std::vector<Row> rows;
  const size_t column = options.type == SIZE_MAX ? profile.default_type() : options.type;
  for (size_t i = 0; i < profile.sample_count(); ++i) {
    Row row{label_path(profile, profile.sample_label_sets()[i], options),
            {},
            profile.values(column)[i]};
    if (row.value == 0) continue;
    std::vector<LocationId> locations;
    for (StackId at = profile.sample_stacks()[i]; at != 0; at = profile.stacks[at].parent)
      locations.insert(locations.begin(), profile.stacks[at].location);
    for (const LocationId id : locations)
      for (const std::string &frame : frames_of(profile, id, options.key))
        row.frames.push_back(frame);
    if (options.fold_recursion) row.frames = fold(row.frames);
    rows.push_back(row);
  }
  return rows;
}

inline Cells cells_of(const Profile &profile, const FlameOptions &options) {
  Cells cells;
  cells[{}];
  for (Row row : rows_of(profile, options)) {
    if (!options.root_function.empty()) {
      const auto at =
          std::find_if(row.frames.begin(), row.frames.end(), [&](const std::string &frame) {
            return name_of(frame) == options.root_function;
          });
      if (at == row.frames.end()) continue;
      if (options.inverted)
        row.frames.erase(at + 1, row.frames.end());
      else
        row.frames.erase(row.frames.begin(), at);
    }
    if (options.inverted) std::reverse(row.frames.begin(), row.frames.end());
    Path path;
    cells[path].total += row.value;
    Path whole = row.labels;
    whole.insert(whole.end(), row.frames.begin(), row.frames.end());
    for (const std::string &frame : whole) {
      path.push_back(frame);
      cells[path].total += row.value;
    }
    cells[path].self += row.value;
  }
  return cells;
}

inline std::string frame_text(const FlameTree &tree, uint32_t frame, FrameKey key) {
  const FlameFrame &at = tree.frames[frame];
  const std::string name{tree.strings[at.name]};
  const std::string file{tree.strings[at.file]};
  if (at.kind == uint32_t(FrameKind::kLabel)) return cat("<", name, ">");
  std::string text = name;
  if (key == FrameKey::kAddress) text += cat("@", hex(at.address));
  if (key == FrameKey::kFunction) return cat(text, "|");
  text += cat("|", file);
  if ((key == FrameKey::kLine || key == FrameKey::kAddress) && !file.empty())
    text += cat(":", std::to_string(at.line));
  return text;
}

inline Path path_of(const FlameTree &tree, uint32_t node, FrameKey key) {
  Path path;
  for (; node != 0; node = tree.parent[node])
    path.insert(path.begin(), frame_text(tree, tree.frame[node], key));
  return path;
}

inline Cells cells_of(const FlameTree &tree, FrameKey key = FrameKey::kFunction) {
  Cells cells;
  for (uint32_t i = 0; i < tree.size(); ++i)
    cells[path_of(tree, i, key)] = {tree.self[i], tree.total[i]};
  return cells;
}

/// For messages of failed checks.
inline std::string first_difference(const Cells &got, const Cells &expected) {
  const auto spell = [](const Cells::value_type &cell) {
    std::string text;
    for (const std::string &frame : cell.first) text += cat(frame, ";");
    return cat(text, " ", std::to_string(cell.second.self), "/", std::to_string(cell.second.total));
  };
  for (const auto &cell : got)
    if (const auto at = expected.find(cell.first);
        at == expected.end() || at->second != cell.second)
      return cat("got ", spell(cell));
  for (const auto &cell : expected)
    if (!got.contains(cell.first)) return cat("missing ", spell(cell));
  return "none";
}

} // namespace reference
