#pragma once

// How every tree here is grown.
//
// A tree node stands for a set of cursors into some source: trie nodes (build), nodes of one or two
// trees (sandwich, diff, new order), or stacks on their way up to the root (invert). To grow a node
// its cursors are visited once; each names the frames it goes on to; equal frames are one child,
// and that child's cursors are what led there. Children are put in display order at once and a node
// is written when it is popped, so the columns come out in preorder with siblings sorted: there is
// no second layout pass, no permutation, and no recursion.
//
// "Equal frames" needs no hash table: a stamp per frame says which node saw it last and as which
// child. Stamps are as many as frames, which fit a cache where nodes do not. The alternative, one
// hash look-up by (parent, frame) per node and then sorting nodes into preorder, costs a miss in a
// table as large as the tree per node and several more for the permutation.
//
// Cost: one visit per cursor, plus sorting the children of each node. Memory beside the tree: the
// cursors of siblings that wait, at most one per source node.

#include "flame/frames.hpp"
#include "flame/tree.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace profcore::flame {

inline int64_t add_saturating(int64_t a, int64_t b) noexcept {
  int64_t sum;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b < 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
}

inline uint64_t magnitude(int64_t value) noexcept {
  return value < 0 ? -static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
}

/// What a grower does beside merging.
struct Finish {
  NodeOrder order = NodeOrder::kName;
  double min_share = 0;
  bool is_default() const noexcept { return order == NodeOrder::kName && !(min_share > 0); }
};

void check_min_share(double min_share);
void check_order(NodeOrder order);

/// Everything of `from` but its nodes; strings and frames are moved.
FlameTree take_shell(FlameTree &from);
/// The same of a tree that stays; ids are equal.
FlameTree copy_shell(const FlameTree &from);
/// Appends a node without values.
uint32_t append_node(FlameTree &tree, uint32_t frame, uint32_t parent, bool diff = false);
/// Makes room for as many nodes.
void reserve_nodes(FlameTree &tree, size_t nodes);
/// Fills subtree_end and gives back spare memory.
void finish_nodes(FlameTree &tree);

