// Workload F: many live processes, ten addresses each, by pid.
//   process_names_bench [PROCESSES]
// One in ten is python3, the others sleep; CPU time of the calls, per process. Cold: nothing is
// known; then the same with all files known but no mappings; warm: within the time that mappings
// count as unchanged. Beside it what reading and parsing /proc/PID/maps alone costs, in the same
// run.
#include "symbolize/process_maps.hpp"
#include "symbolize/symbolizer.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <random>
#include <spawn.h>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace profcore;

extern char **environ;

namespace {

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::string maps_of(pid_t pid) {
  std::ifstream file{"/proc/" + std::to_string(pid) + "/maps"};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

pid_t spawn(bool python) {
  const char *sleeping[] = {"sleep", "600", nullptr};
  const char *script[] = {"python3", "-c", "import json, re, time; time.sleep(600)", nullptr};
  pid_t pid = -1;
  const char **argv = python ? script : sleeping;
  return ::posix_spawnp(&pid, argv[0], nullptr, nullptr, const_cast<char **>(argv), environ) == 0
             ? pid
             : -1;
}

} // namespace

int main(int argc, char **argv) {
  const size_t count = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1000;
  struct Target {
    pid_t pid;
    std::vector<uint64_t> addresses;
  };
  std::vector<Target> targets;
  for (size_t i = 0; i < count; ++i)
    if (const pid_t pid = spawn(i % 10 == 0); pid > 0) targets.push_back({pid, {}});
  std::this_thread::sleep_for(std::chrono::seconds{5});
  std::mt19937_64 random{7};
  size_t mappings = 0;
  for (Target &target : targets) {
    auto code = parse_code_mappings(maps_of(target.pid));
    std::erase_if(code, [](const CodeMapping &at) { return at.start >> 63 != 0; }); // [vsyscall]
    mappings += code.size();
    for (int i = 0; i < 10 && !code.empty(); ++i) {
      const CodeMapping &at = code[random() % code.size()];
      target.addresses.push_back(at.start + random() % (at.end - at.start));
    }
  }
  const auto microseconds = [&](auto &&work) {
    const double start = cpu_seconds();
    for (const Target &target : targets) work(target);
    return (cpu_seconds() - start) * 1e6 / static_cast<double>(targets.size());
  };
  SymbolizerOptions options;
  options.maps_ms = 600'000;
  Symbolizer symbolizer{options};
  const auto names = [&](Symbolizer &by) {
    return microseconds([&](const Target &target) {
      AddressSource source;
      source.kind = AddressSource::kProcess;
      source.pid = target.pid;
      (void)by.look_up(source, target.addresses, {});
    });
  };
  const double reading =
      microseconds([](const Target &target) { (void)parse_code_mappings(maps_of(target.pid)); });
  const double cold = names(symbolizer);
  const double warm = std::min({names(symbolizer), names(symbolizer), names(symbolizer)});
  const SymbolizerStats stats = symbolizer.stats();
  options.maps_ms = 0;
  Symbolizer always{options};
  names(always);
  std::this_thread::sleep_for(std::chrono::milliseconds{5});
  const double files_known = names(always);
  std::printf(
      "F  %zu processes, %.1f code mappings each: first %.1f us a process, files known %.1f us, "
      "warm %.2f us; reading and parsing maps alone %.1f us; %.0f %% named, %zu files, %.2f MB\n",
      targets.size(), static_cast<double>(mappings) / static_cast<double>(targets.size()), cold,
      files_known, warm, reading,
      100.0 * static_cast<double>(stats.named + stats.named_by_bounds) /
          static_cast<double>(targets.size() * 10 * 4),
      static_cast<size_t>(stats.modules), static_cast<double>(stats.bytes) / 1e6);
  for (const Target &target : targets) ::kill(target.pid, SIGKILL);
  for (const Target &target : targets) ::waitpid(target.pid, nullptr, 0);
  return 0;
}
