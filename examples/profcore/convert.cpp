#include "common.hpp"

#include <array>
#include <fmt/format.h>

namespace {

constexpr std::array kOptions = {
    Option{"output", 'o', "OUT", "file to write, - = stdout; its ending tells the format"},
    Option{"to", 0, "FORMAT", "pprof, collapsed, json, speedscope, flamebearer, svg, html"},
    Option{"title", 0, "TEXT", "title of a graph"},
    Option{"subtitle", 0, "TEXT", "second line of a graph"},
    Option{"kinds", 0, "", "collapsed: append _[k], _[j], _[i] to names"},
    Option{"plain", 0, "", "pprof: do not compress"},
};

int run(const Arguments &arguments) {
  const auto &paths = arguments.positional();
  const std::string out = arguments.get("output");
  if (out.empty()) throw UsageError{"convert needs -o OUT"};
  const profcore_output_format format = choose_format(arguments, out);
  const bool of_profile = is_profile_format(format) || format == PROFCORE_OUTPUT_JSON;
  if (of_profile) refuse_tree_options(arguments, format);
  const profcore_context context = make_context(arguments);
  const profcore::Profile profile = open_profiles(paths, arguments);
  auto options = profcore::init<profcore_output_options>();
  const std::string title = make_title(arguments, paths);
  const std::string subtitle = make_subtitle(profile, arguments);
  const std::string type = arguments.get("type");
  options.context = &context;
  options.title = title.c_str();
  options.subtitle = subtitle.c_str();
  options.kind_suffix = arguments.has("kinds") ? 1 : 0;
  options.gzip_level = arguments.has("plain") || out.ends_with(".pb") ? -1 : 0;
  if (!type.empty()) options.sample_type = type.c_str();
  const profcore::Buffer buffer = of_profile
                                      ? profile.write(format, &options)
                                      : build_flame(profile, arguments).write(format, &options);
  end_progress();
  save(buffer, out);
  return kExitOk;
}

} // namespace

const Command kConvert{
    "convert",
    "FILE... -o OUT",
    "Reads profiles of any kind, merges them, writes them in another format.",
    "Endings: .pb.gz .pprof .pb (pprof), .folded .collapsed .txt (collapsed), .json, "
    ".speedscope.json,\n"
    ".flamebearer.json, .svg, .html.\n"
    "\nExamples:\n"
    "  profcore convert cpu.pb.gz -o cpu.folded\n"
    "  profcore convert monday.pb.gz tuesday.pb.gz -o both.pb.gz\n"
    "  perf script | stackcollapse-perf.pl | profcore convert - -o perf.speedscope.json\n"
    "  profcore convert heap.pb.gz --type inuse_space --focus '^main\\.' -o heap.folded\n",
    {kOptions, kTreeOptions, kViewOptions, kFilterOptions, kInputOptions, kGeneralOptions},
    run};
