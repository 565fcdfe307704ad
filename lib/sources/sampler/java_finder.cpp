#include "sources/sampler/java_finder.hpp"

#include "sources/sampler/jvm_process.hpp"
#include "sources/sampler/window_builder.hpp"

#include <algorithm>
#include <utility>

namespace profcore::sampler {
namespace {

constexpr uint64_t kSecondLook = 500'000'000; ///< at a JVM that has not started

void add_bounded(std::vector<uint64_t> &all, const std::vector<uint64_t> &more) {
  const size_t room = JavaCode::kMost - all.size();
  all.insert(all.end(), more.begin(),
             more.begin() + static_cast<ptrdiff_t>(std::min(room, more.size())));
}

} // namespace

void JavaFinder::saw(const sampler_stack &stack) {
  found_.clear();
  add_code_of_no_file(stack, JavaCode::kMost, found_);
  if (!found_.empty()) add_bounded(code_of_no_file_[static_cast<int32_t>(stack.tgid)], found_);
}

void JavaFinder::look(ProcessTable &processes, const ModuleFiles &files) {
  for (auto &[pid, addresses] : std::exchange(code_of_no_file_, {})) {
    Process *process = processes.find(pid);
    if (process == nullptr ||
        std::none_of(process->mappings.begin(), process->mappings.end(), [&](const Mapping &at) {
          return at.module < files.size() && is_jvm_library(files[at.module].path);
        }))
      continue;
    if (collects_) add_bounded(java_[pid], addresses);
    const uint64_t time = since_boot();
    if (process->is_known_jvm || process->has_exited || time - process->jvm_looked_at < kSecondLook)
      continue;
    process->jvm_looked_at = time;
    const JvmProcess jvm = inspect_jvm("/proc", pid);
    process->is_known_jvm = jvm.is_started;
    process->omits_frame_pointers = jvm.omits_frame_pointers;
  }
}

std::vector<JavaCode> JavaFinder::take() {
  std::vector<JavaCode> taken;
  for (auto &[pid, addresses] : std::exchange(java_, {}))
    taken.push_back({pid, std::move(addresses)});
  return taken;
}

} // namespace profcore::sampler
