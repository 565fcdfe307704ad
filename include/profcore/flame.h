/* profcore/flame.h: flame trees, diffs, top tables, callers and callees. */
#ifndef PROFCORE_FLAME_H
#define PROFCORE_FLAME_H

#include <profcore/common.h>
#include <profcore/profile.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A flame tree. Nodes are in preorder, siblings in display order, node 0 is the root; the subtree
 * of node i is [i, subtree_end[i]). It owns its strings and outlives the profile. Immutable: any
 * number of threads may read it. @since 0.1 */
typedef struct profcore_flame profcore_flame;

/** What makes two frames one node. FUNCTION goes by the name alone; the frame keeps its file while
 * all that were merged agree on it. @since 0.1 */
typedef int32_t profcore_frame_key;
#define PROFCORE_KEY_FUNCTION 0
#define PROFCORE_KEY_LINE 1
#define PROFCORE_KEY_FILE 2
#define PROFCORE_KEY_MODULE 3
#define PROFCORE_KEY_ADDRESS 4
#define PROFCORE_KEY_FILE_FUNCTION 5 /**< functions of one name in different files stay apart */

/** Order of siblings. @since 0.1 */
typedef int32_t profcore_node_order;
#define PROFCORE_ORDER_NAME 0
#define PROFCORE_ORDER_TOTAL 1

/** How to build a tree. The strings need to live as long as the call. @since 0.1 */
typedef struct profcore_flame_options {
  size_t size;
  const profcore_context *context; /**< max_result_bytes, progress, log; NULL = defaults */
  const char *sample_type;         /**< "type" or "type/unit"; NULL = the profile's default */
  profcore_frame_key key;
  profcore_node_order order;
  int32_t inverted;            /**< 1: leaf first, callers grow out of callees */
  int32_t fold_recursion;      /**< 1: a frame already on the path is not entered again */
  const char *const *group_by; /**< label keys whose values become frames under the root */
  size_t group_by_count;
  const char *root_function; /**< start at this function (exact name); NULL = whole stacks */
  double min_share;          /**< prune nodes under this share (0..1) of the total */
  const char *root_name;     /**< what the root is called; NULL = "all" */
  uint64_t reserved[3];
} profcore_flame_options;

/** Builds the tree of one column. Linear in distinct stacks plus samples. *out is the caller's and
 * does not need the profile any more. Thread-safe as long as nobody changes the profile. Errors:
 * NOT_FOUND (sample type, root function), NO_DATA (no columns), INVALID_ARGUMENT, CANCELLED, LIMIT,
 * NO_MEMORY. @since 0.1 */
PROFCORE_API profcore_status profcore_flame_build(const profcore_profile *profile,
                                                  const profcore_flame_options *options,
                                                  profcore_flame **out, profcore_error **err);

/** How to compare. @since 0.1 */
typedef struct profcore_flame_diff_options {
  size_t size;
  const profcore_context *context; /**< max_result_bytes, progress; NULL = defaults */
  int32_t normalise;               /**< 1: scale the baseline to the other side's total */
  profcore_node_order order;
  double min_share; /**< of the larger side's total */
  uint64_t reserved[4];
} profcore_flame_diff_options;

/** The union of two trees, with the values of both; `baseline` and `tree` stay the caller's, *out
 * is the caller's too and does not need them any more. Thread-safe. Errors: INVALID_ARGUMENT
 * (types, units or directions differ, or one is a diff already), CANCELLED, LIMIT, NO_MEMORY.
 * @since 0.1 */
PROFCORE_API profcore_status profcore_flame_diff(const profcore_flame *baseline,
                                                 const profcore_flame *tree,
                                                 const profcore_flame_diff_options *options,
                                                 profcore_flame **out, profcore_error **err);

/** Frees; NULL is fine. @since 0.1 */
PROFCORE_API void profcore_flame_free(profcore_flame *flame);

/** A frame; the strings are ids of the tree's own table. What the key merged away is 0.
 * @since 0.1 */
typedef struct profcore_flame_frame {
  uint32_t name;
  uint32_t file;
  uint32_t module;
  uint32_t kind; /**< profcore_frame_kind */
  int64_t line;
  uint64_t address;
} profcore_flame_frame;

/** What a tree is about. @since 0.1 */
typedef struct profcore_flame_info {
  size_t size;
  profcore_str type;
  profcore_str unit;
  int64_t total;      /**< of the root */
  int64_t base_total; /**< of the root, baseline side; 0 when it is no diff */
  uint64_t pruned_nodes;
  int64_t pruned_value;
  int32_t inverted;
  int32_t is_diff;
  int32_t normalised;
  int32_t reserved0;
  uint64_t reserved[4];
} profcore_flame_info;

/* Reading a tree is thread-safe; what is borrowed lives as long as the tree. A NULL tree has
 * nothing. */

/** Fills `out` (set out->size first); its strings are borrowed. Errors: INVALID_ARGUMENT.
 * @since 0.1 */
PROFCORE_API profcore_status profcore_flame_get_info(const profcore_flame *flame,
                                                     profcore_flame_info *out,
                                                     profcore_error **err);
/** Number of nodes, the root included. @since 0.1 */
PROFCORE_API size_t profcore_flame_get_node_count(const profcore_flame *flame);
/* Columns, one entry per node, borrowed; `count` may be NULL. */
/** Index into the frames. @since 0.1 */
PROFCORE_API const uint32_t *profcore_flame_view_node_frames(const profcore_flame *flame,
                                                             size_t *count);
