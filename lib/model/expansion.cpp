#include "model/expansion.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace profcore {
namespace {

constexpr uint64_t kUsualLines = 32;
constexpr uint64_t kAlways = UINT64_C(1) << 20;

uint64_t add(uint64_t a, uint64_t b) {
  return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

} // namespace

void check_expansion(const Profile &profile, Expansion expansion) {
  const auto locations = profile.locations();
  const bool usual = std::all_of(locations.begin(), locations.end(), [](const Location &location) {
    return location.line_count <= kUsualLines;
  });
  if (usual) return;

  struct Depth {
    uint64_t locations;
    uint64_t frames;
  };
  const auto nodes = profile.stacks.nodes();
  PodVector<Depth> depths;
  if (expansion == Expansion::kStacks) depths.resize(nodes.size());
  Depth sum{};
  for (size_t id = 1; id < nodes.size(); ++id) {
    const LocationId location = nodes[id].location;
    const uint64_t lines =
        location < locations.size() ? std::max<uint64_t>(locations[location].line_count, 1) : 1;
    Depth &at = expansion == Expansion::kTree ? sum : depths[id];
    const Depth &before = expansion == Expansion::kTree ? sum : depths[nodes[id].parent];
    at = {before.locations + 1, add(before.frames, lines)};
  }
  if (expansion == Expansion::kStacks) {
    for (const StackId stack : profile.sample_stacks()) {
      if (stack >= nodes.size()) continue; // for those who walk the stacks to find
      sum = {add(sum.locations, depths[stack].locations), add(sum.frames, depths[stack].frames)};
      depths[stack] = {}; // equal stacks are one
    }
  }
  uint64_t usual_frames = 0;
  if (__builtin_mul_overflow(sum.locations, kUsualLines, &usual_frames)) return;
  const uint64_t most = add(kAlways, add(usual_frames, uint64_t{profile.lines().size()} * 4));
  if (sum.frames > most)
    throw Error{Status::kLimit, fmt::format("the stacks hold {} frames with what is inlined, out "
                                            "of all proportion to their {} locations",
                                            sum.frames, sum.locations)};
}

} // namespace profcore
