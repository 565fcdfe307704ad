#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace profcore {

/// A value for people: nanoseconds as ns, us, ms, s; bytes as B, kB, MB ... (powers of 1024); any
/// other unit as the plain number. Two digits after the point at most, ".00" left out, rounded half
/// away from zero; the same input gives the same text everywhere.
std::string humanise(int64_t value, std::string_view unit);
/// The same with the unit named when `humanise` names none: "12 count".
std::string humanise_named(int64_t value, std::string_view unit);

/// part / whole as "12.34%"; "-" when the whole is 0.
std::string format_share(int64_t part, int64_t whole);

/// "+1.50s", "-20ms", "0": `humanise` of a difference, with its sign. Saturates.
std::string humanise_difference(int64_t value, int64_t base, std::string_view unit);

/// a - b without overflow.
int64_t saturating_difference(int64_t a, int64_t b) noexcept;
/// a + b without overflow.
int64_t saturating_sum(int64_t a, int64_t b) noexcept;

} // namespace profcore
