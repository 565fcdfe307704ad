#pragma once

#include "base/error.hpp"
#include "base/hash.hpp"
#include "base/intern_index.hpp"

#include <cstdint>
#include <span>

namespace profcore {

using StackId = uint32_t; ///< 0 is the empty stack

/// One stack = its caller's stack plus a location. 8 bytes.
struct StackNode {
  StackId parent;
  uint32_t location;
};

/// All stacks of a profile as a prefix trie over locations, root first.
///
/// A stack is its deepest node's id; equal prefixes are shared; `parent < child` always, so one
/// forward pass sees every caller before its callees and one reverse pass sums totals, whatever the
/// depth. The alternative, an array of locations per stack, costs 4 bytes per frame of every stack
/// and has to be hashed whole.
///
/// A node made right after its parent is that parent's first child and stands next to it, so it
/// needs no index: walking an old path reads consecutive nodes, and a new suffix is appended
/// without any look-up. Only second and later children are in the hash index, at most one per
/// distinct stack.
class StackTrie {
public:
  StackTrie() : seed_{random_hash_seed()} { nodes_.push_back({0, 0}); }

  StackId child(StackId parent, uint32_t location) {
    return child(parent, location, hash_of(parent, location));
  }
  /// `child` in steps, for callers that walk several stacks side by side: a step misses the cache
  /// up to three times in a large trie, and the misses of independent stacks overlap.
  uint64_t hash_of(StackId parent, uint32_t location) const noexcept {
    return hash_u64(pack(parent, location), seed_);
  }
  void prefetch_slot(StackId parent, uint64_t hash) const noexcept {
    __builtin_prefetch(nodes_.data() + parent + 1);
    index_.prefetch(hash);
  }
  void prefetch_node(uint64_t hash) const noexcept {
    const uint32_t id = index_.candidate(hash);
    if (id != InternIndex::kNotFound) __builtin_prefetch(&nodes_[id]);
  }
  StackId child(StackId parent, uint32_t location, uint64_t hash) {
    const size_t next = size_t{parent} + 1;
    if (next >= nodes_.size()) return append_unindexed(parent, location);
    const uint64_t key = pack(parent, location);
    if (pack(nodes_[next].parent, nodes_[next].location) == key) return static_cast<StackId>(next);
    return index_.find_or_insert(
        hash, [&](uint32_t id) { return pack(nodes_[id].parent, nodes_[id].location) == key; },
        [&] { return append_unindexed(parent, location); });
  }
  /// Like `child`, for a caller that knows that the pair is new. The pair is not looked up later:
  /// mixing this with `child` under the same parent makes duplicates (harmless, merged in trees).
  StackId append_unindexed(StackId parent, uint32_t location) {
    if (nodes_.size() >= UINT32_MAX - 1)
      throw Error{Status::kLimit, "more than 4294967294 distinct stacks"};
    nodes_.push_back({parent, location});
    return static_cast<StackId>(nodes_.size() - 1);
  }
  StackId add_root_first(std::span<const uint32_t> locations) {
    StackId stack = 0;
    for (const uint32_t location : locations) stack = child(stack, location);
    return stack;
  }
  StackId add_leaf_first(std::span<const uint32_t> locations) {
    StackId stack = 0;
    for (size_t i = locations.size(); i-- > 0;) stack = child(stack, locations[i]);
    return stack;
  }

  /// New nodes one below the other, the first below the last node there is.
  void append_below_last(std::span<const uint32_t> root_first) {
    if (root_first.size() > UINT32_MAX - 1 - nodes_.size())
      throw Error{Status::kLimit, "more than 4294967294 distinct stacks"};
    const size_t first = nodes_.size();
    nodes_.resize_uninitialized(first + root_first.size());
    StackNode *const added = nodes_.data() + first;
    const auto parent = static_cast<StackId>(first - 1);
    for (size_t i = 0; i < root_first.size(); ++i)
      added[i] = {parent + static_cast<StackId>(i), root_first[i]};
  }

  /// A stack on its way into the trie: `left` locations, leaf first, are not found yet below `at`.
  struct Walk {
    const uint32_t *leaf_first;
    size_t left;
    StackId at;
  };
  /// Takes every walk as far down as there are nodes. Many walks go side by side, so that their
  /// cache misses, of which a step has up to three, overlap; a walk alone waits for each.
  void find_prefixes(std::span<Walk> walks) const;
  /// Adds what is left of the walk. Walks found together may have got common nodes since.
  StackId finish(Walk &walk) {
    for (; walk.left > 0 && size_t{walk.at} + 1 < nodes_.size(); --walk.left)
      walk.at = child(walk.at, walk.leaf_first[walk.left - 1]);
    if (walk.left > 0) append_below_last(walk);
    return walk.at;
  }

  const StackNode &operator[](StackId id) const noexcept { return nodes_[id]; }
  std::span<const StackNode> nodes() const noexcept { return nodes_.span(); }
  size_t size() const noexcept { return nodes_.size(); }
  size_t depth(StackId id) const noexcept {
    size_t depth = 0;
    for (; id != 0; id = nodes_[id].parent) ++depth;
    return depth;
  }
  size_t bytes() const noexcept { return nodes_.bytes() + index_.bytes(); }
  /// The index is not reserved: how many nodes will need it depends on the shape.
  void reserve(size_t nodes) { nodes_.reserve(nodes); }
  void reserve_more(size_t nodes) { nodes_.reserve_more(nodes); }
  /// Room in the index for second and later children; memory that is touched at once.
  void reserve_index(size_t children) { index_.reserve(children); }
  /// Frees the index. The next `child` under an old parent makes a duplicate instead of finding the
  /// old node: for profiles that are complete.
  void drop_index() noexcept { index_.clear(); }
  void shrink_to_fit() { nodes_.shrink_to_fit(); }

private:
  static uint64_t pack(StackId parent, uint32_t location) noexcept {
    return static_cast<uint64_t>(parent) << 32 | location;
  }

  /// The walk is at the last node, so all that is left of it is new.
  void append_below_last(Walk &walk) {
    if (walk.left > UINT32_MAX - 1 - nodes_.size())
      throw Error{Status::kLimit, "more than 4294967294 distinct stacks"};
    const size_t first = nodes_.size();
    nodes_.resize_uninitialized(first + walk.left);
    StackNode *added = nodes_.data() + first;
    for (; walk.left > 0; --walk.left) *added++ = {walk.at++, walk.leaf_first[walk.left - 1]};
  }

  PodVector<StackNode> nodes_;
  InternIndex index_;
  uint64_t seed_;
};

} // namespace profcore
