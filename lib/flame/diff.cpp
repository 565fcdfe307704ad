// The union of two trees: the grower's cursors come from both, and a node is what either has there.
#include "flame/builder.hpp"

#include <fmt/format.h>

namespace profcore {
namespace flame {
namespace {

struct Side {
  const FlameTree *tree;
  std::span<const uint32_t> frame; ///< of the union, by the tree's own
  std::span<const int64_t> self;
  std::span<const int64_t> total;
};

struct UnionSource {
  static constexpr size_t kSides = 2;
  struct Cursor {
    uint32_t node;
    uint32_t side;
  };
  std::array<Side, 2> sides; ///< 0 is the tree, 1 the baseline

  std::array<int64_t, 2> total(const Cursor &cursor) const {
    std::array<int64_t, 2> values{};
    values[cursor.side] = sides[cursor.side].total[cursor.node];
    return values;
  }
  template <class Emit>
  void visit(const Cursor &cursor, std::array<int64_t, 2> &self, Emit &&emit) const {
    const Side &side = sides[cursor.side];
    self[cursor.side] = add_saturating(self[cursor.side], side.self[cursor.node]);
    const FlameTree &tree = *side.tree;
    const uint32_t end = tree.subtree_end[cursor.node];
    for (uint32_t child = cursor.node + 1; child < end; child = tree.subtree_end[child])
      emit(side.frame[tree.frame[child]], Cursor{child, cursor.side});
  }
};

struct Scaled {
  PodVector<int64_t> self;
  PodVector<int64_t> total;
};

int64_t clamp(int128_t value) {
  if (value > INT64_MAX) return INT64_MAX;
  return value < INT64_MIN ? INT64_MIN : static_cast<int64_t>(value);
}

/// Scales a tree from total `from` to total `to`. Not each value is rounded but each border in the
/// running sum over the tree in preorder: a node covers [at, at + total), its self value the front
/// of that, its children what follows. So every node is within 1 of the exact value, parents are
/// exactly the sum of their parts, and the root is exactly `to`; a million selfs of 1 scaled by
/// 0.4 do not all vanish.
Scaled scale(const FlameTree &tree, int64_t from, int64_t to) {
  const auto border = [&](int128_t at) -> int128_t {
    // at <= 2^64 in magnitude even when totals are saturated: no overflow.
    const int128_t product = at * to;
    const int128_t half = from / 2;
    return product >= 0 ? (product + half) / from : -((-product + half) / from);
  };
  const size_t size = tree.size();
  Scaled scaled;
  scaled.self.resize_uninitialized(size);
  scaled.total.resize_uninitialized(size);
  PodVector<int64_t> free; ///< where the next child of a node begins
  free.resize_uninitialized(size);
  for (uint32_t i = 0; i < size; ++i) {
    int64_t begin = 0;
    if (i != 0) {
      int64_t &next = free[tree.parent[i]];
      begin = next;
      next = add_saturating(next, tree.total[i]);
    }
    free[i] = add_saturating(begin, tree.self[i]);
    const int128_t low = border(begin);
    scaled.self[i] = clamp(border(static_cast<int128_t>(begin) + tree.self[i]) - low);
    scaled.total[i] = clamp(border(static_cast<int128_t>(begin) + tree.total[i]) - low);
  }
  return scaled;
}

FlameTree unite(const FlameTree &baseline, std::span<const int64_t> base_self,
                std::span<const int64_t> base_total, const FlameTree &tree, const Finish &finish,
                const Context &context) {
  std::vector<FrameDraft> drafts;
  drafts.reserve(tree.frames.size() + baseline.frames.size() - 2);
  for (const FlameTree *side : {&tree, &baseline})
    for (uint32_t i = 1; i < side->frames.size(); ++i) drafts.push_back(draft_of(*side, i));
  FlameTree united;
  united.key = tree.key;
  PodVector<uint32_t> frames = place_frames(drafts, united);
  united.frames[0].name = united.strings.intern(tree.strings[tree.frames[0].name]);
  const size_t own = tree.frames.size() - 1;
  // A tree's frame i is draft i - 1 of its side; the root's frame is never asked for.
  PodVector<uint32_t> map[2];
  map[0].push_back(0);
  map[0].append(frames.span().first(own));
  map[1].push_back(0);
  map[1].append(frames.span().subspan(own));

  united.type = united.strings.intern(tree.strings[tree.type]);
  united.unit = united.strings.intern(tree.strings[tree.unit]);
  united.period = tree.period;
  united.inverted = tree.inverted;
  united.saturated = tree.saturated || baseline.saturated;
  united.pruned_nodes = tree.pruned_nodes + baseline.pruned_nodes;
  united.pruned_value = add_saturating(tree.pruned_value, baseline.pruned_value);

  append_node(united, 0, 0, true);
  const UnionSource source{{Side{&tree, map[0].span(), tree.self.span(), tree.total.span()},
                            Side{&baseline, map[1].span(), base_self, base_total}}};
  Grower<UnionSource> grower{united, source, finish, context, tree.size() + baseline.size()};
  const UnionSource::Cursor roots[] = {{0, 0}, {0, 1}};
  grower.grow(0, roots);
  finish_nodes(united);
  return united;
}

} // namespace

FlameTree join_halves(const FlameTree &positive, const FlameTree &negative,
                      const Context &context) {
  FlameTree joined =
      unite(negative, negative.self.span(), negative.total.span(), positive, {}, context);
  for (size_t i = 0; i < joined.size(); ++i) {
    joined.self[i] = add_saturating(joined.self[i], joined.base_self[i]);
    joined.total[i] = add_saturating(joined.total[i], joined.base_total[i]);
  }
  joined.base_self = {};
  joined.base_total = {};
  for (const auto &[key, value] : positive.meta)
    joined.meta.emplace_back(joined.strings.intern(positive.strings[key]),
                             joined.strings.intern(positive.strings[value]));
  return joined;
}

} // namespace flame

FlameTree diff_flame_trees(const FlameTree &baseline, const FlameTree &tree,
                           const DiffOptions &options) {
  using namespace flame;
  check_min_share(options.min_share);
  check_order(options.order);
  if (baseline.is_diff() || tree.is_diff())
    throw Error{Status::kInvalidArgument, "a diff cannot be compared again"};
  if (baseline.size() == 0 || tree.size() == 0)
    throw Error{Status::kInvalidArgument, "a flame tree has at least its root"};
  if (baseline.inverted != tree.inverted)
    throw Error{Status::kInvalidArgument, "only one of the trees is inverted"};
  if (baseline.key != tree.key)
    throw Error{Status::kInvalidArgument, "the trees were built by different frame keys"};
  const auto describe = [](const FlameTree &side) {
    return fmt::format("{}/{}", side.strings[side.type], side.strings[side.unit]);
  };
  if (const std::string was = describe(baseline), now = describe(tree); was != now)
    throw Error{Status::kInvalidArgument, fmt::format("cannot compare {} with {}", was, now)};

  options.context.report(0, baseline.size() + tree.size());
  const int64_t from = baseline.total[0];
  const int64_t to = tree.total[0];
  const bool scales = options.normalise && from > 0 && to >= 0;
  Scaled scaled;
  if (scales) scaled = scale(baseline, from, to);
  FlameTree diff = unite(baseline, scales ? scaled.self.span() : baseline.self.span(),
                         scales ? scaled.total.span() : baseline.total.span(), tree,
                         {options.order, options.min_share}, options.context);
  diff.normalised = scales;
  const auto add_meta = [&](const FlameTree &side, std::string_view prefix) {
    for (const auto &[key, value] : side.meta)
      diff.meta.emplace_back(diff.strings.intern(fmt::format("{}{}", prefix, side.strings[key])),
                             diff.strings.intern(side.strings[value]));
  };
  add_meta(tree, "");
  add_meta(baseline, "baseline ");
  drop_unused_frames(diff);
  return diff;
}

} // namespace profcore
