#include "sources/sampler/check.hpp"

#include "build_features.hpp"
#if PROFCORE_HAVE_BPF
#include "sources/sampler/kernel_features.hpp"
#endif
#include "sources/sampler/module_files.hpp"
#include "sources/sampler/perf_records.hpp"
#include "sources/sampler/pid_namespace.hpp"
#include "sources/sampler/ring_events.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace profcore::sampler {
namespace {

std::string first_line(const char *path) {
  const Descriptor file{open(path, O_RDONLY | O_CLOEXEC)};
  char text[128];
  const ssize_t got = file.is_open() ? read(file.get(), text, sizeof text) : -1;
  if (got <= 0) return {};
  const std::string_view all{text, static_cast<size_t>(got)};
  return std::string{all.substr(0, all.find('\n'))};
}

/// Our effective capabilities.
uint64_t capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (syscall(SYS_capget, &header, data) != 0) return 0;
  return static_cast<uint64_t>(data[1].effective) << 32 | data[0].effective;
}

bool has(uint64_t all, int capability) {
  return (all >> capability & 1) != 0;
}

/// Without the right to them all addresses are zero.
bool has_kernel_addresses() {
  const Descriptor file{open("/proc/kallsyms", O_RDONLY | O_CLOEXEC)};
  char text[4096];
  const ssize_t got = file.is_open() ? read(file.get(), text, sizeof text) : -1;
  std::string_view left{text, static_cast<size_t>(std::max<ssize_t>(got, 0))};
  while (left.find('\n') != left.npos) {
    uint64_t address = 0;
    std::from_chars(left.data(), left.data() + left.size(), address, 16);
    if (address != 0) return true;
    left.remove_prefix(left.find('\n') + 1);
  }
  return false;
}

bool is_version_5_8(const char *release) {
  int major = 0;
  int minor = 0;
  const char *end = release + std::strlen(release);
  const auto [at, error] = std::from_chars(release, end, major);
  if (error == std::errc{} && at != end) std::from_chars(at + 1, end, minor);
  return major > 5 || (major == 5 && minor >= 8);
}

/// By trying, where that is permitted: distributions bring later BPF to old kernels.
void add_kernel(std::vector<Need> &needs) {
  utsname system{};
  uname(&system);
  bool is_met = is_version_5_8(system.release);
#if PROFCORE_HAVE_BPF
  const KernelFeatures kernel = probe_kernel();
  if (kernel.error == 0) is_met = kernel.has_ring;
#endif
  needs.push_back({"Linux 5.8 or newer", system.release, "The BPF sampler needs ring buffers.",
                   "Run a newer kernel, or decode what another profiler recorded.", is_met, true});
#if PROFCORE_HAVE_BPF
  if (kernel.error != 0) return;
  needs.push_back({"loops of BPF",
                   kernel.has_loop ? "yes: stacks are walked by bpf_loop"
                                   : "no: stacks are walked by a call for each frame",
                   "A sample costs more, with the same stacks.", "Run Linux 5.17 or newer.",
                   kernel.has_loop, false});
  needs.push_back(
      {"maps of BPF that grow", kernel.has_growing_maps ? "yes" : "no",
       "At most 8192 processes are known at a time, the others go by frame pointers; 1024 have "
       "room for more than 16 files of code.",
       "Run Linux 6.1 or newer.", kernel.has_growing_maps, false});
#endif
}

/// The hard needs that are not met, one after the other.
std::string missing_of(const std::vector<Need> &needs) {
  std::string missing;
  for (const Need &need : needs)
    if (need.is_hard && !need.is_met) missing += (missing.empty() ? "" : ", ") + need.need;
  return missing.empty() ? missing : "no BPF without " + missing;
}

std::string yes_no(bool yes) {
  return yes ? "yes" : "no";
}

/// Whether anything of our own can be sampled, found out by trying; else why not.
std::string why_not_perf() {
  perf_event_attr attr{};
  attr.size = sizeof attr;
  attr.type = PERF_TYPE_SOFTWARE;
  attr.config = PERF_COUNT_SW_CPU_CLOCK;
  attr.freq = 1;
  attr.sample_freq = 99;
  attr.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER;
  attr.sample_regs_user = sampled_registers();
  attr.sample_stack_user = 4096;
  attr.exclude_kernel = 1;
  attr.exclude_hv = 1;
  attr.disabled = 1;
  if (attr.sample_regs_user == 0) return "not for this machine's registers";
  const Descriptor event{open_perf_event(attr, 0, -1)};
  return event.is_open() ? std::string{} : fmt::format("no ({})", strerrordesc_np(errno));
}

Need perf_events(bool perfmon) {
  const std::string paranoid = perf_paranoid();
  const std::string refused = why_not_perf();
  Need need{"perf events",
            fmt::format("{}, perf_event_paranoid is {}", refused.empty() ? "yes" : refused,
                        paranoid.empty() ? "not readable" : paranoid),
            "Nothing can be sampled without CAP_PERFMON, not even one's own processes.",
            "sysctl kernel.perf_event_paranoid=2; in a container: allow perf_event_open (seccomp).",
            refused.empty(),
            false};
  if (perfmon) need.consequence = "Nothing can be sampled: a filter of system calls forbids it.";
  return need;
}

