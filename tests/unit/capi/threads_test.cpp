// Threads: each with objects of its own, and all with one profile and one tree that nobody changes.
// Says nothing by itself of races: -Db_sanitize=thread does (see README.md).
#include "support.hpp"

#include <atomic>
#include <doctest/doctest.h>
#include <thread>

using namespace capi;

namespace {

constexpr int kThreads = 4;
constexpr int kRounds = 5;

template <class Work> void in_threads(Work &&work) {
  std::atomic<int> ready{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] {
      ++ready;
      while (ready < kThreads) std::this_thread::yield();
      for (int round = 0; round < kRounds; ++round) work(i);
    });
  for (std::thread &thread : threads) thread.join();
}

std::string make_text(int which) {
  std::string text;
  for (int i = 0; i < 200; ++i)
    text += "main;a" + std::to_string(i % 7) + ";b" + std::to_string(i % 31) + ";c" +
            std::to_string(i * (which + 1)) + " " + std::to_string(i) + "\n";
  return text;
}

/// All outputs of a profile and its tree.
std::string write_all(const ProfilePtr &profile, const FlamePtr &flame) {
  auto options = PROFCORE_INIT(profcore_output_options);
  options.function = "a1";
  options.exact = 1;
  std::string all;
  for (const profcore_output_format format : {PROFCORE_OUTPUT_PPROF, PROFCORE_OUTPUT_COLLAPSED,
                                              PROFCORE_OUTPUT_JSON, PROFCORE_OUTPUT_SPEEDSCOPE})
    all += write(profile, format, &options);
  all += write(flame, PROFCORE_OUTPUT_JSON, &options);
  for (profcore_output_format format = PROFCORE_OUTPUT_FLAMEBEARER; format <= PROFCORE_OUTPUT_PEEK;
       ++format)
    all += write(flame, format, &options);
  return all;
}

std::string error_of(std::string_view bytes) {
  profcore_profile *profile = nullptr;
  profcore_error *err = nullptr;
  auto options = PROFCORE_INIT(profcore_decode_options);
  options.strict = 1;
  profcore_decode_bytes(bytes.data(), bytes.size(), &options, &profile, &err);
  const std::string message = profcore_error_get_message(err);
  profcore_error_free(err);
  profcore_profile_free(profile);
  return message;
}

} // namespace

TEST_CASE("each thread has its own objects") {
  std::vector<std::string> inputs;
  std::vector<std::string> expected;
  for (int i = 0; i < kThreads; ++i) {
    inputs.push_back(make_text(i));
    const ProfilePtr profile = decode(inputs[i]);
    expected.push_back(write_all(profile, build(profile)));
  }
  const std::string broken = as_pprof(6).substr(0, 40);
  const std::string broken_message = error_of(broken);
  std::atomic<int> wrong{0};
  in_threads([&](int i) {
    const ProfilePtr profile = decode(inputs[i]);
    if (write_all(profile, build(profile)) != expected[i]) ++wrong;
    const ProfilePtr again = decode(write(profile, PROFCORE_OUTPUT_PPROF));
    if (!again || error_of(broken) != broken_message) ++wrong;
  });
  CHECK(wrong == 0);
}

TEST_CASE("threads share a profile and a tree that nobody changes") {
  const ProfilePtr profile = decode(make_text(1));
  const FlamePtr flame = build(profile);
  const FlamePtr baseline = build(decode(make_text(2)));
  const std::string expected = write_all(profile, flame);
  std::atomic<int> wrong{0};
  in_threads([&](int i) {
    if (write_all(profile, flame) != expected) ++wrong;
    const FlamePtr mine = build(profile);
    if (profcore_flame_get_node_count(mine.get()) != profcore_flame_get_node_count(flame.get()))
      ++wrong;
    profcore_flame *diff = nullptr;
    profcore_flame_diff(baseline.get(), flame.get(), nullptr, &diff, nullptr);
    if (!FlamePtr{diff}) ++wrong;
    const profcore_profile *both[] = {profile.get(), profile.get()};
    profcore_profile *merged = nullptr;
    profcore_profile_merge(both, 2, nullptr, &merged, nullptr);
    if (!ProfilePtr{merged}) ++wrong;
    auto options = PROFCORE_INIT(profcore_filter_options);
    if (std::strstr(profcore_features_get(), "re2=yes") != nullptr)
      options.focus = i % 2 == 0 ? "a1|b2" : "c[0-9]+";
    profcore_profile *filtered = nullptr;
    profcore_profile_filter(profile.get(), &options, &filtered, nullptr);
    if (!ProfilePtr{filtered}) ++wrong;
    profcore_top *top = nullptr;
    profcore_flame_top(flame.get(), PROFCORE_TOP_NAME, 0, &top, nullptr);
    if (!TopPtr{top}) ++wrong;
    size_t count = 0;
    profcore_profile_view_strings(profile.get(), &count);
    if (count == 0 || profcore_profile_get_bytes(profile.get()) == 0) ++wrong;
    if (profcore_profile_get_default_type(profile.get()) != 0) ++wrong;
  });
  CHECK(wrong == 0);
}
