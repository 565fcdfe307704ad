// Limits, progress, cancelling and the log, for everything that takes a context.
#include "support.hpp"

#include <doctest/doctest.h>
#include <functional>
#include <stdexcept>

using namespace capi;

namespace {

struct Input {
  std::string name;
  std::string bytes;
  profcore_format format;
};

std::vector<Input> inputs() {
  return {{"collapsed", std::string{kCollapsed}, PROFCORE_FORMAT_COLLAPSED},
          {"pprof", as_pprof(-1), PROFCORE_FORMAT_PPROF},
          {"pprof, gzip", as_pprof(6), PROFCORE_FORMAT_PPROF},
          {"legacy", std::string{kLegacy}, PROFCORE_FORMAT_PPROF_LEGACY}};
}

Outcome decode_within(const Input &input, const profcore_context &context) {
  auto options = PROFCORE_INIT(profcore_decode_options);
  options.context = &context;
  auto *profile = rubbish<profcore_profile>();
  const Outcome outcome = outcome_of([&](profcore_error **err) {
    return profcore_decode_bytes(input.bytes.data(), input.bytes.size(), &options, &profile, err);
  });
  CHECK(outcome.consistent);
  CHECK((profile == nullptr) == (outcome.status != PROFCORE_OK));
  profcore_profile_free(profile);
  return outcome;
}

/// Counts calls; cancels at the one numbered `cancel_at` (0 = never).
struct Progress {
  int cancel_at = 0;
  int calls = 0;
  uint64_t last_done = 0;
  bool over = false; ///< more done than there is

  static int32_t call(uint64_t done, uint64_t total, void *user) {
    auto &self = *static_cast<Progress *>(user);
    self.last_done = done;
    if (total != 0 && done > total) self.over = true;
    return ++self.calls == self.cancel_at ? 1 : 0;
  }
  profcore_context context() {
    auto context = PROFCORE_INIT(profcore_context);
    context.progress = call;
    context.progress_user = this;
    return context;
  }
};

/// `work` must report progress, and end with CANCELLED whenever it is told to.
void check_progress(
    const std::string &name,
    const std::function<profcore_status(const profcore_context *, profcore_error **)> &work) {
  CAPTURE(name);
  Progress whole;
  profcore_context context = whole.context();
  CHECK_STATUS(PROFCORE_OK, work(&context, err));
  CHECK(whole.calls > 0);
  CHECK(!whole.over);
  for (int at = 1; at <= std::min(whole.calls, 5); ++at) {
    CAPTURE(at);
    Progress stopped;
    stopped.cancel_at = at;
    context = stopped.context();
    CHECK_STATUS(PROFCORE_ERR_CANCELLED, work(&context, err));
    CHECK(stopped.calls == at);
  }
}

struct Log {
  std::vector<std::pair<profcore_log_level, std::string>> lines;
  bool ends_in_nul = true;

  static void call(profcore_log_level level, const char *line, size_t size, void *user) {
    auto &self = *static_cast<Log *>(user);
    self.ends_in_nul = self.ends_in_nul && line[size] == '\0';
    self.lines.emplace_back(level, std::string{line, size});
  }
  profcore_context context() {
    auto context = PROFCORE_INIT(profcore_context);
    context.log = call;
    context.log_user = this;
    return context;
  }
  bool has(profcore_log_level level, std::string_view text) const {
    for (const auto &[at, line] : lines)
      if (at == level && line.find(text) != line.npos) return true;
    return false;
  }
};

} // namespace

TEST_CASE("limits hold in every decoder") {
  for (const Input &input : inputs()) {
    CAPTURE(input.name);
    const auto check = [&](const char *what, uint64_t profcore_context::*limit, uint64_t enough,
                           uint64_t too_few) {
      CAPTURE(std::string{what});
      auto context = PROFCORE_INIT(profcore_context);
      context.*limit = enough;
      const Outcome allowed = decode_within(input, context);
      CHECK_MESSAGE(allowed.status == PROFCORE_OK, allowed.message);
      context.*limit = too_few;
      const Outcome outcome = decode_within(input, context);
      CHECK_MESSAGE(outcome.status == PROFCORE_ERR_LIMIT, outcome.message);
    };
    const uint64_t size = input.bytes.size();
    const bool legacy = input.format == PROFCORE_FORMAT_PPROF_LEGACY;
    check("input", &profcore_context::max_input_bytes, size, size - 1);
    check("strings", &profcore_context::max_strings, 100, 2);
    check("samples", &profcore_context::max_samples, 3, legacy ? 1 : 2);
    check("depth", &profcore_context::max_stack_depth, 3, 2);
    check("result", &profcore_context::max_result_bytes, 1 << 20, 100);
  }
}

