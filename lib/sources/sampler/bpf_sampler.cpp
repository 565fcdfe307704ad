// The sampler that lives in the kernel.
//
// Three streams come up: the side-band (which process has what mapped), stacks that are new, and
// counts. The first two are read whenever the host's poll says so; counts stay in the kernel until
// a window is drained. Mappings and unwind rows go down. A process is made known with its mappings
// at once, by frame pointers only; its files' rows follow as they are made, so that a short-lived
// process is not missed because libLLVM takes a tenth of a second.
//
// A host that starts a hundred programs a second has a thousand records a second in the side-band,
// and waking for each costs more than all the rest. So the first one wakes the host, and then the
// rings are left out of its poll and a timer wakes it for what came meanwhile, until nothing comes
// any more. A process that was changed by ten records is written down once.

#include "base/error.hpp"
#include "sampler.skel.h"
#include "sources/sampler/bpf_tables.hpp"
#include "sources/sampler/clock.hpp"
#include "sources/sampler/cpu_clocks.hpp"
#include "sources/sampler/java_finder.hpp"
#include "sources/sampler/kernel_features.hpp"
#include "sources/sampler/pid_namespace.hpp"
#include "sources/sampler/quiet_libbpf.hpp"
#include "sources/sampler/rate_control.hpp"
#include "sources/sampler/side_band.hpp"
#include "sources/sampler/trampolines.hpp"
#include "sources/sampler/unwind_table.hpp"
#include "sources/sampler/window_builder.hpp"
#include "unwind_row.h"

#include <algorithm>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <new>
#include <numeric>
#include <optional>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace profcore::sampler {
namespace {

struct SkeletonCloser {
  void operator()(sampler_bpf *skeleton) const noexcept { sampler_bpf__destroy(skeleton); }
};
struct RingCloser {
  void operator()(ring_buffer *ring) const noexcept { ring_buffer__free(ring); }
};

int possible_cpus() {
  const QuietLibbpf quiet;
  const int cpus = libbpf_num_possible_cpus();
  if (cpus < 1) fail_bpf(-cpus, "the CPUs cannot be counted (/sys/devices/system/cpu/possible)");
  return cpus;
}

/// Between two looks at the side-band while records come: what a process does in this time before
/// it is known is sampled by frame pointers only.
constexpr int64_t kRecordsDelay = 1000000;
/// Between two looks where nothing is told: on a quiet host new stacks lie in their ring, which
/// wakes nobody before it is a quarter full, and JVMs are asked only when theirs have been seen.
constexpr int64_t kHeartbeat = 200'000'000;
constexpr size_t kRescansAtOnce = 32;
constexpr uint64_t kGoneInterval = UINT64_C(60000000000);

/// Known to the kernel at most, where maps cannot grow.
constexpr uint32_t kProcessesAtOnce = 8192;
constexpr uint32_t kLargeProcessesAtOnce = 1024;

/// Memory that the rows of one file after the other are made in.
struct RowScratch {
  CfiRows cfi;
  UnwindTable table;
  FileRows rows;
};

class BpfSampler final : public Sampler {
public:
  explicit BpfSampler(const Options &options);

  int fd() const noexcept override { return epoll_.get(); }
  void process() override;
  Window drain() override;
  void stop() override;
  Stats stats() const override;
  void charge(uint64_t nanoseconds) override { stats_.own_cpu_nanoseconds += nanoseconds; }
  std::vector<JavaCode> take_java() override { return java_.take(); }

private:
  void fit_to_kernel();
  void load();
  void attach();
  void choose_cgroup();
  void watch(int fd);
  void watch_ring(const PerfRing &ring);
  void watch_rings(bool on);
  bool take_new_cpus();
  void wake_after(int64_t nanoseconds);
  void rescan(bool is_behind);
  void register_all();
  void register_changed();
  void forget_in_kernel(int32_t pid);
  void forget_exited();
  enum class Why : uint8_t { kNot, kChosen, kNamed }; ///< a process is a target
  Why why_target(Process &process);
  void register_process(Process &process);
  bool open_again(uint32_t module);
  void prepare_module(uint32_t number, RowScratch &scratch);
  void prepare_modules(int64_t budget_ns);
  void keep_up();
  void set_frequency();
  void watch_cost();
  uint64_t read_counter(uint32_t counter) const;
  void age_files();
  void read_counts(uint32_t window, WindowBuilder &builder);
  std::vector<uint64_t> read_counters() const;
  static int take_stack(void *self, void *data, size_t size);