/// Source: `Cursor`, `kSides`, `total(cursor) -> array<int64_t, kSides>`,
/// `visit(cursor, self, emit)` adds to self and calls emit(frame, cursor) for what comes next.
template <class Source> class Grower {
public:
  using Cursor = typename Source::Cursor;
  static constexpr size_t kSides = Source::kSides;
  using Values = std::array<int64_t, kSides>;

  Grower(FlameTree &tree, const Source &source, const Finish &finish, const Context &context,
         uint64_t expected_visits = 0)
      : tree_{tree}, source_{source}, finish_{finish}, context_{context}, expected_{
                                                                              expected_visits} {
    stamps_.resize(tree.frames.size(), {UINT32_MAX, 0});
  }

  /// Grows everything below `node`, the last one of the tree, whose cursors these are.
  void grow(uint32_t node, std::span<const Cursor> cursors) {
    cursors_.append(cursors);
    Values total{};
    for (const Cursor &cursor : cursors) add(total, source_.total(cursor));
    set(tree_.total, tree_.base_total, node, total);
    uint64_t largest = 0;
    for (const int64_t side : total) largest = std::max(largest, magnitude(side));
    threshold_ = finish_.min_share * static_cast<double>(largest);
    expand(node, cursors.size());
    while (!pending_.empty()) {
      const Pending next = pending_.back();
      pending_.pop_back();
      const uint32_t added = append_node(tree_, next.frame, next.parent, kSides == 2);
      set(tree_.total, tree_.base_total, added, next.total);
      if ((added & 0xffff) == 0) check();
      expand(added, next.cursors);
    }
  }

private:
  struct Pending {
    uint32_t frame;
    uint32_t parent;
    size_t cursors;
    Values total;
  };
  struct Stamp {
    uint32_t node;
    uint32_t child;
  };
  struct Child {
    uint32_t frame;
    uint32_t reserved;
    size_t cursors;
    size_t place;
    Values total;
  };
  struct Found {
    Cursor cursor;
    uint32_t child;
  };

  static void add(Values &sum, const Values &values) {
    for (size_t i = 0; i < kSides; ++i) sum[i] = add_saturating(sum[i], values[i]);
  }
  static void set(PodVector<int64_t> &column, PodVector<int64_t> &base, uint32_t node,
                  const Values &values) {
    column[node] = values[0];
    if constexpr (kSides == 2) base[node] = values[1];
  }
  static uint64_t weight(const Values &values) {
    uint64_t weight = 0;
    for (const int64_t side : values) weight = std::max(weight, magnitude(side));
    return weight;
  }
  bool too_small(const Values &total) const {
    return static_cast<double>(weight(total)) < threshold_;
  }

  void expand(uint32_t node, size_t count) {
    const size_t begin = cursors_.size() - count;
    Values self{};
    found_.clear();
    children_.clear();
    for (size_t i = begin; i < cursors_.size(); ++i)
      source_.visit(cursors_[i], self, [&](uint32_t frame, const Cursor &cursor) {
        Stamp &stamp = stamps_[frame];
        if (stamp.node != node) {
          stamp = {node, static_cast<uint32_t>(children_.size())};
          children_.push_back({frame, 0, 0, 0, {}});
        }
        Child &child = children_[stamp.child];
        ++child.cursors;
        add(child.total, source_.total(cursor));
        found_.push_back({cursor, stamp.child});
      });
    visits_ += count;
    set(tree_.self, tree_.base_self, node, self);
    cursors_.resize_uninitialized(begin);
    if (children_.empty()) return;
    if (children_.size() == 1) {
      const Child &only = children_[0];
      if (cut(only)) return;
      pending_.push_back({only.frame, node, only.cursors, only.total});
      for (const Found &found : found_) cursors_.push_back(found.cursor);
      return;
    }
    arrange();
    // Last to show goes in first, as pending nodes are taken from the end.
    size_t place = begin;
    for (size_t i = order_.size(); i-- > 0;) {
      Child &child = children_[order_[i].child];
      if (cut(child)) {
        child.place = SIZE_MAX;
        continue;
      }
      child.place = place;
      place += child.cursors;
      pending_.push_back({child.frame, node, child.cursors, child.total});
    }
    cursors_.resize_uninitialized(place);
    for (const Found &found : found_)
      if (size_t &at = children_[found.child].place; at != SIZE_MAX) cursors_[at++] = found.cursor;
  }

  bool cut(const Child &child) {
    if (!too_small(child.total)) return false;
    ++tree_.pruned_nodes;
    tree_.pruned_value = add_saturating(tree_.pruned_value, child.total[0]);
    return true;
  }

  void arrange() {
    order_.clear();
    for (uint32_t i = 0; i < children_.size(); ++i) order_.push_back({children_[i].frame, i});
    if (finish_.order == NodeOrder::kName) {
      std::sort(order_.begin(), order_.end(),
                [](const Placed &a, const Placed &b) { return a.frame < b.frame; });
    } else {
      std::sort(order_.begin(), order_.end(), [&](const Placed &a, const Placed &b) {
        const int64_t x = biggest(children_[a.child].total);
        const int64_t y = biggest(children_[b.child].total);
        return x != y ? x > y : a.frame < b.frame;
      });
    }
  }
  static int64_t biggest(const Values &values) {
    return *std::max_element(values.begin(), values.end());
  }

  void check() {
    context_.report(visits_, std::max(visits_, expected_));
    const uint64_t bytes = tree_.size() * (kSides == 2 ? 48 : 32) + cursors_.bytes() +
                           pending_.bytes() + found_.bytes();
    if (bytes > context_.limits.max_result_bytes)
      throw Error{Status::kLimit, "the flame tree would be larger than max_result_bytes"};
  }

  struct Placed {
    uint32_t frame;
    uint32_t child;
  };

  FlameTree &tree_;
  const Source &source_;
  const Finish finish_;
  const Context &context_;
  uint64_t expected_;
  uint64_t visits_ = 0;
  double threshold_ = 0;
  PodVector<Stamp> stamps_;
  PodVector<Cursor> cursors_;
  PodVector<Pending> pending_;
  PodVector<Child> children_;
  PodVector<Found> found_;
  PodVector<Placed> order_;
};

