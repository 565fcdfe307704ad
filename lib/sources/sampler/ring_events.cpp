#include "sources/sampler/ring_events.hpp"

#include "base/error.hpp"
#include "sources/sampler/perf_records.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace profcore::sampler {
namespace {

constexpr size_t kLargestRing = size_t{2} << 20;
constexpr size_t kSmallestRing = size_t{64} << 10;
constexpr size_t kAllRings = size_t{64} << 20;
constexpr uint32_t kDefaultStack = 32768;
constexpr uint32_t kSmallestStack = 4096;
constexpr uint32_t kLargestStack = 65528; // a record's size is a u16; the kernel takes off the rest

[[noreturn]] void refuse(int error, int32_t tid, size_t events, uint32_t frequency) {
  switch (error) {
  case EACCES:
  case EPERM: {
    const std::string paranoid = perf_paranoid();
    const bool forbidden = !paranoid.empty() && paranoid[0] >= '3' && paranoid[0] <= '9';
    if (forbidden)
      throw Error{Status::kPermission,
                  fmt::format("kernel.perf_event_paranoid is {}, which forbids sampling one's own "
                              "processes too; sysctl kernel.perf_event_paranoid=2 allows it",
                              paranoid)};
    if (error == EACCES && tid != getpid())
      throw Error{Status::kPermission,
                  fmt::format("thread {} cannot be sampled: it is another user's, or has "
                              "privileges that this process has not",
                              tid)};
    throw Error{Status::kPermission,
                "perf_event_open is not permitted: by the system call filter of a container, or by "
                "a security module"};
  }
  case ENOSYS:
    throw Error{Status::kUnsupported, "this kernel or container has no perf_event_open"};
  case EMFILE:
  case ENFILE:
    throw Error{Status::kIo,
                fmt::format("too many open files after {} events: sampling wants one for each "
                            "thread and CPU; raise the limit (ulimit -n)",
                            events)};
  case ENOMEM:
    throw Error{Status::kNoMemory, fmt::format("no memory for event {}", events + 1)};
  case ENOSPC:
    throw Error{Status::kIo, fmt::format("the kernel has no room for event {}", events + 1)};
  case EINVAL:
    throw Error{Status::kUnsupported,
                fmt::format("the kernel takes no sampling event at {} a second with copies of the "
                            "user's stack (kernel.perf_event_max_sample_rate may be lower)",
                            frequency)};
  default:
    throw Error{Status::kUnsupported,
                fmt::format("thread {} cannot be sampled: {}", tid, strerrordesc_np(error))};
  }
}

/// As much of each stack as lets a ring hold the samples of a tenth of a second, which is how long
/// a busy machine may keep the reader waiting.
uint32_t stack_for(size_t ring, uint32_t frequency) {
  const size_t samples = std::max<size_t>(8, frequency / 10);
  uint32_t bytes = kDefaultStack;
  while (bytes > kSmallestStack && samples * bytes > ring) bytes /= 2;
  return bytes;
}

} // namespace

std::string perf_paranoid() {
  const Descriptor file{open("/proc/sys/kernel/perf_event_paranoid", O_RDONLY | O_CLOEXEC)};
  char text[16];
  const ssize_t got = file.is_open() ? read(file.get(), text, sizeof text) : -1;
  if (got <= 0) return {};
  const std::string_view all{text, static_cast<size_t>(got)};
  return std::string{all.substr(0, all.find('\n'))};
}

RingEvents::RingEvents(const Options &options) {
  if (sampled_registers() == 0)
    throw Error{Status::kUnsupported, "stacks of this machine's registers cannot be unwound"};
  if (options.stack_bytes > kLargestStack)
    throw Error{Status::kInvalidArgument,
                fmt::format("at most {} bytes of a stack can be copied", kLargestStack)};
  const long configured = sysconf(_SC_NPROCESSORS_CONF);
  const auto count = static_cast<size_t>(std::max(1L, configured));
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  size_t bytes = std::clamp(std::bit_floor(kAllRings / count), kSmallestRing, kLargestRing);
  // What may be locked is bounded for the user (perf_event_mlock_kb) and for the process.
  while (!map_rings(bytes / page)) bytes /= 2;

  attr_ = {};
  attr_.size = sizeof attr_;
  attr_.type = PERF_TYPE_HARDWARE;
  attr_.config = PERF_COUNT_HW_CPU_CYCLES;
  attr_.freq = 1;
  attr_.sample_freq = options.frequency;
  attr_.sample_type =
      PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER;
  attr_.sample_regs_user = sampled_registers();
  attr_.sample_stack_user = options.stack_bytes == 0 ? stack_for(bytes, options.frequency)
                                                     : (options.stack_bytes + 7) & ~7U;
  attr_.sample_id_all = 1;
  attr_.disabled = 1; // until it has a ring
  attr_.inherit = 1;
  attr_.inherit_thread = options.processes ? 0 : 1;
  attr_.exclude_kernel = 1;
  attr_.exclude_hv = 1;
  attr_.mmap = 1;
  attr_.mmap2 = 1;
  attr_.comm = 1;
  attr_.comm_exec = 1;
  attr_.task = 1;
  attr_.use_clockid = 1;
  attr_.clockid = CLOCK_BOOTTIME; // as start times in /proc
  attr_.read_format = PERF_FORMAT_LOST;
}