  Options options_;
  std::optional<Regex> name_;
  bool selects_ = false; ///< only some processes are sampled
  std::unique_ptr<sampler_bpf, SkeletonCloser> skeleton_;
  bpf_program *program_ = nullptr; ///< of the skeleton's, the one for this kernel
  std::unique_ptr<ring_buffer, RingCloser> ring_;
  std::optional<CpuClocks> clocks_; ///< nothing before the start and after the end
  std::unique_ptr<SideBand> side_band_;
  Descriptor epoll_;
  Descriptor ring_epoll_; ///< of the side-band's rings, inside `epoll_`
  Descriptor timer_;
  Descriptor cost_timer_; ///< time to look what sampling costs
  int64_t cost_due_ = 0; ///< when it expires next, so that it is not read a thousand times for once
  bool watches_rings_ = false;
  ModuleFiles files_;
  ProcessTable processes_{files_};
  std::unique_ptr<BpfRowMemory> row_memory_;
  std::unique_ptr<BpfFileTable> file_table_;
  std::unique_ptr<RowPool> rows_;
  std::unique_ptr<FileSlots> slots_;
  std::unique_ptr<BpfProcesses> known_;
  std::unique_ptr<RunningPrograms> running_;
  std::unordered_map<int32_t, Why> targets_;
  std::deque<int32_t> to_rescan_;
  std::unordered_set<int32_t> waits_for_rescan_;
  uint64_t last_gone_ = since_boot();
  StackStore stacks_[2];
  JavaFinder java_;
  uint32_t window_ = 0;
  int cpus_ = 0;
  int64_t window_start_ = 0; ///< since 1970
  mutable Stats stats_;
  RateControl rate_;
};

BpfSampler::BpfSampler(const Options &options)
    : options_{options}, selects_{!options.pids.empty() || !options.name_pattern.empty()},
      java_{options.java}, rate_{options.frequency, options.cpu_budget} {
  CpuClock clock{stats_.own_cpu_nanoseconds};
  if (options.frequency < 1 || options.frequency > 1000)
    throw Error{Status::kInvalidArgument, "the frequency is 1 to 1000 a second and CPU"};
  if (!options.name_pattern.empty()) name_.emplace(options.name_pattern, "name");
  for (const int32_t pid : options.pids) targets_[pid] = Why::kChosen;
  cpus_ = possible_cpus();
  load();
  epoll_ = Descriptor{epoll_create1(EPOLL_CLOEXEC)};
  if (!epoll_.is_open()) fail_bpf(errno, "epoll");
  // First the stream of changes, then the state, so that nothing falls in between.
  side_band_ = std::make_unique<SideBand>(cpus_, 64);
  ring_epoll_ = Descriptor{epoll_create1(EPOLL_CLOEXEC)};
  if (!ring_epoll_.is_open()) fail_bpf(errno, "epoll");
  for (const PerfRing &ring : side_band_->rings()) watch_ring(ring);
  watch(ring_epoll_.get());
  watches_rings_ = true;
  watch(ring_buffer__epoll_fd(ring_.get()));
  timer_ = Descriptor{timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)};
  if (!timer_.is_open()) fail_bpf(errno, "a timer");
  watch(timer_.get());
  if (rate_.is_on()) {
    cost_timer_ = Descriptor{timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)};
    const timespec interval{RateControl::kInterval / 1000000000, 0};
    const itimerspec times{interval, interval};
    if (!cost_timer_.is_open() || timerfd_settime(cost_timer_.get(), 0, &times, nullptr) != 0)
      fail_bpf(errno, "a timer");
    cost_due_ = now(CLOCK_MONOTONIC) + RateControl::kInterval;
    watch(cost_timer_.get());
  }
  register_all();
  keep_up(); // with what came meanwhile
  attach();
  window_start_ = now(CLOCK_REALTIME);
}

