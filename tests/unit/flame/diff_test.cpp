// What must hold for the diff of any two profiles, tried on random ones. What is expected comes
// from the samples as they were drawn, added up in maps: no tree of lib/flame is trusted to tell
// it.
#include "check.hpp"
#include "reference.hpp"

#include <algorithm>
#include <cmath>

using namespace profcore;
using reference::Cell;
using reference::Cells;
using reference::Draw;
using reference::Maker;
using reference::Path;

namespace {

constexpr uint32_t kSeeds = 25;

/// Two profiles, most of whose stacks differ, and what of each is known without any tree.
struct Pair {
  Profile before;
  Profile after;
  FlameOptions options;
  Cells was;
  Cells now;

  Pair(uint32_t seed, bool negative) {
    Maker maker{seed};
    std::vector<Draw> draws[2];
    for (auto &side : draws) side = maker.draw(1 + maker.pick(200), negative);
    // Some stacks in common, with other values.
    for (size_t i = 0; i < draws[0].size(); i += 3) {
      Draw draw = draws[0][i];
      draw.value = int64_t(maker.pick(1000));
      draws[1].push_back(draw);
    }
    constexpr FrameKey kKeys[] = {FrameKey::kFunction, FrameKey::kLine, FrameKey::kModule};
    options.key = kKeys[seed % 3];
    options.inverted = seed % 2 == 0 && !negative; // inverting leaves out what cancels
    before = maker.build(draws[0]);
    after = maker.build(draws[1]);
    was = reference::cells_of(before, options);
    now = reference::cells_of(after, options);
  }

  FlameTree diff(bool normalise, bool swapped = false) const {
    const FlameTree left = build_flame_tree(before, options);
    const FlameTree right = build_flame_tree(after, options);
    DiffOptions diffing;
    diffing.normalise = normalise;
    return swapped ? diff_flame_trees(right, left, diffing)
                   : diff_flame_trees(left, right, diffing);
  }
};

struct Both {
  Cell now;
  Cell was;
  bool operator==(const Both &) const = default;
};

std::map<Path, Both> nodes_of(const FlameTree &diff, FrameKey key) {
  std::map<Path, Both> nodes;
  for (uint32_t i = 0; i < diff.size(); ++i) {
    const auto [at, is_new] = nodes.try_emplace(
        reference::path_of(diff, i, key),
        Both{{diff.self[i], diff.total[i]}, {diff.base_self[i], diff.base_total[i]}});
    CHECK_MESSAGE(is_new, "two nodes of one path");
  }
  return nodes;
}

Cell cell_or_nothing(const Cells &cells, const Path &path) {
  const auto found = cells.find(path);
  return found == cells.end() ? Cell{} : found->second;
}

/// Both sides of every node are its own value and its children's.
void check_sums(const FlameTree &diff) {
  check_shape(diff);
  std::vector<int64_t> sums(diff.base_self.begin(), diff.base_self.end());
  for (uint32_t i = 1; i < diff.size(); ++i) sums[diff.parent[i]] += diff.base_total[i];
  CHECK(std::equal(sums.begin(), sums.end(), diff.base_total.begin(), diff.base_total.end()));
}

/// Exactly, in integers: |got - exact * to / from| <= 1.
bool is_scaled(int64_t got, int64_t exact, int64_t from, int64_t to) {
  return std::abs(got * from - exact * to) <= from;
}

} // namespace

TEST_CASE("any diff: the nodes of either side, each with what that side has there") {
  size_t only_before = 0;
  size_t only_after = 0;
  size_t in_both = 0;
  for (uint32_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    const Pair pair{seed, seed % 4 == 0};
    const FlameTree diff = pair.diff(false);
    check_sums(diff);
    CHECK(!diff.normalised);
    const auto nodes = nodes_of(diff, pair.options.key);
    for (const auto &[path, both] : nodes) {
      CHECK(both.now == cell_or_nothing(pair.now, path));
      CHECK(both.was == cell_or_nothing(pair.was, path));
      const bool is_after = pair.now.contains(path);
      const bool is_before = pair.was.contains(path);
      CHECK((is_after || is_before));
      in_both += is_after && is_before ? 1 : 0;
      only_after += is_before ? 0 : 1;
      only_before += is_after ? 0 : 1;
    }
    for (const Cells *side : {&pair.was, &pair.now})
      for (const auto &cell : *side) CHECK(nodes.contains(cell.first));
    // Nothing is gained or lost on the way: the root holds the sum of the column.
    for (const auto &[profile, total] :
         {std::pair{&pair.before, diff.base_total[0]}, std::pair{&pair.after, diff.total[0]}}) {
      int64_t sum = 0;
      for (const int64_t value : profile->values(profile->default_type())) sum += value;
      CHECK(total == sum);
    }
  }
  // The draws are such that all three cases were seen, often.
  CHECK(only_before > 500);
  CHECK(only_after > 500);
  CHECK(in_both > 500);
}

