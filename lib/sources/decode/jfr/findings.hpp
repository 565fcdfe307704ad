#pragma once

#include "base/error.hpp"
#include "model/profile.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace profcore::jfr {

/// What was wrong with a chunk and could be stepped over: kept apart from any profile, because
/// chunks are read ahead of the profile, on other threads too. `strict` throws instead.
class Findings {
public:
  explicit Findings(bool strict = false) noexcept : strict_{strict} {}

  /// `counter` is the profile's counter that grows by `add`; "" for none.
  void warn(std::string text, uint64_t offset, std::string_view counter, uint64_t add = 1) {
    if (strict_) throw Error{Status::kMalformed, std::move(text), offset};
    if (warnings_.size() < kMost)
      warnings_.push_back({std::move(text), offset});
    else
      ++suppressed_;
    if (!counter.empty()) count(counter, add);
  }
  void count(std::string_view counter, uint64_t add = 1) {
    for (Counter &known : counters_)
      if (known.name == counter) {
        known.value += add;
        return;
      }
    counters_.push_back({std::string{counter}, add});
  }
  bool empty() const noexcept { return warnings_.empty() && counters_.empty(); }
  void tell(Profile &profile) const {
    for (const Found &found : warnings_) profile.warn(found.text, found.offset);
    for (const Counter &counter : counters_) profile.count(counter.name, counter.value);
    if (suppressed_ > 0) profile.count("warnings_suppressed", suppressed_);
  }
  /// What another one found, behind what this one did.
  void add(const Findings &other) {
    for (const Found &found : other.warnings_) warn(found.text, found.offset, {});
    for (const Counter &counter : other.counters_) count(counter.name, counter.value);
    suppressed_ += other.suppressed_;
  }
  struct Found {
    std::string text;
    uint64_t offset;
  };
  const std::vector<Found> &warnings() const noexcept { return warnings_; }
  const std::vector<Counter> &counters() const noexcept { return counters_; }

private:
  static constexpr size_t kMost = 100; ///< per chunk: a damaged one must not make millions

  bool strict_;
  uint64_t suppressed_ = 0;
  std::vector<Found> warnings_;
  std::vector<Counter> counters_;
};

} // namespace profcore::jfr
