#pragma once

// What the tests of the C ABI share. Only public headers: these tests see the library as a host
// does.

#include <profcore/profcore.h>

#include <cstdint>
#include <cstring>
#include <doctest/doctest.h>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace capi {

template <auto Free> struct Deleter {
  template <class T> void operator()(T *handle) const noexcept { Free(handle); }
};
using ProfilePtr = std::unique_ptr<profcore_profile, Deleter<profcore_profile_free>>;
using FlamePtr = std::unique_ptr<profcore_flame, Deleter<profcore_flame_free>>;
using TopPtr = std::unique_ptr<profcore_top, Deleter<profcore_top_free>>;
using PeekPtr = std::unique_ptr<profcore_peek, Deleter<profcore_peek_free>>;
using BufferPtr = std::unique_ptr<profcore_buffer, Deleter<profcore_buffer_free>>;

/// How a call ended.
struct Outcome {
  profcore_status status = PROFCORE_OK;
  std::string message;
  std::string context;
  uint64_t offset = PROFCORE_NO_OFFSET;
  bool consistent = false; ///< status and error object say the same
};

/// outcome_of([&](profcore_error **err) { return profcore_...(..., err); }). The error pointer does
/// not start as NULL, so that a call which leaves it alone is found out.
template <class Call> Outcome outcome_of(Call &&call) {
  static char rubbish;
  auto *err = reinterpret_cast<profcore_error *>(&rubbish);
  Outcome outcome;
  outcome.status = call(&err);
  if (err == reinterpret_cast<profcore_error *>(&rubbish)) {
    outcome.message = "the call did not set its error";
    return outcome;
  }
  outcome.message = profcore_error_get_message(err);
  outcome.context = profcore_error_get_context(err);
  outcome.offset = profcore_error_get_offset(err);
  outcome.consistent = profcore_error_get_status(err) == outcome.status &&
                       (err == nullptr) == (outcome.status == PROFCORE_OK) &&
                       outcome.message.empty() == (outcome.status == PROFCORE_OK);
  profcore_error_free(err);
  return outcome;
}

/// An out pointer that is not NULL to begin with.
template <class T> T *rubbish() {
  return reinterpret_cast<T *>(uintptr_t{16});
}

#define CHECK_STATUS(expected, call)                                                               \
  do {                                                                                             \
    const capi::Outcome outcome_ =                                                                 \
        capi::outcome_of([&](profcore_error **err) -> profcore_status { return call; });           \
    CHECK_MESSAGE(outcome_.status == (expected), outcome_.message);                                \
    CHECK_MESSAGE(outcome_.consistent, outcome_.message);                                          \
  } while (false)
#define REQUIRE_OK(call)                                                                           \
  do {                                                                                             \
    const capi::Outcome outcome_ =                                                                 \
        capi::outcome_of([&](profcore_error **err) -> profcore_status { return call; });           \
    REQUIRE_MESSAGE(outcome_.status == PROFCORE_OK, outcome_.message);                             \
  } while (false)

inline ProfilePtr decode(std::string_view bytes, const profcore_decode_options *options = nullptr) {
  profcore_profile *profile = nullptr;
  profcore_decode_bytes(bytes.data(), bytes.size(), options, &profile, nullptr);
  return ProfilePtr{profile};
}
inline FlamePtr build(const ProfilePtr &profile, const profcore_flame_options *options = nullptr) {
  profcore_flame *flame = nullptr;
  profcore_flame_build(profile.get(), options, &flame, nullptr);
  return FlamePtr{flame};
}
inline std::string text_of(const profcore_buffer *buffer) {
  return {profcore_buffer_get_data(buffer), profcore_buffer_get_size(buffer)};
}
inline std::string write(const ProfilePtr &profile, profcore_output_format format,
                         const profcore_output_options *options = nullptr) {
  profcore_buffer *buffer = nullptr;
  profcore_output_profile(profile.get(), format, options, &buffer, nullptr);
  const BufferPtr owned{buffer};
  return text_of(buffer);
}
inline std::string write(const FlamePtr &flame, profcore_output_format format,
                         const profcore_output_options *options = nullptr) {
  profcore_buffer *buffer = nullptr;
  profcore_output_flame(flame.get(), format, options, &buffer, nullptr);
  const BufferPtr owned{buffer};
  return text_of(buffer);
}

constexpr std::string_view kCollapsed = "main;parse;read 3\nmain;parse 1\nmain;print 2\n";

/// The same profile in every form that is read.
inline std::string as_pprof(int32_t gzip_level) {
  auto options = PROFCORE_INIT(profcore_output_options);
  options.gzip_level = gzip_level;
  return write(decode(kCollapsed), PROFCORE_OUTPUT_PPROF, &options);
}
constexpr std::string_view kLegacy = "heap profile:      3:     24 [     6:     48] @ heapprofile\n"
                                     "     1:      8 [     2:     16] @ 0x1000 0x2000 0x3000\n"
                                     "     2:     16 [     4:     32] @ 0x1004 0x2000\n";

/// Two samples of `main` that tell of their process, and of a thread of it.
inline ProfilePtr told_profile() {
  profcore_profile *made = nullptr;
  REQUIRE_OK(profcore_profile_new(&made, err));
  ProfilePtr profile{made};
  const auto string = [&](std::string_view text) {
    uint32_t id = 0;
    REQUIRE_OK(profcore_profile_add_string(made, text.data(), text.size(), &id, err));
    return id;
  };
  profcore_function function{};
  function.name = string("main");
  profcore_line line{};
  REQUIRE_OK(profcore_profile_add_function(made, &function, &line.function, err));
  profcore_location location{};
  location.kind = PROFCORE_FRAME_USER;
  uint32_t frame = 0;
  REQUIRE_OK(profcore_profile_add_location(made, &location, &line, 1, &frame, err));
  uint32_t stack = 0;
  REQUIRE_OK(profcore_profile_add_stack(made, &frame, 1, &stack, err));
  size_t column = 0;
  REQUIRE_OK(profcore_profile_add_sample_type(made, "cpu", "ns", &column, err));
  for (const int64_t tid : {7, 8}) {
    const profcore_label labels[] = {
        {string("process"), string("nginx"), 0, 0, 0},
        {string("pid"), 0, 0, 1, 7},
        {string("thread"), string(tid == 7 ? "nginx" : "worker"), 0, 0, 0},
        {string("tid"), 0, 0, 1, tid}};
    uint32_t set = 0;
    REQUIRE_OK(profcore_profile_add_label_set(made, labels, 4, &set, err));
    const int64_t value = tid * 1'000'500;
    REQUIRE_OK(profcore_profile_add_sample(made, stack, set, &value, 1, 0, err));
  }
  return profile;
}

inline std::vector<std::string> strings_of(const profcore_profile *profile) {
  size_t count = 0;
  const profcore_str *strings = profcore_profile_view_strings(profile, &count);
  std::vector<std::string> all;
  for (size_t i = 0; i < count; ++i) all.emplace_back(strings[i].data, strings[i].size);
  return all;
}

} // namespace capi
