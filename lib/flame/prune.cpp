#include "flame/builder.hpp"

namespace profcore {
namespace flame {

FlameTree reorder(FlameTree tree, const Finish &finish, const Context &context) {
  FlameTree ordered = take_shell(tree);
  append_node(ordered, 0, 0);
  const TreeSource source{tree};
  Grower<TreeSource> grower{ordered, source, finish, context, tree.size()};
  const uint32_t root = 0;
  grower.grow(0, {&root, 1});
  finish_nodes(ordered);
  return ordered;
}

} // namespace flame

FlameTree prune_flame_tree(const FlameTree &tree, double min_share) {
  using namespace flame;
  check_min_share(min_share);
  const bool diff = tree.is_diff();
  const auto weight = [&](uint32_t node) {
    const uint64_t own = magnitude(tree.total[node]);
    return static_cast<double>(diff ? std::max(own, magnitude(tree.base_total[node])) : own);
  };
  FlameTree pruned = copy_shell(tree);
  if (tree.size() == 0) return pruned;
  const double threshold = min_share * weight(0);
  PodVector<uint32_t> moved;
  moved.resize_uninitialized(tree.size());
  for (uint32_t i = 0; i < tree.size();) {
    if (i != 0 && weight(i) < threshold) {
      ++pruned.pruned_nodes;
      pruned.pruned_value = add_saturating(pruned.pruned_value, tree.total[i]);
      i = tree.subtree_end[i];
      continue;
    }
    const uint32_t parent = i == 0 ? 0 : moved[tree.parent[i]];
    const uint32_t node = moved[i] = append_node(pruned, tree.frame[i], parent, diff);
    pruned.self[node] = tree.self[i];
    pruned.total[node] = tree.total[i];
    if (diff) {
      pruned.base_self[node] = tree.base_self[i];
      pruned.base_total[node] = tree.base_total[i];
    }
    ++i;
  }
  finish_nodes(pruned);
  drop_unused_frames(pruned);
  return pruned;
}

} // namespace profcore
