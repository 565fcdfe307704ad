// Sampling this very process through the C ABI. Where that is not allowed only the refusals are
// tested; with PROFCORE_REQUIRE_BPF=1 that is a failure.
#include "support.hpp"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <doctest/doctest.h>
#include <limits>
#include <poll.h>
#include <string>
#include <unistd.h>

using namespace capi;

namespace {

using Clock = std::chrono::steady_clock;

volatile uint64_t g_sink;

extern "C" __attribute__((noinline, used)) void burn_for_the_sampler() {
  for (int i = 0; i < 100000; ++i) g_sink = g_sink * 31 + 1;
}

/// Null, with the reason in a message, where this machine or user may not.
profcore_sampler *start(const profcore_sampler_options &options) {
  profcore_sampler *sampler = nullptr;
  profcore_error *err = nullptr;
  const profcore_status status = profcore_sampler_start(&options, &sampler, &err);
  if (status != PROFCORE_OK) {
    const char *required = std::getenv("PROFCORE_REQUIRE_BPF");
    const bool must = required != nullptr && std::strcmp(required, "1") == 0;
    const std::string why = profcore_error_get_message(err);
    if (must) FAIL(why);
    MESSAGE("not sampled here: " << why);
    CHECK((status == PROFCORE_ERR_PERMISSION || status == PROFCORE_ERR_UNSUPPORTED));
    profcore_error_free(err);
  }
  return sampler;
}

} // namespace

TEST_CASE("what sampling needs is told") {
  size_t count = 0;
  REQUIRE(profcore_sampler_check(nullptr, &count, nullptr) == PROFCORE_OK);
  REQUIRE(count > 0);
  std::vector<profcore_sampler_need> needs(count + 1);
  needs[0].size = sizeof needs[0];
  size_t room = needs.size();
  REQUIRE(profcore_sampler_check(needs.data(), &room, nullptr) == PROFCORE_OK);
  CHECK(room == count);
  for (size_t i = 0; i < count; ++i) {
    CHECK(needs[i].need[0] != '\0');
    CHECK(needs[i].have[0] != '\0');
    CHECK(needs[i].consequence[0] != '\0');
    CHECK(needs[i].fix[0] != '\0');
  }
  needs[0].size = 3;
  CHECK(profcore_sampler_check(needs.data(), &room, nullptr) == PROFCORE_ERR_INVALID_ARGUMENT);
  CHECK(profcore_sampler_check(needs.data(), nullptr, nullptr) == PROFCORE_ERR_INVALID_ARGUMENT);
}

TEST_CASE("a sampler refuses what it cannot do") {
  profcore_sampler *sampler = nullptr;
  auto options = PROFCORE_INIT(profcore_sampler_options);
  options.frequency = 5000;
  CHECK(profcore_sampler_start(&options, &sampler, nullptr) != PROFCORE_OK);
  CHECK(sampler == nullptr);
  options.frequency = 0;
  options.per_thread = 2;
  CHECK(profcore_sampler_start(&options, &sampler, nullptr) == PROFCORE_ERR_INVALID_ARGUMENT);
  options.per_thread = 0;
  options.cpu_budget = std::numeric_limits<double>::quiet_NaN();
  CHECK(profcore_sampler_start(&options, &sampler, nullptr) == PROFCORE_ERR_INVALID_ARGUMENT);
  options.cpu_budget = std::numeric_limits<double>::infinity();
  CHECK(profcore_sampler_start(&options, &sampler, nullptr) == PROFCORE_ERR_INVALID_ARGUMENT);
  options.cpu_budget = 0;
  options.java_symbols = 2;
  CHECK(profcore_sampler_start(&options, &sampler, nullptr) == PROFCORE_ERR_INVALID_ARGUMENT);
  options.java_symbols = 1;
  options.java_refresh_seconds = 4;
  CHECK(profcore_sampler_start(&options, &sampler, nullptr) == PROFCORE_ERR_INVALID_ARGUMENT);
  options.java_refresh_seconds = 3601;
  CHECK(profcore_sampler_start(&options, &sampler, nullptr) == PROFCORE_ERR_INVALID_ARGUMENT);
  options.java_refresh_seconds = 0;
  options.java_symbols = 0;
  options.pid_count = 1;
  CHECK(profcore_sampler_start(&options, &sampler, nullptr) == PROFCORE_ERR_INVALID_ARGUMENT);
  CHECK(profcore_sampler_start(&options, nullptr, nullptr) == PROFCORE_ERR_INVALID_ARGUMENT);
  CHECK(profcore_sampler_process(nullptr, nullptr) == PROFCORE_ERR_INVALID_ARGUMENT);
  CHECK(profcore_sampler_stop(nullptr, nullptr) == PROFCORE_ERR_INVALID_ARGUMENT);
  profcore_profile *profile = nullptr;
  CHECK(profcore_sampler_drain(nullptr, &profile, nullptr) == PROFCORE_ERR_INVALID_ARGUMENT);
  auto stats = PROFCORE_INIT(profcore_sampler_stats);
  CHECK(profcore_sampler_get_stats(nullptr, &stats, nullptr) == PROFCORE_ERR_INVALID_ARGUMENT);
  CHECK(profcore_sampler_get_fd(nullptr) == -1);
  CHECK(std::string{profcore_sampler_get_event(nullptr)}.empty());
  CHECK(profcore_sampler_refresh_java(nullptr, 1, nullptr) == PROFCORE_ERR_INVALID_ARGUMENT);
  CHECK(std::string{profcore_sampler_get_java_reason(nullptr)}.empty());
  CHECK(profcore_sampler_get_backend(nullptr) == PROFCORE_SAMPLER_BACKEND_AUTO);
  CHECK(std::string{profcore_sampler_get_backend_reason(nullptr)}.empty());
  const int32_t self = getpid();
  options = PROFCORE_INIT(profcore_sampler_options);
  options.backend = 3;
  options.pids = &self;
  options.pid_count = 1;
  CHECK(profcore_sampler_start(&options, &sampler, nullptr) == PROFCORE_ERR_INVALID_ARGUMENT);
  options.backend = PROFCORE_SAMPLER_BACKEND_PERF;
  options.stack_bytes = 65529;
  CHECK(profcore_sampler_start(&options, &sampler, nullptr) == PROFCORE_ERR_INVALID_ARGUMENT);
  options.stack_bytes = 0;
  options.pid_count = 0;
  CHECK(profcore_sampler_start(&options, &sampler, nullptr) == PROFCORE_ERR_INVALID_ARGUMENT);
  profcore_sampler_free(nullptr);
}

