#include "check.hpp"
#include "reference.hpp"

using namespace profcore;

namespace {

FlameTree random_tree(uint32_t seed, size_t samples, const FlameOptions &options = {}) {
  reference::Maker maker{seed};
  return build_flame_tree(maker.build(maker.draw(samples, false)), options);
}

} // namespace

TEST_CASE("a diff is the union of both trees") {
  for (uint32_t seed = 1; seed < 8; ++seed)
    for (const bool inverted : {false, true}) {
      FlameOptions options;
      options.inverted = inverted;
      const FlameTree before = random_tree(seed, 20 * seed, options);
      const FlameTree after = random_tree(seed + 100, 90, options);
      const FlameTree diff = diff_flame_trees(before, after, {});
      check_shape(diff);
      CHECK(diff.is_diff());
      reference::Cells was = reference::cells_of(before);
      reference::Cells now = reference::cells_of(after);
      std::set<reference::Path> all;
      for (const auto &cell : was) all.insert(cell.first);
      for (const auto &cell : now) all.insert(cell.first);
      CHECK(diff.size() == all.size());
      for (uint32_t i = 0; i < diff.size(); ++i) {
        const reference::Path path = reference::path_of(diff, i, FrameKey::kFunction);
        CHECK(diff.self[i] == now[path].self);
        CHECK(diff.total[i] == now[path].total);
        CHECK(diff.base_self[i] == was[path].self);
        CHECK(diff.base_total[i] == was[path].total);
      }
    }
}

TEST_CASE("a normalised baseline has the other's total and still adds up") {
  for (uint32_t seed = 1; seed < 8; ++seed) {
    const FlameTree before = random_tree(seed, 400);
    const FlameTree after = random_tree(seed + 50, 3 + seed * 200);
    DiffOptions options;
    options.normalise = true;
    const FlameTree diff = diff_flame_trees(before, after, options);
    CHECK(diff.normalised);
    CHECK(diff.base_total[0] == after.total[0]);
    const double factor = double(after.total[0]) / double(before.total[0]);
    reference::Cells was = reference::cells_of(before);
    std::vector<int64_t> sums(diff.base_self.begin(), diff.base_self.end());
    for (uint32_t i = 1; i < diff.size(); ++i) sums[diff.parent[i]] += diff.base_total[i];
    for (uint32_t i = 0; i < diff.size(); ++i) {
      const auto exact = was[reference::path_of(diff, i, FrameKey::kFunction)];
      CHECK(std::abs(double(diff.base_self[i]) - double(exact.self) * factor) <= 1.001);
      CHECK(std::abs(double(diff.base_total[i]) - double(exact.total) * factor) <= 1.001);
      CHECK(diff.base_self[i] >= 0);
      CHECK(sums[i] == diff.base_total[i]);
    }
    const FlameTree pruned = diff_flame_trees(prune_flame_tree(before, 0.05), after, options);
    CHECK(pruned.base_total[0] == after.total[0]);
    for (uint32_t i = 1; i < pruned.size(); ++i)
      CHECK(pruned.base_total[i] <= pruned.base_total[pruned.parent[i]]);
  }
}

TEST_CASE("trees that cannot be compared are refused") {
  const FlameTree tree = random_tree(1, 50);
  FlameOptions other;
  other.type = 0;
  CHECK_THROWS_AS(diff_flame_trees(tree, random_tree(1, 50, other), {}), Error);
  other = {};
  other.inverted = true;
  CHECK_THROWS_AS(diff_flame_trees(tree, random_tree(1, 50, other), {}), Error);
  const FlameTree diff = diff_flame_trees(tree, tree, {});
  CHECK_THROWS_AS(diff_flame_trees(diff, tree, {}), Error);
  CHECK_THROWS_AS(diff_flame_trees(FlameTree{}, tree, {}), Error);
}

TEST_CASE("nothing to normalise by leaves the baseline as it is") {
  Profile empty;
  empty.add_sample_type("cpu", "nanoseconds");
  const FlameTree nothing = build_flame_tree(empty, {});
  const FlameTree tree = random_tree(2, 40);
  DiffOptions options;
  options.normalise = true;
  const FlameTree diff = diff_flame_trees(nothing, tree, options);
  CHECK(!diff.normalised);
  CHECK(diff.base_total[0] == 0);
  CHECK(diff.total[0] == tree.total[0]);
  const FlameTree gone = diff_flame_trees(tree, nothing, options);
  CHECK(gone.base_total[0] == 0);
  CHECK(gone.total[0] == 0);
}

