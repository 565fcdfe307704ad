// Records a command as on the oldest kernels: without what their BPF lacks. The library chooses by
// what the kernel can, so only the layer below the C ABI can be told to.
// Usage: record_as_old [--as-it-is] FREQUENCY OUT.folded COMMAND...
// Says on stderr what `profcore record --stats` says, as far as tests read it.

#include "base/error.hpp"
#include "output/output.hpp"
#include "sources/sampler/sampler.hpp"
#include "symbolize/symbolizer.hpp"
#include "unwind_row.h"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace profcore;

namespace {

class SampledModules final : public ModuleProvider {
public:
  explicit SampledModules(const std::vector<sampler::ModuleOrigin> &origins) : origins_{origins} {}
  ModuleFile file_of(uint32_t module) override {
    return module < origins_.size() ? ModuleFile{origins_[module].fd, {}} : ModuleFile{};
  }
  ProcessView process_of(uint32_t) override { return {}; }

private:
  const std::vector<sampler::ModuleOrigin> &origins_;
};

/// It runs when a byte comes through the pipe.
pid_t start_stopped(char **command, int &gate) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw Error{Status::kIo, "no pipe"};
  const pid_t pid = fork();
  if (pid == 0) {
    close(ends[1]);
    char byte = 0;
    if (read(ends[0], &byte, 1) == 1) execvp(command[0], command);
    _exit(127);
  }
  close(ends[0]);
  gate = ends[1];
  return pid;
}

void print_stats(const sampler::Stats &stats, double load_ms) {
  const uint64_t user = stats.taken - stats.stops[UNWIND_OK];
  const uint64_t complete =
      stats.stops[UNWIND_END] + stats.stops[UNWIND_END_FP] + stats.stops[UNWIND_END_ZERO_PC];
  fmt::print(
      stderr,
      "taken            {}\ndelivered        {}\nlost             {} (no room {}, stack lost {})\n"
      "complete         {} of {} user stacks\nin the kernel    {:.3f} ms, {:.2f} us a sample\n"
      "started in       {:.1f} ms\n",
      stats.taken, stats.delivered, stats.lost_counts + stats.lost_stacks, stats.lost_counts,
      stats.lost_stacks, complete, user, static_cast<double>(stats.bpf_nanoseconds) / 1e6,
      static_cast<double>(stats.bpf_nanoseconds) / 1e3 / static_cast<double>(stats.taken + 1),
      load_ms);
  for (size_t i = UNWIND_FIRST_INCOMPLETE; i < std::size(stats.stops); ++i)
    if (stats.stops[i] != 0) fmt::print(stderr, "  stop {}: {}\n", i, stats.stops[i]);
}

int record(bool as_old, uint32_t frequency, const char *out, char **command) {
  int gate = -1;
  const pid_t child = start_stopped(command, gate);
  sampler::Options options;
  options.frequency = frequency;
  options.pids = {child};
  options.as_on_old_kernels = as_old;
  options.cpu_budget = 0;
  const auto began = std::chrono::steady_clock::now();
  const auto sampler = sampler::start_bpf_sampler(options);
  const std::chrono::duration<double, std::milli> load = std::chrono::steady_clock::now() - began;
  if (write(gate, "", 1) != 1) throw Error{Status::kIo, "the command did not start"};
  while (waitpid(child, nullptr, WNOHANG) == 0) {
    pollfd event{sampler->fd(), POLLIN, 0};
    if (poll(&event, 1, 50) > 0) sampler->process();
  }
  sampler->stop();
  sampler::Window window = sampler->drain();
  Symbolizer symbolizer;
  SampledModules modules{window.origins};
  symbolizer.symbolize(window.profile, modules, Context{});
  Buffer text;
  write_collapsed(window.profile, {}, text);
  FILE *file = std::fopen(out, "wb");
  if (file == nullptr || std::fwrite(text.data(), 1, text.size(), file) != text.size() ||
      std::fclose(file) != 0)
    throw Error{Status::kIo, "the stacks cannot be written"};
  print_stats(sampler->stats(), load.count());
  return 0;
}

} // namespace

int main(int argc, char **argv) {
  const bool as_it_is = argc > 1 && std::strcmp(argv[1], "--as-it-is") == 0;
  const int at = as_it_is ? 2 : 1;
  if (argc < at + 3) return 2;
  try {
    return record(!as_it_is, static_cast<uint32_t>(std::atoi(argv[at])), argv[at + 1],
                  argv + at + 2);
  } catch (const Error &error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