/// What perf rings may lock, which is what BPF needs not.
Need locked_memory(bool unlimited) {
  rlimit limit{};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  const std::string text = first_line("/proc/sys/kernel/perf_event_mlock_kb");
  uint64_t per_cpu = 0;
  std::from_chars(text.data(), text.data() + text.size(), per_cpu);
  unlimited = unlimited || limit.rlim_cur == RLIM_INFINITY;
  const long cpus = std::max(1L, sysconf(_SC_NPROCESSORS_ONLN));
  const uint64_t room = per_cpu + limit.rlim_cur / 1024 / static_cast<uint64_t>(cpus);
  return {"memory for perf rings",
          unlimited ? "unlimited"
                    : fmt::format("{} KiB a CPU (perf_event_mlock_kb {}, memlock {} KiB)", room,
                                  text.empty() ? "not readable" : text, limit.rlim_cur / 1024),
          "Without BPF less of each stack is copied (deep ones are cut), or samples are lost.",
          "sysctl kernel.perf_event_mlock_kb=2052, or raise RLIMIT_MEMLOCK (ulimit -l).",
          unlimited || room >= 512,
          false};
}

Need chosen_back_end(const std::vector<Need> &needs, bool perf) {
  const std::string refused = missing_of(needs);
  Need need{"back end",
            refused.empty() ? "BPF: every process, user and kernel"
            : perf          ? "perf ring: own processes by id or a command, user mode"
                            : "none",
            "Not every process can be recorded, and nothing of the kernel.",
            refused + ".",
            refused.empty(),
            false};
  if (!refused.empty() && !perf) need.consequence = "Nothing can be recorded.";
  if (refused.empty()) need.fix = "profcore record --backend perf chooses the other.";
  return need;
}

constexpr size_t kPerfEvents = 5; ///< of the needs

} // namespace

std::vector<Need> check_needs() {
  const uint64_t all = capabilities();
  const bool is_admin = has(all, CAP_SYS_ADMIN);
  std::vector<Need> needs;
  needs.push_back({"build with BPF", yes_no(PROFCORE_HAVE_BPF != 0),
                   "Only perf rings are left: own processes, user mode.",
                   "Install clang, bpftool and libbpf, then build with -Dbpf=enabled.",
                   PROFCORE_HAVE_BPF != 0, true});
  add_kernel(needs);
  const bool can_load = is_admin || has(all, CAP_BPF);
  needs.push_back({"CAP_BPF", yes_no(can_load), "No BPF program can be loaded.",
                   "Run as root, or: setcap cap_bpf,cap_perfmon,cap_sys_ptrace+ep PROGRAM",
                   can_load, true});
  const bool can_sample = is_admin || has(all, CAP_PERFMON);
  needs.push_back({"CAP_PERFMON", yes_no(can_sample),
                   "Other users' processes and the kernel cannot be sampled.",
                   "Run as root, or: setcap cap_bpf,cap_perfmon,cap_sys_ptrace+ep PROGRAM",
                   can_sample, true});
  const bool has_btf = access("/sys/kernel/btf/vmlinux", R_OK) == 0;
  needs.push_back({"BTF of the kernel", yes_no(has_btf),
                   "BPF programs cannot be fitted to this kernel.",
                   "Run a kernel with CONFIG_DEBUG_INFO_BTF.", has_btf, true});
  needs.push_back(perf_events(can_sample));
  needs.push_back(locked_memory(has(all, CAP_IPC_LOCK)));
  const std::string restrict = first_line("/proc/sys/kernel/kptr_restrict");
  const bool reads_names = has_kernel_addresses();
  needs.push_back({"kernel symbols",
                   fmt::format("{}, kptr_restrict is {}", yes_no(reads_names),
                               restrict.empty() ? "not readable" : restrict),
                   "Kernel frames have no names.",
                   "Run as root or with CAP_SYSLOG, and: sysctl kernel.kptr_restrict=0 (or 1).",
                   reads_names, false});
  const bool traces = is_admin || has(all, CAP_SYS_PTRACE);
  needs.push_back({"CAP_SYS_PTRACE", yes_no(traces),
                   "Files of other users' processes cannot be opened: frames without names, stacks "
                   "by frame pointers only.",
                   "Run as root or with CAP_SYS_PTRACE.", traces, false});
  const bool is_ours = is_proc_of_own_namespace();
  needs.push_back({"/proc of this namespace", yes_no(is_ours),
                   "Processes cannot be told apart: the same id is two of them.",
                   "Mount one: mount -t proc proc /proc, or unshare --mount-proc.", is_ours, true});
  const bool restores = is_admin || has(all, CAP_CHECKPOINT_RESTORE);
  needs.push_back({"CAP_CHECKPOINT_RESTORE", yes_no(restores),
                   "Files deleted or replaced since they were mapped cannot be opened: no names.",
                   "Run as root or with CAP_CHECKPOINT_RESTORE.", restores, false});
  perf_event_attr attr{};
  attr.size = sizeof attr;
  attr.type = PERF_TYPE_HARDWARE;
  attr.config = PERF_COUNT_HW_CPU_CYCLES;
  attr.exclude_kernel = 1;
  const Descriptor counter{open_perf_event(attr, 0, -1)};
  needs.push_back({"a hardware cycle counter", yes_no(counter.is_open()),
                   "The CPU's clock is sampled instead: code that runs with interrupts off is not "
                   "seen.",
                   "None in most virtual machines.", counter.is_open(), false});
  needs.push_back(chosen_back_end(needs, needs[kPerfEvents].is_met));
  return needs;
}

std::string why_not_bpf() {
  return missing_of(check_needs());
}

} // namespace profcore::sampler
