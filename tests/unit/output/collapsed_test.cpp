#include "output/output.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <sstream>
#include <string>
#include <vector>

using namespace profcore;

namespace {

/// Adds a stack of functions, root first, with one value.
struct Maker {
  Profile profile;

  Maker() { profile.add_sample_type("samples", "count"); }

  LocationId location(std::string_view name, uint64_t address, FrameKind kind = FrameKind::kUser) {
    Function function;
    function.name = profile.intern(name);
    const Line line{profile.add_function(function), 0, 1, 0};
    Location at;
    at.address = address;
    at.kind = kind;
    return profile.add_location(at, {&line, 1});
  }
  void add(const std::vector<std::string> &names, int64_t value, uint64_t address = 1) {
    StackId stack = 0;
    for (const std::string &name : names)
      stack = profile.stacks.child(stack, location(name, address));
    profile.add_sample(stack, 0, {&value, 1});
  }
  std::string text(uint64_t *changed = nullptr) {
    Buffer out;
    const uint64_t count = write_collapsed(profile, {}, out);
    if (changed != nullptr) *changed = count;
    return {out.data(), out.size()};
  }
};

} // namespace

TEST_CASE("equal stacks are added up, whatever their addresses and labels") {
  Maker maker;
  maker.add({"main", "work"}, 2);
  maker.add({"main", "work"}, 3, 77);
  maker.add({"main"}, 1);
  maker.add({"main", "idle"}, 0);
  maker.add({"main", "undone"}, 4);
  maker.add({"main", "undone"}, -4);
  CHECK(maker.text() == "main 1\nmain;work 5\n");
}

TEST_CASE("lines are in byte order, as sort(1) has them") {
  Maker maker;
  const std::vector<std::string> names = {"a",  "a b", "a ", "a!",       "ab",    "a 5", "b",
                                          "a:", "a<",  "A",  "\xc3\xa9", "a 5 5", "zz"};
  int64_t value = 0;
  for (const std::string &outer : names) {
    maker.add({outer}, ++value * 5);
    for (const std::string &inner : names) maker.add({outer, inner}, ++value);
  }
  const std::string text = maker.text();
  std::vector<std::string> lines;
  std::istringstream stream{text};
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  CHECK(lines.size() == names.size() * (names.size() + 1));
  CHECK(std::is_sorted(lines.begin(), lines.end()));
  CHECK(std::adjacent_find(lines.begin(), lines.end()) == lines.end());
}

TEST_CASE("separators inside names are replaced and counted") {
  Maker maker;
  maker.add({"a;b", "c\nd\x7f", "a;b"}, 1);
  uint64_t changed = 0;
  CHECK(maker.text(&changed) == "a_b;c_d_;a_b 1\n");
  CHECK(changed == 2);
}

TEST_CASE("no line begins as a comment does") {
  Maker maker;
  maker.add({"#"}, 1);
  maker.add({"# a", "# b"}, 2);
  maker.add({"##"}, 3);
  maker.add({"#!x", "#"}, 4);
  maker.add({"#new", "##"}, 5);
  uint64_t changed = 0;
  CHECK(maker.text(&changed) == "#new;## 5\n_ 1\n_ a;# b 2\n_!x;# 4\n_# 3\n");
  CHECK(changed == 4);
}

TEST_CASE("a module goes before the name where the source has it there, and only there") {
  Maker maker;
  Profile &profile = maker.profile;
  Module module;
  module.path = profile.intern("lib;c.so");
  const ModuleId in = profile.add_module(module);
  const LocationId plain = maker.location("f", 1);
  std::vector<LocationId> path{plain};
  const Line line = profile.lines_of(plain)[0];
  for (const uint8_t flags : {uint8_t{kModuleInName}, uint8_t{0}})
    for (const ModuleId where : {in, ModuleId{0}}) {
      Location at;
      at.module = where;
      at.flags = flags;
      path.push_back(profile.add_location(at, {&line, 1}));
    }
  const int64_t value = 1;
  profile.add_sample(profile.stacks.add_root_first(path), 0, {&value, 1});
  CHECK(maker.text() == "f;lib_c.so`f;f;f;f 1\n");
}

