#include "common.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fmt/format.h>
#include <fstream>
#include <sys/ioctl.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace {

constexpr std::array kGeneral = {
    Option{"help", 'h', "", "-h short, --help long with examples"},
    Option{"quiet", 'q', "", "no warnings, no progress"},
    Option{"verbose", 'v', "", "all warnings and counters of the inputs"},
    Option{"color", 0, "WHEN", "auto (default), always or never; NO_COLOR is honoured"},
    Option{"no-progress", 0, "", "no progress line, even on a terminal"},
};
constexpr std::array kInput = {
    Option{"format", 0, "NAME",
           "what the inputs are: pprof, pprof-legacy, collapsed, jfr; default: find out"},
    Option{"strict", 0, "", "damage that could be stepped over is an error"},
    Option{"collapsed-type", 0, "T/U", "what collapsed counts are, e.g. cpu/microseconds"},
    Option{"lines", 0, "", "collapsed: every line is one sample and has no count"},
    Option{"normalize-names", 0, "", "JFR: Foo$$Lambda$12/0x7f.. as Foo$$Lambda_ and the like"},
    Option{"class-frames", 0, "", "JFR: what was allocated is a leaf frame, not a label"},
    Option{"jfr-labels", 0, "FILE", "JFR: Pyroscope's labels of context ids"},
    Option{"sample-rate", 0, "HZ", "JFR with --compat pyroscope: its sampleRate; default: 100"},
    Option{"threads", 0, "N", "how many threads may decode; default: one per processor"},
    Option{"max-memory", 0, "MIB",
           "bound of an inflated input and of the result, whatever the input's size"},
};
constexpr std::array kFilter = {
    Option{"focus", 0, "REGEX", "only stacks with a matching frame"},
    Option{"ignore", 0, "REGEX", "no stacks with a matching frame"},
    Option{"hide", 0, "REGEX", "leave out matching frames"},
    Option{"show", 0, "REGEX", "only matching frames"},
    Option{"show-from", 0, "REGEX", "cut what is rootward of the first match"},
    Option{"tagfocus", 0, "EXPR", "only samples with a matching label (key=regex, 16kb:32mb)"},
    Option{"tagignore", 0, "EXPR", "no samples with a matching label"},
    Option{"drop-frames", 0, "", "apply the profile's own drop_frames and keep_frames"},
};
constexpr std::array kTree = {
    Option{"type", 't', "TYPE",
           "sample type (\"cpu\", \"alloc_space/bytes\"); default: the profile's"},
    Option{"key", 0, "WHAT",
           "one node per function (default), line, file, module, address, file-function"},
    Option{"sort", 0, "ORDER", "siblings by name (default) or total"},
    Option{"inverted", 0, "", "leaf first: callers grow out of callees"},
    Option{"fold-recursion", 0, "", "a function already on the path is not entered again"},
    Option{"group-by", 0, "LABEL",
           "frames under the root from a label (thread, pid ...); may be repeated"},
    Option{"root", 0, "FUNCTION", "start at this function"},
    Option{"min-share", 0, "PCT", "leave out what is under this percentage of the total"},
};
constexpr std::array kView = {
    Option{"total", 0, "", "by process and thread alone: where the time of the host went"},
    Option{"compat", 0, "NAME",
           "frames and values in the forms of: deepflow, or, for JFR, pyroscope"},
};

std::atomic<bool> g_interrupted{false};
bool g_progress_shown = false;
bool g_color = false;

