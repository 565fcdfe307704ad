#include "sources/sampler/check.hpp"

#include "build_features.hpp"
#if PROFCORE_HAVE_BPF
#include "sources/sampler/kernel_features.hpp"
#endif
#include "sources/sampler/module_files.hpp"
#include "sources/sampler/perf_ring.hpp"
#include "sources/sampler/pid_namespace.hpp"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
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
  needs.push_back({"kernel 5.8 or newer", system.release, "The BPF sampler needs ring buffers.",
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

} // namespace

std::vector<Need> check_needs() {
  const uint64_t all = capabilities();
  const bool is_admin = has(all, CAP_SYS_ADMIN);
  const auto yes_no = [](bool yes) { return std::string{yes ? "yes" : "no"}; };
  std::vector<Need> needs;
  needs.push_back({"a build with BPF", PROFCORE_HAVE_BPF ? "yes" : "no", "Nothing can be sampled.",
                   "Install clang, bpftool and libbpf, then build with -Dbpf=enabled.",
                   PROFCORE_HAVE_BPF != 0, true});
  add_kernel(needs);
  const bool can_load = is_admin || has(all, CAP_BPF);
  needs.push_back({"CAP_BPF", yes_no(can_load), "No BPF program can be loaded.",
                   "Run as root, or: setcap cap_bpf,cap_perfmon,cap_sys_ptrace+ep PROGRAM",
                   can_load, true});
  const bool can_sample = is_admin || has(all, CAP_PERFMON);
  const std::string paranoid = first_line("/proc/sys/kernel/perf_event_paranoid");
  needs.push_back({"CAP_PERFMON",
                   fmt::format("{}, perf_event_paranoid is {}", yes_no(can_sample),
                               paranoid.empty() ? "not readable" : paranoid),
                   "Other processes and the kernel cannot be sampled.",
                   "Run as root or with CAP_PERFMON.", can_sample, true});
  const bool has_btf = access("/sys/kernel/btf/vmlinux", R_OK) == 0;
  needs.push_back({"BTF of the kernel", yes_no(has_btf),
                   "BPF programs cannot be fitted to this kernel.",
                   "Run a kernel with CONFIG_DEBUG_INFO_BTF.", has_btf, true});
  const std::string restrict = first_line("/proc/sys/kernel/kptr_restrict");
  const bool reads_names = restrict == "0" ? can_sample || has(all, CAP_SYSLOG)
                                           : restrict == "1" && has(all, CAP_SYSLOG);
  needs.push_back({"kernel symbols",
                   fmt::format("{}, kptr_restrict is {}", yes_no(reads_names),
                               restrict.empty() ? "not readable" : restrict),
                   "Kernel frames have no names.",
                   "Run with CAP_SYSLOG, and: sysctl kernel.kptr_restrict=0 (or 1).", reads_names,
                   false});
  const bool traces = is_admin || has(all, CAP_SYS_PTRACE);
  needs.push_back({"CAP_SYS_PTRACE", yes_no(traces),
                   "Files of other users' processes cannot be opened: frames without names, stacks "
                   "by frame pointers only.",
                   "Run as root or with CAP_SYS_PTRACE.", traces, false});
  const bool is_ours = is_proc_of_own_namespace();
  needs.push_back({"/proc of this namespace", yes_no(is_ours),
                   "Processes cannot be told apart: the same id is two of them.",
                   "Mount one: mount -t proc proc /proc, or unshare --mount-proc.", is_ours, true});
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
  return needs;
}

} // namespace profcore::sampler
