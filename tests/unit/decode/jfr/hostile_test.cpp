// Recordings made to cost more than they are: what decoding one may take in time and memory is in
// proportion to its size, and damage gives an error or a warning, never a profile without a word.

#include "jfr_samples.hpp"
#include "sources/decode/decode.hpp"

#include <ctime>
#include <doctest/doctest.h>
#include <optional>

using namespace profcore;
using jfr_test::Writer;

namespace {

struct Outcome {
  std::optional<Profile> profile;
  std::optional<Error> error;
  double seconds = 0;
};

Outcome decoded(const std::string &file, bool limited = true) {
  DecodeOptions options;
  if (limited)
    options.context.limits.tighten_result(Limits::scaled(64, file.size()), "max_result_ratio");
  Outcome outcome;
  const std::clock_t start = std::clock();
  try {
    outcome.profile =
        decode({reinterpret_cast<const uint8_t *>(file.data()), file.size()}, options);
  } catch (const Error &error) {
    outcome.error = error;
  }
  outcome.seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  return outcome;
}

/// Ends soon, and does not succeed without a word about what is wrong.
Outcome checked(const std::string &file) {
  Outcome outcome = decoded(file);
  CHECK(outcome.seconds < 1);
  if (outcome.error) {
    CHECK_FALSE(outcome.error->message().empty());
    CHECK(outcome.error->offset() <= file.size());
  } else {
    CHECK_FALSE(outcome.profile->warnings().empty());
    for (const Warning &warning : outcome.profile->warnings()) CHECK(warning.offset <= file.size());
  }
  return outcome;
}

jfr_test::Chunk chunk_of_samples() {
  jfr_test::Chunk chunk;
  chunk.size_bytes = 0;
  chunk.add_jdk_types();
  jfr_test::add_sample_type(chunk);
  return chunk;
}

} // namespace

TEST_CASE("damaged recordings through decode: told, and the chunk before comes whole") {
  const std::string good = jfr_test::sample_chunk(0, 5).finish();
  for (const jfr_test::Sample &sample : jfr_test::damaged_samples()) {
    if (sample.name == "types_in_types" || sample.name == "types_in_circles") continue;
    CAPTURE(sample.name);
    checked(sample.bytes);
    const Outcome after = checked(good + sample.bytes);
    REQUIRE(after.profile);
    CHECK(after.profile->sample_count() >= 5);
  }
}

TEST_CASE("the damaged files of the test data through decode") {
  const auto files = jfr_test::malformed_files();
  if (files.empty()) MESSAGE("skipped: no test data");
  const std::string good = jfr_test::sample_chunk(0, 5).finish();
  for (const auto &[path, file] : files) {
    CAPTURE(path);
    checked(file);
    const Outcome after = checked(good + file);
    REQUIRE(after.profile);
    CHECK(after.profile->sample_count() >= 5);
  }
}

TEST_CASE("times at the limits of 64 bits") {
  for (const int64_t start : {INT64_MIN, INT64_MAX, INT64_C(0)})
    for (const int64_t length : {INT64_MIN, INT64_MAX})
      for (const int64_t ticks : {INT64_MIN, INT64_MAX}) {
        jfr_test::Chunk chunk = jfr_test::sample_chunk();
        chunk.start_ns = start;
        chunk.duration_ns = length;
        chunk.start_ticks = ticks;
        chunk.ticks_per_second = 1;
        const Outcome outcome = decoded(chunk.finish());
        REQUIRE(outcome.profile);
        CHECK(outcome.profile->sample_count() == 3);
        CHECK(outcome.profile->meta.duration_ns >= 0);
      }
}

