// The sampler for those who may not load BPF: the kernel copies registers and the top of the user
// stack of one's own threads to rings, and all the rest happens here.
//
// Each CPU has one ring, with samples and the news of the sampled processes (mappings, programs
// run, threads, exits) in the order of their times; the rings are merged by time, so that a sample
// is walked with the mappings of its moment, and records are used where they lie. What is younger
// than a millisecond when reading begins waits for the next time, as another CPU may still be
// writing something older. Each sample is walked at once, by the step and the rows of the BPF
// program, and counted: a window holds distinct stacks and counts, never dumps.
//
// Why not frame pointers, which the kernel would walk for a hundredth of the data (callchain): most
// programs have none. Why not one event for all CPUs: such an event cannot be inherited and have a
// ring.
//
// What a sample costs is the walk. Where that is over the budget, samples are left out here, and
// each that is walked stands for the time of those before it. Why not a longer period of the events
// (PERF_EVENT_IOC_PERIOD): the kernel changes it for those that were opened, but not for those that
// running threads and children have inherited from them, nor can these be opened anew without a
// gap. What is left out is copied by the kernel all the same, some microseconds each.

#include "base/error.hpp"
#include "sources/sampler/clock.hpp"
#include "sources/sampler/java_finder.hpp"
#include "sources/sampler/perf_records.hpp"
#include "sources/sampler/rate_control.hpp"
#include "sources/sampler/ring_events.hpp"
#include "sources/sampler/ring_order.hpp"
#include "sources/sampler/side_band.hpp"
#include "sources/sampler/trampolines.hpp"
#include "sources/sampler/user_unwinder.hpp"
#include "sources/sampler/window_builder.hpp"
#include "unwind_row.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <unordered_set>

namespace profcore::sampler {
namespace {

constexpr size_t kMostCounts = size_t{1} << 17; ///< keys of a window
constexpr uint64_t kStillWritten = 1'000'000;   ///< nanoseconds

std::vector<int32_t> list_threads(int32_t pid) {
  std::vector<int32_t> threads;
  const std::string path = fmt::format("/proc/{}/task", pid);
  const std::unique_ptr<DIR, int (*)(DIR *)> folder{opendir(path.c_str()), closedir};
  if (!folder && errno != ENOENT)
    throw Error{Status::kIo, fmt::format("the threads of process {} cannot be listed: {}", pid,
                                         strerrordesc_np(errno))};
  while (folder) {
    const dirent *entry = readdir(folder.get());
    if (entry == nullptr) break;
    const std::string_view name{entry->d_name};
    int32_t tid = 0;
    const auto [at, error] = std::from_chars(name.data(), name.data() + name.size(), tid);
    if (error == std::errc{} && at == name.data() + name.size()) threads.push_back(tid);
  }
  return threads;
}

[[noreturn]] void refuse_process(int32_t pid) {
  if (access(fmt::format("/proc/{}", pid).c_str(), F_OK) != 0)
    throw Error{Status::kNotFound, fmt::format("there is no process {}", pid)};
  throw Error{Status::kPermission,
              fmt::format("process {} may not be looked into: it is another user's, or has "
                          "privileges that this one has not",
                          pid)};
}

struct Comm {
  char text[SAMPLER_COMM] = {};

  void set(std::string_view name) {
    const size_t size = std::min(name.size(), sizeof text - 1);
    std::memset(text, 0, sizeof text);
    std::memcpy(text, name.data(), size);
  }
};

Comm comm_of_thread(int32_t pid, int32_t tid) {
  Comm comm;
  const Descriptor file{
      open(fmt::format("/proc/{}/task/{}/comm", pid, tid).c_str(), O_RDONLY | O_CLOEXEC)};
  char text[64];
  const ssize_t got = file.is_open() ? read(file.get(), text, sizeof text) : -1;
  if (got > 0) comm.set({text, static_cast<size_t>(text[got - 1] == '\n' ? got - 1 : got)});
  return comm;
}

uint64_t mix(uint64_t hash, uint64_t frame) {
  hash = (hash ^ frame) * UINT64_C(0xff51afd7ed558ccd);
  return hash ^ (hash >> 32);
}

struct KeyHash {
  size_t operator()(const sampler_key &key) const noexcept {
    return static_cast<size_t>(mix(mix(key.stack, key.tid), key.cpu));
  }
};
struct KeyEqual {
  bool operator()(const sampler_key &a, const sampler_key &b) const noexcept {
    return std::memcmp(&a, &b, sizeof a) == 0;
  }
};

class RingSampler final : public Sampler {
public:
  explicit RingSampler(const Options &options);

