#include "common.hpp"

#include <array>
#include <fmt/format.h>

namespace {

constexpr std::array kOptions = {
    Option{"count", 'n', "N", "rows (default 20, 0 = all)"},
    Option{"cum", 0, "", "sort by total instead of self"},
    Option{"peek", 0, "REGEX", "callers and callees of the matching functions"},
    Option{"tree", 0, "", "the call tree as indented text"},
    Option{"json", 0, "", "as JSON"},
    Option{"tsv", 0, "", "tab-separated raw values"},
    Option{"output", 'o', "OUT", "file to write (default: stdout)"},
};

int run(const Arguments &arguments) {
  std::string_view view;
  for (const std::string_view name : {"peek", "tree", "json", "tsv"}) {
    if (!arguments.has(name)) continue;
    if (!view.empty() && !(view == "peek" && name == "json"))
      throw UsageError{fmt::format("--{} and --{} exclude each other", view, name)};
    view = name;
  }
  const profcore::Profile profile = open_profiles(arguments.positional(), arguments);
  const profcore::Flame flame = build_flame(profile, arguments);
  const profcore_context context = make_context(arguments);
  auto options = profcore::init<profcore_output_options>();
  const std::string function = arguments.get("peek");
  options.context = &context;
  options.order = arguments.has("cum") ? PROFCORE_TOP_TOTAL : PROFCORE_TOP_SELF;
  options.limit = arguments.whole("count", arguments.has("tree") ? 0 : 20, 1'000'000'000);
  options.width = arguments.has("output") ? 0 : terminal_width();
  profcore_output_format format = PROFCORE_OUTPUT_TOP;
  if (arguments.has("peek")) {
    format = arguments.has("json") ? PROFCORE_OUTPUT_PEEK_JSON : PROFCORE_OUTPUT_PEEK;
    options.function = function.c_str();
  } else if (arguments.has("tree")) {
    format = PROFCORE_OUTPUT_TREE;
  } else if (arguments.has("json")) {
    format = PROFCORE_OUTPUT_TOP_JSON;
  } else if (arguments.has("tsv")) {
    format = PROFCORE_OUTPUT_TOP_TSV;
  }
  save(flame.write(format, &options), arguments.get("output", "-"));
  return is_empty(flame) ? kExitNoData : kExitOk;
}

} // namespace

const Command kTop{
    "top",
    "FILE...",
    "Prints self and total values per function, or callers and callees, or the call tree.",
    "Recursion is counted once in totals.\n"
    "\nExamples:\n"
    "  profcore top cpu.pb.gz\n"
    "  profcore top heap.pb.gz --type inuse_space -n 50 --cum\n"
    "  profcore top cpu.pb.gz --peek 'mallocgc$'\n"
    "  profcore top stacks.folded --json | jq '.rows[0]'\n",
    {kOptions, kTreeOptions, kViewOptions, kFilterOptions, kInputOptions, kGeneralOptions},
    run};
