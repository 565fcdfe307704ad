// What is told of damage, and that what is good comes all the same: our own damaged chunks, alone
// and behind a good one, and the damaged files of the test data.

#include "jfr_samples.hpp"
#include "read_recording.hpp"

#include <ctime>
#include <doctest/doctest.h>
#include <map>

using namespace profcore;
using jfr_test::read_recording;
using jfr_test::Recording;

namespace {

/// Ends soon, with a place for everything that is said.
Recording checked(const std::string &file) {
  const std::clock_t start = std::clock();
  Recording recording = read_recording(file);
  CHECK(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC < 1);
  for (const auto &warning : recording.warnings) CHECK(warning.offset <= file.size());
  for (const Error &error : recording.errors) {
    CHECK(error.offset() <= file.size());
    CHECK_FALSE(error.message().empty());
  }
  return recording;
}

/// How many of the three events come of those whose events can be told.
const std::map<std::string, uint64_t> kEvents{{"chunk_size_0", 3},
                                              {"chunk_size_1", 3},
                                              {"chunk_size_negative", 3},
                                              {"chunk_size_huge", 3},
                                              {"metadata_at_0", 3},
                                              {"metadata_at_negative", 3},
                                              {"metadata_past_end", 3},
                                              {"metadata_in_an_event", 3},
                                              {"ticks_0", 0},
                                              {"ticks_negative", 0},
                                              {"offsets_0", 3},
                                              {"in_progress_jdk", 3},
                                              {"in_progress_jdk_no_offsets", 3},
                                              {"in_progress_async_profiler", 3},
                                              {"cut_in_half", 0},
                                              {"cut_in_header", 0},
                                              {"cut_last_byte", 0},
                                              {"junk_after", 3},
                                              {"strings_2_31", 0},
                                              {"strings_2_63", 0},
                                              {"event_size_0", 0},
                                              {"event_size_1", 0},
                                              {"event_size_huge", 0},
                                              {"event_size_minus_1", 0},
                                              {"metadata_size_0", 0},
                                              {"metadata_size_1", 0},
                                              {"metadata_size_huge", 0},
                                              {"pool_count_2_31", 3},
                                              {"pool_count_2_63", 3},
                                              {"pool_of_unknown_type", 3},
                                              {"pool_value_cut", 3},
                                              {"string_of_unknown_kind", 3},
                                              {"checkpoint_cut", 3},
                                              {"checkpoints_in_a_circle", 0}};

} // namespace

TEST_CASE("damaged chunks end in an error or a warning, with what can be read of them") {
  for (const jfr_test::Sample &sample : jfr_test::damaged_samples()) {
    CAPTURE(sample.name);
    const Recording recording = checked(sample.bytes);
    if (sample.name != "types_in_types") CHECK(recording.is_told());
    const auto expected = kEvents.find(sample.name);
    if (expected != kEvents.end()) CHECK(recording.events == expected->second);
  }
}

TEST_CASE("a good chunk before damage comes whole") {
  const std::string good = jfr_test::sample_chunk(0, 5).finish();
  for (const jfr_test::Sample &sample : jfr_test::damaged_samples()) {
    CAPTURE(sample.name);
    const Recording recording = checked(good + sample.bytes);
    REQUIRE_FALSE(recording.offsets.empty());
    CHECK(recording.offsets[0] == 0);
    CHECK(recording.events >= 5);
    if (sample.name != "types_in_types") CHECK(recording.is_told());
  }
}

TEST_CASE("a good chunk behind damage is found") {
  const std::string good = jfr_test::sample_chunk(0, 5).finish();
  for (const jfr_test::Sample &sample : jfr_test::damaged_samples()) {
    CAPTURE(sample.name);
    const Recording recording = checked(sample.bytes + good);
    CHECK(recording.events >= 5);
  }
}

TEST_CASE("after an event whose size cannot be, the next known checkpoint goes on") {
  jfr_test::Chunk made;
  made.add_jdk_types();
  jfr_test::add_sample_type(made);
  jfr_test::add_sample(made);
  const size_t broken = made.raw(std::string(6, '\0'));
  jfr_test::add_sample(made); // lost
  made.checkpoint(jfr_test::sample_pools());
  jfr_test::add_sample(made);
  const std::string file = made.finish();
  jfr_test::Loaded chunk{file};
  CHECK(chunk->event_count() == 2);
  CHECK(chunk.text("jdk.types.Symbol", 1) == "run");
  CHECK(chunk.findings().find(std::to_string(broken) + ": ") == 0);
  CHECK(chunk.counter("lost_bytes") > 6);
}

TEST_CASE("every byte changed, and cut at every byte") {
  const std::string good = jfr_test::sample_chunk(0, 5).finish();
  const std::string before = jfr_test::sample_chunk(0, 1).finish();
  for (size_t at = 0; at < good.size(); ++at) {
    CAPTURE(at);
    for (const int change : {0x01, 0x80, 0xff}) {
      std::string file = before + good;
      file[before.size() + at] = static_cast<char>(file[before.size() + at] ^ change);
      CHECK(read_recording(file).events >= 1);
    }
    const Recording cut = read_recording(before + good.substr(0, at));
    CHECK(cut.events >= 1);
    CHECK((at == 0 || cut.is_told()));
  }
}

TEST_CASE("the damaged files of the test data") {
  const auto files = jfr_test::malformed_files();
  if (files.empty()) MESSAGE("skipped: no test data");
  const std::string good = jfr_test::sample_chunk(0, 5).finish();
  for (const auto &[path, file] : files) {
    CAPTURE(path);
    CHECK(checked(file).is_told());
    CHECK(checked(good + file).events >= 5);
  }
}