TEST_CASE("inflating is bounded") {
  // A comment of 32 MB of the same letter.
  const std::string name(size_t{32} << 20, 'x');
  profcore_profile *profile = nullptr;
  REQUIRE_OK(profcore_profile_new(&profile, err));
  const ProfilePtr owned{profile};
  REQUIRE_OK(profcore_profile_add_comment(profile, name.data(), name.size(), err));
  size_t type = 0;
  REQUIRE_OK(profcore_profile_add_sample_type(profile, "samples", "count", &type, err));
  const std::string bomb = write(owned, PROFCORE_OUTPUT_PPROF);
  REQUIRE(bomb.size() < name.size() / 100);

  auto context = PROFCORE_INIT(profcore_context);
  context.max_inflated_bytes = uint64_t{1} << 20;
  const Input input{"bomb", bomb, PROFCORE_FORMAT_PPROF};
  CHECK(decode_within(input, context).status == PROFCORE_ERR_LIMIT);
  context.max_inflated_bytes = uint64_t{64} << 20;
  CHECK(decode_within(input, context).status == PROFCORE_OK);
}

TEST_CASE("what an input may take grows with its size") {
  const auto profile_of = [](size_t letters) {
    const std::string name(letters, 'x');
    profcore_profile *made = nullptr;
    REQUIRE_OK(profcore_profile_new(&made, err));
    ProfilePtr profile{made};
    REQUIRE_OK(profcore_profile_add_comment(made, name.data(), name.size(), err));
    size_t type = 0;
    REQUIRE_OK(profcore_profile_add_sample_type(made, "samples", "count", &type, err));
    return write(profile, PROFCORE_OUTPUT_PPROF);
  };
  const auto end_of = [](const std::string &bytes, uint64_t profcore_context::*limit,
                         uint64_t value) {
    auto context = PROFCORE_INIT(profcore_context);
    if (limit != nullptr) context.*limit = value;
    return decode_within({"", bytes, PROFCORE_FORMAT_UNKNOWN}, context);
  };
  constexpr uint64_t kMiB = uint64_t{1} << 20;
  constexpr uint64_t profcore_context::*kInflate = &profcore_context::max_inflate_ratio;

  // 100 MB in 100 KB: past 256 times and 64 MiB, which holds unless something else is said.
  const std::string bomb = profile_of(size_t{100} << 20);
  REQUIRE(bomb.size() * 256 < 36 * kMiB);
  for (const uint64_t unset : {uint64_t{0}, uint64_t{256}}) {
    const Outcome outcome = end_of(bomb, kInflate, unset);
    CHECK(outcome.status == PROFCORE_ERR_LIMIT);
    CHECK(outcome.message.find("max_inflate_ratio; raise it") != std::string::npos);
    CHECK(outcome.message.find(std::to_string(bomb.size() * 256 + 64 * kMiB)) != std::string::npos);
  }
  // The profile has the letters once more, and both are held at a time.
  const uint64_t needed = (200 * kMiB - 64 * kMiB) / bomb.size();
  CHECK(end_of(bomb, kInflate, needed / 2).status == PROFCORE_ERR_LIMIT);
  CHECK(end_of(bomb, kInflate, needed + needed / 4).status == PROFCORE_OK);
  CHECK(end_of(bomb, kInflate, UINT64_MAX).status == PROFCORE_OK);
  // Other limits hold besides, and are named.
  auto context = PROFCORE_INIT(profcore_context);
  context.max_inflate_ratio = UINT64_MAX;
  context.max_inflated_bytes = 90 * kMiB;
  Outcome outcome = decode_within({"", bomb, PROFCORE_FORMAT_UNKNOWN}, context);
  CHECK(outcome.status == PROFCORE_ERR_LIMIT);
  CHECK(outcome.message.find("max_inflated_bytes; raise it") != std::string::npos);
  // Under 64 MiB no ratio is too high.
  CHECK(end_of(profile_of(size_t{20} << 20), kInflate, 1).status == PROFCORE_OK);

  // Not compressed: 35 MB of samples that take 16 bytes for 5.
  std::string samples;
  profcore_profile *made = nullptr;
  REQUIRE_OK(profcore_profile_new(&made, err));
  const ProfilePtr few{made};
  size_t type = 0;
  REQUIRE_OK(profcore_profile_add_sample_type(made, "samples", "count", &type, err));
  auto raw = PROFCORE_INIT(profcore_output_options);
  raw.gzip_level = -1;
  profcore_buffer *buffer = nullptr;
  REQUIRE_OK(profcore_output_profile(made, PROFCORE_OUTPUT_PPROF, &raw, &buffer, err));
  samples.assign(profcore_buffer_get_data(buffer), profcore_buffer_get_size(buffer));
  profcore_buffer_free(buffer);
  constexpr size_t kSamples = 7'000'000;
  for (size_t i = 0; i < kSamples; ++i) samples += "\x12\x03\x12\x01\x01";
  context = PROFCORE_INIT(profcore_context);
  CHECK(decode_within({"", samples, PROFCORE_FORMAT_PPROF}, context).status == PROFCORE_OK);
  context.max_result_ratio = 1;
  outcome = decode_within({"", samples, PROFCORE_FORMAT_PPROF}, context);
  CHECK(outcome.status == PROFCORE_ERR_LIMIT);
  CHECK(outcome.message.find("max_result_ratio; raise it") != std::string::npos);
  context.max_result_ratio = UINT64_MAX;
  context.max_result_bytes = 90 * kMiB;
  outcome = decode_within({"", samples, PROFCORE_FORMAT_PPROF}, context);
  CHECK(outcome.status == PROFCORE_ERR_LIMIT);
  CHECK(outcome.message.find("max_result_bytes; raise it") != std::string::npos);
}

