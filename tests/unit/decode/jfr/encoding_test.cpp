#include "base/hash.hpp"
#include "jfr_builder.hpp"
#include "read_recording.hpp"
#include "sources/decode/jfr/encoding.hpp"

#include <doctest/doctest.h>
#include <limits>
#include <random>

using namespace profcore;
using namespace profcore::jfr;
using jfr_test::bytes_of;

namespace {

/// At every distance from the end, so that each way of reading is taken.
void check_reads(const std::string &bytes, uint64_t expected) {
  for (size_t after = 0; after < 20; ++after) {
    const std::string padded = bytes + std::string(after, '\xff');
    const auto input = bytes_of(padded);
    uint64_t value = 0;
    const uint8_t *const next = read_varint(input.data(), input.data() + input.size(), value);
    REQUIRE(next != nullptr);
    CHECK(next == input.data() + bytes.size());
    CHECK(value == expected);
    CHECK(skip_varints(input.data(), input.data() + input.size(), 1) == next);
  }
}

} // namespace

TEST_CASE("varints have at most nine bytes, the ninth with all its bits") {
  for (const uint64_t value :
       {UINT64_C(0), UINT64_C(1), UINT64_C(127), UINT64_C(128), UINT64_C(0x3fff), UINT64_C(0x4000),
        UINT64_C(1) << 31, UINT64_C(1) << 55, UINT64_C(1) << 56, (UINT64_C(1) << 56) - 1,
        UINT64_C(1) << 63, UINT64_MAX, UINT64_MAX - 1}) {
    CAPTURE(value);
    jfr_test::Writer out;
    out.varint(value);
    check_reads(out.bytes(), value);
  }
  check_reads(std::string(9, '\xff'), UINT64_MAX);
  check_reads(std::string(8, '\x80') + '\x80', UINT64_C(1) << 63);
}

TEST_CASE("padded varints are read") {
  for (unsigned bytes = 3; bytes <= 9; ++bytes) {
    jfr_test::Writer out;
    out.padded_varint(300, bytes);
    check_reads(out.bytes(), 300);
  }
}

TEST_CASE("a varint that the bytes end in is none") {
  for (size_t length = 0; length < 9; ++length) {
    const std::string bytes(length, '\x81');
    const auto input = bytes_of(bytes);
    uint64_t value = 0;
    CHECK(read_varint(input.data(), input.data() + length, value) == nullptr);
    CHECK(skip_varints(input.data(), input.data() + length, 1) == nullptr);
  }
}

TEST_CASE("stepping over varints is reading them one by one") {
  std::mt19937_64 random{7};
  for (int round = 0; round < 600; ++round) {
    jfr_test::Writer out;
    // Mixed ones, and longer rows of such as traces have.
    const bool small = round % 2 == 0;
    const size_t count = random() % (small ? 300 : 60);
    for (size_t i = 0; i < count; ++i) {
      const uint64_t value = small ? random() % 40'000 : random() >> (random() % 64);
      if (small && random() % 64 != 0)
        out.varint(value);
      else if (random() % 8 == 0)
        out.padded_varint(value & 0x7f, static_cast<unsigned>(1 + random() % 9));
      else
        out.varint(random() % 16 == 0 ? UINT64_MAX : value);
    }
    const auto input = bytes_of(out.bytes());
    const uint8_t *const end = input.data() + input.size();
    const uint8_t *at = input.data();
    for (size_t i = 0; i <= count; ++i) {
      CHECK(skip_varints(input.data(), end, i) == at);
      uint64_t value = 0;
      if (i < count) at = read_varint(at, end, value);
    }
    CHECK(skip_varints(input.data(), end, count + 1) == nullptr);
    CHECK(skip_varints(input.data(), end, UINT64_MAX) == nullptr);
  }
}

