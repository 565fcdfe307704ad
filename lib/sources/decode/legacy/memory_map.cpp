#include "sources/decode/legacy/memory_map.hpp"

#include "sources/decode/legacy/builder.hpp"

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>

namespace profcore::legacy {
namespace {

// Assignments can use earlier ones, so that each line may double the text, and a few bytes of each
// line stand for a long one: all is bounded.
constexpr size_t kMaxAssignments = 64;
constexpr size_t kMaxExpandedLine = 64 << 10;
constexpr size_t kMaxExpandedLines = 16 << 20;

class Assignments {
public:
  bool add(std::string_view name, std::string_view value) {
    if (pairs_.size() >= kMaxAssignments) return false;
    pairs_.emplace_back(name, value);
    return true;
  }

  /// Replaces every `$name`; the earliest assignment wins. False when the result is too long.
  bool expand(std::string_view line, std::string &out) {
    out.clear();
    if (expanded_ > kMaxExpandedLines) return false;
    while (!line.empty()) {
      const size_t dollar = line.find('$');
      out.append(line.substr(0, dollar));
      if (dollar == std::string_view::npos) break;
      line.remove_prefix(dollar + 1);
      const auto found = std::find_if(pairs_.begin(), pairs_.end(), [&](const auto &pair) {
        return line.starts_with(pair.first);
      });
      if (found == pairs_.end()) {
        out.push_back('$');
      } else {
        out.append(found->second);
        line.remove_prefix(found->first.size());
      }
      if (out.size() > kMaxExpandedLine) return false;
    }
    expanded_ += out.size();
    return true;
  }
  bool empty() const noexcept { return pairs_.empty(); }

private:
  std::vector<std::pair<std::string, std::string>> pairs_;
  size_t expanded_ = 0;
};

/// Drops a logger's prefix, `... file:line] `.
std::string_view without_log_prefix(std::string_view line) noexcept {
  const size_t bracket = line.find_first_of("[]");
  if (bracket == std::string_view::npos || line[bracket] != ']') return line;
  if (bracket + 1 >= line.size() || !is_blank(line[bracket + 1])) return line;
  size_t digits = bracket;
  while (digits > 0 && is_digit(line[digits - 1])) --digits;
  if (digits == bracket || digits < 2 || line[digits - 1] != ':') return line;
  return line.substr(bracket + 2);
}

bool all_hex(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_hex);
}

bool is_permissions(std::string_view text) noexcept {
  return !text.empty() && text.find_first_not_of("-rwxp") == std::string_view::npos;
}

/// `fd:01`
bool is_device(std::string_view text) noexcept {
  const size_t colon = text.find(':');
  return colon != std::string_view::npos && all_hex(text.substr(0, colon)) &&
         all_hex(text.substr(colon + 1));
}

enum class LineKind { kOther, kDamaged, kNotExecutable, kMapping };

bool read_range(Cursor &cursor, Mapping &mapping, bool &damaged) {
  cursor.blanks();
  cursor.take("0x");
  const std::string_view start = cursor.hex_digits();
  if (start.empty()) return false;
  const bool dash = cursor.take('-');
  const bool blank = !cursor.blanks().empty();
  if (!dash && !blank) return false;
  cursor.take("0x");
  const std::string_view limit = cursor.hex_digits();
  if (limit.empty()) return false;
  cursor.take(':');
  if (!cursor.done() && !is_blank(cursor.rest().front())) return false;
  const auto first = parse_hex(start), last = parse_hex(limit);
  damaged = !first || !last || *first >= *last;
  if (!damaged) {
    mapping.start = *first;
    mapping.limit = *last;
  }
  return true;
}

/// `7fcd-` and then something that is no mapping.
bool begins_like_range(std::string_view line) noexcept {
  Cursor cursor{line};
  cursor.blanks();
  cursor.take("0x");
  return !cursor.hex_digits().empty() && cursor.take('-');
}

/// What follows the range in /proc/PID/maps: [permissions] [offset] device inode [path]. The path
/// may hold blanks, so it goes to the end of the line.
bool read_proc_fields(Cursor cursor, std::string_view &offset, std::string_view &file) {
  std::string_view field = cursor.token();
  if (is_permissions(field)) field = cursor.token();
  if (all_hex(field)) {
    offset = field;
    field = cursor.token();
  }
  if (!is_device(field)) return false;
  const std::string_view inode = cursor.token();
  if (inode.empty() || !std::all_of(inode.begin(), inode.end(), is_digit)) return false;
  file = trim(cursor.rest());
  constexpr std::string_view kDeleted = " (deleted)";
  if (file.ends_with(kDeleted)) file = trim(file.substr(0, file.size() - kDeleted.size()));
  return true;
}

/// What follows it elsewhere: [permissions] [file] [(@offset)] [build id].
void read_brief_fields(Cursor cursor, std::string_view &offset, std::string_view &file,
                       std::string_view &build_id) {
  std::string_view field = cursor.token();
  if (is_permissions(field)) field = cursor.token();
  const auto as_offset = [](std::string_view text) -> std::string_view {
    if (!text.starts_with("(@") || !text.ends_with(')')) return {};
    const std::string_view inner = text.substr(2, text.size() - 3);
    return all_hex(inner) ? inner : std::string_view{};
  };
  if (as_offset(field).empty()) {
    file = field;
    field = cursor.token();
  }
  if (!as_offset(field).empty()) {
    offset = as_offset(field);
    field = cursor.token();
  }
  if (all_hex(field)) build_id = field;
}

LineKind read_line(std::string_view line, Mapping &mapping) {
  Cursor cursor{line};
  bool damaged = false;
  if (!read_range(cursor, mapping, damaged)) return LineKind::kOther;
  const std::string_view permissions = Cursor{cursor}.token();
  if (is_permissions(permissions) && permissions.find('x') == std::string_view::npos)
    return LineKind::kNotExecutable;
  if (damaged) return LineKind::kDamaged;
  std::string_view offset, file, build_id;
  if (!read_proc_fields(cursor, offset, file)) {
    offset = file = {};
    read_brief_fields(cursor, offset, file, build_id);
  }
  if (!offset.empty()) {
    const auto value = parse_hex(offset);
    if (!value) return LineKind::kDamaged;
    mapping.offset = *value;
  }
  mapping.file = file;
  mapping.build_id = build_id;
  return LineKind::kMapping;
}

/// Whether `next` goes on where `last` ends: one mapping that was split.
bool continues(const Mapping &last, const Mapping &next) {
  if (!last.file.empty() && !next.file.empty() && last.file != next.file) return false;
  if (!last.build_id.empty() && !next.build_id.empty() && last.build_id != next.build_id)
    return false;
  if (last.limit != next.start) return false;
  return last.offset == 0 || next.offset == 0 ||
         last.offset + (last.limit - last.start) == next.offset;
}

void join_neighbours(std::vector<Mapping> &mappings) {
  size_t kept = 0;
  for (size_t i = 1; i < mappings.size(); ++i) {
    if (!continues(mappings[kept], mappings[i])) {
      if (++kept != i) mappings[kept] = std::move(mappings[i]);
      continue;
    }
    mappings[kept].limit = mappings[i].limit;
    if (!mappings[i].file.empty()) mappings[kept].file = std::move(mappings[i].file);
    if (!mappings[i].build_id.empty()) mappings[kept].build_id = std::move(mappings[i].build_id);
  }
  if (!mappings.empty()) mappings.resize(kept + 1);
}

/// "x.so", or ".so" with a version number behind.
bool is_library(std::string_view file) noexcept {
  if (file.ends_with(".so")) return true;
  for (size_t at = file.find(".so"); at != std::string_view::npos; at = file.find(".so", at + 1)) {
    const std::string_view after = file.substr(at + 3);
    if (after.size() >= 2 && (after[0] == '.' || after[0] == '_') && is_digit(after[1]))
      return true;
  }
  return false;
}

void put_main_first(std::vector<Mapping> &mappings) {
  const auto main = std::find_if(mappings.begin(), mappings.end(), [](const Mapping &mapping) {
    return !mapping.file.empty() && mapping.file.front() != '[' && !is_library(mapping.file);
  });
  if (main != mappings.end()) std::swap(*mappings.begin(), *main);
}

/// Huge pages under the program's text hide where it starts.
void repair_main(std::vector<Mapping> &mappings) {
  constexpr uint64_t kUsualStart = 0x400000;
  if (mappings.size() > 1 && mappings[0].file.starts_with("/anon_hugepage") &&
      mappings[0].limit == mappings[1].start)
    mappings.erase(mappings.begin());
  if (!mappings.empty() && mappings[0].start - mappings[0].offset == kUsualStart) {
    mappings[0].start = kUsualStart;
    mappings[0].offset = 0;
  }
}

/// Ranges that may overlap, cut into pieces that do not; each belongs to the range of the lowest
/// index. n log n to build, log n to ask.
class RangeTable {
public:
  static constexpr uint32_t kNone = UINT32_MAX;

