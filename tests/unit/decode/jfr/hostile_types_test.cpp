// Recordings whose types, settings and sidecars are made so that each event or constant costs far
// more than its bytes: such ones are refused or stepped over, and told.

#include "jfr_samples.hpp"
#include "sources/decode/decode.hpp"
#include "sources/decode/jfr/events.hpp"
#include "sources/decode/jfr/frames.hpp"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <doctest/doctest.h>

using namespace profcore;
using jfr_test::Writer;

namespace {

constexpr uint64_t kNothing = 300;

struct Outcome {
  Profile profile;
  double seconds = 0;
};

Outcome decoded(const std::string &file, DecodeOptions options = {}) {
  options.jfr.metrics = true;
  options.context.limits.tighten_result(Limits::scaled(64, file.size()), "max_result_ratio");
  const std::clock_t start = std::clock();
  Profile profile = decode({reinterpret_cast<const uint8_t *>(file.data()), file.size()}, options);
  return {std::move(profile), static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC};
}

jfr_test::Chunk chunk_of_types() {
  jfr_test::Chunk chunk;
  chunk.size_bytes = 0;
  chunk.metadata_form = jfr_test::StringForm::kUtf8;
  chunk.add_jdk_types();
  chunk.type(kNothing, "my.Nothing");
  return chunk;
}

/// So many fields of a type, then the others.
std::vector<jfr_test::Field> fields_before(size_t count, uint64_t type,
                                           const std::vector<jfr_test::Field> &others,
                                           bool in_pool = false) {
  std::vector<jfr_test::Field> fields(count, {"filler", type, in_pool});
  fields.insert(fields.end(), others.begin(), others.end());
  return fields;
}

constexpr size_t kManyFields = 100'000;
constexpr int kManyEvents = 200'000;
constexpr double kMostSeconds = 3;

} // namespace

TEST_CASE("events of a few bytes, of types with very many fields") {
  const std::vector<jfr_test::Field> stack{{"stackTrace", jfr_test::kStackTrace, true}};
  const std::vector<jfr_test::Field> setting{
      {"id", jfr_test::kLong}, {"name", jfr_test::kString}, {"value", jfr_test::kString}};
  const std::vector<jfr_test::Field> pause{
      {"gcId", jfr_test::kInt}, {"name", jfr_test::kString}, {"duration", jfr_test::kLong}};
  for (const auto &[name, last] :
       {std::pair{"jdk.ExecutionSample", stack}, std::pair{"jdk.ActiveSetting", setting},
        std::pair{"jdk.GarbageCollection", pause}, std::pair{"jdk.CPULoad", pause}})
    for (const uint64_t filler : {kNothing, uint64_t{jfr_test::kLong}}) {
      CAPTURE(name);
      jfr_test::Chunk chunk = chunk_of_types();
      chunk.type(500, name, fields_before(kManyFields, filler, last), "jdk.jfr.Event");
      for (int i = 0; i < kManyEvents; ++i) chunk.event(500, [](Writer &out) { out.u8(1); });
      jfr_test::add_sample_type(chunk);
      jfr_test::add_sample(chunk);
      chunk.type(501, "jdk.GCPhasePause", {{"gcId", jfr_test::kInt}}, "jdk.jfr.Event");
      chunk.event(501, [](Writer &out) { out.i32(1); });
      const Outcome outcome = decoded(chunk.finish());
      CHECK(outcome.seconds < kMostSeconds);
      CHECK(outcome.profile.counter("damaged_events") == kManyEvents);
      const auto &warnings = outcome.profile.warnings();
      CHECK(std::any_of(warnings.begin(), warnings.end(), [](const Warning &warning) {
        return warning.text.find("were stepped over") != std::string::npos;
      }));
      CHECK(outcome.profile.sample_count() == 2);
    }
}

TEST_CASE("events with fewer bytes than fields, as older writers have them, come all the same") {
  jfr_test::Chunk chunk = chunk_of_types();
  chunk.type(500, "jdk.ExecutionSample",
             {{"startTime", jfr_test::kLong},
              {"later", jfr_test::kLong},
              {"still later", jfr_test::kLong},
              {"stackTrace", jfr_test::kStackTrace, true}},
             "jdk.jfr.Event");
  for (int i = 0; i < kManyEvents; ++i) chunk.event(500, [](Writer &) {});
  const Outcome outcome = decoded(chunk.finish());
  CHECK(outcome.profile.sample_count() == kManyEvents);
  CHECK(outcome.profile.counter("damaged_events") == 0);
}

