#include "base/error.hpp"
#include "build_profile.hpp"
#include "model/operations.hpp"

#include <doctest/doctest.h>

using namespace profcore;
using namespace profcore::test;

using Rows = std::vector<std::string>;

namespace {

Profile merge_two(const Profile &a, const Profile &b) {
  const Profile *both[] = {&a, &b};
  return merge(both);
}

// One frame at start + 0x10 of a module.
Profile profile_at(uint64_t start, std::string_view path, std::string_view build_id) {
  Builder builder;
  Profile &profile = builder.profile;
  Module module;
  module.path = profile.intern(path);
  module.build_id = profile.intern(build_id);
  module.start = start;
  module.end = start + 0x2000;
  Location location;
  location.module = profile.add_module(module);
  location.address = start + 0x10;
  profile.add_sample_type("cpu", "ns");
  const int64_t value = 1;
  profile.add_sample(profile.stacks.child(0, profile.add_location(location, {})), 0, {&value, 1});
  return std::move(builder.profile);
}

} // namespace

TEST_CASE("equal rows are added up, others stand side by side") {
  Builder a, b;
  b.sample("x", 100); // other ids than in a
  b.profile.truncate_rows(0);
  a.sample("main f", 1, {a.text_label("k", "v"), a.text_label("a", "w")});
  a.sample("main f", 2);
  a.sample("main f", 4);
  b.sample("main f", 8, {b.text_label("a", "w"), b.text_label("k", "v")});
  b.sample("main", 16);
  b.sample("main f", 32);
  const Profile merged = merge_two(a.profile, b.profile);
  CHECK(rows(merged) == Rows{"main f:9", "main f:38", "main:16"});
  CHECK(merged.labels_of(merged.sample_label_sets()[0]).size() == 2);
  CHECK_FALSE(merged.has_timestamps());
  CHECK(merged.strings.find("x") == UINT32_MAX); // what no row uses stays behind
  CHECK(merged.stacks.size() == 3);
}

TEST_CASE("columns go by type and unit, units of one kind by their canonical one") {
  Builder a, b;
  a.profile.add_sample_type("wall", "us");
  a.profile.add_sample_type("cpu", "ms");
  a.sample("f", 5000000);
  b.profile.add_sample_type("cpu", "ns");
  b.profile.add_sample_type("allocs", "count");
  b.profile.add_sample_type("wall", "us");
  b.sample("f", 7);
  const Profile merged = merge_two(a.profile, b.profile);
  REQUIRE(merged.sample_types().size() == 3);
  CHECK(merged.text(merged.sample_types()[0].source_unit) == "us");
  CHECK(merged.sample_types()[0].scale == 1000);
  CHECK(merged.text(merged.sample_types()[1].source_unit) == "nanoseconds");
  CHECK(merged.sample_types()[1].scale == 1);
  CHECK(merged.values(0)[0] == 5000007);
  CHECK(merged.values(1)[0] == 5000007);
  CHECK(merged.values(2)[0] == 7);
}

TEST_CASE("two columns of one name stay two") {
  Builder a;
  a.profile.add_sample_type("cpu", "ns");
  a.profile.add_sample_type("cpu", "ns");
  const std::vector<int64_t> values = {1, 10};
  a.profile.add_sample(0, 0, values);
  const Profile merged = merge_two(a.profile, a.profile);
  REQUIRE(merged.sample_types().size() == 2);
  CHECK(merged.values(0)[0] == 2);
  CHECK(merged.values(1)[0] == 20);
}

TEST_CASE("timestamps keep rows apart; a profile without gives 0") {
  Builder a, b;
  a.timed("f", 1, 10);
  a.timed("f", 2, 20);
  a.timed("f", 4, 10);
  b.sample("f", 8);
  const Profile merged = merge_two(a.profile, b.profile);
  CHECK(rows(merged) == Rows{"f:5", "f:2", "f:8"});
  REQUIRE(merged.timestamps().size() == 3);
  CHECK(merged.timestamps()[0] == 10);
  CHECK(merged.timestamps()[2] == 0);
}

TEST_CASE("sums saturate with one warning") {
  Builder a;
  a.sample("f", INT64_MAX);
  a.sample("g", INT64_MIN);
  a.profile.meta.lost_samples = UINT64_MAX;
  const Profile merged = merge_two(a.profile, a.profile);
  CHECK(merged.values(0)[0] == INT64_MAX);
  CHECK(merged.values(0)[1] == INT64_MIN);
  CHECK(merged.meta.lost_samples == UINT64_MAX);
  CHECK(merged.warnings().size() == 1);
}