TEST_CASE("a hundred thousand samples of threads and classes that share a text of a megabyte") {
  jfr_test::Chunk chunk = chunk_of_samples();
  for (uint64_t i = 0; i < 100'000; ++i)
    chunk.event(jfr_test::kSampleEvent, [i](Writer &out) {
      out.i64(2000);
      out.key(1);
      out.key(1);
      out.key(i); // most of them lead to nothing
    });
  const auto huge = [](Writer &out) { out.utf16(std::u16string(1 << 20, u'\u20ac')); };
  chunk.checkpoint({{jfr_test::kThread,
                     {{1,
                       [huge](Writer &out) {
                         out.utf8("os");
                         out.i64(7);
                         huge(out);
                         out.i64(9);
                         out.key(0);
                       }}}},
                    {jfr_test::kString, {{5, huge}}}});
  jfr_test::Pool states{jfr_test::kThreadState, {}};
  for (uint64_t i = 0; i < 1000; ++i)
    states.values.push_back({i, [](Writer &out) { out.string_key(5); }});
  chunk.checkpoint({states});
  const Outcome outcome = decoded(chunk.finish());
  REQUIRE(outcome.profile);
  CHECK(outcome.profile->sample_count() == 100'000);
  CHECK(outcome.seconds < 3);
}

TEST_CASE("one stack of many methods of a class with a long name is refused for what it takes") {
  jfr_test::Chunk chunk = chunk_of_samples();
  constexpr uint64_t kMethods = 200'000;
  jfr_test::add_sample(chunk);
  jfr_test::Pool methods{jfr_test::kMethod, {}};
  for (uint64_t i = 0; i < kMethods; ++i)
    methods.values.push_back({i, [i](Writer &out) {
                                out.key(1);
                                out.key(i + 10);
                                out.key(0);
                                out.i32(1);
                                out.boolean(false);
                              }});
  jfr_test::Pool symbols{jfr_test::kSymbol,
                         {{1, [](Writer &out) { out.utf8(std::string(1 << 20, 'x')); }}}};
  for (uint64_t i = 0; i < kMethods; ++i)
    symbols.values.push_back({i + 10, [i](Writer &out) { out.utf8(std::to_string(i)); }});
  chunk.checkpoint({methods,
                    symbols,
                    {jfr_test::kClass,
                     {{1,
                       [](Writer &out) {
                         out.key(0);
                         out.key(1);
                         out.key(0);
                         out.i32(1);
                         out.boolean(false);
                       }}}},
                    {jfr_test::kStackTrace, {{1, [](Writer &out) {
                                                out.boolean(false);
                                                out.count(kMethods);
                                                for (uint64_t i = 0; i < kMethods; ++i) {
                                                  out.key(i);
                                                  out.i32(1);
                                                  out.i32(1);
                                                  out.key(0);
                                                }
                                              }}}}});
  const Outcome outcome = decoded(chunk.finish());
  REQUIRE(outcome.error);
  CHECK(outcome.error->status() == Status::kLimit);
  CHECK(outcome.seconds < 3);
}

TEST_CASE("addresses chosen to fall into one bucket") {
  jfr_test::Chunk chunk;
  chunk.size_bytes = 0;
  chunk.add_jdk_types();
  chunk.type(500, "profiler.Malloc",
             {{"startTime", jfr_test::kLong},
              {"eventThread", jfr_test::kThread, true},
              {"stackTrace", jfr_test::kStackTrace, true},
              {"address", jfr_test::kLong},
              {"size", jfr_test::kLong}},
             "jdk.jfr.Event");
  // Multiples of the numbers of buckets that libstdc++ grows through.
  for (const uint64_t buckets : {UINT64_C(107'897), UINT64_C(218'971)})
    for (uint64_t i = 0; i < 50'000; ++i)
      chunk.event(500, [i, buckets](Writer &out) {
        out.i64(1);
        out.key(0);
        out.key(0);
        out.i64(static_cast<int64_t>(i * buckets));
        out.i64(8);
      });
  const Outcome outcome = decoded(chunk.finish());
  REQUIRE(outcome.profile);
  CHECK(outcome.profile->sample_count() == 100'000);
  CHECK(outcome.seconds < 2);
}

TEST_CASE("many chunks, each with objects that live") {
  jfr_test::Chunk chunk;
  chunk.type(1, "long");
  chunk.type(2, "profiler.LiveObject", {{"startTime", 1}, {"allocationSize", 1}}, "jdk.jfr.Event");
  for (int i = 0; i < 3; ++i)
    chunk.event(2, [](Writer &out) {
      out.i64(1);
      out.i64(100);
    });
  const std::string one = chunk.finish();
  std::string file;
  for (int i = 0; i < 20'000; ++i) file += one;
  const Outcome outcome = decoded(file);
  REQUIRE(outcome.profile);
  CHECK(outcome.profile->sample_count() == 60'000);
  CHECK(outcome.seconds < 6);
  // Of levels only the last chunk's count.
  int64_t most = 0;
  for (size_t column = 0; column < outcome.profile->sample_types().size(); ++column) {
    int64_t sum = 0;
    for (const int64_t value : outcome.profile->values(column)) sum += value;
    most = std::max(most, sum);
  }
  CHECK(most == 300);
}

TEST_CASE("a field that is said to be a name and is no string") {
  jfr_test::Chunk chunk;
  chunk.add_jdk_types(100); // of which Class and Method are defined otherwise below
  chunk.type(7, "float");
  chunk.type(12, "java.lang.String", {{"value", 7}});
  chunk.type(13, "java.lang.Class", {{"name", 7}});
  chunk.type(14, "jdk.types.Method", {{"type", 13, true}, {"name", 12}});
  chunk.event(jfr_test::kLong, [](Writer &) {});
  CHECK(decoded(chunk.finish()).profile.has_value());
}

TEST_CASE("an event setting of async-profiler's in a recording of somebody else's") {
  jfr_test::Chunk chunk = jfr_test::sample_chunk();
  chunk.type(600, "jdk.ActiveSetting",
             {{"id", jfr_test::kLong}, {"name", jfr_test::kString}, {"value", jfr_test::kString}},
             "jdk.jfr.Event");
  for (const char *event : {"wall", "cache-misses"}) {
    chunk.event(600, [event](Writer &out) {
      out.i64(1);
      out.utf8("event");
      out.utf8(event);
    });
    const Outcome outcome = decoded(chunk.finish());
    REQUIRE(outcome.profile);
    CHECK(outcome.profile->sample_count() == 3);
    CHECK(outcome.profile->sample_types().size() == 1);
  }
}

TEST_CASE("a weight that is an array is none") {
  jfr_test::Chunk chunk;
  chunk.metadata_form = jfr_test::StringForm::kUtf8;
  chunk.type(1, "double");
  chunk.type(2, "datadog.ObjectSample", {{"weight", 1, false, true}}, "jdk.jfr.Event");
  chunk.metadata();
  chunk.event(2, [](Writer &out) { out.count(0); }); // the chunk's last byte
  const std::string file = chunk.finish();
  const std::vector<uint8_t> exact{file.begin(), file.end()};
  const Profile profile = decode(exact, {});
  CHECK(profile.sample_count() == 1);
}