  int fd() const noexcept override { return epoll_.get(); }
  void process() override;
  Window drain() override;
  void stop() override;
  Stats stats() const override;
  void charge(uint64_t nanoseconds) override { stats_.own_cpu_nanoseconds += nanoseconds; }
  std::vector<JavaCode> take_java() override { return java_.take(); }

private:
  void watch_rings();
  void replace_silent_rings();
  void start_timer();
  void attach(int32_t pid);
  void read_rings(uint64_t until);
  void count_lost(uint64_t records);
  void take(std::span<const uint8_t> record, uint64_t time, uint32_t cpu);
  void take_sample(std::span<const uint8_t> record, uint32_t cpu);
  uint64_t time_to_stand_for(const SampleRecord &sample);
  void watch_cost();
  void take_task(std::span<const uint8_t> record);
  Process *process_of(int32_t pid);
  void scan_again();
  void forget_exited();
  void keep_up();

  Options options_;
  ModuleFiles files_;
  ProcessTable processes_{files_};
  UserUnwinder unwinder_;
  RingEvents events_;
  Descriptor epoll_;
  Descriptor timer_;                    ///< only where rings cannot tell of themselves
  std::unordered_set<int32_t> sampled_; ///< while starting: threads that have events
  std::unordered_map<int32_t, Comm> threads_;
  std::unordered_set<int32_t> ended_threads_;
  std::unordered_set<int32_t> unknown_; ///< processes that /proc did not let us read
  std::unordered_map<sampler_key, sampler_count, KeyHash, KeyEqual> counts_;
  StackStore stacks_;
  JavaFinder java_;
  std::array<uint64_t, SAMPLER_MAX_FRAMES> frames_{};
  sampler_stack scratch_{};
  bool is_starting_ = true;
  bool is_stopped_ = false;
  bool lost_news_ = false;
  uint64_t period_ns_;
  RateControl rate_;
  uint64_t reading_ns_ = 0;                      ///< CPU time of reading rings, walks and all
  std::unordered_map<int32_t, uint64_t> unused_; ///< time of a thread's samples that were left out
  int64_t window_start_ = 0;                     ///< since 1970
  uint64_t lost_told_ = 0;                       ///< by records
  uint64_t lost_here_ = 0;                       ///< no sample, or no room
  Stats stats_;
};

RingSampler::RingSampler(const Options &options)
    : options_{options}, unwinder_{files_, options.row_budget},
      events_{RingEvents::Options{options.frequency, options.follow_children, options.stack_bytes}},
      java_{options.java}, period_ns_{UINT64_C(1000000000) / options.frequency},
      rate_{options.frequency, options.cpu_budget} {
  CpuClock clock{stats_.own_cpu_nanoseconds};
  epoll_ = Descriptor{epoll_create1(EPOLL_CLOEXEC)};
  if (!epoll_.is_open()) throw Error{Status::kIo, "no epoll descriptor"};
  watch_rings();
  // Rows of what is mapped now are made before the rings fill.
  for (const int32_t pid : options_.pids) {
    Process *process = processes_.scan(pid);
    if (process == nullptr) refuse_process(pid);
    if (!options_.user_stacks) continue;
    find_trampolines(*process, files_);
    for (const Mapping &mapping : process->mappings) unwinder_.prepare(pid, mapping);
  }
  for (const int32_t pid : options_.pids) attach(pid);
  // What was mapped before the events told of it.
  for (const int32_t pid : options_.pids) processes_.scan(pid);
  is_starting_ = false;
  sampled_.clear();
  window_start_ = now(CLOCK_REALTIME);
}

void RingSampler::watch_rings() {
  for (const PerfRing &ring : events_.rings()) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = ring.fd();
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, ring.fd(), &event) != 0)
      throw Error{Status::kIo, fmt::format("epoll: {}", strerrordesc_np(errno))};
  }
}

