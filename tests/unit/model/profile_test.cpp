#include "model/profile.hpp"

#include <doctest/doctest.h>
#include <vector>

using namespace profcore;

TEST_CASE("stacks share prefixes and parents come before children") {
  Profile profile;
  const std::vector<uint32_t> abc = {1, 2, 3};
  const std::vector<uint32_t> abd = {1, 2, 4};
  const StackId first = profile.stacks.add_root_first(abc);
  const StackId second = profile.stacks.add_root_first(abd);
  CHECK(profile.stacks.size() == 5);
  CHECK(profile.stacks[first].parent == profile.stacks[second].parent);
  CHECK(profile.stacks.depth(second) == 3);
  const std::vector<uint32_t> leaf_first = {3, 2, 1};
  CHECK(profile.stacks.add_leaf_first(leaf_first) == first);
  for (StackId id = 1; id < profile.stacks.size(); ++id) CHECK(profile.stacks[id].parent < id);
}

TEST_CASE("equal functions, modules, locations and label sets are kept once") {
  Profile profile;
  Function function;
  function.name = profile.intern("f");
  const FunctionId f = profile.add_function(function);
  CHECK(profile.add_function(function) == f);
  CHECK(profile.add_function({}) == 0);
  const Line line{f, 0, 12, 0};
  Location location;
  location.address = 0x1000;
  const LocationId a = profile.add_location(location, {&line, 1});
  CHECK(profile.add_location(location, {&line, 1}) == a);
  CHECK(profile.add_location(location, {}) != a);

  const Label thread{profile.intern("thread"), profile.intern("main"), 0, 0, 0};
  const Label size{profile.intern("bytes"), 0, profile.intern("bytes"), 1, 4096};
  const std::vector<Label> one = {thread, size};
  const std::vector<Label> other = {size, thread};
  const LabelSetId set = profile.add_label_set(one);
  CHECK(profile.add_label_set(other) == set);
  CHECK(profile.add_label_set({}) == 0);
  CHECK(profile.labels_of(set).size() == 2);
  CHECK(profile.labels().size() == 2);
}

TEST_CASE("naming a location leaves stacks alone") {
  Profile profile;
  Location location;
  location.address = 7;
  location.reason = UnnamedReason::kNoSymbols;
  const LocationId at = profile.add_location(location, {});
  const std::vector<uint32_t> locations = {at};
  const StackId stack = profile.stacks.add_root_first(locations);
  Function function;
  function.name = profile.intern("g");
  const Line line{profile.add_function(function), 0, 1, 0};
  profile.set_lines(at, {&line, 1});
  CHECK(profile.lines_of(profile.stacks[stack].location).size() == 1);
  CHECK(profile.locations()[at].reason == UnnamedReason::kNone);
}

TEST_CASE("units become canonical and keep their source") {
  Profile profile;
  profile.add_sample_type("samples", "count");
  profile.add_sample_type("wall", "milliseconds");
  const SampleType &wall = profile.sample_types()[1];
  CHECK(profile.text(wall.unit) == "nanoseconds");
  CHECK(profile.text(wall.source_unit) == "milliseconds");
  CHECK(wall.scale == 1'000'000);
  CHECK(profile.default_type() == 1);
  profile.meta.default_type = profile.intern("samples");
  CHECK(profile.default_type() == 0);
  CHECK(profile.find_type("wall/nanoseconds") == 1);
  CHECK(profile.find_type("wall/bytes") == SIZE_MAX);
}

TEST_CASE("columns stay as long as there are samples") {
  Profile profile;
  profile.add_sample_type("cpu", "nanoseconds");
  const int64_t one[] = {5};
  profile.add_sample(0, 0, one);
  profile.add_sample(0, 0, one, 99);
  profile.add_sample_type("wall", "nanoseconds");
  CHECK(profile.values(1).size() == 2);
  CHECK(profile.timestamps().size() == 2);
  CHECK(profile.timestamps()[0] == 0);
  CHECK_THROWS_AS(profile.add_sample(0, 0, one), Error);
}

TEST_CASE("warnings are bounded and counted") {
  Profile profile;
  for (int i = 0; i < 1000; ++i) profile.warn("w" + std::to_string(i));
  profile.warn("w1");
  CHECK(profile.warnings().size() == 100);
  CHECK(profile.counter("warnings_suppressed") == 900);
  CHECK(profile.bytes() > 1000);
}

TEST_CASE("rows appended to a profile with timestamps have one too") {
  Profile profile;
  profile.add_sample_type("cpu", "ns");
  const std::vector<int64_t> value = {1};
  profile.add_sample(0, 0, value, 50);
  CHECK(profile.append_rows_uninitialized(2) == 1);
  REQUIRE(profile.timestamps().size() == 3);
  CHECK(profile.timestamps()[0] == 50);
  CHECK(profile.timestamps()[2] == 0);
  profile.add_timestamps()[2] = 70;
  CHECK(profile.timestamps()[2] == 70);
  profile.truncate_rows(1);
  CHECK(profile.timestamps().size() == 1);
}

TEST_CASE("what was interned may be given back to be interned again") {
  Profile profile;
  std::vector<Line> lines;
  std::vector<Label> labels;
  for (uint32_t i = 1; i <= 100; ++i) {
    lines.push_back({i, 0, i, 0});
    labels.push_back({i, i, 0, 0, 0});
  }
  Location location;
  LocationId at = profile.add_location(location, lines);
  LabelSetId set = profile.add_label_set(labels);
  for (uint64_t round = 1; round < 50; ++round) {
    location.address = round;
    at = profile.add_location(location, profile.lines_of(at));
    set = profile.add_label_set(profile.labels_of(set).subspan(1));
  }
  REQUIRE(profile.lines_of(at).size() == 100);
  CHECK(profile.lines_of(at)[99].line == 100);
  CHECK(profile.labels_of(set).size() == 51);
  CHECK(profile.labels_of(set)[0].key == 50);
}

TEST_CASE("fields chosen to cancel each other do not collide") {
  // Under the xor of line and column << 40 (or of start_line << 32) all of these would share a hash
  // and this would take minutes.
  Profile profile;
  for (int64_t i = 0; i < 200'000; ++i) {
    const Line line{1, 0, i << 40, i};
    profile.add_location({}, {&line, 1});
    Function function;
    function.name = 1;
    function.start_line = i << 32;
    profile.add_function(function);
  }
  CHECK(profile.locations().size() == 200'001);
  CHECK(profile.functions().size() == 200'001);
}

TEST_CASE("a label is text or a number, not both") {
  Profile profile;
  const Label number{1, 0, 2, 1, 5};
  const Label both{1, 7, 2, 9, 5};
  CHECK(profile.add_label_set({&number, 1}) == profile.add_label_set({&both, 1}));
}

TEST_CASE("counters stay at their largest value") {
  Profile profile;
  profile.count("lost", UINT64_MAX - 1);
  profile.count("lost", 5);
  CHECK(profile.counter("lost") == UINT64_MAX);
}
