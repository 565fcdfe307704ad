#include "sources/sampler/process_table.hpp"

#include "base/proc.hpp"
#include "sampler.h"
#include "sources/sampler/trampolines.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <memory>
#include <unistd.h>
#include <unordered_set>

namespace profcore::sampler {
namespace {

bool is_same_start(uint32_t a, uint32_t b) noexcept {
  return a == 0 || b == 0 || a - b + SAMPLER_STARTED_TOLERANCE <= 2 * SAMPLER_STARTED_TOLERANCE;
}

/// Memory that a JIT compiler writes code to: no file whose symbols would help.
bool is_anonymous(const FileId &id, std::string_view path) {
  return id.inode == 0 || path.empty() || path.starts_with("//anon") ||
         path.starts_with("/memfd:") || path.starts_with("/dev/zero") ||
         path.starts_with("/SYSV") || path.starts_with("anon_inode:") || path.front() == '[';
}

} // namespace

std::vector<int32_t> list_processes() {
  std::vector<int32_t> pids;
  const std::unique_ptr<DIR, int (*)(DIR *)> folder{opendir("/proc"), closedir};
  if (!folder) return pids;
  while (const dirent *entry = readdir(folder.get())) {
    const std::string_view name{entry->d_name};
    int32_t pid = 0;
    const auto [at, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error == std::errc{} && at == name.data() + name.size()) pids.push_back(pid);
  }
  return pids;
}

uint64_t since_boot() noexcept {
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1000000000 + static_cast<uint64_t>(time.tv_nsec);
}

uint64_t start_time_of(int32_t pid) {
  std::string text;
  ProcStat stat;
  return read_proc(fmt::format("/proc/{}/stat", pid), text) && parse_proc_stat(text, stat)
             ? nanoseconds_of_ticks(stat.start_ticks)
             : 0;
}

std::string_view container_in_cgroups(std::string_view text) {
  constexpr size_t kDigits = 64;
  std::string_view found;
  size_t run = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    const char at = i < text.size() ? text[i] : '\n';
    if ((at >= '0' && at <= '9') || (at >= 'a' && at <= 'f')) {
      ++run;
      continue;
    }
    // The last one of a line: a container in a container has both in its path.
    if (run == kDigits) found = text.substr(i - kDigits, kDigits);
    run = 0;
    if (at == '\n' && !found.empty()) break;
  }
  return found;
}

std::string command_line_of(int32_t pid) {
  std::string text;
  if (!read_proc(fmt::format("/proc/{}/cmdline", pid), text)) return {};
  while (!text.empty() && text.back() == '\0') text.pop_back();
  std::replace(text.begin(), text.end(), '\0', ' ');
  return text;
}

int32_t namespace_pid_of(int32_t pid) {
  std::string text;
  if (!read_proc(fmt::format("/proc/{}/status", pid), text)) return pid;
  const size_t at = text.find("\nNStgid:");
  if (at == text.npos) return pid;
  const size_t end = text.find('\n', at + 1);
  std::string_view line{text.data() + at, (end == text.npos ? text.size() : end) - at};
  const size_t last = line.find_last_of(" \t");
  int32_t inner = pid;
  if (last != line.npos) std::from_chars(line.data() + last + 1, line.data() + line.size(), inner);
  return inner;
}

int count_namespace_ids(const std::string &status_path) {
  std::string text;
  if (!read_proc(status_path, text)) return 0;
  const size_t at = text.find("\nNStgid:");
  if (at == text.npos) return 0;
  const size_t end = std::min(text.find('\n', at + 1), text.size());
  return static_cast<int>(std::count(text.begin() + static_cast<ptrdiff_t>(at),
                                     text.begin() + static_cast<ptrdiff_t>(end), '\t'));
}

namespace {

/// Pieces of memory without a file that lie side by side are one. False when they do not.
bool extend(Mapping &mapping, const Mapping &next) {
  if (mapping.module != ModuleFiles::kNone || next.module != ModuleFiles::kNone ||
      mapping.trampolines != ModuleFiles::kNone || mapping.end != next.start)
    return false;
  mapping.end = next.end;
  return true;
}

} // namespace

