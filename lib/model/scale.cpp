#include "base/error.hpp"
#include "model/operations.hpp"

#include <cmath>

namespace profcore {
namespace {

// A double holds every integer up to here; larger values go through 128 bits or long double.
constexpr int64_t kExact = INT64_C(1) << 53;

bool scale_by_integer(std::span<int64_t> values, int64_t factor) {
  bool saturated = false;
  for (int64_t &value : values) {
    int64_t product = 0;
    if (__builtin_mul_overflow(value, factor, &product)) {
      product = (value < 0) != (factor < 0) ? INT64_MIN : INT64_MAX;
      saturated = true;
    }
    value = product;
  }
  return saturated;
}

template <class Float> int64_t round_saturating(Float product, bool &saturated) {
  constexpr Float kLimit = 9223372036854775808.0; // 2^63
  const Float rounded = std::round(product);
  if (rounded >= -kLimit && rounded < kLimit) return static_cast<int64_t>(rounded);
  saturated = true;
  return rounded < 0 ? INT64_MIN : INT64_MAX;
}

bool scale_by_real(std::span<int64_t> values, double factor) {
  bool saturated = false;
  for (int64_t &value : values) {
    if (value > -kExact && value < kExact)
      value = round_saturating(static_cast<double>(value) * factor, saturated);
    else
      value = round_saturating(static_cast<long double>(value) * factor, saturated);
  }
  return saturated;
}

bool scale_column(std::span<int64_t> values, double factor) {
  if (factor == 1) return false;
  if (std::fabs(factor) < static_cast<double>(kExact) && factor == std::trunc(factor))
    return scale_by_integer(values, static_cast<int64_t>(factor));
  return scale_by_real(values, factor);
}

void check(double factor) {
  if (!std::isfinite(factor))
    throw Error{Status::kInvalidArgument, "a scale factor must be a finite number"};
}

void warn_saturated(Profile &profile) {
  profile.warn("Values past 64 bits were kept at the largest value when scaling");
}

} // namespace

void scale(Profile &profile, double factor) {
  check(factor);
  bool saturated = false;
  for (size_t type = 0; type < profile.sample_types().size(); ++type)
    saturated |= scale_column(profile.values(type), factor);
  if (saturated) warn_saturated(profile);
}

void scale(Profile &profile, std::span<const double> factors) {
  if (factors.size() != profile.sample_types().size())
    throw Error{Status::kInvalidArgument, "scaling needs one factor per sample type"};
  for (const double factor : factors) check(factor);
  bool saturated = false;
  for (size_t type = 0; type < factors.size(); ++type)
    saturated |= scale_column(profile.values(type), factors[type]);
  if (saturated) warn_saturated(profile);
}

} // namespace profcore