extern "C" void on_interrupt(int signal) {
  if (g_interrupted.exchange(true)) {
    // The second one ends the program the ordinary way.
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
}

double now_seconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

void print_log(profcore_log_level level, const char *line, size_t size, void *) {
  if (level >= PROFCORE_LOG_WARNING) print_warning({line, size});
}

int32_t stop_when_interrupted(uint64_t, uint64_t, void *) {
  return interrupted() ? 1 : 0;
}

int32_t show_progress(uint64_t done, uint64_t total, void *) {
  static double last = now_seconds();
  const double now = now_seconds();
  if (now - last > 0.2) {
    last = now;
    g_progress_shown = true;
    if (total != 0)
      fmt::print(stderr, "\r\x1b[K{:.0f} %",
                 100 * static_cast<double>(done) / static_cast<double>(total));
    else
      fmt::print(stderr, "\r\x1b[K{} done", done);
    std::fflush(stderr);
  }
  return interrupted() ? 1 : 0;
}

std::string read_small_file(const std::string &path) {
  constexpr size_t kMost = size_t{64} << 20;
  std::ifstream file{path, std::ios::binary};
  if (!file) throw UsageError{fmt::format("{}: {}", path, std::strerror(errno))};
  std::string bytes;
  std::array<char, 65536> part;
  while (file.read(part.data(), part.size()) || file.gcount() > 0) {
    bytes.append(part.data(), static_cast<size_t>(file.gcount()));
    if (bytes.size() > kMost) throw UsageError{fmt::format("{}: more than 64 MiB", path)};
  }
  return bytes;
}

profcore_format format_by_name(const std::string &name) {
  for (profcore_format format = PROFCORE_FORMAT_PPROF; format <= PROFCORE_FORMAT_CHROME_TRACE;
       ++format)
    if (name == profcore_format_get_name(format)) return format;
  throw UsageError{fmt::format("--format: unknown format \"{}\"", name)};
}

void print_findings(const profcore::Profile &profile, const std::string &path,
                    const Arguments &arguments) {
  if (arguments.has("quiet")) return;
  const bool all = arguments.has("verbose");
  const size_t count = profcore_profile_get_warning_count(profile.get());
  const size_t shown = all ? count : std::min<size_t>(count, 5);
  for (size_t i = 0; i < shown; ++i) {
    uint64_t offset = 0;
    uint64_t line = 0;
    const char *text = profcore_profile_get_warning(profile.get(), i, &offset, &line);
    std::string place;
    if (line != 0)
      place = fmt::format(":{}", line);
    else if (offset != PROFCORE_NO_OFFSET)
      place = fmt::format(" at byte {}", offset);
    print_warning(fmt::format("{}{}: {}", path, place, text));
  }
  if (shown < count)
    print_warning(fmt::format("{}: {} more warnings (-v shows them)", path, count - shown));
  if (!all) return;
  for (size_t i = 0; i < profcore_profile_get_counter_count(profile.get()); ++i) {
    uint64_t value = 0;
    const char *name = profcore_profile_get_counter(profile.get(), i, &value);
    fmt::print(stderr, "{}: {} = {}\n", path, name, value);
  }
}

template <class Map>
int32_t choose(const Arguments &arguments, std::string_view option, const Map &names) {
  const std::string given = arguments.get(option, names[0]);
  for (size_t i = 0; i < names.size(); ++i)
    if (given == names[i]) return static_cast<int32_t>(i);
  throw UsageError{
      fmt::format("--{} is one of {}, not \"{}\"", option, fmt::join(names, ", "), given)};
}

} // namespace

const std::span<const Option> kGeneralOptions{kGeneral};
const std::span<const Option> kInputOptions{kInput};
const std::span<const Option> kFilterOptions{kFilter};
const std::span<const Option> kTreeOptions{kTree};
const std::span<const Option> kViewOptions{kView};

