#include "support.hpp"

#include <doctest/doctest.h>

using namespace capi;

TEST_CASE("statuses have names, and no error is PROFCORE_OK") {
  for (profcore_status status = PROFCORE_ERR_INTERNAL; status <= PROFCORE_OK; ++status)
    CHECK(std::string{profcore_status_get_name(status)} != "unknown status");
  CHECK(std::string{profcore_status_get_name(1)} == "unknown status");
  CHECK(std::string{profcore_status_get_name(-1000)} == "unknown status");
  CHECK(profcore_error_get_status(nullptr) == PROFCORE_OK);
  CHECK(std::string{profcore_error_get_message(nullptr)}.empty());
  CHECK(std::string{profcore_error_get_context(nullptr)}.empty());
  CHECK(profcore_error_get_offset(nullptr) == PROFCORE_NO_OFFSET);
  profcore_error_free(nullptr);
}

TEST_CASE("version and features") {
  const std::string version = std::to_string(PROFCORE_VERSION_MAJOR) + "." +
                              std::to_string(PROFCORE_VERSION_MINOR) + "." +
                              std::to_string(PROFCORE_VERSION_PATCH);
  CHECK(version == profcore_version_get());
  const std::string features = profcore_features_get();
  CHECK(features.find("re2=") != features.npos);
  CHECK(features.find("lz4=") != features.npos);
}

TEST_CASE("damaged bytes: status, message, offset") {
  std::string bytes = as_pprof(-1);
  bytes.resize(bytes.size() / 2);
  bytes += '\x07'; // no wire type
  auto options = PROFCORE_INIT(profcore_decode_options);
  options.format = PROFCORE_FORMAT_PPROF;
  options.strict = 1;
  auto *profile = rubbish<profcore_profile>();
  const Outcome outcome = outcome_of([&](profcore_error **err) {
    return profcore_decode_bytes(bytes.data(), bytes.size(), &options, &profile, err);
  });
  CHECK(outcome.status == PROFCORE_ERR_MALFORMED);
  CHECK(outcome.consistent);
  CHECK(outcome.offset <= bytes.size());
  CHECK(profile == nullptr);

  // Without somebody to take the error the status is the same.
  profile = rubbish<profcore_profile>();
  CHECK(profcore_decode_bytes(bytes.data(), bytes.size(), &options, &profile, nullptr) ==
        PROFCORE_ERR_MALFORMED);
  CHECK(profile == nullptr);
}

TEST_CASE("the offset of a bad line") {
  auto options = PROFCORE_INIT(profcore_decode_options);
  options.strict = 1;
  options.format = PROFCORE_FORMAT_COLLAPSED;
  const std::string text = "main;a 1\nmain;b\nmain;c 2\n";
  profcore_profile *profile = nullptr;
  const Outcome outcome = outcome_of([&](profcore_error **err) {
    return profcore_decode_bytes(text.data(), text.size(), &options, &profile, err);
  });
  CHECK(outcome.status == PROFCORE_ERR_MALFORMED);
  CHECK(outcome.offset == 9);
  CHECK(outcome.message.find("line 2") != outcome.message.npos);

  options.strict = 0;
  const ProfilePtr lenient = decode(text, &options);
  REQUIRE(lenient);
  REQUIRE(profcore_profile_get_warning_count(lenient.get()) == 1);
  uint64_t offset = 0;
  uint64_t line = 0;
  const std::string warning = profcore_profile_get_warning(lenient.get(), 0, &offset, &line);
  CHECK(warning.find("main;b") != warning.npos);
  CHECK(offset == 9);
  CHECK(line == 2);
  uint64_t value = 0;
  REQUIRE(profcore_profile_get_counter_count(lenient.get()) == 1);
  CHECK(std::string{profcore_profile_get_counter(lenient.get(), 0, &value)} == "skipped_lines");
  CHECK(value == 1);
  // Past the end, and with nowhere to put it.
  CHECK(std::string{profcore_profile_get_warning(lenient.get(), 1, &offset, &line)}.empty());
  CHECK(offset == PROFCORE_NO_OFFSET);
  CHECK(line == 0);
  CHECK(*profcore_profile_get_warning(lenient.get(), 0, nullptr, nullptr) != '\0');
  CHECK(std::string{profcore_profile_get_counter(lenient.get(), 1, &value)}.empty());
  CHECK(value == 0);
  CHECK(*profcore_profile_get_counter(lenient.get(), 0, nullptr) != '\0');
}

