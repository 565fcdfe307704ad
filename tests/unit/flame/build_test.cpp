#include "check.hpp"
#include "reference.hpp"

using namespace profcore;

namespace {

constexpr FrameKey kKeys[] = {FrameKey::kFunction, FrameKey::kLine,    FrameKey::kFile,
                              FrameKey::kModule,   FrameKey::kAddress, FrameKey::kFileFunction};

/// A profile of one column from "a;b;c" lists; each letter is a function.
struct Letters {
  Profile profile;
  Letters() { profile.add_sample_type("cpu", "count"); }
  LocationId location(char letter) {
    Function function;
    function.name = profile.intern(std::string(1, letter));
    const Line line{profile.add_function(function), 0, 0, 0};
    return profile.add_location({}, {&line, 1});
  }
  void add(std::string_view stack, int64_t value, LabelSetId labels = 0) {
    StackId at = 0;
    for (const char letter : stack) at = profile.stacks.child(at, location(letter));
    profile.add_sample(at, labels, {&value, 1});
  }
};

std::string text_of(const FlameTree &tree) {
  std::string text;
  for (uint32_t i = 1; i < tree.size(); ++i) {
    text += std::string(tree.depth[i] - 1, '.');
    text += std::string{tree.name_of(i)} + "=" + std::to_string(tree.self[i]) + "/" +
            std::to_string(tree.total[i]) + " ";
  }
  return text;
}

FlameTree build(const Profile &profile, const FlameOptions &options = {}) {
  return build_flame_tree(profile, options);
}

} // namespace

TEST_CASE("a small tree, by hand") {
  Letters letters;
  letters.add("abc", 3);
  letters.add("ab", 2);
  letters.add("ad", 5);
  letters.add("e", 1);
  letters.add("", 4);
  const FlameTree tree = build(letters.profile);
  check_shape(tree);
  CHECK(text_of(tree) == "a=0/10 .b=2/5 ..c=3/3 .d=5/5 e=1/1 ");
  CHECK(tree.name_of(0) == "all");
  CHECK(tree.self[0] == 4);
  CHECK(tree.total[0] == 15);
  CHECK(tree.strings[tree.type] == "cpu");

  FlameOptions options;
  options.inverted = true;
  const FlameTree inverted = build(letters.profile, options);
  check_shape(inverted);
  CHECK(text_of(inverted) == "b=0/2 .a=2/2 c=0/3 .b=0/3 ..a=3/3 d=0/5 .a=5/5 e=1/1 ");
  CHECK(inverted.self[0] == 4);
}

TEST_CASE("every way to build agrees with adding up spelled-out samples") {
  for (uint32_t seed = 1; seed <= 12; ++seed) {
    reference::Maker maker{seed};
    const Profile profile = maker.build(maker.draw(1 + seed * 9, seed % 3 == 0));
    for (const FrameKey key : kKeys)
      for (const bool folded : {false, true})
        for (const bool inverted : {false, true})
          for (const size_t groups : {0, 1, 2})
            for (const std::string_view root : {"", "f1"}) {
              if (!root.empty() && key != FrameKey::kFunction && key != FrameKey::kLine) continue;
              FlameOptions options;
              options.key = key;
              options.fold_recursion = folded;
              options.inverted = inverted;
              options.root_function = root;
              if (groups > 0) options.group_by.push_back("thread");
              if (groups > 1) options.group_by.push_back("pid");
              reference::Cells expected = reference::cells_of(profile, options);
              if (expected.size() == 1 && !root.empty()) {
                CHECK_THROWS_AS(build(profile, options), Error);
                continue;
              }
              const FlameTree tree = build(profile, options);
              check_shape(tree);
              reference::Cells cells = reference::cells_of(tree, key);
              CHECK(cells.size() == tree.size());
              CHECK(tree.inverted == inverted);
              // Stacks whose values cancel to 0 in the middle of others do not invert or fold.
              if ((inverted || folded) && seed % 3 == 0) {
                const auto empty = [](const auto &cell) {
                  return cell.second.total == 0 && !cell.first.empty();
                };
                std::erase_if(expected, empty);
                std::erase_if(cells, empty);
              }
              CAPTURE(static_cast<int>(key));
              CAPTURE(seed);
              CAPTURE(inverted);
              CAPTURE(folded);
              CAPTURE(root);
              CAPTURE(reference::first_difference(cells, expected));
              CHECK(cells == expected);
              CHECK(tree.total[0] == expected[{}].total);
            }
  }
}

