// One walk over the tree collects the edges that touch a matching function. An edge that is on the
// path already does not count again, and a call of itself is not an edge: the rules of pprof.
#include "base/regex.hpp"
#include "flame/builder.hpp"

#include <fmt/format.h>
#include <optional>

namespace profcore {
namespace {

using flame::add_saturating;

struct Edge {
  uint32_t caller;
  uint32_t callee;
  uint32_t active;
  uint32_t reserved;
  int64_t value;
};

class Edges {
public:
  uint32_t find(uint32_t caller, uint32_t callee) {
    return index_.find_or_insert(
        hash_u64(static_cast<uint64_t>(caller) << 32 | callee, seed_),
        [&](uint32_t id) { return edges_[id].caller == caller && edges_[id].callee == callee; },
        [&] {
          edges_.push_back({caller, callee, 0, 0, 0});
          return static_cast<uint32_t>(edges_.size() - 1);
        });
  }
  Edge &operator[](uint32_t id) { return edges_[id]; }
  std::span<const Edge> all() const { return edges_.span(); }

private:
  PodVector<Edge> edges_;
  InternIndex index_;
  uint64_t seed_ = random_hash_seed();
};

struct Entered {
  uint32_t frame;
  uint32_t edge; ///< UINT32_MAX: none
};
constexpr uint32_t kNoEdge = UINT32_MAX;

} // namespace

std::vector<Peek> peek(const FlameTree &tree, std::string_view function, bool exact) {
  std::optional<Regex> regex;
  if (!exact) regex.emplace(function, "function");
  const auto label = static_cast<uint32_t>(FrameKind::kLabel);
  PodVector<char> matched, used;
  matched.resize(tree.frames.size());
  used.resize(tree.frames.size());
  for (const uint32_t frame : tree.frame) used[frame] = 1;
  std::vector<Peek> found;
  PodVector<uint32_t> peek_of;
  peek_of.resize(tree.frames.size(), UINT32_MAX);
  for (uint32_t i = 1; i < tree.frames.size(); ++i) {
    if (used[i] == 0 || tree.frames[i].kind == label) continue;
    const std::string_view name = tree.strings[tree.frames[i].name];
    if (exact ? name != function : !regex->search(name)) continue;
    matched[i] = 1;
    peek_of[i] = static_cast<uint32_t>(found.size());
    found.emplace_back();
    found.back().frame = i;
  }
  if (found.empty())
    throw Error{Status::kNotFound, fmt::format("no function matches \"{}\"", function)};

  Edges edges;
  PodVector<uint32_t> active;
  active.resize(tree.frames.size());
  PodVector<Entered> path;
  path.push_back({0, kNoEdge});
  for (uint32_t i = 1; i < tree.size(); ++i) {
    while (path.size() > tree.depth[i]) {
      --active[path.back().frame];
      if (path.back().edge != kNoEdge) --edges[path.back().edge].active;
      path.pop_back();
    }
    const uint32_t frame = tree.frame[i];
    const uint32_t above = path.back().frame;
    uint32_t edge = kNoEdge;
    // In an inverted tree the parent is the callee; at its top there is none.
    const bool at_top = above == 0 || tree.frames[above].kind == label;
    if (frame != above && (matched[frame] != 0 || matched[above] != 0) &&
        !(tree.inverted && at_top)) {
      edge = tree.inverted ? edges.find(frame, above) : edges.find(above, frame);
      if (edges[edge].active++ == 0)
        edges[edge].value = add_saturating(edges[edge].value, tree.total[i]);
    }
    path.push_back({frame, edge});
    const bool outermost = active[frame]++ == 0;
    if (matched[frame] == 0) continue;
    Peek &at = found[peek_of[frame]];
    if (outermost) at.total = add_saturating(at.total, tree.total[i]);
    if (!tree.inverted) {
      at.self = add_saturating(at.self, tree.self[i]);
    } else {
      if (at_top) at.self = add_saturating(at.self, tree.total[i]);
      if (tree.self[i] != 0) {
        Edge &from_nowhere = edges[edges.find(0, frame)];
        from_nowhere.value = add_saturating(from_nowhere.value, tree.self[i]);
      }
    }
  }

  for (const Edge &edge : edges.all()) {
    if (matched[edge.callee] != 0)
      found[peek_of[edge.callee]].callers.push_back({edge.caller, 0, edge.value});
    if (matched[edge.caller] != 0)
      found[peek_of[edge.caller]].callees.push_back({edge.callee, 0, edge.value});
  }
  // Frames are in order of name.
  const auto before = [&](const PeekRow &a, const PeekRow &b) {
    return a.value != b.value ? a.value > b.value : a.frame < b.frame;
  };
  for (Peek &at : found) {
    std::sort(at.callers.begin(), at.callers.end(), before);
    std::sort(at.callees.begin(), at.callees.end(), before);
  }
  std::sort(found.begin(), found.end(), [&](const Peek &a, const Peek &b) {
    return a.total != b.total ? a.total > b.total : a.frame < b.frame;
  });
  return found;
}

} // namespace profcore
