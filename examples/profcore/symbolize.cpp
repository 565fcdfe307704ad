#include "common.hpp"

#include <array>
#include <cstdio>
#include <fmt/format.h>

namespace {

constexpr std::array kOptions = {
    Option{"output", 'o', "OUT", "file to write, - = stdout; its ending tells the format"},
    Option{"to", 0, "FORMAT", "pprof, collapsed, json, speedscope, flamebearer, svg, html"},
    Option{"sysroot", 0, "DIR", "look for the files of modules below DIR"},
    Option{"debug-dir", 0, "DIR",
           "debug files by build id are in DIR/.build-id (/usr/lib/debug); '' = nowhere"},
    Option{"no-demangle", 0, "", "names as the files have them"},
    Option{"stats", 0, "", "print how many addresses were named, and why others were not"},
    Option{"title", 0, "TEXT", "title of a graph"},
};

void print_stats(const profcore_symbolizer_stats &stats) {
  constexpr std::array kReasons = {
      "",
      "not attempted",
      "in no known mapping",
      "no symbols",
      "no symbol there",
      "file missing",
      "another file by now (build id, or kernel since booted)",
      "file damaged",
      "not permitted",
      "stack cut",
      "process gone",
      "made at run time, and no map of it",
      "hidden by kptr_restrict",
      "over the budget",
  };
  fmt::print(stderr, "{:<12} by symbols\n{:<12} by the bounds of their functions\n", stats.named,
             stats.named_by_bounds);
  for (size_t i = 1; i < kReasons.size(); ++i)
    if (stats.unnamed[i] != 0) fmt::print(stderr, "{:<12} {}\n", stats.unnamed[i], kReasons[i]);
}

int run(const Arguments &arguments) {
  const auto &paths = arguments.positional();
  const std::string out = arguments.get("output");
  if (out.empty()) throw UsageError{"symbolize needs -o OUT"};
  const profcore_output_format format = choose_format(arguments, out);
  const bool of_profile = is_profile_format(format) || format == PROFCORE_OUTPUT_JSON;
  if (of_profile) refuse_tree_options(arguments, format);
  check_inputs(paths);
  std::vector<profcore::Profile> inputs;
  for (const std::string &path : paths) inputs.push_back(open_profile(path, arguments));
  const profcore_context context = make_context(arguments);

  auto options = profcore::init<profcore_symbolizer_options>();
  const std::string debug_folder = arguments.get("debug-dir");
  if (arguments.has("debug-dir")) options.debug_folder = debug_folder.c_str();
  options.no_demangle = arguments.has("no-demangle") ? 1 : 0;
  profcore::Symbolizer symbolizer{&options};
  auto naming = profcore::init<profcore_symbolizer_profile_options>();
  const std::string root = arguments.get("sysroot");
  naming.context = &context;
  naming.root = root.c_str();
  // Each by itself: a merged one has only the earliest time.
  for (profcore::Profile &input : inputs) symbolizer.name(input, &naming);
  end_progress();
  if (arguments.has("stats")) print_stats(symbolizer.stats());
  profcore::Profile profile =
      inputs.size() == 1 ? std::move(inputs[0]) : profcore::Profile::merge(inputs);
  // Both look at names.
  profile = apply_view(apply_filters(std::move(profile), arguments), arguments);

  auto write = profcore::init<profcore_output_options>();
  const std::string title = make_title(arguments, paths);
  const std::string subtitle = make_subtitle(profile, arguments);
  write.context = &context;
  write.title = title.c_str();
  write.subtitle = subtitle.c_str();
  write.gzip_level = out.ends_with(".pb") ? -1 : 0;
  const profcore::Buffer buffer = of_profile
                                      ? profile.write(format, &write)
                                      : build_flame(profile, arguments).write(format, &write);
  end_progress();
  save(buffer, out);
  return kExitOk;
}

} // namespace

const Command kSymbolize{
    "symbolize",
    "FILE... -o OUT",
    "Names the addresses of profiles that were recorded on this machine without names.",
    "A file must have the build id that the profile says. Names that are there stay.\n"
    "Kernel addresses are named in profiles taken since the last boot.\n"
    "\nExamples:\n"
    "  profcore record --no-symbols -a -d 10 -o raw.pb.gz && profcore symbolize raw.pb.gz -o "
    "named.pb.gz\n"
    "  profcore symbolize raw.pb.gz --sysroot /mnt/image --stats -o named.html\n",
    {kOptions, kTreeOptions, kViewOptions, kFilterOptions, kInputOptions, kGeneralOptions},
    run};