void BpfSampler::stop() {
  clocks_.reset();
}

void BpfSampler::watch(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) fail_bpf(errno, "epoll");
}

void BpfSampler::watch_ring(const PerfRing &ring) {
  epoll_event event{};
  event.events = EPOLLIN;
  if (epoll_ctl(ring_epoll_.get(), EPOLL_CTL_ADD, ring.fd(), &event) != 0) fail_bpf(errno, "epoll");
}

void BpfSampler::watch_rings(bool on) {
  if (on == watches_rings_) return;
  watches_rings_ = on;
  epoll_event event{};
  event.events = on ? EPOLLIN : 0U;
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, ring_epoll_.get(), &event);
}

/// The descriptor becomes readable then.
void BpfSampler::wake_after(int64_t nanoseconds) {
  itimerspec time{};
  time.it_value.tv_nsec = nanoseconds; // below a second
  timerfd_settime(timer_.get(), 0, &time, nullptr);
}

/// Chooses what this kernel can run, before anything is loaded.
void BpfSampler::fit_to_kernel() {
  KernelFeatures kernel = probe_kernel();
  if (kernel.error != 0) fail_bpf(kernel.error, "BPF programs cannot be loaded");
  if (!kernel.has_ring)
    throw Error{Status::kUnsupported,
                "this kernel is too old: its BPF has no ring buffers (Linux 5.8 or newer has)"};
  if (options_.as_on_old_kernels) kernel.has_loop = kernel.has_growing_maps = false;
  program_ = kernel.has_loop ? skeleton_->progs.take_sample : skeleton_->progs.sample_by_calls;
  bpf_program__set_autoload(skeleton_->progs.take_sample, kernel.has_loop);
  bpf_program__set_autoload(skeleton_->progs.sample_by_calls, !kernel.has_loop);
  if (!kernel.has_growing_maps) {
    // All their memory is taken at once: about 4 and 6 MB.
    bpf_map__set_map_flags(skeleton_->maps.processes, 0);
    bpf_map__set_max_entries(skeleton_->maps.processes, kProcessesAtOnce);
    bpf_map__set_map_flags(skeleton_->maps.large_processes, 0);
    bpf_map__set_max_entries(skeleton_->maps.large_processes, kLargeProcessesAtOnce);
  }
  // 16 KiB on both machines, but a page where pages are larger.
  skeleton_->rodata->kernel_stack_bytes =
      static_cast<uint32_t>(std::max<long>(16384, sysconf(_SC_PAGESIZE)));
}

