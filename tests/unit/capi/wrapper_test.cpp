// profcore.hpp: every member of every class, moves, what exceptions say.
#include "support.hpp"

#include <profcore/profcore.hpp>

#include <cstdio>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <filesystem>
#include <type_traits>
#include <unistd.h>

using profcore::Exception;
using profcore::Flame;
using profcore::Profile;

// The library itself has classes of these names; a static link must not mix them up.
static_assert(std::is_same_v<Profile, profcore::wrapper::Profile>);
static_assert(std::is_nothrow_move_constructible_v<Profile> &&
              !std::is_copy_constructible_v<Profile>);
static_assert(std::is_nothrow_move_constructible_v<Flame> && !std::is_copy_constructible_v<Flame>);
static_assert(std::is_nothrow_copy_constructible_v<Exception>);

namespace {

Profile from_text(std::string_view text) {
  return Profile::from_bytes(std::as_bytes(std::span{text}));
}

Profile build_by_hand() {
  Profile profile;
  const uint32_t file = profile.add_string("/a.cc");
  profcore_function function{};
  function.name = profile.add_string("work");
  function.file = file;
  profcore_module module{};
  module.path = profile.add_string("/bin/a");
  profcore_location location{};
  location.address = 0x10;
  location.module = profile.add_module(module);
  profcore_line line{};
  line.function = profile.add_function(function);
  line.line = 3;
  const uint32_t id = profile.add_location(location, {&line, 1});
  const uint32_t stack = profile.add_stack({&id, 1});
  profcore_label label{};
  label.key = profile.add_string("thread");
  label.text = profile.add_string("t1");
  const uint32_t labels = profile.add_label_set({&label, 1});
  CHECK(profile.add_sample_type("cpu", "milliseconds") == 0);
  const int64_t value = 2'000'000;
  profile.add_sample(stack, labels, {&value, 1}, 99);
  profile.add_comment("by hand");
  return profile;
}

} // namespace

TEST_CASE("a profile") {
  Profile profile = build_by_hand();
  auto metadata = profcore::init<profcore_metadata>();
  metadata.duration_ns = 5;
  metadata.host = {"h", 1};
  profile.set_metadata(metadata);
  CHECK(profile.metadata().duration_ns == 5);
  CHECK(profcore::to_view(profile.metadata().host) == "h");
  CHECK(profile.sample_count() == 1);
  CHECK(profile.sample_type_count() == 1);
  CHECK(profile.default_type() == 0);
  CHECK(profile.find_sample_type("cpu") == 0);
  CHECK(profile.sample_type(0).scale == 1'000'000);
  CHECK(profile.values(0)[0] == 2'000'000);
  CHECK(profile.values(1).empty());
  CHECK(profile.timestamps()[0] == 99);
  REQUIRE(profile.stacks().size() == 1);
  const profcore_stack_node node = profile.stack_nodes()[profile.stacks()[0]];
  const profcore_location location = profile.locations()[node.location];
  const profcore_line line = profile.lines()[location.first_line];
  CHECK(profile.text(profile.functions()[line.function].name) == "work");
  CHECK(profile.text(profile.modules()[location.module].path) == "/bin/a");
  CHECK(profile.strings().size() > 4);
  CHECK(profile.text(UINT32_MAX).empty());
  const auto labels = profile.labels(profile.label_sets()[0]);
  REQUIRE(labels.size() == 1);
  CHECK(profile.text(labels[0].text) == "t1");
  CHECK(profile.labels(0).empty());
  CHECK(profile.labels(UINT32_MAX).empty());
  REQUIRE(profile.comments().size() == 1);
  CHECK(profile.comments()[0] == "by hand");
  CHECK(profile.bytes() > 0);
  profile.scale(2);
  CHECK(profile.values(0)[0] == 4'000'000);
}

TEST_CASE("findings of a decoder") {
  const Profile profile = from_text("a 1\nno count\nb;c 2\n");
  REQUIRE(profile.warnings().size() == 1);
  CHECK(profile.warnings()[0].line == 2);
  CHECK(profile.warnings()[0].offset == 4);
  CHECK(profile.warnings()[0].text.find("no count") != std::string_view::npos);
  REQUIRE(profile.counters().size() == 1);
  CHECK(profile.counters()[0].name == "skipped_lines");
  CHECK(profile.counters()[0].value == 1);
}

TEST_CASE("sources") {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("profcore-wrapper-" + std::to_string(getpid()));
  from_text(capi::kCollapsed).write(PROFCORE_OUTPUT_PPROF).save(path);
  CHECK(Profile::from_file(path).sample_count() == 3);
  const int fd = open(path.c_str(), O_RDONLY);
  CHECK(Profile::from_fd(fd).sample_count() == 3);
  close(fd);
  std::filesystem::remove(path);
  const std::string_view text = capi::kCollapsed;
  CHECK(profcore::sniff(std::as_bytes(std::span{text})).format == PROFCORE_FORMAT_COLLAPSED);
  auto options = profcore::init<profcore_decode_options>();
  options.collapsed_type = "cpu";
  CHECK(Profile::from_bytes(std::as_bytes(std::span{text}), &options).find_sample_type("cpu") == 0);
}

TEST_CASE("merge and filter") {
  std::vector<Profile> parts;
  parts.push_back(from_text("a;b 1\n"));
  parts.push_back(from_text("a;b 2\na;c 3\n"));
  const Profile merged = Profile::merge(parts);
  CHECK(merged.write(PROFCORE_OUTPUT_COLLAPSED).view() == "a;b 3\na;c 3\n");
  const auto options = profcore::init<profcore_merge_options>();
  CHECK(Profile::merge(parts, &options).sample_count() == 2);
  const auto filter = profcore::init<profcore_filter_options>();
  CHECK(merged.filter(filter).sample_count() == 2);
}

