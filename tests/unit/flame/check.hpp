#pragma once

#include "flame/tree.hpp"

#include <doctest/doctest.h>
#include <string>

/// What holds for every tree that nothing was pruned from.
inline void check_shape(const profcore::FlameTree &tree, bool pruned = false) {
  using namespace profcore;
  const size_t size = tree.size();
  REQUIRE(size >= 1);
  REQUIRE(tree.parent.size() == size);
  REQUIRE(tree.depth.size() == size);
  REQUIRE(tree.subtree_end.size() == size);
  REQUIRE(tree.self.size() == size);
  REQUIRE(tree.total.size() == size);
  REQUIRE(tree.frame[0] == 0);
  REQUIRE(tree.subtree_end[0] == size);
  std::vector<int64_t> sums(tree.self.begin(), tree.self.end());
  bool good = true;
  for (uint32_t i = 1; i < size; ++i) {
    const uint32_t parent = tree.parent[i];
    good &= parent < i && tree.depth[i] == tree.depth[parent] + 1 && i < tree.subtree_end[parent];
    good &= tree.subtree_end[i] > i && tree.subtree_end[i] <= tree.subtree_end[parent];
    good &= tree.frame[i] != 0 && tree.frame[i] < tree.frames.size();
    sums[parent] += tree.total[i];
  }
  CHECK(good);
  if (!pruned) CHECK(sums == std::vector<int64_t>(tree.total.begin(), tree.total.end()));
}

inline bool same_tree(const profcore::FlameTree &a, const profcore::FlameTree &b) {
  using namespace profcore;
  const auto same = [](const auto &x, const auto &y) {
    return x.size() == y.size() && std::equal(x.begin(), x.end(), y.begin());
  };
  if (!same(a.frame, b.frame) || !same(a.parent, b.parent) || !same(a.depth, b.depth)) return false;
  if (!same(a.subtree_end, b.subtree_end) || !same(a.self, b.self) || !same(a.total, b.total))
    return false;
  if (!same(a.base_self, b.base_self) || !same(a.base_total, b.base_total)) return false;
  if (a.frames.size() != b.frames.size() || a.strings.size() != b.strings.size()) return false;
  for (StringId i = 0; i < a.strings.size(); ++i)
    if (a.strings[i] != b.strings[i]) return false;
  for (size_t i = 0; i < a.frames.size(); ++i) {
    const FlameFrame &x = a.frames[i];
    const FlameFrame &y = b.frames[i];
    if (x.name != y.name || x.file != y.file || x.module != y.module || x.kind != y.kind ||
        x.line != y.line || x.address != y.address)
      return false;
  }
  return a.pruned_nodes == b.pruned_nodes && a.pruned_value == b.pruned_value;
}
