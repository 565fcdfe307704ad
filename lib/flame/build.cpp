#include "flame/builder.hpp"
#include "model/expansion.hpp"

#include <ctime>
#include <fmt/format.h>
#include <utility>

namespace profcore {
namespace flame {
namespace {

/// What one look over a column tells. When even the sum of magnitudes fits 64 bits no partial sum
/// of any tree can leave them, in whatever order it is taken.
struct Column {
  size_t index = 0;
  bool may_overflow = false;
  bool has_positive = false;
  bool has_negative = false;
};

enum class Part { kAll, kPositive, kNegative };

bool wanted(int64_t value, Part part) {
  return part == Part::kAll ? value != 0 : (part == Part::kPositive ? value > 0 : value < 0);
}

Column look_at_column(const Profile &profile, size_t type) {
  Column column;
  column.index = type == SIZE_MAX ? profile.default_type() : type;
  const size_t columns = profile.sample_types().size();
  if (column.index >= columns) {
    if (type == SIZE_MAX && profile.sample_count() == 0) {
      column.index = SIZE_MAX;
      return column;
    }
    throw Error{
        Status::kInvalidArgument,
        fmt::format("there is no value column {} (the profile has {})", column.index, columns)};
  }
  uint128_t sum = 0;
  for (const int64_t value : profile.values(column.index)) {
    sum += magnitude(value);
    column.has_positive |= value > 0;
    column.has_negative |= value < 0;
  }
  column.may_overflow = sum > static_cast<uint128_t>(INT64_MAX);
  return column;
}

std::string format_time(int64_t time_ns) {
  const auto seconds = static_cast<time_t>(time_ns / 1'000'000'000);
  tm parts{};
  if (gmtime_r(&seconds, &parts) == nullptr) return fmt::format("{} ns", time_ns);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

void describe(const Profile &profile, const Column &column, FlameTree &tree) {
  const Metadata &meta = profile.meta;
  const auto put = [&](std::string_view key, std::string_view value) {
    if (!value.empty())
      tree.meta.emplace_back(tree.strings.intern(key), tree.strings.intern(value));
  };
  if (column.index != SIZE_MAX) {
    const SampleType &type = profile.sample_types()[column.index];
    tree.type = tree.strings.intern(profile.text(type.type));
    tree.unit = tree.strings.intern(profile.text(type.unit));
    tree.period = type.period;
  }
  put("host", profile.text(meta.host));
  put("command", profile.text(meta.command));
  put("format", profile.text(meta.source_format));
  if (meta.time_ns > 0) put("time", format_time(meta.time_ns));
  if (meta.duration_ns > 0)
    put("duration", fmt::format("{:.3f} s", static_cast<double>(meta.duration_ns) / 1e9));
  if (meta.frequency_hz > 0) put("frequency", fmt::format("{:g} Hz", meta.frequency_hz));
  if (meta.lost_samples > 0) put("lost samples", fmt::format("{}", meta.lost_samples));
  // A comment may be there as often as the input has bytes.
  PodVector<uint8_t> seen;
  if (!meta.comments.empty()) seen.resize(profile.strings.size());
  for (const StringId comment : meta.comments)
    if (!std::exchange(seen[comment], 1)) put("comment", profile.text(comment));
  tree.saturated = column.may_overflow;
}

[[noreturn]] void throw_bad_stack() {
  throw Error{Status::kInvalidArgument, "a sample has a stack that does not exist"};
}

/// Records of the whole trie; nobody needs any of them yet.
PodVector<Record> make_records(const StackTrie &stacks) {
  PodVector<Record> records;
  records.resize_uninitialized(stacks.size());
  const StackNode *node = stacks.nodes().data();
  for (Record &record : records) {
    record = {0, 0, node->parent, node->location, 0, kUnused};
    ++node;
  }
  return records;
}

void begin_tree(FlameTree &tree) {
  append_node(tree, 0, 0);
}

FlameTree build_whole(const Profile &profile, const Column &column, Part part, FrameKey key,
                      const Finish &finish, const Context &context) {
  PodVector<Record> records = make_records(profile.stacks);
  if (column.index != SIZE_MAX) {
    const auto values = profile.values(column.index);
    const auto stacks = profile.sample_stacks();
    for (size_t i = 0; i < values.size(); ++i) {
      if (!wanted(values[i], part)) continue;
      if (stacks[i] >= records.size()) throw_bad_stack();
      Record &record = records[stacks[i]];
      record.self = add_saturating(record.self, values[i]);
      record.next = 0;
    }
  }
  context.report(0, records.size());
  FrameNamer namer{profile, key};
  size_t needed = 1;
  link_records(records.span(), [&](const Record &record) {
    ++needed;
    namer.add_location(record.location);
  });

  FlameTree tree;
  describe(profile, column, tree);
  namer.finish(tree);
  // Merging and inlined lines make it fewer or more; a pruned tree can be far smaller.
  if (!(finish.min_share > 0)) reserve_nodes(tree, needed);
  begin_tree(tree);
  const RecordSource source{records.span(), namer.codes(), namer.runs()};
  Grower<RecordSource> grower{tree, source, finish, context, needed};
  const RecordSource::Cursor root{0, 0};
  grower.grow(0, {&root, 1});
  finish_nodes(tree);
  return tree;
}

/// The groups of a profile: a small trie over label frames, and the samples of each group.
class Groups {
public:
  Groups(const Profile &profile, const Column &column, Part part,
         std::span<const std::string_view> keys, FrameNamer &namer)
      : profile_{profile}, keys_{keys}, namer_{namer} {
    of_set_.resize(profile.label_set_count(), kNoCode);
    by_text_.resize(keys.size());
    for (auto &drafts : by_text_) drafts.resize(profile.strings.size(), kNoCode);
    const auto values = profile.values(column.index);
    const auto sets = profile.sample_label_sets();
    PodVector<uint32_t> sizes;
    sizes.push_back(0);
    for (size_t i = 0; i < values.size(); ++i) {
      if (!wanted(values[i], part)) continue;
      if (sets[i] >= of_set_.size())
        throw Error{Status::kInvalidArgument, "a sample has a label set that does not exist"};
      const uint32_t group = group_of(sets[i]);
      if (group >= sizes.size()) sizes.resize(group + 1);
      ++sizes[group];
    }
    begin_.resize(sizes.size() + 1, 0);
    for (size_t i = 0; i < sizes.size(); ++i) begin_[i + 1] = begin_[i] + sizes[i];
    samples_.resize_uninitialized(begin_.back());
    PodVector<uint32_t> at = begin_;
    for (size_t i = 0; i < values.size(); ++i)
      if (wanted(values[i], part)) samples_[at[of_set_[sets[i]]]++] = static_cast<uint32_t>(i);
  }

  std::span<const uint32_t> samples(uint32_t group) const {
    return {samples_.data() + begin_[group], begin_[group + 1] - begin_[group]};
  }
  /// Groups that have samples, in the order of their label frames.
  PodVector<uint32_t> sorted() const {
    PodVector<uint32_t> groups;
    for (uint32_t group = 0; group + 1 < begin_.size(); ++group)
      if (begin_[group] != begin_[group + 1]) groups.push_back(group);
    const size_t levels = keys_.size();
    PodVector<uint32_t> paths;
    paths.resize((begin_.size() - 1) * levels);
    for (const uint32_t group : groups) path(group, {paths.data() + group * levels, levels});
    std::sort(groups.begin(), groups.end(), [&](uint32_t a, uint32_t b) {
      const uint32_t *x = paths.data() + a * levels;
      const uint32_t *y = paths.data() + b * levels;
      return std::lexicographical_compare(x, x + levels, y, y + levels);
    });
    return groups;
  }
  void path(uint32_t group, std::span<uint32_t> frames) const {
    for (size_t level = keys_.size(); level-- > 0; group = trie_[group].parent)
      frames[level] = namer_.frame_of(trie_[group].location);
  }

private:
  uint32_t group_of(LabelSetId set) {
    if (of_set_[set] != kNoCode) return of_set_[set];
    uint32_t group = 0;
    for (uint32_t level = 0; level < keys_.size(); ++level)
      group = trie_.child(group, label_of(set, level));
    return of_set_[set] = group;
  }

  /// The draft of what a label set has under a key.
  uint32_t label_of(LabelSetId set, uint32_t level) {
    const std::string_view key = keys_[level];
    const Label *only = nullptr;
    size_t found = 0;
    for (const Label &label : profile_.labels_of(set)) {
      if (profile_.text(label.key) != key) continue;
      only = &label;
      ++found;
    }
    // One text is the rule, and there are few: a long one is not made into a name for every set.
    if (found == 1 && !only->is_number) {
      uint32_t &known = by_text_[level][only->text];
      if (known == kNoCode) known = namer_.add_label(key, profile_.text(only->text));
      return known;
    }
    std::string value;
    bool more = false;
    for (const Label &label : profile_.labels_of(set)) {
      if (profile_.text(label.key) != key) continue;
      if (more) value += ',';
      more = true;
      if (!label.is_number) {
        value += profile_.text(label.text);
      } else {
        value += fmt::format("{}", label.number);
        constexpr size_t kLongestUnit = 64; // every number has it behind
        if (label.unit != 0)
          value.append(1, ' ').append(profile_.text(label.unit).substr(0, kLongestUnit));
      }
    }
    if (found == 0) value.append("(no ").append(key).append(1, ')');
    return namer_.add_label(key, value);
  }

  const Profile &profile_;
  std::span<const std::string_view> keys_;
  FrameNamer &namer_;
  std::vector<PodVector<uint32_t>> by_text_; ///< draft per key and text
  StackTrie trie_;                           ///< `location` is a label's draft
  PodVector<uint32_t> of_set_, begin_, samples_;
};

/// Links what one group needs: walks up from each of its stacks until it meets a record that an
/// earlier walk has linked, so the cost is the records used, not the trie.
class GroupLinker {
public:
  explicit GroupLinker(std::span<Record> records) : records_{records} {}

  void add(uint32_t stack, int64_t value) {
    Record &sample = records_[stack];
    sample.self = add_saturating(sample.self, value);
    if (stack == 0 || sample.next != kUnused) return;
    walks_.push_back(static_cast<uint32_t>(used_.size()));
    for (uint32_t at = stack; at != 0 && records_[at].next == kUnused; at = records_[at].parent) {
      Record &parent = records_[records_[at].parent];
      records_[at].next = parent.first;
      parent.first = at;
      used_.push_back(at);
    }
  }
  /// A later walk hangs below an earlier one, and a walk goes up: taken from the last walk to the
  /// first, children come before parents.
  void sum() {
    size_t end = used_.size();
    for (size_t walk = walks_.size(); walk-- > 0;) {
      for (size_t i = walks_[walk]; i < end; ++i) {
        Record &record = records_[used_[i]];
        record.total = add_saturating(record.total, record.self);
        Record &parent = records_[record.parent];
        parent.total = add_saturating(parent.total, record.total);
      }
      end = walks_[walk];
    }
    records_[0].total = add_saturating(records_[0].total, records_[0].self);
  }
  void reset() {
    used_.push_back(0);
    for (const uint32_t id : used_) {
      Record &record = records_[id];
      record.self = record.total = 0;
      record.first = 0;
      record.next = kUnused;
    }
    used_.clear();
    walks_.clear();
  }

private:
  std::span<Record> records_;
  PodVector<uint32_t> used_, walks_;
};

FlameTree build_grouped(const Profile &profile, const Column &column, Part part, FrameKey key,
                        std::span<const std::string_view> keys, const Context &context) {
  PodVector<Record> records = make_records(profile.stacks);
  const auto values = profile.values(column.index);
  const auto stacks = profile.sample_stacks();
  FrameNamer namer{profile, key};
  const Groups groups{profile, column, part, keys, namer};
  PodVector<char> named;
  named.resize(records.size());
  uint64_t expected = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!wanted(values[i], part)) continue;
    if (stacks[i] >= records.size()) throw_bad_stack();
    for (uint32_t at = stacks[i]; at != 0 && !named[at]; at = records[at].parent, ++expected) {
      named[at] = 1;
      namer.add_location(records[at].location);
    }
  }

  FlameTree tree;
  describe(profile, column, tree);
  namer.finish(tree);
  begin_tree(tree);
  const RecordSource source{records.span(), namer.codes(), namer.runs()};
  Grower<RecordSource> grower{tree, source, {}, context, expected};
  GroupLinker linker{records.span()};
  LabelPath labels{keys.size()};
  PodVector<uint32_t> path;
  path.resize(keys.size());
  for (const uint32_t group : groups.sorted()) {
    for (const uint32_t sample : groups.samples(group)) linker.add(stacks[sample], values[sample]);
    linker.sum();
    groups.path(group, path.span());
    const RecordSource::Cursor root{0, 0};
    grower.grow(labels.enter(tree, path.span()), {&root, 1});
    linker.reset();
  }
  labels.sum(tree);
  finish_nodes(tree);
  return tree;
}

} // namespace

uint32_t LabelPath::enter(FlameTree &tree, std::span<const uint32_t> frames) {
  size_t same = 0;
  while (same < open_.size() && tree.frame[open_[same]] == frames[same]) ++same;
  open_.resize_uninitialized(same);
  for (; same < levels_; ++same) {
    open_.push_back(append_node(tree, frames[same], same == 0 ? 0 : open_[same - 1]));
    nodes_.push_back(open_.back());
  }
  return levels_ == 0 ? 0 : open_.back();
}

void LabelPath::sum(FlameTree &tree) const {
  for (size_t i = nodes_.size(); i-- > 0;) {
    int64_t &total = tree.total[tree.parent[nodes_[i]]];
    total = add_saturating(total, tree.total[nodes_[i]]);
  }
}

} // namespace flame

FlameTree build_flame_tree(const Profile &profile, const FlameOptions &options) {
  using namespace flame;
  check_min_share(options.min_share);
  check_order(options.order);
  if (static_cast<uint32_t>(options.key) > static_cast<uint32_t>(FrameKey::kFileFunction))
    throw Error{Status::kInvalidArgument, "no such frame key"};
  const Context &context = options.context;
  const Column column = look_at_column(profile, options.type);
  if (options.key != FrameKey::kModule) {
    check_expansion(profile, Expansion::kTree);
    if (options.inverted) check_expansion(profile, Expansion::kStacks);
  }
  const size_t labels = column.index == SIZE_MAX ? 0 : options.group_by.size();
  const Finish plain;
  const Finish wanted_finish{options.order, options.min_share};
  const bool halves = column.may_overflow && column.has_positive && column.has_negative;
  const bool one_stage =
      !options.fold_recursion && !options.inverted && options.root_function.empty();
  // Growing one group at a time, siblings at label level are not seen together: those trees are
  // put in order afterwards.
  const bool order_last = labels != 0 || halves;

  const auto grow = [&](Part part, const Finish &finish) {
    return labels == 0
               ? build_whole(profile, column, part, options.key, finish, context)
               : build_grouped(profile, column, part, options.key, options.group_by, context);
  };
  FlameTree tree;
  if (halves)
    tree = join_halves(grow(Part::kPositive, plain), grow(Part::kNegative, plain), context);
  else
    tree = grow(Part::kAll, one_stage ? wanted_finish : plain);

  const Finish &last = order_last ? plain : wanted_finish;
  const bool more = options.inverted || !options.root_function.empty();
  if (options.fold_recursion) tree = fold_recursion(std::move(tree), more ? plain : last, context);
  if (!options.root_function.empty()) {
    tree =
        sandwich(std::move(tree), labels, options.root_function, options.inverted, last, context);
    if (tree.size() == 1)
      throw Error{Status::kNotFound,
                  fmt::format("no stack has a function named \"{}\"", options.root_function)};
  } else if (options.inverted) {
    tree = invert(std::move(tree), labels, last, context);
  }
  if (order_last && !wanted_finish.is_default())
    tree = reorder(std::move(tree), wanted_finish, context);
  tree.frames[0].name = tree.strings.intern(options.root_name);
  drop_unused_frames(tree);
  return tree;
}

} // namespace profcore