TEST_CASE("views") {
  const Profile told{capi::told_profile().release()};
  CHECK(told.host_view().write(PROFCORE_OUTPUT_COLLAPSED).view() ==
        "nginx 7003500\nnginx;worker 8004000\n");
  CHECK(told.deepflow_view().sample_type(0).type.size == std::string_view{"on-cpu"}.size());
}

TEST_CASE("trees") {
  const Profile profile = from_text(capi::kCollapsed);
  const Flame flame = profile.flame();
  CHECK(flame.size() == 5);
  CHECK(flame.info().total == 6);
  CHECK(flame.node_frames().size() == flame.size());
  CHECK(flame.parents()[1] == 0);
  CHECK(flame.depths()[1] == 1);
  CHECK(flame.subtree_ends()[0] == flame.size());
  CHECK(flame.self()[0] == 0);
  CHECK(flame.total()[0] == 6);
  CHECK(flame.base_self().empty());
  CHECK(flame.base_total().empty());
  CHECK(flame.frames().size() == 5);
  CHECK(flame.strings().size() > 4);
  CHECK(flame.frame_name(flame.node_frames()[1]) == "main");
  CHECK(flame.frame_name(UINT32_MAX).empty());
  CHECK(flame.text(UINT32_MAX).empty());

  auto options = profcore::init<profcore_flame_options>();
  options.inverted = 1;
  CHECK(profile.flame(&options).info().inverted == 1);
  const Flame diff = Flame::diff(flame, flame);
  CHECK(diff.base_total()[0] == 6);
  CHECK(diff.base_self().size() == diff.size());
  const auto comparing = profcore::init<profcore_flame_diff_options>();
  CHECK(Flame::diff(flame, flame, &comparing).size() == flame.size());

  const profcore::Top top = flame.top(PROFCORE_TOP_TOTAL, 2);
  REQUIRE(top.rows().size() == 2);
  CHECK(flame.frame_name(top.rows()[0].frame) == "main");
  CHECK(top.get() != nullptr);
  CHECK(flame.top().rows().size() == 4);
  const profcore::Peek peek = flame.peek("parse", true);
  REQUIRE(peek.size() == 1);
  CHECK(peek.function(0).total == 4);
  CHECK(flame.frame_name(peek.function(0).frame) == "parse");
  CHECK(flame.frame_name(peek.callers(0)[0].frame) == "main");
  CHECK(flame.frame_name(peek.callees(0)[0].frame) == "read");
  CHECK(peek.callers(1).empty());
  CHECK_THROWS_AS(peek.function(1), Exception);

  CHECK(flame.write(PROFCORE_OUTPUT_TREE).view().find("parse") != std::string_view::npos);
  auto writing = profcore::init<profcore_output_options>();
  writing.limit = 1;
  CHECK(flame.write(PROFCORE_OUTPUT_TOP_TSV, &writing).view().find("main") ==
        std::string_view::npos);
}

TEST_CASE("moves leave nothing behind, and nothing is not a crash") {
  Profile a = from_text("a 1\n");
  const profcore_profile *handle = a.get();
  Profile b = std::move(a);
  CHECK(b.get() == handle);
  CHECK(a.get() == nullptr); // NOLINT: what a move leaves is the question
  CHECK(a.sample_count() == 0);
  CHECK(a.strings().empty());
  CHECK(a.text(0).empty());
  CHECK(a.labels(0).empty());
  CHECK(a.warnings().empty());
  CHECK_THROWS_AS(a.flame(), Exception);
  a = std::move(b);
  CHECK(a.sample_count() == 1);

  Flame flame = a.flame();
  Flame other = std::move(flame);
  CHECK(flame.size() == 0); // NOLINT
  CHECK(flame.frame_name(0).empty());
  CHECK_THROWS_AS(flame.write(PROFCORE_OUTPUT_JSON), Exception);
  CHECK(other.size() == 2);

  profcore::Buffer buffer = other.write(PROFCORE_OUTPUT_JSON);
  const profcore::Buffer moved = std::move(buffer);
  CHECK(buffer.view().empty()); // NOLINT
  CHECK(!moved.view().empty());
  CHECK(moved.get() != nullptr);
}

TEST_CASE("what exceptions say") {
  try {
    Profile::from_file("/nonexistent/file");
    FAIL("no exception");
  } catch (const Exception &error) {
    CHECK(error.status() == PROFCORE_ERR_NOT_FOUND);
    CHECK(error.context() == "/nonexistent/file");
    CHECK(error.offset() == PROFCORE_NO_OFFSET);
    const std::string what = error.what();
    CHECK(what.starts_with("/nonexistent/file: "));
    CHECK(what.find("No such file") != what.npos);
    const Exception copy = error;
    CHECK(copy.context() == error.context());
  }
  auto options = profcore::init<profcore_decode_options>();
  options.strict = 1;
  options.format = PROFCORE_FORMAT_COLLAPSED;
  const std::string_view bad = "a 1\nb\n";
  try {
    Profile::from_bytes(std::as_bytes(std::span{bad}), &options);
    FAIL("no exception");
  } catch (const Exception &error) {
    CHECK(error.status() == PROFCORE_ERR_MALFORMED);
    CHECK(error.context().empty());
    CHECK(error.offset() == 4);
  }
  CHECK(std::string{Exception{PROFCORE_ERR_LIMIT, nullptr}.what()} == "limit reached");
}