TEST_CASE("the order of samples does not show") {
  for (const uint32_t seed : {5U, 6U}) {
    reference::Maker maker{seed};
    std::vector<reference::Draw> draws = maker.draw(200, true);
    const Profile one = maker.build(draws);
    std::shuffle(draws.begin(), draws.end(), maker.random());
    const Profile other = maker.build(draws);
    for (const NodeOrder order : {NodeOrder::kName, NodeOrder::kTotal})
      for (const FrameKey key : kKeys)
        for (int mode = 0; mode < 8; ++mode) {
          FlameOptions options;
          options.key = key;
          options.order = order;
          options.inverted = (mode & 1) != 0;
          options.fold_recursion = (mode & 2) != 0;
          if ((mode & 4) != 0) options.group_by = {"pid", "thread"};
          CHECK(same_tree(build(one, options), build(other, options)));
          options.min_share = 0.03;
          CHECK(same_tree(build(one, options), build(other, options)));
        }
  }
}

TEST_CASE("siblings come by name or by total") {
  reference::Maker maker{3};
  const Profile profile = maker.build(maker.draw(300, false));
  for (const bool grouped : {false, true}) {
    FlameOptions options;
    if (grouped) options.group_by = {"thread"};
    for (const NodeOrder order : {NodeOrder::kName, NodeOrder::kTotal}) {
      options.order = order;
      const FlameTree tree = build(profile, options);
      check_shape(tree);
      for (uint32_t i = 1; i < tree.size(); ++i) {
        const uint32_t next = tree.subtree_end[i];
        if (next >= tree.subtree_end[tree.parent[i]]) continue;
        REQUIRE(tree.parent[next] == tree.parent[i]);
        if (order == NodeOrder::kName) {
          CHECK(tree.name_of(i) <= tree.name_of(next));
        } else {
          CHECK(tree.total[i] >= tree.total[next]);
          if (tree.total[i] == tree.total[next]) CHECK(tree.name_of(i) <= tree.name_of(next));
        }
      }
    }
  }
}

TEST_CASE("the root has the name that was asked for, in diffs too") {
  Letters letters;
  letters.add("ab", 1);
  FlameOptions options;
  CHECK(build(letters.profile).name_of(0) == "all");
  options.root_name = "Total";
  const FlameTree tree = build(letters.profile, options);
  CHECK(tree.name_of(0) == "Total");
  CHECK(diff_flame_trees(build(letters.profile), tree, {}).name_of(0) == "Total");
  options.inverted = true;
  options.group_by = {"thread"};
  CHECK(build(letters.profile, options).name_of(0) == "Total");
}

TEST_CASE("zero values leave no nodes, values that cancel do") {
  Letters letters;
  letters.add("ab", 0);
  letters.add("c", 7);
  letters.add("d", 4);
  letters.add("d", -4);
  CHECK(text_of(build(letters.profile)) == "c=7/7 d=0/0 ");
}

TEST_CASE("an empty profile gives just the root") {
  const Profile nothing;
  FlameOptions options;
  options.group_by = {"thread"};
  for (const bool inverted : {false, true}) {
    options.inverted = inverted;
    const FlameTree tree = build(nothing, options);
    check_shape(tree);
    CHECK(tree.size() == 1);
    CHECK(tree.total[0] == 0);
    CHECK(top(tree, TopOrder::kSelf, 0).empty());
  }
  Letters letters;
  CHECK(build(letters.profile, options).size() == 1);
}

