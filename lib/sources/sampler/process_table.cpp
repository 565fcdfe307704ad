#include "sources/sampler/process_table.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <memory>
#include <unistd.h>

namespace profcore::sampler {
namespace {

/// The whole of a file of /proc, bounded.
bool read_proc(const std::string &path, std::string &text) {
  constexpr size_t kMost = size_t{16} << 20;
  text.clear();
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file.is_open()) return false;
  for (;;) {
    const size_t filled = text.size();
    text.resize(filled + 32768);
    const ssize_t got = read(file.get(), text.data() + filled, 32768);
    text.resize(filled + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got <= 0) return got == 0;
    if (text.size() > kMost) return true;
  }
}

std::string container_of(int32_t pid) {
  std::string text;
  if (!read_proc(fmt::format("/proc/{}/cgroup", pid), text)) return {};
  return std::string{container_in_cgroups(text)};
}

template <class Number>
bool take_number(std::string_view &text, Number &number, int base, char end) {
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc{} || at == text.data() + text.size() || *at != end) return false;
  text.remove_prefix(static_cast<size_t>(at - text.data()) + 1);
  return true;
}

/// Whether threads go on although the first one has ended.
bool has_other_tasks(int32_t pid) {
  const std::string path = fmt::format("/proc/{}/task", pid);
  const std::unique_ptr<DIR, int (*)(DIR *)> folder{opendir(path.c_str()), closedir};
  int tasks = 0;
  while (folder && tasks < 2) {
    const dirent *entry = readdir(folder.get());
    if (entry == nullptr) break;
    if (entry->d_name[0] != '.') ++tasks;
  }
  return tasks > 1;
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

uint64_t start_time_of(int32_t pid) {
  std::string text;
  if (!read_proc(fmt::format("/proc/{}/stat", pid), text)) return 0;
  const size_t name_end = text.rfind(')'); // the name may hold anything
  if (name_end == text.npos) return 0;
  std::string_view rest{text};
  rest.remove_prefix(std::min(rest.size(), name_end + 2));
  for (int field = 3; field < 22; ++field) {
    const size_t space = rest.find(' ');
    if (space == rest.npos) return 0;
    rest.remove_prefix(space + 1);
  }
  uint64_t ticks = 0;
  if (!take_number(rest, ticks, 10, ' ')) return 0;
  const long hertz = sysconf(_SC_CLK_TCK);
  return hertz > 0 ? ticks * (UINT64_C(1000000000) / static_cast<uint64_t>(hertz)) : 0;
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

void ProcessTable::changed(Process &process) {
  if (process.is_changed) return;
  process.is_changed = true;
  changed_.push_back(process.pid);
}

Process *ProcessTable::scan(int32_t pid) {
  std::string text;
  if (!read_proc(fmt::format("/proc/{}/maps", pid), text)) return nullptr;
  Process process;
  process.pid = pid;
  process.start_time = start_time_of(pid);
  if (process.start_time == 0) return nullptr;
  std::string_view rest{text};
  while (!rest.empty()) {
    const size_t end_of_line = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end_of_line);
    rest.remove_prefix(std::min(rest.size(), end_of_line + 1));
    uint64_t start = 0;
    uint64_t end = 0;
    uint64_t offset = 0;
    FileId id;
    if (!take_number(line, start, 16, '-') || !take_number(line, end, 16, ' ')) continue;
    if (line.size() < 5 || line[2] != 'x' || static_cast<int64_t>(start) < 0)
      continue; // [vsyscall]
    line.remove_prefix(5);
    if (!take_number(line, offset, 16, ' ') || !take_number(line, id.major, 16, ':') ||
        !take_number(line, id.minor, 16, ' '))
      continue;
    const size_t space = std::min(line.find(' '), line.size());
    std::from_chars(line.data(), line.data() + space, id.inode);
    line.remove_prefix(space);
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    process.mappings.push_back(make_mapping(pid, start, end, offset, id, line));
  }
  process.container = container_of(pid);
  if (read_proc(fmt::format("/proc/{}/comm", pid), text)) {
    if (!text.empty() && text.back() == '\n') text.pop_back();
    process.comm = text;
  }
  Process &kept = processes_[pid];
  kept = std::move(process);
  kept.is_changed = false;
  changed(kept);
  return &kept;
}

/// What is mapped over something takes its place.
void ProcessTable::map(Process &process, const Mapping &added) {
  std::vector<Mapping> kept;
  kept.reserve(process.mappings.size() + 2);
  for (const Mapping &old : process.mappings) {
    if (old.end <= added.start || old.start >= added.end) {
      kept.push_back(old);
      continue;
    }
    if (old.start < added.start) kept.push_back({old.start, added.start, old.offset, old.module});
    if (old.end > added.end)
      kept.push_back({added.end, old.end, old.offset + (added.end - old.start), old.module});
  }
  const auto at = std::lower_bound(
      kept.begin(), kept.end(), added,
      [](const Mapping &one, const Mapping &other) { return one.start < other.start; });
  kept.insert(at, added);
  process.mappings = std::move(kept);
  changed(process);
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
  constexpr uint64_t kTick = 20'000'000;
  if (const Process *known = find(pid)) {
    if (!known->has_exited && known->start_time + kTick > time && known->start_time < time + kTick)
      return;
    recycled_.push_back(pid);
  }
  Process child;
  child.pid = pid;
  child.parent = parent;
  child.start_time = time;
  if (const Process *from = find(parent)) {
    child.mappings = from->mappings;
    child.comm = from->comm;
    child.container = from->container;
  }
  Process &kept = processes_[pid];
  kept = std::move(child);
  kept.is_changed = false;
  changed(kept);
}

void ProcessTable::on_comm(int32_t pid, std::string_view comm, bool is_exec) {
  Process *process = find(pid);
  if (process == nullptr) return;
  process->comm = comm;
  if (!is_exec) return;
  process->has_exited = false; // another thread than the first ran it
  process->mappings.clear();
  process->container = container_of(pid); // runtimes move a process between its fork and its exec
  changed(*process);
}

void ProcessTable::on_exit(int32_t pid) {
  Process *process = find(pid);
  if (process == nullptr || process->has_exited || has_other_tasks(pid)) return;
  process->has_exited = true;
  exited_.push_back(pid);
  just_exited_.push_back(pid);
}

void ProcessTable::find_gone() {
  std::vector<int32_t> gone;
  for (const auto &[pid, process] : processes_)
    if (!process.has_exited && access(fmt::format("/proc/{}", pid).c_str(), F_OK) != 0)
      gone.push_back(pid);
  for (const int32_t pid : gone) on_exit(pid);
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
}

std::vector<int32_t> ProcessTable::take_changed() {
  std::vector<int32_t> taken = std::move(changed_);
  changed_.clear();
  for (const int32_t pid : taken)
    if (Process *process = find(pid)) process->is_changed = false;
  return taken;
}

} // namespace profcore::sampler