TEST_CASE("an older caller, whose context ends before the ratios, gets their defaults") {
  auto context = PROFCORE_INIT(profcore_context);
  context.max_inflate_ratio = 1; // behind the end that `size` tells
  context.max_result_ratio = 1;
  context.size = offsetof(profcore_context, max_inflate_ratio);
  const std::string name(size_t{100} << 20, 'x');
  profcore_profile *made = nullptr;
  REQUIRE_OK(profcore_profile_new(&made, err));
  const ProfilePtr profile{made};
  REQUIRE_OK(profcore_profile_add_comment(made, name.data(), name.size(), err));
  size_t type = 0;
  REQUIRE_OK(profcore_profile_add_sample_type(made, "samples", "count", &type, err));
  const std::string bytes = write(profile, PROFCORE_OUTPUT_PPROF);
  CHECK(decode_within({"", bytes, PROFCORE_FORMAT_UNKNOWN}, context)
            .message.find(std::to_string(bytes.size() * 256 + (64 << 20))) != std::string::npos);
}

TEST_CASE("results are bounded: merge, filter, trees, outputs") {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += "main;f" + std::to_string(i) + " 1\n";
  const ProfilePtr profile = decode(text);
  const FlamePtr tree = build(profile);
  REQUIRE(tree);
  auto context = PROFCORE_INIT(profcore_context);
  context.max_result_bytes = 512;

  auto *made = rubbish<profcore_profile>();
  auto merging = PROFCORE_INIT(profcore_merge_options);
  merging.context = &context;
  const profcore_profile *both[] = {profile.get(), profile.get()};
  CHECK_STATUS(PROFCORE_ERR_LIMIT, profcore_profile_merge(both, 2, &merging, &made, err));
  CHECK(made == nullptr);
  auto filtering = PROFCORE_INIT(profcore_filter_options);
  filtering.context = &context;
  CHECK_STATUS(PROFCORE_ERR_LIMIT, profcore_profile_filter(profile.get(), &filtering, &made, err));
  auto building = PROFCORE_INIT(profcore_flame_options);
  building.context = &context;
  auto *flame = rubbish<profcore_flame>();
  CHECK_STATUS(PROFCORE_ERR_LIMIT, profcore_flame_build(profile.get(), &building, &flame, err));
  CHECK(flame == nullptr);
  auto comparing = PROFCORE_INIT(profcore_flame_diff_options);
  comparing.context = &context;
  CHECK_STATUS(PROFCORE_ERR_LIMIT,
               profcore_flame_diff(tree.get(), tree.get(), &comparing, &flame, err));

  auto options = PROFCORE_INIT(profcore_output_options);
  options.context = &context;
  options.function = "f1";
  auto *buffer = rubbish<profcore_buffer>();
  for (const profcore_output_format format : {PROFCORE_OUTPUT_PPROF, PROFCORE_OUTPUT_COLLAPSED,
                                              PROFCORE_OUTPUT_JSON, PROFCORE_OUTPUT_SPEEDSCOPE}) {
    CAPTURE(format);
    CHECK_STATUS(PROFCORE_ERR_LIMIT,
                 profcore_output_profile(profile.get(), format, &options, &buffer, err));
    CHECK(buffer == nullptr);
  }
  for (profcore_output_format format = PROFCORE_OUTPUT_FLAMEBEARER; format <= PROFCORE_OUTPUT_PEEK;
       ++format) {
    CAPTURE(format);
    CHECK_STATUS(PROFCORE_ERR_LIMIT,
                 profcore_output_flame(tree.get(), format, &options, &buffer, err));
    CHECK(buffer == nullptr);
  }
  CHECK_STATUS(PROFCORE_ERR_LIMIT,
               profcore_output_flame(tree.get(), PROFCORE_OUTPUT_JSON, &options, &buffer, err));

  context = PROFCORE_INIT(profcore_context);
  context.max_samples = 100;
  CHECK_STATUS(PROFCORE_ERR_LIMIT, profcore_profile_merge(both, 2, &merging, &made, err));
}

