#include "model/sample_type.hpp"

#include <algorithm>
#include <array>

namespace profcore {
namespace {

struct Unit {
  std::string_view source;
  std::string_view canonical;
  int64_t scale;
};

constexpr std::string_view kNanoseconds = "nanoseconds";
constexpr std::string_view kBytes = "bytes";
constexpr std::string_view kCount = "count";

constexpr std::array kUnits = {
    Unit{"nanoseconds", kNanoseconds, 1},
    Unit{"nanosecond", kNanoseconds, 1},
    Unit{"ns", kNanoseconds, 1},
    Unit{"lock_nanoseconds", kNanoseconds, 1},
    Unit{"microseconds", kNanoseconds, 1'000},
    Unit{"microsecond", kNanoseconds, 1'000},
    Unit{"us", kNanoseconds, 1'000},
    Unit{"\xc2\xb5s", kNanoseconds, 1'000},
    Unit{"\xce\xbcs", kNanoseconds, 1'000},
    Unit{"milliseconds", kNanoseconds, 1'000'000},
    Unit{"millisecond", kNanoseconds, 1'000'000},
    Unit{"ms", kNanoseconds, 1'000'000},
    Unit{"seconds", kNanoseconds, 1'000'000'000},
    Unit{"second", kNanoseconds, 1'000'000'000},
    Unit{"sec", kNanoseconds, 1'000'000'000},
    Unit{"s", kNanoseconds, 1'000'000'000},
    Unit{"bytes", kBytes, 1},
    Unit{"byte", kBytes, 1},
    Unit{"b", kBytes, 1},
    Unit{"B", kBytes, 1},
    Unit{"kb", kBytes, INT64_C(1) << 10},
    Unit{"kB", kBytes, INT64_C(1) << 10},
    Unit{"KB", kBytes, INT64_C(1) << 10},
    Unit{"kib", kBytes, INT64_C(1) << 10},
    Unit{"KiB", kBytes, INT64_C(1) << 10},
    Unit{"kilobytes", kBytes, INT64_C(1) << 10},
    Unit{"kilobyte", kBytes, INT64_C(1) << 10},
    Unit{"mb", kBytes, INT64_C(1) << 20},
    Unit{"MB", kBytes, INT64_C(1) << 20},
    Unit{"mib", kBytes, INT64_C(1) << 20},
    Unit{"MiB", kBytes, INT64_C(1) << 20},
    Unit{"megabytes", kBytes, INT64_C(1) << 20},
    Unit{"megabyte", kBytes, INT64_C(1) << 20},
    Unit{"gb", kBytes, INT64_C(1) << 30},
    Unit{"GB", kBytes, INT64_C(1) << 30},
    Unit{"gib", kBytes, INT64_C(1) << 30},
    Unit{"GiB", kBytes, INT64_C(1) << 30},
    Unit{"gigabytes", kBytes, INT64_C(1) << 30},
    Unit{"gigabyte", kBytes, INT64_C(1) << 30},
    Unit{"count", kCount, 1},
    Unit{"counts", kCount, 1},
    Unit{"samples", kCount, 1},
    Unit{"sample", kCount, 1},
    Unit{"objects", kCount, 1},
    Unit{"object", kCount, 1},
    Unit{"goroutines", kCount, 1},
    Unit{"lock_samples", kCount, 1},
    Unit{"contentions", kCount, 1},
};

constexpr std::array<std::string_view, 12> kInstantTypes = {
    "inuse_space", "inuse_objects", "inuse-space", "inuse-objects", "goroutine", "goroutines",
    "live",        "heap-space",    "threads",     "threadcreate",  "thread",    "heap-live-size",
};

} // namespace

UnitConversion canonical_unit(std::string_view source_unit) noexcept {
  const auto *found = std::find_if(kUnits.begin(), kUnits.end(),
                                   [&](const Unit &unit) { return unit.source == source_unit; });
  if (found == kUnits.end()) return {source_unit, 1};
  return {found->canonical, found->scale};
}

ValueKind guess_value_kind(std::string_view type) noexcept {
  const bool instant =
      std::find(kInstantTypes.begin(), kInstantTypes.end(), type) != kInstantTypes.end();
  return instant ? ValueKind::kInstant : ValueKind::kDelta;
}

} // namespace profcore
