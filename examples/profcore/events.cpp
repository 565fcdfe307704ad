#include "common.hpp"
#include "event_print.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <unistd.h>

namespace {

using profcore::to_view;

constexpr std::array kOptions = {
    Option{"types", 0, "", "what types of events there are, with their fields and units"},
    Option{"type", 't', "NAME[,NAME]", "prints events of these types; \"jdk.\" may be left out"},
    Option{"json", 0, "", "prints events as JSON (all of them, or those of --type)"},
    Option{"stack-depth", 0, "N", "frames of a stack trace (default 5, with --json all)"},
    Option{"limit", 'n', "N", "at most so many events (0 = all)"},
    Option{"strict", 0, "", "damage that could be stepped over is an error"},
    Option{"max-memory", 0, "MIB", "bound of an inflated input and of what is kept of a chunk"},
};

/// --type as names of types.
std::vector<std::string> wanted_types(const Arguments &arguments) {
  std::vector<std::string> names;
  for (const std::string &list : arguments.all("type")) {
    std::string_view left = list;
    while (!left.empty()) {
      const std::string_view name = left.substr(0, left.find(','));
      left.remove_prefix(std::min(left.size(), name.size() + 1));
      if (name.empty()) continue;
      names.emplace_back(name);
      if (name.find('.') == name.npos) names.push_back(fmt::format("jdk.{}", name));
    }
  }
  if (names.empty() && arguments.has("type")) throw UsageError{"--type needs the name of a type"};
  return names;
}

class Recording {
public:
  Recording(const std::string &path, const Arguments &arguments, bool only_counts)
      : name_{path == "-" ? "stdin" : path}, arguments_{arguments}, context_{make_context(
                                                                        arguments)},
        types_{wanted_types(arguments)}, events_{open(path, only_counts)} {}

  profcore::Events &events() { return events_; }
  const std::vector<std::string> &types() const { return types_; }

  /// What was wrong with it so far.
  void print_findings() const {
    end_progress();
    if (arguments_.has("quiet")) return;
    const bool all = arguments_.has("verbose");
    const auto warnings = events_.warnings();
    const size_t shown = all ? warnings.size() : std::min<size_t>(warnings.size(), 5);
    for (size_t i = 0; i < shown; ++i)
      print_warning(
          warnings[i].offset == PROFCORE_NO_OFFSET
              ? fmt::format("{}: {}", name_, warnings[i].text)
              : fmt::format("{} at byte {}: {}", name_, warnings[i].offset, warnings[i].text));
    if (shown < warnings.size())
      print_warning(
          fmt::format("{}: {} more warnings (-v shows them)", name_, warnings.size() - shown));
    if (!all) return;
    for (const profcore::Counter &counter : events_.counters())
      fmt::print(stderr, "{}: {} = {}\n", name_, counter.name, counter.value);
  }

private:
  profcore::Events open(const std::string &path, bool only_counts) {
    context_.log = nullptr; // print_findings tells, with the path
    auto options = profcore::init<profcore_events_options>();
    std::vector<const char *> names;
    for (const std::string &name : types_) names.push_back(name.c_str());
    options.context = &context_;
    options.types = names.data();
    options.type_count = names.size();
    options.only_counts = only_counts ? 1 : 0;
    options.strict = arguments_.has("strict") ? 1 : 0;
    return path == "-" ? profcore::Events::from_fd(STDIN_FILENO, &options)
                       : profcore::Events::from_file(path, &options);
  }