TEST_CASE("what is no profile") {
  const auto status_of = [](std::string_view bytes) {
    auto *profile = rubbish<profcore_profile>();
    const Outcome outcome = outcome_of([&](profcore_error **err) {
      return profcore_decode_bytes(bytes.data(), bytes.size(), nullptr, &profile, err);
    });
    CHECK(outcome.consistent);
    CHECK(profile == nullptr);
    return outcome.status;
  };
  CHECK(status_of("") == PROFCORE_ERR_NO_DATA);
  CHECK(status_of("\x7f"
                  "ELF\x02\x01\x01") == PROFCORE_ERR_UNKNOWN_FORMAT);
  CHECK(status_of(std::string_view{"FLR\0\0\2\0\1", 8}) == PROFCORE_ERR_MALFORMED);
  std::string oracle_jdk8{"FLR\0\0\0\0\x09", 8}; // JFR 0.9
  oracle_jdk8.resize(68);
  CHECK(status_of(oracle_jdk8) == PROFCORE_ERR_UNSUPPORTED);
  CHECK(status_of("\x1f\x8b\x08") != PROFCORE_OK);
}

TEST_CASE("files: the path is the context") {
  for (const char *path : {"/nonexistent/file", "/"}) {
    auto *profile = rubbish<profcore_profile>();
    const Outcome outcome = outcome_of(
        [&](profcore_error **err) { return profcore_decode_file(path, nullptr, &profile, err); });
    CHECK(outcome.status == (std::string{path} == "/" ? PROFCORE_ERR_IO : PROFCORE_ERR_NOT_FOUND));
    CHECK(outcome.context == path);
    CHECK(outcome.consistent);
    CHECK(profile == nullptr);
  }
  profcore_profile *profile = nullptr;
  const Outcome empty = outcome_of([&](profcore_error **err) {
    return profcore_decode_file("/dev/null", nullptr, &profile, err);
  });
  CHECK(empty.status == PROFCORE_ERR_NO_DATA);
  CHECK(empty.context == "/dev/null");
  CHECK_STATUS(PROFCORE_ERR_IO, profcore_decode_fd(-1, nullptr, &profile, err));
}

