#include "flame/builder.hpp"

namespace profcore {

size_t FlameTree::bytes() const noexcept {
  return sizeof *this + strings.bytes() + frames.bytes() + frame.bytes() + parent.bytes() +
         depth.bytes() + subtree_end.bytes() + self.bytes() + total.bytes() + base_self.bytes() +
         base_total.bytes() + meta.capacity() * sizeof meta[0];
}

namespace flame {

void check_min_share(double min_share) {
  if (!(min_share >= 0 && min_share <= 1))
    throw Error{Status::kInvalidArgument, "min_share must be from 0 to 1"};
}

void check_order(NodeOrder order) {
  if (order != NodeOrder::kName && order != NodeOrder::kTotal)
    throw Error{Status::kInvalidArgument, "no such node order"};
}

namespace {

void copy_facts(const FlameTree &from, FlameTree &to) {
  to.frames = from.frames;
  to.type = from.type;
  to.unit = from.unit;
  to.period = from.period;
  to.key = from.key;
  to.inverted = from.inverted;
  to.normalised = from.normalised;
  to.saturated = from.saturated;
  to.pruned_nodes = from.pruned_nodes;
  to.pruned_value = from.pruned_value;
  to.meta = from.meta;
}

} // namespace

FlameTree take_shell(FlameTree &from) {
  FlameTree shell;
  copy_facts(from, shell);
  shell.strings = std::move(from.strings);
  return shell;
}

FlameTree copy_shell(const FlameTree &from) {
  FlameTree shell;
  copy_facts(from, shell);
  for (const StringRef &text : from.strings.refs()) shell.strings.intern({text.data, text.size});
  return shell;
}

uint32_t append_node(FlameTree &tree, uint32_t frame, uint32_t parent, bool diff) {
  const size_t size = tree.frame.size();
  if (size >= UINT32_MAX - 1)
    throw Error{Status::kLimit, "more than 4294967294 nodes in a flame tree"};
  const uint32_t depth = size == 0 ? 0 : tree.depth[parent] + 1;
  tree.frame.push_back(frame);
  tree.parent.push_back(parent);
  tree.depth.push_back(depth);
  tree.self.push_back(0);
  tree.total.push_back(0);
  if (diff) {
    tree.base_self.push_back(0);
    tree.base_total.push_back(0);
  }
  return static_cast<uint32_t>(size);
}

void reserve_nodes(FlameTree &tree, size_t nodes) {
  tree.frame.reserve(nodes);
  tree.parent.reserve(nodes);
  tree.depth.reserve(nodes);
  tree.self.reserve(nodes);
  tree.total.reserve(nodes);
}

void finish_nodes(FlameTree &tree) {
  const auto size = static_cast<uint32_t>(tree.size());
  tree.subtree_end.resize_uninitialized(size);
  for (uint32_t i = 0; i < size; ++i) tree.subtree_end[i] = i + 1;
  for (uint32_t i = size; i-- > 1;) {
    uint32_t &end = tree.subtree_end[tree.parent[i]];
    end = std::max(end, tree.subtree_end[i]);
  }
  tree.frame.shrink_to_fit();
  tree.parent.shrink_to_fit();
  tree.depth.shrink_to_fit();
  tree.subtree_end.shrink_to_fit();
  tree.self.shrink_to_fit();
  tree.total.shrink_to_fit();
  tree.base_self.shrink_to_fit();
  tree.base_total.shrink_to_fit();
}

} // namespace flame
} // namespace profcore