TEST_CASE("an event with an attribute of java-profiler's in every field") {
  jfr_test::Chunk chunk = chunk_of_types();
  chunk.type(400, "profiler.types.AttributeValue", {{"value", jfr_test::kString}});
  std::vector<jfr_test::Field> fields;
  for (size_t i = 0; i < 200'000; ++i)
    fields.push_back({"attribute" + std::to_string(i), 400, true});
  chunk.type(500, "datadog.ExecutionSample", fields, "jdk.jfr.Event");
  chunk.event(500, [&](Writer &out) {
    for (size_t i = 0; i < fields.size(); ++i) out.key(i == 100'000 ? 1 : 0);
  });
  chunk.checkpoint({{400, {{1, [](Writer &out) { out.utf8("found"); }}}}});
  const Outcome outcome = decoded(chunk.finish());
  CHECK(outcome.seconds < kMostSeconds);
  REQUIRE(outcome.profile.sample_count() == 1);
  const auto labels = outcome.profile.labels_of(outcome.profile.sample_label_sets()[0]);
  REQUIRE(labels.size() == 1);
  CHECK(outcome.profile.text(labels[0].key) == "attribute100000");
  CHECK(outcome.profile.text(labels[0].text) == "found");
}

TEST_CASE("constants of types with very many fields of nothing cannot be read, and that is told") {
  jfr_test::Chunk chunk;
  chunk.size_bytes = 0;
  chunk.metadata_form = jfr_test::StringForm::kUtf8;
  chunk.type(kNothing, "my.Nothing");
  chunk.type(jfr_test::kMethod, "jdk.types.Method",
             fields_before(kManyFields, kNothing, {{"type", jfr_test::kClass, true}}));
  chunk.type(jfr_test::kThread, "java.lang.Thread",
             fields_before(kManyFields, kNothing, {{"osName", jfr_test::kString}}));
  chunk.add_jdk_types(); // defines both again, which is ignored
  jfr_test::add_sample_type(chunk);
  for (uint64_t key = 1; key <= 50'000; ++key) jfr_test::add_sample(chunk, 0, key);
  jfr_test::Pool methods{jfr_test::kMethod, {}};
  jfr_test::Pool threads{jfr_test::kThread, {}};
  for (uint64_t key = 1; key <= 50'000; ++key) {
    methods.values.push_back({key, [](Writer &out) { out.key(1); }});
    threads.values.push_back({key, [](Writer &out) { out.empty_string(); }});
  }
  chunk.checkpoint({methods});
  chunk.checkpoint({threads});
  const Outcome outcome = decoded(chunk.finish());
  CHECK(outcome.seconds < kMostSeconds);
  CHECK(outcome.profile.sample_count() == 50'000);
  CHECK(outcome.profile.counter("damaged_checkpoints") == 2);
}

TEST_CASE("many stacks without a frame, whose frames would have very many fields") {
  jfr_test::Chunk chunk;
  chunk.size_bytes = 0;
  chunk.metadata_form = jfr_test::StringForm::kUtf8;
  chunk.type(jfr_test::kStackFrame, "jdk.types.StackFrame",
             fields_before(kManyFields, jfr_test::kInt, {{"method", jfr_test::kMethod, true}}));
  chunk.add_jdk_types();
  jfr_test::add_sample_type(chunk);
  jfr_test::Pool stacks{jfr_test::kStackTrace, {}};
  for (uint64_t key = 1; key <= 50'000; ++key) {
    jfr_test::add_sample(chunk, 0, key);
    stacks.values.push_back({key, [](Writer &out) {
                               out.boolean(false);
                               out.count(0);
                             }});
  }
  chunk.checkpoint({stacks});
  const Outcome outcome = decoded(chunk.finish());
  CHECK(outcome.seconds < kMostSeconds);
  CHECK(outcome.profile.sample_count() == 50'000);
}

TEST_CASE("a sidecar that gives one context a hundred thousand labels") {
  Writer labels;
  const auto message = [](uint8_t tag, const Writer &inside) {
    Writer out;
    out.u8(tag);
    out.varint(inside.bytes().size());
    out.raw(inside.bytes());
    return out;
  };
  const auto varint = [](Writer &out, uint8_t tag, uint64_t value) {
    out.u8(tag);
    out.varint(value);
  };
  Writer sidecar;
  Writer context;
  for (uint64_t i = 1; i <= 100'000; ++i) {
    Writer pair;
    varint(pair, 0x08, i);
    varint(pair, 0x10, i);
    context.raw(message(0x0a, pair).bytes());
    Writer text;
    varint(text, 0x08, i);
    Writer name;
    name.raw("label" + std::to_string(i));
    text.raw(message(0x12, name).bytes());
    sidecar.raw(message(0x12, text).bytes());
  }
  Writer entry;
  varint(entry, 0x08, 7);
  entry.raw(message(0x12, context).bytes());
  sidecar.raw(message(0x0a, entry).bytes());

  jfr_test::Chunk chunk = chunk_of_types();
  chunk.type(500, "jdk.ExecutionSample",
             {{"startTime", jfr_test::kLong},
              {"eventThread", jfr_test::kThread, true},
              {"contextId", jfr_test::kLong}},
             "jdk.jfr.Event");
  jfr_test::Pool threads{jfr_test::kThread, {}};
  for (uint64_t key = 1; key <= 10'000; ++key) {
    chunk.event(500, [key](Writer &out) {
      out.i64(1);
      out.key(key);
      out.i64(7);
    });
    threads.values.push_back({key, [key](Writer &out) {
                                out.utf8("thread");
                                out.i64(static_cast<int64_t>(key));
                                out.null_string();
                                out.i64(0);
                                out.key(0);
                              }});
  }
  chunk.checkpoint({threads});
  DecodeOptions options;
  options.jfr.context_labels = {reinterpret_cast<const uint8_t *>(sidecar.bytes().data()),
                                sidecar.bytes().size()};
  const Outcome outcome = decoded(chunk.finish(), options);
  CHECK(outcome.seconds < kMostSeconds);
  REQUIRE(outcome.profile.sample_count() == 10'000);
  CHECK(outcome.profile.labels_of(outcome.profile.sample_label_sets()[0]).size() == 130);
  CHECK(outcome.profile.counter("context_labels_lost") == 100'000 - 128);
}

TEST_CASE("weights that are no numbers, infinite or negative weigh nothing, and are counted") {
  jfr_test::Chunk chunk = chunk_of_types();
  const std::vector<jfr_test::Field> fields{
      {"startTime", jfr_test::kLong}, {"size", jfr_test::kLong}, {"weight", jfr_test::kDouble}};
  chunk.type(500, "datadog.ExecutionSample", fields, "jdk.jfr.Event");
  chunk.type(501, "datadog.ObjectSample", fields, "jdk.jfr.Event");
  chunk.type(502, "datadog.NativeSocketEvent",
             {{"startTime", jfr_test::kLong},
              {"bytesTransferred", jfr_test::kLong},
              {"weight", jfr_test::kDouble}},
             "jdk.jfr.Event");
  for (const double weight : {std::nan(""), HUGE_VAL, -HUGE_VAL, -1.0, 2.0})
    for (const uint64_t type : {500, 501, 502})
      chunk.event(type, [weight](Writer &out) {
        out.i64(1);
        out.i64(16);
        out.f64(weight);
      });
  const Outcome outcome = decoded(chunk.finish());
  CHECK(outcome.profile.counter("unusable_weights") == 12);
  const auto sum = [&](const char *column) {
    int64_t all = 0;
    for (const int64_t value : outcome.profile.values(outcome.profile.find_type(column)))
      all += value;
    return all;
  };
  CHECK(sum("cpu") == 20'000'000);
  CHECK(sum("alloc_objects") == 2);
  CHECK(sum("alloc_space") == 32);
  CHECK(sum("native_socket_write_bytes") == 32);
}

TEST_CASE("frames whose methods lead nowhere, each to another place") {
  jfr_test::Chunk chunk;
  chunk.size_bytes = 0;
  chunk.type(jfr_test::kStackFrame, "jdk.types.StackFrame", {{"method", jfr_test::kMethod, true}});
  chunk.add_jdk_types();
  jfr_test::add_sample_type(chunk);
  jfr_test::add_sample(chunk);
  constexpr uint64_t kFrames = 1'000'000;
  chunk.checkpoint({{jfr_test::kStackTrace, {{1, [](Writer &out) {
                                                out.boolean(false);
                                                out.count(kFrames);
                                                for (uint64_t i = 0; i < kFrames; ++i) out.key(i);
                                              }}}}});
  const std::string file = chunk.finish();
  jfr::EventOptions options;
  options.context.limits.max_result_bytes = 32 << 20;
  jfr::EventReader reader{{reinterpret_cast<const uint8_t *>(file.data()), file.size()}, options};
  REQUIRE(reader.next());
  Arena texts;
  const jfr::Chunk &read = *reader.chunk();
  const jfr::EventBody body = read.body(*reader.event());
  const jfr::ValueReader values{read, texts};
  const jfr::Value event = values.of_type(reader.event()->type, body.at, body.end);
  jfr::FrameReader frames{read, reader.most_text(), 1 << 20};
  jfr::StackText stack;
  const auto read_all = [&] { frames.read(values.part(event, "stackTrace"), UINT64_MAX, stack); };
  CHECK_THROWS_AS(read_all(), Error);
}
