#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace profcore {

/// At most `most` bytes of a file of /proc, whose size is not told beforehand; false when it cannot
/// be read to there.
bool read_proc(const std::string &path, std::string &text, size_t most = size_t{16} << 20);

/// What /proc/PID/stat says.
struct ProcStat {
  std::string_view comm; ///< in the text
  int32_t parent = 0;
  uint32_t threads = 0;
  uint64_t start_ticks = 0; ///< since boot
};
/// False when the text is none.
bool parse_proc_stat(std::string_view text, ProcStat &stat) noexcept;
/// Of the kernel's clock for user space; 0 when it does not tell.
uint64_t nanoseconds_of_ticks(uint64_t ticks) noexcept;

/// A line of /proc/PID/maps.
struct ProcMapping {
  uint64_t start = 0;
  uint64_t end = 0;
  uint64_t offset = 0; ///< in the file, of start
  uint64_t inode = 0;  ///< 0 = no file
  uint32_t major = 0;  ///< of the file's device
  uint32_t minor = 0;
  bool is_executable = false;
  std::string_view path; ///< in the text; perhaps "[heap]" or empty
};
/// Takes lines from the text's front until one is a mapping; damaged ones are left out. False at
/// the end.
bool take_mapping(std::string_view &text, ProcMapping &mapping) noexcept;

/// Opens a regular file and nothing else: to open a device or a pipe does something already, so
/// what the path leads to is looked at first, and then that very thing is opened. -1 with errno;
/// what is no regular file is ENOENT. O_CLOEXEC, O_NONBLOCK and O_NOCTTY are added to the flags.
int open_regular(const std::string &path, int flags);

} // namespace profcore