TEST_CASE("arguments are checked") {
  Letters letters;
  letters.add("ab", 1);
  const auto status = [&](FlameOptions options) {
    try {
      build(letters.profile, options);
    } catch (const Error &error) {
      return error.status();
    }
    return Status::kOk;
  };
  FlameOptions options;
  options.type = 1;
  CHECK(status(options) == Status::kInvalidArgument);
  options = {};
  options.root_function = "nobody";
  CHECK(status(options) == Status::kNotFound);
  options = {};
  for (const double share : {-0.1, 1.5, std::numeric_limits<double>::quiet_NaN()}) {
    options.min_share = share;
    CHECK(status(options) == Status::kInvalidArgument);
  }
  options = {};
  options.key = static_cast<FrameKey>(99);
  CHECK(status(options) == Status::kInvalidArgument);
  options = {};
  options.context.progress = [](uint64_t, uint64_t, void *) { return false; };
  CHECK(status(options) == Status::kCancelled);
  const int64_t value = 1;
  letters.profile.add_sample(1000, 0, {&value, 1});
  CHECK(status({}) == Status::kInvalidArgument);
}

TEST_CASE("a stack a million deep, and one that recurses a million times") {
  Profile profile;
  profile.add_sample_type("cpu", "count");
  constexpr uint32_t kDepth = 1'000'000;
  for (const bool recursive : {false, true}) {
    StackId at = 0;
    std::vector<LocationId> locations;
    for (uint32_t i = 0; i < 4; ++i) {
      Location location;
      location.address = i + (recursive ? 100 : 200);
      locations.push_back(profile.add_location(location, {}));
    }
    for (uint32_t i = 0; i < kDepth; ++i)
      at = profile.stacks.child(at, locations[recursive ? 0 : i % 4]);
    const int64_t value = 5;
    profile.add_sample(at, 0, {&value, 1});
  }
  FlameOptions options;
  for (const bool inverted : {false, true}) {
    options.inverted = inverted;
    const FlameTree tree = build(profile, options);
    CHECK(tree.size() == 2 * kDepth + 1);
    check_shape(tree);
    const auto rows = top(tree, TopOrder::kTotal, 0);
    REQUIRE(rows.size() == 5);
    for (const TopRow &row : rows) CHECK(row.total == 5);
    CHECK(prune_flame_tree(tree, 0.9).size() == 1);
    CHECK(diff_flame_trees(tree, tree, {}).size() == tree.size());
    CHECK(peek(tree, "0x64", true)[0].total == 5);
  }
  options.inverted = false;
  options.fold_recursion = true;
  CHECK(build(profile, options).size() == 6);
}

TEST_CASE("a result past its limit is an error") {
  Profile profile;
  profile.add_sample_type("cpu", "count");
  StackId at = 0;
  Location location;
  location.address = 1;
  const LocationId id = profile.add_location(location, {});
  const int64_t value = 1;
  for (int i = 0; i < 20000; ++i) {
    at = profile.stacks.child(at, id);
    profile.add_sample(at, 0, {&value, 1});
  }
  FlameOptions options;
  options.inverted = true; // one node per depth: equal frames
  CHECK(build(profile, options).size() == 20001);
  options.key = FrameKey::kAddress;
  options.context.limits.max_result_bytes = 1 << 20;
  Profile wide;
  wide.add_sample_type("cpu", "count");
  at = 0;
  for (uint32_t i = 0; i < 4000; ++i) {
    location.address = i;
    at = wide.stacks.child(at, wide.add_location(location, {}));
    wide.add_sample(at, 0, {&value, 1});
  }
  try {
    build(wide, options); // 8 million nodes
    CHECK(false);
  } catch (const Error &error) {
    CHECK(error.status() == Status::kLimit);
  }
  options.min_share = 0.5; // cut while growing: no limit met
  CHECK(build(wide, options).size() == 1);
}