TEST_CASE("any normalised diff: the baseline scaled to within one, nothing lost") {
  for (uint32_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    const Pair pair{seed, false};
    const FlameTree diff = pair.diff(true);
    check_sums(diff);
    const int64_t from = pair.was.at({}).total;
    const int64_t to = pair.now.at({}).total;
    CHECK(diff.normalised == (from > 0));
    if (from <= 0) continue;
    CHECK(diff.base_total[0] == to);
    CHECK(diff.total[0] == to);
    size_t seen = 0;
    for (const auto &[path, both] : nodes_of(diff, pair.options.key)) {
      CHECK(both.now == cell_or_nothing(pair.now, path));
      const Cell exact = cell_or_nothing(pair.was, path);
      CHECK(is_scaled(both.was.self, exact.self, from, to));
      CHECK(is_scaled(both.was.total, exact.total, from, to));
      if (!pair.was.contains(path)) CHECK(both.was == Cell{});
      seen += pair.was.contains(path) || pair.now.contains(path) ? 1 : 0;
    }
    CHECK(seen == diff.size());
  }
}

TEST_CASE("any diff backwards is the same with its sides, and so its signs, exchanged") {
  for (uint32_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    const Pair pair{seed, seed % 4 == 0};
    const FlameTree forth = pair.diff(false);
    const FlameTree back = pair.diff(false, true);
    REQUIRE(forth.size() == back.size());
    // Siblings are in order of name: node for node.
    bool opposite = true;
    for (uint32_t i = 0; i < forth.size(); ++i) {
      opposite &= reference::path_of(forth, i, pair.options.key) ==
                  reference::path_of(back, i, pair.options.key);
      opposite &= forth.self[i] - forth.base_self[i] == -(back.self[i] - back.base_self[i]);
      opposite &= forth.total[i] - forth.base_total[i] == -(back.total[i] - back.base_total[i]);
      opposite &= forth.self[i] == back.base_self[i] && forth.total[i] == back.base_total[i];
    }
    CHECK(opposite);

    // Normalised there is no such symmetry of values, as another side is scaled; of shares there
    // is.
    const Pair positive{seed, false};
    const int64_t was = positive.was.at({}).total;
    const int64_t now = positive.now.at({}).total;
    if (was <= 0 || now <= 0) continue;
    const auto ahead = nodes_of(positive.diff(true), positive.options.key);
    const auto behind = nodes_of(positive.diff(true, true), positive.options.key);
    CHECK(ahead.size() == behind.size());
    for (const auto &[path, both] : ahead) {
      const auto found = behind.find(path);
      REQUIRE(found != behind.end());
      const double share = double(both.now.total - both.was.total) / double(now);
      const double reverse =
          double(found->second.now.total - found->second.was.total) / double(was);
      CHECK(std::abs(share + reverse) <= 1.001 / double(now) + 1.001 / double(was));
    }
  }
}

TEST_CASE("any profile against itself: no difference anywhere") {
  for (uint32_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    const Pair pair{seed, seed % 4 == 0};
    const FlameTree tree = build_flame_tree(pair.before, pair.options);
    for (const bool normalise : {false, true}) {
      DiffOptions options;
      options.normalise = normalise;
      const FlameTree diff = diff_flame_trees(tree, tree, options);
      CHECK(diff.size() == tree.size());
      CHECK(std::equal(diff.self.begin(), diff.self.end(), diff.base_self.begin()));
      CHECK(std::equal(diff.total.begin(), diff.total.end(), diff.base_total.begin()));
    }
  }
}

TEST_CASE("any diff is the same whatever order the samples come in") {
  for (uint32_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    Maker maker{seed};
    std::vector<Draw> draws[2];
    for (auto &side : draws) side = maker.draw(1 + maker.pick(200), false);
    FlameOptions building;
    building.inverted = seed % 2 == 0;
    DiffOptions options;
    options.normalise = seed % 3 == 0;
    const auto diff = [&] {
      return diff_flame_trees(build_flame_tree(maker.build(draws[0]), building),
                              build_flame_tree(maker.build(draws[1]), building), options);
    };
    const FlameTree first = diff();
    for (int shuffle = 0; shuffle < 3; ++shuffle) {
      for (auto &side : draws) std::shuffle(side.begin(), side.end(), maker.random());
      const FlameTree again = diff();
      CHECK(nodes_of(again, building.key) == nodes_of(first, building.key));
      CHECK(same_tree(again, first));
    }
  }
}
