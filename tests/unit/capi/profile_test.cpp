// Building a profile by hand, reading it as columns, merge, filter, scale.
#include "support.hpp"

#include <algorithm>
#include <doctest/doctest.h>

using namespace capi;

namespace {

/// Two functions, one of them inlined into the other, a module, labels, two columns, timestamps.
struct Built {
  ProfilePtr profile;
  uint32_t outer = 0, inner = 0, file = 0, module = 0;
  uint32_t named = 0, unnamed = 0; ///< locations
  uint32_t stack = 0, deep = 0, labels = 0;
  size_t cpu = 0, count = 0;

  uint32_t string(std::string_view text) {
    uint32_t id = 0;
    REQUIRE_OK(profcore_profile_add_string(profile.get(), text.data(), text.size(), &id, err));
    return id;
  }
};

Built build_by_hand() {
  Built b;
  profcore_profile *made = nullptr;
  REQUIRE_OK(profcore_profile_new(&made, err));
  b.profile.reset(made);
  b.file = b.string("/src/a.cc");
  const profcore_function outer{b.string("outer"), b.string("_Z5outerv"), b.file, 0, 10};
  const profcore_function inner{b.string("inner"), b.string("_Z5innerv"), b.file, 0, 0};
  REQUIRE_OK(profcore_profile_add_function(made, &outer, &b.outer, err));
  REQUIRE_OK(profcore_profile_add_function(made, &inner, &b.inner, err));
  const profcore_module module{b.string("/usr/bin/a"),
                               b.string("0123abcd"),
                               0x400000,
                               0x500000,
                               0x1000,
                               PROFCORE_MODULE_HAS_FUNCTIONS | PROFCORE_MODULE_HAS_INLINE_FRAMES,
                               0};
  REQUIRE_OK(profcore_profile_add_module(made, &module, &b.module, err));
  const profcore_line lines[] = {{b.inner, 0, 7, 3}, {b.outer, 0, 12, 0}};
  profcore_location location{};
  location.address = 0x400100;
  location.module = b.module;
  location.kind = PROFCORE_FRAME_USER;
  REQUIRE_OK(profcore_profile_add_location(made, &location, lines, 2, &b.named, err));
  location.address = 0x400200;
  location.reason = PROFCORE_UNNAMED_NO_SYMBOLS;
  REQUIRE_OK(profcore_profile_add_location(made, &location, nullptr, 0, &b.unnamed, err));
  const uint32_t stack[] = {b.unnamed, b.named};
  REQUIRE_OK(profcore_profile_add_stack(made, stack, 1, &b.stack, err));
  REQUIRE_OK(profcore_profile_add_stack(made, stack, 2, &b.deep, err));
  const profcore_label labels[] = {
      {b.string("thread"), b.string("worker"), 0, 0, 0},
      {b.string("bytes"), 0, b.string("bytes"), 1, 4096},
  };
  REQUIRE_OK(profcore_profile_add_label_set(made, labels, 2, &b.labels, err));
  REQUIRE_OK(profcore_profile_add_sample_type(made, "samples", "count", &b.count, err));
  REQUIRE_OK(profcore_profile_add_sample_type(made, "cpu", "microseconds", &b.cpu, err));
  const int64_t first[] = {1, 5000};
  const int64_t second[] = {2, 7000};
  REQUIRE_OK(profcore_profile_add_sample(made, b.stack, 0, first, 2, 0, err));
  REQUIRE_OK(profcore_profile_add_sample(made, b.deep, b.labels, second, 2, 0, err));
  return b;
}

profcore_metadata some_metadata() {
  auto metadata = PROFCORE_INIT(profcore_metadata);
  metadata.time_ns = 1'700'000'000'000'000'000;
  metadata.duration_ns = 5'000'000'000;
  metadata.period = 10;
  metadata.period_type = {"cpu", 3};
  metadata.period_unit = {"milliseconds", 12};
  metadata.default_type = {"cpu", 3};
  metadata.doc_url = {"https://example.org/", 20};
  return metadata;
}

std::string text_of(const profcore_str &text) {
  REQUIRE(text.data != nullptr);
  CHECK(text.data[text.size] == '\0');
  return {text.data, text.size};
}

/// What every profile promises of its tables.
void check_views(const profcore_profile *profile) {
  size_t strings = 0, functions = 0, modules = 0, locations = 0, lines = 0, nodes = 0;
  size_t labels = 0, offsets = 0, stacks = 0, sets = 0, times = 0;
  const auto *string = profcore_profile_view_strings(profile, &strings);
  const auto *function = profcore_profile_view_functions(profile, &functions);
  const auto *module = profcore_profile_view_modules(profile, &modules);
  const auto *location = profcore_profile_view_locations(profile, &locations);
  const auto *line = profcore_profile_view_lines(profile, &lines);
  const auto *node = profcore_profile_view_stack_nodes(profile, &nodes);
  const auto *label = profcore_profile_view_labels(profile, &labels);
  const auto *offset = profcore_profile_view_label_set_offsets(profile, &offsets);
  const auto *stack = profcore_profile_view_stacks(profile, &stacks);
  const auto *set = profcore_profile_view_label_sets(profile, &sets);
  const auto *time = profcore_profile_view_timestamps(profile, &times);
  const size_t rows = profcore_profile_get_sample_count(profile);
  REQUIRE((strings > 0 && functions > 0 && modules > 0 && locations > 0 && nodes > 0));
  REQUIRE(offsets >= 2);
  CHECK(string[0].size == 0);
  for (size_t i = 0; i < strings; ++i) CHECK(string[i].data[string[i].size] == '\0');
  for (size_t i = 0; i < functions; ++i)
    CHECK((function[i].name < strings && function[i].system_name < strings &&
           function[i].file < strings && function[i].reserved == 0));
  for (size_t i = 0; i < modules; ++i)
    CHECK((module[i].path < strings && module[i].build_id < strings && module[i].reserved == 0));
  for (size_t i = 0; i < locations; ++i) {
    CHECK((location[i].module < modules && location[i].reserved == 0));
    CHECK(uint64_t{location[i].first_line} + location[i].line_count <= lines);
  }
  for (size_t i = 0; i < lines; ++i)
    CHECK((line[i].function < functions && line[i].file < strings));
  for (size_t i = 1; i < nodes; ++i) CHECK((node[i].parent < i && node[i].location < locations));
  CHECK(offset[0] == 0);
  CHECK(offset[1] == 0);
  CHECK(offset[offsets - 1] == labels);
  CHECK(std::is_sorted(offset, offset + offsets));
  for (size_t i = 0; i < labels; ++i)
    CHECK((label[i].key < strings && label[i].text < strings && label[i].unit < strings &&
           label[i].is_number <= 1));
  CHECK(stacks == rows);
  CHECK(sets == rows);
  CHECK((times == 0 ? time == nullptr : times == rows));
  for (size_t i = 0; i < rows; ++i) CHECK((stack[i] < nodes && set[i] + 1 < offsets));
  const size_t types = profcore_profile_get_sample_type_count(profile);
  for (size_t i = 0; i < types; ++i) {
    size_t count = 0;
    const int64_t *values = profcore_profile_view_values(profile, i, &count);
    CHECK(count == rows);
    CHECK((values != nullptr || rows == 0));
  }
  size_t count = 7;
  CHECK(profcore_profile_view_values(profile, types, &count) == nullptr);
  CHECK(count == 0);
  CHECK((types == 0 || profcore_profile_get_default_type(profile) < types));
}

int64_t sum(const profcore_profile *profile, size_t type) {
  size_t count = 0;
  const int64_t *values = profcore_profile_view_values(profile, type, &count);
  int64_t total = 0;
  for (size_t i = 0; i < count; ++i) total += values[i];
  return total;
}

} // namespace