TEST_CASE("NULL handles and arguments") {
  const ProfilePtr some = decode(kCollapsed);
  const FlamePtr tree = build(some);
  REQUIRE(tree);
  profcore_profile *profile = nullptr;
  profcore_flame *flame = nullptr;
  profcore_top *top = nullptr;
  profcore_peek *peek = nullptr;
  profcore_buffer *buffer = nullptr;
  uint32_t id = 0;
  size_t index = 0;
  constexpr profcore_status kInvalid = PROFCORE_ERR_INVALID_ARGUMENT;

  CHECK_STATUS(kInvalid, profcore_sniff_bytes("x", 1, nullptr, err));
  auto sniffed = PROFCORE_INIT(profcore_sniff_result);
  CHECK_STATUS(kInvalid, profcore_sniff_bytes(nullptr, 1, &sniffed, err));
  CHECK_STATUS(kInvalid, profcore_decode_bytes(nullptr, 1, nullptr, &profile, err));
  CHECK_STATUS(kInvalid, profcore_decode_bytes("x", 1, nullptr, nullptr, err));
  CHECK_STATUS(kInvalid, profcore_decode_file(nullptr, nullptr, &profile, err));
  CHECK_STATUS(kInvalid, profcore_decode_file("x", nullptr, nullptr, err));
  CHECK_STATUS(kInvalid, profcore_decode_fd(0, nullptr, nullptr, err));

  CHECK_STATUS(kInvalid, profcore_profile_new(nullptr, err));
  profcore_profile_free(nullptr);
  auto type = PROFCORE_INIT(profcore_sample_type);
  CHECK_STATUS(kInvalid, profcore_profile_get_sample_type(nullptr, 0, &type, err));
  CHECK_STATUS(kInvalid, profcore_profile_get_sample_type(some.get(), 0, nullptr, err));
  CHECK_STATUS(kInvalid, profcore_profile_get_sample_type(some.get(), 1, &type, err));
  CHECK_STATUS(kInvalid, profcore_profile_find_sample_type(nullptr, "x", &index, err));
  CHECK_STATUS(kInvalid, profcore_profile_find_sample_type(some.get(), nullptr, &index, err));
  CHECK_STATUS(kInvalid, profcore_profile_find_sample_type(some.get(), "x", nullptr, err));
  auto metadata = PROFCORE_INIT(profcore_metadata);
  CHECK_STATUS(kInvalid, profcore_profile_get_metadata(nullptr, &metadata, err));
  CHECK_STATUS(kInvalid, profcore_profile_get_metadata(some.get(), nullptr, err));
  CHECK_STATUS(kInvalid, profcore_profile_set_metadata(nullptr, &metadata, err));
  CHECK_STATUS(kInvalid, profcore_profile_set_metadata(some.get(), nullptr, err));

  const profcore_function function{};
  const profcore_module module{};
  const profcore_location location{};
  CHECK_STATUS(kInvalid, profcore_profile_add_string(nullptr, "x", 1, &id, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_string(some.get(), nullptr, 1, &id, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_string(some.get(), "x", 1, nullptr, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_function(nullptr, &function, &id, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_function(some.get(), nullptr, &id, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_function(some.get(), &function, nullptr, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_module(nullptr, &module, &id, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_module(some.get(), nullptr, &id, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_module(some.get(), &module, nullptr, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_location(nullptr, &location, nullptr, 0, &id, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_location(some.get(), nullptr, nullptr, 0, &id, err));
  CHECK_STATUS(kInvalid,
               profcore_profile_add_location(some.get(), &location, nullptr, 1, &id, err));
  CHECK_STATUS(kInvalid,
               profcore_profile_add_location(some.get(), &location, nullptr, 0, nullptr, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_stack(nullptr, nullptr, 0, &id, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_stack(some.get(), nullptr, 1, &id, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_stack(some.get(), nullptr, 0, nullptr, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_label_set(nullptr, nullptr, 0, &id, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_label_set(some.get(), nullptr, 1, &id, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_label_set(some.get(), nullptr, 0, nullptr, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_sample_type(nullptr, "x", "x", &index, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_sample_type(some.get(), nullptr, "x", &index, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_sample_type(some.get(), "x", "x", nullptr, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_sample(nullptr, 0, 0, nullptr, 0, 0, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_sample(some.get(), 0, 0, nullptr, 1, 0, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_sample(some.get(), 0, 0, nullptr, 0, 0, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_comment(nullptr, "x", 1, err));
  CHECK_STATUS(kInvalid, profcore_profile_add_comment(some.get(), nullptr, 1, err));

  const profcore_profile *with_hole[] = {some.get(), nullptr};
  profile = rubbish<profcore_profile>();
  CHECK_STATUS(kInvalid, profcore_profile_merge(with_hole, 2, nullptr, &profile, err));
  CHECK(profile == nullptr);
  CHECK_STATUS(kInvalid, profcore_profile_merge(nullptr, 1, nullptr, &profile, err));
  CHECK_STATUS(kInvalid, profcore_profile_merge(with_hole, 1, nullptr, nullptr, err));
  CHECK_STATUS(kInvalid, profcore_profile_filter(nullptr, nullptr, &profile, err));
  CHECK_STATUS(kInvalid, profcore_profile_filter(some.get(), nullptr, nullptr, err));
  for (const auto view : {profcore_profile_host_view, profcore_profile_deepflow_view}) {
    profile = rubbish<profcore_profile>();
    CHECK_STATUS(kInvalid, view(nullptr, nullptr, &profile, err));
    CHECK(profile == nullptr);
    CHECK_STATUS(kInvalid, view(some.get(), nullptr, nullptr, err));
  }
  profile = rubbish<profcore_profile>();
  CHECK_STATUS(PROFCORE_ERR_NOT_FOUND,
               profcore_profile_host_view(some.get(), nullptr, &profile, err));
  CHECK(profile == nullptr);
  CHECK_STATUS(kInvalid, profcore_profile_scale(nullptr, 1, err));

  flame = rubbish<profcore_flame>();
  CHECK_STATUS(kInvalid, profcore_flame_build(nullptr, nullptr, &flame, err));
  CHECK(flame == nullptr);
  CHECK_STATUS(kInvalid, profcore_flame_build(some.get(), nullptr, nullptr, err));
  flame = rubbish<profcore_flame>();
  CHECK_STATUS(kInvalid, profcore_flame_diff(nullptr, tree.get(), nullptr, &flame, err));
  CHECK(flame == nullptr);
  CHECK_STATUS(kInvalid, profcore_flame_diff(tree.get(), nullptr, nullptr, &flame, err));
  CHECK_STATUS(kInvalid, profcore_flame_diff(tree.get(), tree.get(), nullptr, nullptr, err));
  profcore_flame_free(nullptr);
  auto info = PROFCORE_INIT(profcore_flame_info);
  CHECK_STATUS(kInvalid, profcore_flame_get_info(nullptr, &info, err));
  CHECK_STATUS(kInvalid, profcore_flame_get_info(tree.get(), nullptr, err));
  top = rubbish<profcore_top>();
  CHECK_STATUS(kInvalid, profcore_flame_top(nullptr, 0, 0, &top, err));
  CHECK(top == nullptr);
  CHECK_STATUS(kInvalid, profcore_flame_top(tree.get(), 0, 0, nullptr, err));
  profcore_top_free(nullptr);
  peek = rubbish<profcore_peek>();
  CHECK_STATUS(kInvalid, profcore_flame_peek(nullptr, "x", 1, &peek, err));
  CHECK(peek == nullptr);
  CHECK_STATUS(kInvalid, profcore_flame_peek(tree.get(), nullptr, 1, &peek, err));
  CHECK_STATUS(kInvalid, profcore_flame_peek(tree.get(), "main", 1, nullptr, err));
  uint32_t frame = 7;
  int64_t self = 7;
  int64_t total = 7;
  CHECK_STATUS(kInvalid, profcore_peek_get_function(nullptr, 0, &frame, &self, &total, err));
  CHECK((frame == 0 && self == 0 && total == 0));
  profcore_peek_free(nullptr);

  buffer = rubbish<profcore_buffer>();
  CHECK_STATUS(kInvalid,
               profcore_output_profile(nullptr, PROFCORE_OUTPUT_JSON, nullptr, &buffer, err));
  CHECK(buffer == nullptr);
  CHECK_STATUS(kInvalid,
               profcore_output_profile(some.get(), PROFCORE_OUTPUT_JSON, nullptr, nullptr, err));
  buffer = rubbish<profcore_buffer>();
  CHECK_STATUS(kInvalid,
               profcore_output_flame(nullptr, PROFCORE_OUTPUT_JSON, nullptr, &buffer, err));
  CHECK(buffer == nullptr);
  CHECK_STATUS(kInvalid,
               profcore_output_flame(tree.get(), PROFCORE_OUTPUT_JSON, nullptr, nullptr, err));
  CHECK_STATUS(kInvalid,
               profcore_output_flame(tree.get(), PROFCORE_OUTPUT_PEEK, nullptr, &buffer, err));
  CHECK(profcore_output_format_from_path(nullptr) == 0);
  CHECK_STATUS(kInvalid, profcore_buffer_save(nullptr, "x", err));
  CHECK(profcore_buffer_get_size(nullptr) == 0);
  CHECK(std::string{profcore_buffer_get_data(nullptr)}.empty());
  profcore_buffer_free(nullptr);
}

TEST_CASE("a NULL profile, tree, table has nothing") {
  CHECK(profcore_profile_get_sample_count(nullptr) == 0);
  CHECK(profcore_profile_get_sample_type_count(nullptr) == 0);
  CHECK(profcore_profile_get_default_type(nullptr) == 0);
  CHECK(profcore_profile_get_bytes(nullptr) == 0);
  CHECK(profcore_profile_get_comment_count(nullptr) == 0);
  CHECK(profcore_profile_get_warning_count(nullptr) == 0);
  CHECK(profcore_profile_get_counter_count(nullptr) == 0);
  size_t size = 7;
  CHECK(std::string{profcore_profile_get_comment(nullptr, 0, &size)}.empty());
  CHECK(size == 0);
  CHECK(std::string{profcore_profile_get_warning(nullptr, 0, nullptr, nullptr)}.empty());
  CHECK(std::string{profcore_profile_get_counter(nullptr, 0, nullptr)}.empty());

  const auto empty = [](auto view, auto... arguments) {
    size_t count = 7;
    const bool nothing = view(nullptr, arguments..., &count) == nullptr && count == 0;
    return nothing && view(nullptr, arguments..., nullptr) == nullptr;
  };
  CHECK(empty(profcore_profile_view_values, size_t{0}));
  CHECK(empty(profcore_profile_view_stacks));
  CHECK(empty(profcore_profile_view_label_sets));
  CHECK(empty(profcore_profile_view_timestamps));
  CHECK(empty(profcore_profile_view_stack_nodes));
  CHECK(empty(profcore_profile_view_locations));
  CHECK(empty(profcore_profile_view_lines));
  CHECK(empty(profcore_profile_view_functions));
  CHECK(empty(profcore_profile_view_modules));
  CHECK(empty(profcore_profile_view_strings));
  CHECK(empty(profcore_profile_view_labels));
  CHECK(empty(profcore_profile_view_label_set_offsets));

  CHECK(profcore_flame_get_node_count(nullptr) == 0);
  CHECK(empty(profcore_flame_view_node_frames));
  CHECK(empty(profcore_flame_view_parents));
  CHECK(empty(profcore_flame_view_depths));
  CHECK(empty(profcore_flame_view_subtree_ends));
  CHECK(empty(profcore_flame_view_self));
  CHECK(empty(profcore_flame_view_total));
  CHECK(empty(profcore_flame_view_base_self));
  CHECK(empty(profcore_flame_view_base_total));
  CHECK(empty(profcore_flame_view_frames));
  CHECK(empty(profcore_flame_view_strings));
  CHECK(empty(profcore_top_view_rows));
  CHECK(profcore_peek_get_count(nullptr) == 0);
  CHECK(empty(profcore_peek_view_callers, size_t{0}));
  CHECK(empty(profcore_peek_view_callees, size_t{0}));
}
