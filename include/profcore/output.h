/* profcore/output.h: profiles and flame trees to bytes. Deterministic: same input, same bytes. */
#ifndef PROFCORE_OUTPUT_H
#define PROFCORE_OUTPUT_H

#include <profcore/common.h>
#include <profcore/flame.h>
#include <profcore/profile.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An output format. Those of profiles and those of trees share one list. @since 0.1 */
typedef int32_t profcore_output_format;
#define PROFCORE_OUTPUT_PPROF 1       /**< profile: profile.proto, gzip */
#define PROFCORE_OUTPUT_COLLAPSED 2   /**< profile: `a;b;c 12` lines of one column */
#define PROFCORE_OUTPUT_JSON 3        /**< profile or tree: our documented, versioned JSON */
#define PROFCORE_OUTPUT_SPEEDSCOPE 4  /**< profile: speedscope, every column */
#define PROFCORE_OUTPUT_FLAMEBEARER 5 /**< tree: Pyroscope's JSON, single or double */
#define PROFCORE_OUTPUT_SVG 6         /**< tree: a static picture */
#define PROFCORE_OUTPUT_HTML 7        /**< tree: one self-contained interactive page */
#define PROFCORE_OUTPUT_TOP 8         /**< tree: text table of self and total */
#define PROFCORE_OUTPUT_TOP_TSV 9     /**< tree: the same, tab-separated raw values */
#define PROFCORE_OUTPUT_TOP_JSON 10   /**< tree: the same as JSON */
#define PROFCORE_OUTPUT_TREE 11       /**< tree: indented text */
#define PROFCORE_OUTPUT_PEEK 12       /**< tree: callers and callees of `function` as text */
#define PROFCORE_OUTPUT_PEEK_JSON 13  /**< tree: the same as JSON */

/** How to write; each format looks at its own. The strings need to live as long as the call.
 * @since 0.1 */
typedef struct profcore_output_options {
  size_t size;
  const profcore_context *context; /**< max_result_bytes, progress, log; NULL = defaults */
  const char *title;               /**< NULL = made from the type */
  const char *subtitle;            /**< NULL = made from the metadata */
  const char *sample_type;         /**< COLLAPSED: the column; NULL = default */
  const char *function;     /**< PEEK*: regex (RE2, searched), or the whole name with `exact` */
  double min_width_px;      /**< SVG: narrower nodes are left out and counted; 0 = 0.1 */
  uint32_t width;           /**< SVG: pixels, 0 = 1200; tables: columns, 0 = never cut names */
  int32_t gzip_level;       /**< PPROF: 1-12, 0 = 6, -1 = not compressed */
  int32_t kind_suffix;      /**< COLLAPSED: 1 = append _[k], _[j], _[i] to names */
  int32_t icicle;           /**< SVG, HTML: 1 = root on top */
  int32_t exact;            /**< PEEK*: 1 = `function` is the whole name */
  profcore_top_order order; /**< TOP* */
  uint64_t limit;           /**< TOP*, TREE: rows at most, 0 = all */
  uint64_t reserved[4];
} profcore_output_options;

/** Writes a profile as PPROF, COLLAPSED, JSON or SPEEDSCOPE. *out is the caller's. Thread-safe.
 * Errors: INVALID_ARGUMENT (a format of trees), NOT_FOUND (sample type), NO_DATA (no columns),
 * CANCELLED, LIMIT, NO_MEMORY. @since 0.1 */
PROFCORE_API profcore_status profcore_output_profile(const profcore_profile *profile,
                                                     profcore_output_format format,
                                                     const profcore_output_options *options,
                                                     profcore_buffer **out, profcore_error **err);

/** Writes a tree as any of the tree formats. *out is the caller's. Thread-safe. Errors:
 * INVALID_ARGUMENT (a format of profiles; PEEK: a bad regex), NOT_FOUND (PEEK), UNSUPPORTED (PEEK
 * without RE2), CANCELLED, LIMIT, NO_MEMORY. @since 0.1 */
PROFCORE_API profcore_status profcore_output_flame(const profcore_flame *flame,
                                                   profcore_output_format format,
                                                   const profcore_output_options *options,
                                                   profcore_buffer **out, profcore_error **err);

/** The format that a file name asks for by its ending (.pb.gz .pprof .pb, .folded .collapsed .txt,
 * .json, .speedscope.json, .flamebearer.json, .svg, .html), or 0. `path` NUL-terminated or NULL.
 * Thread-safe. @since 0.1 */
PROFCORE_API profcore_output_format profcore_output_format_from_path(const char *path);

#ifdef __cplusplus
}
#endif
#endif
