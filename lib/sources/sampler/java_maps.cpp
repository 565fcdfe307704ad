// When a JVM is asked for its map. It compiles methods as they get hot, and each asking makes it
// write everything; so after a map the next one is deferred, to be worth it:
//
//   - the first is asked for when code without a file is first seen in a stack of the JVM;
//   - another when there is code that the last one does not name, and the interval has passed, and
//     up to an eighth of it more, so that many JVMs of one start are not asked together. Most of
//     the compiling is done at the beginning, and programs may be short: one that is younger than
//     the interval need only have become a quarter older, by a second at least;
//   - after a failure that may pass, the interval doubles each time, five times; others stay.
//
// So an interval of a minute means at most some sixteen maps in a JVM's first minute, and one a
// minute from then on, and none when there is nothing new.

#include "sources/sampler/java_maps.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <utility>

namespace profcore::sampler {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kLongestInterval = 3600 * kSecond;
constexpr int64_t kStarting = 30 * kSecond; ///< a JVM may need that long

/// The same for a process each time, and not for its neighbours.
int64_t jitter(int32_t pid, int64_t interval) {
  const uint64_t spread = (static_cast<uint64_t>(pid) * UINT64_C(0x9e3779b97f4a7c15)) >> 48;
  return interval / 8 * static_cast<int64_t>(spread) / 65536;
}

} // namespace

JavaMaps::JavaMaps(JavaMapOptions options) : options_{std::move(options)} {
  epoll_ = Descriptor{epoll_create1(EPOLL_CLOEXEC)};
  timer_ = Descriptor{timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)};
  epoll_event event{};
  event.events = EPOLLIN;
  if (!epoll_.is_open() || !timer_.is_open() ||
      epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, timer_.get(), &event) != 0)
    throw Error{Status::kIo, fmt::format("epoll and timerfd: {}", strerrordesc_np(errno))};
}

void JavaMaps::saw(int32_t pid, int64_t now) {
  auto found = jvms_.find(pid);
  if (found == jvms_.end()) {
    if (jvms_.size() >= kMostProcesses) {
      ++stats_.skipped;
      return;
    }
    found = jvms_.try_emplace(pid).first;
    ++stats_.processes;
  }
  found->second.is_wanted = true;
  set_timer(now);
}

void JavaMaps::hurry(int64_t now) {
  for (auto &[pid, jvm] : jvms_) {
    if (jvm.is_wanted && jvm.failures == 0) jvm.not_before = now;
  }
  set_timer(now);
}

bool JavaMaps::is_busy(int64_t until) const {
  return std::any_of(jvms_.begin(), jvms_.end(), [&](const auto &entry) {
    return entry.second.request != nullptr || is_due(entry.second, until);
  });
}

void JavaMaps::start(int32_t pid, Jvm &jvm, int64_t now) {
  jvm.is_wanted = false;
  jvm.request = options_.ask(pid, now);
  ++running_;
  const JvmProcess &process = jvm.request->process();
  if (process.start_ticks != 0 &&
      jvm.start_ticks != process.start_ticks) { // the id was given to another one
    jvm.has_map = false;
    jvm.failures = 0;
    jvm.start_ticks = process.start_ticks;
  }
  jvm.age_ns = process.age_ns;
}

void JavaMaps::finish(int32_t pid, Jvm &jvm, JavaProblem problem, int64_t now) {
  const int64_t interval = options_.interval_ns;
  if (jvm.request) jvm.answer = jvm.request->answer();
  jvm.request.reset();
  jvm.is_written = false;
  --running_;
  jvm.problem = problem;
  if (problem == JavaProblem::kNone) {
    ++stats_.requested;
    ++stats_.read;
    jvm.has_map = true;
    jvm.failures = 0;
    jvm.not_before = now + (jvm.age_ns < interval ? std::max(jvm.age_ns / 4, kSecond)
                                                  : interval + jitter(pid, interval));
    return;
  }
  jvm.is_wanted = true;
  if (problem == JavaProblem::kStarting && jvm.age_ns < kStarting) {
    jvm.not_before = now + kSecond / 4;
    return;
  }
  if (problem == JavaProblem::kGone && jvm.has_map) { // without its last names
    jvm.is_settled = true;
    return;
  }
  ++stats_.requested;
  ++stats_.failed;
  jvm.is_settled = is_final(problem) || ++jvm.failures >= kMostFailures;
  jvm.not_before = now + std::min(interval << jvm.failures, kLongestInterval);
  last_reason_ = reason_of(pid);
}