/** Parent node; the root's is 0. @since 0.1 */
PROFCORE_API const uint32_t *profcore_flame_view_parents(const profcore_flame *flame,
                                                         size_t *count);
/** Depth; the root's is 0. @since 0.1 */
PROFCORE_API const uint32_t *profcore_flame_view_depths(const profcore_flame *flame, size_t *count);
/** One past the last node of the subtree. @since 0.1 */
PROFCORE_API const uint32_t *profcore_flame_view_subtree_ends(const profcore_flame *flame,
                                                              size_t *count);
/** Own values. @since 0.1 */
PROFCORE_API const int64_t *profcore_flame_view_self(const profcore_flame *flame, size_t *count);
/** Values with all callees. @since 0.1 */
PROFCORE_API const int64_t *profcore_flame_view_total(const profcore_flame *flame, size_t *count);
/** Own values, baseline side; NULL when it is no diff. @since 0.1 */
PROFCORE_API const int64_t *profcore_flame_view_base_self(const profcore_flame *flame,
                                                          size_t *count);
/** Values with all callees, baseline side; NULL when it is no diff. @since 0.1 */
PROFCORE_API const int64_t *profcore_flame_view_base_total(const profcore_flame *flame,
                                                           size_t *count);
/** The frames. @since 0.1 */
PROFCORE_API const profcore_flame_frame *profcore_flame_view_frames(const profcore_flame *flame,
                                                                    size_t *count);
/** The strings. @since 0.1 */
PROFCORE_API const profcore_str *profcore_flame_view_strings(const profcore_flame *flame,
                                                             size_t *count);

/* -- top: self and total per function -------------------------------------------------------- */

/** Order of a top table; ties go by name. @since 0.1 */
typedef int32_t profcore_top_order;
#define PROFCORE_TOP_SELF 0
#define PROFCORE_TOP_TOTAL 1
#define PROFCORE_TOP_NAME 2
#define PROFCORE_TOP_DELTA 3 /**< of a diff: largest change of self first */

/** A frame's row; the base values are 0 when the tree is no diff. @since 0.1 */
typedef struct profcore_top_row {
  uint32_t frame; /**< index into the tree's frames */
  uint32_t reserved;
  int64_t self;
  int64_t total; /**< recursion counted once */
  int64_t base_self;
  int64_t base_total;
} profcore_top_row;

/** Rows of a top table. Immutable. @since 0.1 */
typedef struct profcore_top profcore_top;

/** Sums self and total per frame; `limit` rows at most, 0 = all. One pass over the nodes, which is
 * not interrupted. *out is the caller's and refers to the frames of `flame`. Thread-safe. Errors:
 * INVALID_ARGUMENT, NO_MEMORY. @since 0.1 */
PROFCORE_API profcore_status profcore_flame_top(const profcore_flame *flame,
                                                profcore_top_order order, size_t limit,
                                                profcore_top **out, profcore_error **err);
/** The rows, borrowed from `top`; NULL and 0 for NULL. Thread-safe. @since 0.1 */
PROFCORE_API const profcore_top_row *profcore_top_view_rows(const profcore_top *top, size_t *count);
/** Frees; NULL is fine. @since 0.1 */
PROFCORE_API void profcore_top_free(profcore_top *top);

/* -- peek: callers and callees --------------------------------------------------------------- */

/** A caller or a callee. @since 0.1 */
typedef struct profcore_peek_row {
  uint32_t frame; /**< the caller or callee; 0 = called from nowhere */
  uint32_t reserved;
  int64_t value; /**< passed between the function and it */
} profcore_peek_row;

/** Callers and callees of the functions that matched. Immutable. @since 0.1 */
typedef struct profcore_peek profcore_peek;

/** Matches `function` (NUL-terminated) as a regex (RE2, searched), or with `exact` 1 as the whole
 * name. One pass over the nodes, which is not interrupted. *out is the caller's and refers to the
 * frames of `flame`. Thread-safe. Errors: NOT_FOUND, INVALID_ARGUMENT (a bad regex), UNSUPPORTED
 * (no RE2), NO_MEMORY. @since 0.1 */
PROFCORE_API profcore_status profcore_flame_peek(const profcore_flame *flame, const char *function,
                                                 int32_t exact, profcore_peek **out,
                                                 profcore_error **err);
/* Reading what peek found is thread-safe. */
/** Number of functions that matched, biggest total first; 0 for NULL. @since 0.1 */
PROFCORE_API size_t profcore_peek_get_count(const profcore_peek *peek);
/** One of them: frame, self, total (each may be NULL). Errors: INVALID_ARGUMENT. @since 0.1 */
PROFCORE_API profcore_status profcore_peek_get_function(const profcore_peek *peek, size_t index,
                                                        uint32_t *frame, int64_t *self,
                                                        int64_t *total, profcore_error **err);
/** Its callers, biggest first; borrowed; NULL and 0 past the end. @since 0.1 */
PROFCORE_API const profcore_peek_row *profcore_peek_view_callers(const profcore_peek *peek,
                                                                 size_t index, size_t *count);
/** Its callees, biggest first; borrowed; NULL and 0 past the end. @since 0.1 */
PROFCORE_API const profcore_peek_row *profcore_peek_view_callees(const profcore_peek *peek,
                                                                 size_t index, size_t *count);
/** Frees; NULL is fine. @since 0.1 */
PROFCORE_API void profcore_peek_free(profcore_peek *peek);

#ifdef __cplusplus
}
#endif
#endif