/// A ring's own event hangs up when the first thread of this process ends, and would keep the host
/// awake for ever. The ring goes on, and is looked at from time to time.
void RingSampler::replace_silent_rings() {
  epoll_event told[16];
  const int count = epoll_wait(epoll_.get(), told, 16, 0);
  for (int i = 0; i < count; ++i) {
    uint64_t ticks = 0;
    if (told[i].data.fd == timer_.get()) {
      if (read(timer_.get(), &ticks, sizeof ticks) < 0) continue; // it was no tick
    } else if ((told[i].events & (EPOLLHUP | EPOLLERR)) != 0) {
      epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, told[i].data.fd, nullptr);
      if (!timer_.is_open()) start_timer();
    }
  }
}

void RingSampler::start_timer() {
  timer_ = Descriptor{timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)};
  const timespec often{0, 50'000'000};
  const itimerspec times{often, often};
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = timer_.get();
  if (!timer_.is_open() || timerfd_settime(timer_.get(), 0, &times, nullptr) != 0 ||
      epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, timer_.get(), &event) != 0)
    throw Error{Status::kIo, fmt::format("timerfd: {}", strerrordesc_np(errno))};
}

/// Every thread of a process, each once: those that are started meanwhile by one that has its
/// events have them too, which the kernel's news of them says.
void RingSampler::attach(int32_t pid) {
  constexpr int kRounds = 100; // for those that start threads faster than we look
  std::unordered_set<int32_t> seen;
  bool any = false;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<int32_t> fresh;
    for (const int32_t tid : list_threads(pid))
      if (seen.insert(tid).second) fresh.push_back(tid);
    if (fresh.empty()) break;
    if (round > 0) {
      const timespec until_it_is_told{0, 1000000};
      nanosleep(&until_it_is_told, nullptr);
      read_rings(UINT64_MAX);
    }
    for (const int32_t tid : fresh) {
      const bool is_new = !sampled_.contains(tid);
      if (is_new && !events_.add_thread(tid)) continue;
      any = true;
      if (!is_new) continue;
      sampled_.insert(tid);
      threads_[tid] = comm_of_thread(pid, tid);
    }
  }
  if (!any) throw Error{Status::kNotFound, fmt::format("process {} has ended", pid)};
}

void RingSampler::read_rings(uint64_t until) {
  read_in_order(events_.rings(), until,
                [&](size_t ring, uint64_t time, std::span<const uint8_t> record) {
                  take(record, time, events_.cpu(ring));
                });
  for (PerfRing &ring : events_.rings()) count_lost(ring.take_damage());
}

/// Mappings may be among them. So processes are read again, once at the first, for the samples that
/// follow, and once at the end.
void RingSampler::count_lost(uint64_t records) {
  lost_told_ += records;
  if (records != 0 && !std::exchange(lost_news_, true)) scan_again();
}

void RingSampler::take(std::span<const uint8_t> record, uint64_t time, uint32_t cpu) {
  perf_event_header header;
  if (!read_as(record, header)) return;
  if (header.type == PERF_RECORD_SAMPLE) {
    take_sample(record, cpu);
    return;
  }
  take_task(record);
  count_lost(apply_record(record, time, processes_));
}

/// Threads, which the process table does not keep.
void RingSampler::take_task(std::span<const uint8_t> record) {
  perf_event_header header;
  if (!read_as(record, header)) return;
  if (header.type == PERF_RECORD_COMM) {
    CommRecord comm;
    if (read_as(record, comm))
      threads_[static_cast<int32_t>(comm.tid)].set(text_behind(record, sizeof comm));
    return;
  }
  TaskRecord task;
  if ((header.type != PERF_RECORD_FORK && header.type != PERF_RECORD_EXIT) ||
      !read_as(record, task))
    return;
  const auto tid = static_cast<int32_t>(task.tid);
  if (header.type == PERF_RECORD_EXIT) {
    ended_threads_.insert(tid);
    return;
  }
  if (!options_.follow_children && task.pid != task.parent_pid) return;
  if (is_starting_) sampled_.insert(tid);
  const auto parent = threads_.find(static_cast<int32_t>(task.parent_tid));
  const Comm comm = parent == threads_.end() ? Comm{} : parent->second;
  threads_[tid] = comm;
  ended_threads_.erase(tid); // the id lives again
}

