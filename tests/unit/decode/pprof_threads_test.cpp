// One thread and two must make the same profile of the same bytes, and find the same errors.
// Says nothing by itself of races: -Db_sanitize=thread does.
#include "../support/proto_builder.hpp"
#include "model/profile.hpp"
#include "sources/decode/decode.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <random>
#include <string>

using namespace profcore;
using proto::Builder;

namespace {

constexpr uint64_t kLocations = 300;
constexpr int kSamples = 60'000; // more than 1 MB: less is not worth a thread

enum : uint64_t { kEmpty, kType, kUnit, kKey, kOtherKey, kFirstText };
constexpr uint64_t kTexts = 500;

Builder head() {
  Builder file;
  for (const char *text : {"", "samples", "count", "endpoint", "thread"}) file.bytes(6, text);
  for (uint64_t i = 0; i < kTexts; ++i) file.bytes(6, "text" + std::to_string(i));
  file.message(1, Builder{}.varint(1, kType).varint(2, kUnit));
  file.message(1, Builder{}.varint(1, kKey).varint(2, kUnit));
  for (uint64_t i = 1; i <= kLocations; ++i) {
    file.message(5, Builder{}.varint(1, i).varint(2, kFirstText + i));
    file.message(4, Builder{}.varint(1, i).message(4, Builder{}.varint(1, i)));
  }
  return file;
}

/// Most as writers lay them out, some in every odd way that is allowed.
Builder sample(std::mt19937 &random) {
  const auto below = [&](uint64_t bound) { return random() % bound; };
  std::vector<uint64_t> ids(3 + below(20));
  for (uint64_t &id : ids) id = 1 + below(below(10) == 0 ? kLocations : 8);
  const auto label = [&] {
    Builder made;
    made.varint(1, kKey + below(2));
    if (below(3) != 0) return made.varint(2, kFirstText + below(kTexts));
    if (below(8) == 0) return made;                                                      // neither
    if (below(8) == 0) return made.varint(2, kFirstText).varint(3, 1);                   // both
    if (below(8) == 0) return made.varint(3, below(9)).bytes(15, std::string(200, 'x')); // long
    return made.varint(3, below(1000)).varint(4, kUnit);
  };
  Builder made;
  switch (below(100)) {
  case 0: // labels first
    return made.message(3, label()).packed(2, {1, 2}).packed(1, ids);
  case 1: // the stack in two pieces
    return made.packed(1, ids).packed(2, {3, 4}).message(3, label()).packed(1, {1, 2});
  case 2: // one value after the other
    for (const uint64_t id : ids) made.varint(1, id);
    return made.varint(2, 5).varint(2, 6);
  case 3: // values in two pieces
    return made.packed(1, ids).packed(2, {7}).packed(2, {8}).message(3, label());
  case 4: // no stack
    return made.packed(2, {9, 10});
  default:
    made.packed(1, ids).packed(2, {below(1000), below(7)});
    for (uint64_t i = below(4); i > 0; --i) made.message(3, label());
    return made;
  }
}

Builder make_file(int damaged_sample = -1, const Builder &damage = {}) {
  std::mt19937 random{7};
  Builder file = head();
  for (int i = 0; i < kSamples; ++i) {
    if (i == damaged_sample)
      file.message(2, damage);
    else
      file.message(2, sample(random));
  }
  return file;
}

Profile read(const Builder &file, uint64_t threads, bool strict = false) {
  DecodeOptions options;
  options.threads = threads;
  options.strict = strict;
  return decode_pprof(file.span(), options);
}

std::string error_of(const Builder &file, uint64_t threads) {
  try {
    (void)read(file, threads);
  } catch (const Error &error) {
    return std::to_string(static_cast<int>(error.status())) + " " + std::to_string(error.offset()) +
           " " + error.what();
  }
  return "none";
}

template <class T> bool same(std::span<const T> a, std::span<const T> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

void check_same(const Profile &a, const Profile &b) {
  CHECK(same(a.stacks.nodes(), b.stacks.nodes()));
  CHECK(same(a.sample_stacks(), b.sample_stacks()));
  CHECK(same(a.sample_label_sets(), b.sample_label_sets()));
  CHECK(same(a.label_set_offsets(), b.label_set_offsets()));
  REQUIRE(a.labels().size() == b.labels().size());
  for (size_t i = 0; i < a.labels().size(); ++i) {
    const Label &one = a.labels()[i];
    const Label &other = b.labels()[i];
    REQUIRE(one.key == other.key);
    REQUIRE(one.text == other.text);
    REQUIRE(one.number == other.number);
    REQUIRE(one.unit == other.unit);
  }
  for (size_t i = 0; i < a.sample_types().size(); ++i)
    CHECK(same<int64_t>(a.values(i), b.values(i)));
  REQUIRE(a.warnings().size() == b.warnings().size());
  for (size_t i = 0; i < a.warnings().size(); ++i) {
    CHECK(a.warnings()[i].text == b.warnings()[i].text);
    CHECK(a.warnings()[i].offset == b.warnings()[i].offset);
  }
  REQUIRE(a.counters().size() == b.counters().size());
  for (size_t i = 0; i < a.counters().size(); ++i)
    CHECK(a.counters()[i].value == b.counters()[i].value);
}

} // namespace

TEST_CASE("pprof on two threads is what it is on one") {
  const Builder file = make_file();
  REQUIRE(file.span().size() > (size_t{1} << 20) + (size_t{1} << 16));
  const Profile one = read(file, 1);
  CHECK(one.sample_count() == kSamples);
  CHECK(one.counter("pprof_empty_labels") > 0);
  CHECK(one.counter("pprof_double_labels") > 0);
  check_same(one, read(file, 2));
  check_same(one, read(file, 64));
}

TEST_CASE("pprof on two threads meets the same errors") {
  for (const int at : {0, 1000, kSamples - 1}) {
    CAPTURE(at);
    for (const Builder &damage :
         {Builder{}.packed(1, {kLocations + 1}).packed(2, {1, 2}), // no such id
          Builder{}.packed(1, {1}).packed(2, {1}),                 // a value short
          Builder{}.packed(1, {1}).packed(2, {1, 2}).message(
              3, Builder{}.varint(2, 9999)),                              // no such text
          Builder{}.packed(1, {1}).packed(2, {1, 2}).bytes(3, "\x08")}) { // a cut varint
      const Builder file = make_file(at, damage);
      const std::string error = error_of(file, 1);
      CHECK(error != "none");
      CHECK(error == error_of(file, 2));
    }
  }
  const Builder odd = make_file();
  CHECK_THROWS_AS((void)read(odd, 1, true), Error);
  CHECK_THROWS_AS((void)read(odd, 2, true), Error);
}

TEST_CASE("pprof on two threads can be cancelled and keeps to its limit") {
  const Builder file = make_file();
  for (const uint64_t threads : {1, 2}) {
    CAPTURE(threads);
    DecodeOptions options;
    options.threads = threads;
    options.context.progress = [](uint64_t done, uint64_t, void *) { return done == 0; };
    try {
      (void)decode_pprof(file.span(), options);
      FAIL("not cancelled");
    } catch (const Error &error) {
      CHECK(error.status() == Status::kCancelled);
    }
    options.context.progress = nullptr;
    options.context.limits.max_result_bytes = size_t{3} << 20;
    try {
      (void)decode_pprof(file.span(), options);
      FAIL("no limit");
    } catch (const Error &error) {
      CHECK(error.status() == Status::kLimit);
    }
  }
}