/// False when less is to be tried.
bool RingEvents::map_rings(size_t pages) {
  const auto bytes = pages * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  rings_.clear();
  cpus_.clear();
  perf_event_attr attr{};
  attr.size = sizeof attr;
  attr.type = PERF_TYPE_SOFTWARE;
  attr.config = PERF_COUNT_SW_DUMMY;
  attr.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME;
  attr.sample_id_all = 1;
  attr.exclude_kernel = 1;
  attr.exclude_hv = 1;
  attr.use_clockid = 1;
  attr.clockid = CLOCK_BOOTTIME;
  attr.watermark = 1;
  attr.wakeup_watermark = static_cast<uint32_t>(bytes / 4);
  const int count = static_cast<int>(std::max(1L, sysconf(_SC_NPROCESSORS_CONF)));
  for (int cpu = 0; cpu < count; ++cpu) {
    Descriptor event{open_perf_event(attr, getpid(), cpu)};
    if (!event.is_open()) {
      if (errno == ENODEV) continue; // this CPU is off
      refuse(errno, getpid(), rings_.size(), 0);
    }
    try {
      rings_.emplace_back(std::move(event), pages);
    } catch (const Error &error) {
      if (error.status() == Status::kPermission && bytes > kSmallestRing) return false;
      throw;
    }
    cpus_.push_back(static_cast<uint32_t>(cpu));
  }
  return true;
}

int RingEvents::open_event(int32_t tid, int cpu) {
  for (;;) {
    const int fd = open_perf_event(attr_, tid, cpu);
    if (fd >= 0) return fd;
    if (errno == EINVAL && attr_.read_format != 0) { // before Linux 6.0
      attr_.read_format = 0;
    } else if (attr_.type == PERF_TYPE_HARDWARE &&
               (errno == ENOENT || errno == EOPNOTSUPP || errno == EINVAL)) {
      attr_.type = PERF_TYPE_SOFTWARE; // no hardware counters
      attr_.config = PERF_COUNT_SW_CPU_CLOCK;
    } else {
      return -1;
    }
  }
}

bool RingEvents::add_thread(int32_t tid) {
  const size_t before = events_.size();
  for (size_t i = 0; i < rings_.size(); ++i) {
    Descriptor event{open_event(tid, static_cast<int>(cpus_[i]))};
    if (!event.is_open()) {
      const int error = errno;
      if (error == ENODEV) continue; // this CPU has been switched off
      events_.resize(before);
      if (error == ESRCH) return false;
      refuse(error, tid, before, static_cast<uint32_t>(attr_.sample_freq));
    }
    if (ioctl(event.get(), PERF_EVENT_IOC_SET_OUTPUT, rings_[i].fd()) != 0)
      throw Error{Status::kIo, fmt::format("an event cannot write to the ring of CPU {}: {}",
                                           cpus_[i], strerrordesc_np(errno))};
    events_.push_back(std::move(event));
  }
  for (size_t i = before; i < events_.size(); ++i)
    ioctl(events_[i].get(), PERF_EVENT_IOC_ENABLE, 0);
  return true;
}

void RingEvents::stop() noexcept {
  for (const Descriptor &event : events_) ioctl(event.get(), PERF_EVENT_IOC_DISABLE, 0);
}

uint64_t RingEvents::lost() const noexcept {
  if (attr_.read_format == 0) return 0;
  uint64_t sum = 0;
  for (const Descriptor &event : events_) {
    uint64_t values[2]; // the count, and what was lost
    if (read(event.get(), values, sizeof values) == sizeof values) sum += values[1];
  }
  return sum;
}

std::string_view RingEvents::event() const noexcept {
  return attr_.type == PERF_TYPE_HARDWARE ? "cycles" : "cpu-clock";
}

} // namespace profcore::sampler