Mapping ProcessTable::make_mapping(int32_t pid, uint64_t start, uint64_t end, uint64_t offset,
                                   const FileId &id, std::string_view path) {
  Mapping mapping{start, end, offset, ModuleFiles::kNone};
  if (path == "[vdso]") {
    mapping.module = files_.add_vdso();
    mapping.offset = 0;
  } else if (!is_anonymous(id, path)) {
    mapping.module = files_.add(id, path, pid, start, end);
  }
  return mapping;
}

Process *ProcessTable::find(int32_t pid) noexcept {
  const auto found = processes_.find(pid);
  return found == processes_.end() ? nullptr : &found->second;
}

Process *ProcessTable::find(int32_t pid, uint32_t started) noexcept {
  Process *const process = find(pid);
  if (process != nullptr && is_same_start(SAMPLER_STARTED(process->start_time), started))
    return process;
  for (std::vector<Process> *list : {&former_, &former_before_})
    for (Process &former : *list)
      if (former.pid == pid && is_same_start(SAMPLER_STARTED(former.start_time), started))
        return &former;
  return nullptr;
}

const std::string &ProcessTable::container_of(Process &asked) {
  std::string text;
  Process *process = &asked;
  for (int depth = 0; depth < 16 && process != nullptr && !process->has_container; ++depth) {
    if (!process->has_exited && read_proc(fmt::format("/proc/{}/cgroup", process->pid), text)) {
      process->container = container_in_cgroups(text);
      process->has_container = true;
      break;
    }
    process = find(process->parent);
  }
  if (process != nullptr && process != &asked) asked.container = process->container;
  asked.has_container = true;
  return asked.container;
}

bool ProcessTable::is_news(int32_t pid, uint64_t time) {
  Process *process = find(pid);
  if (process == nullptr) return true;
  if (time < process->scanned) return false;
  if (time < process->newest) suspects_.push_back(pid);
  process->newest = std::max(process->newest, time);
  return true;
}

void ProcessTable::changed(Process &process) {
  if (process.is_changed) return;
  process.is_changed = true;
  changed_.push_back(process.pid);
}

Process *ProcessTable::scan(int32_t pid) {
  std::string text;
  Process process;
  process.scanned = since_boot();
  ProcStat stat;
  if (!read_proc(fmt::format("/proc/{}/stat", pid), text) || !parse_proc_stat(text, stat))
    return nullptr;
  process.pid = pid;
  process.start_time = nanoseconds_of_ticks(stat.start_ticks);
  process.comm = stat.comm;
  process.parent = stat.parent;
  process.threads = stat.threads;
  if (!read_proc(fmt::format("/proc/{}/maps", pid), text)) return nullptr;
  std::string_view rest{text};
  for (ProcMapping line; take_mapping(rest, line);) {
    if (!line.is_executable || static_cast<int64_t>(line.start) < 0) continue; // [vsyscall]
    const Mapping mapping = make_mapping(pid, line.start, line.end, line.offset,
                                         {line.major, line.minor, line.inode}, line.path);
    if (!process.mappings.empty() && extend(process.mappings.back(), mapping)) continue;
    process.mappings.push_back(mapping);
    if (process.mappings.size() > 2 * kMostMappings) bound(process);
  }
  bound(process);
  Process &kept = processes_[pid];
  if (kept.pid == pid) {
    if (is_same_start(SAMPLER_STARTED(kept.start_time), SAMPLER_STARTED(process.start_time))) {
      process.start_time = kept.start_time;
      process.omits_frame_pointers = kept.omits_frame_pointers; // until it is looked at again
    } else {
      former_.push_back(std::move(kept));
      recycled_.push_back(pid);
    }
  }
  kept = std::move(process);
  kept.is_changed = false;
  changed(kept);
  return &kept;
}