void BpfSampler::load() {
  QuietLibbpf quiet;
  skeleton_.reset(sampler_bpf__open());
  if (!skeleton_) fail_bpf(errno, "the BPF program cannot be opened");
  fit_to_kernel();
  skeleton_->rodata->only_targets = selects_ ? 1 : 0;
  skeleton_->rodata->only_cgroup = options_.cgroup.empty() ? 0 : 1;
  skeleton_->rodata->per_cpu = options_.per_cpu ? 1 : 0;
  skeleton_->rodata->kernel_stacks = options_.kernel_stacks ? 1 : 0;
  skeleton_->rodata->user_stacks = options_.user_stacks ? 1 : 0;
  skeleton_->rodata->linger = options_.linger;
  skeleton_->rodata->pid_namespace = own_pid_namespace();
  skeleton_->bss->period_ns = UINT64_C(1000000000) / options_.frequency;
  // Room for half a minute of samples that are all different.
  const uint64_t wanted = uint64_t{options_.frequency} * static_cast<uint64_t>(cpus_) * 30;
  const auto entries = static_cast<uint32_t>(std::clamp<uint64_t>(wanted, 4096, 1 << 17));
  const auto chunks = static_cast<uint32_t>(std::clamp<uint64_t>(
      options_.row_budget / (SAMPLER_CHUNK_SLOTS * 8), 1, SAMPLER_MOST_CHUNKS));
  bpf_map__set_max_entries(skeleton_->maps.counts_even, entries);
  bpf_map__set_max_entries(skeleton_->maps.counts_odd, entries);
  bpf_map__set_max_entries(skeleton_->maps.row_chunks, chunks);
  const int error = sampler_bpf__load(skeleton_.get());
  if (error == -ESRCH)
    throw Error{Status::kUnsupported, "the kernel does not tell the layout of its structures: it "
                                      "was built without BTF (CONFIG_DEBUG_INFO_BTF)"};
  if (error != 0) fail_bpf(-error, "the BPF program cannot be loaded");
  if (!options_.cgroup.empty()) choose_cgroup();
  row_memory_ = std::make_unique<BpfRowMemory>(bpf_map__fd(skeleton_->maps.row_chunks));
  file_table_ = std::make_unique<BpfFileTable>(bpf_map__fd(skeleton_->maps.files));
  rows_ = std::make_unique<RowPool>(*row_memory_, chunks);
  slots_ = std::make_unique<FileSlots>(file_table_->span(), *rows_, files_,
                                       [this] { return processes_.mapped_modules(false); });
  known_ = std::make_unique<BpfProcesses>(bpf_map__fd(skeleton_->maps.processes),
                                          bpf_map__fd(skeleton_->maps.large_processes));
  running_ = std::make_unique<RunningPrograms>();
  ring_.reset(ring_buffer__new(bpf_map__fd(skeleton_->maps.stacks), take_stack, this, nullptr));
  if (!ring_) fail_bpf(errno, "the ring of stacks cannot be opened");
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
    fail_bpf(errno, "the cgroup cannot be chosen");
}

void BpfSampler::attach() {
  clocks_.emplace(program_, cpus_, options_.frequency);
  stats_.event = clocks_->event();
}

/// CPUs that were switched on. Until now nothing was told of what processes did on them.
bool BpfSampler::take_new_cpus() {
  if (!clocks_) return false;
  const std::vector<int> came = clocks_->look(now(CLOCK_MONOTONIC));
  for (const int cpu : came)
    if (const PerfRing *ring = side_band_->reopen(cpu)) watch_ring(*ring);
  return !came.empty();
}

/// Called by libbpf, which is C: nothing may be thrown through it.
int BpfSampler::take_stack(void *given, void *data, size_t size) {
  auto *self = static_cast<BpfSampler *>(given);
  const auto *stack = static_cast<const sampler_stack *>(data);
  if (size < SAMPLER_STACK_HEAD) return 0;
  try {
    if (self->stacks_[stack->window & 1].add(*stack, size)) self->java_.saw(*stack);
  } catch (const std::bad_alloc &) {
    return -ENOMEM;
  }
  return 0;
}

