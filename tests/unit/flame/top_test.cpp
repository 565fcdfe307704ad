#include "check.hpp"
#include "reference.hpp"

using namespace profcore;

namespace {

struct Sums {
  int64_t self = 0;
  int64_t total = 0;
  bool operator==(const Sums &) const = default;
};

std::string text(const FlameTree &tree, uint32_t frame) {
  return frame == 0 ? "" : reference::frame_text(tree, frame, FrameKey::kFunction);
}

} // namespace

TEST_CASE("top counts each function once per stack, in any direction and grouping") {
  for (uint32_t seed = 20; seed < 30; ++seed) {
    reference::Maker maker{seed};
    const Profile profile = maker.build(maker.draw(150, seed % 2 == 0));
    for (int mode = 0; mode < 8; ++mode) {
      FlameOptions options;
      options.inverted = (mode & 1) != 0;
      options.fold_recursion = (mode & 2) != 0;
      if ((mode & 4) != 0) options.group_by = {"thread"};
      std::map<std::string, Sums> expected;
      for (const reference::Row &row : reference::rows_of(profile, options)) {
        std::set<std::string> seen(row.frames.begin(), row.frames.end());
        seen.insert(row.labels.begin(), row.labels.end());
        for (const std::string &frame : seen) expected[frame].total += row.value;
        if (!row.frames.empty())
          expected[row.frames.back()].self += row.value;
        else if (!row.labels.empty() && !options.inverted)
          expected[row.labels.back()].self += row.value;
      }
      std::map<std::string, Sums> got;
      const FlameTree tree = build_flame_tree(profile, options);
      for (const TopRow &row : top(tree, TopOrder::kSelf, 0))
        got[text(tree, row.frame)] = {row.self, row.total};
      const auto nothing = [](const auto &at) { return at.second == Sums{}; };
      std::erase_if(got, nothing);
      std::erase_if(expected, nothing);
      CHECK(got == expected);
    }
  }
}

TEST_CASE("a sandwich's total is the function's total in top") {
  reference::Maker maker{77};
  const Profile profile = maker.build(maker.draw(200, false));
  const FlameTree tree = build_flame_tree(profile, {});
  FlameOptions options;
  options.root_function = "f3"; // only a.c has it
  int64_t total = 0;
  for (const TopRow &row : top(tree, TopOrder::kSelf, 0))
    if (tree.strings[tree.frames[row.frame].name] == "f3") total += row.total;
  CHECK(total > 0);
  for (const bool inverted : {false, true}) {
    options.inverted = inverted;
    CHECK(build_flame_tree(profile, options).total[0] == total);
  }
}

TEST_CASE("orders and limits of top") {
  reference::Maker maker{40};
  const FlameTree before = build_flame_tree(maker.build(maker.draw(80, false)), {});
  const FlameTree after = build_flame_tree(maker.build(maker.draw(80, false)), {});
  const FlameTree diff = diff_flame_trees(before, after, {});
  std::map<std::string, Sums> was;
  for (const TopRow &row : top(before, TopOrder::kName, 0))
    was[text(before, row.frame)] = {row.self, row.total};
  for (const TopOrder order :
       {TopOrder::kSelf, TopOrder::kTotal, TopOrder::kName, TopOrder::kDelta}) {
    const auto rows = top(diff, order, 0);
    for (const TopRow &row : rows) {
      CHECK(row.base_self == was[text(diff, row.frame)].self);
      CHECK(row.base_total == was[text(diff, row.frame)].total);
    }
    for (size_t i = 1; i < rows.size(); ++i) {
      const TopRow &a = rows[i - 1];
      const TopRow &b = rows[i];
      if (order == TopOrder::kSelf) CHECK(a.self >= b.self);
      if (order == TopOrder::kTotal) CHECK(a.total >= b.total);
      if (order == TopOrder::kName)
        CHECK(diff.strings[diff.frames[a.frame].name] <= diff.strings[diff.frames[b.frame].name]);
      if (order == TopOrder::kDelta)
        CHECK(std::abs(a.self - a.base_self) >= std::abs(b.self - b.base_self));
    }
    const auto few = top(diff, order, 3);
    REQUIRE(few.size() == 3);
    for (size_t i = 0; i < 3; ++i) CHECK(few[i].frame == rows[i].frame);
    CHECK(top(diff, order, 1000).size() == rows.size());
  }
  CHECK_THROWS_AS(top(diff, static_cast<TopOrder>(7), 0), Error);
}

TEST_CASE("peek counts each call once per stack") {
  for (uint32_t seed = 60; seed < 66; ++seed) {
    reference::Maker maker{seed};
    const Profile profile = maker.build(maker.draw(120, false));
    for (const bool inverted : {false, true}) {
      FlameOptions options;
      options.inverted = inverted;
      const FlameTree tree = build_flame_tree(profile, options);
      std::map<std::pair<std::string, std::string>, int64_t> calls;
      std::map<std::string, Sums> sums;
      for (const reference::Row &row : reference::rows_of(profile, options)) {
        std::set<std::pair<std::string, std::string>> once;
        for (size_t i = 0; i < row.frames.size(); ++i) {
          const std::string caller = i == 0 ? "" : row.frames[i - 1];
          if (caller != row.frames[i]) once.insert({caller, row.frames[i]});
        }
        for (const auto &call : once) calls[call] += row.value;
        for (const std::string &frame : std::set<std::string>(row.frames.begin(), row.frames.end()))
          sums[frame].total += row.value;
        if (!row.frames.empty()) sums[row.frames.back()].self += row.value;
      }
      const auto found = peek(tree, "^f[0-9]", false);
      CHECK(found.size() == 5);
      int64_t last = INT64_MAX;
      for (const Peek &at : found) {
        const std::string name = text(tree, at.frame);
        CHECK(at.self == sums[name].self);
        CHECK(at.total == sums[name].total);
        CHECK(at.total <= last);
        last = at.total;
        std::map<std::pair<std::string, std::string>, int64_t> got, expected;
        for (const PeekRow &row : at.callers) got[{text(tree, row.frame), name}] = row.value;
        for (const PeekRow &row : at.callees) got[{name, text(tree, row.frame)}] = row.value;
        for (const auto &[call, value] : calls)
          if (call.first == name || call.second == name) expected[call] = value;
        CHECK(got == expected);
        CHECK(got.size() == at.callers.size() + at.callees.size());
        for (size_t i = 1; i < at.callers.size(); ++i)
          CHECK(at.callers[i - 1].value >= at.callers[i].value);
      }
      CHECK(peek(tree, "f3", true).size() == 1);
      CHECK_THROWS_AS(peek(tree, "^f[0-9]", true), Error);
      CHECK_THROWS_AS(peek(tree, "f(", false), Error);
    }
  }
}
