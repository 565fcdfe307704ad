#include "sources/sampler/pid_namespace.hpp"

#include "base/error.hpp"
#include "sources/sampler/process_table.hpp"

#include <sys/stat.h>

namespace profcore::sampler {

bool is_proc_of_own_namespace() {
  // A process's line has its ids from the namespace of /proc down to its own.
  return count_namespace_ids("/proc/self/status") == 1;
}

uint32_t own_pid_namespace() {
  constexpr ino_t kFirst = 0xEFFFFFFCU; // PROC_PID_INIT_INO
  struct stat info {};
  if (stat("/proc/self/ns/pid", &info) != 0 || !is_proc_of_own_namespace())
    throw Error{Status::kUnsupported,
                "/proc is not of this pid namespace: mount one (mount -t proc proc /proc, or "
                "unshare --mount-proc)"};
  return info.st_ino == kFirst ? 0 : static_cast<uint32_t>(info.st_ino);
}

} // namespace profcore::sampler