TEST_CASE("names of unnamed locations") {
  Profile profile;
  profile.add_sample_type("cpu", "count");
  const auto add = [&](std::string_view path, uint64_t start, uint64_t end, uint64_t address,
                       UnnamedReason reason = UnnamedReason::kNone) {
    Module module;
    module.path = profile.intern(path);
    module.start = start;
    module.end = end;
    module.offset = 0x100;
    Location location;
    location.address = address;
    location.module = profile.add_module(module);
    location.reason = reason;
    const int64_t value = 1;
    profile.add_sample(profile.stacks.child(0, profile.add_location(location, {})), 0, {&value, 1});
  };
  add("/lib/libc.so.6", 0x4000, 0x5000, 0x4010);
  add("/lib/libc.so.6", 0x14000, 0x15000, 0x14010); // the same place, mapped elsewhere
  add("/lib/libc.so.6", 0x4000, 0x5000, 0x9999);    // outside of its mapping
  add("[vdso]", 0, 0, 0x77);
  add("", 0, 0, 0xabc);
  add("", 0, 0, 0xabd, UnnamedReason::kTruncated);
  std::vector<std::string> names;
  const FlameTree tree = build(profile);
  for (uint32_t i = 1; i < tree.size(); ++i) names.emplace_back(tree.name_of(i));
  CHECK(names == std::vector<std::string>{"(truncated)", "0x9999", "0xabc", "[vdso]+0x77",
                                          "libc.so.6+0x110"});
  CHECK(tree.total[5] == 2);
}

TEST_CASE("names and labels of any bytes") {
  Letters letters;
  const std::string hostile{"\0\xff\xfe;\n<script>\x80", 13};
  const Label label{letters.profile.intern("thread"), letters.profile.intern(hostile), 0, 0, 0};
  letters.add("\xff", 3, letters.profile.add_label_set({&label, 1}));
  FlameOptions options;
  options.group_by = {"thread", "\xf0\x28"};
  const FlameTree tree = build(letters.profile, options);
  check_shape(tree);
  REQUIRE(tree.size() == 4);
  CHECK(tree.name_of(1) == hostile);
  CHECK(tree.name_of(2) == "(no \xf0\x28)");
  CHECK(tree.name_of(3) == "\xff");
}

TEST_CASE("equal values of two label keys are two frames, and do not fold") {
  Letters letters;
  const std::vector<Label> labels = {{letters.profile.intern("pid"), 0, 0, 1, 1},
                                     {letters.profile.intern("tid"), 0, 0, 1, 1}};
  letters.add("aa", 3, letters.profile.add_label_set(labels));
  FlameOptions options;
  options.group_by = {"pid", "tid", "pid"};
  options.fold_recursion = true;
  CHECK(text_of(build(letters.profile, options)) == "1=0/3 .1=0/3 ..1=0/3 ...a=3/3 ");
}

TEST_CASE("sums stop at the ends of 64 bits, whatever the order") {
  constexpr int64_t kMax = INT64_MAX;
  std::vector<std::pair<std::string, int64_t>> samples = {
      {"a", kMax}, {"a", kMax}, {"a", -kMax}, {"ab", kMax}, {"ab", 5}, {"c", -kMax}, {"c", -kMax}};
  FlameTree first;
  for (int turn = 0; turn < 6; ++turn) {
    Letters letters;
    for (const auto &[stack, value] : samples) letters.add(stack, value);
    for (const NodeOrder order : {NodeOrder::kTotal, NodeOrder::kName}) {
      FlameOptions options;
      options.order = order;
      const FlameTree tree = build(letters.profile, options);
      CHECK(tree.saturated);
      REQUIRE(tree.size() == 4);
      CHECK(tree.total[1] == 0);
      CHECK(tree.total[2] == kMax);
      CHECK(tree.total[3] == -kMax - 1);
      CHECK(tree.strings[tree.type] == "cpu");
      if (turn == 0 && order == NodeOrder::kName) first = build(letters.profile, options);
      if (order == NodeOrder::kName) CHECK(same_tree(tree, first));
    }
    std::next_permutation(samples.begin(), samples.end());
    std::rotate(samples.begin(), samples.begin() + 3, samples.end());
  }
}

