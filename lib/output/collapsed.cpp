// Collapsed stacks. The stack trie is mapped once onto a trie of names (inlined lines become nodes,
// locations that read the same become one), values are added up there, and the lines come out of a
// walk over siblings in byte order. So no line is built before it is written, and sorting compares
// sibling names only; sorting whole lines would cost their length times log n and twice the output.

#include "base/intern_index.hpp"
#include "model/expansion.hpp"
#include "model/frame_name.hpp"
#include "output/output.hpp"
#include "output/text.hpp"
#include "output/units.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace profcore {
namespace {

constexpr size_t kReportEvery = 1 << 16;
constexpr uint32_t kNone = UINT32_MAX;

struct NameNode {
  uint32_t parent;
  StringId name;
};

/// What a node contributes among its siblings: its own line, or the lines below it.
struct Item {
  uint32_t node;
  uint32_t is_subtree;
};

constexpr size_t kSuffixes = 5;
constexpr std::string_view kSuffix[kSuffixes] = {"", "_[k]", "_[0]", "_[j]", "_[i]"};

size_t suffix_of(FrameKind kind) {
  switch (kind) {
  case FrameKind::kKernel:
    return 1;
  case FrameKind::kJavaInterpreted:
    return 2;
  case FrameKind::kJavaCompiled:
    return 3;
  case FrameKind::kJavaInlined:
  case FrameKind::kInlined:
    return 4;
  default:
    return 0;
  }
}

/// The names of locations, outermost line first, made on first use.
class FrameNames {
public:
  FrameNames(const Profile &profile, bool with_suffix)
      : profile_{profile}, with_suffix_{with_suffix} {
    ranges_.resize(profile.locations().size(), {kNone, 0});
    by_function_.resize(profile.functions().size() * kSuffixes, kNone);
  }

  std::span<const StringId> of(LocationId location) {
    Range &range = ranges_[location];
    if (range.first == kNone) add(location, range);
    return {names_.data() + range.first, range.count};
  }
  StringId intern(std::string_view name) { return strings_.intern(name); }
  /// The name as it can begin a line: readers skip what looks like a comment ("# 12", "#!", "##").
  StringId at_line_start(StringId id) {
    const std::string_view name = strings_[id];
    if (!name.starts_with('#')) return id;
    if (name.size() > 1 && name[1] != ' ' && name[1] != '!' && name[1] != '#') return id;
    std::string changed{name};
    changed[0] = '_';
    const size_t before = strings_.size();
    const StringId other = strings_.intern(changed);
    if (strings_.size() != before) ++changed_;
    return other;
  }
  std::string_view view(StringId id) const { return strings_[id]; }
  uint64_t changed() const { return changed_; }

private:
  struct Range {
    uint32_t first;
    uint32_t count;
  };

  void add(LocationId id, Range &range) {
    const Location &location = profile_.locations()[id];
    const auto lines = profile_.lines_of(id);
    if (names_.size() + lines.size() + 1 >= kNone)
      throw Error{Status::kLimit, "more than 4294967294 frames"};
    const auto first = static_cast<uint32_t>(names_.size());
    for (size_t i = lines.size(); i-- > 0;)
      names_.push_back(name_of(lines[i].function, location, line_kind(location, i)));
    if (lines.empty()) names_.push_back(name_of(0, location, location.kind));
    range = {first, static_cast<uint32_t>(names_.size()) - first};
  }

  StringId name_of(FunctionId function, const Location &location, FrameKind kind) {
    const size_t suffix = with_suffix_ ? suffix_of(kind) : 0;
    const std::string_view name = function_name(profile_, function);
    const bool has_own_name = name.empty() || (location.flags & kModuleInName) != 0;
    if (has_own_name) return make_name(name, location, suffix);
    uint32_t &known = by_function_[size_t{function} * kSuffixes + suffix];
    if (known == kNone) known = make_name(name, location, suffix);
    return known;
  }