TEST_CASE("built by hand, read as columns") {
  Built b = build_by_hand();
  profcore_profile *profile = b.profile.get();
  check_views(profile);
  CHECK(profcore_profile_get_bytes(profile) > 0);
  CHECK(profcore_profile_get_sample_count(profile) == 2);
  CHECK(profcore_profile_get_sample_type_count(profile) == 2);
  auto type = PROFCORE_INIT(profcore_sample_type);
  REQUIRE_OK(profcore_profile_get_sample_type(profile, b.cpu, &type, err));
  CHECK(text_of(type.type) == "cpu");
  CHECK(text_of(type.unit) == "nanoseconds");
  CHECK(text_of(type.source_unit) == "microseconds");
  CHECK(type.scale == 1000);
  CHECK(type.instant == 0);
  size_t index = 9;
  REQUIRE_OK(profcore_profile_find_sample_type(profile, "cpu/nanoseconds", &index, err));
  CHECK(index == b.cpu);
  REQUIRE_OK(profcore_profile_find_sample_type(profile, "cpu/microseconds", &index, err));
  CHECK(index == b.cpu);
  index = 9;
  const Outcome missing = outcome_of([&](profcore_error **err) {
    return profcore_profile_find_sample_type(profile, "wall", &index, err);
  });
  CHECK(missing.status == PROFCORE_ERR_NOT_FOUND);
  CHECK(missing.message.find("cpu/nanoseconds") != missing.message.npos);
  CHECK(index == 0);

  const auto *locations = profcore_profile_view_locations(profile, nullptr);
  const auto *lines = profcore_profile_view_lines(profile, nullptr);
  const auto *functions = profcore_profile_view_functions(profile, nullptr);
  CHECK(locations[b.named].line_count == 2);
  CHECK(functions[lines[locations[b.named].first_line].function].name == b.string("inner"));
  CHECK(locations[b.unnamed].reason == PROFCORE_UNNAMED_NO_SYMBOLS);
  const auto *nodes = profcore_profile_view_stack_nodes(profile, nullptr);
  CHECK(nodes[b.deep].parent == b.stack);
  CHECK(nodes[b.deep].location == b.named);
  const auto *labels = profcore_profile_view_labels(profile, nullptr);
  const auto *offsets = profcore_profile_view_label_set_offsets(profile, nullptr);
  REQUIRE(offsets[b.labels + 1] - offsets[b.labels] == 2);
  CHECK(labels[offsets[b.labels]].key < labels[offsets[b.labels] + 1].key);
}

