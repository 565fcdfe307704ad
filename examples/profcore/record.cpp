#include "child.hpp"
#include "common.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fmt/format.h>
#include <numeric>
#include <optional>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr std::array kOptions = {
    Option{"output", 'o', "OUT",
           "file to write (default: profcore.pb.gz); its ending tells the format"},
    Option{"to", 0, "FORMAT", "pprof, collapsed, json, speedscope, flamebearer, svg, html"},
    Option{"pid", 'p', "PID", "only this process and what it starts; may be repeated"},
    Option{"all", 'a', "", "every process of the host (the default without a target)"},
    Option{"name", 0, "REGEX", "only processes whose name or command line matches, new ones too"},
    Option{"cgroup", 0, "PATH", "only what is in or below this directory of cgroup v2"},
    Option{"no-children", 0, "", "not what the processes start"},
    Option{"frequency", 'F', "HZ", "samples a second on every CPU, 1 to 1000 (99)"},
    Option{"cpu-budget", 0, "PCT",
           "what sampling may cost, in percent of one CPU: sample more rarely if it costs more; "
           "0: anything (the default with -F, else 1)"},
    Option{"duration", 'd', "SEC",
           "stop after so many seconds; default: at Ctrl-C or the command's end"},
    Option{"backend", 0, "NAME",
           "auto, bpf, or perf: without privileges, own processes, user mode (auto)"},
    Option{"stack-size", 0, "BYTES", "with perf: of each stack that is copied, to 65528"},
    Option{"per-thread", 0, "", "tell threads apart, by the labels thread and tid"},
    Option{"per-cpu", 0, "", "tell CPUs apart, by the label cpu"},
    Option{"no-kernel", 0, "", "no kernel frames"},
    Option{"no-symbols", 0, "", "keep addresses, name nothing"},
    Option{"java-refresh", 0, "SEC", "ask JVMs for names of new methods so often, 5 to 3600 (60)"},
    Option{"no-java-attach", 0, "",
           "do not attach to JVMs: no names but those they write themselves"},
    Option{"stats", 0, "", "print what was taken, lost, and what it cost"},
    Option{"title", 0, "TEXT", "title of a graph"},
};

/// For the names of what JVMs compiled last; they answer within milliseconds unless they are stuck.
constexpr uint32_t kJavaWaitMs = 2000;

using Clock = std::chrono::steady_clock;

std::vector<int32_t> pids_of(const Arguments &arguments) {
  std::vector<int32_t> pids;
  for (const std::string &text : arguments.all("pid")) {
    char *end = nullptr;
    const long pid = std::strtol(text.c_str(), &end, 10);
    if (text.empty() || *end != '\0' || pid <= 0 || pid > INT32_MAX)
      throw UsageError{fmt::format("-p: '{}' is no process id", text)};
    pids.push_back(static_cast<int32_t>(pid));
  }
  return pids;
}

bool looks_at_frames(const Arguments &arguments) {
  constexpr std::array kFilters = {"focus", "ignore", "hide", "show", "show-from"};
  return std::any_of(kFilters.begin(), kFilters.end(),
                     [&](const char *name) { return arguments.has(name); });
}

profcore_sampler_backend backend_of(const Arguments &arguments) {
  const std::string name = arguments.get("backend");
  if (name.empty() || name == "auto") return PROFCORE_SAMPLER_BACKEND_AUTO;
  if (name == "bpf") return PROFCORE_SAMPLER_BACKEND_BPF;
  if (name == "perf") return PROFCORE_SAMPLER_BACKEND_PERF;
  throw UsageError{fmt::format("--backend is auto, bpf or perf, not '{}'", name)};
}

const char *name_of(profcore_sampler_backend backend) {
  return backend == PROFCORE_SAMPLER_BACKEND_BPF ? "BPF" : "perf ring";
}

/// Sampling by perf holds a descriptor for each thread and CPU. Only for us: a command that was
/// started keeps the limit that it had.
void allow_more_files() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/// The line that is written over while it runs.
class StatusLine {
public:
  StatusLine(Clock::time_point began, uint32_t asked) : began_{began}, asked_{asked}, at_{began} {}

  void show(const profcore_sampler_stats &stats, profcore_sampler_backend backend) {
    if (isatty(STDERR_FILENO) != 1) return;
    const Clock::time_point now = Clock::now();
    const double since = std::chrono::duration<double>(now - at_).count();
    const double rate = since > 0 ? static_cast<double>(stats.taken - taken_) / since : 0;
    at_ = now;
    taken_ = stats.taken;
    const std::string lowered = stats.frequency < asked_
                                    ? fmt::format(" at {} Hz to save CPU time", stats.frequency)
                                    : std::string{};
    fmt::print(stderr,
               "\r\033[K{:.0f} s, {} samples by {} ({:.0f} a second{}), {} lost, {} processes; "
               "Ctrl-C ends",
               std::chrono::duration<double>(now - began_).count(), stats.taken, name_of(backend),
               rate, lowered, stats.lost_counts + stats.lost_stacks, stats.processes);
    std::fflush(stderr);
  }

private:
  Clock::time_point began_;
  uint32_t asked_;
  Clock::time_point at_;
  uint64_t taken_ = 0;
};

