#include "output/units.hpp"

#include <doctest/doctest.h>

using namespace profcore;

TEST_CASE("time goes up to seconds, in steps of a thousand") {
  CHECK(humanise(0, "nanoseconds") == "0");
  CHECK(humanise(1, "nanoseconds") == "1ns");
  CHECK(humanise(999, "nanoseconds") == "999ns");
  CHECK(humanise(1'500, "nanoseconds") == "1.50us");
  CHECK(humanise(10'000'000, "nanoseconds") == "10ms");
  CHECK(humanise(999'994'999, "nanoseconds") == "999.99ms");
  CHECK(humanise(999'995'000, "nanoseconds") == "1s");
  CHECK(humanise(86'400'000'000'000, "nanoseconds") == "86400s");
  CHECK(humanise(-1'234'567'890, "nanoseconds") == "-1.23s");
}

TEST_CASE("microseconds stay a source's own unit, shown like time") {
  CHECK(humanise(999, "microseconds") == "999us");
  CHECK(humanise(10'101, "microseconds") == "10.10ms");
  CHECK(humanise(2'500'000, "microseconds") == "2.50s");
  CHECK(humanise_named(0, "microseconds") == "0 microseconds");
}

TEST_CASE("bytes go in steps of 1024") {
  CHECK(humanise(1023, "bytes") == "1023B");
  CHECK(humanise(1024, "bytes") == "1kB");
  CHECK(humanise(1536, "bytes") == "1.50kB");
  CHECK(humanise(1048575, "bytes") == "1MB");
  CHECK(humanise(INT64_MAX, "bytes") == "8192PB");
  CHECK(humanise(INT64_MIN, "bytes") == "-8192PB");
}

TEST_CASE("other units stay plain") {
  CHECK(humanise(123456, "count") == "123456");
  CHECK(humanise(INT64_MIN, "ticks") == "-9223372036854775808");
  CHECK(humanise_named(12, "count") == "12 count");
  CHECK(humanise_named(0, "bytes") == "0 bytes");
  CHECK(humanise_named(2048, "bytes") == "2kB");
  CHECK(humanise_named(3, "") == "3");
}

TEST_CASE("shares") {
  CHECK(format_share(1, 3) == "33.33%");
  CHECK(format_share(2, 3) == "66.67%");
  CHECK(format_share(5, 5) == "100.00%");
  CHECK(format_share(0, 5) == "0.00%");
  CHECK(format_share(-1, 4) == "-25.00%");
  CHECK(format_share(-1, -4) == "25.00%");
  CHECK(format_share(-1, INT64_MAX) == "0.00%");
  CHECK(format_share(1, 0) == "-");
  CHECK(format_share(INT64_MIN, INT64_MAX) == "-100.00%");
  CHECK(format_share(INT64_MAX, 1) == "184467440737095516.15%");
}

TEST_CASE("differences carry a sign and do not overflow") {
  CHECK(humanise_difference(3'000, 1'000, "nanoseconds") == "+2us");
  CHECK(humanise_difference(1, 3, "count") == "-2");
  CHECK(humanise_difference(3, 3, "bytes") == "0");
  CHECK(humanise_difference(INT64_MAX, INT64_MIN, "count") == "+9223372036854775807");
  CHECK(saturating_difference(INT64_MIN, 1) == INT64_MIN);
  CHECK(saturating_sum(INT64_MAX, 1) == INT64_MAX);
  CHECK(saturating_sum(INT64_MIN, -1) == INT64_MIN);
}
