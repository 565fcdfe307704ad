// Who is asked when, with a clock and JVMs of our own.
#include "sources/sampler/java_maps.hpp"

#include <deque>
#include <doctest/doctest.h>
#include <poll.h>
#include <set>

using namespace profcore::sampler;

namespace {

constexpr int64_t kSecond = 1'000'000'000;

/// What a JVM does when it is asked.
struct Script {
  uint64_t start_ticks = 100;
  int64_t started_at = -1000 * kSecond;
  int steps = 1; ///< until it answers
  JavaProblem problem = JavaProblem::kNone;
  std::string answer;
};

class FakeRequest final : public MapRequest {
public:
  FakeRequest(const Script &script, int32_t pid, int64_t now, int &running, int &discarded)
      : script_{script}, running_{running}, discarded_{discarded} {
    process_.pid = pid;
    process_.namespace_pid = pid + 1000;
    process_.start_ticks = script.start_ticks;
    process_.age_ns = now - script.started_at;
    ++running_;
  }
  ~FakeRequest() override { --running_; }
  State step(int64_t now) override {
    wake_at_ = now + 1000;
    if (++steps_ < script_.steps) return State::kRunning;
    return script_.problem == JavaProblem::kNone ? State::kWritten : State::kFailed;
  }
  int fd() const noexcept override { return -1; }
  int64_t wake_at() const noexcept override { return wake_at_; }
  const JvmProcess &process() const noexcept override { return process_; }
  JavaProblem problem() const noexcept override { return script_.problem; }
  std::string_view answer() const noexcept override { return script_.answer; }
  void discard_map() override { ++discarded_; }

private:
  Script script_;
  int &running_;
  int &discarded_;
  JvmProcess process_;
  int steps_ = 0;
  int64_t wake_at_ = 0;
};

struct Host {
  std::map<int32_t, Script> jvms;
  std::vector<std::pair<int32_t, int64_t>> asked;
  std::set<int32_t> gone;
  int running = 0;
  int most_running = 0;
  int discarded = 0;
  bool can_read = true;
  int64_t now = 1000 * kSecond;
  JavaMaps maps;

  explicit Host(int64_t interval = 60 * kSecond) : maps{options(interval)} {}
  JavaMapOptions options(int64_t interval) {
    JavaMapOptions options;
    options.interval_ns = interval;
    options.ask = [this](int32_t pid, int64_t at) {
      asked.emplace_back(pid, at);
      auto made = std::make_unique<FakeRequest>(jvms[pid], pid, at, running, discarded);
      most_running = std::max(most_running, running);
      return made;
    };
    options.is_alive = [this](int32_t pid, uint64_t) { return !gone.contains(pid); };
    return options;
  }
  void step() {
    for (const WrittenMap &map : maps.step(now)) {
      CHECK(map.namespace_pid == map.pid + 1000);
      maps.took(map.pid, can_read, now);
    }
  }
  /// Seconds, a step each; `each` says what the JVM does.
  template <class Each> void run(int seconds, Each each) {
    for (int i = 0; i < seconds; ++i) {
      now += kSecond;
      each();
      step();
    }
  }
};

} // namespace

TEST_CASE("a JVM is asked when it is first seen, then deferred") {
  Host host;
  host.maps.saw(5, host.now);
  host.step();
  CHECK(host.asked.size() == 1);
  CHECK(host.maps.stats().read == 1);
  CHECK(host.discarded == 1);
  CHECK(host.maps.start_of(5) == 100);
  host.run(200, [] {});
  CHECK(host.asked.size() == 1); // nothing new
  host.maps.saw(5, host.now);
  host.step();
  REQUIRE(host.asked.size() == 2);
  host.run(300, [&] { host.maps.saw(5, host.now); });
  REQUIRE(host.asked.size() >= 6);
  CHECK(host.asked.size() <= 7);
  for (size_t i = 2; i < host.asked.size(); ++i) {
    const int64_t pause = host.asked[i].second - host.asked[i - 1].second;
    CHECK(pause >= 60 * kSecond);
    CHECK(pause <= 69 * kSecond); // an eighth of jitter, and the step
  }
}

TEST_CASE("the interval is what was asked for") {
  Host host{5 * kSecond};
  host.maps.saw(5, host.now);
  host.run(60, [&] { host.maps.saw(5, host.now); });
  CHECK(host.asked.size() >= 9);
  CHECK(host.asked.size() <= 13);
}

TEST_CASE("a young JVM is asked as it becomes a quarter older") {
  Host host;
  host.jvms[5].started_at = host.now;
  host.run(120, [&] { host.maps.saw(5, host.now); });
  CHECK(host.asked.size() >= 14);
  CHECK(host.asked.size() <= 18);
  for (size_t i = 2; i < host.asked.size(); ++i) {
    const int64_t before = host.asked[i - 1].second - 1000 * kSecond;
    CHECK(host.asked[i].second - 1000 * kSecond >= std::min(before * 5 / 4, before + 60 * kSecond));
  }
}

TEST_CASE("nobody is asked for nothing") {
  Host host;
  host.jvms[5].started_at = host.now;
  host.maps.saw(5, host.now);
  host.run(120, [] {});
  CHECK(host.asked.size() == 1);
}

