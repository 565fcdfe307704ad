#include "model/task_names.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

namespace profcore {
namespace {

using Words = std::array<std::string_view, 4>;
constexpr Words kProcess = {"process", "process_name", "process.executable.name", "comm"};
constexpr Words kPid = {"pid", "process_id", "process id", "process.pid"};
constexpr Words kThread = {"thread", "thread_name", "thread name", "thread.name"};
constexpr Words kTid = {"tid", "thread_id", "thread id", "thread.id"};

bool is_one_of(std::string_view key, const Words &words) {
  return std::find(words.begin(), words.end(), key) != words.end();
}

std::optional<int64_t> number_of(const Profile &profile, const Label &label) {
  if (label.is_number != 0) return label.number;
  const std::string_view text = profile.text(label.text);
  int64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string_view without_cpu(std::string_view comm) {
  constexpr std::string_view kIdle = "swapper/";
  if (!comm.starts_with(kIdle)) return comm;
  const std::string_view cpu = comm.substr(kIdle.size());
  const bool is_number =
      !cpu.empty() && cpu.find_first_not_of("0123456789") == std::string_view::npos;
  return is_number ? comm.substr(0, kIdle.size() - 1) : comm;
}

} // namespace

TaskNames task_names(const Profile &profile, LabelSetId labels) {
  TaskNames names;
  std::optional<int64_t> pid;
  std::optional<int64_t> tid;
  for (const Label &label : profile.labels_of(labels)) {
    const std::string_view key = profile.text(label.key);
    const std::string_view text =
        label.is_number != 0 ? std::string_view{} : profile.text(label.text);
    if (names.process.empty() && is_one_of(key, kProcess))
      names.process = without_cpu(text);
    else if (names.thread.empty() && is_one_of(key, kThread))
      names.thread = without_cpu(text);
    else if (!pid && is_one_of(key, kPid))
      pid = number_of(profile, label);
    else if (!tid && is_one_of(key, kTid))
      tid = number_of(profile, label);
  }
  names.is_told = pid || tid || !names.process.empty() || !names.thread.empty();
  names.is_main = tid ? pid && *pid == *tid : names.thread.empty();
  if (names.process.empty() && pid) names.process = "pid " + std::to_string(*pid);
  if (names.thread.empty() && tid && !names.is_main) names.thread = "tid " + std::to_string(*tid);
  return names;
}

} // namespace profcore
