#include "capi/java_names.hpp"

#include "sources/sampler/clock.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <poll.h>
#include <set>
#include <sys/epoll.h>
#include <unordered_map>

namespace profcore::capi {
namespace {

/// Of memory for one JVM's names; ten times a large one's.
constexpr uint64_t kMostMapBytes = uint64_t{64} << 20;
const std::string kProc = "/proc";

int64_t now_ns() {
  return sampler::now(CLOCK_MONOTONIC);
}

sampler::JavaMapOptions options_of(uint32_t interval_seconds) {
  sampler::JavaMapOptions options;
  options.interval_ns = int64_t{interval_seconds} * 1'000'000'000;
  options.ask = [](int32_t pid, int64_t now) {
    return std::make_unique<sampler::JvmAttach>(kProc, pid, now);
  };
  options.is_alive = [](int32_t pid, uint64_t start_ticks) {
    return sampler::is_running(kProc, pid, start_ticks);
  };
  return options;
}

} // namespace

JavaNames::JavaNames(sampler::Sampler &from, Symbolizer &symbolizer, uint32_t interval_seconds)
    : from_{from}, symbolizer_{symbolizer}, maps_{options_of(interval_seconds)},
      epoll_{epoll_create1(EPOLL_CLOEXEC)} {
  for (const int fd : {from.fd(), maps_.fd()}) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (!epoll_.is_open() || epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
      throw Error{Status::kIo, fmt::format("epoll: {}", strerrordesc_np(errno))};
  }
}

void JavaNames::process() {
  const int64_t now = now_ns();
  for (const sampler::JavaCode &code : from_.take_java()) {
    const uint64_t start = maps_.start_of(code.pid);
    if (start == 0 || !symbolizer_.has_names({code.pid, 0, start}, code.addresses))
      maps_.saw(code.pid, now);
  }
  for (const sampler::WrittenMap &map : maps_.step(now)) {
    const bool was_read =
        symbolizer_.take_perf_map({map.pid, map.namespace_pid, map.start_ticks}, kMostMapBytes);
    maps_.took(map.pid, was_read, now);
  }
}

void JavaNames::refresh(int64_t timeout_ns) {
  const int64_t deadline = now_ns() + timeout_ns;
  process();
  maps_.hurry(now_ns());
  process();
  for (int64_t now = now_ns(); maps_.is_busy(deadline) && now < deadline; now = now_ns()) {
    pollfd event{epoll_.get(), POLLIN, 0};
    constexpr int64_t kSlice = 50;
    poll(&event, 1, static_cast<int>(std::clamp<int64_t>((deadline - now) / 1'000'000, 1, kSlice)));
    from_.process();
    process();
  }
}

void JavaNames::after_symbolizing(Profile &profile,
                                  const std::vector<sampler::ModuleOrigin> &origins) {
  std::set<int32_t> unnamed;
  for (const Location &at : profile.locations())
    if (at.line_count == 0 && at.module < origins.size() && origins[at.module].pid != 0)
      unnamed.insert(origins[at.module].pid);
  for (const int32_t pid : unnamed) {
    const std::string reason = maps_.reason_of(pid);
    if (!reason.empty()) profile.warn(reason);
  }
  maps_.end_window(now_ns());
}

void mark_omitted_frame_pointers(Profile &profile,
                                 const std::vector<sampler::ModuleOrigin> &origins) {
  const auto omits = [&](const Location &at) {
    return at.module < origins.size() && origins[at.module].omits_frame_pointers &&
           (at.kind == FrameKind::kJavaCompiled || at.line_count == 0);
  };
  const std::span<const Location> locations = profile.locations();
  if (std::none_of(locations.begin(), locations.end(), omits)) return;
  const std::span<const StackNode> nodes = profile.stacks.nodes();
  std::vector<bool> is_missing(nodes.size());
  for (size_t i = 1; i < nodes.size(); ++i)
    is_missing[i] = is_missing[nodes[i].parent] || omits(locations[nodes[i].location]);

  Label label;
  label.key = profile.intern("incomplete");
  label.text = profile.intern("compiled Java code without frame pointers");
  std::unordered_map<LabelSetId, LabelSetId> marked;
  const std::span<LabelSetId> sets = profile.sample_label_sets();
  for (size_t row = 0; row < sets.size(); ++row) {
    if (!is_missing[profile.sample_stacks()[row]]) continue;
    const auto [at, is_new] = marked.try_emplace(sets[row], sets[row]);
    if (is_new) {
      const std::span<const Label> before = profile.labels_of(sets[row]);
      std::vector<Label> labels{before.begin(), before.end()};
      if (std::none_of(labels.begin(), labels.end(),
                       [&](const Label &other) { return other.key == label.key; })) {
        labels.push_back(label);
        at->second = profile.add_label_set(labels);
      }
    }
    sets[row] = at->second;
  }
}

} // namespace profcore::capi