  StringId make_name(std::string_view name, const Location &location, size_t suffix) {
    text_.clear();
    if (name.empty()) {
      append_location_name(profile_, location, text_);
    } else {
      if ((location.flags & kModuleInName) != 0 && location.module != 0) {
        text_ = profile_.text(profile_.modules()[location.module].path);
        text_ += '`';
      }
      text_ += name;
    }
    bool is_changed = false;
    for (char &c : text_) {
      const auto byte = static_cast<unsigned char>(c);
      if (c != ';' && byte >= 0x20 && byte != 0x7f) continue;
      c = '_';
      is_changed = true;
    }
    text_ += kSuffix[suffix];
    const size_t before = strings_.size();
    const StringId id = strings_.intern(text_);
    if (is_changed && strings_.size() != before) ++changed_;
    return id;
  }

  const Profile &profile_;
  bool with_suffix_;
  StringTable strings_;
  PodVector<Range> ranges_;
  PodVector<StringId> names_;
  PodVector<StringId> by_function_; ///< per function and suffix: many lines share a function
  std::string text_;
  uint64_t changed_ = 0;
};

class NameTrie {
public:
  explicit NameTrie(const Limits &limits) : limits_{limits}, seed_{random_hash_seed()} {
    nodes_.push_back({0, 0});
    values_.push_back(0);
  }

  uint32_t child(uint32_t parent, StringId name) {
    const uint64_t key = static_cast<uint64_t>(parent) << 32 | name;
    return index_.find_or_insert(
        hash_u64(key, seed_),
        [&](uint32_t id) { return nodes_[id].parent == parent && nodes_[id].name == name; },
        [&] {
          // Many inlined lines times many stacks can be far more than the input.
          if (nodes_.size() >= kNone - 1 || nodes_.bytes() > limits_.max_result_bytes)
            throw Error{Status::kLimit, "collapsed stacks: too many frames"};
          nodes_.push_back({parent, name});
          values_.push_back(0);
          return static_cast<uint32_t>(nodes_.size() - 1);
        });
  }
  void add(uint32_t node, int64_t value) { values_[node] = saturating_sum(values_[node], value); }
  void drop_index() { index_ = {}; }

  size_t size() const { return nodes_.size(); }
  const NameNode &operator[](uint32_t node) const { return nodes_[node]; }
  int64_t value(uint32_t node) const { return values_[node]; }

private:
  const Limits &limits_;
  PodVector<NameNode> nodes_;
  PodVector<int64_t> values_;
  InternIndex index_;
  uint64_t seed_;
};

/// Sum of the column per stack, and which stacks have a value at or below them.
void sum_by_stack(const Profile &profile, size_t type, PodVector<int64_t> &sums,
                  PodVector<uint8_t> &used) {
  const auto nodes = profile.stacks.nodes();
  sums.resize(nodes.size());
  used.resize(nodes.size());
  const auto stacks = profile.sample_stacks();
  const auto values = profile.values(type);
  for (size_t row = 0; row < stacks.size(); ++row)
    sums[stacks[row]] = saturating_sum(sums[stacks[row]], values[row]);
  for (size_t node = nodes.size(); node-- > 1;) {
    if (sums[node] != 0) used[node] = 1;
    if (used[node] != 0) used[nodes[node].parent] = 1;
  }
}

NameTrie build_names(const Profile &profile, size_t type, FrameNames &names,
                     const Context &context) {
  PodVector<int64_t> sums;
  PodVector<uint8_t> used;
  sum_by_stack(profile, type, sums, used);
  NameTrie trie{context.limits};
  if (sums[0] != 0) trie.add(trie.child(0, names.intern("[no stack]")), sums[0]);
  PodVector<uint32_t> mapped;
  mapped.resize(sums.size());
  const auto nodes = profile.stacks.nodes();
  for (size_t node = 1; node < nodes.size(); ++node) {
    if ((node - 1) % kReportEvery == 0) context.report(node - 1, nodes.size() * 2);
    if (used[node] == 0) continue;
    uint32_t at = mapped[nodes[node].parent];
    for (const StringId name : names.of(nodes[node].location))
      at = trie.child(at, at == 0 ? names.at_line_start(name) : name);
    mapped[node] = at;
    if (sums[node] != 0) trie.add(at, sums[node]);
  }
  trie.drop_index();
  return trie;
}

class LineWriter {
public:
  LineWriter(const NameTrie &trie, const FrameNames &names, const Context &context, Buffer &output)
      : trie_{trie}, names_{names}, context_{context}, output_{output} {}

