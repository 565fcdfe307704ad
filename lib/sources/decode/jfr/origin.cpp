#include "sources/decode/jfr/origin.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace profcore::jfr {
namespace {

std::string_view first_line(std::string_view text) noexcept {
  return text.substr(0, text.find_first_of("\r\n"));
}

} // namespace

void Origin::add_command(std::string_view java_arguments) {
  if (command_.empty()) command_ = java_arguments;
}

/// The JDK's own version says its name once more, and when and by whom it was built.
void Origin::add_jvm(std::string_view name, std::string_view version) {
  if (!jvm_.empty() || name.empty()) return;
  if (version.starts_with(name)) {
    version.remove_prefix(name.size());
    const size_t open = version.find('(');
    const size_t close = version.find(')');
    if (open < close && close != version.npos) version = version.substr(open + 1, close - open - 1);
  }
  jvm_ = fmt::format("{} {}", first_line(name), first_line(version));
}

/// Of the JDK the text of /etc/os-release and what uname says; of others the latter.
void Origin::add_system(std::string_view version) {
  if (!system_.empty()) return;
  constexpr std::string_view kName = "PRETTY_NAME=\"";
  constexpr std::string_view kKernel = "uname: ";
  if (const size_t at = version.find(kName); at != version.npos) {
    const std::string_view rest = first_line(version.substr(at + kName.size()));
    system_ = rest.substr(0, rest.find('"'));
  } else {
    if (version.starts_with(kKernel)) version.remove_prefix(kKernel.size());
    system_ = first_line(version);
  }
}

void Origin::add_recording(std::string_view name) {
  constexpr size_t kMost = 8;
  constexpr std::string_view kProfilers[] = {"async-profiler", "java-profiler"};
  const bool is_profiler =
      std::any_of(std::begin(kProfilers), std::end(kProfilers),
                  [name](std::string_view profiler) { return name.starts_with(profiler); });
  std::string text =
      is_profiler ? std::string{name} : fmt::format("JDK Flight Recorder (recording {})", name);
  if (recordings_.size() < kMost &&
      std::find(recordings_.begin(), recordings_.end(), text) == recordings_.end())
    recordings_.push_back(std::move(text));
}

void Origin::tell(Profile &profile) const {
  if (!command_.empty()) profile.meta.command = profile.intern(command_);
  const auto comment = [&profile](std::string_view what, std::string_view text) {
    if (!text.empty())
      profile.meta.comments.push_back(profile.intern(fmt::format("{}: {}", what, text)));
  };
  for (const std::string &recording : recordings_) comment("recorded by", recording);
  comment("JVM", jvm_);
  comment("system", system_);
}

} // namespace profcore::jfr
