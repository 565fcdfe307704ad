// Swaps windows as fast as it can while threads of its own are sampled: after each, every sample
// that had been taken before is delivered or counted as lost, and what is said to be delivered is
// in the profiles. With a number of rounds the program in the kernel takes longer by so many, so
// that at most swaps there is one under way that found the old window.
// Usage: swaps SECONDS THREADS FREQUENCY ROUNDS

#include "base/error.hpp"
#include "sources/sampler/clock.hpp"
#include "sources/sampler/sampler.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fmt/format.h>
#include <numeric>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace profcore;

namespace {

std::atomic<bool> is_over{false};

[[gnu::noinline]] uint64_t deep(unsigned levels, uint64_t seed) {
  volatile uint64_t below = levels == 0 ? seed : deep(levels - 1, seed + 1);
  for (int i = 0; i < 50; ++i) below = below * 31 + 1;
  return below;
}

/// Many different stacks, and threads that are woken and sleep.
void work(uint64_t state) {
  while (!is_over) {
    for (int i = 0; i < 200; ++i) {
      state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
      deep(1 + static_cast<unsigned>(state >> 59), state);
    }
    const timespec pause{0, 200000};
    nanosleep(&pause, nullptr);
  }
}

struct Seen {
  uint64_t samples = 0;
  int64_t nanoseconds = 0;

  void add(const Profile &profile) {
    const auto counts = profile.values(0);
    const auto times = profile.values(1);
    samples += static_cast<uint64_t>(std::accumulate(counts.begin(), counts.end(), INT64_C(0)));
    nanoseconds = std::accumulate(times.begin(), times.end(), nanoseconds);
  }
};

int swap_windows(double seconds, unsigned count, const sampler::Options &options) {
  constexpr double kMost = 60; // of a machine that has other things to do
  const auto sampler = sampler::start_bpf_sampler(options);
  const int64_t cpu_before = sampler::now(CLOCK_PROCESS_CPUTIME_ID);
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < count; ++i) threads.emplace_back(work, i + 1);

  Seen seen;
  unsigned swaps = 0, wrong = 0;
  sampler::Stats stats;
  const auto complain = [&](const std::string &text) {
    if (wrong++ < 5) fmt::print(stderr, "swap {}: {}\n", swaps, text);
  };
  const auto accounted = [&] { return stats.delivered + stats.lost_counts; };
  const int64_t began = sampler::now(CLOCK_MONOTONIC);
  double age = 0;
  for (; age < seconds || ((swaps < 40 || stats.taken < 500) && age < kMost); ++swaps) {
    const uint64_t taken = sampler->stats().taken;
    seen.add(sampler->drain().profile);
    stats = sampler->stats();
    if (accounted() < taken)
      complain(
          fmt::format("{} were taken before it, {} are delivered or lost", taken, accounted()));
    if (seen.samples != stats.delivered)
      complain(fmt::format("{} delivered, {} in profiles", stats.delivered, seen.samples));
    age = static_cast<double>(sampler::now(CLOCK_MONOTONIC) - began) * 1e-9;
  }
  is_over = true;
  for (std::thread &thread : threads) thread.join();
  const auto cpu = static_cast<double>(sampler::now(CLOCK_PROCESS_CPUTIME_ID) - cpu_before);
  sampler->stop();
  seen.add(sampler->drain().profile);
  stats = sampler->stats();
  const double share = static_cast<double>(seen.nanoseconds) / cpu;
  fmt::print(
      "{} swaps: {} taken, {} delivered, {} seen, {} lost, {:.3f} of the CPU time, {:.1f} us "
      "a sample\n",
      swaps, stats.taken, stats.delivered, seen.samples, stats.lost_counts + stats.lost_stacks,
      share,
      static_cast<double>(stats.bpf_nanoseconds) / 1e3 / static_cast<double>(stats.taken + 1));
  if (stats.taken != accounted() || seen.samples != stats.delivered)
    complain("in the end not every sample is accounted for");
  if (stats.lost_counts + stats.lost_stacks > stats.taken / 100) complain("too many are lost");
  if (swaps < 40 || stats.taken < 500) complain("that is too little to say anything");
  // Ticks are of the CPUs' wall clock: together they are the time that the threads had.
  if (share < 0.85 || share > 1.15) complain("that is not the CPU time");
  return wrong == 0 ? 0 : 1;
}

} // namespace

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  sampler::Options options;
  options.pids = {getpid()};
  options.frequency = static_cast<uint32_t>(std::atoi(argv[3]));
  options.linger = static_cast<uint32_t>(std::atoi(argv[4]));
  options.per_thread = true;
  options.cpu_budget = 0;
  try {
    return swap_windows(std::atof(argv[1]), static_cast<unsigned>(std::atoi(argv[2])), options);
  } catch (const Error &error) {
    fmt::print(stderr, "{}\n", error.what());
    const bool is_missing =
        error.status() == Status::kPermission || error.status() == Status::kUnsupported;
    return is_missing && std::getenv("PROFCORE_REQUIRE_BPF") == nullptr ? 77 : 1;
  }
}