  void add(uint64_t start, uint64_t limit, uint32_t index) {
    if (start >= limit) return;
    ranges_.push_back({start, limit, index});
  }

  void build() {
    std::sort(ranges_.begin(), ranges_.end(),
              [](const Range &a, const Range &b) { return a.start < b.start; });
    std::vector<uint64_t> edges;
    for (const Range &range : ranges_) {
      edges.push_back(range.start);
      edges.push_back(range.limit);
    }
    std::sort(edges.begin(), edges.end());
    edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
    using Open = std::pair<uint32_t, uint64_t>; // index, limit
    std::priority_queue<Open, std::vector<Open>, std::greater<>> open;
    size_t next = 0;
    for (const uint64_t edge : edges) {
      for (; next < ranges_.size() && ranges_[next].start == edge; ++next)
        open.emplace(ranges_[next].index, ranges_[next].limit);
      while (!open.empty() && open.top().second <= edge) open.pop();
      pieces_.push_back({edge, open.empty() ? kNone : open.top().first});
    }
  }

  uint32_t find(uint64_t address) const {
    const auto after =
        std::upper_bound(pieces_.begin(), pieces_.end(), address,
                         [](uint64_t value, const Piece &piece) { return value < piece.start; });
    return after == pieces_.begin() ? kNone : std::prev(after)->index;
  }

private:
  struct Range {
    uint64_t start, limit;
    uint32_t index;
  };
  struct Piece {
    uint64_t start;
    uint32_t index;
  };
  std::vector<Range> ranges_;
  std::vector<Piece> pieces_;
};

} // namespace