/// What is mapped over something takes its place.
void ProcessTable::map(Process &process, const Mapping &added) {
  std::vector<Mapping> &mappings = process.mappings;
  const auto starts_before = [](const Mapping &one, const Mapping &other) {
    return one.start < other.start;
  };
  const auto after = std::lower_bound(mappings.begin(), mappings.end(), added, starts_before);
  const bool is_free = (after == mappings.end() || after->start >= added.end) &&
                       (after == mappings.begin() || std::prev(after)->end <= added.start);
  if (is_free) {
    if (after == mappings.begin() || !extend(*std::prev(after), added))
      mappings.insert(after, added);
  } else {
    std::vector<Mapping> kept;
    kept.reserve(mappings.size() + 2);
    for (const Mapping &old : mappings) {
      if (old.end <= added.start || old.start >= added.end) {
        kept.push_back(old);
        continue;
      }
      // What is left of anonymous memory is looked at anew, for it begins elsewhere now.
      if (old.start < added.start) kept.push_back({old.start, added.start, old.offset, old.module});
      if (old.end > added.end)
        kept.push_back({added.end, old.end, old.offset + (added.end - old.start), old.module});
    }
    kept.insert(std::lower_bound(kept.begin(), kept.end(), added, starts_before), added);
    mappings = std::move(kept);
  }
  changed(process);
  if (mappings.size() <= kMostMappings) return;
  // The kernel does not tell what is unmapped: JIT compilers that come and go add up. What /proc
  // says is less, or it is cut for good.
  if (process.scanned + UINT64_C(10000000000) < process.newest) suspects_.push_back(process.pid);
  bound(process);
}

/// Leaves a quarter out of too many mappings: small pieces without a file first.
void ProcessTable::bound(Process &process) {
  std::vector<Mapping> &mappings = process.mappings;
  if (mappings.size() <= kMostMappings) return;
  const auto rank = [](const Mapping &mapping) {
    return std::pair{mapping.module != ModuleFiles::kNone, mapping.end - mapping.start};
  };
  const size_t most = kMostMappings - kMostMappings / 4;
  cut_mappings_ += mappings.size() - most;
  std::nth_element(mappings.begin(), mappings.begin() + most, mappings.end(),
                   [&](const Mapping &a, const Mapping &b) { return rank(a) > rank(b); });
  mappings.resize(most);
  std::sort(mappings.begin(), mappings.end(),
            [](const Mapping &a, const Mapping &b) { return a.start < b.start; });
}

void ProcessTable::on_mmap(int32_t pid, uint64_t start, uint64_t size, uint64_t offset,
                           const FileId &id, std::string_view path) {
  if (static_cast<int64_t>(start) < 0 || size == 0 || start + size < start) return;
  Process *process = find(pid);
  if (process == nullptr) {
    scan(pid); // has this mapping too
    return;
  }
  map(*process, make_mapping(pid, start, start + size, offset, id, path));
}

void ProcessTable::on_fork(int32_t pid, int32_t parent, uint64_t time) {
  // Records of two CPUs may come in the wrong order: then it is known already, from /proc.
  if (Process *known = find(pid)) {
    if (!known->has_exited &&
        is_same_start(SAMPLER_STARTED(known->start_time), SAMPLER_STARTED(time))) {
      known->parent = parent;
      return;
    }
    recycled_.push_back(pid);
    former_.push_back(std::move(*known));
  }
  Process child;
  child.pid = pid;
  child.parent = parent;
  child.start_time = time;
  child.newest = time;
  if (Process *from = find(parent)) {
    // Looked at in the child they would be the child's.
    if (from->is_changed) find_trampolines(*from, files_);
    child.mappings = from->mappings;
    child.comm = from->comm;
    child.container = from->container;
    child.has_container = from->has_container;
  }
  Process &kept = processes_[pid];
  kept = std::move(child);
  kept.is_changed = false;
  changed(kept);
}

void ProcessTable::on_thread(int32_t pid) {
  if (Process *process = find(pid)) ++process->threads;
}

void ProcessTable::on_comm(int32_t pid, std::string_view comm, bool is_exec) {
  Process *process = find(pid);
  if (process == nullptr) return;
  process->comm = comm;
  process->is_target = -1;
  if (!is_exec) return changed(*process);
  process->has_exited = false; // another thread than the first ran it
  process->first_has_exited = false;
  process->threads = 1;
  process->mappings.clear();
  process->has_container = false; // runtimes move a process between its fork and its exec
  process->is_known_jvm = process->omits_frame_pointers = false;
  process->jvm_looked_at = 0;
  changed(*process);
}

