#include "output/output.hpp"

#include "capi/guard.hpp"

#include <array>
#include <cmath>

using namespace profcore;
using namespace profcore::capi;

static_assert(sizeof(profcore_output_options) == 15 * 8, "no implicit padding");

namespace {

struct Ending {
  std::string_view text;
  profcore_output_format format;
};

// Longer endings first.
constexpr std::array kEndings = {
    Ending{".speedscope.json", PROFCORE_OUTPUT_SPEEDSCOPE},
    Ending{".flamebearer.json", PROFCORE_OUTPUT_FLAMEBEARER},
    Ending{".pb.gz", PROFCORE_OUTPUT_PPROF},
    Ending{".pprof.gz", PROFCORE_OUTPUT_PPROF},
    Ending{".pprof", PROFCORE_OUTPUT_PPROF},
    Ending{".pb", PROFCORE_OUTPUT_PPROF},
    Ending{".folded", PROFCORE_OUTPUT_COLLAPSED},
    Ending{".collapsed", PROFCORE_OUTPUT_COLLAPSED},
    Ending{".txt", PROFCORE_OUTPUT_COLLAPSED},
    Ending{".json", PROFCORE_OUTPUT_JSON},
    Ending{".svg", PROFCORE_OUTPUT_SVG},
    Ending{".html", PROFCORE_OUTPUT_HTML},
    Ending{".htm", PROFCORE_OUTPUT_HTML},
};

int gzip_level(int32_t level) {
  if (level < -1 || level > 12) invalid("gzip_level must be -1 to 12");
  return level == 0 ? 6 : (level < 0 ? 0 : level);
}

/// Gives the bytes to the caller, with the NUL that profcore_buffer promises.
profcore_buffer *finish(Buffer &bytes, const Context &context) {
  context.check_result(bytes.size());
  bytes.put('\0');
  auto result = std::make_unique<profcore_buffer>();
  result->bytes = std::move(bytes);
  return result.release();
}

} // namespace

extern "C" {

profcore_status profcore_output_profile(const profcore_profile *handle,
                                        profcore_output_format format,
                                        const profcore_output_options *options,
                                        profcore_buffer **out, profcore_error **err) {
  return guard(err, [&] {
    required(out, "out") = nullptr;
    const Profile &profile = required(handle, "profile").profile;
    const profcore_output_options given = read_options(options);
    const ContextAdapter context{given.context};
    const bool kind_suffix = flag(given.kind_suffix, "kind_suffix");
    Buffer bytes;
    switch (format) {
    case PROFCORE_OUTPUT_PPROF:
      write_pprof(profile, {context.get(), gzip_level(given.gzip_level)}, bytes);
      break;
    case PROFCORE_OUTPUT_COLLAPSED:
      write_collapsed(
          profile, {context.get(), resolve_type(profile, given.sample_type), kind_suffix}, bytes);
      break;
    case PROFCORE_OUTPUT_JSON:
      write_profile_json(profile, context.get(), bytes);
      break;
    case PROFCORE_OUTPUT_SPEEDSCOPE:
      write_speedscope(profile, text_or_empty(given.title), context.get(), bytes);
      break;
    default:
      invalid("this format is written from a flame tree, or is unknown");
    }
    *out = finish(bytes, context.get());
  });
}

profcore_status profcore_output_flame(const profcore_flame *flame, profcore_output_format format,
                                      const profcore_output_options *options, profcore_buffer **out,
                                      profcore_error **err) {
  return guard(err, [&] {
    required(out, "out") = nullptr;
    const FlameTree &tree = required(flame, "flame").tree;
    const profcore_output_options given = read_options(options);
    const ContextAdapter context{given.context};
    RenderOptions render;
    render.context = context.get();
    render.title = text_or_empty(given.title);
    render.subtitle = text_or_empty(given.subtitle);
    if (given.width != 0) render.width = given.width;
    if (!(given.min_width_px >= 0 && std::isfinite(given.min_width_px)))
      invalid("min_width_px must be finite and not negative");
    if (given.min_width_px > 0) render.min_width_px = given.min_width_px;
    render.icicle = flag(given.icicle, "icicle");
    TableOptions table;
    table.context = context.get();
    table.order = checked_enum<TopOrder>(given.order, PROFCORE_TOP_DELTA, "order");
    table.exact = flag(given.exact, "exact");
    table.limit = given.limit;
    table.width = given.width;
    Buffer bytes;
    switch (format) {
    case PROFCORE_OUTPUT_JSON:
      write_flame_json(tree, context.get(), bytes);
      break;
    case PROFCORE_OUTPUT_FLAMEBEARER:
      write_flamebearer(tree, render.title, context.get(), bytes);
      break;
    case PROFCORE_OUTPUT_SVG:
      write_svg(tree, render, bytes);
      break;
    case PROFCORE_OUTPUT_HTML:
      write_html(tree, render, bytes);
      break;
    case PROFCORE_OUTPUT_TOP:
      write_top_table(tree, table, bytes);
      break;
    case PROFCORE_OUTPUT_TOP_TSV:
      table.tsv = true;
      write_top_table(tree, table, bytes);
      break;
    case PROFCORE_OUTPUT_TOP_JSON:
      write_top_json(tree, table, bytes);
      break;
    case PROFCORE_OUTPUT_TREE:
      write_tree_table(tree, table, bytes);
      break;
    case PROFCORE_OUTPUT_PEEK:
      write_peek_table(tree, &required(given.function, "function"), table, bytes);
      break;
    case PROFCORE_OUTPUT_PEEK_JSON:
      write_peek_json(tree, &required(given.function, "function"), table, bytes);
      break;
    default:
      invalid("this format is written from a profile, or is unknown");
    }
    *out = finish(bytes, context.get());
  });
}

profcore_output_format profcore_output_format_from_path(const char *path) {
  const std::string_view text = text_or_empty(path);
  for (const Ending &ending : kEndings)
    if (text.ends_with(ending.text)) return ending.format;
  return 0;
}

} // extern "C"
