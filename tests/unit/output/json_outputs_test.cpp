#include "output/output.hpp"
#include "support/tree_builder.hpp"

#include <doctest/doctest.h>

using namespace profcore;
using test::TreeBuilder;

namespace {

std::string flamebearer(const FlameTree &tree) {
  Buffer out;
  write_flamebearer(tree, "app", {}, out);
  return {out.data(), out.size()};
}

bool has(const std::string &text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("flamebearer levels are offsets from the bar before") {
  const FlameTree tree = TreeBuilder{"cpu", "nanoseconds"}
                             .add({"a"}, 2)
                             .add({"a", "x"}, 3)
                             .add({"b", "x"}, 4)
                             .add({"b", "y"}, 1)
                             .build();
  // Preorder names: a x b y. Level 2: x under a starts at 0, b's children start where b does, at 5.
  CHECK(flamebearer(tree) ==
        R"({"version":1,"flamebearer":{"names":["total","a","x","b","y"],"levels":[)"
        R"([0,10,0,0],[0,5,2,1,0,5,0,3],[0,3,3,2,2,4,4,2,0,1,1,4]],"numTicks":10,"maxSelf":4},)"
        R"("metadata":{"format":"single","spyName":"","sampleRate":1000000000,)"
        R"("units":"samples","name":"app"},"timeline":null})"
        "\n");
}

TEST_CASE("flamebearer of a diff has the baseline on the left") {
  const FlameTree tree = TreeBuilder{"alloc_space", "bytes"}
                             .add({"a"}, 6, 2)
                             .add({"b"}, 0, 3)
                             .add({"c"}, 1, 0)
                             .build();
  const std::string text = flamebearer(tree);
  CHECK(has(text, R"("levels":[[0,5,0,0,7,0,0],[0,2,2,0,6,6,1,0,3,3,0,0,0,2,0,0,0,0,1,1,3]])"));
  CHECK(has(text, R"("numTicks":12,"maxSelf":6)"));
  CHECK(has(text, R"("format":"double")"));
  CHECK(has(text, R"("units":"bytes")"));
  CHECK(has(text, R"("leftTicks":5,"rightTicks":7)"));
}

TEST_CASE("flamebearer never has a child wider than its parent") {
  const FlameTree tree =
      TreeBuilder{"delta", "count"}.add({"a", "up"}, 9).add({"a", "down"}, -5).build();
  CHECK(has(flamebearer(tree), R"([[0,9,0,0],[0,9,0,1],[0,0,0,2,0,9,9,3]])"));
}

TEST_CASE("an empty tree is still a document") {
  FlameTree none;
  CHECK(has(flamebearer(none), R"("numTicks":0,"maxSelf":0)"));
  Buffer out;
  write_flame_json(none, {}, out);
  CHECK(has({out.data(), out.size()}, R"("nodes":{"count":0,)"));
}

TEST_CASE("speedscope: columns are profiles, units are words it knows") {
  Profile profile;
  profile.add_sample_type("samples", "count");
  profile.add_sample_type("cpu", "milliseconds");
  Function function;
  function.name = profile.intern("main");
  function.file = profile.intern("main.c");
  function.start_line = 3;
  const Line line{profile.add_function(function), 0, 9, 0};
  Location named;
  named.address = 1;
  Location unnamed;
  unnamed.address = 0x20;
  const std::vector<LocationId> path = {profile.add_location(named, {&line, 1}),
                                        profile.add_location(unnamed, {})};
  const StackId stack = profile.stacks.add_root_first(path);
  const std::vector<int64_t> first = {1, 1000};
  const std::vector<int64_t> second = {2, -5};
  profile.add_sample(stack, 0, first);
  profile.add_sample(stack, 0, first);
  profile.add_sample(profile.stacks[stack].parent, 0, second);
  Buffer out;
  int warnings = 0;
  Context context;
  context.log = [](LogLevel, const char *, size_t, void *user) { ++*static_cast<int *>(user); };
  context.log_user = &warnings;
  write_speedscope(profile, "t", context, out);
  CHECK(std::string{out.data(), out.size()} ==
        R"({"$schema":"https://www.speedscope.app/file-format-schema.json","exporter":"profcore",)"
        R"("name":"t","activeProfileIndex":1,"shared":{"frames":[)"
        R"({"name":"main","file":"main.c","line":3},{"name":"0x20"}]},"profiles":[)"
        R"({"type":"sampled","name":"samples","unit":"none","startValue":0,"endValue":4,)"
        R"("samples":[[0],[0,1]],"weights":[2,2]},)"
        R"({"type":"sampled","name":"cpu","unit":"nanoseconds","startValue":0,"endValue":2000,)"
        R"("samples":[[0,1]],"weights":[2000]}]})"
        "\n");
  CHECK(warnings == 1);
}

TEST_CASE("speedscope keeps the order of time") {
  Profile profile;
  profile.add_sample_type("samples", "count");
  StackId stacks[2] = {};
  for (uint64_t i = 0; i < 2; ++i) {
    Location location;
    location.address = i + 1;
    stacks[i] = profile.stacks.child(0, profile.add_location(location, {}));
  }
  const int64_t one = 1;
  profile.add_sample(stacks[0], 0, {&one, 1}, 30);
  profile.add_sample(stacks[1], 0, {&one, 1}, 10);
  profile.add_sample(stacks[0], 0, {&one, 1}, 20);
  Buffer out;
  write_speedscope(profile, "t", {}, out);
  CHECK(has({out.data(), out.size()}, R"("samples":[[1],[0],[0]],"weights":[1,1,1])"));
}

TEST_CASE("profile JSON keeps what a double would not") {
  Profile profile;
  profile.add_sample_type("samples", "count");
  Location location;
  location.address = UINT64_MAX;
  location.reason = UnnamedReason::kNoSymbols;
  const StackId stack = profile.stacks.child(0, profile.add_location(location, {}));
  const int64_t value = INT64_MIN;
  profile.add_sample(stack, 0, {&value, 1});
  profile.warn("odd", 12);
  Buffer out;
  write_profile_json(profile, {}, out);
  const std::string text{out.data(), out.size()};
  CHECK(has(text, R"("address":"0xffffffffffffffff")"));
  CHECK(has(text, R"("reason":"no_symbols")"));
  CHECK(has(text, R"("values":[[-9223372036854775808]])"));
  CHECK(has(text, R"("warnings":[{"text":"odd","offset":12}])"));
}

TEST_CASE("long work can be cancelled") {
  const FlameTree tree = TreeBuilder{"cpu", "count"}.add({"a"}, 1).build();
  Context context;
  context.progress = [](uint64_t, uint64_t, void *) { return false; };
  Buffer out;
  CHECK_THROWS_AS(write_flame_json(tree, context, out), Error);
  CHECK_THROWS_AS(write_flamebearer(tree, "", context, out), Error);
}
