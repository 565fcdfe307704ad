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