/// Stacks of user mode that were walked; what a ring had no room for was not.
uint64_t user_stacks(const profcore_sampler_stats &stats) {
  return std::accumulate(std::begin(stats.stops) + 1, std::end(stats.stops), uint64_t{0});
}

double whole_percent(const profcore_sampler_stats &stats) {
  const uint64_t all = user_stacks(stats);
  return all == 0 ? 100.0 : 100.0 * static_cast<double>(stats.complete) / static_cast<double>(all);
}

void print_stats(const profcore::Sampler &sampler, const profcore_sampler_stats &stats) {
  constexpr std::array<const char *, 16> kStops = {"no user stack",
                                                   "root by rows",
                                                   "root by frame pointers",
                                                   "root by return address 0",
                                                   "no rows and no frame pointer",
                                                   "gap and no frame pointer",
                                                   "unsupported row",
                                                   "bad frame pointer",
                                                   "stack not readable",
                                                   "stack does not rise",
                                                   "bad return address",
                                                   "no link register",
                                                   "deeper than 127",
                                                   "root, before rows were made",
                                                   "other",
                                                   "longer than its copy"};
  fmt::print(
      stderr,
      "back end         {}: {}\n"
      "event            {}\n"
      "taken            {}\n"
      "delivered        {}\n"
      "lost             {} (no room {}, stack lost {})\n"
      "complete         {} of {} user stacks ({:.1f} %)\n"
      "unregistered     {}\n"
      "news lost        {}; {} processes read again\n"
      "in the kernel    {:.3f} ms, {:.1f} us a sample\n"
      "own CPU time     {:.3f} ms\n"
      "frequency        {} Hz, lowered {} times\n"
      "unwind rows      {} in {} files' tables, {:.1f} MB; {} files without, {} made room\n"
      "map memory       {:.1f} MB of BPF maps, rows too\n"
      "processes        {}, files {}\n",
      name_of(sampler.backend()), sampler.backend_reason(), sampler.event(), stats.taken,
      stats.delivered, stats.lost_counts + stats.lost_stacks, stats.lost_counts, stats.lost_stacks,
      stats.complete, user_stacks(stats), whole_percent(stats), stats.unregistered,
      stats.lost_records, stats.rescans, static_cast<double>(stats.bpf_ns) / 1e6,
      stats.taken > 0 ? static_cast<double>(stats.bpf_ns) / 1e3 / static_cast<double>(stats.taken)
                      : 0,
      static_cast<double>(stats.own_cpu_ns) / 1e6, stats.frequency, stats.times_lowered, stats.rows,
      stats.modules - stats.files_without_rows, static_cast<double>(stats.row_bytes) / 1e6,
      stats.files_without_rows, stats.evicted_files, static_cast<double>(stats.map_bytes) / 1e6,
      stats.processes, stats.modules);
  for (size_t i = 0; i < kStops.size(); ++i)
    if (stats.stops[i] != 0) fmt::print(stderr, "  {:<28} {}\n", kStops[i], stats.stops[i]);
  if (stats.java_processes != 0)
    fmt::print(stderr, "Java             {} processes, names asked for {}, read {}, failed {}\n",
               stats.java_processes, stats.java_maps_requested, stats.java_maps_read,
               stats.java_maps_failed);
}

/// Distinct addresses, and how they were named.
void print_names(const profcore::Profile &profile) {
  size_t symbols = 0;
  size_t bounds = 0;
  size_t none = 0;
  for (const profcore_location &location : profile.locations().subspan(1)) {
    if ((location.flags & PROFCORE_LOCATION_NAMED_BY_BOUNDS) != 0)
      ++bounds;
    else
      ++(location.line_count != 0 ? symbols : none);
  }
  fmt::print(stderr,
             "addresses        {} named by symbols, {} by the bounds of their functions, {} not\n",
             symbols, bounds, none);
}

