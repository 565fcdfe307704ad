#include "common.hpp"

#include <array>
#include <fmt/format.h>

namespace {

constexpr std::array kOptions = {
    Option{"output", 'o', "OUT", "file to write (default: FILE.html), - = stdout"},
    Option{"to", 0, "FORMAT", "html, svg, json, flamebearer; default: by the ending"},
    Option{"title", 0, "TEXT", "title (default: the file name)"},
    Option{"subtitle", 0, "TEXT", "second line (default: time, duration, host)"},
    Option{"icicle", 0, "", "root on top"},
    Option{"width", 0, "PIXELS", "SVG: width (default 1200)"},
    Option{"min-width", 0, "PIXELS", "SVG: leave out narrower frames (default 0.1)"},
    Option{"types", 0, "", "list the sample types, one a line, and stop"},
};

std::string_view ending_of(std::string_view format) {
  if (format == "svg") return ".svg";
  if (format == "json") return ".json";
  return format == "flamebearer" ? ".flamebearer.json" : ".html";
}

int run(const Arguments &arguments) {
  const auto &paths = arguments.positional();
  const profcore::Profile profile = open_profiles(paths, arguments);
  if (arguments.has("types")) {
    for (size_t i = 0; i < profile.sample_type_count(); ++i)
      fmt::print("{}{}\n", name_type(profile, i), i == profile.default_type() ? " (default)" : "");
    return kExitOk;
  }
  std::string out = arguments.get("output");
  if (out.empty()) {
    if (paths[0] == "-")
      out = "-";
    else
      out = paths[0].substr(paths[0].rfind('/') + 1).append(ending_of(arguments.get("to")));
  }
  const profcore_output_format format =
      out == "-" && !arguments.has("to") ? PROFCORE_OUTPUT_HTML : choose_format(arguments, out);
  if (format != PROFCORE_OUTPUT_HTML && format != PROFCORE_OUTPUT_SVG &&
      format != PROFCORE_OUTPUT_JSON && format != PROFCORE_OUTPUT_FLAMEBEARER)
    throw UsageError{"flame writes html, svg, json or flamebearer; see convert and top"};
  const profcore::Flame flame = build_flame(profile, arguments);
  const profcore_context context = make_context(arguments);
  auto options = profcore::init<profcore_output_options>();
  const std::string title = make_title(arguments, paths);
  const std::string subtitle = make_subtitle(profile, arguments);
  options.context = &context;
  options.title = title.c_str();
  options.subtitle = subtitle.c_str();
  options.icicle = arguments.has("icicle") ? 1 : 0;
  options.width = static_cast<uint32_t>(arguments.number("width", 0, 100, 100'000));
  options.min_width_px = arguments.number("min-width", 0, 0, 1000);
  save(flame.write(format, &options), out);
  end_progress();
  const profcore_flame_info info = flame.info();
  if (out != "-" && !arguments.has("quiet")) {
    const std::string others = profile.sample_type_count() > 1
                                   ? fmt::format(" (--type: {})", list_types(profile))
                                   : std::string{};
    fmt::print(stderr, "{}: {} of {}, {} nodes{}\n", out, profcore::to_view(info.type), title,
               flame.size(), others);
  }
  if (is_empty(flame)) {
    print_warning("the profile has no samples of this type");
    return kExitNoData;
  }
  return kExitOk;
}

} // namespace

const Command kFlame{
    "flame",
    "FILE... [-o OUT.html]",
    "Writes an interactive flame graph (one self-contained HTML file) or a static SVG.",
    "\nExamples:\n"
    "  profcore flame cpu.pb.gz                          # writes cpu.pb.gz.html\n"
    "  profcore flame cpu.pb.gz -o cpu.svg --icicle\n"
    "  profcore flame heap.pb.gz --type alloc_space --inverted -o heap.html\n"
    "  profcore flame stacks.folded --group-by thread --focus 'parse|decode'\n",
    {kOptions, kTreeOptions, kViewOptions, kFilterOptions, kInputOptions, kGeneralOptions},
    run};