/// A process lives as long as one of its threads.
void ProcessTable::on_exit(int32_t pid, int32_t thread) {
  Process *process = find(pid);
  if (process == nullptr || process->has_exited) return;
  if (process->threads > 0) --process->threads;
  if (thread == pid) process->first_has_exited = true;
  if (process->threads == 0 && process->first_has_exited) exited(*process);
}

void ProcessTable::exited(Process &process) {
  process.has_exited = true;
  exited_.push_back(process.pid);
  just_exited_.push_back(process.pid);
}

std::vector<int32_t> ProcessTable::find_gone() {
  const std::vector<int32_t> listed = list_processes();
  if (listed.empty()) return listed; // no /proc to be read: nothing is known
  const std::unordered_set<int32_t> here{listed.begin(), listed.end()};
  for (auto &[pid, process] : processes_)
    if (!process.has_exited && !here.contains(pid)) exited(process);
  return listed;
}

std::vector<bool> ProcessTable::mapped_modules(bool with_exited) const {
  std::vector<bool> mapped(files_.size());
  const auto mark = [&](const Process &process) {
    for (const Mapping &mapping : process.mappings)
      if (mapping.module < mapped.size()) mapped[mapping.module] = true;
  };
  for (const auto &[pid, process] : processes_)
    if (with_exited || !process.has_exited) mark(process);
  if (!with_exited) return mapped;
  for (const std::vector<Process> *list : {&former_, &former_before_})
    for (const Process &process : *list) mark(process);
  return mapped;
}

std::vector<int32_t> ProcessTable::take_exited() {
  std::vector<int32_t> taken;
  for (const int32_t pid : just_exited_)
    if (const Process *process = find(pid); process != nullptr && process->has_exited)
      taken.push_back(pid);
  just_exited_.clear();
  return taken;
}

std::vector<int32_t> ProcessTable::take_recycled() {
  return std::exchange(recycled_, {});
}

void ProcessTable::forget_exited(std::vector<int32_t> &forgotten) {
  for (const int32_t pid : exited_before_) {
    const auto found = processes_.find(pid);
    if (found == processes_.end() || !found->second.has_exited) continue; // the id lives again
    processes_.erase(found);
    forgotten.push_back(pid);
  }
  exited_before_ = std::move(exited_);
  exited_.clear();
  former_before_ = std::move(former_);
  former_.clear();
}

std::vector<int32_t> ProcessTable::take_changed() {
  std::vector<int32_t> taken = std::move(changed_);
  changed_.clear();
  for (const int32_t pid : taken)
    if (Process *process = find(pid)) process->is_changed = false;
  return taken;
}

size_t choose_mappings(const Process &process, const ModuleFiles &files, size_t most,
                       std::vector<const Mapping *> &chosen) {
  chosen.clear();
  for (const Mapping &mapping : process.mappings)
    if (mapping.known_as() != ModuleFiles::kNone) chosen.push_back(&mapping);
  if (chosen.size() <= most) return 0;
  const auto is_better = [&](const Mapping *a, const Mapping *b) {
    const ModuleFile &one = files[a->known_as()];
    const ModuleFile &other = files[b->known_as()];
    const bool one_has = one.has_kernel_rows || !one.was_prepared;
    const bool other_has = other.has_kernel_rows || !other.was_prepared;
    if (one_has != other_has) return one_has;
    return a->end - a->start > b->end - b->start;
  };
  const size_t cut = chosen.size() - most;
  std::nth_element(chosen.begin(), chosen.begin() + static_cast<ptrdiff_t>(most), chosen.end(),
                   is_better);
  chosen.resize(most);
  std::sort(chosen.begin(), chosen.end(),
            [](const Mapping *a, const Mapping *b) { return a->start < b->start; });
  return cut;
}

} // namespace profcore::sampler
