#pragma once

#include "sources/sampler/module_files.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace profcore::sampler {

/// An executable mapping of a process.
struct Mapping {
  uint64_t start = 0;
  uint64_t end = 0;
  uint64_t offset = 0;                  ///< in the file
  uint32_t module = ModuleFiles::kNone; ///< kNone: anonymous memory, JIT
  /// Of anonymous memory that holds CPython's trampolines: the module that stands for their form.
  uint32_t trampolines = ModuleFiles::kNone;
  bool was_looked_at = false; ///< for them
  int32_t made_by = 0;        ///< the process that has trampolines' names: forked ones share memory

  /// The module whose rows hold here.
  uint32_t known_as() const noexcept { return module != ModuleFiles::kNone ? module : trampolines; }
};

struct Process {
  int32_t pid = 0;
  int32_t parent = 0;
  uint64_t start_time = 0; ///< nanoseconds since boot, to a tick's precision when from /proc
  std::string comm;
  std::string container;         ///< its id as far as it has been asked for: see container_of
  std::vector<Mapping> mappings; ///< by start, not overlapping
  uint64_t scanned = 0; ///< when /proc was read, nanoseconds since boot: older news is in it
  uint64_t newest = 0;  ///< time of the last record
  uint32_t threads = 1;
  bool first_has_exited = false; ///< the thread that has the process's id
  bool has_exited = false;
  bool is_changed = true;            ///< the kernel's copy is older
  bool has_container = false;        ///< it was asked for
  int8_t is_target = -1;             ///< 0 or 1 when it is known whether a rule chooses it
  bool is_known_jvm = false;         ///< looked at, see jvm_process.hpp
  uint64_t jvm_looked_at = 0;        ///< nanoseconds since boot; 0: never
  bool omits_frame_pointers = false; ///< a JVM with the default flags: see JvmProcess
};

/// Which processes there are and what they have mapped: first what /proc says, then what the
/// kernel's side-band tells, record by record.
class ProcessTable {
public:
  explicit ProcessTable(ModuleFiles &files) : files_{files} {}

  /// More mappings than this of one process are cut: those of files last.
  static constexpr size_t kMostMappings = 2048;
  /// Exited processes that nobody drains.
  static constexpr size_t kMostExited = 32768;

  /// Reads a process from /proc; null when it is not there or not to be read.
  Process *scan(int32_t pid);
  Process *find(int32_t pid) noexcept;
  /// The one of those with this id that started then: SAMPLER_STARTED, 0 for any.
  Process *find(int32_t pid, uint32_t started) noexcept;
  /// The id of the container that it runs in, 64 hexadecimal digits; empty outside of one. Read
  /// when it is first asked for; of a process that has gone by then, its parent's.
  const std::string &container_of(Process &process);

  /// Whether a record of this time is news of the process. One that is older than its last makes it
  /// a suspect, for something was done in the wrong order.
  bool is_news(int32_t pid, uint64_t time);
  void on_mmap(int32_t pid, uint64_t start, uint64_t size, uint64_t offset, const FileId &id,
               std::string_view path);
  void on_fork(int32_t pid, int32_t parent, uint64_t time);
  void on_thread(int32_t pid);
  void on_comm(int32_t pid, std::string_view comm, bool is_exec);
  void on_exit(int32_t pid, int32_t thread);
  void on_exit(int32_t pid) { on_exit(pid, pid); }

  /// Marks those as exited that /proc does not list any more: whose exit was never told. Returns
  /// what it lists.
  std::vector<int32_t> find_gone();
  /// Processes of which something may have been missed, to be scanned anew.
  std::vector<int32_t> take_suspects() { return std::exchange(suspects_, {}); }
  /// Exited since the last call and not started anew.
  std::vector<int32_t> take_exited();
  /// Ids that were given to another process since the last call.
  std::vector<int32_t> take_recycled();
  /// Forgets processes that had exited before the last call.
  void forget_exited(std::vector<int32_t> &forgotten);
  /// They pile up: nobody drains.
  bool has_many_exited() const noexcept {
    return exited_.size() > kMostExited || former_.size() > kMostExited;
  }
  /// Which modules are mapped, by number. Those that exited are not counted unless asked for.
  std::vector<bool> mapped_modules(bool with_exited) const;
  /// Mappings that were left out since the start: kMostMappings.
  uint64_t cut_mappings() const noexcept { return cut_mappings_; }

  std::unordered_map<int32_t, Process> &all() noexcept { return processes_; }
  /// Changed since they were last taken.
  std::vector<int32_t> take_changed();

private:
  void map(Process &process, const Mapping &mapping);
  void changed(Process &process);
  void bound(Process &process);
  void exited(Process &process);
  Mapping make_mapping(int32_t pid, uint64_t start, uint64_t end, uint64_t offset, const FileId &id,
                       std::string_view path);

  ModuleFiles &files_;
  std::unordered_map<int32_t, Process> processes_;
  std::vector<int32_t> changed_;
  std::vector<int32_t> exited_, exited_before_, just_exited_, recycled_, suspects_;
  std::vector<Process> former_, former_before_; ///< whose ids are others' now
  uint64_t cut_mappings_ = 0;
};

/// The mappings of a process that the kernel is to know, at most `most`, by start. Returns how many
/// were left out.
size_t choose_mappings(const Process &process, const ModuleFiles &files, size_t most,
                       std::vector<const Mapping *> &chosen);

/// All process ids that /proc lists.
std::vector<int32_t> list_processes();
/// Nanoseconds since boot, the clock of everything here.
uint64_t since_boot() noexcept;
/// Start time of a process in nanoseconds since boot; 0 when it has gone.
uint64_t start_time_of(int32_t pid);
/// The container's id in the text of a /proc/PID/cgroup: Docker's, containerd's, CRI-O's, Podman's
/// and Kubernetes' paths all end in it. Empty without one.
std::string_view container_in_cgroups(std::string_view text);
/// Program and arguments, spaces between; empty when it has gone.
std::string command_line_of(int32_t pid);
/// The id that process `pid` has in its innermost pid namespace; `pid` itself when not known.
int32_t namespace_pid_of(int32_t pid);
/// How many pid namespaces, from that of /proc to the innermost, the process of a /proc/PID/status
/// has an id in; 0 when it cannot be read.
int count_namespace_ids(const std::string &status_path);

} // namespace profcore::sampler