  void write() {
    group_items();
    const size_t start = output_.size();
    struct Level {
      size_t next;
      size_t end;
      size_t prefix;
    };
    std::vector<Level> levels{{first_[0], first_[1], 0}};
    std::string prefix;
    size_t done = 0;
    while (!levels.empty()) {
      Level &level = levels.back();
      prefix.resize(level.prefix);
      if (level.next == level.end) {
        levels.pop_back();
        continue;
      }
      if (++done % kReportEvery == 0) context_.report(items_.size() + done, items_.size() * 2);
      const Item item = items_[level.next++];
      const std::string_view name = names_.view(trie_[item.node].name);
      if (item.is_subtree != 0) {
        prefix += name;
        prefix += ';';
        levels.push_back({first_[item.node], first_[item.node + 1], prefix.size()});
        continue;
      }
      append(prefix, output_);
      append(name, output_);
      append(line_end(trie_.value(item.node)), output_);
      output_.put('\n');
      if (output_.size() - start > context_.limits.max_result_bytes)
        throw Error{Status::kLimit, "collapsed stacks: the output is over its limit"};
    }
  }

private:
  /// Items of node i's children are items_[first_[i] .. first_[i + 1]), in byte order of the lines.
  void group_items() {
    const size_t count = trie_.size();
    PodVector<uint8_t> has_children;
    has_children.resize(count);
    for (uint32_t node = 1; node < count; ++node) has_children[trie_[node].parent] = 1;
    first_.resize(count + 1);
    const auto items_of = [&](uint32_t node) -> size_t {
      return (trie_.value(node) != 0 ? 1U : 0U) + has_children[node];
    };
    for (uint32_t node = 1; node < count; ++node) first_[trie_[node].parent + 1] += items_of(node);
    for (size_t node = 0; node < count; ++node) first_[node + 1] += first_[node];
    items_.resize_uninitialized(first_[count]);
    PodVector<size_t> next{first_};
    for (uint32_t node = 1; node < count; ++node) {
      size_t &at = next[trie_[node].parent];
      if (trie_.value(node) != 0) items_[at++] = {node, 0};
      if (has_children[node] != 0) items_[at++] = {node, 1};
    }
    for (size_t node = 0; node < count; ++node) {
      if (first_[node + 1] - first_[node] < 2) continue;
      std::sort(items_.begin() + first_[node], items_.begin() + first_[node + 1],
                [&](const Item &a, const Item &b) { return is_before(a, b); });
    }
  }

  /// Compares name + ";" or name + " value": names hold neither ';' nor anything below ' '.
  bool is_before(const Item &a, const Item &b) const {
    const std::string_view left = names_.view(trie_[a.node].name);
    const std::string_view right = names_.view(trie_[b.node].name);
    const size_t common = std::min(left.size(), right.size());
    if (const int order = left.compare(0, common, right, 0, common); order != 0) return order < 0;
    if (left.size() == right.size()) return a.is_subtree < b.is_subtree;
    std::string left_rest{left.substr(common)};
    std::string right_rest{right.substr(common)};
    left_rest += a.is_subtree != 0 ? std::string{";"} : line_end(trie_.value(a.node));
    right_rest += b.is_subtree != 0 ? std::string{";"} : line_end(trie_.value(b.node));
    return left_rest < right_rest;
  }

  static std::string line_end(int64_t value) {
    char text[24] = {' '};
    const auto end = std::to_chars(text + 1, text + sizeof text, value).ptr;
    return {text, end};
  }

  const NameTrie &trie_;
  const FrameNames &names_;
  const Context &context_;
  Buffer &output_;
  PodVector<size_t> first_;
  PodVector<Item> items_;
};

} // namespace

uint64_t write_collapsed(const Profile &profile, const CollapsedOptions &options, Buffer &output) {
  const size_t type = options.type == SIZE_MAX ? profile.default_type() : options.type;
  if (type >= profile.sample_types().size())
    throw Error{Status::kInvalidArgument, "the profile has no such sample type"};
  check_expansion(profile, Expansion::kTree);
  FrameNames names{profile, options.kind_suffix};
  const NameTrie trie = build_names(profile, type, names, options.context);
  LineWriter{trie, names, options.context, output}.write();
  if (names.changed() != 0)
    options.context.write_log(
        LogLevel::kWarning,
        fmt::format("collapsed: {} names held ';', control characters or the start of a comment, "
                    "written as '_'",
                    names.changed()));
  return names.changed();
}

} // namespace profcore
