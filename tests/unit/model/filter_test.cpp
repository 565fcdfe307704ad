#include "base/error.hpp"
#include "base/regex.hpp"
#include "build_profile.hpp"
#include "model/operations.hpp"

#include <doctest/doctest.h>

using namespace profcore;
using namespace profcore::test;

using Rows = std::vector<std::string>;

namespace {

Profile sample_profile() {
  Builder builder;
  builder.sample("main@m.c run@r.c read@io.c", 1);
  builder.sample("main@m.c run@r.c+fast@f.h =/lib/libz.so", 2);
  builder.sample("main@m.c idle", 4);
  builder.sample("=/lib/libz.so", 8);
  return std::move(builder.profile);
}

Status status_of(const Profile &profile, const FilterOptions &options) {
  try {
    filter(profile, options);
  } catch (const Error &error) {
    return error.status();
  }
  return Status::kOk;
}

} // namespace

TEST_CASE("time ranges need no regex; rows without a time stay") {
  Builder builder;
  builder.timed("a", 1, 100);
  builder.timed("b", 2, 0);
  builder.timed("c", 4, 200);
  builder.timed("d", 8, 300);
  FilterOptions options;
  options.time_from_ns = 150;
  options.time_to_ns = 300;
  const Profile filtered = filter(builder.profile, options);
  CHECK(rows(filtered) == Rows{"b:2", "c:4"});
  CHECK(filtered.timestamps()[1] == 200);
  CHECK(filtered.counter("filtered_samples") == 2);
  options.time_to_ns = 160;
  CHECK_FALSE(has_warning(filter(builder.profile, options), "The time range matched no samples"));
  const Profile timeless = filter(sample_profile(), options);
  CHECK(timeless.sample_count() == 4);
  CHECK(timeless.warnings().size() == 1);
}

TEST_CASE("without filters everything but what is unused is carried over") {
  Builder builder;
  Profile &profile = builder.profile;
  profile.add_sample_type("cpu", "ms");
  profile.add_sample_type("inuse_space", "kb");
  profile.meta.default_type = profile.intern("cpu");
  profile.meta.comments = {profile.intern("one"), profile.intern("two")};
  profile.meta.drop_frames = profile.intern("x");
  profile.meta.lost_samples = 3;
  profile.warn("careful", 17, 4);
  profile.count("odd", 5);
  builder.module("/bin/first");
  const Label labels[] = {builder.text_label("thread", "main"),
                          builder.number_label("size", -4, "bytes")};
  const std::vector<int64_t> values = {INT64_MIN, INT64_MAX};
  profile.add_sample(builder.stack("b =/lib/z"), profile.add_label_set(labels), values, -5);
  profile.add_sample(0, 0, values, 6);
  const Profile copy = filter(profile, {});
  REQUIRE(copy.sample_count() == 2);
  CHECK(stack_text(copy, copy.sample_stacks()[0]) == "b =/lib/z");
  CHECK(copy.sample_stacks()[1] == 0);
  CHECK(copy.values(0)[0] == INT64_MIN);
  CHECK(copy.values(1)[1] == INT64_MAX);
  CHECK(copy.timestamps()[0] == -5);
  CHECK(copy.sample_types()[1].scale == 1024);
  CHECK(copy.sample_types()[1].kind == ValueKind::kInstant);
  CHECK(copy.default_type() == 0);
  CHECK(copy.text(copy.meta.comments.at(1)) == "two");
  CHECK(copy.text(copy.meta.drop_frames) == "x");
  CHECK(copy.meta.lost_samples == 3);
  REQUIRE(copy.warnings().size() == 1);
  CHECK(copy.warnings()[0].offset == 17);
  CHECK(copy.warnings()[0].line == 4);
  CHECK(copy.counter("odd") == 5);
  CHECK(copy.counters().size() == 1);
  CHECK(copy.text(copy.modules()[1].path) == "/bin/first");
  const LocationId leaf = copy.stacks[copy.sample_stacks()[0]].location;
  CHECK(copy.locations()[leaf].reason == UnnamedReason::kNoSymbols);
  CHECK(copy.locations()[leaf].address == 0x1000);
  CHECK(copy.labels_of(copy.sample_label_sets()[0]).size() == 2);
}

