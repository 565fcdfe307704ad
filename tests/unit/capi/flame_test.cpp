// Trees, diffs, top tables, callers and callees as columns.
#include "support.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <map>

using namespace capi;

namespace {

constexpr std::string_view kText = "main;parse;read 3\nmain;parse 1\nmain;print 2\nidle 4\n"
                                   "main;parse;parse;read 5\n";

std::string name_of(const profcore_flame *flame, uint32_t frame) {
  size_t frames = 0;
  size_t strings = 0;
  const auto *frame_at = profcore_flame_view_frames(flame, &frames);
  const auto *string_at = profcore_flame_view_strings(flame, &strings);
  REQUIRE(frame < frames);
  REQUIRE(frame_at[frame].name < strings);
  return string_at[frame_at[frame].name].data;
}

/// What every tree promises of its columns.
void check_columns(const profcore_flame *flame) {
  const size_t nodes = profcore_flame_get_node_count(flame);
  REQUIRE(nodes > 0);
  size_t count = 0;
  const auto column = [&](auto view) {
    const auto *values = view(flame, &count);
    REQUIRE(count == nodes);
    return values;
  };
  const uint32_t *frame = column(profcore_flame_view_node_frames);
  const uint32_t *parent = column(profcore_flame_view_parents);
  const uint32_t *depth = column(profcore_flame_view_depths);
  const uint32_t *end = column(profcore_flame_view_subtree_ends);
  const int64_t *self = column(profcore_flame_view_self);
  const int64_t *total = column(profcore_flame_view_total);
  size_t frames = 0;
  profcore_flame_view_frames(flame, &frames);
  auto info = PROFCORE_INIT(profcore_flame_info);
  REQUIRE_OK(profcore_flame_get_info(flame, &info, err));
  CHECK(info.total == total[0]);
  CHECK(parent[0] == 0);
  CHECK(depth[0] == 0);
  CHECK(end[0] == nodes);
  // What a node's total has beyond its own value and its children is what was pruned there.
  int64_t left_out = 0;
  std::vector<int64_t> parts(self, self + nodes);
  for (size_t i = nodes; i-- > 1;) {
    CHECK(parent[i] < i);
    CHECK(depth[i] == depth[parent[i]] + 1);
    CHECK(end[i] > i);
    CHECK(end[i] <= end[parent[i]]);
    CHECK(frame[i] < frames);
    left_out += total[i] - parts[i];
    parts[parent[i]] += total[i];
  }
  left_out += total[0] - parts[0];
  CHECK(left_out == info.pruned_value);
  size_t base_count = 9;
  const int64_t *base = profcore_flame_view_base_total(flame, &base_count);
  CHECK(base_count == (info.is_diff != 0 ? nodes : 0));
  CHECK((base == nullptr) == (info.is_diff == 0));
  const int64_t *base_self = profcore_flame_view_base_self(flame, &base_count);
  CHECK((base_self == nullptr) == (info.is_diff == 0));
  CHECK(info.base_total == (base != nullptr ? base[0] : 0));
}

FlamePtr build_checked(const ProfilePtr &profile, const profcore_flame_options *options = nullptr) {
  FlamePtr flame = build(profile, options);
  REQUIRE(flame);
  check_columns(flame.get());
  return flame;
}

} // namespace

TEST_CASE("a tree and its columns") {
  const ProfilePtr profile = decode(kText);
  const FlamePtr flame = build_checked(profile);
  auto info = PROFCORE_INIT(profcore_flame_info);
  REQUIRE_OK(profcore_flame_get_info(flame.get(), &info, err));
  CHECK(std::string{info.type.data} == "samples");
  CHECK(std::string{info.unit.data} == "count");
  CHECK(info.total == 15);
  CHECK(info.inverted == 0);
  CHECK(profcore_flame_get_node_count(flame.get()) == 8);
}