/// A trie made ready to be walked downwards: half a cache line per node holds all that growing
/// reads.
struct Record {
  int64_t self;
  int64_t total;
  uint32_t parent;
  uint32_t location; ///< index into the codes, or the frame itself without codes
  uint32_t first;    ///< child; 0 = none, as the root is nobody's child
  uint32_t next;     ///< sibling; kUnused until a sample or a descendant needs the record
};
constexpr uint32_t kUnused = UINT32_MAX;

/// Links the records that are needed (parent < child) and sums totals, in one reverse pass.
template <class Needed> void link_records(std::span<Record> records, Needed &&needed) {
  for (size_t i = records.size(); i-- > 1;) {
    Record &record = records[i];
    if (record.next == kUnused && record.first == 0) continue;
    needed(record);
    record.total = add_saturating(record.total, record.self);
    Record &parent = records[record.parent];
    parent.total = add_saturating(parent.total, record.total);
    record.next = parent.first;
    parent.first = static_cast<uint32_t>(i);
  }
  records[0].total = add_saturating(records[0].total, records[0].self);
}

struct RecordSource {
  static constexpr size_t kSides = 1;
  struct Cursor {
    uint32_t record;
    uint32_t run; ///< the line to enter next, 0 = all lines are entered
  };
  std::span<const Record> records;
  const uint32_t *codes; ///< nullptr: `location` is a frame
  const uint32_t *runs;

  std::array<int64_t, 1> total(const Cursor &cursor) const {
    return {records[cursor.record].total};
  }
  template <class Emit>
  void visit(const Cursor &cursor, std::array<int64_t, 1> &self, Emit &&emit) const {
    if (cursor.run != 0) return step(cursor.record, cursor.run, emit);
    const Record &at = records[cursor.record];
    self[0] = add_saturating(self[0], at.self);
    for (uint32_t child = at.first; child != 0; child = records[child].next) {
      const Record &record = records[child];
      __builtin_prefetch(&records[record.first]);
      const uint32_t code = codes != nullptr ? codes[record.location] : record.location;
      if ((code & kMany) == 0)
        emit(code, Cursor{child, 0});
      else
        step(child, code & ~kMany, emit);
    }
  }
  template <class Emit> void step(uint32_t record, uint32_t run, Emit &&emit) const {
    const uint32_t frame = runs[run];
    emit(frame & ~kMore, Cursor{record, (frame & kMore) != 0 ? run + 1 : 0});
  }
};

/// Nodes of a tree, downwards. What pruning left out of a total stays in it.
struct TreeSource {
  static constexpr size_t kSides = 1;
  using Cursor = uint32_t;
  const FlameTree &tree;

  std::array<int64_t, 1> total(uint32_t node) const { return {tree.total[node]}; }
  template <class Emit> void visit(uint32_t node, std::array<int64_t, 1> &self, Emit &&emit) const {
    self[0] = add_saturating(self[0], tree.self[node]);
    const uint32_t end = tree.subtree_end[node];
    for (uint32_t child = node + 1; child < end; child = tree.subtree_end[child])
      emit(tree.frame[child], child);
  }
};

/// Writes the label nodes over each group, groups coming in the order of their frames.
class LabelPath {
public:
  explicit LabelPath(size_t levels) : levels_{levels} {}
  /// The node to grow this group under.
  uint32_t enter(FlameTree &tree, std::span<const uint32_t> frames);
  /// Sums the groups' totals up to the root.
  void sum(FlameTree &tree) const;

private:
  size_t levels_;
  PodVector<uint32_t> open_, nodes_;
};

// Stages of build_flame_tree; each takes the tree before it. `labels` = grouping levels on top.
FlameTree fold_recursion(FlameTree tree, const Finish &finish, const Context &context);
FlameTree invert(FlameTree tree, size_t labels, const Finish &finish, const Context &context);
/// Callees (or callers) of a function; an empty tree when it is nowhere.
FlameTree sandwich(FlameTree tree, size_t labels, std::string_view function, bool callers,
                   const Finish &finish, const Context &context);
FlameTree reorder(FlameTree tree, const Finish &finish, const Context &context);
/// Positive and negative halves of a column whose sums could leave 64 bits.
FlameTree join_halves(const FlameTree &positive, const FlameTree &negative, const Context &context);

} // namespace profcore::flame