TEST_CASE("strings of every kind") {
  Arena arena;
  const auto read = [&](const jfr_test::Writer &out) {
    const auto input = bytes_of(out.bytes());
    const uint8_t *at = input.data();
    const uint8_t *const end = at + input.size();
    const uint8_t *const skipped = skip_string(at, end, out.compressed());
    const StringValue value = read_string(at, end, out.compressed(), arena);
    CHECK(at == skipped);
    CHECK(at == end);
    // Cut anywhere, it is none.
    for (const uint8_t *cut = input.data(); cut < end; ++cut) {
      CHECK(skip_string(input.data(), cut, out.compressed()) == nullptr);
      const uint8_t *again = input.data();
      read_string(again, cut, out.compressed(), arena);
      CHECK(again == nullptr);
    }
    return value;
  };
  for (const bool compressed : {true, false}) {
    CAPTURE(compressed);
    const auto text = [&](auto &&write) {
      jfr_test::Writer out{compressed};
      write(out);
      return std::string{read(out).text};
    };
    jfr_test::Writer null{compressed};
    null.null_string();
    CHECK(read(null).is_null);
    jfr_test::Writer key{compressed};
    key.string_key(UINT64_C(0xfedcba9876543210));
    CHECK(read(key).key == UINT64_C(0xfedcba9876543210));
    CHECK(read(key).is_key);
    CHECK(text([](auto &out) { out.empty_string(); }).empty());
    CHECK(text([](auto &out) { out.utf8("caf\xc3\xa9"); }) == "caf\xc3\xa9");
    CHECK(text([](auto &out) { out.latin1("caf\xe9"); }) == "caf\xc3\xa9");
    CHECK(text([](auto &out) { out.latin1("cafe"); }) == "cafe");
    CHECK(text([](auto &out) { out.utf16(u"a\u00e9\u20ac"); }) == "a\xc3\xa9\xe2\x82\xac");
    CHECK(text([](auto &out) { out.utf16(u"\U0001f600"); }) == "\xf0\x9f\x98\x80");
    // Halves of a pair alone: at the start, in between, at the end, and the wrong way round.
    const std::u16string lone{0xde00, u'a', 0xd83d, u'b', 0xde00, 0xd83d, 0xd83d};
    const std::string no = "\xef\xbf\xbd";
    CHECK(text([&](auto &out) { out.utf16(lone); }) == no + "a" + no + "b" + no + no + no);
  }
  jfr_test::Writer wide;
  wide.u8(4);
  wide.count(1);
  wide.varint(0x10000); // no unit of 16 bits
  CHECK(read(wide).text == "\xef\xbf\xbd");
}

TEST_CASE("lengths that cannot be are no strings") {
  Arena arena;
  for (const int kind : {3, 4, 5})
    for (const uint64_t length : {UINT64_C(4), UINT64_C(1) << 31, UINT64_C(1) << 63, UINT64_MAX}) {
      jfr_test::Writer out;
      out.u8(static_cast<uint64_t>(kind));
      out.count(length);
      out.raw("abc");
      const auto input = bytes_of(out.bytes());
      const uint8_t *at = input.data();
      CHECK(skip_string(at, at + input.size(), true) == nullptr);
      read_string(at, at + input.size(), true, arena);
      CHECK(at == nullptr);
    }
  CHECK(arena.bytes() < 10'000);
  for (int kind = 6; kind < 256; ++kind) {
    const uint8_t bytes[] = {static_cast<uint8_t>(kind), 0, 0};
    CHECK(skip_string(bytes, bytes + 3, true) == nullptr);
  }
}

TEST_CASE("times are exact to the nanosecond, wherever they are") {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  const int64_t interesting[] = {kMin, kMin + 1, -1, 0, 1, 1'000'000'007, kMax - 1, kMax};
  std::mt19937_64 random{3};
  for (const int64_t frequency : {INT64_C(1), INT64_C(3), INT64_C(1'000'000'000),
                                  INT64_C(2'799'998'858), INT64_C(10'000'000'000), kMax})
    for (int round = 0; round < 40; ++round) {
      const auto some = [&] {
        return round < 20 ? interesting[random() % 8] : static_cast<int64_t>(random());
      };
      jfr_test::Chunk made;
      made.ticks_per_second = frequency;
      made.start_ns = some();
      made.start_ticks = some();
      made.type(10, "int");
      const jfr_test::Loaded chunk{made.finish()};
      const auto saturated = [](int128_t value) {
        return static_cast<int64_t>(std::clamp<int128_t>(value, kMin, kMax));
      };
      const int64_t ticks = some();
      CAPTURE(frequency);
      CAPTURE(made.start_ns);
      CAPTURE(made.start_ticks);
      CAPTURE(ticks);
      CHECK(chunk->duration_of(ticks) ==
            saturated(static_cast<int128_t>(ticks) * 1'000'000'000 / frequency));
      CHECK(chunk->time_of(ticks) ==
            saturated(made.start_ns + (static_cast<int128_t>(ticks) - made.start_ticks) *
                                          1'000'000'000 / frequency));
    }
}
