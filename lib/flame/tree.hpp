#pragma once

#include "base/context.hpp"
#include "base/pod_vector.hpp"
#include "base/string_table.hpp"
#include "model/profile.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace profcore {

/// What makes two frames the same node. The numbers are part of the C ABI.
///
/// kFunction goes by the name alone, as pprof's default does: two builds in different folders, and
/// two spellings of a path, then still are the same function. The frame keeps its file while all
/// that were merged agree on it. kFileFunction keeps functions of one name in different files
/// apart.
enum class FrameKey : int32_t {
  kFunction = 0,
  kLine = 1,
  kFile = 2,
  kModule = 3,
  kAddress = 4,
  kFileFunction = 5,
};
enum class NodeOrder : int32_t { kName = 0, kTotal = 1 };

/// A frame of a tree; strings are ids of the tree's own table. Fields the key merges away are 0.
/// A frame made of a label has the label's value as its name and its key as the module.
struct FlameFrame {
  StringId name = 0;
  StringId file = 0;
  StringId module = 0;
  uint32_t kind = 0; ///< FrameKind
  int64_t line = 0;
  uint64_t address = 0;
};

struct FlameOptions {
  Context context;
  size_t type = SIZE_MAX; ///< column; SIZE_MAX = the profile's default
  FrameKey key = FrameKey::kFunction;
  NodeOrder order = NodeOrder::kName;
  bool inverted = false;       ///< leaf first: callers grow out of callees
  bool fold_recursion = false; ///< a frame already on the path is not entered again
  /// Label keys whose values become frames under the root, outermost first.
  std::vector<std::string_view> group_by;
  /// Inverted or not, start at this function (exact name): its callees, or with `inverted` its
  /// callers. Recursion is counted once (outermost occurrence).
  std::string_view root_function;
  double min_share = 0; ///< prune nodes whose total is under this share (0..1) of the tree's total
  std::string_view root_name = "all"; ///< what the root is called
};

/// A flame tree: nodes in preorder, siblings in display order, node 0 is the root. The
/// subtree of i is [i, subtree_end[i]). It owns its strings, so it outlives the profile.
struct FlameTree {
  StringTable strings;
  PodVector<FlameFrame> frames; ///< in order of name; frame 0 is the root's
  PodVector<uint32_t> frame;    ///< per node
  PodVector<uint32_t> parent;   ///< 0 for the root itself
  PodVector<uint32_t> depth;
  PodVector<uint32_t> subtree_end;
  PodVector<int64_t> self;
  PodVector<int64_t> total;
  /// Baseline side of a diff, as long as `self`; empty otherwise.
  PodVector<int64_t> base_self;
  PodVector<int64_t> base_total;

  StringId type = 0;
  StringId unit = 0;
  int64_t period = 0;
  FrameKey key = FrameKey::kFunction;
  bool inverted = false;
  bool normalised = false; ///< diff: the baseline was scaled to the total of the other side
  /// The column's values add up past 64 bits: sums stop at the ends of int64_t.
  bool saturated = false;
  uint64_t pruned_nodes = 0; ///< subtrees cut off, each counted once
  int64_t pruned_value = 0;  ///< total value of the pruned subtrees' tops
  /// What outputs show beside the graph: ("host", "a"), ("command", "b") ...; ids of `strings`.
  std::vector<std::pair<StringId, StringId>> meta;

  size_t size() const noexcept { return frame.size(); }
  bool is_diff() const noexcept { return !base_self.empty(); }
  std::string_view name_of(uint32_t node) const noexcept {
    return strings[frames[frame[node]].name];
  }
  size_t bytes() const noexcept;
};

/// Linear in trie nodes plus samples: one forward pass maps every trie node to a tree node, one
/// reverse pass adds self values up. An unnamed location shows as `module+0xoffset` or `0xaddress`.
/// Throws kInvalidArgument for a column that is not there, kNotFound for an unknown root function.
FlameTree build_flame_tree(const Profile &profile, const FlameOptions &options);

struct DiffOptions {
  Context context;
  bool normalise = false; ///< scale the baseline to the other side's total
  NodeOrder order = NodeOrder::kName;
  double min_share = 0; ///< of the larger side's total
};

/// The union of both trees. Types and units must agree (kInvalidArgument).
FlameTree diff_flame_trees(const FlameTree &baseline, const FlameTree &tree,
                           const DiffOptions &options);

/// Leaves out nodes under a share; their value stays in the parent's total.
FlameTree prune_flame_tree(const FlameTree &tree, double min_share);

struct TopRow {
  uint32_t frame; ///< of the tree
  uint32_t reserved;
  int64_t self;
  int64_t total; ///< recursion counted once
  int64_t base_self;
  int64_t base_total;
};
enum class TopOrder : int32_t { kSelf = 0, kTotal = 1, kName = 2, kDelta = 3 };

/// One row per frame, biggest first (|self delta| for kDelta); ties by name. limit 0 = all.
/// For inverted trees self is taken at depth 1, as their leaves are the roots of the stacks.
std::vector<TopRow> top(const FlameTree &tree, TopOrder order, size_t limit);

struct PeekRow {
  uint32_t frame;
  uint32_t reserved;
  int64_t value; ///< passed between the function and this caller or callee
};
struct Peek {
  uint32_t frame = 0;
  int64_t self = 0;
  int64_t total = 0;
  std::vector<PeekRow> callers; ///< biggest first; frame 0 = called from nowhere (it is a root)
  std::vector<PeekRow> callees; ///< biggest first; self is not among them
};
/// Callers and callees of every function whose name matches (RE2 search; exact name when `exact`),
/// biggest total first. Recursion is counted once. kNotFound when nothing matches.
std::vector<Peek> peek(const FlameTree &tree, std::string_view function, bool exact);

} // namespace profcore
