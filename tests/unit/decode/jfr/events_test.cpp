#include "events_sample.hpp"
#include "sources/decode/jfr/events.hpp"
#include "sources/decode/jfr/frames.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace profcore;
using jfr::Value;
using jfr::ValueUnit;

namespace {

std::span<const uint8_t> bytes_of(const std::string &text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

/// A recording at one of its events.
struct Opened {
  explicit Opened(std::string bytes, jfr::EventOptions options = {})
      : file{std::move(bytes)}, reader{bytes_of(file), std::move(options)} {}

  bool next(std::string_view type) {
    while (reader.next())
      if (reader.chunk()->schema()[reader.event()->type].name == type) return true;
    return false;
  }
  jfr::ValueReader values() { return {*reader.chunk(), texts}; }
  Value event() {
    const jfr::EventBody body = reader.chunk()->body(*reader.event());
    return values().of_type(reader.event()->type, body.at, body.end);
  }
  Value field(std::string_view name) { return values().part(event(), name); }

  std::string file;
  Arena texts;
  jfr::EventReader reader;
};

Value path(Opened &opened, std::initializer_list<std::string_view> names) {
  Value value = opened.event();
  for (const std::string_view name : names) value = opened.values().part(value, name);
  return value;
}

} // namespace

TEST_CASE("values are in canonical units in both integer encodings") {
  for (const bool compressed : {true, false}) {
    CAPTURE(compressed);
    Opened opened{jfr_test::sample_chunk("run", 0, compressed).finish()};
    REQUIRE(opened.next("test.Values"));
    CHECK(opened.event().count == 23);
    const auto integer = [&](const char *name) { return opened.field(name).integer; };
    CHECK(integer("startTime") == 1'700'000'000'000'002'000);
    CHECK(opened.field("startTime").unit == ValueUnit::kTimestamp);
    CHECK(integer("duration") == 1500);
    CHECK(opened.field("duration").unit == ValueUnit::kNanoseconds);
    CHECK(opened.field("duration").raw == 4500);
    CHECK(opened.field("yes").kind == jfr::ValueKind::kBoolean);
    CHECK(integer("yes") == 1);
    CHECK(integer("tiny") == -123);
    CHECK(opened.field("letter").text == "\u4e16");
    CHECK(integer("letter") == 0x4e16);
    CHECK(integer("small") == -2);
    CHECK(integer("number") == -3);
    CHECK(integer("large") == INT64_MIN + 1);
    CHECK(opened.field("third").real == doctest::Approx(1.0F / 3));
    CHECK(opened.field("third").kind == jfr::ValueKind::kFloat);
    CHECK(opened.field("half").real == 0.5);
    CHECK(opened.field("text").text == "from the pool");
    CHECK(integer("bytes") == 17'196'152);
    CHECK(integer("bits") == 10);
    CHECK(opened.field("bits").raw == 80);
    CHECK(integer("wait") == 1'500'000'000);
    CHECK(integer("until") == 1'700'000'000'123'000'000);
    CHECK(opened.field("share").unit == ValueUnit::kPercentage);
    CHECK(opened.field("rate").unit == ValueUnit::kHertz);
    CHECK(integer("where") == 0x7f453c271490);
    CHECK(opened.field("where").unit == ValueUnit::kAddress);
    CHECK(opened.field("unsigned").kind == jfr::ValueKind::kUnsigned);
    CHECK(integer("unsigned") == 4294967295);

    const Value numbers = opened.field("numbers");
    REQUIRE(numbers.kind == jfr::ValueKind::kArray);
    CHECK(numbers.count == 3);
    jfr::Step step;
    Value part;
    for (int i = 0; i < 3; ++i) {
      REQUIRE(opened.values().next(numbers, step, part));
      CHECK(part.integer == -i);
    }
    CHECK_FALSE(opened.values().next(numbers, step, part));
    CHECK(opened.values().part(numbers, uint64_t{2}).integer == -2);
    CHECK(opened.values().part(numbers, uint64_t{3}).kind == jfr::ValueKind::kNone);
    const Value names = opened.field("names");
    CHECK(opened.values().part(names, uint64_t{0}).text == "caf\u00e9");
    CHECK(opened.values().part(names, uint64_t{1}).kind == jfr::ValueKind::kNull);

    REQUIRE(opened.next("test.Values"));
    CHECK(opened.field("text").text == "\u4e16 \U0001f600 \"quoted\"\n");
    CHECK(std::isnan(opened.field("half").real));
    CHECK(integer("wait") == INT64_MIN);
    CHECK(integer("until") == INT64_MIN);
    CHECK(opened.field("type").kind == jfr::ValueKind::kNull);
    CHECK(opened.field("type").is_absent);
    CHECK(opened.field("type").key == 77);
    CHECK(opened.field("none").kind == jfr::ValueKind::kNone);
  }
}

TEST_CASE("a class, its loader and the loader's class lead in a circle, step by step") {
  Opened opened{jfr_test::sample_recording()};
  REQUIRE(opened.next("test.Values"));
  CHECK(path(opened, {"type", "name"}).text == "com/example/Main");
  CHECK(path(opened, {"type", "classLoader", "name"}).text == "app");
  const Value loader = path(opened, {"type", "classLoader"});
  CHECK(loader.is_reference);
  const Value type = opened.values().part(loader, "type");
  CHECK(type.key == UINT64_MAX);
  CHECK(opened.values().part(type, "name").text == "com/example/Loader");
  CHECK(opened.values().part(type, "classLoader").key == loader.key);
  CHECK(path(opened, {"eventThread", "group", "name"}).text == "main");
}

TEST_CASE("keys that two chunks share mean what each chunk says") {
  Opened opened{jfr_test::sample_recording()};
  jfr::StackText stack;
  std::vector<std::string> methods;
  while (opened.next("jdk.ExecutionSample")) {
    jfr::FrameReader frames{*opened.reader.chunk(), 1 << 20, 1000};
    frames.read(opened.field("stackTrace"), 2, stack);
    CHECK(stack.frames.size() == 2);
    CHECK(stack.depth == 7);
    CHECK(stack.is_truncated);
    CHECK(stack.frames[0].kind == FrameKind::kJavaCompiled);
    CHECK(stack.frames[1].kind == FrameKind::kJavaInterpreted);
    CHECK(stack.frames[1].line == 11);
    CHECK(stack.frames[0].descriptor == "([Ljava/lang/String;I)V");
    methods.emplace_back(stack.frames[0].method);
    frames.read(opened.field("stackTrace"), 100, stack);
    CHECK(stack.frames.size() == 7);
    CHECK(stack.frames[6].line == 0);
    CHECK_THROWS_AS((jfr::FrameReader{*opened.reader.chunk(), 1 << 20, 6}.read(
                        opened.field("stackTrace"), 100, stack)),
                    Error);
    CHECK_THROWS_AS((jfr::FrameReader{*opened.reader.chunk(), 10, 100}.read(
                        opened.field("stackTrace"), 100, stack)),
                    Error);
  }
  CHECK(methods == std::vector<std::string>{"com.example.Main.run", "com.example.Main.walk"});
}

TEST_CASE("only the asked types come out, all are counted") {
  jfr::EventOptions options;
  options.types = {"jdk.CPULoad", "no.such.Type"};
  Opened opened{jfr_test::sample_recording(), options};
  size_t events = 0;
  while (opened.reader.next()) {
    ++events;
    const jfr::Chunk &chunk = *opened.reader.chunk();
    CHECK(chunk.event_count() == 7);
    CHECK(chunk.tallies()[chunk.schema().find_name("test.Values")].count == 2);
  }
  CHECK(events == 8);

  options.types = {};
  options.only_counts = true;
  Opened counts{jfr_test::sample_recording(), options};
  uint64_t counted = 0;
  while (counts.reader.next_chunk()) {
    counted += counts.reader.chunk()->event_count();
    CHECK(counts.reader.chunk()->events().empty());
  }
  CHECK(counted == 14);
}

TEST_CASE("an event that ends early has nulls for the rest") {
  jfr_test::Chunk chunk;
  chunk.add_jdk_types();
  chunk.type(1000, "test.Short",
             {{"first", jfr_test::kInt}, {"second", jfr_test::kLong}, {"third", jfr_test::kString}},
             "jdk.jfr.Event");
  chunk.event(1000, [](auto &out) { out.i32(7); });
  Opened opened{chunk.finish()};
  REQUIRE(opened.reader.next());
  CHECK(opened.field("first").integer == 7);
  CHECK(opened.field("second").kind == jfr::ValueKind::kNull);
  CHECK(opened.field("second").is_absent);
  CHECK(opened.field("third").is_absent);
  jfr::Step step;
  Value part;
  int parts = 0;
  while (opened.values().next(opened.event(), step, part)) ++parts;
  CHECK(parts == 3);
}

TEST_CASE("a chunk that cannot be read is told, and thrown when there is no other") {
  std::string broken = jfr_test::sample_chunk("run", 0, true).finish();
  broken[56] = broken[57] = broken[58] = broken[59] = 0; // ticks per second
  broken[60] = broken[61] = broken[62] = broken[63] = 0;
  {
    Opened opened{broken + jfr_test::sample_chunk("walk", 100, true).finish()};
    size_t events = 0;
    while (opened.reader.next()) ++events;
    CHECK(events == 7);
    CHECK(opened.reader.findings().warnings().size() == 1);
    CHECK(opened.reader.findings().counters().front().name == "lost_chunks");
  }
  Opened opened{broken};
  CHECK_THROWS_AS(opened.reader.next(), Error);
  jfr::EventOptions strict;
  strict.strict = true;
  Opened told{jfr_test::sample_chunk("walk", 100, true).finish() + broken, strict};
  CHECK_THROWS_AS(
      [&] {
        while (told.reader.next()) {
        }
      }(),
      Error);
}

TEST_CASE("what is no recording is refused with what it is") {
  const auto refused = [](const std::string &text, Status status) {
    try {
      jfr::EventReader reader{bytes_of(text), {}};
      FAIL("read it");
    } catch (const Error &error) {
      CHECK(error.status() == status);
    }
  };
  refused("", Status::kNoData);
  refused("main;run 3\n", Status::kUnknownFormat);
  refused(std::string(100, '\0'), Status::kUnknownFormat);
}