TEST_CASE("what stays is not asked again, and told") {
  Host host;
  host.jvms[5].problem = JavaProblem::kDisabled;
  host.maps.saw(5, host.now);
  host.run(1000, [&] { host.maps.saw(5, host.now); });
  CHECK(host.asked.size() == 1);
  CHECK(host.maps.stats().failed == 1);
  CHECK(host.maps.reason_of(5).find("DisableAttachMechanism") != std::string::npos);
  CHECK(host.maps.last_reason() == host.maps.reason_of(5));
  CHECK(host.maps.start_of(5) == 0);
  host.maps.hurry(host.now);
  CHECK(!host.maps.is_busy(host.now));
}

TEST_CASE("what may pass is tried again, ever later, and given up") {
  Host host;
  host.jvms[5].problem = JavaProblem::kNoAnswer;
  host.maps.saw(5, host.now);
  host.run(5000, [&] { host.maps.saw(5, host.now); });
  REQUIRE(host.asked.size() == JavaMaps::kMostFailures);
  for (size_t i = 2; i < host.asked.size(); ++i)
    CHECK(host.asked[i].second - host.asked[i - 1].second >=
          2 * (host.asked[i - 1].second - host.asked[i - 2].second) - 2 * kSecond);
}

TEST_CASE("a failure passes") {
  Host host;
  host.jvms[5].problem = JavaProblem::kRefused;
  host.jvms[5].answer = "-1\njava.lang.Oops\x1b[31m\n";
  host.maps.saw(5, host.now);
  host.step();
  CHECK(host.maps.reason_of(5) == "Java process 5: it refused: java.lang.Oops [31m");
  host.jvms[5].problem = JavaProblem::kNone;
  host.run(130, [] {}); // wanted still
  CHECK(host.maps.stats().read == 1);
  CHECK(host.maps.reason_of(5).empty());
}

TEST_CASE("a starting JVM is waited for, without counting") {
  Host host;
  host.jvms[5].started_at = host.now;
  host.jvms[5].problem = JavaProblem::kStarting;
  host.maps.saw(5, host.now);
  host.run(8, [] {});
  CHECK(host.asked.size() >= 7);
  CHECK(host.maps.stats().failed == 0);
  host.jvms[5].problem = JavaProblem::kNone;
  host.run(2, [] {});
  CHECK(host.maps.stats().read == 1);
}

TEST_CASE("a map that cannot be read is a failure, and stays where it is") {
  Host host;
  host.can_read = false;
  host.maps.saw(5, host.now);
  host.step();
  CHECK(host.maps.stats().failed == 1);
  CHECK(host.discarded == 0);
  CHECK(host.maps.reason_of(5).find("no perf map") != std::string::npos);
}

TEST_CASE("few are asked at a time") {
  Host host;
  for (int32_t pid = 1; pid <= 50; ++pid) {
    host.jvms[pid].steps = 3;
    host.maps.saw(pid, host.now);
  }
  host.run(60, [] {});
  CHECK(host.most_running == 4);
  CHECK(host.maps.stats().read == 50);
  CHECK(host.running == 0);
}

TEST_CASE("more JVMs than are kept track of") {
  Host host;
  for (int32_t pid = 1; pid <= static_cast<int32_t>(JavaMaps::kMostProcesses) + 3; ++pid)
    host.maps.saw(pid, host.now);
  CHECK(host.maps.stats().skipped == 3);
}

TEST_CASE("hurry asks those with news at once") {
  Host host;
  host.maps.saw(5, host.now);
  host.maps.saw(6, host.now);
  host.step();
  host.maps.saw(5, host.now);
  host.now += kSecond;
  host.step();
  CHECK(host.asked.size() == 2);
  host.maps.hurry(host.now);
  CHECK(host.maps.is_busy(host.now));
  host.step();
  REQUIRE(host.asked.size() == 3);
  CHECK(host.asked.back().first == 5);
  CHECK(!host.maps.is_busy(host.now));
}

TEST_CASE("an id given to another process begins anew; who has gone is forgotten a window later") {
  Host host;
  host.maps.saw(5, host.now);
  host.step();
  CHECK(host.maps.start_of(5) == 100);
  host.gone.insert(5);
  host.maps.end_window(host.now);
  CHECK(host.maps.start_of(5) == 100); // the window's frames want it still
  host.maps.end_window(host.now);
  CHECK(host.maps.start_of(5) == 0);
  host.gone.clear();
  host.jvms[5].start_ticks = 200;
  host.maps.saw(5, host.now);
  host.step();
  CHECK(host.maps.start_of(5) == 200);
  CHECK(host.maps.stats().processes == 2);
}

TEST_CASE("one that ended after it gave names is no failure") {
  Host host;
  host.maps.saw(5, host.now);
  host.step();
  host.jvms[5].problem = JavaProblem::kGone;
  host.jvms[5].start_ticks = 0;
  host.maps.saw(5, host.now);
  host.maps.hurry(host.now);
  host.step();
  CHECK(host.asked.size() == 2);
  CHECK(host.maps.stats().failed == 0);
  CHECK(host.maps.start_of(5) == 100);
}

TEST_CASE("the descriptor is readable when something is due") {
  Host host;
  const auto readable = [&](int wait) {
    pollfd event{host.maps.fd(), POLLIN, 0};
    return poll(&event, 1, wait) == 1;
  };
  CHECK(!readable(0));
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time); // its timer runs by the real clock
  host.now = static_cast<int64_t>(time.tv_sec) * kSecond + time.tv_nsec;
  host.maps.saw(5, host.now);
  CHECK(readable(1000));
  host.step();
  CHECK(!readable(0));
}