TEST_CASE("every option gives a sound tree") {
  const ProfilePtr profile = decode(kText);
  for (profcore_frame_key key = 0; key <= PROFCORE_KEY_FILE_FUNCTION; ++key)
    for (const profcore_node_order order : {PROFCORE_ORDER_NAME, PROFCORE_ORDER_TOTAL})
      for (const int32_t inverted : {0, 1})
        for (const int32_t fold : {0, 1})
          for (const char *root : {static_cast<const char *>(nullptr), "parse"}) {
            if (root != nullptr && key != PROFCORE_KEY_FUNCTION) continue;
            auto options = PROFCORE_INIT(profcore_flame_options);
            options.key = key;
            options.order = order;
            options.inverted = inverted;
            options.fold_recursion = fold;
            options.root_function = root;
            const FlamePtr flame = build_checked(profile, &options);
            auto info = PROFCORE_INIT(profcore_flame_info);
            REQUIRE_OK(profcore_flame_get_info(flame.get(), &info, err));
            CHECK(info.inverted == inverted);
            CHECK(info.total == (root != nullptr ? 9 : 15));
          }
  auto options = PROFCORE_INIT(profcore_flame_options);
  options.min_share = 0.3;
  const FlamePtr pruned = build_checked(profile, &options);
  auto info = PROFCORE_INIT(profcore_flame_info);
  REQUIRE_OK(profcore_flame_get_info(pruned.get(), &info, err));
  CHECK(info.pruned_nodes > 0);

  const char *const keys[] = {"thread"};
  options = PROFCORE_INIT(profcore_flame_options);
  options.group_by = keys;
  options.group_by_count = 1;
  build_checked(profile, &options);
}

TEST_CASE("what cannot be built") {
  const ProfilePtr profile = decode(kText);
  auto *flame = rubbish<profcore_flame>();
  auto options = PROFCORE_INIT(profcore_flame_options);
  options.sample_type = "wall";
  const Outcome type = outcome_of([&](profcore_error **err) {
    return profcore_flame_build(profile.get(), &options, &flame, err);
  });
  CHECK(type.status == PROFCORE_ERR_NOT_FOUND);
  CHECK(type.message.find("samples/count") != type.message.npos);
  CHECK(flame == nullptr);
  options.sample_type = nullptr;
  options.root_function = "nobody";
  CHECK_STATUS(PROFCORE_ERR_NOT_FOUND, profcore_flame_build(profile.get(), &options, &flame, err));
}

TEST_CASE("a tree outlives its profile") {
  FlamePtr flame;
  {
    const ProfilePtr profile = decode(kText);
    flame = build(profile);
  }
  check_columns(flame.get());
  CHECK(name_of(flame.get(), profcore_flame_view_node_frames(flame.get(), nullptr)[1]) == "idle");
}

TEST_CASE("diff") {
  const FlamePtr before = build(decode("main;a 3\nmain;gone 1\n"));
  const FlamePtr after = build(decode("main;a 5\nmain;new 3\n"));
  profcore_flame *out = nullptr;
  REQUIRE_OK(profcore_flame_diff(before.get(), after.get(), nullptr, &out, err));
  const FlamePtr diff{out};
  check_columns(out);
  auto info = PROFCORE_INIT(profcore_flame_info);
  REQUIRE_OK(profcore_flame_get_info(out, &info, err));
  CHECK(info.is_diff == 1);
  CHECK(info.normalised == 0);
  CHECK(info.total == 8);
  CHECK(info.base_total == 4);
  std::map<std::string, std::pair<int64_t, int64_t>> values;
  const uint32_t *frames = profcore_flame_view_node_frames(out, nullptr);
  for (size_t i = 1; i < profcore_flame_get_node_count(out); ++i)
    values[name_of(out, frames[i])] = {profcore_flame_view_base_self(out, nullptr)[i],
                                       profcore_flame_view_self(out, nullptr)[i]};
  CHECK(values["a"] == std::pair<int64_t, int64_t>{3, 5});
  CHECK(values["gone"] == std::pair<int64_t, int64_t>{1, 0});
  CHECK(values["new"] == std::pair<int64_t, int64_t>{0, 3});

  auto options = PROFCORE_INIT(profcore_flame_diff_options);
  options.normalise = 1;
  options.order = PROFCORE_ORDER_TOTAL;
  REQUIRE_OK(profcore_flame_diff(before.get(), after.get(), &options, &out, err));
  const FlamePtr normalised{out};
  REQUIRE_OK(profcore_flame_get_info(out, &info, err));
  CHECK(info.normalised == 1);
  CHECK(info.base_total == 8);

  // Not comparable: a diff again, another direction.
  CHECK_STATUS(PROFCORE_ERR_INVALID_ARGUMENT,
               profcore_flame_diff(diff.get(), after.get(), nullptr, &out, err));
  auto inverted = PROFCORE_INIT(profcore_flame_options);
  inverted.inverted = 1;
  const FlamePtr other = build(decode("main;a 3\n"), &inverted);
  CHECK_STATUS(PROFCORE_ERR_INVALID_ARGUMENT,
               profcore_flame_diff(before.get(), other.get(), nullptr, &out, err));
}

