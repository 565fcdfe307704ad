#include "symbolize/process_files.hpp"

#include "base/proc.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace profcore {
namespace {

constexpr size_t kMostText = 8192;

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
  std::string text;
  ProcStat stat;
  if (!read_proc(folder + "/stat", text, kMostText) || !parse_proc_stat(text, stat)) return process;
  process.start_time = stat.start_ticks;
  if (start_time != 0 && start_time != process.start_time) return process;

  std::string status;
  read_proc(folder + "/status", status, kMostText);
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
