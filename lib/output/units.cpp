#include "output/units.hpp"

#include "base/hash.hpp"

#include <array>
#include <fmt/format.h>
#include <span>

namespace profcore {
namespace {

struct Step {
  uint64_t size;
  std::string_view name;
};

constexpr std::array kTimeSteps = {
    Step{1, "ns"},
    Step{1'000, "us"},
    Step{1'000'000, "ms"},
    Step{1'000'000'000, "s"},
};
constexpr std::array kMicrosecondSteps = {
    Step{1, "us"},
    Step{1'000, "ms"},
    Step{1'000'000, "s"},
};
constexpr std::array kByteSteps = {
    Step{1, "B"},
    Step{UINT64_C(1) << 10, "kB"},
    Step{UINT64_C(1) << 20, "MB"},
    Step{UINT64_C(1) << 30, "GB"},
    Step{UINT64_C(1) << 40, "TB"},
    Step{UINT64_C(1) << 50, "PB"},
};

std::span<const Step> steps_of(std::string_view unit) {
  if (unit == "nanoseconds") return kTimeSteps;
  if (unit == "microseconds") return kMicrosecondSteps;
  if (unit == "bytes") return kByteSteps;
  return {};
}

uint64_t magnitude(int64_t value) {
  return value < 0 ? ~static_cast<uint64_t>(value) + 1 : static_cast<uint64_t>(value);
}

uint64_t hundredths(uint64_t value, uint64_t size) {
  const uint128_t scaled = static_cast<uint128_t>(value) * 100;
  return static_cast<uint64_t>((scaled + size / 2) / size);
}

} // namespace

std::string humanise(int64_t value, std::string_view unit) {
  const auto steps = steps_of(unit);
  if (steps.empty() || value == 0) return fmt::format_int{value}.str();
  const uint64_t size = magnitude(value);
  size_t at = 0;
  while (at + 1 < steps.size() && size >= steps[at + 1].size) ++at;
  uint64_t parts = hundredths(size, steps[at].size);
  // 1023.999 kB rounds up to what the next step calls 1 MB.
  if (at + 1 < steps.size() && parts >= steps[at + 1].size / steps[at].size * 100) {
    ++at;
    parts = hundredths(size, steps[at].size);
  }
  const char *sign = value < 0 ? "-" : "";
  if (parts % 100 == 0) return fmt::format("{}{}{}", sign, parts / 100, steps[at].name);
  return fmt::format("{}{}.{:02}{}", sign, parts / 100, parts % 100, steps[at].name);
}

std::string humanise_named(int64_t value, std::string_view unit) {
  std::string text = humanise(value, unit);
  if (!unit.empty() && (value == 0 || steps_of(unit).empty())) {
    text += ' ';
    text += unit;
  }
  return text;
}

std::string format_share(int64_t part, int64_t whole) {
  if (whole == 0) return "-";
  const bool negative = (part < 0) != (whole < 0) && part != 0;
  const uint128_t scaled = static_cast<uint128_t>(magnitude(part)) * 10000;
  const uint64_t size = magnitude(whole);
  const uint128_t rounded = (scaled + size / 2) / size;
  // Parts of a sum with negative members can be any multiple of it.
  const uint64_t parts = rounded > UINT64_MAX ? UINT64_MAX : static_cast<uint64_t>(rounded);
  std::string text{negative && parts != 0 ? "-" : ""};
  const fmt::format_int digits{parts / 100};
  text.append(digits.data(), digits.size());
  text += {'.', static_cast<char>('0' + parts / 10 % 10), static_cast<char>('0' + parts % 10), '%'};
  return text;
}

std::string humanise_difference(int64_t value, int64_t base, std::string_view unit) {
  const int64_t difference = saturating_difference(value, base);
  std::string text = humanise(difference, unit);
  if (difference > 0) text.insert(text.begin(), '+');
  return text;
}

int64_t saturating_difference(int64_t a, int64_t b) noexcept {
  int64_t result = 0;
  if (!__builtin_sub_overflow(a, b, &result)) return result;
  return a < b ? INT64_MIN : INT64_MAX;
}

int64_t saturating_sum(int64_t a, int64_t b) noexcept {
  int64_t result = 0;
  if (!__builtin_add_overflow(a, b, &result)) return result;
  return a < 0 ? INT64_MIN : INT64_MAX;
}

} // namespace profcore