TEST_CASE("empty profiles and profiles without sample types pass") {
  CHECK(filter(Profile{}, {}).sample_count() == 0);
  Builder builder;
  builder.profile.add_sample(builder.stack("a b"), 0, {});
  CHECK(filter(builder.profile, {}).sample_count() == 1);
}

TEST_SUITE("filter by regex" * doctest::skip(!Regex::is_available())) {
  TEST_CASE("focus and ignore look at names, files and modules") {
    const Profile profile = sample_profile();
    FilterOptions options;
    options.focus = "^read$";
    CHECK(rows(filter(profile, options)) == Rows{"main run read:1"});
    options.focus = "f\\.h";
    CHECK(rows(filter(profile, options)) == Rows{"main run+fast =/lib/libz.so:2"});
    options.focus = "libz";
    CHECK(rows(filter(profile, options)) ==
          Rows{"main run+fast =/lib/libz.so:2", "=/lib/libz.so:8"});
    options.ignore = "main";
    CHECK(rows(filter(profile, options)) == Rows{"=/lib/libz.so:8"});
    options.focus = {};
    options.ignore = "run|libz";
    const Profile ignored = filter(profile, options);
    CHECK(rows(ignored) == Rows{"main idle:4"});
    CHECK(ignored.counter("filtered_samples") == 3);
    CHECK(ignored.warnings().empty());
    CHECK(ignored.locations().size() == 3); // none, main, idle
  }

  TEST_CASE("hide removes lines, then locations, then samples") {
    const Profile profile = sample_profile();
    FilterOptions options;
    options.hide = "^run$|idle";
    CHECK(rows(filter(profile, options)) ==
          Rows{"main read:1", "main fast =/lib/libz.so:2", "main:4", "=/lib/libz.so:8"});
    options.hide = "libz";
    CHECK(rows(filter(profile, options)) ==
          Rows{"main run read:1", "main run+fast:2", "main idle:4"});
  }

  TEST_CASE("show keeps matching lines only; an unnamed frame is never shown") {
    const Profile profile = sample_profile();
    FilterOptions options;
    options.show = "run|libz";
    CHECK(rows(filter(profile, options)) == Rows{"run:1", "run:2"});
    Builder builder;
    builder.sample("f%/bin/a g%/bin/b", 1);
    options.show = "/bin/b";
    CHECK(rows(filter(builder.profile, options)) == Rows{"g:1"});
  }

  TEST_CASE("hiding merges stacks but not rows") {
    Builder builder;
    builder.sample("a x c", 1);
    builder.sample("a y c", 2);
    FilterOptions options;
    options.hide = "^[xy]$";
    const Profile filtered = filter(builder.profile, options);
    CHECK(rows(filtered) == Rows{"a c:1", "a c:2"});
    CHECK(filtered.stacks.size() == 3);
  }

  TEST_CASE("show_from cuts above the rootmost match") {
    Builder builder;
    builder.sample("A B C B", 1);
    FilterOptions options;
    options.show_from = "A";
    CHECK(rows(filter(builder.profile, options)) == Rows{"A B C B:1"});
    options.show_from = "B";
    CHECK(rows(filter(builder.profile, options)) == Rows{"B C B:1"});
    options.show_from = "C";
    CHECK(rows(filter(builder.profile, options)) == Rows{"C B:1"});
    options.show_from = "D";
    const Profile none = filter(builder.profile, options);
    CHECK(none.sample_count() == 0);
    CHECK(has_warning(none, "ShowFrom expression matched no samples"));
    builder.sample("out+mid+in leaf", 2);
    options.show_from = "mid";
    CHECK(rows(filter(builder.profile, options)) == Rows{"mid+in leaf:2"});
    options.hide = "mid";
    CHECK(filter(builder.profile, options).sample_count() == 0);
  }

  TEST_CASE("a filter that matched nothing is told") {
    const Profile profile = sample_profile();
    FilterOptions options;
    options.focus = "nope";
    CHECK(has_warning(filter(profile, options), "Focus expression matched no samples"));
    CHECK(filter(profile, options).sample_count() == 0);
    options = {};
    options.ignore = options.hide = "nope";
    const Profile filtered = filter(profile, options);
    CHECK(filtered.sample_count() == 4);
    CHECK(has_warning(filtered, "Ignore expression matched no samples"));
    CHECK(has_warning(filtered, "Hide expression matched no samples"));
    options = {};
    options.show = options.tag_focus = "nope";
    options.tag_ignore = "5kb";
    const Profile empty = filter(profile, options);
    CHECK(empty.sample_count() == 0);
    CHECK(empty.warnings().size() == 3);
  }

  TEST_CASE("drop_frames drops the frame and what it calls, below user code only") {
    Builder builder;
    builder.sample("main f malloc brk", 1);
    builder.sample("malloc main malloc", 2);
    builder.sample("main outer+malloc brk", 4);
    builder.sample("main outer+malloc+inner brk", 8);
    builder.sample("main malloc_keep x", 16);
    builder.sample("main xmalloc y", 32);
    builder.sample("malloc", 64);
    builder.profile.meta.drop_frames = builder.profile.intern("malloc.*");
    builder.profile.meta.keep_frames = builder.profile.intern(".*_keep");
    const Profile dropped = apply_drop_frames(builder.profile);
    CHECK(rows(dropped) == Rows{"main f:1", "malloc main:2", "main outer:4", "main outer:8",
                                "main malloc_keep x:16", "main xmalloc y:32", "malloc:64"});
    CHECK(dropped.counters().empty());
  }

  TEST_CASE("drop_frames meets names without their parameters") {
    Builder builder;
    builder.sample("main .ns::drop(int(*)(int)) x", 1);
    builder.sample("main (anonymous_namespace)::drop x", 2);
    Function function;
    const auto add = [&](std::string_view name, int64_t value) {
      function.name = builder.profile.intern(name);
      const Line line{builder.profile.add_function(function), 0, 0, 0};
      const StackId stack = builder.profile.stacks.child(
          builder.stack("main"), builder.profile.add_location({}, {&line, 1}));
      builder.profile.add_sample(stack, 0, {&value, 1});
    };
    add("(anonymous namespace)::f::operator()(int) const", 4);
    add("(anonymous namespace)::g(int)", 8);
    builder.profile.meta.drop_frames =
        builder.profile.intern("ns::drop|\\(anonymous namespace\\)::f::operator\\(\\)");
    CHECK(rows(apply_drop_frames(builder.profile)) ==
          Rows{"main:1", "main (anonymous_namespace)::drop x:2", "main:4",
               "main (anonymous namespace)::g(int):8"});
  }

  TEST_CASE("a bad regex in the data is a warning, one of the caller an error") {
    Profile profile = sample_profile();
    profile.meta.drop_frames = profile.intern("a(");
    const Profile kept = apply_drop_frames(profile);
    CHECK(kept.sample_count() == 4);
    CHECK(kept.warnings().size() == 1);
    profile.meta.drop_frames = profile.intern("main|run");
    profile.meta.keep_frames = profile.intern(std::string(100'000, 'k'));
    CHECK(rows(apply_drop_frames(profile)) == rows(profile));
    for (auto member :
         {&FilterOptions::focus, &FilterOptions::ignore, &FilterOptions::hide, &FilterOptions::show,
          &FilterOptions::show_from, &FilterOptions::tag_focus, &FilterOptions::tag_ignore}) {
      FilterOptions options;
      for (const std::string_view bad : {"(", "\xff\xfe", "[[:nope:]]"}) {
        options.*member = bad;
        CHECK(status_of(profile, options) == Status::kInvalidArgument);
      }
      const std::string large(100'000, 'a');
      options.*member = large;
      CHECK(status_of(profile, options) == Status::kInvalidArgument);
      options.*member = "(a*)*";
      CHECK(status_of(profile, options) == Status::kOk);
    }
  }

  TEST_CASE("a stack of a million frames") {
    Builder builder;
    const LocationId a = builder.frame("a");
    const LocationId b = builder.frame("b");
    StackId stack = 0;
    for (int i = 0; i < 500'000; ++i)
      stack = builder.profile.stacks.child(builder.profile.stacks.child(stack, a), b);
    builder.profile.add_sample_type("cpu", "ns");
    const int64_t value = 1;
    builder.profile.add_sample(stack, 0, {&value, 1});
    FilterOptions options;
    options.hide = "b";
    options.focus = "a";
    const Profile filtered = filter(builder.profile, options);
    CHECK(filtered.stacks.depth(filtered.sample_stacks()[0]) == 500'000);
    CHECK(filtered.stacks.size() == 500'001);
  }
}
