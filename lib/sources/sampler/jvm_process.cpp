#include "sources/sampler/jvm_process.hpp"

#include "base/proc.hpp"
#include "sources/sampler/module_files.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace profcore::sampler {
namespace {

constexpr int kFirstWithPerfMaps = 17;
constexpr int kQuit = 3; // SIGQUIT
constexpr int64_t kSurelyStarted = 3'000'000'000;

template <class Number> bool take_number(std::string_view text, Number &number, int base = 10) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == text.npos) return false;
  text.remove_prefix(begin);
  return std::from_chars(text.data(), text.data() + text.size(), number, base).ec == std::errc{};
}

/// At most `most` bytes of a file of /proc; nothing when it cannot be read.
std::string read_some(const std::string &path, size_t most) {
  std::string text;
  read_proc(path, text, most);
  return text;
}

/// Column `column` (from 0) of the line "name:\ta\tb..."; empty without one.
std::string_view status_field(std::string_view text, std::string_view name, size_t column) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (!line.starts_with(name) || !line.substr(name.size()).starts_with(":")) continue;
    line.remove_prefix(name.size() + 1);
    for (size_t i = 0;; ++i) {
      line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
      const size_t size = std::min(line.find_first_of(" \t"), line.size());
      if (i == column || size == 0) return line.substr(0, size);
      line.remove_prefix(size);
    }
  }
  return {};
}

uint64_t start_ticks_in(std::string_view text) {
  ProcStat stat;
  return parse_proc_stat(text, stat) ? stat.start_ticks : 0;
}

int64_t age_of(uint64_t start_ticks) {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  const auto start = static_cast<int64_t>(nanoseconds_of_ticks(start_ticks));
  const int64_t age = static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec - start;
  return std::max<int64_t>(age, 0);
}

/// What an id of ours is in the namespace whose uid_map or gid_map this is; -1 = nothing.
int64_t id_inside(std::string_view map, uint32_t outside) {
  while (!map.empty()) {
    const std::string_view line = map.substr(0, map.find('\n'));
    map.remove_prefix(std::min(map.size(), line.size() + 1));
    uint64_t part[3] = {};
    std::string_view rest = line;
    bool whole = true;
    for (uint64_t &number : part) {
      rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
      whole = whole && take_number(rest, number);
      rest.remove_prefix(std::min(rest.find_first_of(" \t"), rest.size()));
    }
    if (whole && outside >= part[1] && outside - part[1] < part[2])
      return static_cast<int64_t>(part[0] + (outside - part[1]));
  }
  return -1;
}

/// Whom HotSpot answers: its own user and group, and root. Sets what we must become.
JavaProblem check_ids(const std::string &folder, JvmProcess &jvm) {
  const uint32_t us = geteuid();
  if (us == jvm.user && getegid() == jvm.group) return JavaProblem::kNone;
  if (us != 0) return JavaProblem::kNotPermitted;
  jvm.wants_own_ids = id_inside(read_some(folder + "/uid_map", 16384), us) != 0;
  return JavaProblem::kNone;
}

struct MapsFacts {
  bool has_jvm = false;
  bool has_openj9 = false;
  std::string counters; ///< the path of its hsperfdata, as the process sees it
};

MapsFacts read_maps(const std::string &path) {
  constexpr std::string_view kCounters = "/tmp/hsperfdata_";
  MapsFacts facts;
  const std::string text = read_some(path, size_t{8} << 20);
  std::string_view rest{text};
  for (ProcMapping mapping; take_mapping(rest, mapping);) {
    const std::string_view file = mapping.path;
    if (file.starts_with(kCounters) && file.size() < 512 && file.find("..") == file.npos)
      facts.counters = file;
    facts.has_jvm = facts.has_jvm || is_jvm_library(file);
    facts.has_openj9 = facts.has_openj9 || file.find("/libj9vm") != file.npos;
  }
  return facts;
}

int open_below(int root, const char *path, uint64_t flags) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(syscall(SYS_openat2, root, path, &how, sizeof how));
}

