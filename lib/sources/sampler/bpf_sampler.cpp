// The sampler that lives in the kernel.
//
// Three streams come up: the side-band (which process has what mapped), stacks that are new, and
// counts. The first two are read whenever the host's poll says so; counts stay in the kernel until
// a window is drained. Mappings and unwind rows go down. A process is made known with its mappings
// at once, by frame pointers only; its files' rows follow as they are made, so that a short-lived
// process is not missed because libLLVM takes a tenth of a second.

#include "base/error.hpp"
#include "sampler.skel.h"
#include "sources/sampler/bpf_tables.hpp"
#include "sources/sampler/row_pool.hpp"
#include "sources/sampler/side_band.hpp"
#include "sources/sampler/unwind_table.hpp"
#include "sources/sampler/window_builder.hpp"
#include "unwind_row.h"

#include <algorithm>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <new>
#include <optional>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <unordered_set>

namespace profcore::sampler {
namespace {

int64_t now(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

/// Adds the CPU time of a call to a sum.
class CpuClock {
public:
  explicit CpuClock(uint64_t &sum) : sum_{sum}, began_{now(CLOCK_THREAD_CPUTIME_ID)} {}
  CpuClock(const CpuClock &) = delete;
  CpuClock &operator=(const CpuClock &) = delete;
  ~CpuClock() { sum_ += static_cast<uint64_t>(now(CLOCK_THREAD_CPUTIME_ID) - began_); }

private:
  uint64_t &sum_;
  int64_t began_;
};

/// libbpf says what it does on stderr unless it is told not to, and is told for the whole process:
/// so only while it is at work for us.
class QuietLibbpf {
public:
  QuietLibbpf() : before_{libbpf_set_print(say_nothing)} {}
  QuietLibbpf(const QuietLibbpf &) = delete;
  QuietLibbpf &operator=(const QuietLibbpf &) = delete;
  ~QuietLibbpf() { libbpf_set_print(before_); }

private:
  static int say_nothing(libbpf_print_level, const char *, va_list) { return 0; }
  libbpf_print_fn_t before_;
};

struct SkeletonCloser {
  void operator()(sampler_bpf *skeleton) const noexcept { sampler_bpf__destroy(skeleton); }
};
struct RingCloser {
  void operator()(ring_buffer *ring) const noexcept { ring_buffer__free(ring); }
};

[[noreturn]] void fail(int error, std::string_view what) {
  throw Error{error == EPERM || error == EACCES ? Status::kPermission : Status::kUnsupported,
              fmt::format("{}: {}", what, strerrordesc_np(error))};
}

/// Samples carry the ids of the first pid namespace, everything else those of ours.
bool in_first_pid_namespace() {
  constexpr ino_t kFirst = 0xEFFFFFFCU; // PROC_PID_INIT_INO
  struct stat info {};
  return stat("/proc/self/ns/pid", &info) != 0 || info.st_ino == kFirst;
}

class BpfSampler final : public Sampler {
public:
  explicit BpfSampler(const Options &options);

  int fd() const noexcept override { return epoll_.get(); }
  void process() override;
  Window drain() override;
  void stop() override { links_.clear(); }
  Stats stats() const override;

private:
  void load();
  void attach();
  void choose_cgroup();
  void watch(int fd);
  void register_all();
  void register_changed();
  void forget_in_kernel(int32_t pid);
  bool is_target(const Process &process);
  void register_process(const Process &process);
  bool prepare_module(uint32_t module);
  void prepare_modules(int64_t budget_ns);
  void keep_up();
  void read_counts(uint32_t window, WindowBuilder &builder);
  std::vector<uint64_t> read_counters() const;
  static int take_stack(void *self, void *data, size_t size);

  Options options_;
  std::optional<Regex> name_;
  bool selects_ = false; ///< only some processes are sampled
  std::unique_ptr<sampler_bpf, SkeletonCloser> skeleton_;
  std::unique_ptr<ring_buffer, RingCloser> ring_;
  std::vector<std::unique_ptr<bpf_link, int (*)(bpf_link *)>> links_;
  std::unique_ptr<SideBand> side_band_;
  std::unique_ptr<RowPool> rows_;
  Descriptor epoll_;
  Descriptor more_work_; ///< an eventfd, readable while modules wait to be prepared
  ModuleFiles files_;
  ProcessTable processes_{files_};
  std::unordered_set<int32_t> targets_;
  std::vector<uint32_t> waiting_; ///< modules to prepare
  StackStore stacks_[2];
  uint32_t window_ = 0;
  int cpus_ = 0;
  int64_t window_start_ = 0; ///< since 1970
  mutable Stats stats_;
  sampler_process scratch_{};
};

BpfSampler::BpfSampler(const Options &options)
    : options_{options}, selects_{!options.pids.empty() || !options.name_pattern.empty()} {
  CpuClock clock{stats_.own_cpu_nanoseconds};
  if (options.frequency < 1 || options.frequency > 1000)
    throw Error{Status::kInvalidArgument, "the frequency is 1 to 1000 a second and CPU"};
  if (!options.name_pattern.empty()) name_.emplace(options.name_pattern, "name");
  targets_.insert(options.pids.begin(), options.pids.end());
  if (!in_first_pid_namespace())
    throw Error{
        Status::kUnsupported,
        "the kernel names processes by other ids than this pid namespace: run in the host's "
        "(docker --pid=host)"};
  cpus_ = libbpf_num_possible_cpus();
  load();
  epoll_ = Descriptor{epoll_create1(EPOLL_CLOEXEC)};
  if (!epoll_.is_open()) fail(errno, "epoll");
  // First the stream of changes, then the state, so that nothing falls in between.
  side_band_ = std::make_unique<SideBand>(cpus_, 64);
  for (const PerfRing &ring : side_band_->rings()) watch(ring.fd());
  watch(ring_buffer__epoll_fd(ring_.get()));
  more_work_ = Descriptor{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!more_work_.is_open()) fail(errno, "eventfd");
  watch(more_work_.get());
  register_all();
  attach();
  window_start_ = now(CLOCK_REALTIME);
}

void BpfSampler::watch(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) fail(errno, "epoll");
}

void BpfSampler::load() {
  QuietLibbpf quiet;
  skeleton_.reset(sampler_bpf__open());
  if (!skeleton_) fail(errno, "the BPF program cannot be opened");
  skeleton_->rodata->only_targets = selects_ ? 1 : 0;
  skeleton_->rodata->only_cgroup = options_.cgroup.empty() ? 0 : 1;
  skeleton_->rodata->per_cpu = options_.per_cpu ? 1 : 0;
  skeleton_->rodata->kernel_stacks = options_.kernel_stacks ? 1 : 0;
  // Room for half a minute of samples that are all different.
  const uint64_t wanted = uint64_t{options_.frequency} * static_cast<uint64_t>(cpus_) * 30;
  const auto entries = static_cast<uint32_t>(std::clamp<uint64_t>(wanted, 4096, 1 << 17));
  const auto chunks = static_cast<uint32_t>(
      std::clamp<uint64_t>(options_.row_budget / (SAMPLER_CHUNK_ROWS * 8), 1, 1024));
  bpf_map__set_max_entries(skeleton_->maps.counts_even, entries);
  bpf_map__set_max_entries(skeleton_->maps.counts_odd, entries);
  bpf_map__set_max_entries(skeleton_->maps.sent_even, entries);
  bpf_map__set_max_entries(skeleton_->maps.sent_odd, entries);
  bpf_map__set_max_entries(skeleton_->maps.row_chunks, chunks);
  const int error = sampler_bpf__load(skeleton_.get());
  if (error != 0) fail(-error, "the BPF program cannot be loaded");
  if (!options_.cgroup.empty()) choose_cgroup();
  rows_ = std::make_unique<RowPool>(bpf_map__fd(skeleton_->maps.row_chunks), chunks);
  ring_.reset(ring_buffer__new(bpf_map__fd(skeleton_->maps.stacks), take_stack, this, nullptr));
  if (!ring_) fail(errno, "the ring of stacks cannot be opened");
}

void BpfSampler::choose_cgroup() {
  const Descriptor folder{open(options_.cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  struct statfs info {};
  if (!folder.is_open())
    throw Error{
        errno == ENOENT ? Status::kNotFound : Status::kIo,
        fmt::format("the cgroup {} cannot be opened: {}", options_.cgroup, strerrordesc_np(errno))};
  if (fstatfs(folder.get(), &info) != 0 || info.f_type != CGROUP2_SUPER_MAGIC)
    throw Error{Status::kInvalidArgument,
                fmt::format("{} is no directory of cgroup v2", options_.cgroup)};
  const uint32_t zero = 0;
  const auto fd = static_cast<uint32_t>(folder.get());
  if (bpf_map_update_elem(bpf_map__fd(skeleton_->maps.cgroups), &zero, &fd, BPF_ANY) != 0)
    fail(errno, "the cgroup cannot be chosen");
}

void BpfSampler::attach() {
  QuietLibbpf quiet;
  perf_event_attr attr{};
  attr.size = sizeof attr;
  attr.type = PERF_TYPE_HARDWARE;
  attr.config = PERF_COUNT_HW_CPU_CYCLES;
  attr.freq = 1;
  attr.sample_freq = options_.frequency;
  stats_.event = "cycles";
  for (int cpu = 0; cpu < cpus_; ++cpu) {
    Descriptor event{open_perf_event(attr, -1, cpu)};
    if (!event.is_open() && errno != ENODEV &&
        attr.type == PERF_TYPE_HARDWARE) { // no PMU, as in many machines
      attr.type = PERF_TYPE_SOFTWARE;
      attr.config = PERF_COUNT_SW_CPU_CLOCK;
      stats_.event = "cpu-clock";
      event = Descriptor{open_perf_event(attr, -1, cpu)};
    }
    if (!event.is_open()) {
      if (errno == ENODEV) continue;
      fail(errno, fmt::format("the clock of CPU {} cannot be opened", cpu));
    }
    bpf_link *link = bpf_program__attach_perf_event(skeleton_->progs.take_sample, event.get());
    if (link == nullptr) fail(errno, "the BPF program cannot be attached");
    event.release(); // the link has it
    links_.emplace_back(link, bpf_link__destroy);
  }
}

/// Called by libbpf, which is C: nothing may be thrown through it.
int BpfSampler::take_stack(void *given, void *data, size_t size) {
  auto *self = static_cast<BpfSampler *>(given);
  const auto *stack = static_cast<const sampler_stack *>(data);
  if (size < SAMPLER_STACK_HEAD) return 0;
  try {
    self->stacks_[stack->window & 1].add(*stack, size);
  } catch (const std::bad_alloc &) {
    return -ENOMEM;
  }
  return 0;
}

bool BpfSampler::is_target(const Process &process) {
  if (!selects_) return true;
  if (targets_.contains(process.pid)) return true;
  if (options_.follow_children && process.parent != 0 && targets_.contains(process.parent))
    return true;
  return name_ && (name_->search(process.comm) || name_->search(command_line_of(process.pid)));
}

void BpfSampler::register_all() {
  if (!options_.name_pattern.empty() || !selects_) {
    for (const int32_t pid : list_processes()) processes_.scan(pid);
  } else {
    for (const int32_t pid : options_.pids) {
      if (processes_.scan(pid) == nullptr)
        throw Error{Status::kNotFound, fmt::format("there is no process {} to be read", pid)};
    }
  }
  register_changed();
  prepare_modules(INT64_MAX);
}

void BpfSampler::register_process(const Process &process) {
  if (!is_target(process)) return;
  if (selects_) targets_.insert(process.pid); // also when it has ended: its children are targets
  if (process.has_exited) return;
  const auto pid = static_cast<uint32_t>(process.pid);
  if (selects_) {
    const uint32_t one = 1;
    bpf_map_update_elem(bpf_map__fd(skeleton_->maps.targets), &pid, &one, BPF_ANY);
  }
  const int processes = bpf_map__fd(skeleton_->maps.processes);
  if (process.mappings.empty()) { // a kernel thread, or between exec and the first mapping
    bpf_map_delete_elem(processes, &pid);
    return;
  }
  if (!make_bpf_process(process, files_, scratch_)) ++stats_.cut_registrations;
  if (bpf_map_update_elem(processes, &pid, &scratch_, BPF_ANY) != 0) ++stats_.failed_registrations;
}

void BpfSampler::register_changed() {
  for (const int32_t pid : processes_.take_changed())
    if (const Process *process = processes_.find(pid)) register_process(*process);
  const std::vector<uint32_t> opened = files_.take_opened();
  waiting_.insert(waiting_.end(), opened.begin(), opened.end());
  for (const int32_t pid : processes_.take_exited()) forget_in_kernel(pid);
}

void BpfSampler::forget_in_kernel(int32_t pid) {
  bpf_map_delete_elem(bpf_map__fd(skeleton_->maps.processes), &pid);
  bpf_map_delete_elem(bpf_map__fd(skeleton_->maps.targets), &pid);
}

bool BpfSampler::prepare_module(uint32_t number) {
  ModuleFile &module = files_[number];
  if (module.was_prepared) return false;
  module.was_prepared = true;
  const ModuleBytes bytes{module};
  module.build_id = read_build_id(bytes.data(), bytes.size());
  const size_t most = std::min<uint64_t>(options_.row_budget / sizeof(unwind_row), UINT32_MAX);
  UnwindTable table;
  try {
    table = build_unwind_table({bytes.data(), bytes.size()}, most);
  } catch (const Error &) { // not an ELF file of this machine, or damaged: by frame pointers
    ++stats_.files_without_rows;
    return false;
  }
  if (!rows_->place(table.rows.span(), table.base, module.rows)) {
    ++stats_.files_without_rows;
    return false;
  }
  module.code.assign(table.code.begin(), table.code.end());
  module.row_base = table.base;
  return true;
}

/// Makes rows of the files that are new, the first first, until the time is used up; then tells the
/// kernel of every process that has one of them.
void BpfSampler::prepare_modules(int64_t budget_ns) {
  if (waiting_.empty()) return;
  const int64_t began = now(CLOCK_MONOTONIC);
  std::unordered_set<uint32_t> ready;
  size_t done = 0;
  while (done < waiting_.size() && now(CLOCK_MONOTONIC) - began < budget_ns) {
    const uint32_t module = waiting_[done++];
    if (prepare_module(module)) ready.insert(module);
  }
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<ptrdiff_t>(done));
  if (ready.empty()) return;
  for (const auto &[pid, process] : processes_.all()) {
    const bool has =
        std::any_of(process.mappings.begin(), process.mappings.end(),
                    [&](const Mapping &mapping) { return ready.contains(mapping.module); });
    if (has) register_process(process);
  }
}

void BpfSampler::keep_up() {
  stats_.lost_records += side_band_->apply(processes_);
  for (const int32_t pid : processes_.take_recycled()) {
    if (std::find(options_.pids.begin(), options_.pids.end(), pid) == options_.pids.end())
      targets_.erase(pid);
    forget_in_kernel(pid);
  }
  register_changed();
  if (ring_buffer__consume(ring_.get()) == -ENOMEM) throw std::bad_alloc{};
  prepare_modules(INT64_C(20000000));
  eventfd_t count = 0;
  if (waiting_.empty())
    eventfd_read(more_work_.get(), &count); // fails when it was not set: fine
  else
    eventfd_write(more_work_.get(), 1);
}

void BpfSampler::process() {
  CpuClock clock{stats_.own_cpu_nanoseconds};
  keep_up();
}

void BpfSampler::read_counts(uint32_t window, WindowBuilder &builder) {
  const bool odd = (window & 1) != 0;
  const int counts = bpf_map__fd(odd ? skeleton_->maps.counts_odd : skeleton_->maps.counts_even);
  const int sent = bpf_map__fd(odd ? skeleton_->maps.sent_odd : skeleton_->maps.sent_even);
  constexpr uint32_t kBatch = 4096;
  std::vector<sampler_key> keys(kBatch);
  std::vector<sampler_count> values(kBatch);
  LIBBPF_OPTS(bpf_map_batch_opts, options);
  uint64_t position = 0;
  bool first = true;
  for (;;) {
    uint32_t count = kBatch;
    const int error =
        bpf_map_lookup_and_delete_batch(counts, first ? nullptr : &position, &position, keys.data(),
                                        values.data(), &count, &options);
    first = false;
    if (error != 0 && error != -ENOENT) fail(-error, "the counts cannot be read");
    for (uint32_t i = 0; i < count; ++i) {
      stats_.delivered += values[i].samples;
      if (!builder.add(keys[i], values[i])) stats_.lost_stacks += values[i].samples;
    }
    if (error == -ENOENT) break;
  }
  std::vector<uint64_t> hashes(kBatch);
  std::vector<uint32_t> ones(kBatch);
  first = true;
  for (;;) {
    uint32_t count = kBatch;
    if (bpf_map_lookup_and_delete_batch(sent, first ? nullptr : &position, &position, hashes.data(),
                                        ones.data(), &count, &options) != 0)
      break;
    first = false;
  }
}

Window BpfSampler::drain() {
  CpuClock clock{stats_.own_cpu_nanoseconds};
  keep_up();
  const uint32_t drained = window_;
  skeleton_->bss->window = ++window_;
  // Samples that began in the old window end within microseconds.
  const timespec grace{0, 200000};
  nanosleep(&grace, nullptr);
  keep_up();
  prepare_modules(INT64_MAX);
  const int64_t end = now(CLOCK_REALTIME);
  StackStore &stacks = stacks_[drained & 1];
  WindowBuilder builder{
      options_,    files_, processes_, stacks, UINT64_C(1000000000) / options_.frequency,
      stats_.event};
  read_counts(drained, builder);
  Window window = builder.finish(window_start_, end - window_start_);
  window_start_ = end;
  stacks.clear();
  processes_.find_gone();
  std::vector<int32_t> forgotten;
  processes_.forget_exited(forgotten);
  for (const int32_t pid : forgotten) {
    targets_.erase(pid);
    forget_in_kernel(pid);
  }
  return window;
}

std::vector<uint64_t> BpfSampler::read_counters() const {
  std::vector<uint64_t> sums(SAMPLER_COUNTERS + SAMPLER_STOPS);
  std::vector<uint64_t> per_cpu(static_cast<size_t>(cpus_));
  for (uint32_t i = 0; i < sums.size(); ++i) {
    if (bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.counters), &i, per_cpu.data()) != 0)
      continue;
    for (const uint64_t part : per_cpu) sums[i] += part;
  }
  return sums;
}

Stats BpfSampler::stats() const {
  const std::vector<uint64_t> sums = read_counters();
  stats_.taken = sums[SAMPLER_TAKEN];
  stats_.idle = sums[SAMPLER_IDLE];
  stats_.lost_ring = sums[SAMPLER_LOST_RING];
  stats_.lost_counts = sums[SAMPLER_LOST_COUNTS];
  stats_.unregistered = sums[SAMPLER_UNREGISTERED];
  stats_.bpf_nanoseconds = sums[SAMPLER_UNWIND_NANOSECONDS];
  for (size_t i = 0; i < std::size(stats_.stops); ++i) stats_.stops[i] = sums[SAMPLER_COUNTERS + i];
  stats_.truncated = stats_.stops[UNWIND_DEPTH];
  stats_.row_bytes = rows_->bytes();
  stats_.rows = rows_->rows_used();
  stats_.processes = const_cast<ProcessTable &>(processes_).all().size();
  stats_.modules = files_.size();
  return stats_;
}

} // namespace

std::unique_ptr<Sampler> start_bpf_sampler(const Options &options) {
  return std::make_unique<BpfSampler>(options);
}

} // namespace profcore::sampler
