#include "sources/sampler/side_band.hpp"

#include "base/error.hpp"
#include "sources/sampler/perf_records.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fmt/format.h>

namespace profcore::sampler {
namespace {

/// Records name processes by their ids in our pid namespace; those outside it have none.
bool is_outside(uint32_t pid) {
  return static_cast<int32_t>(pid) <= 0;
}

} // namespace

SideBand::SideBand(int cpus, size_t pages_per_cpu) : pages_{pages_per_cpu} {
  for (int cpu = 0; cpu < cpus; ++cpu) open(cpu);
}

bool SideBand::open(int cpu) {
  perf_event_attr attr{};
  attr.type = PERF_TYPE_SOFTWARE;
  attr.size = sizeof attr;
  attr.config = PERF_COUNT_SW_DUMMY;
  attr.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME;
  attr.sample_id_all = 1;
  attr.mmap = 1;
  attr.mmap2 = 1;
  attr.comm = 1;
  attr.comm_exec = 1;
  attr.task = 1;
  attr.exclude_kernel = 0;
  attr.use_clockid = 1;
  attr.clockid = CLOCK_BOOTTIME; // as start times in /proc
  attr.watermark = 1;
  attr.wakeup_watermark = 1;
  Descriptor event{open_perf_event(attr, -1, cpu)};
  if (!event.is_open()) {
    if (errno == ENODEV) return false; // this CPU is off
    throw Error{
        errno == EACCES || errno == EPERM ? Status::kPermission : Status::kIo,
        fmt::format("the side-band of CPU {} cannot be opened: {}", cpu, strerrordesc_np(errno))};
  }
  rings_.emplace_back(std::move(event), pages_);
  cpus_.push_back(cpu);
  return true;
}

const PerfRing *SideBand::reopen(int cpu) {
  const auto at = std::find(cpus_.begin(), cpus_.end(), cpu) - cpus_.begin();
  if (!open(cpu)) return nullptr;
  if (static_cast<size_t>(at) + 1 == rings_.size()) return &rings_.back();
  read(rings_[static_cast<size_t>(at)]); // the last before it was switched off
  rings_.erase(rings_.begin() + at);
  cpus_.erase(cpus_.begin() + at);
  return &rings_.back();
}

/// Copies records out. Returns how many were none.
uint64_t SideBand::read(PerfRing &ring) {
  ring.read([&](const perf_event_header &, std::span<const uint8_t> record) {
    if (const std::optional<uint64_t> time = time_of(record))
      keep(*time, record);
    else
      ring.note_damage();
  });
  return ring.take_damage();
}

uint64_t apply_record(std::span<const uint8_t> bytes, uint64_t time, ProcessTable &processes) {
  perf_event_header header;
  if (!read_as(bytes, header)) return 0;
  const auto is_news = [&](uint32_t pid) {
    return !is_outside(pid) && processes.is_news(static_cast<int32_t>(pid), time);
  };
  switch (header.type) {
  case PERF_RECORD_MMAP2: {
    MmapRecord record;
    if (!read_as(bytes, record) || !is_news(record.pid)) break;
    processes.on_mmap(static_cast<int32_t>(record.pid), record.start, record.size, record.offset,
                      {record.major, record.minor, record.inode},
                      text_behind(bytes, sizeof record));
    break;
  }
  case PERF_RECORD_COMM: {
    CommRecord record;
    if (!read_as(bytes, record) || record.pid != record.tid || !is_news(record.pid)) break;
    processes.on_comm(static_cast<int32_t>(record.pid), text_behind(bytes, sizeof record),
                      (header.misc & PERF_RECORD_MISC_COMM_EXEC) != 0);
    break;
  }
  case PERF_RECORD_FORK: {
    TaskRecord record;
    if (!read_as(bytes, record) || is_outside(record.pid)) break;
    if (record.pid != record.parent_pid)
      processes.on_fork(static_cast<int32_t>(record.pid), static_cast<int32_t>(record.parent_pid),
                        record.time);
    else if (is_news(record.pid))
      processes.on_thread(static_cast<int32_t>(record.pid));
    break;
  }
  case PERF_RECORD_EXIT: {
    TaskRecord record;
    if (!read_as(bytes, record) || !is_news(record.pid)) break;
    processes.on_exit(static_cast<int32_t>(record.pid), static_cast<int32_t>(record.tid));
    break;
  }
  case PERF_RECORD_LOST: {
    LostRecord record;
    if (read_as(bytes, record)) return record.lost;
    break;
  }
  default:
    break;
  }
  return 0;
}

void SideBand::keep(uint64_t time, std::span<const uint8_t> record) {
  events_.push_back({time, bytes_.size()});
  bytes_.resize(bytes_.size() + (record.size() + 7) / 8);
  std::memcpy(&bytes_[events_.back().offset], record.data(), record.size());
}

SideBand::Applied SideBand::apply(ProcessTable &processes) {
  constexpr uint64_t kUnderWay = 20000; // nanoseconds between a record's time and its being there
  Applied applied;
  const uint64_t until = since_boot() - kUnderWay;
  std::swap(bytes_, bytes_before_);
  std::swap(events_, events_before_);
  bytes_.clear();
  events_.clear();
  const auto *before = reinterpret_cast<const uint8_t *>(bytes_before_.data());
  for (const Event &event : events_before_) {
    const uint8_t *record = before + 8 * event.offset;
    perf_event_header header;
    std::memcpy(&header, record, sizeof header);
    keep(event.time, {record, header.size});
  }
  for (PerfRing &ring : rings_) {
    applied.lost += read(ring);
    applied.was_full = applied.was_full || ring.was_full();
  }
  std::stable_sort(events_.begin(), events_.end(),
                   [](const Event &a, const Event &b) { return a.time < b.time; });
  size_t done = 0;
  constexpr uint64_t kOtherClock = 1'000'000'000; // this process may have its own, by a namespace
  const auto is_due = [&](const Event &event) {
    return event.time <= until || event.time - until > kOtherClock;
  };
  for (; done < events_.size() && is_due(events_[done]); ++done) {
    const Event &event = events_[done];
    const auto *bytes = reinterpret_cast<const uint8_t *>(&bytes_[event.offset]);
    perf_event_header header;
    std::memcpy(&header, bytes, sizeof header);
    applied.lost += apply_record({bytes, header.size}, event.time, processes);
  }
  events_.erase(events_.begin(), events_.begin() + static_cast<ptrdiff_t>(done));
  applied.records = done;
  applied.has_more = !events_.empty();
  return applied;
}

} // namespace profcore::sampler
