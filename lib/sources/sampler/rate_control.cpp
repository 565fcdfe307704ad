// Holding a budget of CPU time.
//
// Only the program in the kernel costs in proportion to the frequency; what keeping up with
// processes costs is theirs, and goes on at any frequency. So the two are measured apart: sampling
// gets what upkeep leaves of the budget, but never less than a quarter, since sampling more rarely
// cannot pay for a host that starts a hundred compilers a second. Both are looked at every
// second. Upkeep is averaged over a quarter of a minute and one interval's counts at most four
// budgets: the symbols of a large library are read once, and that is no steady cost.
//
// Down at once to where it fits, after two intervals in succession that were over; up by a
// sixteenth per interval, while there is room to spare.

#include "sources/sampler/rate_control.hpp"

#include <algorithm>

namespace profcore::sampler {

void RateControl::start(int64_t now_ns, const Cost &spent) {
  looked_at_ = now_ns;
  before_ = spent;
}

bool RateControl::update(int64_t now_ns, const Cost &spent) {
  if (!is_on() || now_ns - looked_at_ < kInterval * 9 / 10) return false;
  constexpr double kAveraged = 16e9;
  constexpr double kSpare = 0.85; // of the budget: higher and it would go up and down
  const auto elapsed = static_cast<double>(now_ns - looked_at_);
  const double sampling = static_cast<double>(spent.sampling - before_.sampling) / elapsed;
  const double upkeep = static_cast<double>(spent.upkeep - before_.upkeep) / elapsed;
  looked_at_ = now_ns;
  before_ = spent;
  upkeep_ += (std::min(upkeep, 4 * budget_) - upkeep_) * std::min(1.0, elapsed / kAveraged);

  const double room = std::max(budget_ - upkeep_, budget_ / 4);
  // Where sampling would just fit. Nothing sampled costs nothing, at any frequency.
  const double fitting = sampling > 0 ? static_cast<double>(frequency_) * room / sampling : asked_;
  over_ = sampling > room ? over_ + 1 : 0;
  const uint32_t old = frequency_;
  if (over_ >= 2) {
    frequency_ = static_cast<uint32_t>(std::clamp(fitting, 1.0, static_cast<double>(old)));
    over_ = 0;
    if (frequency_ < old) ++times_lowered_;
  } else if (old < asked_ && static_cast<double>(old) < fitting * kSpare) {
    const double most = std::min(fitting * kSpare, static_cast<double>(asked_));
    frequency_ = std::max(old, std::min(static_cast<uint32_t>(most), old + std::max(1U, old / 16)));
  }
  return frequency_ != old;
}

} // namespace profcore::sampler
