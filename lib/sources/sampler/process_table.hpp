#pragma once

#include "sources/sampler/module_files.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace profcore::sampler {

/// An executable mapping of a process.
struct Mapping {
  uint64_t start = 0;
  uint64_t end = 0;
  uint64_t offset = 0;                  ///< in the file
  uint32_t module = ModuleFiles::kNone; ///< kNone: anonymous memory, JIT
};

struct Process {
  int32_t pid = 0;
  int32_t parent = 0;
  uint64_t start_time = 0; ///< nanoseconds since boot, to a tick's precision when from /proc
  std::string comm;
  std::string container;         ///< its id, 64 hexadecimal digits; empty outside of one
  std::vector<Mapping> mappings; ///< by start, not overlapping
  bool has_exited = false;
  bool is_changed = true; ///< the kernel's copy is older
};

/// Which processes there are and what they have mapped: first what /proc says, then what the
/// kernel's side-band tells, record by record.
class ProcessTable {
public:
  explicit ProcessTable(ModuleFiles &files) : files_{files} {}

  /// Reads a process from /proc; null when it is not there or not to be read.
  Process *scan(int32_t pid);
  Process *find(int32_t pid) noexcept;

  void on_mmap(int32_t pid, uint64_t start, uint64_t size, uint64_t offset, const FileId &id,
               std::string_view path);
  void on_fork(int32_t pid, int32_t parent, uint64_t time);
  void on_comm(int32_t pid, std::string_view comm, bool is_exec);
  void on_exit(int32_t pid);

  /// Marks those as exited that /proc does not list any more: whose exit was never told.
  void find_gone();
  /// Exited since the last call and not started anew.
  std::vector<int32_t> take_exited();
  /// Ids that were given to another process since the last call.
  std::vector<int32_t> take_recycled();
  /// Forgets processes that had exited before the last call.
  void forget_exited(std::vector<int32_t> &forgotten);

  std::unordered_map<int32_t, Process> &all() noexcept { return processes_; }
  /// Changed since they were last taken.
  std::vector<int32_t> take_changed();

private:
  void map(Process &process, const Mapping &mapping);
  void changed(Process &process);
  Mapping make_mapping(int32_t pid, uint64_t start, uint64_t end, uint64_t offset, const FileId &id,
                       std::string_view path);

  ModuleFiles &files_;
  std::unordered_map<int32_t, Process> processes_;
  std::vector<int32_t> changed_;
  std::vector<int32_t> exited_, exited_before_, just_exited_, recycled_;
};

/// All process ids that /proc lists.
std::vector<int32_t> list_processes();
/// Start time of a process in nanoseconds since boot; 0 when it has gone.
uint64_t start_time_of(int32_t pid);
/// The container's id in the text of a /proc/PID/cgroup: Docker's, containerd's, CRI-O's, Podman's
/// and Kubernetes' paths all end in it. Empty without one.
std::string_view container_in_cgroups(std::string_view text);
/// Program and arguments, spaces between; empty when it has gone.
std::string command_line_of(int32_t pid);
/// The id that process `pid` has in its innermost pid namespace; `pid` itself when not known.
int32_t namespace_pid_of(int32_t pid);

} // namespace profcore::sampler