int open_root_of(const std::string &proc_root, int32_t pid) {
  return open(fmt::format("{}/{}/root", proc_root, pid).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
}

JvmSelfDescription read_counters(int root, const std::string &path, uint32_t user) {
  constexpr size_t kMost = size_t{1} << 20;
  const Descriptor file{open_below(root, path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY)};
  struct stat status {};
  if (!file.is_open() || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_uid != user || status.st_size < 0)
    return {};
  std::vector<uint8_t> bytes(std::min(static_cast<size_t>(status.st_size), kMost));
  const ssize_t got = pread(file.get(), bytes.data(), bytes.size(), 0);
  return got <= 0 ? JvmSelfDescription{}
                  : parse_jvm_counters({bytes.data(), static_cast<size_t>(got)});
}

/// Whether a switch is on: the last word counts.
bool has_flag(std::string_view arguments, std::string_view name) {
  const size_t on = arguments.rfind(fmt::format("-XX:+{}", name));
  const size_t off = arguments.rfind(fmt::format("-XX:-{}", name));
  return on != arguments.npos && (off == arguments.npos || off < on);
}

bool has_word(std::string_view arguments, std::string_view word) {
  constexpr std::string_view kBorders{" \0\n\t", 4};
  for (size_t at = arguments.find(word); at != arguments.npos; at = arguments.find(word, at + 1)) {
    const size_t end = at + word.size();
    if ((at == 0 || kBorders.find(arguments[at - 1]) != kBorders.npos) &&
        (end == arguments.size() || kBorders.find(arguments[end]) != kBorders.npos))
      return true;
  }
  return false;
}

} // namespace

bool is_jvm_library(std::string_view path) noexcept {
  constexpr std::string_view kDeleted = " (deleted)";
  if (path.ends_with(kDeleted)) path.remove_suffix(kDeleted.size());
  return path.ends_with("/libjvm.so");
}

std::string_view problem_text(JavaProblem problem) noexcept {
  switch (problem) {
  case JavaProblem::kNone:
    return "";
  case JavaProblem::kGone:
    return "it ended before it could be asked";
  case JavaProblem::kNotJvm:
    return "it is no JVM any more";
  case JavaProblem::kOpenJ9:
    return "OpenJ9 writes no perf maps on request";
  case JavaProblem::kTooOld:
    return "JDKs before 17 write no perf maps on request";
  case JavaProblem::kDisabled:
    return "attaching is switched off (-XX:+DisableAttachMechanism)";
  case JavaProblem::kNotPermitted:
    return "only its own user and root may attach";
  case JavaProblem::kWrongPeer:
    return "another process listens on the attach socket in its /tmp";
  case JavaProblem::kBadMap:
    return "a link or somebody else's file is where its perf map would be";
  case JavaProblem::kStarting:
    return "it is still starting";
  case JavaProblem::kStopped:
    return "it is stopped";
  case JavaProblem::kNoHandler:
    return "it does not listen to SIGQUIT (-Xrs)";
  case JavaProblem::kStaleSocket:
    return "a file that is not its own is in the place of its attach socket, left by an earlier "
           "process of that id or by a container that shares its /tmp; root or its owner can "
           "remove it";
  case JavaProblem::kNoSocket:
    return "it did not open an attach socket in time";
  case JavaProblem::kNoAnswer:
    return "it did not answer in time";
  case JavaProblem::kRefused:
    return "it refused";
  case JavaProblem::kNoMap:
    return "it wrote no perf map that can be read";
  }
  return "";
}

JvmSelfDescription parse_jvm_counters(std::span<const uint8_t> bytes) {
  JvmSelfDescription found;
  constexpr uint8_t kMagic[] = {0xca, 0xfe, 0xc0, 0xc0};
  if (bytes.size() < 32 || std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0) return found;
  const bool is_little = bytes[4] == 1;
  const auto word = [&](size_t at) {
    uint32_t value = 0;
    for (size_t i = 0; i < 4; ++i)
      value |= uint32_t{bytes[at + i]} << (8 * (is_little ? i : 3 - i));
    return value;
  };
  const auto text_at = [&](size_t at, size_t end) {
    const auto *begin = reinterpret_cast<const char *>(bytes.data());
    if (at >= end) return std::string_view{};
    return std::string_view{begin + at, strnlen(begin + at, end - at)};
  };
  size_t at = word(24);
  const uint32_t count = word(28);
  found.is_started = false;
  for (uint32_t i = 0; i < count; ++i) {
    if (at > bytes.size() || bytes.size() - at < 20) break;
    const uint32_t size = word(at);
    if (size < 20 || size > bytes.size() - at) break;
    const std::string_view name = text_at(at + std::min(word(at + 4), size), at + size);
    const std::string_view value = text_at(at + std::min(word(at + 16), size), at + size);
    const size_t begin = at;
    at += size;
    if (name == "sun.rt.jvmCapabilities" && !value.empty()) {
      found.is_attachable = value[0] == '1';
    } else if (name == "java.rt.vmArgs") {
      found.arguments = value;
    } else if (name == "sun.rt.createVmEndTime") {
      const size_t value_at = std::min(word(begin + 16), size);
      found.is_started =
          size - value_at >= 8 && (word(begin + value_at) != 0 || word(begin + value_at + 4) != 0);
    } else if (name == "java.property.java.vm.specification.version") {
      const std::string_view number = value.starts_with("1.") ? value.substr(2) : value;
      int version = 0;
      if (take_number(number, version) && version > 0) found.version = version;
    }
  }
  return found;
}

