#pragma once

#include <cstdint>

namespace profcore::sampler {

/// What a sampler has spent since its start, in nanoseconds of CPU time.
struct Cost {
  uint64_t sampling = 0; ///< grows with the number of samples: the program in the kernel
  uint64_t upkeep = 0;   ///< everything else: processes, unwind rows, windows, names
};

/// Chooses how often to sample so that the cost stays within a share of one CPU.
class RateControl {
public:
  /// `budget` is the share of one CPU, 0.01 for 1 %; not above 0: no budget.
  RateControl(uint32_t asked, double budget) : asked_{asked}, frequency_{asked}, budget_{budget} {}

  /// What was spent until now is the start's and does not count.
  void start(int64_t now_ns, const Cost &spent);
  /// True when the frequency is another one from now on.
  bool update(int64_t now_ns, const Cost &spent);

  bool has_started() const noexcept { return looked_at_ != 0; }
  bool is_on() const noexcept { return budget_ > 0; }
  uint32_t frequency() const noexcept { return frequency_; }
  uint64_t times_lowered() const noexcept { return times_lowered_; }

  /// How often `update` looks.
  static constexpr int64_t kInterval = INT64_C(1000000000);

private:
  uint32_t asked_;
  uint32_t frequency_;
  double budget_;
  int64_t looked_at_ = 0;
  Cost before_;
  double upkeep_ = 0; ///< share of one CPU, averaged
  int over_ = 0;      ///< intervals in succession over the budget
  uint64_t times_lowered_ = 0;
};

} // namespace profcore::sampler