Process *RingSampler::process_of(int32_t pid) {
  if (Process *known = processes_.find(pid)) return known;
  if (pid <= 0 || unknown_.contains(pid)) return nullptr;
  Process *found = processes_.scan(pid);
  if (found == nullptr) unknown_.insert(pid);
  return found;
}

/// The time of a thread since its last sample that was not left out; 0: this one is. A thread's
/// first comes after a part of the period by chance, or those that end soon would never be seen;
/// what they have left in the end makes up for it.
uint64_t RingSampler::time_to_stand_for(const SampleRecord &sample) {
  const uint64_t period = UINT64_C(1000000000) / rate_.frequency();
  if (period <= period_ns_) return period_ns_;
  const auto tid = static_cast<int32_t>(sample.tid);
  const auto [at, is_new] = unused_.try_emplace(tid, mix(sample.time, sample.tid) % period);
  at->second += period_ns_;
  const uint64_t stands_for = at->second - at->second % period;
  at->second -= stands_for;
  return stands_for;
}

/// Rows of files that are new are no steady cost, and no more rarely made when samples are rarer.
void RingSampler::watch_cost() {
  if (!rate_.is_on()) return;
  const uint64_t sampling = reading_ns_ - std::min(reading_ns_, unwinder_.preparing_nanoseconds());
  const Cost spent{sampling,
                   stats_.own_cpu_nanoseconds - std::min(sampling, stats_.own_cpu_nanoseconds)};
  const int64_t time = now(CLOCK_MONOTONIC);
  if (!rate_.has_started())
    rate_.start(time, spent);
  else if (rate_.update(time, spent) && rate_.frequency() == options_.frequency)
    unused_.clear();
  constexpr size_t kMostThreads = 65536; // whose end was not told, too
  if (unused_.size() > kMostThreads) unused_.clear();
}

void RingSampler::take_sample(std::span<const uint8_t> record, uint32_t cpu) {
  const std::optional<SampleRecord> sample = parse_sample(record);
  const uint64_t nanoseconds = sample ? time_to_stand_for(*sample) : period_ns_;
  if (nanoseconds == 0) return;
  ++stats_.taken;
  if (!sample) {
    ++lost_here_;
    return;
  }
  Process *process = process_of(static_cast<int32_t>(sample->pid));
  if (process == nullptr)
    ++stats_.unregistered;
  else if (options_.user_stacks && process->is_changed)
    find_trampolines(*process, files_);
  UserUnwinder::Walk walk;
  if (options_.user_stacks) walk = unwinder_.walk(process, *sample, frames_);
  ++stats_.stops[walk.stop];
  scratch_.tgid = sample->pid;
  scratch_.user_frames = static_cast<uint16_t>(walk.frames);
  scratch_.stop = walk.stop;
  scratch_.hash = mix(walk.stop, walk.frames);
  for (size_t i = 0; i < walk.frames; ++i) scratch_.hash = mix(scratch_.hash, frames_[i]);

  const sampler_key key{sample->pid, sample->tid, scratch_.hash, options_.per_cpu ? cpu : ~0U,
                        process == nullptr ? 0 : SAMPLER_STARTED(process->start_time)};
  const auto known = counts_.find(key);
  if (known != counts_.end()) {
    ++known->second.samples;
    known->second.nanoseconds += nanoseconds;
    return;
  }
  if (counts_.size() >= kMostCounts) {
    ++lost_here_;
    return;
  }
  sampler_count count{};
  count.samples = 1;
  count.nanoseconds = nanoseconds;
  const auto thread = threads_.find(static_cast<int32_t>(sample->tid));
  if (thread != threads_.end()) std::memcpy(count.comm, thread->second.text, sizeof count.comm);
  Comm name;
  if (process != nullptr) name.set(process->comm);
  std::memcpy(count.process_comm, name.text, sizeof count.process_comm);
  counts_.emplace(key, count);
  std::copy_n(frames_.begin(), walk.frames, scratch_.frames);
  if (stacks_.add(scratch_, SAMPLER_STACK_HEAD + walk.frames * sizeof(uint64_t)))
    java_.saw(scratch_);
}