TEST_CASE("inlined lines come out outermost first, with kinds on request") {
  Maker maker;
  Profile &profile = maker.profile;
  std::vector<Line> lines;
  for (const char *name : {"innermost", "middle", "outer"}) {
    Function function;
    function.name = profile.intern(name);
    lines.push_back({profile.add_function(function), 0, 1, 0});
  }
  Location java;
  java.kind = FrameKind::kJavaCompiled;
  const std::vector<LocationId> path = {profile.add_location(java, lines),
                                        maker.location("sys_read", 9, FrameKind::kKernel)};
  const int64_t value = 7;
  profile.add_sample(profile.stacks.add_root_first(path), 0, {&value, 1});
  CHECK(maker.text() == "outer;middle;innermost;sys_read 7\n");
  CollapsedOptions options;
  options.kind_suffix = true;
  Buffer out;
  write_collapsed(profile, options, out);
  CHECK(std::string{out.data(), out.size()} ==
        "outer_[j];middle_[i];innermost_[i];sys_read_[k] 7\n");
}

TEST_CASE("samples without a stack are not lost") {
  Maker maker;
  maker.add({}, 4);
  maker.add({"f"}, 1);
  CHECK(maker.text() == "[no stack] 4\nf 1\n");
}

TEST_CASE("a missing column and a too large output are errors") {
  Maker maker;
  maker.add({"main", "work"}, 2);
  Buffer out;
  CollapsedOptions options;
  options.type = 1;
  CHECK_THROWS_AS(write_collapsed(maker.profile, options, out), Error);
  CHECK_THROWS_AS(write_collapsed(Profile{}, {}, out), Error);
  options.type = 0;
  options.context.limits.max_result_bytes = 3;
  CHECK_THROWS_AS(write_collapsed(maker.profile, options, out), Error);
}

TEST_CASE("deep stacks need no recursion") {
  Maker maker;
  const LocationId at = maker.location("f", 1);
  StackId stack = 0;
  for (int i = 0; i < 300'000; ++i) stack = maker.profile.stacks.child(stack, at);
  const int64_t value = 1;
  maker.profile.add_sample(stack, 0, {&value, 1});
  CHECK(maker.text().size() == 300'000 * 2 + 2);
}

TEST_CASE("inlined frames out of all proportion are refused by whoever writes them out") {
  Maker maker;
  Function function;
  function.name = maker.profile.intern("f");
  const std::vector<Line> lines(20'000, Line{maker.profile.add_function(function), 0, 0, 0});
  const LocationId wide = maker.profile.add_location({}, lines);
  StackId stack = 0;
  for (int i = 0; i < 20'000; ++i) stack = maker.profile.stacks.child(stack, wide);
  const int64_t value = 1;
  maker.profile.add_sample(stack, 0, {&value, 1});
  CHECK_THROWS_AS(maker.text(), Error);
  Buffer out;
  CHECK_THROWS_AS(write_speedscope(maker.profile, "", {}, out), Error);
}

TEST_CASE("a long name used by many lines is made once") {
  Maker maker;
  Function function;
  function.name = maker.profile.intern(std::string(1 << 20, 'x'));
  const FunctionId id = maker.profile.add_function(function);
  const int64_t value = 1;
  for (int i = 1; i <= 30'000; ++i) { // 30 GB, were it made for each
    const Line line{id, 0, i, 0};
    maker.profile.add_sample(
        maker.profile.stacks.child(0, maker.profile.add_location({}, {&line, 1})), 0, {&value, 1});
  }
  CHECK(maker.text().size() == (1 << 20) + sizeof " 30000");
}
