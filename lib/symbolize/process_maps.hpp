#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace profcore {

/// A mapping with code.
struct CodeMapping {
  uint64_t start = 0;
  uint64_t end = 0;
  uint64_t offset = 0; ///< in the file, of start
  uint64_t device = 0;
  uint64_t inode = 0; ///< 0 = no file
  std::string path;   ///< as the process sees it, or "[vdso]", or empty
};

/// The executable lines of a /proc/PID/maps; damaged ones are left out. Sorted as they are there.
std::vector<CodeMapping> parse_code_mappings(std::string_view text);

/// The mappings of a process that hold certain addresses.
class ProcessMaps {
public:
  enum class Result : uint8_t { kDone, kGone, kNotPermitted };

  /// All mappings with code that hold one of the addresses (sorted), sorted, each once. Asks the
  /// kernel for each address (6.11 and newer), which for a few is quicker than the whole text, or
  /// reads that.
  static Result find(const std::string &proc_root, int32_t pid,
                     const std::vector<uint64_t> &addresses, std::vector<CodeMapping> &found);
};

} // namespace profcore
