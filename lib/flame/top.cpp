#include "flame/builder.hpp"

namespace profcore {
namespace {

bool is_label(const FlameTree &tree, uint32_t node) {
  return tree.frames[tree.frame[node]].kind == static_cast<uint32_t>(FrameKind::kLabel);
}

int128_t delta(const TopRow &row) {
  return static_cast<int128_t>(row.self) - row.base_self;
}

uint128_t delta_size(const TopRow &row) {
  const int128_t value = delta(row);
  return static_cast<uint128_t>(value < 0 ? -value : value);
}

} // namespace

std::vector<TopRow> top(const FlameTree &tree, TopOrder order, size_t limit) {
  using namespace flame;
  if (static_cast<uint32_t>(order) > static_cast<uint32_t>(TopOrder::kDelta))
    throw Error{Status::kInvalidArgument, "no such order of a top table"};
  const bool diff = tree.is_diff();
  std::vector<TopRow> by_frame(tree.frames.size());
  PodVector<uint32_t> active; ///< how often a frame is on the path
  active.resize(tree.frames.size());
  PodVector<char> used;
  used.resize(tree.frames.size());
  PodVector<uint32_t> path; ///< frames, by depth
  if (tree.size() != 0) path.push_back(0);
  for (uint32_t i = 1; i < tree.size(); ++i) {
    while (path.size() > tree.depth[i]) {
      --active[path.back()];
      path.pop_back();
    }
    const uint32_t frame = tree.frame[i];
    path.push_back(frame);
    TopRow &row = by_frame[frame];
    used[frame] = 1;
    if (active[frame]++ == 0) {
      row.total = add_saturating(row.total, tree.total[i]);
      if (diff) row.base_total = add_saturating(row.base_total, tree.base_total[i]);
    }
    // A leaf of the stacks: the first frame under the root and the labels of an inverted tree.
    const bool leaf_end = tree.inverted && !is_label(tree, i) &&
                          (tree.parent[i] == 0 || is_label(tree, tree.parent[i]));
    const auto &self = tree.inverted ? tree.total : tree.self;
    const auto &base_self = tree.inverted ? tree.base_total : tree.base_self;
    if (!tree.inverted || leaf_end) {
      row.self = add_saturating(row.self, self[i]);
      if (diff) row.base_self = add_saturating(row.base_self, base_self[i]);
    }
  }

  std::vector<TopRow> rows;
  for (uint32_t frame = 1; frame < by_frame.size(); ++frame) {
    if (used[frame] == 0) continue;
    by_frame[frame].frame = frame;
    rows.push_back(by_frame[frame]);
  }
  const auto before = [&](const TopRow &a, const TopRow &b) {
    switch (order) {
    case TopOrder::kSelf:
      if (a.self != b.self) return a.self > b.self;
      break;
    case TopOrder::kTotal:
      if (a.total != b.total) return a.total > b.total;
      break;
    case TopOrder::kDelta:
      if (delta_size(a) != delta_size(b)) return delta_size(a) > delta_size(b);
      if (delta(a) != delta(b)) return delta(a) > delta(b);
      break;
    case TopOrder::kName:
      break;
    }
    return a.frame < b.frame; // frames are in order of name
  };
  if (limit != 0 && limit < rows.size()) {
    std::partial_sort(rows.begin(), rows.begin() + static_cast<ptrdiff_t>(limit), rows.end(),
                      before);
    rows.resize(limit);
  } else {
    std::sort(rows.begin(), rows.end(), before);
  }
  return rows;
}

} // namespace profcore
