#pragma once

// Names of code made at run time, from the /tmp/perf-PID.map that JIT compilers write: lines of
// "start size name", numbers in hexadecimal.
//
// The file is a log. A method compiled at an address where an older one was is written further
// down, so where lines overlap the last one is right, for as far as it reaches. Files only grow;
// so a refresh reads the new lines, makes a table of them, and puts it on top of the older ones.
// Tables are merged when the newer is at least half as large as the one below, which keeps them
// few (log n) and the work per line at O(log n), and a look-up asks them from the newest down.
// One sorted table would have to be moved as a whole for every hundred new lines.

#include "base/context.hpp"
#include "symbolize/range_table.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace profcore {

class PerfMap {
public:
  static constexpr uint32_t kNotFound = RangeTable::kNotFound;
  static constexpr size_t kLongestName = size_t{64} << 10;

  /// Takes whole lines, in the order of the file. Throws kLimit past 2 GB of names.
  void append(std::string_view lines);
  void clear();

  /// To be given to `name`, or kNotFound.
  uint32_t find(uint64_t address) const noexcept {
    for (size_t i = tables_.size(); i-- > 0;)
      if (const uint32_t found = tables_[i].find(address); found != kNotFound) return found;
    return kNotFound;
  }
  /// Bytes as they are in the file, valid UTF-8 or not.
  std::string_view name(uint32_t symbol) const noexcept { return names_.c_str() + symbol; }

  size_t size() const noexcept; ///< pieces of address space; hidden ones may count twice
  uint64_t lines() const noexcept { return lines_; }
  uint64_t bad_lines() const noexcept { return bad_lines_; }
  size_t bytes() const noexcept;

private:
  bool parse_line(std::string_view line, PodVector<AddressRange> &ranges);

  std::vector<RangeTable> tables_; ///< oldest first
  std::string names_;              ///< each ends in a NUL
  uint64_t lines_ = 0;
  uint64_t bad_lines_ = 0;
};

/// The perf map of one process, read as it grows.
class PerfMapLog {
public:
  /// No map is larger than that: more is not read.
  static constexpr uint64_t kMostBytes = uint64_t{1} << 30;

  enum class Result : uint8_t {
    kUnchanged,
    kGrown,
    kReplaced, ///< another file, or written anew: all names are new
    kDamaged,  ///< could not be read
  };

  /// Reads what is new in the file. The descriptor stays the caller's.
  Result refresh(int fd, uint64_t max_bytes);
  /// Reads a file that is written anew each time instead of growing, and holds only what there is
  /// at that moment. What the one before it named and nothing has taken the place of stays named:
  /// code that was sampled may have been thrown away since. `max_bytes` bounds the file, and what
  /// is kept.
  Result replace(int fd, uint64_t max_bytes);

  /// The name of what is at the address; a null pointer without one. `symbol` tells names apart.
  const char *find(uint64_t address, uint64_t &symbol) const noexcept;
  const PerfMap &map() const noexcept { return map_; }
  /// The file was larger than the bounds, and its end is missing.
  bool cut() const noexcept { return cut_; }
  bool loaded() const noexcept { return inode_ != 0; }
  size_t bytes() const noexcept { return map_.bytes() + before_.bytes(); }

private:
  static constexpr size_t kSeam = 32;

  bool same_before(int fd) const;

  PerfMap map_;
  PerfMap before_; ///< the last but one that `replace` read
  uint64_t device_ = 0;
  uint64_t inode_ = 0;
  uint64_t offset_ = 0; ///< all lines before are taken
  uint64_t size_ = 0;
  uint64_t most_bytes_ = kMostBytes; ///< of the file
  int64_t modified_ns_ = 0;
  std::string seam_; ///< what was just before offset_, to tell a file written anew
  bool cut_ = false;
};

/// Why there is no perf map, or none.
enum class PerfMapProblem : uint8_t { kNone, kMissing, kProcessGone, kNotPermitted, kUntrusted };

struct PerfMapFile {
  int fd = -1; ///< the caller's to close
  PerfMapProblem problem = PerfMapProblem::kMissing;
};

/// Opens the perf map of a process: /tmp/perf-NSPID.map as the process sees it, or the host's
/// /tmp/perf-PID.map. Never a symbolic link, nothing but a regular file, nothing that belongs to
/// somebody else than the process's user or root (anybody may write to /tmp). `namespace_pid` 0 is
/// looked up; a `start_time` (clock ticks since boot, as in /proc/PID/stat) that is not the
/// process's says that the pid was given to another one.
PerfMapFile open_perf_map(const std::string &proc_root, const std::string &host_tmp, int32_t pid,
                          int32_t namespace_pid, uint64_t start_time);

} // namespace profcore