void install_signal_handler() {
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  struct sigaction hangup {};
  if (sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler != SIG_IGN) // but not of nohup
    sigaction(SIGHUP, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

bool interrupted() {
  return g_interrupted.load();
}

void end_progress() {
  if (g_progress_shown) fmt::print(stderr, "\r\x1b[K");
  g_progress_shown = false;
}

void set_color_mode(std::string_view mode) {
  if (mode == "always")
    g_color = true;
  else if (mode == "never")
    g_color = false;
  else if (mode == "auto" || mode.empty()) {
    const char *no_color = std::getenv("NO_COLOR");
    g_color = isatty(STDERR_FILENO) == 1 && (no_color == nullptr || *no_color == '\0');
  } else
    throw UsageError{fmt::format("--color takes auto, always or never, not \"{}\"", mode)};
}

Character first_character(std::string_view text) {
  const auto byte = [text](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return {first, 1};
  if (first < 0xc2 || first > 0xf4) return {};
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  uint32_t code = first & (0x7fU >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3f);
  }
  const bool is_too_long = code < (length == 3 ? 0x800U : length == 4 ? 0x10000U : 0x80U);
  if (is_too_long || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return {};
  return {code, length};
}

bool breaks_lines(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029;
}

std::string printable(std::string_view text) {
  std::string shown;
  for (size_t at = 0; at < text.size();) {
    const Character found = first_character(text.substr(at));
    const size_t length = std::max<size_t>(found.length, 1);
    // What turns the direction of writing hides what a line says.
    const bool turns = (found.code >= 0x202a && found.code <= 0x202e) ||
                       (found.code >= 0x2066 && found.code <= 0x2069);
    if (found.length == 0 || (found.code < 0x80 && breaks_lines(found.code) && found.code != '\n'))
      shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[at]));
    else if (found.code != '\n' && (turns || breaks_lines(found.code)))
      shown += fmt::format("\\u{:04x}", found.code);
    else
      shown += text.substr(at, length);
    at += length;
  }
  return shown;
}

void print_error(std::string_view text) {
  end_progress();
  fmt::print(stderr, "{}profcore: {}{}\n", g_color ? "\x1b[31m" : "", printable(text),
             g_color ? "\x1b[0m" : "");
}

void print_warning(std::string_view text) {
  end_progress();
  fmt::print(stderr, "{}warning:{} {}\n", g_color ? "\x1b[33m" : "", g_color ? "\x1b[0m" : "",
             printable(text));
}

profcore_context make_context(const Arguments &arguments) {
  auto context = profcore::init<profcore_context>();
  if (arguments.has("max-memory")) {
    const double mib = arguments.number("max-memory", 0, 1, 1 << 24);
    context.max_inflated_bytes = static_cast<uint64_t>(mib) << 20;
    context.max_result_bytes = static_cast<uint64_t>(mib) << 20;
    // Whoever says how much may be taken does not mean "but less for a small file".
    context.max_inflate_ratio = UINT64_MAX;
    context.max_result_ratio = UINT64_MAX;
  }
  const bool show =
      isatty(STDERR_FILENO) == 1 && !arguments.has("quiet") && !arguments.has("no-progress");
  context.progress = show ? show_progress : stop_when_interrupted;
  if (!arguments.has("quiet")) context.log = print_log;
  return context;
}

void check_inputs(const std::vector<std::string> &paths) {
  if (std::count(paths.begin(), paths.end(), "-") > 1)
    throw UsageError{"stdin (-) can be read once only"};
}

profcore::Profile open_profile(const std::string &path, const Arguments &arguments,
                               bool jfr_metrics) {
  profcore_context context = make_context(arguments);
  auto options = profcore::init<profcore_decode_options>();
  // What decoding says line by line is told by print_findings, with the path and bounded.
  context.log = nullptr;
  options.context = &context;
  if (arguments.has("format")) options.format = format_by_name(arguments.get("format"));
  options.strict = arguments.has("strict") ? 1 : 0;
  options.threads = arguments.has("threads")
                        ? static_cast<uint64_t>(arguments.number("threads", 1, 1, 1024))
                        : std::max(1U, std::thread::hardware_concurrency());
  options.collapsed_lines = arguments.has("lines") ? 1 : 0;
  const std::string collapsed = arguments.get("collapsed-type");
  const size_t slash = collapsed.find('/');
  const std::string type = collapsed.substr(0, slash);
  const std::string unit = slash == collapsed.npos ? "" : collapsed.substr(slash + 1);
  if (!type.empty()) options.collapsed_type = type.c_str();
  if (!unit.empty()) options.collapsed_unit = unit.c_str();
  options.jfr_compat = arguments.get("compat") == "pyroscope" ? PROFCORE_JFR_COMPAT_PYROSCOPE
                                                              : PROFCORE_JFR_COMPAT_NONE;
  options.jfr_normalize_names = arguments.has("normalize-names") ? 1 : 0;
  options.jfr_class_frames = arguments.has("class-frames") ? 1 : 0;
  options.jfr_metrics = jfr_metrics ? 1 : 0;
  if (arguments.has("sample-rate"))
    options.jfr_sample_rate =
        static_cast<uint64_t>(arguments.number("sample-rate", 100, 1, 1'000'000'000));
  std::string labels;
  if (arguments.has("jfr-labels")) {
    labels = read_small_file(arguments.get("jfr-labels"));
    options.jfr_labels = labels.data();
    options.jfr_labels_size = labels.size();
  }
  profcore::Profile profile = path == "-" ? profcore::Profile::from_fd(STDIN_FILENO, &options)
                                          : profcore::Profile::from_file(path, &options);
  end_progress();
  print_findings(profile, path == "-" ? "stdin" : path, arguments);
  return profile;
}

profcore::Profile apply_filters(profcore::Profile profile, const Arguments &arguments) {
  auto options = profcore::init<profcore_filter_options>();
  std::vector<std::string> kept;
  kept.reserve(kFilter.size());
  bool any = false;
  const auto take = [&](std::string_view name) -> const char * {
    if (!arguments.has(name)) return nullptr;
    any = true;
    return kept.emplace_back(arguments.get(name)).c_str();
  };
  options.focus = take("focus");
  options.ignore = take("ignore");
  options.hide = take("hide");
  options.show = take("show");
  options.show_from = take("show-from");
  options.tag_focus = take("tagfocus");
  options.tag_ignore = take("tagignore");
  if (arguments.has("drop-frames")) {
    any = true;
    options.drop_frames = 1;
  }
  if (!any) return profile;
  const size_t before = profcore_profile_get_warning_count(profile.get());
  profcore::Profile filtered = profile.filter(options);
  if (!arguments.has("quiet"))
    for (size_t i = before; i < profcore_profile_get_warning_count(filtered.get()); ++i)
      print_warning(profcore_profile_get_warning(filtered.get(), i, nullptr, nullptr));
  return filtered;
}

void check_view(const Arguments &arguments) {
  const std::string compat = arguments.get("compat");
  if (arguments.has("compat") && compat != "deepflow" && compat != "pyroscope")
    throw UsageError{fmt::format("--compat knows deepflow and pyroscope, not \"{}\"", compat)};
}

bool has_deepflow_forms(const Arguments &arguments) {
  return arguments.get("compat") == "deepflow";
}

profcore::Profile apply_view(profcore::Profile profile, const Arguments &arguments) {
  check_view(arguments);
  const profcore_context context = make_context(arguments);
  auto options = profcore::init<profcore_view_options>();
  options.context = &context;
  if (arguments.has("total")) profile = profile.host_view(&options);
  if (has_deepflow_forms(arguments)) profile = profile.deepflow_view(&options);
  end_progress();
  return profile;
}

profcore::Profile open_profiles(const std::vector<std::string> &paths, const Arguments &arguments) {
  if (paths.empty()) throw UsageError{"no input file"};
  check_inputs(paths);
  std::vector<profcore::Profile> profiles;
  for (const std::string &path : paths) profiles.push_back(open_profile(path, arguments));
  profcore::Profile profile =
      profiles.size() == 1 ? std::move(profiles[0]) : profcore::Profile::merge(profiles);
  return apply_view(apply_filters(std::move(profile), arguments), arguments);
}

namespace {

/// The process that all samples are of, as the label tells; "" when there are several.
std::string only_process(const profcore::Profile &profile) {
  const auto strings = profile.strings();
  const profcore_label *labels = profcore_profile_view_labels(profile.get(), nullptr);
  const uint32_t *offsets = profcore_profile_view_label_set_offsets(profile.get(), nullptr);
  std::string_view only;
  uint32_t last = UINT32_MAX;
  for (const uint32_t set : profile.label_sets()) {
    if (set == last) continue;
    last = set;
    std::string_view process;
    for (uint32_t i = offsets[set]; i < offsets[set + 1]; ++i)
      if (profcore::to_view(strings[labels[i].key]) == "process")
        process = profcore::to_view(strings[labels[i].text]);
    if (process.empty() || (!only.empty() && only != process)) return {};
    only = process;
  }
  return std::string{only};
}

/// What the root of a graph is called: DeepFlow's words, or the host whose time it is.
std::string root_name(const profcore::Profile &profile, const Arguments &arguments) {
  if (arguments.has("total"))
    return has_deepflow_forms(arguments) ? std::string{"Total"}
                                         : std::string{profcore::to_view(profile.metadata().host)};
  return has_deepflow_forms(arguments) ? only_process(profile) : std::string{};
}

} // namespace

profcore::Flame build_flame(const profcore::Profile &profile, const Arguments &arguments) {
  static constexpr std::array<std::string_view, 6> kKeys = {"function", "line",    "file",
                                                            "module",   "address", "file-function"};
  static constexpr std::array<std::string_view, 2> kOrders = {"name", "total"};
  const profcore_context context = make_context(arguments);
  auto options = profcore::init<profcore_flame_options>();
  options.context = &context;
  const std::string type = arguments.get("type");
  const std::string function = arguments.get("root");
  const std::vector<std::string> groups = arguments.all("group-by");
  std::vector<const char *> group_by;
  for (const std::string &group : groups) group_by.push_back(group.c_str());
  if (!type.empty()) options.sample_type = type.c_str();
  if (!function.empty()) options.root_function = function.c_str();
  options.key = choose(arguments, "key", kKeys);
  options.order = choose(arguments, "sort", kOrders);
  options.inverted = arguments.has("inverted") ? 1 : 0;
  options.fold_recursion = arguments.has("fold-recursion") ? 1 : 0;
  options.group_by = group_by.data();
  options.group_by_count = group_by.size();
  options.min_share = arguments.percent("min-share", 0, 100);
  const std::string root = root_name(profile, arguments);
  if (!root.empty()) options.root_name = root.c_str();
  profcore::Flame flame = profile.flame(&options);
  end_progress();
  return flame;
}

bool is_empty(const profcore::Flame &flame) {
  return flame.size() <= 1 && flame.info().total == 0;
}

std::string name_type(const profcore::Profile &profile, size_t index) {
  constexpr size_t kLongest = 64;
  const profcore_sample_type type = profile.sample_type(index);
  return printable(fmt::format("{}/{}", profcore::to_view(type.type).substr(0, kLongest),
                               profcore::to_view(type.unit).substr(0, kLongest)));
}

std::string list_types(const profcore::Profile &profile) {
  constexpr size_t kMost = 8;
  const size_t count = profile.sample_type_count();
  std::string text;
  for (size_t i = 0; i < count && i < kMost; ++i)
    text += fmt::format("{}{}", text.empty() ? "" : " ", name_type(profile, i));
  if (count > kMost) text += fmt::format(" and {} more, see flame --types", count - kMost);
  return text;
}

std::string make_title(const Arguments &arguments, const std::vector<std::string> &paths) {
  if (arguments.has("title")) return arguments.get("title");
  const auto base = [](const std::string &path) {
    return path == "-" ? std::string{"stdin"} : path.substr(path.rfind('/') + 1);
  };
  if (paths.size() == 1) return base(paths[0]);
  return fmt::format("{} and {} more", base(paths[0]), paths.size() - 1);
}

std::string make_subtitle(const profcore::Profile &profile, const Arguments &arguments) {
  if (arguments.has("subtitle")) return arguments.get("subtitle");
  const profcore_metadata meta = profile.metadata();
  std::string text;
  if (meta.time_ns != 0) {
    const auto seconds = static_cast<time_t>(meta.time_ns / 1'000'000'000);
    tm utc{};
    char date[64];
    if (gmtime_r(&seconds, &utc) != nullptr && strftime(date, sizeof date, "%F %T UTC", &utc) != 0)
      text += date;
  }
  if (meta.duration_ns > 0)
    text += fmt::format("{}{:.4g} s", text.empty() ? "" : ", ",
                        static_cast<double>(meta.duration_ns) / 1e9);
  if (meta.host.size != 0)
    text += fmt::format("{}on {}", text.empty() ? "" : ", ", profcore::to_view(meta.host));
  return text;
}

void save(const profcore::Buffer &buffer, const std::string &path) {
  if (path != "-") return buffer.save(path);
  std::string_view left = buffer.view();
  while (!left.empty()) {
    const ssize_t written = write(STDOUT_FILENO, left.data(), left.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      if (errno == EPIPE) return; // the reader had enough
      throw std::system_error{errno, std::generic_category(), "cannot write to stdout"};
    }
    left.remove_prefix(static_cast<size_t>(written));
  }
}

profcore_output_format choose_format(const Arguments &arguments, const std::string &path) {
  static constexpr std::array<std::pair<std::string_view, profcore_output_format>, 11> kNames = {{
      {"pprof", PROFCORE_OUTPUT_PPROF},
      {"collapsed", PROFCORE_OUTPUT_COLLAPSED},
      {"json", PROFCORE_OUTPUT_JSON},
      {"speedscope", PROFCORE_OUTPUT_SPEEDSCOPE},
      {"flamebearer", PROFCORE_OUTPUT_FLAMEBEARER},
      {"svg", PROFCORE_OUTPUT_SVG},
      {"html", PROFCORE_OUTPUT_HTML},
      {"top", PROFCORE_OUTPUT_TOP},
      {"tsv", PROFCORE_OUTPUT_TOP_TSV},
      {"top-json", PROFCORE_OUTPUT_TOP_JSON},
      {"tree", PROFCORE_OUTPUT_TREE},
  }};
  if (arguments.has("to")) {
    const std::string name = arguments.get("to");
    for (const auto &[known, format] : kNames)
      if (name == known) return format;
    throw UsageError{fmt::format("--to: unknown format \"{}\"", name)};
  }
  const profcore_output_format format = profcore_output_format_from_path(path.c_str());
  if (format == 0)
    throw UsageError{
        fmt::format("cannot tell the output format from \"{}\": give --to FORMAT or another "
                    "ending (.pb.gz .folded .json .speedscope.json .svg .html)",
                    path)};
  return format;
}

bool is_profile_format(profcore_output_format format) {
  return format == PROFCORE_OUTPUT_PPROF || format == PROFCORE_OUTPUT_COLLAPSED ||
         format == PROFCORE_OUTPUT_SPEEDSCOPE;
}

uint32_t terminal_width() {
  winsize size{};
  if (isatty(STDOUT_FILENO) != 1 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

void refuse_tree_options(const Arguments &arguments, profcore_output_format format) {
  for (const Option &option : kTreeOptions) {
    if (!arguments.has(option.name)) continue;
    if (option.name != "type")
      throw UsageError{fmt::format("--{} is for graphs and tables; this output holds whole stacks",
                                   option.name)};
    if (format != PROFCORE_OUTPUT_COLLAPSED)
      throw UsageError{"--type: this output holds all sample types; collapsed and graphs hold one"};
  }
}
