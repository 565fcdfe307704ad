#include "base/error.hpp"
#include "build_profile.hpp"
#include "model/operations.hpp"
#include "model/tag_filter.hpp"

#include <doctest/doctest.h>

using namespace profcore;
using namespace profcore::test;

namespace {

// Values 1, 2, 4 ... per sample, so that a sum says which samples are left.
Profile labelled_profile() {
  Builder builder;
  builder.sample("a", 1, {builder.text_label("thread", "main"), builder.text_label("user", "ann")});
  builder.sample("a", 2,
                 {builder.text_label("thread", "io"), builder.text_label("thread", "idle")});
  builder.sample("a", 4, {builder.number_label("bytes", 16384, "")});
  builder.sample("a", 8,
                 {builder.number_label("bytes", 1 << 20, ""), builder.text_label("user", "bob")});
  builder.sample("a", 16, {builder.number_label("wait", 90, "milliseconds")});
  builder.sample("a", 32, {builder.number_label("id", 5, "")});
  builder.sample("a", 64);
  builder.sample("a", 128, {builder.number_label("wait", INT64_MIN, "milliseconds")});
  builder.sample("a", 256, {builder.number_label("request", 64, "")});
  return std::move(builder.profile);
}

int64_t left(const FilterOptions &options) {
  const Profile filtered = filter(labelled_profile(), options);
  int64_t sum = 0;
  for (const int64_t value : filtered.values(0)) sum += value;
  return sum;
}

int64_t focus(std::string_view expression) {
  FilterOptions options;
  options.tag_focus = expression;
  return left(options);
}

} // namespace

TEST_CASE("ranges of number labels, with units") {
  CHECK(focus("16kb") == 4);
  CHECK(focus("bytes=16kb") == 4);
  CHECK(focus("bytes=16384b:") == 4 + 8);
  CHECK(focus("bytes=:16kb") == 4);
  CHECK(focus("16kb:1mb") == 4 + 8);
  CHECK(focus("16kb:1023kb") == 4);
  CHECK(focus("16kb:1024") == 4 + 8); // the second takes the unit of the first
  CHECK(focus("wait=:100ms") == 16 + 128);
  CHECK(focus("wait=-5s:1hours") == 16);
  CHECK(focus("request=64b") == 256); // bytes, by pprof's word
  CHECK(focus("request=64") == 0);
  CHECK(focus("id=5") == 32);
  CHECK(focus("5kb") == 32); // what has no unit is taken to be in the one asked for
  CHECK(focus("nothing=5") == 0);
  FilterOptions options;
  options.tag_ignore = "1b:2tb";
  CHECK(left(options) == 511 - 4 - 8 - 32 - 256);
  CHECK_THROWS_AS(focus("99999999999999999999"), Error);
  CHECK_THROWS_AS(focus("1:99999999999999999999kb"), Error);
}

TEST_CASE("units are converted as pprof converts them") {
  CHECK(scale_label(2048, "bytes", "kB").value == 2);
  CHECK(scale_label(1, "KiloBytes", "b").value == 1024);
  CHECK(scale_label(1, "\xce\xbcs", "ns").value == 1000);
  CHECK(scale_label(2, "hrs", "s").value == 7200);
  CHECK(scale_label(5, "ms", "kB").unit == "s");
  CHECK(scale_label(5, "ms", "kB").value == 0.005);
  CHECK(scale_label(5, "", "count").unit.empty());
  CHECK(scale_label(5, "widgets", "kB").unit == "kB");
  CHECK(scale_label(INT64_MIN, "kb", "b").value == -9223372036854775808.0 * 1024);
  CHECK(scale_label(1, std::string(100'000, 's'), "b").unit == "b");
}

TEST_CASE("a key with two units is told") {
  Builder builder;
  builder.sample("a", 1, {builder.number_label("size", 1, "kb")});
  builder.sample("a", 2, {builder.number_label("size", 1, "mb")});
  builder.sample("a", 4, {builder.number_label("size", 1, "gb")});
  FilterOptions options;
  options.tag_focus = "size=1kb";
  const Profile filtered = filter(builder.profile, options);
  CHECK(filtered.sample_count() == 3); // the first unit counts for the key, as in pprof
  CHECK(has_warning(filtered, "For tag size used unit kb, also encountered unit(s) mb, gb"));
}

TEST_SUITE("tag regex" * doctest::skip(!Regex::is_available())) {
  TEST_CASE("text labels") {
    CHECK(focus("main") == 1);
    CHECK(focus("thread:i") == 2);
    CHECK(focus("thread") == 1 + 2);
    CHECK(focus("main,ann") == 1); // each must match something
    CHECK(focus("main,bob") == 0);
    CHECK(focus("thread=main,idle") == 1 + 2); // one is enough with a key
    CHECK(focus("thread=^i") == 2);
    CHECK(focus("user=") == 1 + 8);
    CHECK(focus("=ann") == 1);
    CHECK(focus("thread=a=b") == 0);
    CHECK(focus("nokey=.*") == 0);
    CHECK(focus("16kb:5ms") == 0); // no range, and no text like that
    FilterOptions options;
    options.tag_ignore = "user=bob";
    CHECK(left(options) == 511 - 8);
    options.tag_focus = "user";
    CHECK(left(options) == 1);
  }

  TEST_CASE("bounds of the expression") {
    CHECK(focus(std::string(63, ',')) == 1 + 2 + 8);
    CHECK_THROWS_AS(focus(std::string(64, ',')), Error);
    CHECK_THROWS_AS(focus(std::string(100'000, '1')), Error);
  }
}