TEST_CASE("equal content, equal ids; the empty ones are 0") {
  Built b = build_by_hand();
  profcore_profile *profile = b.profile.get();
  CHECK(b.string("") == 0);
  CHECK(b.string("outer") == b.string("outer"));
  CHECK(b.string({"a\0b", 3}) != b.string("a"));
  const profcore_function outer{b.string("outer"), b.string("_Z5outerv"), b.file, 0, 10};
  uint32_t id = 9;
  REQUIRE_OK(profcore_profile_add_function(profile, &outer, &id, err));
  CHECK(id == b.outer);
  const profcore_function none{};
  REQUIRE_OK(profcore_profile_add_function(profile, &none, &id, err));
  CHECK(id == 0);
  const uint32_t stack[] = {b.unnamed, b.named};
  REQUIRE_OK(profcore_profile_add_stack(profile, stack, 2, &id, err));
  CHECK(id == b.deep);
  REQUIRE_OK(profcore_profile_add_stack(profile, nullptr, 0, &id, err));
  CHECK(id == 0);
  REQUIRE_OK(profcore_profile_add_label_set(profile, nullptr, 0, &id, err));
  CHECK(id == 0);
}

TEST_CASE("a location whose module is part of its name, as dtrace has it") {
  Built b = build_by_hand();
  const profcore_line line{b.inner, 0, 0, 0};
  profcore_location location{};
  location.module = b.module;
  location.flags = 2;
  uint32_t id = 0;
  uint32_t stack = 0;
  REQUIRE_OK(profcore_profile_add_location(b.profile.get(), &location, &line, 1, &id, err));
  REQUIRE_OK(profcore_profile_add_stack(b.profile.get(), &id, 1, &stack, err));
  const int64_t values[] = {11, 11};
  REQUIRE_OK(profcore_profile_add_sample(b.profile.get(), stack, 0, values, 2, 0, err));
  CHECK(write(b.profile, PROFCORE_OUTPUT_COLLAPSED).find("/usr/bin/a`inner ") != std::string::npos);
}

