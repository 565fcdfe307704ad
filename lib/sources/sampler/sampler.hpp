#pragma once

#include "base/context.hpp"
#include "base/regex.hpp"
#include "model/profile.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace profcore::sampler {

enum class BackEnd : uint8_t {
  kAutomatic, ///< BPF where that is permitted, else a perf ring for processes given by their ids
  kBpf,
  kPerfRing,
};

struct Options {
  Context context;
  BackEnd back_end = BackEnd::kAutomatic;
  uint32_t frequency = 99;   ///< samples a second and CPU, 1 ... 1000
  std::vector<int32_t> pids; ///< only these processes ...
  std::string name_pattern;  ///< ... or those whose name or command line matches; none of them: all
  std::string cgroup;        ///< ... or what is in or below this directory of cgroup v2
  bool follow_children = true; ///< what a target forks is a target
  bool kernel_stacks = true;
  bool user_stacks = true;
  bool per_thread = false; ///< tell threads apart, by the labels `tid` and `thread`
  bool per_cpu = false;    ///< tell CPUs apart, by the label `cpu`
  uint64_t row_budget = UINT64_C(64) << 20; ///< bytes of unwind rows, in kernel memory for BPF
  double cpu_budget = 0.01;       ///< share of one CPU that sampling may cost; not above 0: any
  uint32_t stack_bytes = 0;       ///< perf ring: of a stack that a sample copies; 0: what fits
  bool java = false;              ///< JVMs that want names are collected for `take_java`
  bool as_on_old_kernels = false; ///< for tests: without what came after Linux 5.8
  uint32_t linger = 0; ///< for tests: BPF: rounds of nothing that each sample takes longer
};

/// Since the start. Every sample is one of: delivered, lost for a reason told here, or still to be
/// drained.
struct Stats {
  uint64_t taken = 0;
  uint64_t delivered = 0;
  uint64_t idle = 0;         ///< ticks of the idle task, not samples
  uint64_t lost_ring = 0;    ///< stacks that found no room in the ring; their samples: lost_stacks
  uint64_t lost_counts = 0;  ///< samples that found no room in the table
  uint64_t lost_stacks = 0;  ///< samples whose stack did not arrive
  uint64_t outside = 0;      ///< samples of tasks outside our pid namespace, told apart by nothing
  uint64_t unregistered = 0; ///< samples of processes not known yet: walked by frame pointers
  uint64_t truncated = 0;    ///< samples with more frames than are kept
  uint64_t lost_records = 0; ///< of the side-band
  uint64_t rescans = 0;      ///< processes read from /proc again, after lost or late records
  uint64_t cut_registrations = 0;    ///< mappings that found no room in the tables of a process
  uint64_t failed_registrations = 0; ///< the kernel had no room for a process
  uint64_t bpf_nanoseconds = 0;
  uint64_t own_cpu_nanoseconds = 0; ///< of the calls of this sampler
  uint64_t row_bytes = 0;           ///< kernel memory of unwind rows
  uint64_t map_bytes = 0;           ///< kernel memory of all BPF maps, rows too
  uint64_t rows = 0;
  uint64_t files_without_rows = 0; ///< over the budget, or without call frame information
  uint64_t evicted_files = 0;      ///< files whose rows made room for those of others
  uint64_t processes = 0;
  uint64_t modules = 0;
  uint64_t stops[16] = {};    ///< samples by enum unwind_stop
  uint32_t frequency = 0;     ///< now
  uint64_t times_lowered = 0; ///< that the frequency was, for the CPU budget
  std::string event;          ///< "cycles" or "cpu-clock"
};

/// How the names of a drained profile's modules are found: see symbolize/symbolizer.hpp.
struct ModuleOrigin {
  int fd = -1;     ///< the sampler's
  int32_t pid = 0; ///< of modules that stand for one process's JIT code
  int32_t namespace_pid = 0;
  uint64_t start_time = 0;
  bool omits_frame_pointers = false; ///< code of a JVM through which walking misses frames
};

/// Where a JVM ran code of no file; some of it, when there is much.
struct JavaCode {
  static constexpr size_t kMost = 512;
  int32_t pid = 0;
  std::vector<uint64_t> addresses;
};

struct Window {
  Profile profile;
  std::vector<ModuleOrigin> origins; ///< by the profile's modules
};

/// Samples what runs on the CPUs. Not thread-safe.
class Sampler {
public:
  virtual ~Sampler() = default;

  /// For the host's poll or epoll; readable when `process` has something to do.
  virtual int fd() const noexcept = 0;
  /// Keeps up with processes and stacks; never blocks. To be called soon when `fd` is readable.
  /// Who calls it charges what it takes.
  virtual void process() = 0;
  /// What was sampled since the last call.
  virtual Window drain() = 0;
  /// No more samples; what was taken can still be drained.
  virtual void stop() = 0;
  virtual Stats stats() const = 0;
  /// CPU time that was spent for this sampler by others: naming what was drained.
  virtual void charge(uint64_t nanoseconds) { (void)nanoseconds; }
  /// JVMs in whose stacks code of no file was seen since the last call.
  virtual std::vector<JavaCode> take_java() { return {}; }
};

/// By BPF, for root or CAP_BPF and CAP_PERFMON. Throws Error with what is missing.
std::unique_ptr<Sampler> start_bpf_sampler(const Options &options);

/// By a perf ring, for one's own processes, without privileges: user mode only. Throws Error.
std::unique_ptr<Sampler> start_ring_sampler(const Options &options);

struct Started {
  std::unique_ptr<Sampler> sampler;
  BackEnd back_end; ///< never kAutomatic
  std::string reason;
};
/// By the back end that the options ask for, or the better one that this user and kernel permit.
/// Throws Error with what is missing.
Started start_sampler(const Options &options);

} // namespace profcore::sampler