  std::string name_;
  const Arguments &arguments_;
  profcore_context context_;
  std::vector<std::string> types_;
  profcore::Events events_;
};

struct Tally {
  uint64_t count = 0;
  uint64_t bytes = 0;
};

int print_summary(Recording &recording, OutputText &out) {
  std::map<std::string, Tally, std::less<>> tallies;
  std::map<std::string, uint64_t> versions;
  uint64_t chunks = 0;
  uint64_t bytes = 0;
  uint64_t events = 0;
  int64_t start_ns = 0;
  int64_t end_ns = 0;
  while (const profcore_events_chunk *chunk = recording.events().next_chunk()) {
    ++versions[fmt::format("{}.{}", chunk->version_major, chunk->version_minor)];
    bytes += chunk->bytes;
    events += chunk->event_count;
    int64_t end = 0;
    if (__builtin_add_overflow(chunk->start_ns, chunk->duration_ns, &end)) end = chunk->start_ns;
    start_ns = chunks == 0 ? chunk->start_ns : std::min(start_ns, chunk->start_ns);
    end_ns = chunks == 0 ? end : std::max(end_ns, end);
    ++chunks;
    for (const profcore_event_type &type : recording.events().types()) {
      if (type.event_count == 0) continue;
      Tally &tally = tallies.try_emplace(std::string{to_view(type.name)}).first->second;
      tally.count += type.event_count;
      tally.bytes += type.event_bytes;
    }
  }
  recording.print_findings();
  std::string said;
  for (const auto &[version, count] : versions)
    said += fmt::format("{}{}", said.empty() ? "" : " and ", version);
  int64_t duration = 0;
  if (__builtin_sub_overflow(end_ns, start_ns, &duration)) duration = 0;
  out.put(fmt::format("start     {}\nduration  {}\nchunks    {} (version {}), {}\nevents    {}\n\n",
                      time_text(start_ns), duration_text(duration), chunks, said,
                      bytes_text(static_cast<double>(bytes)), events));
  std::vector<std::pair<std::string_view, Tally>> rows(tallies.begin(), tallies.end());
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto &a, const auto &b) { return a.second.count > b.second.count; });
  uint64_t rest = bytes;
  for (const auto &row : rows) rest -= std::min(rest, row.second.bytes);
  const auto line = [&](std::string count, uint64_t taken, std::string_view name) {
    out.put(fmt::format(
        "{:>12}  {:>12}  {:>5.1f}%  {}\n", count, bytes_text(static_cast<double>(taken)),
        bytes == 0 ? 0.0 : 100 * static_cast<double>(taken) / static_cast<double>(bytes),
        one_line(name)));
  };
  out.put(fmt::format("{:>12}  {:>12}  {:>6}  {}\n", "events", "bytes", "share", "type"));
  for (const auto &[name, tally] : rows) line(fmt::format("{}", tally.count), tally.bytes, name);
  line("-", rest, "(types, constant pools)");
  return events == 0 ? kExitNoData : kExitOk;
}

std::string_view unit_name(profcore_value_unit unit) {
  switch (unit) {
  case PROFCORE_VALUE_UNIT_NANOSECONDS:
    return "duration";
  case PROFCORE_VALUE_UNIT_TIMESTAMP:
    return "time";
  case PROFCORE_VALUE_UNIT_BYTES:
    return "bytes";
  case PROFCORE_VALUE_UNIT_HERTZ:
    return "hertz";
  case PROFCORE_VALUE_UNIT_PERCENTAGE:
    return "percentage";
  case PROFCORE_VALUE_UNIT_ADDRESS:
    return "address";
  default:
    return "";
  }
}

/// A name or a description for the list of types, which is kept until its end: any number of fields
/// may share one of a megabyte.
std::string short_line(std::string_view text) {
  constexpr size_t kLongest = 500;
  if (text.size() <= kLongest) return one_line(text);
  return one_line(text.substr(0, kLongest)) + "...";
}

/// All but the line with its name.
std::string type_text(const profcore_event_type &type) {
  std::string all;
  if (type.label.size != 0) all += fmt::format("  {}", short_line(to_view(type.label)));
  if (type.category.size != 0) all += fmt::format("  [{}]", short_line(to_view(type.category)));
  if (!all.empty()) all += '\n';
  for (size_t i = 0; i < type.field_count; ++i) {
    const profcore_event_field &field = type.fields[i];
    std::string_view type_name = to_view(field.type_name);
    if (type_name == "java.lang.String") type_name = "String";
    std::string kind = fmt::format("{}{}{}", field.is_unsigned != 0 ? "unsigned " : "",
                                   type_name.empty() ? "(not defined)" : type_name,
                                   field.is_array != 0 ? "[]" : "");
    std::string text =
        fmt::format("    {:<24} {:<24}", short_line(to_view(field.name)), short_line(kind));
    if (const std::string_view unit = unit_name(field.unit); !unit.empty()) {
      const std::string_view source = to_view(field.source_unit);
      text += source.empty() || source == unit ? fmt::format(" {}", unit)
                                               : fmt::format(" {} in {}", unit, source);
    }
    while (text.ends_with(' ')) text.pop_back();
    if (field.label.size != 0 && to_view(field.label) != to_view(field.name))
      text += fmt::format("  \"{}\"", short_line(to_view(field.label)));
    all += text + '\n';
  }
  return all + '\n';
}