/// By its id or its parent's it stays one; by its name it need not, when it runs another program.
BpfSampler::Why BpfSampler::why_target(Process &process) {
  if (!selects_) return Why::kChosen;
  const auto known = targets_.find(process.pid);
  if (known != targets_.end() && known->second == Why::kChosen) return Why::kChosen;
  if (options_.follow_children && process.parent != 0 && targets_.contains(process.parent))
    return Why::kChosen;
  if (!name_) return Why::kNot;
  if (process.is_target < 0)
    process.is_target =
        name_->search(process.comm) || name_->search(command_line_of(process.pid)) ? 1 : 0;
  return process.is_target == 1 ? Why::kNamed : Why::kNot;
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

void BpfSampler::register_process(Process &process) {
  const Why why = why_target(process);
  if (why == Why::kNot) {
    if (targets_.erase(process.pid) != 0) forget_in_kernel(process.pid);
    return;
  }
  if (selects_) targets_[process.pid] = why; // also when it has ended: its children are targets
  if (process.has_exited) return;
  if (selects_) {
    const auto pid = static_cast<uint32_t>(process.pid);
    const uint32_t one = 1;
    if (bpf_map_update_elem(bpf_map__fd(skeleton_->maps.targets), &pid, &one, BPF_ANY) != 0)
      ++stats_.failed_registrations;
  }
  // The kernel's copy is for walking user stacks.
  if (!options_.user_stacks) return;
  if (process.mappings.empty()) { // a kernel thread, or between exec and the first mapping
    known_->remove(process.pid);
    return;
  }
  if (!known_->put(process, files_, *slots_)) ++stats_.failed_registrations;
}

void BpfSampler::register_changed() {
  for (const int32_t pid : processes_.take_changed())
    if (Process *process = processes_.find(pid)) {
      find_trampolines(*process, files_);
      register_process(*process);
    }
  for (const uint32_t module : files_.take_opened())
    if (files_[module].slot != 0 && !files_[module].was_prepared) slots_->want(module);
  for (const int32_t pid : processes_.take_exited()) forget_in_kernel(pid);
}

void BpfSampler::forget_in_kernel(int32_t pid) {
  known_->remove(pid);
  if (selects_) bpf_map_delete_elem(bpf_map__fd(skeleton_->maps.targets), &pid);
}

/// One of those that map the module opens it, when too many files were open before.
bool BpfSampler::open_again(uint32_t module) {
  for (const auto &[pid, process] : processes_.all()) {
    if (process.has_exited) continue;
    for (const Mapping &mapping : process.mappings)
      if (mapping.module == module && files_.reopen(module, pid, mapping.start, mapping.end))
        return true;
  }
  return false;
}

void BpfSampler::prepare_module(uint32_t number, RowScratch &scratch) {
  ModuleFile &module = files_[number];
  module.is_waiting = false;
  if (!slots_->is_worth_preparing(number)) return;
  if (module.trampolines.stride != 0) {
    module.was_prepared = true;
    slots_->place(number, make_trampoline_rows(module.trampolines));
    return;
  }
  if (!module.is_vdso && !module.file.is_open() && !open_again(number)) return;
  const bool is_first = !module.was_prepared;
  module.was_prepared = true;
  const ModuleBytes bytes{module};
  if (is_first) module.build_id = read_build_id(bytes.data(), bytes.size());
  const size_t most = std::min<uint64_t>(options_.row_budget / sizeof(unwind_row), UINT32_MAX);
  try {
    build_unwind_table({bytes.data(), bytes.size()}, most, scratch.cfi, scratch.table);
    module.code.assign(scratch.table.code.begin(), scratch.table.code.end());
    rows_by_file_offset(scratch.table, scratch.rows);
    slots_->place(number, scratch.rows);
  } catch (const Error &) { // not an ELF file of this machine, or damaged: by frame pointers
  }
  if (is_first && !module.has_kernel_rows) ++stats_.files_without_rows;
}

/// Makes rows of the files that are new, the first first, until the time is used up.
void BpfSampler::prepare_modules(int64_t budget_ns) {
  std::deque<uint32_t> &waiting = slots_->waiting();
  if (waiting.empty()) return;
  const int64_t began = now(CLOCK_MONOTONIC);
  RowScratch scratch;
  while (!waiting.empty() && now(CLOCK_MONOTONIC) - began < budget_ns) {
    const uint32_t module = waiting.front();
    waiting.pop_front();
    prepare_module(module, scratch);
    slots_->no_longer_waits(module);
  }
}

/// What records that were lost or came late may have hidden is read from /proc, some at a time.
void BpfSampler::rescan(bool is_behind) {
  const auto want = [&](int32_t pid) {
    if (waits_for_rescan_.insert(pid).second) to_rescan_.push_back(pid);
  };
  const std::vector<int32_t> suspects = processes_.take_suspects();
  std::for_each(suspects.begin(), suspects.end(), want);
  const uint64_t time = since_boot();
  if (is_behind || time - last_gone_ > kGoneInterval) {
    last_gone_ = time;
    const std::vector<int32_t> listed = processes_.find_gone();
    if (is_behind) std::for_each(listed.begin(), listed.end(), want);
  }
  for (size_t i = 0; i < kRescansAtOnce && !to_rescan_.empty(); ++i) {
    const int32_t pid = to_rescan_.front();
    to_rescan_.pop_front();
    waits_for_rescan_.erase(pid);
    const Process *known = processes_.find(pid);
    if (selects_ && !name_ && (known == nullptr || !targets_.contains(pid)) &&
        !options_.follow_children)
      continue;
    if (processes_.scan(pid) != nullptr) ++stats_.rescans;
  }
}

void BpfSampler::set_frequency() {
  if (!clocks_) return;
  const uint64_t old = skeleton_->bss->period_ns;
  // First what a sample stands for: the program sees to the first tick of each CPU after a change.
  skeleton_->bss->period_ns = UINT64_C(1000000000) / rate_.frequency();
  if (clocks_->set_frequency(rate_.frequency())) return;
  // Samples go on standing for what they did.
  skeleton_->bss->period_ns = old;
  rate_ = RateControl{static_cast<uint32_t>(UINT64_C(1000000000) / old), 0};
}

void BpfSampler::watch_cost() {
  if (!rate_.is_on()) return;
  const int64_t time = now(CLOCK_MONOTONIC);
  uint64_t expirations = 0;
  if (time < cost_due_ ||
      read(cost_timer_.get(), &expirations, sizeof expirations) != sizeof expirations)
    return;
  cost_due_ += static_cast<int64_t>(expirations) * RateControl::kInterval;
  const Cost spent{read_counter(SAMPLER_UNWIND_NANOSECONDS), stats_.own_cpu_nanoseconds};
  if (!rate_.has_started())
    rate_.start(time, spent);
  else if (rate_.update(time, spent))
    set_frequency();
}

void BpfSampler::keep_up() {
  watch_cost();
  const bool has_new_cpus = take_new_cpus();
  const SideBand::Applied applied = side_band_->apply(processes_);
  stats_.lost_records += applied.lost;
  rescan(applied.lost != 0 || applied.was_full || has_new_cpus);
  for (const int32_t pid : processes_.take_recycled()) {
    targets_.erase(pid);
    forget_in_kernel(pid);
  }
  if (processes_.has_many_exited()) forget_exited(); // nobody drains
  register_changed();
  if (ring_buffer__consume(ring_.get()) == -ENOMEM) throw std::bad_alloc{};
  java_.look(processes_, files_);
  prepare_modules(INT64_C(20000000));
  bool come = applied.records != 0 || applied.has_more;
  if (!come && !watches_rings_) {
    // To watch them asks them whether there is something, and a ring says so only once.
    watch_rings(true);
    come = side_band_->has_records();
  }
  watch_rings(!come);
  wake_after(!slots_->waiting().empty() || !to_rescan_.empty() ? 1
             : come                                            ? kRecordsDelay
                                                               : kHeartbeat);
}

void BpfSampler::forget_exited() {
  std::vector<int32_t> forgotten;
  processes_.forget_exited(forgotten);
  for (const int32_t pid : forgotten) {
    targets_.erase(pid);
    forget_in_kernel(pid);
  }
}

void BpfSampler::process() {
  keep_up();
}

void BpfSampler::read_counts(uint32_t window, WindowBuilder &builder) {
  const bool odd = (window & 1) != 0;
  const int counts = bpf_map__fd(odd ? skeleton_->maps.counts_odd : skeleton_->maps.counts_even);
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
    if (error != 0 && error != -ENOENT) fail_bpf(-error, "the counts cannot be read");
    for (uint32_t i = 0; i < count; ++i) {
      stats_.delivered += values[i].samples;
      if (!builder.add(keys[i], values[i])) stats_.lost_stacks += values[i].samples;
    }
    if (error == -ENOENT) break;
  }
}