TEST_CASE("ids that are not there change nothing") {
  Built b = build_by_hand();
  profcore_profile *profile = b.profile.get();
  const std::string before = write(b.profile, PROFCORE_OUTPUT_JSON);
  constexpr profcore_status kInvalid = PROFCORE_ERR_INVALID_ARGUMENT;
  constexpr uint32_t kBad = 1000;
  uint32_t id = 9;
  const auto rejected = [&](auto call) {
    id = 9;
    CHECK_STATUS(kInvalid, call(err));
    CHECK(id == 0);
  };
  for (const profcore_function &bad :
       {profcore_function{kBad, 0, 0, 0, 0}, profcore_function{0, kBad, 0, 0, 0},
        profcore_function{0, 0, kBad, 0, 0}, profcore_function{1, 0, 0, 1, 0}})
    rejected([&](auto err) { return profcore_profile_add_function(profile, &bad, &id, err); });
  for (const profcore_module &bad :
       {profcore_module{kBad, 0, 0, 0, 0, 0, 0}, profcore_module{0, kBad, 0, 0, 0, 0, 0},
        profcore_module{1, 0, 0, 0, 0, 16, 0}, profcore_module{1, 0, 0, 0, 0, 0, 1}})
    rejected([&](auto err) { return profcore_profile_add_module(profile, &bad, &id, err); });
  for (const profcore_location &bad :
       {profcore_location{1, kBad, 0, 0, 0, 0, 0, 0}, profcore_location{1, 0, 0, 0, 99, 0, 0, 0},
        profcore_location{1, 0, 0, 0, 0, 8, 0, 0}, profcore_location{1, 0, 0, 0, 0, 0, 99, 0},
        profcore_location{1, 0, 0, 0, 0, 0, 0, 1}})
    rejected([&](auto err) {
      return profcore_profile_add_location(profile, &bad, nullptr, 0, &id, err);
    });
  const profcore_location fine{};
  for (const profcore_line &bad : {profcore_line{kBad, 0, 0, 0}, profcore_line{0, kBad, 0, 0}})
    rejected(
        [&](auto err) { return profcore_profile_add_location(profile, &fine, &bad, 1, &id, err); });
  for (const uint32_t bad : {0U, kBad, UINT32_MAX})
    rejected([&](auto err) { return profcore_profile_add_stack(profile, &bad, 1, &id, err); });
  for (const profcore_label &bad :
       {profcore_label{kBad, 0, 0, 0, 0}, profcore_label{1, kBad, 0, 0, 0},
        profcore_label{1, 0, kBad, 0, 0}, profcore_label{1, 0, 0, 2, 0}})
    rejected([&](auto err) { return profcore_profile_add_label_set(profile, &bad, 1, &id, err); });
  const int64_t values[] = {1, 2, 3};
  CHECK_STATUS(kInvalid, profcore_profile_add_sample(profile, kBad, 0, values, 2, 0, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_sample(profile, 0, kBad, values, 2, 0, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_sample(profile, 0, 0, values, 1, 0, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_sample(profile, 0, 0, values, 3, 0, err));
  CHECK(write(b.profile, PROFCORE_OUTPUT_JSON) == before);
}

TEST_CASE("metadata and comments") {
  Built b = build_by_hand();
  profcore_profile *profile = b.profile.get();
  REQUIRE_OK(profcore_profile_add_comment(profile, "first", 5, err));
  REQUIRE_OK(profcore_profile_add_comment(profile, "", 0, err));
  profcore_metadata given = some_metadata();
  given.frequency_hz = 99;
  given.lost_samples = 4;
  given.host = {"host-1", 6};
  given.command = {"serve -p 1", 10};
  given.source_format = {"mine", 4};
  given.drop_frames = {"drop", 4};
  given.keep_frames = {"keep", 4};
  REQUIRE_OK(profcore_profile_set_metadata(profile, &given, err));
  auto read = PROFCORE_INIT(profcore_metadata);
  REQUIRE_OK(profcore_profile_get_metadata(profile, &read, err));
  CHECK(read.time_ns == given.time_ns);
  CHECK(read.duration_ns == given.duration_ns);
  CHECK(read.period == given.period);
  CHECK(read.frequency_hz == given.frequency_hz);
  CHECK(read.lost_samples == given.lost_samples);
  for (profcore_str profcore_metadata::*member :
       {&profcore_metadata::period_type, &profcore_metadata::period_unit,
        &profcore_metadata::default_type, &profcore_metadata::drop_frames,
        &profcore_metadata::keep_frames, &profcore_metadata::doc_url, &profcore_metadata::host,
        &profcore_metadata::command, &profcore_metadata::source_format})
    CHECK(text_of(read.*member) == text_of(given.*member));
  // What was read can be given back.
  REQUIRE_OK(profcore_profile_set_metadata(profile, &read, err));
  REQUIRE_OK(profcore_profile_get_metadata(profile, &read, err));
  CHECK(text_of(read.command) == "serve -p 1");

  CHECK(profcore_profile_get_default_type(profile) == b.cpu);
  REQUIRE(profcore_profile_get_comment_count(profile) == 2);
  size_t size = 0;
  CHECK(std::string{profcore_profile_get_comment(profile, 0, &size)} == "first");
  CHECK(size == 5);
  CHECK(std::string{profcore_profile_get_comment(profile, 1, &size)}.empty());
  CHECK(std::string{profcore_profile_get_comment(profile, 2, &size)}.empty());
  CHECK(size == 0);
  CHECK(profcore_profile_get_comment(profile, 0, nullptr) != nullptr);
}

TEST_CASE("written as pprof and read back, it is equal") {
  Built b = build_by_hand();
  profcore_metadata metadata = some_metadata();
  metadata.source_format = {"pprof", 5};
  REQUIRE_OK(profcore_profile_set_metadata(b.profile.get(), &metadata, err));
  REQUIRE_OK(profcore_profile_add_comment(b.profile.get(), "a comment", 9, err));
  const std::string bytes = write(b.profile, PROFCORE_OUTPUT_PPROF);
  const ProfilePtr back = decode(bytes);
  REQUIRE(back);
  check_views(back.get());
  CHECK(profcore_profile_get_warning_count(back.get()) == 0);
  CHECK(write(back, PROFCORE_OUTPUT_PPROF) == bytes);
  CHECK(strings_of(back.get()) == strings_of(b.profile.get()));
  const auto same = [&](auto view) {
    size_t here = 0;
    size_t there = 0;
    const auto *ours = view(b.profile.get(), &here);
    const auto *theirs = view(back.get(), &there);
    return here == there && std::memcmp(ours, theirs, here * sizeof *ours) == 0;
  };
  CHECK(same(profcore_profile_view_functions));
  CHECK(same(profcore_profile_view_modules));
  CHECK(same(profcore_profile_view_lines));
  CHECK(same(profcore_profile_view_stack_nodes));
  CHECK(same(profcore_profile_view_stacks));
  CHECK(same(profcore_profile_view_labels));
  CHECK(same(profcore_profile_view_label_set_offsets));
  CHECK(same(profcore_profile_view_label_sets));
  for (const size_t type : {b.cpu, b.count})
    CHECK(same([&](const profcore_profile *of, size_t *count) {
      return profcore_profile_view_values(of, type, count);
    }));
}

TEST_CASE("timestamps") {
  Built b = build_by_hand();
  const int64_t values[] = {1, 1000};
  REQUIRE_OK(profcore_profile_add_sample(b.profile.get(), b.stack, 0, values, 2, 500, err));
  REQUIRE_OK(profcore_profile_add_sample(b.profile.get(), b.stack, 0, values, 2, 900, err));
  check_views(b.profile.get());
  size_t count = 0;
  const int64_t *times = profcore_profile_view_timestamps(b.profile.get(), &count);
  REQUIRE(count == 4);
  CHECK(std::vector<int64_t>(times, times + count) == std::vector<int64_t>{0, 0, 500, 900});

  auto options = PROFCORE_INIT(profcore_filter_options);
  options.time_from_ns = 600;
  options.time_to_ns = 901;
  profcore_profile *out = nullptr;
  REQUIRE_OK(profcore_profile_filter(b.profile.get(), &options, &out, err));
  const ProfilePtr filtered{out};
  CHECK(profcore_profile_get_sample_count(out) == 3); // rows without a time stay
  check_views(out);
}

TEST_CASE("merge, filter, scale") {
  const ProfilePtr a = decode("main;parse;read 3\nmain;print 2\n");
  const ProfilePtr b = decode("main;parse;read 4\nmain;idle 1\n");
  const profcore_profile *both[] = {a.get(), b.get()};
  profcore_profile *out = nullptr;
  REQUIRE_OK(profcore_profile_merge(both, 2, nullptr, &out, err));
  const ProfilePtr merged{out};
  check_views(out);
  CHECK(profcore_profile_get_sample_count(out) == 3);
  CHECK(write(merged, PROFCORE_OUTPUT_COLLAPSED) ==
        "main;idle 1\nmain;parse;read 7\nmain;print 2\n");
  // Nothing of it depends on the inputs; no input gives an empty profile.
  REQUIRE_OK(profcore_profile_merge(nullptr, 0, nullptr, &out, err));
  const ProfilePtr empty{out};
  check_views(out);
  CHECK(profcore_profile_get_sample_count(out) == 0);

  auto options = PROFCORE_INIT(profcore_filter_options);
  const auto filtered = [&]() -> std::string {
    profcore_profile *made = nullptr;
    const Outcome outcome = outcome_of([&](profcore_error **err) {
      return profcore_profile_filter(merged.get(), &options, &made, err);
    });
    const ProfilePtr owned{made};
    options = PROFCORE_INIT(profcore_filter_options);
    if (outcome.status != PROFCORE_OK) return profcore_status_get_name(outcome.status);
    check_views(made);
    return write(owned, PROFCORE_OUTPUT_COLLAPSED);
  };
  CHECK(filtered() == write(merged, PROFCORE_OUTPUT_COLLAPSED));
  options.drop_frames = 1;
  CHECK(filtered() == write(merged, PROFCORE_OUTPUT_COLLAPSED));
  options.time_from_ns = INT64_MIN;
  options.time_to_ns = INT64_MAX;
  CHECK(filtered() == write(merged, PROFCORE_OUTPUT_COLLAPSED));
  if (std::string{profcore_features_get()}.find("re2=yes") != std::string::npos) {
    options.focus = "parse";
    CHECK(filtered() == "main;parse;read 7\n");
    options.ignore = "parse";
    CHECK(filtered() == "main;idle 1\nmain;print 2\n");
    options.hide = "^main$";
    CHECK(filtered() == "idle 1\nparse;read 7\nprint 2\n");
    options.show = "parse|print";
    CHECK(filtered() == "parse 7\nprint 2\n");
    options.show_from = "parse";
    CHECK(filtered() == "parse;read 7\n");
    options.tag_focus = "thread=x";
    CHECK(filtered().empty());
    options.tag_ignore = "thread=x";
    CHECK(filtered() == write(merged, PROFCORE_OUTPUT_COLLAPSED));
    options.focus = "(";
    CHECK(filtered() == "invalid argument");
  } else {
    options.focus = "parse";
    CHECK(filtered() == "not supported");
  }

  const int64_t before = sum(merged.get(), 0);
  REQUIRE_OK(profcore_profile_scale(merged.get(), 2.5, err));
  CHECK(sum(merged.get(), 0) != before);
  CHECK(write(merged, PROFCORE_OUTPUT_COLLAPSED) ==
        "main;idle 3\nmain;parse;read 18\nmain;print 5\n");
  REQUIRE_OK(profcore_profile_scale(merged.get(), 1e300, err));
  size_t count = 0;
  const int64_t *values = profcore_profile_view_values(merged.get(), 0, &count);
  for (size_t i = 0; i < count; ++i) CHECK(values[i] == INT64_MAX);
  CHECK(profcore_profile_get_warning_count(merged.get()) == 1);
}

TEST_CASE("by process and thread, and in DeepFlow's forms") {
  const ProfilePtr told = told_profile();
  profcore_profile *made = nullptr;
  REQUIRE_OK(profcore_profile_host_view(told.get(), nullptr, &made, err));
  const ProfilePtr host{made};
  check_views(made);
  CHECK(write(host, PROFCORE_OUTPUT_COLLAPSED) == "nginx 7003500\nnginx;worker 8004000\n");
  REQUIRE_OK(profcore_profile_deepflow_view(told.get(), nullptr, &made, err));
  const ProfilePtr deepflow{made};
  check_views(made);
  CHECK(write(deepflow, PROFCORE_OUTPUT_COLLAPSED) ==
        "[p] nginx;main 7003\n[t] worker;main 8004\n");
  REQUIRE_OK(profcore_profile_deepflow_view(host.get(), nullptr, &made, err));
  const ProfilePtr total{made};
  check_views(made);
  auto options = PROFCORE_INIT(profcore_flame_options);
  options.root_name = "Total";
  const FlamePtr tree = build(total, &options);
  const profcore_flame_frame *frames = profcore_flame_view_frames(tree.get(), nullptr);
  const profcore_str *strings = profcore_flame_view_strings(tree.get(), nullptr);
  CHECK(std::string{strings[frames[0].name].data} == "Total");
  CHECK(profcore_flame_get_node_count(tree.get()) == 3);
  CHECK(write(total, PROFCORE_OUTPUT_COLLAPSED) == "[p] nginx 7003\n[p] nginx;[t] worker 8004\n");
}

TEST_CASE("an empty profile goes everywhere") {
  profcore_profile *made = nullptr;
  REQUIRE_OK(profcore_profile_new(&made, err));
  const ProfilePtr empty{made};
  check_views(made);
  profcore_flame *flame = nullptr;
  CHECK_STATUS(PROFCORE_ERR_NO_DATA, profcore_flame_build(made, nullptr, &flame, err));
  CHECK(!write(empty, PROFCORE_OUTPUT_PPROF).empty());
  CHECK(!write(empty, PROFCORE_OUTPUT_JSON).empty());
  CHECK(!write(empty, PROFCORE_OUTPUT_SPEEDSCOPE).empty());
  size_t index = 0;
  CHECK_STATUS(PROFCORE_ERR_NO_DATA, profcore_profile_find_sample_type(made, "cpu", &index, err));
  profcore_buffer *buffer = nullptr;
  CHECK_STATUS(PROFCORE_ERR_NO_DATA,
               profcore_output_profile(made, PROFCORE_OUTPUT_COLLAPSED, nullptr, &buffer, err));
  // A column without a sample is data enough for a tree of nothing.
  REQUIRE_OK(profcore_profile_add_sample_type(made, "cpu", "nanoseconds", &index, err));
  REQUIRE_OK(profcore_flame_build(made, nullptr, &flame, err));
  const FlamePtr owned{flame};
  CHECK(profcore_flame_get_node_count(flame) == 1);
}
