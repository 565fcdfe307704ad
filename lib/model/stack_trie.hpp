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
/// depth. A step costs one hash look-up. The alternative, an array of locations per stack, costs
/// 4 bytes per frame of every stack and has to be hashed whole.
class StackTrie {
public:
  StackTrie() : seed_{random_hash_seed()} { nodes_.push_back({0, 0}); }

  StackId child(StackId parent, uint32_t location) {
    // A stack added whole lies in a row: the first child of most nodes is the next one.
    const size_t next = size_t{parent} + 1;
    if (next < nodes_.size() && nodes_[next].parent == parent && nodes_[next].location == location)
      return static_cast<StackId>(next);
    const uint64_t key = pack(parent, location);
    return index_.find_or_insert(
        hash_u64(key, seed_),
        [&](uint32_t id) { return pack(nodes_[id].parent, nodes_[id].location) == key; },
        [&] {
          if (nodes_.size() >= UINT32_MAX - 1)
            throw Error{Status::kLimit, "more than 4294967294 distinct stacks"};
          nodes_.push_back({parent, location});
          return static_cast<uint32_t>(nodes_.size() - 1);
        });
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

  const StackNode &operator[](StackId id) const noexcept { return nodes_[id]; }
  std::span<const StackNode> nodes() const noexcept { return nodes_.span(); }
  size_t size() const noexcept { return nodes_.size(); }
  size_t depth(StackId id) const noexcept {
    size_t depth = 0;
    for (; id != 0; id = nodes_[id].parent) ++depth;
    return depth;
  }
  size_t bytes() const noexcept { return nodes_.bytes() + index_.bytes(); }
  void reserve(size_t nodes) {
    nodes_.reserve(nodes);
    index_.reserve(nodes);
  }
  /// Frees the index. The next `child` under an old parent makes a duplicate instead of finding the
  /// old node: for profiles that are complete.
  void drop_index() noexcept { index_.clear(); }
  void shrink_to_fit() { nodes_.shrink_to_fit(); }

private:
  static uint64_t pack(StackId parent, uint32_t location) noexcept {
    return static_cast<uint64_t>(parent) << 32 | location;
  }

  PodVector<StackNode> nodes_;
  InternIndex index_;
  uint64_t seed_;
};

} // namespace profcore