bool is_running(const std::string &proc_root, int32_t pid, uint64_t start_ticks) {
  const uint64_t ticks = start_ticks_in(read_some(fmt::format("{}/{}/stat", proc_root, pid), 8192));
  return ticks != 0 && (start_ticks == 0 || ticks == start_ticks);
}

int open_tmp_of(const std::string &proc_root, int32_t pid) {
  const Descriptor root{open_root_of(proc_root, pid)};
  return root.is_open() ? open_below(root.get(), "tmp", O_PATH | O_DIRECTORY) : -1;
}

JvmProcess inspect_jvm(const std::string &proc_root, int32_t pid) {
  JvmProcess jvm;
  jvm.pid = pid;
  const std::string folder = fmt::format("{}/{}", proc_root, pid);
  jvm.start_ticks = start_ticks_in(read_some(folder + "/stat", 8192));
  const std::string status = read_some(folder + "/status", 16384);
  uint64_t caught = 0;
  const std::string_view state = status_field(status, "State", 0);
  if (jvm.start_ticks == 0 || state.starts_with('Z') || state.starts_with('X') ||
      !take_number(status_field(status, "Uid", 1), jvm.user) ||
      !take_number(status_field(status, "Gid", 1), jvm.group) ||
      !take_number(status_field(status, "SigCgt", 0), caught, 16)) {
    jvm.problem = JavaProblem::kGone;
    return jvm;
  }
  jvm.age_ns = age_of(jvm.start_ticks);
  jvm.is_stopped = state.starts_with('T') || state.starts_with('t');
  jvm.catches_quit = (caught >> (kQuit - 1) & 1) != 0;
  jvm.namespace_pid = pid;
  for (size_t i = 0;; ++i) { // the innermost is the last
    const std::string_view inner = status_field(status, "NStgid", i);
    if (inner.empty() || !take_number(inner, jvm.namespace_pid)) break;
  }
  const MapsFacts maps = read_maps(folder + "/maps");
  if (!maps.has_jvm) {
    // Nothing to read is what those see who may not.
    jvm.problem = access((folder + "/root/.").c_str(), F_OK) == 0 ? JavaProblem::kNotJvm
                                                                  : JavaProblem::kNotPermitted;
    return jvm;
  }
  if (maps.has_openj9) {
    jvm.is_started = true;
    jvm.omits_frame_pointers = true;
    jvm.problem = JavaProblem::kOpenJ9;
    return jvm;
  }
  JvmSelfDescription self;
  if (!maps.counters.empty()) {
    const Descriptor root{open_root_of(proc_root, pid)};
    if (root.is_open()) self = read_counters(root.get(), maps.counters, jvm.user);
  }
  const std::string command_line = read_some(folder + "/cmdline", 1 << 20);
  jvm.is_started = self.is_started.value_or(jvm.age_ns > kSurelyStarted);
  jvm.omits_frame_pointers = true;
  for (const std::string_view arguments :
       {std::string_view{self.arguments}, std::string_view{command_line}})
    if (has_flag(arguments, "PreserveFramePointer") || has_word(arguments, "-Xint"))
      jvm.omits_frame_pointers = false;
  if (!self.is_attachable.value_or(!has_flag(command_line, "DisableAttachMechanism")))
    jvm.problem = JavaProblem::kDisabled;
  else if (self.version != 0 && self.version < kFirstWithPerfMaps)
    jvm.problem = JavaProblem::kTooOld;
  else
    jvm.problem = check_ids(folder, jvm);
  // A socket that a JVM opens before it has come up is taken for a stale one and removed by itself.
  if (jvm.problem == JavaProblem::kNone && !jvm.is_started) jvm.problem = JavaProblem::kStarting;
  return jvm;
}

} // namespace profcore::sampler