TEST_CASE("progress and cancelling") {
  for (const Input &input : inputs()) {
    check_progress(input.name, [&](const profcore_context *context, profcore_error **err) {
      auto options = PROFCORE_INIT(profcore_decode_options);
      options.context = context;
      profcore_profile *out = nullptr;
      const profcore_status status =
          profcore_decode_bytes(input.bytes.data(), input.bytes.size(), &options, &out, err);
      CHECK((out == nullptr) == (status != PROFCORE_OK));
      profcore_profile_free(out);
      return status;
    });
  }
  const ProfilePtr profile = decode(kCollapsed);
  const FlamePtr tree = build(profile);
  check_progress("merge", [&](const profcore_context *context, profcore_error **err) {
    auto options = PROFCORE_INIT(profcore_merge_options);
    options.context = context;
    const profcore_profile *both[] = {profile.get(), profile.get()};
    profcore_profile *out = nullptr;
    const profcore_status status = profcore_profile_merge(both, 2, &options, &out, err);
    profcore_profile_free(out);
    return status;
  });
  for (const auto view : {profcore_profile_host_view, profcore_profile_deepflow_view}) {
    const ProfilePtr told = told_profile();
    check_progress("view", [&](const profcore_context *context, profcore_error **err) {
      auto options = PROFCORE_INIT(profcore_view_options);
      options.context = context;
      profcore_profile *out = nullptr;
      const profcore_status status = view(told.get(), &options, &out, err);
      profcore_profile_free(out);
      return status;
    });
    auto small = PROFCORE_INIT(profcore_context);
    small.max_result_bytes = 100;
    auto options = PROFCORE_INIT(profcore_view_options);
    options.context = &small;
    profcore_profile *out = nullptr;
    CHECK_STATUS(PROFCORE_ERR_LIMIT, view(told.get(), &options, &out, err));
    CHECK(out == nullptr);
  }
  check_progress("filter", [&](const profcore_context *context, profcore_error **err) {
    auto options = PROFCORE_INIT(profcore_filter_options);
    options.context = context;
    profcore_profile *out = nullptr;
    const profcore_status status = profcore_profile_filter(profile.get(), &options, &out, err);
    profcore_profile_free(out);
    return status;
  });
  for (const int32_t inverted : {0, 1}) {
    check_progress("flame", [&](const profcore_context *context, profcore_error **err) {
      auto options = PROFCORE_INIT(profcore_flame_options);
      options.context = context;
      options.inverted = inverted;
      options.fold_recursion = 1;
      profcore_flame *out = nullptr;
      const profcore_status status = profcore_flame_build(profile.get(), &options, &out, err);
      profcore_flame_free(out);
      return status;
    });
  }
  check_progress("diff", [&](const profcore_context *context, profcore_error **err) {
    auto options = PROFCORE_INIT(profcore_flame_diff_options);
    options.context = context;
    profcore_flame *out = nullptr;
    const profcore_status status = profcore_flame_diff(tree.get(), tree.get(), &options, &out, err);
    profcore_flame_free(out);
    return status;
  });
  const auto output = [](profcore_output_format format, auto *handle, auto call) {
    return [=](const profcore_context *context, profcore_error **err) {
      auto options = PROFCORE_INIT(profcore_output_options);
      options.context = context;
      options.function = "parse";
      options.exact = 1;
      profcore_buffer *out = nullptr;
      const profcore_status status = call(handle, format, &options, &out, err);
      profcore_buffer_free(out);
      return status;
    };
  };
  check_progress("pprof", output(PROFCORE_OUTPUT_PPROF, profile.get(), profcore_output_profile));
  check_progress("collapsed",
                 output(PROFCORE_OUTPUT_COLLAPSED, profile.get(), profcore_output_profile));
  check_progress("speedscope",
                 output(PROFCORE_OUTPUT_SPEEDSCOPE, profile.get(), profcore_output_profile));
  check_progress("flame JSON", output(PROFCORE_OUTPUT_JSON, tree.get(), profcore_output_flame));
  check_progress("flamebearer",
                 output(PROFCORE_OUTPUT_FLAMEBEARER, tree.get(), profcore_output_flame));
  check_progress("SVG", output(PROFCORE_OUTPUT_SVG, tree.get(), profcore_output_flame));
  check_progress("HTML", output(PROFCORE_OUTPUT_HTML, tree.get(), profcore_output_flame));
  check_progress("top", output(PROFCORE_OUTPUT_TOP, tree.get(), profcore_output_flame));
  check_progress("top TSV", output(PROFCORE_OUTPUT_TOP_TSV, tree.get(), profcore_output_flame));
  check_progress("top JSON", output(PROFCORE_OUTPUT_TOP_JSON, tree.get(), profcore_output_flame));
  check_progress("tree", output(PROFCORE_OUTPUT_TREE, tree.get(), profcore_output_flame));
  check_progress("peek", output(PROFCORE_OUTPUT_PEEK, tree.get(), profcore_output_flame));

  check_progress("profile JSON",
                 output(PROFCORE_OUTPUT_JSON, profile.get(), profcore_output_profile));
}

