#pragma once

#include "flame/tree.hpp"
#include "output/units.hpp"

namespace profcore {

/// Widths for drawing: a node's total, but never negative and never less than its children's widths
/// together (sums with negative members, saturated sums), so that children fit inside parents.
/// One reverse pass over the preorder, in which the children's sum of the open node of each depth
/// is all there is to keep.
inline PodVector<int64_t> layout_widths(const FlameTree &tree, const PodVector<int64_t> &totals) {
  PodVector<int64_t> widths;
  PodVector<int64_t> sums;
  widths.resize_uninitialized(tree.size());
  for (size_t node = tree.size(); node-- > 0;) {
    const size_t depth = tree.depth[node];
    if (sums.size() < depth + 2) sums.resize(depth + 2);
    const int64_t own = totals[node] > 0 ? totals[node] : 0;
    widths[node] = own > sums[depth + 1] ? own : sums[depth + 1];
    sums[depth + 1] = 0;
    sums[depth] = saturating_sum(sums[depth], widths[node]);
  }
  return widths;
}

} // namespace profcore
