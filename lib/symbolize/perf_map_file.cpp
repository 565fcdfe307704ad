// Where a process's perf map is, and whether to believe it.

#include "symbolize/open_file.hpp"
#include "symbolize/perf_map.hpp"
#include "symbolize/process_files.hpp"

#include <cerrno>
#include <fcntl.h>
#include <linux/openat2.h>
#include <optional>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace profcore {
namespace {

// A FIFO must not block us, and a device not become our terminal.
constexpr int kOpenFlags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;

/// `name` in the folder tmp below another root. An absolute link on the way would lead out of that
/// root into ours, so the kernel is told to stay inside, or where it cannot, no link is followed.
int open_in_root(int root, const std::string &name) {
  const std::string path = "tmp/" + name;
  open_how how{};
  how.flags = static_cast<uint64_t>(kOpenFlags);
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const long fd = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
  if (fd >= 0 || (errno != ENOSYS && errno != EPERM && errno != EINVAL))
    return static_cast<int>(fd);
  const OpenFile tmp{::openat(root, "tmp", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
  if (tmp.get() < 0) return -1;
  return ::openat(tmp.get(), name.c_str(), kOpenFlags);
}

/// Takes over `fd`.
PerfMapFile checked(int fd, std::optional<uint32_t> owner) {
  if (fd < 0) {
    const bool forbidden = errno == EACCES || errno == EPERM;
    // ELOOP is what O_NOFOLLOW says of a symbolic link.
    return {-1, errno == ELOOP ? PerfMapProblem::kUntrusted
                : forbidden    ? PerfMapProblem::kNotPermitted
                               : PerfMapProblem::kMissing};
  }
  struct stat status {};
  const bool trusted = ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
                       (status.st_uid == 0 || status.st_uid == owner.value_or(::geteuid()));
  if (trusted) return {fd, PerfMapProblem::kNone};
  ::close(fd);
  return {-1, PerfMapProblem::kUntrusted};
}

} // namespace

PerfMapFile open_perf_map(const std::string &proc_root, const std::string &host_tmp, int32_t pid,
                          int32_t namespace_pid, uint64_t start_time) {
  const ProcessStatus process = read_process_status(proc_root, pid, start_time);
  const bool alive = process.state == ProcessStatus::kAlive;
  if (namespace_pid <= 0) namespace_pid = alive ? process.namespace_pid : pid;
  PerfMapFile inside;
  if (alive) {
    const std::string root_path = proc_root + "/" + std::to_string(pid) + "/root";
    const OpenFile root{::open(root_path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    const int fd = root.get() < 0
                       ? -1
                       : open_in_root(root.get(), "perf-" + std::to_string(namespace_pid) + ".map");
    inside = checked(fd, process.user);
    if (inside.fd >= 0) {
      // The pid may have been given to another process since it was looked at.
      if (read_process_status(proc_root, pid, start_time).start_time == process.start_time)
        return inside;
      ::close(inside.fd);
      return {-1, PerfMapProblem::kProcessGone};
    }
  }
  const std::string path = host_tmp + "/perf-" + std::to_string(pid) + ".map";
  const PerfMapFile outside = checked(::open(path.c_str(), kOpenFlags),
                                      alive ? std::optional<uint32_t>{process.user} : std::nullopt);
  if (outside.fd >= 0) return outside;
  if (!alive) return {-1, PerfMapProblem::kProcessGone};
  return inside.problem != PerfMapProblem::kMissing ? inside : outside;
}

} // namespace profcore
