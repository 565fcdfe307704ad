#include "sources/sampler/cpu_clocks.hpp"

#include "sources/sampler/bpf_tables.hpp"
#include "sources/sampler/clock.hpp"
#include "sources/sampler/quiet_libbpf.hpp"

#include <bpf/libbpf.h>
#include <cerrno>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace profcore::sampler {
namespace {

constexpr int64_t kBetweenLooks = 1'000'000'000;
constexpr uint64_t kSecond = 1'000'000'000;

} // namespace

void CpuClocks::LinkCloser::operator()(bpf_link *link) const noexcept {
  bpf_link__destroy(link);
}

CpuClocks::CpuClocks(bpf_program *program, int cpus, uint32_t frequency)
    : program_{program}, clocks_(static_cast<size_t>(cpus)) {
  attr_.size = sizeof attr_;
  attr_.type = PERF_TYPE_HARDWARE;
  attr_.config = PERF_COUNT_HW_CPU_CYCLES;
  attr_.freq = 1;
  attr_.sample_freq = frequency;
  attr_.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED;
  for (int cpu = 0; cpu < cpus; ++cpu) {
    std::string_view what;
    const int error = open(cpu, what);
    if (error != 0 && error != ENODEV) fail_bpf(error, fmt::format("{} of CPU {}", what, cpu));
  }
  looked_at_ = now(CLOCK_MONOTONIC);
}

CpuClocks::~CpuClocks() = default;

std::string_view CpuClocks::event() const noexcept {
  return attr_.type == PERF_TYPE_HARDWARE ? "cycles" : "cpu-clock";
}

/// 0 or what is wrong: ENODEV where the CPU is off.
int CpuClocks::open(int cpu, std::string_view &what) {
  what = "the clock cannot be opened";
  Descriptor event{open_perf_event(attr_, -1, cpu)};
  if (!event.is_open() && errno != ENODEV &&
      attr_.type == PERF_TYPE_HARDWARE) { // no PMU, as in many machines
    attr_.type = PERF_TYPE_SOFTWARE;
    attr_.config = PERF_COUNT_SW_CPU_CLOCK;
    attr_.freq = 0; // the kernel would make it so, and IOC_PERIOD has to know what it sets
    attr_.sample_period = kSecond / attr_.sample_freq;
    event = Descriptor{open_perf_event(attr_, -1, cpu)};
  }
  if (!event.is_open()) return errno;
  what = "the BPF program cannot be attached to the clock";
  const QuietLibbpf quiet;
  bpf_link *link = bpf_program__attach_perf_event(program_, event.get());
  if (link == nullptr) return errno;
  Clock &clock = clocks_[static_cast<size_t>(cpu)];
  clock.link.reset(link);
  clock.fd = event.release();
  clock.enabled = 0;
  return 0;
}

bool CpuClocks::set_frequency(uint32_t frequency) {
  uint64_t value = attr_.freq != 0 ? frequency : kSecond / frequency;
  bool is_first = true;
  for (const Clock &clock : clocks_) {
    if (!clock.link) continue;
    if (ioctl(clock.fd, PERF_EVENT_IOC_PERIOD, &value) != 0 && is_first) return false;
    is_first = false;
  }
  attr_.sample_freq = value; // or sample_period, which it shares its place with
  return true;
}

std::vector<int> CpuClocks::look(int64_t now) {
  std::vector<int> came;
  const int64_t elapsed = now - looked_at_;
  if (elapsed < kBetweenLooks) return came;
  looked_at_ = now;
  for (size_t cpu = 0; cpu < clocks_.size(); ++cpu) {
    Clock &clock = clocks_[cpu];
    uint64_t values[2]; // the count, and the time enabled
    if (clock.link) {
      const bool is_read = read(clock.fd, values, sizeof values) == sizeof values;
      const bool is_alive =
          is_read && values[1] - clock.enabled > static_cast<uint64_t>(elapsed) / 2;
      if (is_read) clock.enabled = values[1];
      if (is_alive) continue;
      clock = {};
    }
    std::string_view what; // it is tried again
    if (open(static_cast<int>(cpu), what) == 0) came.push_back(static_cast<int>(cpu));
  }
  return came;
}

} // namespace profcore::sampler
