#pragma once

#include <cstdint>
#include <string>

namespace profcore {

/// What /proc says of a process.
struct ProcessStatus {
  enum State : uint8_t { kAlive, kGone };

  State state = kGone;
  int32_t namespace_pid = 0; ///< its own view of its pid: the innermost namespace's
  uint32_t user = 0;         ///< effective user id, as we see it
  uint64_t start_time = 0;   ///< clock ticks since boot, field 22 of /proc/PID/stat
};

/// `start_time` 0 is not compared; another one than the process has means kGone.
ProcessStatus read_process_status(const std::string &proc_root, int32_t pid, uint64_t start_time);

} // namespace profcore
