#pragma once

#include "base/string_table.hpp"

#include <cstdint>
#include <string_view>

namespace profcore {

enum class ValueKind : int32_t {
  kDelta = 0,   ///< what happened during the profile (CPU time, allocations): sums over time
  kInstant = 1, ///< what was there at its end (live heap, goroutines): last value over time
};

/// One column of values. `unit` is canonical ("nanoseconds", "bytes", "count", or the source's own
/// word when it is none of those); a value in `source_unit` times `scale` is the value in `unit`.
struct SampleType {
  StringId type = 0;
  StringId unit = 0;
  StringId source_unit = 0;
  ValueKind kind = ValueKind::kDelta;
  int64_t scale = 1;
  int64_t period = 0; ///< sampling period in canonical units of the period type; 0 = not known
};

struct UnitConversion {
  std::string_view unit; ///< canonical; points into static storage, or is the text that came in
  int64_t scale;
};

/// Time units to nanoseconds, sizes to bytes (kB, MB ... are powers of 1024, as google/pprof reads
/// them), things that are counted to "count"; anything else stays as it is with scale 1.
UnitConversion canonical_unit(std::string_view source_unit) noexcept;

/// kInstant for the types known to be levels (inuse_space, goroutine ...), kDelta otherwise.
ValueKind guess_value_kind(std::string_view type) noexcept;

} // namespace profcore