std::vector<WrittenMap> JavaMaps::step(int64_t now) {
  std::vector<WrittenMap> written;
  for (auto &[pid, jvm] : jvms_) {
    if (running_ < options_.at_once && is_due(jvm, now)) start(pid, jvm, now);
    if (!jvm.request || jvm.is_written) continue;
    // The descriptor may become another one meanwhile; closing took the old one out.
    const int before = jvm.request->fd();
    const MapRequest::State state = jvm.request->step(now);
    if (jvm.request->fd() != before) jvm.is_watched = false;
    if (state == MapRequest::State::kFailed) {
      finish(pid, jvm, jvm.request->problem(), now);
    } else if (state == MapRequest::State::kWritten) {
      jvm.is_written = true;
      const JvmProcess &process = jvm.request->process();
      written.push_back({pid, process.namespace_pid, process.start_ticks});
    } else if (!jvm.is_watched && jvm.request->fd() >= 0) {
      epoll_event event{};
      event.events = EPOLLIN;
      jvm.is_watched = epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, jvm.request->fd(), &event) == 0;
    }
  }
  set_timer(now);
  return written;
}

void JavaMaps::took(int32_t pid, bool was_read, int64_t now) {
  const auto found = jvms_.find(pid);
  if (found == jvms_.end() || !found->second.is_written) return;
  if (was_read) found->second.request->discard_map();
  finish(pid, found->second, was_read ? JavaProblem::kNone : JavaProblem::kNoMap, now);
  set_timer(now);
}

uint64_t JavaMaps::start_of(int32_t pid) const {
  const auto found = jvms_.find(pid);
  return found != jvms_.end() && found->second.has_map ? found->second.start_ticks : 0;
}

std::string JavaMaps::reason_of(int32_t pid) const {
  const auto found = jvms_.find(pid);
  if (found == jvms_.end() || found->second.problem == JavaProblem::kNone) return {};
  const Jvm &jvm = found->second;
  std::string text = fmt::format("Java process {}: {}", pid, problem_text(jvm.problem));
  const size_t line = jvm.answer.find('\n');
  const bool has_more =
      jvm.problem == JavaProblem::kRefused || jvm.problem == JavaProblem::kStaleSocket;
  if (has_more && line != jvm.answer.npos && line + 1 < jvm.answer.size()) {
    std::string said = jvm.answer.substr(line + 1);
    std::replace_if(
        said.begin(), said.end(), [](char c) { return c < ' ' || c > '~'; }, ' ');
    while (said.ends_with(' ')) said.pop_back();
    text += ": " + said;
  }
  return text;
}

void JavaMaps::set_timer(int64_t now) {
  int64_t next = INT64_MAX;
  for (const auto &[pid, jvm] : jvms_) {
    if (jvm.request && !jvm.is_written)
      next = std::min(next, jvm.request->wake_at());
    else if (jvm.is_wanted && !jvm.is_settled && !jvm.request && running_ < options_.at_once)
      next = std::min(next, jvm.not_before);
  }
  const bool was_armed = std::exchange(is_armed_, next != INT64_MAX);
  if (!was_armed && !is_armed_) return;
  itimerspec when{};
  if (is_armed_) {
    next = std::max<int64_t>(next, std::max<int64_t>(now, 1));
    when.it_value.tv_sec = next / kSecond;
    when.it_value.tv_nsec = next % kSecond;
  }
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void JavaMaps::end_window(int64_t now) {
  for (auto at = jvms_.begin(); at != jvms_.end();) {
    Jvm &jvm = at->second;
    if (jvm.is_gone && !jvm.request) {
      at = jvms_.erase(at);
      continue;
    }
    jvm.is_gone = !options_.is_alive(at->first, jvm.start_ticks);
    ++at;
  }
  set_timer(now);
}

} // namespace profcore::sampler
