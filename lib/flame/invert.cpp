// Leaf-first trees and sandwiches, made from a plain tree, in which equal stacks are one already.
//
// A stack is a cursor that climbs from its leaf to the root: growing a level moves every cursor one
// parent up, so memory beside the result is one cursor per distinct stack, whatever their depth.
// The result itself is as large as the sum of their depths when little is shared; min_share cuts
// while growing.
#include "flame/builder.hpp"

namespace profcore::flame {
namespace {

struct ClimbSource {
  static constexpr size_t kSides = 1;
  struct Cursor {
    int64_t value;
    uint32_t next; ///< node to enter
    uint32_t reserved;
  };
  const FlameTree &tree;
  size_t labels;

  std::array<int64_t, 1> total(const Cursor &cursor) const { return {cursor.value}; }
  template <class Emit>
  void visit(const Cursor &cursor, std::array<int64_t, 1> &self, Emit &&emit) const {
    if (tree.depth[cursor.next] <= labels)
      self[0] = add_saturating(self[0], cursor.value);
    else
      emit(tree.frame[cursor.next], Cursor{cursor.value, tree.parent[cursor.next], 0});
  }
};

/// A tree downwards, from nodes in its middle.
struct DescendSource {
  static constexpr size_t kSides = 1;
  struct Cursor {
    uint32_t node;
    uint32_t entered;
  };
  const TreeSource below;

  std::array<int64_t, 1> total(const Cursor &cursor) const { return below.total(cursor.node); }
  template <class Emit>
  void visit(const Cursor &cursor, std::array<int64_t, 1> &self, Emit &&emit) const {
    if (cursor.entered == 0) return emit(below.tree.frame[cursor.node], Cursor{cursor.node, 1});
    below.visit(cursor.node, self, [&](uint32_t frame, uint32_t node) {
      emit(frame, Cursor{node, 1});
    });
  }
};

/// Grows a tree group by group; `collect` gives the cursors of the group whose lowest label (or the
/// root) it is called with. Groups without any are left out.
template <class Source, class Collect>
FlameTree regrow(FlameTree &tree, FlameTree shell, const Source &source, size_t labels,
                 const Finish &finish, const Context &context, Collect &&collect) {
  append_node(shell, 0, 0);
  Grower<Source> grower{shell, source, finish, context};
  LabelPath path{labels};
  PodVector<uint32_t> frames;
  frames.resize(labels);
  PodVector<typename Source::Cursor> cursors;
  for (uint32_t i = 0; i < tree.size();) {
    if (tree.depth[i] < labels) {
      ++i;
      continue;
    }
    cursors.clear();
    collect(i, cursors);
    if (!cursors.empty()) {
      for (uint32_t at = i, level = static_cast<uint32_t>(labels); level-- > 0;
           at = tree.parent[at])
        frames[level] = tree.frame[at];
      grower.grow(path.enter(shell, frames.span()), cursors.span());
    }
    i = tree.subtree_end[i];
  }
  path.sum(shell);
  finish_nodes(shell);
  return shell;
}

} // namespace

FlameTree invert(FlameTree tree, size_t labels, const Finish &finish, const Context &context) {
  FlameTree shell = take_shell(tree);
  shell.inverted = true;
  const ClimbSource source{tree, labels};
  return regrow(tree, std::move(shell), source, labels, finish, context,
                [&](uint32_t group, PodVector<ClimbSource::Cursor> &cursors) {
                  for (uint32_t i = group; i < tree.subtree_end[group]; ++i)
                    if (tree.self[i] != 0 || tree.subtree_end[i] == i + 1)
                      cursors.push_back({tree.self[i], i, 0});
                });
}

FlameTree sandwich(FlameTree tree, size_t labels, std::string_view function, bool callers,
                   const Finish &finish, const Context &context) {
  PodVector<char> wanted;
  wanted.resize(tree.frames.size());
  for (size_t i = 1; i < tree.frames.size(); ++i)
    wanted[i] = tree.frames[i].kind != static_cast<uint32_t>(FrameKind::kLabel) &&
                tree.strings[tree.frames[i].name] == function;
  // Below an outermost occurrence nothing is looked for: that counts recursion once.
  const auto each_outermost = [&](uint32_t group, auto &&use) {
    for (uint32_t i = group + 1; i < tree.subtree_end[group];) {
      const bool is_wanted = wanted[tree.frame[i]] != 0;
      if (is_wanted) use(i);
      i = is_wanted ? tree.subtree_end[i] : i + 1;
    }
  };
  FlameTree shell = take_shell(tree);
  shell.inverted = callers;
  if (callers) {
    const ClimbSource source{tree, labels};
    return regrow(
        tree, std::move(shell), source, labels, finish, context,
        [&](uint32_t group, PodVector<ClimbSource::Cursor> &cursors) {
          each_outermost(group, [&](uint32_t i) { cursors.push_back({tree.total[i], i, 0}); });
        });
  }
  const DescendSource source{TreeSource{tree}};
  return regrow(tree, std::move(shell), source, labels, finish, context,
                [&](uint32_t group, PodVector<DescendSource::Cursor> &cursors) {
                  each_outermost(group, [&](uint32_t i) { cursors.push_back({i, 0}); });
                });
}

} // namespace profcore::flame
