#include "sources/sampler/rate_control.hpp"

#include <doctest/doctest.h>

using profcore::sampler::Cost;
using profcore::sampler::RateControl;

namespace {

/// A machine where a sample costs the same, every time, and upkeep a share of a CPU.
struct Machine {
  RateControl &rate;
  double sample_ns;  ///< of all CPUs together, per tick
  double upkeep = 0; ///< share of a CPU
  int64_t time = 1;
  double sampling = 0;
  double kept_up = 0;

  void start() { rate.start(time, spent()); }
  Cost spent() const { return {static_cast<uint64_t>(sampling), static_cast<uint64_t>(kept_up)}; }
  /// The share of a CPU that was used in so many seconds.
  double run(int seconds) {
    const double before = sampling + kept_up;
    for (int i = 0; i < seconds; ++i) {
      sampling += sample_ns * rate.frequency();
      kept_up += upkeep * 1e9;
      time += 1'000'000'000;
      rate.update(time, spent());
    }
    return (sampling + kept_up - before) / 1e9 / seconds;
  }
};

} // namespace

TEST_CASE("a rate that fits stays what was asked for") {
  RateControl rate{99, 0.01};
  Machine machine{rate, 50e3}; // 0.5 %
  machine.start();
  machine.run(600);
  CHECK(rate.frequency() == 99);
  CHECK(rate.times_lowered() == 0);
}

TEST_CASE("a rate that costs too much is lowered to where it fits, and not at the first sight") {
  RateControl rate{1000, 0.01};
  Machine machine{rate, 100e3}; // 10 %
  machine.start();
  machine.run(1);
  CHECK(rate.frequency() == 1000);
  machine.run(2);
  CHECK(rate.frequency() < 150);
  CHECK(machine.run(600) < 0.0101);
  CHECK(machine.run(600) > 0.007);
  CHECK(rate.times_lowered() < 5); // it does not swing
}

TEST_CASE("the rate rises again when there is room, slowly and no higher than asked") {
  RateControl rate{99, 0.01};
  Machine machine{rate, 2e6};
  machine.start();
  machine.run(60);
  CHECK(rate.frequency() <= 5);
  machine.sample_ns = 1e3;
  machine.run(10);
  CHECK(rate.frequency() < 20);
  machine.run(120);
  CHECK(rate.frequency() == 99);
  machine.sample_ns = 0; // an idle machine
  machine.run(60);
  CHECK(rate.frequency() == 99);
}

TEST_CASE("never under one sample a second") {
  RateControl rate{99, 1e-9};
  Machine machine{rate, 1e6};
  machine.start();
  machine.run(60);
  CHECK(rate.frequency() == 1);
}

TEST_CASE("what the start costs, or a large library once, is no steady cost") {
  RateControl rate{99, 0.01};
  Machine machine{rate, 50e3};
  machine.kept_up = 900e6;
  machine.start();
  machine.run(10);
  machine.kept_up += 300e6;
  machine.run(10);
  CHECK(rate.times_lowered() == 0);
  CHECK(rate.frequency() == 99);
}

TEST_CASE("upkeep takes from sampling, but not more than three quarters of the budget") {
  RateControl rate{99, 0.01};
  Machine machine{rate, 90e3, 0.005}; // 0.9 % and 0.5 %
  machine.start();
  CHECK(machine.run(60) < 0.0125);
  CHECK(machine.run(60) < 0.0101);
  CHECK(rate.frequency() > 40);
  machine.upkeep = 0.2; // compilers
  machine.run(120);
  CHECK(rate.frequency() >= 20);
  CHECK(rate.frequency() < 30);
}

TEST_CASE("without a budget nothing is lowered") {
  RateControl rate{99, 0};
  Machine machine{rate, 1e7};
  machine.start();
  machine.run(60);
  CHECK(rate.frequency() == 99);
  CHECK(!rate.is_on());
}