TEST_CASE("a stack of many inlined frames met many times over is refused, not grown") {
  Profile profile;
  profile.add_sample_type("cpu", "count");
  Function function;
  function.name = profile.intern("f");
  const std::vector<Line> lines(20'000, Line{profile.add_function(function), 0, 0, 0});
  const LocationId wide = profile.add_location({}, lines);
  StackId stack = 0;
  for (int depth = 0; depth < 2'000; ++depth) stack = profile.stacks.child(stack, wide);
  const int64_t one = 1;
  profile.add_sample(stack, 0, {&one, 1});
  for (const bool inverted : {false, true}) {
    FlameOptions options;
    options.inverted = inverted;
    CHECK_THROWS_WITH_AS(build(profile, options), doctest::Contains("out of all proportion"),
                         Error);
  }
  FlameOptions by_module;
  by_module.key = FrameKey::kModule;
  CHECK(build(profile, by_module).size() == 2'001);
}

TEST_CASE("leaves over a caller with many inlined frames: each stack of the inverted tree counts") {
  Profile profile;
  profile.add_sample_type("cpu", "count");
  Function function;
  function.name = profile.intern("f");
  const std::vector<Line> lines(20'000, Line{profile.add_function(function), 0, 0, 0});
  const StackId caller = profile.stacks.child(0, profile.add_location({}, lines));
  const int64_t one = 1;
  for (int leaf = 0; leaf < 2'000; ++leaf) {
    function.name = profile.intern("leaf" + std::to_string(leaf));
    const Line line{profile.add_function(function), 0, 0, 0};
    const LocationId location = profile.add_location({}, {&line, 1});
    profile.add_sample(profile.stacks.child(caller, location), 0, {&one, 1});
  }
  CHECK(build(profile).size() == 22'001);
  FlameOptions options;
  options.inverted = true;
  CHECK_THROWS_AS(build(profile, options), Error);
}

TEST_CASE("whole stacks as the lines of one location are read") {
  Profile profile;
  profile.add_sample_type("cpu", "count");
  const int64_t one = 1;
  for (int stack = 0; stack < 400; ++stack) {
    std::vector<Line> lines;
    for (int depth = 0; depth < 5'000; ++depth) {
      Function function;
      function.name = profile.intern("f" + std::to_string(depth % 100 + stack));
      lines.push_back({profile.add_function(function), 0, depth, 0});
    }
    const LocationId location = profile.add_location({}, lines);
    profile.add_sample(profile.stacks.child(0, location), 0, {&one, 1});
  }
  FlameOptions options;
  options.inverted = true;
  CHECK(build(profile, options).total[0] == 400);
  CHECK(build(profile).size() > 2'000'000 - 400 * 100);
}

TEST_CASE("lines that differ in their high bits only are cheap to tell apart") {
  constexpr int64_t kLines = 200'000; // were they to collide, 2 * 10^10 comparisons
  Profile profile;
  profile.add_sample_type("cpu", "count");
  Function function;
  function.name = profile.intern("f");
  const FunctionId id = profile.add_function(function);
  const int64_t one = 1;
  for (int64_t number = 0; number < kLines; ++number) {
    const Line line{id, 0, number << 40, 0};
    const LocationId location = profile.add_location({}, {&line, 1});
    profile.add_sample(profile.stacks.child(0, location), 0, {&one, 1});
  }
  FlameOptions options;
  options.key = FrameKey::kLine;
  CHECK(build(profile, options).size() == kLines + 1);
}

TEST_CASE("a label set with several values of a key is a group of its own") {
  Letters letters;
  Profile &profile = letters.profile;
  const StringId key = profile.intern("k");
  const Label x{key, profile.intern("x"), 0, 0, 0};
  const Label empty{key, 0, 0, 0, 0};
  const Label five{key, 0, profile.intern("ms"), 1, 5};
  letters.add("a", 1, profile.add_label_set(std::vector<Label>{x}));
  letters.add("a", 2, profile.add_label_set(std::vector<Label>{x, x}));
  letters.add("a", 3, profile.add_label_set(std::vector<Label>{empty}));
  letters.add("a", 4, profile.add_label_set(std::vector<Label>{empty, x}));
  letters.add("a", 5, profile.add_label_set(std::vector<Label>{x, five}));
  letters.add("a", 6);
  FlameOptions options;
  options.group_by = {"k"};
  CHECK(text_of(build(profile, options)) ==
        "=0/3 .a=3/3 (no k)=0/6 .a=6/6 ,x=0/4 .a=4/4 x=0/1 .a=1/1 x,5 ms=0/5 .a=5/5 "
        "x,x=0/2 .a=2/2 ");
}