void BpfSampler::age_files() {
  files_.age(processes_.mapped_modules(true));
  slots_->retry(processes_.mapped_modules(false));
}

Window BpfSampler::drain() {
  CpuClock clock{stats_.own_cpu_nanoseconds};
  keep_up();
  age_files(); // before the window, which hands out descriptors of files
  const uint32_t drained = window_;
  skeleton_->bss->window = ++window_;
  if (!running_->wait_for_end()) fail_bpf(errno, "the end of a window cannot be waited for");
  keep_up();
  prepare_modules(INT64_MAX);
  const int64_t end = now(CLOCK_REALTIME);
  StackStore &stacks = stacks_[drained & 1];
  WindowBuilder builder{options_, files_, processes_, stacks,
                        fmt::format("sampled by BPF on {}", stats_.event)};
  read_counts(drained, builder);
  Window window = builder.finish(window_start_, end - window_start_);
  window_start_ = end;
  stacks.clear();
  forget_exited();
  return window;
}

uint64_t BpfSampler::read_counter(uint32_t counter) const {
  std::vector<uint64_t> per_cpu(static_cast<size_t>(cpus_));
  if (bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.counters), &counter, per_cpu.data()) != 0)
    return 0;
  return std::accumulate(per_cpu.begin(), per_cpu.end(), UINT64_C(0));
}

