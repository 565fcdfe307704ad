// Recursion folded away: a frame that is already on the path is not entered again, the path pops
// back to where it was entered first, and goes on from there. main;a;b;a;c becomes main;a;c.
//
// One walk in preorder keeps the folded path as an array by depth, and for each frame the depth at
// which it was entered last. A frame is on the path when that depth is not past the path's end and
// the path still has the frame there. Popping back only shortens the path, so it costs nothing;
// each node overwrites at most one slot of each array and writes down what was there, and leaving
// the node puts it back. So the walk is linear, however often a deep path folds onto itself.
//
// Folded nodes are not looked up by (parent, frame): repeats are left to the grower, which merges
// equal siblings anyway.
#include "flame/builder.hpp"

namespace profcore::flame {
namespace {

struct Step {
  uint32_t folded;     ///< depth of the folded path at this node
  uint32_t frame;      ///< what was entered, 0 = nothing was
  uint32_t old_record; ///< path slot and frame depth before
  uint32_t old_depth;
};

constexpr uint32_t kNeverEntered = UINT32_MAX;

} // namespace

FlameTree fold_recursion(FlameTree tree, const Finish &finish, const Context &context) {
  PodVector<Record> records;
  records.reserve(tree.size());
  records.push_back({tree.self[0], 0, 0, 0, 0, 0});
  PodVector<uint32_t> path;    ///< record by folded depth
  PodVector<uint32_t> entered; ///< folded depth by frame
  entered.resize(tree.frames.size(), kNeverEntered);
  PodVector<Step> steps; ///< by the depth of the tree walked
  path.push_back(0);
  steps.push_back({0, 0, 0, 0});

  for (uint32_t i = 1; i < tree.size(); ++i) {
    while (steps.size() > tree.depth[i]) {
      const Step &left = steps.back();
      if (left.frame != 0) {
        path[left.folded] = left.old_record;
        entered[left.frame] = left.old_depth;
      }
      steps.pop_back();
    }
    if ((i & 0xffff) == 0) context.report(i, tree.size());
    const uint32_t depth = steps.back().folded;
    const uint32_t frame = tree.frame[i];
    const uint32_t seen = entered[frame];
    const bool folds = seen <= depth && seen != kNeverEntered &&
                       records[path[seen]].location == frame &&
                       tree.frames[frame].kind != static_cast<uint32_t>(FrameKind::kLabel);
    // Where no stack ends, and all go on elsewhere, nothing is left of a node: a;b;a is just a.
    const bool ends = tree.self[i] != 0 || tree.subtree_end[i] == i + 1;
    if (folds) {
      Record &earlier = records[path[seen]];
      earlier.self = add_saturating(earlier.self, tree.self[i]);
      if (ends) earlier.next = 0;
      steps.push_back({seen, 0, 0, 0});
      continue;
    }
    const auto record = static_cast<uint32_t>(records.size());
    records.push_back({tree.self[i], 0, path[depth], frame, 0, ends ? 0 : kUnused});
    if (path.size() <= depth + 1) path.push_back(0);
    steps.push_back({depth + 1, frame, path[depth + 1], seen});
    path[depth + 1] = record;
    entered[frame] = depth + 1;
  }
  link_records(records.span(), [](const Record &) {});

  FlameTree folded = take_shell(tree);
  tree = {};
  append_node(folded, 0, 0);
  const RecordSource source{records.span(), nullptr, nullptr};
  Grower<RecordSource> grower{folded, source, finish, context, records.size()};
  const RecordSource::Cursor root{0, 0};
  grower.grow(0, {&root, 1});
  finish_nodes(folded);
  return folded;
}

} // namespace profcore::flame
