#pragma once

#include "flame/tree.hpp"
#include "output/units.hpp"

namespace profcore {

/// Widths for drawing: a node's total, but never negative and never less than its children's widths
/// together (sums with negative members, saturated sums), so that children fit inside parents.
/// One reverse pass over the preorder.
inline PodVector<int64_t> layout_widths(const FlameTree &tree, const PodVector<int64_t> &totals) {
  PodVector<int64_t> widths;
  PodVector<int64_t> children;
  widths.resize(tree.size());
  children.resize(tree.size());
  for (size_t node = tree.size(); node-- > 0;) {
    const int64_t own = totals[node] > 0 ? totals[node] : 0;
    widths[node] = own > children[node] ? own : children[node];
    if (node != 0) {
      int64_t &sum = children[tree.parent[node]];
      sum = saturating_sum(sum, widths[node]);
    }
  }
  return widths;
}

} // namespace profcore