/// The types of all chunks, each as the first chunk has it that has it.
int print_types(Recording &recording, OutputText &out) {
  std::map<std::string, uint64_t, std::less<>> counts;
  std::map<std::string, std::string, std::less<>> texts;
  const auto &wanted = recording.types();
  // Counts are known at the end only, so chunks are gone through once and texts kept without them.
  while (recording.events().next_chunk() != nullptr)
    for (const profcore_event_type &type : recording.events().types()) {
      if (type.is_event == 0) continue;
      const std::string name{to_view(type.name)};
      if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), name) == wanted.end())
        continue;
      counts[name] += type.event_count;
      if (texts.find(name) == texts.end()) texts.emplace(name, type_text(type));
    }
  recording.print_findings();
  for (const auto &[name, text] : texts)
    out.put(fmt::format("{}  ({} events)\n{}", one_line(name), counts[name], text));
  return texts.empty() ? kExitNoData : kExitOk;
}

int print_events(Recording &recording, const Arguments &arguments, OutputText &out) {
  const bool json = arguments.has("json");
  const uint64_t limit = arguments.whole("limit", 0, 1'000'000'000'000);
  EventPrintOptions options;
  if (arguments.has("stack-depth") || !json)
    options.stack_depth = arguments.whole("stack-depth", 5, 1'000'000'000);
  uint64_t count = 0;
  if (json) out.put("{\"recording\":{\"events\":[");
  const auto end_json = [&] {
    if (json) out.put("\n]}}\n");
    out.flush();
  };
  try {
    while (limit == 0 || count < limit) {
      const profcore_event *event = recording.events().next();
      if (event == nullptr) break;
      if (interrupted()) throw profcore::Exception{PROFCORE_ERR_CANCELLED, nullptr};
      end_progress();
      if (json) {
        out.put(count == 0 ? "\n" : ",\n");
        print_event_json(recording.events(), *event, options, out);
      } else {
        print_event_text(recording.events(), *event, options, out);
      }
      ++count;
    }
  } catch (const profcore::Exception &) {
    end_json(); // what was printed is whole
    throw;
  }
  end_json();
  recording.print_findings();
  return count == 0 ? kExitNoData : kExitOk;
}

int run(const Arguments &arguments) {
  if (arguments.positional().size() != 1) throw UsageError{"events takes one FILE (- for stdin)"};
  const bool types = arguments.has("types");
  if (types && arguments.has("json")) throw UsageError{"--types and --json exclude each other"};
  const bool prints = !types && (arguments.has("type") || arguments.has("json"));
  for (const std::string_view name : {"stack-depth", "limit"})
    if (arguments.has(name) && !prints)
      throw UsageError{fmt::format("--{} is for events: add --type or --json", name)};
  Recording recording{arguments.positional()[0], arguments, !prints};
  OutputText out;
  try {
    const int status = prints  ? print_events(recording, arguments, out)
                       : types ? print_types(recording, out)
                               : print_summary(recording, out);
    out.flush();
    if (status == kExitNoData)
      print_error(
          recording.types().empty()
              ? std::string{"there are no events in it"}
              : fmt::format("no events of type {}; `profcore events FILE` lists what there is",
                            arguments.get("type")));
    return status;
  } catch (const ReaderGone &) {
    return kExitOk;
  }
}

} // namespace

const Command kEvents{
    "events",
    "FILE [--types | --type NAME,... | --json]",
    "Lists and prints the events of a JFR recording, those too that no profile shows.",
    "Without options: how many events of which type there are, and what they take. Events are\n"
    "printed as `jfr print` of the JDK does it, as text or as JSON, times in UTC.\n"
    "\nExamples:\n"
    "  profcore events app.jfr\n"
    "  profcore events app.jfr --types\n"
    "  profcore events app.jfr --type CPULoad,GarbageCollection\n"
    "  profcore events app.jfr.gz --type jdk.ExecutionSample --stack-depth 64 -n 1\n"
    "  profcore events app.jfr --type GCHeapSummary --json | jq "
    "'.recording.events[].values.heapUsed'\n",
    {kOptions, kGeneralOptions},
    run};
