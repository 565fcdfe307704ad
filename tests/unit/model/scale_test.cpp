#include "base/error.hpp"
#include "build_profile.hpp"
#include "model/operations.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <limits>

using namespace profcore;
using namespace profcore::test;

namespace {

int64_t scaled(int64_t value, double factor, bool *warned = nullptr) {
  Builder builder;
  builder.sample("a", value);
  scale(builder.profile, factor);
  if (warned != nullptr) *warned = !builder.profile.warnings().empty();
  return builder.profile.values(0)[0];
}

} // namespace

TEST_CASE("scaling rounds to nearest and saturates with a warning") {
  CHECK(scaled(10, 2) == 20);
  CHECK(scaled(10, 0.25) == 3);
  CHECK(scaled(-10, 0.25) == -3);
  CHECK(scaled(7, 0) == 0);
  CHECK(scaled(5, -1) == -5);
  bool warned = false;
  CHECK(scaled(INT64_MAX, 1, &warned) == INT64_MAX);
  CHECK_FALSE(warned);
  CHECK(scaled(INT64_MAX / 3, 3, &warned) == INT64_MAX / 3 * 3); // past what a double can hold
  CHECK_FALSE(warned);
  CHECK(scaled(INT64_MAX, 2, &warned) == INT64_MAX);
  CHECK(warned);
  CHECK(scaled(INT64_MAX, -2, &warned) == INT64_MIN);
  CHECK(warned);
  CHECK(scaled(INT64_MIN, -1, &warned) == INT64_MAX);
  CHECK(warned);
  CHECK(scaled(INT64_MIN, 1e300, &warned) == INT64_MIN);
  CHECK(scaled(1, 1e300, &warned) == INT64_MAX);
  CHECK(scaled(-1, 0x1p63, &warned) == INT64_MIN);
  CHECK_FALSE(warned);
  CHECK(scaled(INT64_MIN, 0.5) == INT64_MIN / 2);
  CHECK(scaled(0, 1e300) == 0);
}

TEST_CASE("a factor per column; bad factors leave the profile as it was") {
  Builder builder;
  builder.profile.add_sample_type("cpu", "ns");
  builder.profile.add_sample_type("samples", "count");
  builder.sample("a", 6);
  scale(builder.profile, std::vector<double>{0.5, 10});
  CHECK(builder.profile.values(0)[0] == 3);
  CHECK(builder.profile.values(1)[0] == 60);
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  CHECK_THROWS_AS(scale(builder.profile, kNaN), Error);
  CHECK_THROWS_AS(scale(builder.profile, kInfinity), Error);
  CHECK_THROWS_AS(scale(builder.profile, std::vector<double>{2, kNaN}), Error);
  CHECK_THROWS_AS(scale(builder.profile, std::vector<double>{2}), Error);
  CHECK(builder.profile.values(0)[0] == 3);
  Profile empty;
  scale(empty, 2);
  scale(empty, std::span<const double>{});
}
