#include "common.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>

namespace {

constexpr std::array kOptions = {
    Option{"language", 0, "NAME", "jvm, go or python; default: by what the profile has"},
    Option{"variant", 0, "NAME", "datakit (default: its values, mistakes too) or corrected"},
    Option{"to", 0, "NAME", "table (default), json or line (InfluxDB's line protocol)"},
    Option{"tag", 0, "KEY=VALUE", "host=web1, service=shop ...; may be repeated"},
    Option{"start", 0, "NS", "nanoseconds since 1970, with --end; default: the profile's"},
    Option{"end", 0, "NS", "rates are by the time between them; points are dated by it"},
    Option{"delay", 0, "WHAT", "Go: its column `delay` is of block or mutex; default: file name"},
    Option{"output", 'o', "OUT", "file to write (default: stdout)"},
};

template <size_t N>
int32_t number_of(const Arguments &arguments, std::string_view option,
                  const std::array<std::string_view, N> &names, int32_t first, int32_t otherwise) {
  if (!arguments.has(option)) return otherwise;
  const std::string given = arguments.get(option);
  const auto found = std::find(names.begin(), names.end(), given);
  if (found == names.end())
    throw UsageError{
        fmt::format("--{} is one of {}, not \"{}\"", option, fmt::join(names, ", "), given)};
  return first + static_cast<int32_t>(found - names.begin());
}

/// Go's profiles of blocking and of mutexes differ in nothing but what people call the files.
profcore_metrics_delay delay_of(const std::string &path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  const bool mutex = name.find("mutex") != std::string::npos;
  const bool block = name.find("block") != std::string::npos;
  return mutex == block ? PROFCORE_METRICS_DELAY_UNKNOWN
         : mutex        ? PROFCORE_METRICS_DELAY_MUTEX
                        : PROFCORE_METRICS_DELAY_BLOCK;
}

/// Exactly: a double has no nanoseconds since 1970.
int64_t nanoseconds(const Arguments &arguments, std::string_view option) {
  const std::string text = arguments.get(option, "0");
  const char *const end = text.data() + text.size();
  int64_t value = 0;
  const auto [rest, problem] = std::from_chars(text.data(), end, value);
  if (problem != std::errc{} || rest != end || value < 0)
    throw UsageError{fmt::format("--{} takes nanoseconds, not \"{}\"", option, text)};
  return value;
}

int run(const Arguments &arguments) {
  constexpr std::array<std::string_view, 3> kLanguages = {"jvm", "go", "python"};
  constexpr std::array<std::string_view, 2> kVariants = {"datakit", "corrected"};
  constexpr std::array<std::string_view, 3> kFormats = {"line", "json", "table"};
  constexpr std::array<std::string_view, 2> kDelays = {"block", "mutex"};
  if (arguments.positional().size() != 1) throw UsageError{"metrics takes one FILE"};
  const std::string path = arguments.positional()[0];
  auto options = profcore::init<profcore_metrics_options>();
  options.language =
      number_of(arguments, "language", kLanguages, PROFCORE_METRICS_JVM, PROFCORE_METRICS_AUTO);
  options.variant = number_of(arguments, "variant", kVariants, PROFCORE_METRICS_DATAKIT,
                              PROFCORE_METRICS_DATAKIT);
  const profcore_metrics_format format =
      number_of(arguments, "to", kFormats, PROFCORE_METRICS_LINE, PROFCORE_METRICS_TABLE);
  options.go_delay =
      number_of(arguments, "delay", kDelays, PROFCORE_METRICS_DELAY_BLOCK, delay_of(path));
  if (arguments.has("start") != arguments.has("end"))
    throw UsageError{"--start and --end go together"};
  options.start_ns = nanoseconds(arguments, "start");
  options.end_ns = nanoseconds(arguments, "end");
  const std::vector<std::string> given = arguments.all("tag");
  if (!given.empty() && format == PROFCORE_METRICS_TABLE)
    throw UsageError{"a table shows no tags: --tag goes with --to json or line"};
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string &tag : given) {
    const size_t equals = tag.find('=');
    if (equals == 0 || equals == std::string::npos)
      throw UsageError{fmt::format("--tag takes KEY=VALUE, not \"{}\"", tag)};
    pairs.emplace_back(tag.substr(0, equals), tag.substr(equals + 1));
  }
  std::vector<profcore_metrics_tag> tags;
  for (const auto &[key, value] : pairs) tags.push_back({key.c_str(), value.c_str()});
  options.tags = tags.data();
  options.tag_count = tags.size();
  const profcore::Metrics metrics = open_profile(path, arguments, true).metrics(&options);
  save(metrics.write(format), arguments.get("output", "-"));
  return kExitOk;
}

} // namespace

const Command kMetrics{
    "metrics",
    "FILE",
    "Figures of a whole profile: DataKit's profiling_metrics of a JVM, Go, Python.",
    "A JVM's come from the events of its JFR recording: Datadog's, the JDK's, async-profiler's;\n"
    "those of Go and Python from the columns of a pprof file. The default is what DataKit\n"
    "computes; `corrected` is what the names promise, from whichever source there is, and what\n"
    "nothing tells has no value. The table and the JSON name the source of each.\n"
    "\nExamples:\n"
    "  profcore metrics main.jfr\n"
    "  profcore metrics recording.jfr --variant corrected --to json | jq '.metrics[0]'\n"
    "  profcore metrics main.jfr --to line --tag host=$(hostname) --tag service=shop\n"
    "  profcore metrics block.pb.gz --language go\n",
    {kOptions, kInputOptions, kGeneralOptions},
    run};