namespace {

void sample_windows(profcore_sampler_backend backend) {
  const int32_t self = getpid();
  auto options = PROFCORE_INIT(profcore_sampler_options);
  options.pids = &self;
  options.pid_count = 1;
  options.frequency = 997;
  options.java_symbols = 1; // nothing here is a JVM: nothing is asked, nothing waited for
  options.backend = backend;
  if (backend == PROFCORE_SAMPLER_BACKEND_PERF)
    options.stack_bytes = 65528; // sanitizers' frames are large
  profcore_sampler *sampler = start(options);
  if (sampler == nullptr) return;
  CHECK(std::string{profcore_sampler_get_event(sampler)}.empty() == false);
  CHECK(profcore_sampler_get_backend(sampler) == backend);
  CHECK(std::string{profcore_sampler_get_backend_reason(sampler)}.empty() == false);
  int64_t delivered = 0;
  for (int window = 0; window < 3; ++window) {
    CAPTURE(window);
    const Clock::time_point end = Clock::now() + std::chrono::milliseconds{300};
    while (Clock::now() < end) {
      burn_for_the_sampler();
      pollfd event{profcore_sampler_get_fd(sampler), POLLIN, 0};
      if (poll(&event, 1, 0) > 0) CHECK(profcore_sampler_process(sampler, nullptr) == PROFCORE_OK);
    }
    if (window == 2) {
      CHECK(profcore_sampler_stop(sampler, nullptr) == PROFCORE_OK);
      CHECK(profcore_sampler_stop(sampler, nullptr) == PROFCORE_OK);
      const Clock::time_point before = Clock::now();
      CHECK(profcore_sampler_refresh_java(sampler, 5000, nullptr) == PROFCORE_OK);
      CHECK(Clock::now() - before < std::chrono::seconds{2});
    }
    profcore_profile *handle = nullptr;
    REQUIRE(profcore_sampler_drain(sampler, &handle, nullptr) == PROFCORE_OK);
    const ProfilePtr profile{handle};
    CHECK(profcore_profile_get_sample_count(handle) > 0);
    size_t rows = 0;
    const int64_t *values = profcore_profile_view_values(handle, 0, &rows);
    for (size_t i = 0; i < rows; ++i) delivered += values[i];
    const std::string text = write(profile, PROFCORE_OUTPUT_COLLAPSED);
    CHECK(text.find("burn_for_the_sampler") != text.npos);
    CHECK(text.find("main;") != text.npos);
  }
  auto stats = PROFCORE_INIT(profcore_sampler_stats);
  REQUIRE(profcore_sampler_get_stats(sampler, &stats, nullptr) == PROFCORE_OK);
  CHECK(stats.taken == stats.delivered + stats.lost_counts);
  CHECK(stats.delivered == static_cast<uint64_t>(delivered));
  CHECK(stats.frequency > 0);
  CHECK(stats.frequency <= 997);
  CHECK(stats.outside == 0);
  const bool has_maps = profcore_sampler_get_backend(sampler) == PROFCORE_SAMPLER_BACKEND_BPF;
  CHECK((stats.map_bytes > stats.row_bytes + 500000) == has_maps);
  CHECK(stats.java_maps_requested == 0);
  CHECK(std::string{profcore_sampler_get_java_reason(sampler)}.empty());
  CHECK(stats.complete + 3 >= stats.taken - stats.without_user);
  profcore_sampler_free(sampler);
}

} // namespace

TEST_CASE("this process is sampled by BPF, window by window") {
  sample_windows(PROFCORE_SAMPLER_BACKEND_BPF);
}

TEST_CASE("this process is sampled by a perf ring, window by window") {
  sample_windows(PROFCORE_SAMPLER_BACKEND_PERF);
}