TEST_CASE("pruning keeps what is large, counts the rest, and growing pruned is the same") {
  reference::Maker maker{9};
  const Profile profile = maker.build(maker.draw(500, false));
  for (const double share : {0.0, 0.001, 0.02, 0.3, 1.0})
    for (const bool inverted : {false, true})
      for (const bool grouped : {false, true})
        for (const NodeOrder order : {NodeOrder::kName, NodeOrder::kTotal}) {
          FlameOptions options;
          options.inverted = inverted;
          options.order = order;
          if (grouped) options.group_by = {"pid"};
          const FlameTree whole = build_flame_tree(profile, options);
          const FlameTree pruned = prune_flame_tree(whole, share);
          check_shape(pruned, true);
          reference::Cells expected;
          uint64_t cut = 0;
          int64_t value = 0;
          const double least = share * double(whole.total[0]);
          for (uint32_t i = 0; i < whole.size(); ++i) {
            if (double(whole.total[i]) >= least)
              expected[reference::path_of(whole, i, FrameKey::kFunction)] = {whole.self[i],
                                                                             whole.total[i]};
            else if (double(whole.total[whole.parent[i]]) >= least) {
              ++cut;
              value += whole.total[i];
            }
          }
          CHECK(reference::cells_of(pruned) == expected);
          CHECK(pruned.pruned_nodes == cut);
          CHECK(pruned.pruned_value == value);
          options.min_share = share;
          CHECK(same_tree(build_flame_tree(profile, options), pruned));
          std::set<uint32_t> frames(pruned.frame.begin(), pruned.frame.end());
          CHECK(frames.size() == pruned.frames.size());
        }
}

TEST_CASE("a diff is pruned by the larger side") {
  const FlameTree before = random_tree(3, 300);
  const FlameTree after = random_tree(4, 30);
  DiffOptions options;
  options.min_share = 0.05;
  const FlameTree grown = diff_flame_trees(before, after, options);
  const FlameTree pruned = prune_flame_tree(diff_flame_trees(before, after, {}), 0.05);
  CHECK(same_tree(grown, pruned));
  CHECK(grown.pruned_nodes > 0);
  const double least = 0.05 * double(std::max(before.total[0], after.total[0]));
  for (uint32_t i = 0; i < grown.size(); ++i)
    CHECK(double(std::max(grown.total[i], grown.base_total[i])) >= least);
}

TEST_CASE("a tree outlives its profile and knows where it came from") {
  FlameTree tree;
  {
    reference::Maker maker{1};
    Profile profile = maker.build(maker.draw(10, false));
    profile.meta.host = profile.intern("box");
    profile.meta.time_ns = INT64_C(1700000000) * 1'000'000'000;
    tree = build_flame_tree(profile, {});
  }
  REQUIRE(tree.meta.size() == 2);
  CHECK(tree.strings[tree.meta[0].first] == "host");
  CHECK(tree.strings[tree.meta[0].second] == "box");
  CHECK(tree.strings[tree.meta[1].second] == "2023-11-14T22:13:20Z");
  CHECK(tree.bytes() > 0);
}

TEST_CASE("two builds in different folders compare by function name") {
  const auto build_in = [](const char *folder, int64_t value, FrameKey key) {
    Profile profile;
    profile.add_sample_type("cpu", "count");
    Function function;
    function.name = profile.intern("work");
    function.file = profile.intern(std::string{folder} + "/work.c");
    const Line line{profile.add_function(function), 0, 3, 0};
    const LocationId location = profile.add_location({}, {&line, 1});
    profile.add_sample(profile.stacks.child(0, location), 0, {&value, 1});
    FlameOptions options;
    options.key = key;
    return build_flame_tree(profile, options);
  };
  const FlameTree before = build_in("/builds/1", 5, FrameKey::kFunction);
  CHECK(before.strings[before.frames[1].file] == "/builds/1/work.c");
  const FlameTree diff =
      diff_flame_trees(before, build_in("/builds/2", 7, FrameKey::kFunction), {});
  REQUIRE(diff.size() == 2);
  CHECK(diff.base_self[1] == 5);
  CHECK(diff.self[1] == 7);
  CHECK(diff.strings[diff.frames[1].file].empty());

  const FlameTree apart = diff_flame_trees(build_in("/builds/1", 5, FrameKey::kFileFunction),
                                           build_in("/builds/2", 7, FrameKey::kFileFunction), {});
  CHECK(apart.size() == 3);
  CHECK_THROWS_AS(diff_flame_trees(before, build_in("/builds/1", 5, FrameKey::kFileFunction), {}),
                  Error);
}
