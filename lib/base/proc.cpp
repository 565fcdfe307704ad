#include "base/proc.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace profcore {
namespace {

template <class Number>
bool take_number(std::string_view &text, Number &number, int base, char end) noexcept {
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc{} || at == text.data() + text.size() || *at != end) return false;
  text.remove_prefix(static_cast<size_t>(at - text.data()) + 1);
  return true;
}

/// "start-end perms offset major:minor inode   path"
bool parse_mapping(std::string_view line, ProcMapping &mapping) noexcept {
  if (!take_number(line, mapping.start, 16, '-') || !take_number(line, mapping.end, 16, ' ') ||
      mapping.end <= mapping.start || line.size() < 6 || line[4] != ' ')
    return false;
  mapping.is_executable = line[2] == 'x';
  line.remove_prefix(5);
  if (!take_number(line, mapping.offset, 16, ' ') || !take_number(line, mapping.major, 16, ':') ||
      !take_number(line, mapping.minor, 16, ' '))
    return false;
  const auto inode = std::from_chars(line.data(), line.data() + line.size(), mapping.inode);
  if (inode.ec != std::errc{}) return false;
  line.remove_prefix(static_cast<size_t>(inode.ptr - line.data()));
  mapping.path = line.substr(std::min(line.find_first_not_of(' '), line.size()));
  return true;
}

int close_with(int fd, int error) noexcept {
  ::close(fd);
  errno = error;
  return -1;
}

} // namespace

bool read_proc(const std::string &path, std::string &text, size_t most) {
  constexpr size_t kStep = 32768;
  text.clear();
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t got = 1;
  try {
    for (size_t filled = 0; got > 0 && filled < most; filled = text.size()) {
      text.resize(std::min(filled + kStep, most));
      do got = ::read(fd, text.data() + filled, text.size() - filled);
      while (got < 0 && errno == EINTR);
      text.resize(filled + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    }
  } catch (...) {
    ::close(fd);
    throw;
  }
  ::close(fd);
  return got >= 0;
}

bool parse_proc_stat(std::string_view text, ProcStat &stat) noexcept {
  const size_t name = text.find('(');
  const size_t name_end = text.rfind(')'); // the name may hold anything
  if (name == text.npos || name_end == text.npos || name_end < name) return false;
  stat.comm = text.substr(name + 1, name_end - name - 1);
  text.remove_prefix(std::min(text.size(), name_end + 2));
  for (int field = 3;; ++field) {
    const std::string_view word = text.substr(0, text.find_first_of(" \n"));
    const char *end = word.data() + word.size();
    if (word.empty()) return false;
    if (field == 4) std::from_chars(word.data(), end, stat.parent);
    if (field == 20) std::from_chars(word.data(), end, stat.threads);
    if (field == 22) {
      const auto ticks = std::from_chars(word.data(), end, stat.start_ticks);
      return ticks.ec == std::errc{} && ticks.ptr == end;
    }
    text.remove_prefix(std::min(text.size(), word.size() + 1));
  }
}

uint64_t nanoseconds_of_ticks(uint64_t ticks) noexcept {
  const long hertz = ::sysconf(_SC_CLK_TCK);
  return hertz <= 0 ? 0 : ticks * (UINT64_C(1000000000) / static_cast<uint64_t>(hertz));
}

bool take_mapping(std::string_view &text, ProcMapping &mapping) noexcept {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (parse_mapping(line, mapping)) return true;
  }
  return false;
}

int open_regular(const std::string &path, int flags) {
  flags |= O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  const int seen = ::open(path.c_str(), O_PATH | O_CLOEXEC | (flags & O_NOFOLLOW));
  if (seen < 0) return -1;
  struct stat found {};
  if (::fstat(seen, &found) != 0) return close_with(seen, errno);
  if (!S_ISREG(found.st_mode)) return close_with(seen, ENOENT);
  const std::string link = "/proc/self/fd/" + std::to_string(seen);
  const int fd = ::open(link.c_str(), flags & ~O_NOFOLLOW);
  if (fd >= 0 || errno != ENOENT) {
    const int error = errno;
    ::close(seen);
    errno = error;
    return fd;
  }
  // Without /proc: by its path again, and then it has to be the same.
  const int again = ::open(path.c_str(), flags);
  const int error = errno;
  struct stat opened {};
  const bool is_same = again >= 0 && ::fstat(again, &opened) == 0 &&
                       opened.st_dev == found.st_dev && opened.st_ino == found.st_ino;
  ::close(seen);
  errno = error;
  if (again < 0 || is_same) return again;
  return close_with(again, ENOENT);
}

} // namespace profcore