std::vector<Mapping> read_memory_map(LineReader &lines, ProfileBuilder &builder) {
  std::vector<Mapping> mappings;
  Assignments assignments;
  std::string expanded;
  for (TextLine line; lines.next(line);) {
    builder.tick(line.offset);
    std::string_view text = without_log_prefix(line.text);
    if (trim(text).empty()) continue;
    if (!assignments.empty() && text.find('$') != std::string_view::npos) {
      if (!assignments.expand(text, expanded)) {
        builder.damage("memory map: a line grows past 64 KB, or all of them past 16 MB, when their "
                       "assignments are filled in",
                       line);
        continue;
      }
      text = expanded;
    }
    Mapping mapping;
    switch (read_line(text, mapping)) {
    case LineKind::kMapping:
      mappings.push_back(std::move(mapping));
      builder.check_table_size(mappings.size(), "mappings");
      break;
    case LineKind::kNotExecutable:
      break;
    case LineKind::kDamaged:
      builder.damage("memory map: a range that is empty or does not fit 64 bits", line);
      break;
    case LineKind::kOther:
      if (begins_like_range(text)) {
        builder.damage("memory map: a range that cannot be read", line);
        break;
      }
      if (const size_t equals = text.find('='); equals != std::string_view::npos) {
        const std::string_view name = trim(text.substr(0, equals));
        if (!name.empty() && assignments.add(name, trim(text.substr(equals + 1)))) break;
      }
      builder.profile.count("memory_map_lines_skipped");
    }
  }
  join_neighbours(mappings);
  put_main_first(mappings);
  repair_main(mappings);
  return mappings;
}

std::vector<uint32_t> place_addresses(std::vector<Mapping> &mappings,
                                      std::span<const uint64_t> addresses) {
  RangeTable inside, below;
  for (uint32_t i = 0; i < mappings.size(); ++i) {
    const Mapping &mapping = mappings[i];
    inside.add(mapping.start, mapping.limit, i);
    if (mapping.offset <= mapping.start)
      below.add(mapping.start - mapping.offset, mapping.start, i);
  }
  inside.build();
  below.build();
  std::vector<uint32_t> placed(addresses.size(), RangeTable::kNone);
  for (size_t i = 0; i < addresses.size(); ++i) {
    if (addresses[i] == 0) continue;
    placed[i] = inside.find(addresses[i]);
    if (placed[i] != RangeTable::kNone) continue;
    placed[i] = below.find(addresses[i]);
    if (placed[i] == RangeTable::kNone) continue;
    Mapping &mapping = mappings[placed[i]];
    mapping.start -= mapping.offset;
    mapping.offset = 0;
  }
  return placed;
}

} // namespace profcore::legacy
