// What the core makes of valid chunks: every kind of field, pools, metadata, chunks in a row.

#include "jfr_samples.hpp"
#include "read_recording.hpp"

#include <chrono>
#include <cstdlib>
#include <doctest/doctest.h>
#include <unistd.h>

using namespace profcore;
using namespace profcore::jfr;
using jfr_test::Loaded;
using jfr_test::Writer;

namespace {

Error error_of(const std::string &file, const Wanted &wanted = {}, bool strict = false) {
  try {
    Loaded{file, wanted, strict};
  } catch (const Error &error) {
    return error;
  }
  return Error{Status::kOk, ""};
}

/// A chunk that is nothing but metadata, with another text in place of one of its UTF-8 strings.
std::string with_text(std::string file, const std::string &from, const std::string &to) {
  const auto encoded = [](const std::string &text) {
    Writer out;
    out.utf8(text);
    return out.bytes();
  };
  const size_t at = file.find(encoded(from));
  REQUIRE(at != std::string::npos);
  file.replace(at, encoded(from).size(), encoded(to));
  jfr_test::put(file, jfr_test::kSizeAt, file.size());
  Writer size;
  size.padded_varint(file.size() - 68, 4);
  return file.replace(68, 4, size.bytes());
}

double seconds_of(const std::function<void()> &work) {
  const std::clock_t start = std::clock();
  work();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

} // namespace

TEST_CASE("fields of every kind, integers compressed or not") {
  for (const bool compressed : {true, false}) {
    CAPTURE(compressed);
    Loaded chunk{jfr_test::all_fields_chunk(compressed).finish()};
    CHECK(chunk.findings().empty());
    REQUIRE(chunk->events().size() == 1);
    const auto fields = chunk.fields(0);
    CHECK(fields.size() == 25);
    const Type &type = chunk->schema()[chunk->events()[0].type];
    const auto number = [&](const char *name) {
      return static_cast<int64_t>(fields.at(name).number);
    };
    const auto canonical = [&](const char *name) {
      return chunk->canonical(type.fields[type.find_field(name)], fields.at(name).number);
    };
    const auto text = [&](const char *name) { return chunk.string_at(fields.at(name).at); };
    CHECK(canonical("startTime") == 1'700'000'000'000'002'000);
    CHECK(canonical("duration") == -1);
    CHECK(number("flag") == 1);
    CHECK(number("octet") == -128);
    CHECK(number("letter") == 0xfffe);
    CHECK(number("small") == -3);
    CHECK(number("number") == -4);
    CHECK(number("size") == INT64_MIN);
    CHECK(canonical("size") == INT64_MIN / 8);
    CHECK(load_big_endian(fields.at("single").at, 4) == 0x3f000000);
    CHECK(load_big_endian(fields.at("real").at, 8) == UINT64_C(0xc002000000000000));
    CHECK(text("none").empty());
    CHECK(text("empty").empty());
    CHECK(text("shared") == "shared text");
    CHECK(text("utf8") == "caf\xc3\xa9");
    CHECK(text("utf16") == "a\xf0\x9f\x98\x80\xef\xbf\xbd!\xef\xbf\xbd");
    CHECK(text("latin1") == "caf\xc3\xa9");
    CHECK(text("symbol") == "inline");
    CHECK(number("class") == 1);
    CHECK(number("last") == -7); // all arrays before it were stepped over
  }
}

TEST_CASE("a class and its loader refer to each other; names are found by key") {
  Loaded chunk{jfr_test::sample_chunk().finish()};
  CHECK(chunk.findings().empty());
  CHECK(chunk->event_count() == 3);
  CHECK(chunk.text("jdk.types.Symbol", 1) == "run");
  CHECK(chunk.text("jdk.types.Symbol", 99).empty());
  CHECK(chunk.text("jdk.types.ThreadState", 1) == "STATE_RUNNABLE");
  CHECK(chunk.text("java.lang.Class", 1).empty()); // no text of its own
}

TEST_CASE("keys have 64 bits, and 0 is one like others") {
  Loaded chunk{jfr_test::valid_samples()[4].bytes};
  for (const uint64_t key : {UINT64_C(0), UINT64_MAX, UINT64_C(1) << 40, UINT64_C(1) << 63}) {
    CAPTURE(key);
    CHECK(chunk.text("jdk.types.FrameType", key) == "JIT compiled");
  }
  CHECK(chunk.text("jdk.types.FrameType", 5).empty());
}

TEST_CASE("of a key that comes twice the last value counts, however keys are spread") {
  for (const uint64_t apart : {UINT64_C(1), UINT64_C(1) << 33}) {
    jfr_test::Chunk made;
    made.add_jdk_types();
    for (const char *text : {"old", "new"}) {
      jfr_test::Pool pool{jfr_test::kSymbol, {}};
      for (uint64_t i = 0; i < 10; ++i)
        pool.values.push_back({i * apart, [text](Writer &out) { out.utf8(text); }});
      made.checkpoint({pool, pool});
    }
    Loaded chunk{made.finish()};
    for (uint64_t i = 0; i < 10; ++i) CHECK(chunk.text("jdk.types.Symbol", i * apart) == "new");
    CHECK(chunk.text("jdk.types.Symbol", 10 * apart).empty());
    CHECK(chunk.text("jdk.types.Symbol", UINT64_MAX).empty());
  }
}

TEST_CASE("types of JDK 9 get today's names") {
  Loaded chunk{jfr_test::valid_samples().back().bytes};
  REQUIRE(chunk->events().size() == 1);
  const Type &type = chunk->schema()[chunk->events()[0].type];
  CHECK(type.name == "jdk.Old");
  CHECK(type.is_event);
  CHECK(chunk.text("jdk.types.Symbol", 5) == "jdk 9");
}

TEST_CASE("the newest metadata counts") {
  const std::string file = jfr_test::valid_samples()[5].bytes;
  CHECK(Loaded { file } -> event_count() == 2);
  // Unfinished: wherever the header points, the newest that can be read.
  for (const bool with_offsets : {true, false}) {
    Loaded chunk{jfr_test::unfinished(file, 0, with_offsets), {}, false, false};
    CHECK(chunk->event_count() == 2);
  }
}

TEST_CASE("a value of an annotation may be called id") {
  jfr_test::Chunk made;
  made.metadata_form = jfr_test::StringForm::kUtf8;
  made.type(1, "int");
  made.type({300, "my.Event", {{"n", 1}}, "jdk.jfr.Event", false, {{999, "no number"}}});
  const std::string file = with_text(made.finish(), "value", "id");
  CHECK(Loaded{file}.findings().empty());
  CHECK(Loaded { file } -> schema().find_id(300) != kNoType);
}

TEST_CASE("numbers that are none make metadata unreadable") {
  for (const char *id : {"", "x", "1x", "99999999999999999999", "-99999999999999999999"}) {
    jfr_test::Chunk made;
    made.metadata_form = jfr_test::StringForm::kUtf8;
    made.type(12345, "my.Type");
    const std::string file = with_text(made.finish(), "12345", id);
    CAPTURE(id);
    const Error error = error_of(file);
    CHECK(error.status() == Status::kMalformed);
    CHECK(error.message().find("should be a number") != std::string::npos);
    CHECK(error.offset() < file.size());
  }
}

TEST_CASE("type ids of all 64 bits, and twice the same") {
  jfr_test::Chunk made;
  made.add_jdk_types();
  for (const uint64_t id : {UINT64_MAX, UINT64_C(1) << 40, UINT64_C(70'000)}) {
    made.type(id, "my.Event" + std::to_string(id), {{"number", jfr_test::kInt}}, "jdk.jfr.Event");
    made.type(id, "my.Other", {}, "jdk.jfr.Event");
    made.event(id, [](Writer &out) { out.i32(7); });
  }
  Loaded chunk{made.finish()};
  CHECK(chunk->event_count() == 3);
  CHECK(chunk.counter("damaged_types") == 3);
  CHECK(chunk->schema().find_id(UINT64_C(1) << 41) == kNoType);
  for (size_t i = 0; i < 3; ++i) CHECK(chunk.fields(i).at("number").number == 7);
}

TEST_CASE("types in circles and types without a size cost their own events only") {
  Loaded chunk{jfr_test::damaged_samples().end()[-2].bytes};
  CHECK(chunk->event_count() == 2);
  const auto fields = chunk.fields(0);
  CHECK(fields.size() == 1);
  CHECK(fields.at("number").number == 1);
  CHECK(chunk.fields(1).empty());
  CHECK(chunk.counter("damaged_checkpoints") == 2); // my.Nothing takes no bytes and can be read
  for (const char *name : {"my.Circle", "my.Other", "my.List", "my.Nothings"}) {
    CAPTURE(name);
    CHECK_FALSE(chunk->schema()[chunk->schema().find_name(name)].is_readable);
  }
}

TEST_CASE("types that unfold without end are not unfolded") {
  Loaded chunk{jfr_test::damaged_samples().back().bytes};
  const Schema &schema = chunk->schema();
  const auto readable = [&](const char *name) {
    return schema[schema.find_name(name)].is_readable;
  };
  CHECK(readable("my.Level10"));
  CHECK_FALSE(readable("my.Level20"));
  CHECK(readable("my.Wide10"));
  CHECK_FALSE(readable("my.Wide20"));
  size_t steps = 0;
  for (const Type &type : schema.types()) steps += type.skips.size();
  CHECK(steps < 5000);
}

TEST_CASE("many types that are wide are bounded together") {
  jfr_test::Chunk made;
  made.metadata_form = jfr_test::StringForm::kUtf8;
  made.type(1, "java.lang.String");
  for (uint64_t level = 2; level <= 10; ++level)
    made.type(level, "W" + std::to_string(level), {{"a", level - 1}, {"b", level - 1}});
  for (uint64_t id = 100; id < 5100; ++id) made.type(id, "U", {{"a", 10}});
  Loaded chunk{made.finish()};
  size_t steps = 0;
  for (const Type &type : chunk->schema().types()) steps += type.skips.size();
  CHECK(steps <= 1 << 20);
}

TEST_CASE("more types than anybody has are refused") {
  jfr_test::Chunk made;
  for (uint64_t id = 1; id <= 70'000; ++id) made.type(id, "T");
  const Error error = error_of(made.finish());
  CHECK(error.status() == Status::kMalformed);
  CHECK(error.message().find("types, too many") != std::string::npos);
}

TEST_CASE("notes of events and constants stay within their limit") {
  jfr_test::Chunk made;
  made.add_jdk_types();
  made.type(300, "my.Event", {}, "jdk.jfr.Event");
  made.size_bytes = 0;
  for (int i = 0; i < 20'000; ++i) made.event(300, [](Writer &) {});
  Wanted wanted;
  wanted.most_bytes = 100'000;
  CHECK(error_of(made.finish(), wanted).status() == Status::kLimit);
  wanted.event = [](const Type &) { return false; };
  CHECK(error_of(made.finish(), wanted).status() == Status::kOk);

  jfr_test::Chunk constants;
  constants.add_jdk_types();
  jfr_test::Pool pool{jfr_test::kSymbol, {}};
  for (uint64_t i = 0; i < 5000; ++i) pool.values.push_back({i, [](Writer &out) { out.u8(1); }});
  constants.checkpoint({pool});
  CHECK(error_of(constants.finish(), wanted).status() == Status::kLimit);
  wanted.pool = [](const Type &) { return false; };
  CHECK(error_of(constants.finish(), wanted).status() == Status::kOk);
}

TEST_CASE("strict: what would be a warning is an error") {
  for (const jfr_test::Sample &sample : jfr_test::valid_samples()) {
    CAPTURE(sample.name);
    const auto recording = jfr_test::read_recording(sample.bytes);
    CHECK_FALSE(recording.is_told());
  }
  jfr_test::Chunk made = jfr_test::sample_chunk();
  made.event(500, [](Writer &) {});
  CHECK(Loaded{made.finish()}.counter("events_of_unknown_type") == 1);
  CHECK(error_of(made.finish(), {}, true).status() == Status::kMalformed);
}

TEST_CASE("chunks in a row mean what their own types say") {
  const std::string file = jfr_test::valid_samples()[3].bytes;
  Findings findings;
  ChunkSplitter splitter{jfr_test::bytes_of(file), 0, findings};
  ChunkBytes bytes;
  std::string methods;
  while (splitter.next(bytes)) {
    const Chunk chunk = Chunk::load(bytes.bytes, bytes.offset, bytes.is_whole, {}, true);
    Arena arena;
    methods += chunk.text_of(chunk.schema().find_name("jdk.types.Symbol"), 1, arena);
    methods += ' ';
  }
  CHECK(methods == "first second ");
}

TEST_CASE("looking for a chunk is linear in what is looked through") {
  // Two headers a kilobyte that are no chunks, each of which points at a long string.
  const std::string header = jfr_test::sample_chunk().finish().substr(0, 68);
  std::string junk(1, 'x');
  while (junk.size() < 4 << 20) junk += header + std::string(444, '\x80');
  CHECK(seconds_of([&] {
          const auto recording = jfr_test::read_recording(junk);
          CHECK(recording.is_told());
          CHECK(recording.events == 0);
        }) < 1);
}

TEST_CASE("many chunks that end where none begins") {
  std::string header = jfr_test::sample_chunk().finish().substr(0, 68);
  jfr_test::put(header, jfr_test::kSizeAt, 68);
  std::string junk;
  while (junk.size() < 4 << 20) junk += header + "x";
  CHECK(seconds_of([&] { CHECK(jfr_test::read_recording(junk).is_told()); }) < 2);
}

TEST_CASE("many metadata events in a chunk that was not finished") {
  jfr_test::Chunk made;
  made.type(60'000, "int");
  for (int i = 0; i < 20'000; ++i) made.metadata();
  const std::string file = jfr_test::unfinished(made.finish(), 0, false);
  CHECK(seconds_of([&] { CHECK(Loaded(file, {}, false, false)->schema().types().size() == 1); }) <
        1);
}

TEST_CASE("events of many types that nobody defined") {
  jfr_test::Chunk made;
  made.add_jdk_types();
  made.size_bytes = 0;
  for (uint64_t i = 0; i < 200'000; ++i) made.event(1'000'000 + i * 4099, [](Writer &) {});
  for (uint64_t i = 0; i < 3000; ++i) made.type(500'000 + i * 4099, "T");
  CHECK(seconds_of(
            [&] { CHECK(Loaded{made.finish()}.counter("events_of_unknown_type") > 190'000); }) < 2);
}

TEST_CASE("a long text that many refer to is made once") {
  for (const bool latin : {true, false}) {
    jfr_test::Chunk made;
    made.add_jdk_types();
    made.checkpoint({{jfr_test::kString,
                      {{1,
                        [latin](Writer &out) {
                          if (latin)
                            out.latin1(std::string(1 << 20, '\xe9'));
                          else
                            out.utf16(std::u16string(1 << 20, u'\u20ac'));
                        }}}},
                     {jfr_test::kSymbol, {{7, [](Writer &out) { out.string_key(1); }}}}});
    Loaded chunk{made.finish()};
    Arena arena;
    const TypeIndex symbols = chunk->schema().find_name("jdk.types.Symbol");
    CHECK(seconds_of([&] {
            size_t bytes = 0;
            for (int i = 0; i < 100'000; ++i) bytes += chunk->text_of(symbols, 7, arena).size();
            CHECK(bytes == (latin ? UINT64_C(2) : UINT64_C(3)) * 100'000 << 20);
          }) < 1);
    CHECK(arena.bytes() == 0);
  }
}