/// After news were lost: what /proc says of the processes that are known.
void RingSampler::scan_again() {
  std::vector<int32_t> living;
  for (const auto &[pid, process] : processes_.all())
    if (!process.has_exited) living.push_back(pid);
  for (const int32_t pid : living)
    if (processes_.scan(pid) != nullptr) ++stats_.rescans;
}

void RingSampler::forget_exited() {
  std::vector<int32_t> forgotten;
  processes_.forget_exited(forgotten);
}

void RingSampler::keep_up() {
  watch_cost();
  replace_silent_rings();
  {
    CpuClock clock{reading_ns_};
    read_rings(is_stopped_ ? UINT64_MAX : since_boot() - kStillWritten);
  }
  java_.look(processes_, files_);
  if (std::exchange(lost_news_, false)) scan_again();
  const std::vector<int32_t> suspects = processes_.take_suspects();
  for (const int32_t pid : std::unordered_set<int32_t>{suspects.begin(), suspects.end()})
    if (processes_.scan(pid) != nullptr) ++stats_.rescans;
  if (processes_.has_many_exited()) forget_exited(); // nobody drains
  for (const int32_t pid : processes_.take_changed())
    if (Process *process = processes_.find(pid); process != nullptr && options_.user_stacks)
      find_trampolines(*process, files_);
  // Lists for those that keep a copy in the kernel.
  processes_.take_exited();
  processes_.take_recycled();
  files_.take_opened();
}

void RingSampler::process() {
  keep_up();
}

Window RingSampler::drain() {
  CpuClock clock{stats_.own_cpu_nanoseconds};
  keep_up();
  // Before the window, which hands out descriptors of files.
  const std::vector<bool> mapped = processes_.mapped_modules(true);
  files_.age(mapped);
  unwinder_.age(mapped);
  const int64_t end = now(CLOCK_REALTIME);
  WindowBuilder builder{
      options_, files_, processes_, stacks_,
      fmt::format("sampled without privileges on {}: time in the kernel is not seen",
                  events_.event())};
  for (const auto &[key, count] : counts_) {
    stats_.delivered += count.samples;
    if (!builder.add(key, count)) stats_.lost_stacks += count.samples;
  }
  Window window = builder.finish(window_start_, end - window_start_);
  window_start_ = end;
  counts_.clear();
  stacks_.clear();
  unknown_.clear();
  for (const int32_t tid : ended_threads_) {
    threads_.erase(tid);
    unused_.erase(tid);
  }
  ended_threads_.clear();
  processes_.find_gone();
  forget_exited();
  return window;
}

void RingSampler::stop() {
  if (is_stopped_) return;
  CpuClock clock{stats_.own_cpu_nanoseconds};
  events_.stop();
  is_stopped_ = true;
  keep_up();
}

Stats RingSampler::stats() const {
  Stats stats = stats_;
  // A ring tells of its losses with the next record that it has room for, the event at once.
  const uint64_t lost = std::max(lost_told_, events_.lost());
  stats.taken += lost;
  stats.lost_counts = lost + lost_here_;
  stats.lost_records = lost;
  stats.truncated = stats.stops[UNWIND_DEPTH];
  stats.row_bytes = unwinder_.bytes();
  stats.rows = unwinder_.rows();
  stats.files_without_rows = unwinder_.files_without_rows();
  stats.processes = const_cast<ProcessTable &>(processes_).all().size();
  stats.modules = files_.known();
  stats.cut_registrations = processes_.cut_mappings();
  stats.evicted_files = unwinder_.evicted();
  stats.frequency = rate_.frequency();
  stats.times_lowered = rate_.times_lowered();
  stats.event = events_.event();
  return stats;
}

} // namespace

std::unique_ptr<Sampler> start_ring_sampler(const Options &options) {
  if (options.frequency < 1 || options.frequency > 1000)
    throw Error{Status::kInvalidArgument, "the frequency is 1 to 1000 a second and CPU"};
  if (options.pids.empty() || !options.name_pattern.empty() || !options.cgroup.empty())
    throw Error{Status::kInvalidArgument,
                "the perf ring samples processes that are given by their ids, nothing else"};
  return std::make_unique<RingSampler>(options);
}

} // namespace profcore::sampler