TEST_CASE("the same file mapped elsewhere is one module") {
  const Profile a = profile_at(0x400000, "/bin/x", "");
  const Profile b = profile_at(0x7f0000000000, "/bin/x", "");
  const Profile merged = merge_two(a, b);
  CHECK(merged.modules().size() == 2);
  REQUIRE(merged.sample_count() == 1);
  CHECK(merged.locations()[merged.stacks[merged.sample_stacks()[0]].location].address == 0x400010);
  CHECK(merge_two(profile_at(1, "/a", "cafe"), profile_at(0, "/b", "cafe")).sample_count() == 1);
  CHECK(merge_two(profile_at(1, "/a", "cafe"), profile_at(1, "/a", "beef")).sample_count() == 2);
}

TEST_CASE("frames without an address have none after merging either") {
  const auto interpreted_at = [](uint64_t start) {
    Profile profile = profile_at(start, "/bin/x", "");
    for (Location &location : profile.mutable_locations()) location.address = 0;
    return profile;
  };
  const Profile merged = merge_two(interpreted_at(0x400000), interpreted_at(0x7f0000000000));
  REQUIRE(merged.sample_count() == 1);
  CHECK(merged.locations()[merged.stacks[merged.sample_stacks()[0]].location].address == 0);
}

TEST_CASE("mappings of no file stay apart unless equal") {
  for (const std::string_view path : {"", "//anon", "[heap]"}) {
    const Profile a = profile_at(0x1000, path, "");
    CHECK(merge_two(a, profile_at(0x9000, path, "")).sample_count() == 2);
    CHECK(merge_two(a, profile_at(0x1000, path, "")).sample_count() == 1);
  }
}

TEST_CASE("what is known of the profiles as a whole") {
  Builder a, b;
  Metadata &x = a.profile.meta;
  Metadata &y = b.profile.meta;
  x.time_ns = 500;
  y.time_ns = 300;
  x.duration_ns = 10;
  y.duration_ns = 20;
  x.period = 10;
  x.period_unit = a.profile.intern("milliseconds");
  y.period = 11000000;
  y.period_unit = b.profile.intern("nanoseconds");
  x.period_type = a.profile.intern("cpu");
  y.period_type = b.profile.intern("cpu");
  x.host = a.profile.intern("one");
  b.profile.intern("shift the ids");
  y.host = b.profile.intern("two");
  y.command = b.profile.intern("cmd");
  x.comments = {a.profile.intern("c1"), a.profile.intern("c2")};
  y.comments = {b.profile.intern("c2"), b.profile.intern("c3"), b.profile.intern("c3")};
  y.default_type = b.profile.intern("cpu");
  x.frequency_hz = 100;
  y.frequency_hz = 90;
  x.lost_samples = 1;
  y.lost_samples = 2;
  a.profile.count("skipped", 3);
  b.profile.count("skipped", 4);
  b.profile.warn("odd");
  const Profile merged = merge_two(a.profile, b.profile);
  CHECK(merged.meta.time_ns == 300);
  CHECK(merged.meta.duration_ns == 30);
  CHECK(merged.meta.period == 11000000);
  CHECK(merged.text(merged.meta.period_unit) == "nanoseconds");
  CHECK(merged.meta.host == 0);
  CHECK(merged.text(merged.meta.command) == "cmd");
  CHECK(merged.meta.comments.size() == 3);
  CHECK(merged.text(merged.meta.default_type) == "cpu");
  CHECK(merged.meta.frequency_hz == 90);
  CHECK(merged.meta.lost_samples == 3);
  CHECK(merged.counter("skipped") == 7);
  CHECK(has_warning(merged, "odd"));
  CHECK(has_warning(merged, "The merged profiles have different periods; the largest is kept"));
  y.period = 10000000;
  CHECK(merge_two(a.profile, b.profile).warnings().size() == 1); // 10 ms, said in two ways
}

TEST_CASE("nothing, null, empty profiles, columnless rows, deep stacks") {
  CHECK(merge({}).sample_count() == 0);
  const Profile *null = nullptr;
  CHECK_THROWS_AS(merge({&null, 1}), Error);
  CHECK(merge_two(Profile{}, Profile{}).sample_types().empty());
  Builder deep;
  deep.profile.add_sample(deep.stack("a"), 0, {});
  CHECK(merge_two(deep.profile, deep.profile).sample_count() == 1);
  StackId stack = 0;
  const LocationId f = deep.frame("f");
  for (int i = 0; i < 1'000'000; ++i) stack = deep.profile.stacks.child(stack, f);
  deep.profile.add_sample(stack, 0, {});
  const Profile merged = merge_two(deep.profile, deep.profile);
  CHECK(merged.stacks.depth(merged.sample_stacks()[1]) == 1'000'000);
}
