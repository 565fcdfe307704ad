#include "symbolize/process_maps.hpp"

#include "base/proc.hpp"
#include "symbolize/open_file.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace profcore {
namespace {

/// The text of one process; the kernel allows 65,530 mappings by default.
constexpr size_t kMostText = size_t{64} << 20;
/// Above so many addresses the text is quicker: it costs about as much as so many queries.
constexpr size_t kMostQueries = 64;

/// The kernel's query for one mapping (linux/fs.h of 6.11), as its ABI has it.
struct MappingQuery {
  uint64_t size;
  uint64_t flags;
  uint64_t address;
  uint64_t start;
  uint64_t end;
  uint64_t vma_flags;
  uint64_t page_size;
  uint64_t offset;
  uint64_t inode;
  uint32_t device_major;
  uint32_t device_minor;
  uint32_t name_size;
  uint32_t build_id_size;
  uint64_t name;
  uint64_t build_id;
};
static_assert(sizeof(MappingQuery) == 104);
constexpr unsigned long kQueryMapping = _IOWR('f', 17, MappingQuery);
constexpr uint64_t kIsExecutable = 4;

bool before(const CodeMapping &mapping, uint64_t address) noexcept {
  return mapping.end <= address;
}

enum class Query : uint8_t { kFound, kNone, kUnknown };

Query query(int fd, uint64_t address, CodeMapping &mapping, std::vector<char> &name) {
  MappingQuery asked{};
  asked.size = sizeof asked;
  asked.address = address;
  asked.name = reinterpret_cast<uint64_t>(name.data());
  asked.name_size = static_cast<uint32_t>(name.size());
  while (::ioctl(fd, kQueryMapping, &asked) != 0) {
    if (errno == EINTR) continue;
    return errno == ENOENT ? Query::kNone : Query::kUnknown;
  }
  mapping = {asked.start, asked.end, asked.offset, makedev(asked.device_major, asked.device_minor),
             asked.inode, {}};
  if (asked.name_size > 1) mapping.path.assign(name.data(), asked.name_size - 1);
  return (asked.vma_flags & kIsExecutable) != 0 ? Query::kFound : Query::kNone;
}

ProcessMaps::Result problem_of(int error) noexcept {
  return error == EACCES || error == EPERM ? ProcessMaps::Result::kNotPermitted
                                           : ProcessMaps::Result::kGone;
}

} // namespace

std::vector<CodeMapping> parse_code_mappings(std::string_view text) {
  std::vector<CodeMapping> mappings;
  for (ProcMapping line; take_mapping(text, line);)
    if (line.is_executable)
      mappings.push_back({line.start, line.end, line.offset, makedev(line.major, line.minor),
                          line.inode, std::string{line.path}});
  return mappings;
}

ProcessMaps::Result ProcessMaps::find(const std::string &proc_root, int32_t pid,
                                      const std::vector<uint64_t> &addresses,
                                      std::vector<CodeMapping> &found) {
  found.clear();
  const std::string path = proc_root + "/" + std::to_string(pid) + "/maps";
  const OpenFile file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.get() < 0) return problem_of(errno);
  if (addresses.size() <= kMostQueries) {
    std::vector<char> name(4096);
    bool is_known = true;
    for (const uint64_t address : addresses) {
      if (!found.empty() && address < found.back().end) continue; // the last one's again
      CodeMapping mapping;
      const Query result = query(file.get(), address, mapping, name);
      is_known = result != Query::kUnknown;
      if (!is_known) break;
      if (result == Query::kFound) found.push_back(std::move(mapping));
    }
    if (is_known) return Result::kDone;
    found.clear();
  }
  std::string text;
  for (size_t filled = 0;;) {
    text.resize(filled + (size_t{64} << 10));
    const ssize_t got = ::read(file.get(), text.data() + filled, text.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && filled == 0) return problem_of(errno);
    filled += got > 0 ? static_cast<size_t>(got) : 0;
    if (got <= 0 || filled > kMostText) {
      text.resize(filled);
      break;
    }
  }
  std::vector<CodeMapping> all = parse_code_mappings(text);
  // What ended has no mappings left, but is still there for its parent.
  if (text.empty()) return Result::kGone;
  for (const uint64_t address : addresses) {
    if (!found.empty() && address < found.back().end) continue;
    const auto at = std::lower_bound(all.begin(), all.end(), address, before);
    if (at != all.end() && at->start <= address) found.push_back(std::move(*at));
  }
  return Result::kDone;
}

} // namespace profcore