TEST_CASE("a callback that throws does not get through") {
  auto context = PROFCORE_INIT(profcore_context);
  context.progress = [](uint64_t, uint64_t, void *) -> int32_t {
    throw std::runtime_error{"thrown by the host"};
  };
  const Outcome outcome = decode_within(inputs()[1], context);
  CHECK(outcome.status == PROFCORE_ERR_INTERNAL);
  CHECK(outcome.message == "thrown by the host");
}

TEST_CASE("the log") {
  Log log;
  profcore_context context = log.context();
  auto options = PROFCORE_INIT(profcore_decode_options);
  options.context = &context;
  const std::string gzip = as_pprof(6);
  REQUIRE(decode(gzip, &options));
  CHECK(log.has(PROFCORE_LOG_DEBUG, "gzip"));
  CHECK(log.has(PROFCORE_LOG_DEBUG, "pprof"));

  log.lines.clear();
  const ProfilePtr bad = decode("main;a 1\nmain;b\nmain;c 2\n", &options);
  REQUIRE(bad);
  CHECK(log.has(PROFCORE_LOG_WARNING, "line 2"));

  // The warnings of the inputs are no news.
  log.lines.clear();
  auto merging = PROFCORE_INIT(profcore_merge_options);
  merging.context = &context;
  const profcore_profile *both[] = {bad.get(), bad.get()};
  profcore_profile *out = nullptr;
  REQUIRE_OK(profcore_profile_merge(both, 2, &merging, &out, err));
  const ProfilePtr merged{out};
  CHECK(profcore_profile_get_warning_count(merged.get()) == 1);
  CHECK(log.lines.empty());

  auto filtering = PROFCORE_INIT(profcore_filter_options);
  filtering.context = &context;
  filtering.time_from_ns = 1;
  REQUIRE_OK(profcore_profile_filter(merged.get(), &filtering, &out, err));
  const ProfilePtr filtered{out};
  REQUIRE(log.lines.size() == 1);
  CHECK(log.has(PROFCORE_LOG_WARNING, "no timestamps"));

  log.lines.clear();
  const ProfilePtr huge = decode("a 9223372036854775807\nb 9223372036854775807\n");
  REQUIRE(huge);
  auto building = PROFCORE_INIT(profcore_flame_options);
  building.context = &context;
  profcore_flame *flame = nullptr;
  REQUIRE_OK(profcore_flame_build(huge.get(), &building, &flame, err));
  profcore_flame_free(flame);
  CHECK(log.has(PROFCORE_LOG_WARNING, "64 bits"));
  CHECK(log.ends_in_nul);
}
