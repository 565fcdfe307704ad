#include "common.hpp"

#include <array>
#include <cmath>
#include <fmt/format.h>

namespace {

constexpr std::array kOptions = {
    Option{"output", 'o', "OUT", "write a diff graph (.html, .svg, .json) instead of the table"},
    Option{"to", 0, "FORMAT", "html, svg, json, flamebearer, top, tsv, top-json"},
    Option{"normalise", 0, "", "scale A to the total of B first: compares shares"},
    Option{"normalize", 0, "", "the same"},
    Option{"fail-over", 0, "PCT",
           "exit 1 when the total of B, or a function's self value, grew by more than "
           "PCT percent of A's total"},
    Option{"count", 'n', "N", "rows of the table (default 20, 0 = all)"},
    Option{"title", 0, "TEXT", "title of a graph"},
    Option{"icicle", 0, "", "root on top"},
};

/// The biggest growth as a share of the baseline's total.
struct Growth {
  double share = 0;
  std::string what;
};

Growth biggest_growth(const profcore::Flame &diff) {
  const profcore_flame_info info = diff.info();
  Growth growth;
  const double base = std::fabs(static_cast<double>(info.base_total));
  const auto consider = [&](int64_t before, int64_t after, std::string_view what) {
    const double delta = static_cast<double>(after) - static_cast<double>(before);
    if (delta <= 0) return;
    const double share = base > 0 ? delta / base : INFINITY;
    if (share > growth.share) growth = {share, std::string{what}};
  };
  consider(info.base_total, info.total, "the total");
  const profcore::Top top = diff.top(PROFCORE_TOP_DELTA);
  for (const profcore_top_row &row : top.rows())
    consider(row.base_self, row.self, diff.frame_name(row.frame));
  return growth;
}

int run(const Arguments &arguments) {
  const auto &paths = arguments.positional();
  if (paths.size() != 2) throw UsageError{"diff takes two files: A (before) and B (after)"};
  check_inputs(paths);
  const double limit = arguments.percent("fail-over", 0, 1e9);
  const profcore_context context = make_context(arguments);
  const auto open = [&](const std::string &path) {
    return build_flame(open_profiles({path}, arguments), arguments);
  };
  const profcore::Flame before = open(paths[0]);
  const profcore::Flame after = open(paths[1]);
  auto diff_options = profcore::init<profcore_flame_diff_options>();
  diff_options.context = &context;
  diff_options.normalise = arguments.has("normalise") || arguments.has("normalize") ? 1 : 0;
  diff_options.order =
      arguments.get("sort") == "total" ? PROFCORE_ORDER_TOTAL : PROFCORE_ORDER_NAME;
  const profcore::Flame diff = profcore::Flame::diff(before, after, &diff_options);

  auto options = profcore::init<profcore_output_options>();
  const std::string title =
      arguments.has("title") ? arguments.get("title") : fmt::format("{} → {}", paths[0], paths[1]);
  const std::string out = arguments.get("output", "-");
  profcore_output_format format = PROFCORE_OUTPUT_TOP;
  if (out != "-" || arguments.has("to")) format = choose_format(arguments, out);
  if (is_profile_format(format))
    throw UsageError{"a diff is written as html, svg, json, flamebearer or a table"};
  options.context = &context;
  options.title = title.c_str();
  options.icicle = arguments.has("icicle") ? 1 : 0;
  options.order = PROFCORE_TOP_DELTA;
  options.limit = arguments.whole("count", 20, 1'000'000'000);
  if (format == PROFCORE_OUTPUT_TOP && out == "-") options.width = terminal_width();
  save(diff.write(format, &options), out);
  end_progress();

  if (arguments.has("fail-over")) {
    const Growth growth = biggest_growth(diff);
    if (growth.share > limit) {
      print_error(fmt::format("{} grew by {:.2f} % of the baseline's total; the limit is {:.2f} %",
                              growth.what, 100 * growth.share, 100 * limit));
      return kExitFailed;
    }
  }
  return kExitOk;
}

} // namespace

const Command kDiff{
    "diff",
    "A B [-o OUT.html]",
    "Compares two profiles: what grew, what shrank, what is only in one of them.",
    "With --fail-over it is a gate for CI: growth is measured against A's total.\n"
    "\nExamples:\n"
    "  profcore diff before.pb.gz after.pb.gz\n"
    "  profcore diff before.pb.gz after.pb.gz --normalise -o diff.html\n"
    "  profcore diff main.folded branch.folded --fail-over 5   # exit 1 when "
    "something grew by over 5 %\n",
    {kOptions, kTreeOptions, kViewOptions, kFilterOptions, kInputOptions, kGeneralOptions},
    run};