int run(const Arguments &arguments) {
  const auto &command = arguments.positional();
  std::string out = arguments.get("output");
  if (out.empty()) out = "profcore.pb.gz";
  const profcore_output_format format = choose_format(arguments, out);
  const std::vector<int32_t> pids = pids_of(arguments);
  const std::string name = arguments.get("name");
  const int targets = (pids.empty() ? 0 : 1) + (name.empty() ? 0 : 1) + (command.empty() ? 0 : 1) +
                      (arguments.has("all") ? 1 : 0) + (arguments.has("cgroup") ? 1 : 0);
  check_view(arguments);
  if (arguments.get("compat") == "pyroscope")
    throw UsageError{"--compat pyroscope is a reading of JFR recordings; record makes none"};
  const bool total = arguments.has("total");
  if (total && targets > (command.empty() && !arguments.has("all") ? 0 : 1))
    throw UsageError{"--total is of every process of the host: no -p, --name or --cgroup with it"};
  if (targets > 1) throw UsageError{"one target: -p, -a, --name, --cgroup or a command"};
  const bool whole_stacks = is_profile_format(format) || format == PROFCORE_OUTPUT_JSON;
  if (whole_stacks) refuse_tree_options(arguments, format);
  const double limit = arguments.number("duration", 0, 0.01, 1e7);

  const profcore_context context = make_context(arguments);
  auto options = profcore::init<profcore_sampler_options>();
  options.context = &context;
  options.frequency = static_cast<uint32_t>(arguments.number("frequency", 99, 1, 1000));
  // Who names a frequency wants that one.
  const double budget = arguments.number("cpu-budget", arguments.has("frequency") ? 0 : 1, 0, 1e6);
  options.cpu_budget = budget > 0 ? budget : -1;
  options.no_children = arguments.has("no-children") ? 1 : 0;
  const bool needs_threads = total || has_deepflow_forms(arguments); // frames are made of them
  options.per_thread = needs_threads || arguments.has("per-thread") ? 1 : 0;
  options.per_cpu = arguments.has("per-cpu") ? 1 : 0;
  // --total drops the stacks in the end: unless a filter looks at them they are not even walked.
  const bool no_stacks = total && !looks_at_frames(arguments);
  options.no_kernel = no_stacks || arguments.has("no-kernel") ? 1 : 0;
  options.no_user = no_stacks ? 1 : 0;
  options.no_symbols = arguments.has("no-symbols") ? 1 : 0;
  options.java_symbols = arguments.has("no-java-attach") ? 0 : 1;
  options.java_refresh_seconds =
      static_cast<uint32_t>(arguments.number("java-refresh", 60, 5, 3600));
  options.backend = backend_of(arguments);
  if (options.backend == PROFCORE_SAMPLER_BACKEND_BPF && arguments.has("stack-size"))
    throw UsageError{"--stack-size is for --backend perf: BPF copies no stacks"};
  if (options.backend == PROFCORE_SAMPLER_BACKEND_PERF)
    if (arguments.has("no-kernel"))
      throw UsageError{"--no-kernel is for BPF, not for --backend perf"};
  if (arguments.has("java-refresh") &&
      (arguments.has("no-java-attach") || arguments.has("no-symbols")))
    throw UsageError{"--java-refresh: no JVM is asked for names"};
  options.stack_bytes = static_cast<uint32_t>(arguments.number("stack-size", 0, 0, 65528));
  if (!name.empty()) options.name_pattern = name.c_str();
  const std::string cgroup = arguments.get("cgroup");
  if (!cgroup.empty()) options.cgroup = cgroup.c_str();
  std::optional<Child> child;
  std::vector<int32_t> sampled = pids;
  if (!command.empty()) {
    child.emplace(command); // waits before it runs anything
    if (!total) sampled.push_back(child->pid());
  }
  options.pids = sampled.empty() ? nullptr : sampled.data();
  options.pid_count = sampled.size();

  allow_more_files();
  profcore::Sampler sampler{&options};
  if (interrupted()) return kExitInterrupted; // and a command is not run
  if (sampler.backend() == PROFCORE_SAMPLER_BACKEND_BPF && arguments.has("stack-size"))
    print_warning("--stack-size changes nothing: BPF, which was chosen, copies no stacks");
  // New processes are sampled whole only once they are known, so this should not wait for a CPU.
  if (setpriority(PRIO_PROCESS, 0, -15) != 0) errno = 0; // not allowed: later, then
  const Clock::time_point began = Clock::now();
  if (child) child->go();
  StatusLine status{began, options.frequency};
  std::vector<profcore::Profile> windows;
  Clock::time_point next_status = began;
  Clock::time_point next_drain = began + std::chrono::seconds{15};
  while (!interrupted()) {
    const Clock::time_point now = Clock::now();
    if (limit > 0 && now - began >= std::chrono::duration<double>(limit)) break;
    if (child && child->has_ended()) break;
    const auto is_gone = [](int32_t pid) { return kill(pid, 0) != 0 && errno == ESRCH; };
    if (!sampled.empty() && !child && std::all_of(sampled.begin(), sampled.end(), is_gone)) break;
    if (now >= next_status && !arguments.has("quiet")) {
      status.show(sampler.stats(), sampler.backend());
      next_status = now + std::chrono::seconds{1};
    }
    if (now >= next_drain) {
      windows.push_back(sampler.drain());
      if (windows.size() > 1) {
        profcore::Profile merged = profcore::Profile::merge(windows);
        windows.clear();
        windows.push_back(std::move(merged));
      }
      next_drain = now + std::chrono::seconds{15};
    }
    double wait = 0.1;
    if (limit > 0)
      wait = std::min(wait, limit - std::chrono::duration<double>(now - began).count());
    pollfd event{sampler.fd(), POLLIN, 0};
    const int ready = poll(&event, 1, std::max(1, static_cast<int>(wait * 1000)));
    if (ready > 0) sampler.process();
  }
  end_progress();
  if (isatty(STDERR_FILENO) == 1 && !arguments.has("quiet")) fmt::print(stderr, "\r\033[K");
  sampler.stop();
  sampler.refresh_java(kJavaWaitMs);
  windows.push_back(sampler.drain());
  const profcore_sampler_stats stats = sampler.stats();
  if (arguments.has("stats")) print_stats(sampler, stats);
  profcore::Profile profile =
      windows.size() == 1 ? std::move(windows[0]) : profcore::Profile::merge(windows);
  if (arguments.has("stats")) print_names(profile);
  profile = apply_filters(std::move(profile), arguments);
  if (profile.sample_count() == 0) {
    if (child && child->exit_code() != 0)
      return child->exit_code(); // it could not be run, or failed at once
    print_error("nothing was sampled: what was asked for did not run on a CPU");
    return kExitNoData;
  }
  profile = apply_view(std::move(profile), arguments);
  auto write = profcore::init<profcore_output_options>();
  const std::string title = arguments.has("title") ? arguments.get("title")
                            : command.empty()      ? std::string{"profcore record"}
                                                   : command.front();
  const std::string subtitle = make_subtitle(profile, arguments);
  write.title = title.c_str();
  write.subtitle = subtitle.c_str();
  const profcore::Buffer buffer = whole_stacks
                                      ? profile.write(format, &write)
                                      : build_flame(profile, arguments).write(format, &write);
  save(buffer, out);
  if (!arguments.has("quiet"))
    fmt::print(stderr, "{}: {} samples by {} on {} ({} lost){}{}\n", out, stats.taken,
               name_of(sampler.backend()), sampler.event(), stats.lost_counts + stats.lost_stacks,
               user_stacks(stats) == 0
                   ? std::string{}
                   : fmt::format(", {:.1f} % of user stacks whole", whole_percent(stats)),
               sampler.backend() == PROFCORE_SAMPLER_BACKEND_PERF
                   ? fmt::format("; user mode only ({})", sampler.backend_reason())
                   : std::string{});
  if (stats.times_lowered != 0 && !arguments.has("quiet"))
    fmt::print(stderr,
               "the frequency was lowered for the CPU budget, {} Hz at last; see --cpu-budget\n",
               stats.frequency);
  if (!arguments.has("quiet") && !sampler.java_reason().empty())
    print_warning(fmt::format("Java frames without names: {}", sampler.java_reason()));
  if (stats.stops[PROFCORE_STOP_CUT] > stats.taken / 100)
    print_warning(fmt::format("{} stacks are longer than the copies of them: see --stack-size",
                              stats.stops[PROFCORE_STOP_CUT]));
  return child ? child->exit_code() : kExitOk;
}

} // namespace

const Command kRecord{
    "record",
    "[-p PID | -a | --name REGEX | --cgroup PATH | -- CMD...] -o OUT",
    "Samples live processes, by eBPF or a perf ring: complete stacks without frame pointers.",
    "Endings as for convert. With a command, its exit status is passed on.\n"
    "Without privileges -p and a command are sampled by perf events, in user\n"
    "mode; what may be done here: profcore check.\n"
    "\nExamples:\n"
    "  profcore record -a -d 10 -o host.html --group-by process\n"
    "  profcore record -p 1234 -d 30 -o service.pb.gz\n"
    "  profcore record -F 997 -o build.svg -- make -j4\n"
    "  profcore record --name '^nginx' --per-thread -d 60 -o nginx.pb.gz\n"
    "  profcore record --total -d 10 -o host.svg   # host, processes, threads\n"
    "  profcore record -p 1234 --compat deepflow -d 60 -o service.folded\n",
    {kOptions, kTreeOptions, kViewOptions, kFilterOptions, kGeneralOptions},
    run};
