#include "symbolize/process_files.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <string_view>
#include <unistd.h>

namespace profcore {
namespace {

/// The first bytes of a small file; empty when it cannot be read.
std::string read_small(const std::string &path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  std::string text(8192, '\0');
  size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t got = ::read(fd, text.data() + filled, text.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    filled += static_cast<size_t>(got);
  }
  ::close(fd);
  text.resize(filled);
  return text;
}

template <class Number> bool take_number(std::string_view text, Number &value) noexcept {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return false;
  text.remove_prefix(begin);
  return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc{};
}

/// What follows "name:" in /proc/PID/status.
std::string_view status_line(std::string_view text, std::string_view name) noexcept {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (line.starts_with(name) && line.substr(name.size()).starts_with(':'))
      return line.substr(name.size() + 1);
    at = end + 1;
  }
  return {};
}

} // namespace

ProcessStatus read_process_status(const std::string &proc_root, int32_t pid, uint64_t start_time) {
  ProcessStatus process;
  if (pid <= 0) return process;
  const std::string folder = proc_root + "/" + std::to_string(pid);
  const std::string stat = read_small(folder + "/stat");
  // Field 22, counted from behind the command's name, which may hold anything.
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return process;
  std::string_view fields{stat};
  fields.remove_prefix(name_end + 1);
  for (int field = 2; field < 21; ++field) {
    const size_t space = fields.find(' ', 1);
    if (space == std::string_view::npos) return process;
    fields.remove_prefix(space);
  }
  if (!take_number(fields, process.start_time)) return process;
  if (start_time != 0 && start_time != process.start_time) return process;

  const std::string status = read_small(folder + "/status");
  const std::string_view users = status_line(status, "Uid"); // real, effective, saved, files
  const size_t second = users.find('\t', 1);
  if (second == std::string_view::npos || !take_number(users.substr(second), process.user))
    return process;
  const std::string_view pids = status_line(status, "NSpid"); // outermost first
  const size_t last = pids.rfind('\t');
  if (last == std::string_view::npos || !take_number(pids.substr(last), process.namespace_pid))
    process.namespace_pid = pid;
  process.state = ProcessStatus::kAlive;
  return process;
}

} // namespace profcore