std::vector<uint64_t> BpfSampler::read_counters() const {
  std::vector<uint64_t> sums(SAMPLER_COUNTERS + SAMPLER_STOPS);
  for (uint32_t i = 0; i < sums.size(); ++i) sums[i] = read_counter(i);
  return sums;
}

Stats BpfSampler::stats() const {
  const std::vector<uint64_t> sums = read_counters();
  stats_.taken = sums[SAMPLER_TAKEN];
  stats_.idle = sums[SAMPLER_IDLE];
  stats_.lost_ring = sums[SAMPLER_LOST_RING];
  stats_.lost_counts = sums[SAMPLER_LOST_COUNTS];
  stats_.outside = sums[SAMPLER_OUTSIDE];
  stats_.unregistered = sums[SAMPLER_UNREGISTERED];
  stats_.bpf_nanoseconds = sums[SAMPLER_UNWIND_NANOSECONDS];
  for (size_t i = 0; i < std::size(stats_.stops); ++i) stats_.stops[i] = sums[SAMPLER_COUNTERS + i];
  stats_.truncated = stats_.stops[UNWIND_DEPTH];
  stats_.frequency = rate_.frequency();
  stats_.times_lowered = rate_.times_lowered();
  stats_.row_bytes = rows_->bytes();
  stats_.map_bytes = rows_->bytes();
  const bpf_map *map = nullptr;
  bpf_object__for_each_map(map, skeleton_->obj) stats_.map_bytes += memory_of_map(bpf_map__fd(map));
  stats_.rows = rows_->rows_used();
  stats_.processes = const_cast<ProcessTable &>(processes_).all().size();
  stats_.modules = files_.known();
  stats_.evicted_files = slots_->evicted();
  stats_.cut_registrations = known_->cut() + processes_.cut_mappings();
  return stats_;
}

} // namespace

std::unique_ptr<Sampler> start_bpf_sampler(const Options &options) {
  return std::make_unique<BpfSampler>(options);
}

} // namespace profcore::sampler