TEST_CASE("top: self and total") {
  const FlamePtr flame = build(decode(kText));
  profcore_top *out = nullptr;
  REQUIRE_OK(profcore_flame_top(flame.get(), PROFCORE_TOP_SELF, 0, &out, err));
  const TopPtr top{out};
  size_t count = 0;
  const profcore_top_row *rows = profcore_top_view_rows(out, &count);
  REQUIRE(count == 5);
  int64_t self = 0;
  std::map<std::string, std::pair<int64_t, int64_t>> values;
  for (size_t i = 0; i < count; ++i) {
    CHECK((i == 0 || rows[i - 1].self >= rows[i].self));
    CHECK(rows[i].base_self == 0);
    self += rows[i].self;
    values[name_of(flame.get(), rows[i].frame)] = {rows[i].self, rows[i].total};
  }
  CHECK(self == 15);
  CHECK(values["parse"] == std::pair<int64_t, int64_t>{1, 9}); // recursion counted once
  CHECK(values["main"] == std::pair<int64_t, int64_t>{0, 11});
  for (const profcore_top_order order :
       {PROFCORE_TOP_SELF, PROFCORE_TOP_TOTAL, PROFCORE_TOP_NAME, PROFCORE_TOP_DELTA}) {
    REQUIRE_OK(profcore_flame_top(flame.get(), order, 2, &out, err));
    const TopPtr limited{out};
    profcore_top_view_rows(out, &count);
    CHECK(count == 2);
  }
}

TEST_CASE("peek: callers and callees") {
  const FlamePtr flame = build(decode(kText));
  profcore_peek *out = nullptr;
  REQUIRE_OK(profcore_flame_peek(flame.get(), "parse", 1, &out, err));
  const PeekPtr peek{out};
  REQUIRE(profcore_peek_get_count(out) == 1);
  uint32_t frame = 0;
  int64_t self = 0;
  int64_t total = 0;
  REQUIRE_OK(profcore_peek_get_function(out, 0, &frame, &self, &total, err));
  CHECK(name_of(flame.get(), frame) == "parse");
  CHECK(self == 1);
  CHECK(total == 9);
  REQUIRE_OK(profcore_peek_get_function(out, 0, nullptr, nullptr, nullptr, err));
  CHECK_STATUS(PROFCORE_ERR_INVALID_ARGUMENT,
               profcore_peek_get_function(out, 1, &frame, &self, &total, err));
  CHECK((frame == 0 && self == 0 && total == 0));

  size_t count = 0;
  const profcore_peek_row *callers = profcore_peek_view_callers(out, 0, &count);
  REQUIRE(count == 1);
  CHECK(name_of(flame.get(), callers[0].frame) == "main");
  CHECK(callers[0].value == 9);
  const profcore_peek_row *callees = profcore_peek_view_callees(out, 0, &count);
  REQUIRE(count == 1);
  CHECK(name_of(flame.get(), callees[0].frame) == "read");
  CHECK(callees[0].value == 8);
  CHECK(profcore_peek_view_callers(out, 1, &count) == nullptr);
  CHECK(count == 0);
  CHECK(profcore_peek_view_callees(out, 1, &count) == nullptr);
  CHECK(count == 0);

  profcore_peek *none = rubbish<profcore_peek>();
  CHECK_STATUS(PROFCORE_ERR_NOT_FOUND, profcore_flame_peek(flame.get(), "pars", 1, &none, err));
  CHECK(none == nullptr);
  if (std::string{profcore_features_get()}.find("re2=yes") != std::string::npos) {
    REQUIRE_OK(profcore_flame_peek(flame.get(), "^(pa|pr)", 0, &none, err));
    const PeekPtr two{none};
    CHECK(profcore_peek_get_count(none) == 2);
    CHECK_STATUS(PROFCORE_ERR_INVALID_ARGUMENT,
                 profcore_flame_peek(flame.get(), "(", 0, &none, err));
  }
}
