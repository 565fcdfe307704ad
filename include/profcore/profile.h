/* profcore/profile.h: the model: reading it as columns, building it, merge, filter, scale.
 *
 * Everything is interned once and named by u32 ids that count up from 0; id 0 of every table is
 * "none": the empty string, no function, no module, no location, the empty stack, no labels.
 * A stack is a node of a prefix trie: its caller's stack and one location, parent id < own id.
 * Samples are columns of equal length. Tables come out as arrays, without a copy.
 */
#ifndef PROFCORE_PROFILE_H
#define PROFCORE_PROFILE_H

#include <profcore/common.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A profile. Any number of threads may read one that nobody changes. @since 0.1 */
typedef struct profcore_profile profcore_profile;

/** What a frame is. @since 0.1 */
typedef uint8_t profcore_frame_kind;
#define PROFCORE_FRAME_UNKNOWN 0
#define PROFCORE_FRAME_USER 1    /**< native code of an executable */
#define PROFCORE_FRAME_KERNEL 2  /**< of the kernel or one of its modules */
#define PROFCORE_FRAME_LIBRARY 3 /**< of a shared library or the vDSO */
#define PROFCORE_FRAME_JAVA_INTERPRETED 4
#define PROFCORE_FRAME_JAVA_COMPILED 5
#define PROFCORE_FRAME_JAVA_INLINED 6
#define PROFCORE_FRAME_PYTHON 7
#define PROFCORE_FRAME_GPU 8
#define PROFCORE_FRAME_THREAD 9
#define PROFCORE_FRAME_PROCESS 10
#define PROFCORE_FRAME_INLINED 11
#define PROFCORE_FRAME_MANAGED 12 /**< compiled at run time (perf maps), by no runtime above */
#define PROFCORE_FRAME_LABEL 13

/** Why a location has no name. @since 0.1 */
typedef uint8_t profcore_unnamed_reason;
#define PROFCORE_UNNAMED_NONE 0 /**< it has one */
#define PROFCORE_UNNAMED_NOT_ATTEMPTED 1
#define PROFCORE_UNNAMED_NO_MODULE 2
#define PROFCORE_UNNAMED_NO_SYMBOLS 3
#define PROFCORE_UNNAMED_NOT_COVERED 4
#define PROFCORE_UNNAMED_MODULE_MISSING 5
#define PROFCORE_UNNAMED_MODULE_CHANGED 6
#define PROFCORE_UNNAMED_MODULE_DAMAGED 7
#define PROFCORE_UNNAMED_NOT_PERMITTED 8
#define PROFCORE_UNNAMED_TRUNCATED 9
#define PROFCORE_UNNAMED_PROCESS_GONE 10  /**< ended before its files could be read */
#define PROFCORE_UNNAMED_NO_PERF_MAP 11   /**< code made at run time, and no map of it */
#define PROFCORE_UNNAMED_KERNEL_HIDDEN 12 /**< by kptr_restrict */
#define PROFCORE_UNNAMED_OVER_BUDGET 13   /**< its symbols take more memory than allowed */

/** A function. `reserved` must be 0 in what is added. @since 0.1 */
typedef struct profcore_function {
  uint32_t name;        /**< string id; as shown to people */
  uint32_t system_name; /**< string id; as the object file has it */
  uint32_t file;        /**< string id */
  uint32_t reserved;
  int64_t start_line; /**< 0 = not known */
} profcore_function;

/** A mapped object. `reserved` must be 0, and `flags` known, in what is added. @since 0.1 */
typedef struct profcore_module {
  uint32_t path;     /**< string id */
  uint32_t build_id; /**< string id, hexadecimal text */
  uint64_t start;    /**< where it was mapped: [start, end) */
  uint64_t end;
  uint64_t offset; /**< in the file, of what is at start */
  uint32_t flags;  /**< PROFCORE_MODULE_* */
  uint32_t reserved;
} profcore_module;
#define PROFCORE_MODULE_HAS_FUNCTIONS 1u
#define PROFCORE_MODULE_HAS_FILENAMES 2u
#define PROFCORE_MODULE_HAS_LINE_NUMBERS 4u
#define PROFCORE_MODULE_HAS_INLINE_FRAMES 8u

/** One line of a location; file 0 = the function's own. @since 0.1 */
typedef struct profcore_line {
  uint32_t function;
  uint32_t file;
  int64_t line;
  int64_t column;
} profcore_line;

/** One physical frame; lines[first_line .. first_line + line_count), innermost first. In what is
 * added `reserved` must be 0, `kind`, `flags` and `reason` known. @since 0.1 */
typedef struct profcore_location {
  uint64_t address;
  uint32_t module;
  uint32_t first_line;
  uint32_t line_count; /**< 0 = not named; `reason` says why */
  profcore_frame_kind kind;
  uint8_t flags; /**< PROFCORE_LOCATION_* */
  profcore_unnamed_reason reason;
  uint8_t reserved;
} profcore_location;

/** Several symbols share the address (pprof's is_folded). */
#define PROFCORE_LOCATION_IS_FOLDED 1u
/** Written as module`name in collapsed text (dtrace), where that is what it was read from. */
#define PROFCORE_LOCATION_MODULE_IN_NAME 2u
/** No symbol covers the address (`reason` says why), but call frame information says which function
 * it is in: the one line's name is made of the module and the address where that begins, as linked:
 * `python3.11+fn_0x1a2b30`, without a system name. */
#define PROFCORE_LOCATION_NAMED_BY_BOUNDS 4u

/** A stack: another one and what it called. @since 0.1 */
typedef struct profcore_stack_node {
  uint32_t parent; /**< the caller's stack, a smaller id; 0 = the empty stack */
  uint32_t location;
} profcore_stack_node;

/** A label: text, or a number with a unit. @since 0.1 */
typedef struct profcore_label {
  uint32_t key;       /**< string id */
  uint32_t text;      /**< string id; when is_number is 0 */
  uint32_t unit;      /**< string id; of a number */
  uint32_t is_number; /**< 0 or 1 */
  int64_t number;
} profcore_label;

/** One column of values. Units are canonical: "nanoseconds", "bytes", "count", or the source's own
 * word. A value in `source_unit` times `scale` is the value in `unit`. @since 0.1 */
typedef struct profcore_sample_type {
  size_t size;
  profcore_str type;
  profcore_str unit;
  profcore_str source_unit;
  int64_t scale;
  int64_t period;  /**< 0 = not known */
  int32_t instant; /**< 1: a level at the profile's end (live heap); 0: what happened during it */
  int32_t reserved0;
  uint64_t reserved[2];
} profcore_sample_type;

/** What is known of a profile as a whole. Strings of the source are as it had them. @since 0.1 */
typedef struct profcore_metadata {
  size_t size;
  int64_t time_ns;     /**< start, since 1970; 0 = not known */
  int64_t duration_ns; /**< 0 = not known */
  int64_t period;      /**< in period_unit */
  double frequency_hz; /**< 0 = not known */
  uint64_t lost_samples;
  profcore_str period_type;
  profcore_str period_unit;
  profcore_str default_type;
  profcore_str drop_frames; /**< regex of the source, not applied */
  profcore_str keep_frames;
  profcore_str doc_url;
  profcore_str host;
  profcore_str command;
  profcore_str source_format;
  uint64_t reserved[4];
} profcore_metadata;

/** An empty profile to build. *out is the caller's. Errors: NO_MEMORY. @since 0.1 */
PROFCORE_API profcore_status profcore_profile_new(profcore_profile **out, profcore_error **err);
/** Frees; NULL is fine. @since 0.1 */
PROFCORE_API void profcore_profile_free(profcore_profile *profile);

/* -- reading ---------------------------------------------------------------------------------
 *
 * Every array and string is borrowed from the profile, valid until it is changed or freed. `count`
 * gets the number of elements and may be NULL; an empty table may be NULL. A NULL profile has
 * nothing: 0, NULL or "". All of these are thread-safe as long as nobody changes the profile, and
 * do not fail unless they take `err`. */

/** Number of samples (rows). @since 0.1 */
PROFCORE_API size_t profcore_profile_get_sample_count(const profcore_profile *profile);
/** Number of value columns. @since 0.1 */
PROFCORE_API size_t profcore_profile_get_sample_type_count(const profcore_profile *profile);
/** Fills `out` (set out->size first) with column `index`; its strings are borrowed. Errors:
 * INVALID_ARGUMENT (no such column). @since 0.1 */
PROFCORE_API profcore_status profcore_profile_get_sample_type(const profcore_profile *profile,
                                                              size_t index,
                                                              profcore_sample_type *out,
                                                              profcore_error **err);
/** Column to show when none is asked for; 0 when there are no columns. @since 0.1 */
PROFCORE_API size_t profcore_profile_get_default_type(const profcore_profile *profile);
/** Column by "type" or "type/unit", the unit canonical or the source's. Errors: NOT_FOUND (the
 * message lists what there is), NO_DATA (there are no columns), INVALID_ARGUMENT. @since 0.1 */
PROFCORE_API profcore_status profcore_profile_find_sample_type(const profcore_profile *profile,
                                                               const char *name, size_t *index,
                                                               profcore_error **err);
/** Values of one column, canonical units, one per sample; NULL and 0 when there is none.
 * @since 0.1 */
PROFCORE_API const int64_t *profcore_profile_view_values(const profcore_profile *profile,
                                                         size_t type, size_t *count);
/** Stack ids, one per sample. @since 0.1 */
PROFCORE_API const uint32_t *profcore_profile_view_stacks(const profcore_profile *profile,
                                                          size_t *count);
/** Label-set ids, one per sample. @since 0.1 */
PROFCORE_API const uint32_t *profcore_profile_view_label_sets(const profcore_profile *profile,
                                                              size_t *count);
/** Timestamps in nanoseconds since 1970, one per sample, or NULL and 0 when the source has none.
 * @since 0.1 */
PROFCORE_API const int64_t *profcore_profile_view_timestamps(const profcore_profile *profile,
                                                             size_t *count);
/** All stacks; the index is the stack id. Never empty. @since 0.1 */
PROFCORE_API const profcore_stack_node *
profcore_profile_view_stack_nodes(const profcore_profile *profile, size_t *count);
/** All locations; the index is the location id. Never empty. @since 0.1 */
PROFCORE_API const profcore_location *
profcore_profile_view_locations(const profcore_profile *profile, size_t *count);
/** Lines of all locations. @since 0.1 */
PROFCORE_API const profcore_line *profcore_profile_view_lines(const profcore_profile *profile,
                                                              size_t *count);
/** All functions; the index is the function id. Never empty. @since 0.1 */
PROFCORE_API const profcore_function *
profcore_profile_view_functions(const profcore_profile *profile, size_t *count);
/** All modules; the index is the module id. Never empty. @since 0.1 */
PROFCORE_API const profcore_module *profcore_profile_view_modules(const profcore_profile *profile,
                                                                  size_t *count);
/** All strings; the index is the string id. Never empty. @since 0.1 */
PROFCORE_API const profcore_str *profcore_profile_view_strings(const profcore_profile *profile,
                                                               size_t *count);
/** Labels of all label sets. @since 0.1 */
PROFCORE_API const profcore_label *profcore_profile_view_labels(const profcore_profile *profile,
                                                                size_t *count);
/** Label set i is labels[offsets[i] .. offsets[i + 1]); count = number of sets + 1. @since 0.1 */
PROFCORE_API const uint32_t *
profcore_profile_view_label_set_offsets(const profcore_profile *profile, size_t *count);

/** Fills `out` (set out->size first); its strings are borrowed. Errors: INVALID_ARGUMENT.
 * @since 0.1 */
PROFCORE_API profcore_status profcore_profile_get_metadata(const profcore_profile *profile,
                                                           profcore_metadata *out,
                                                           profcore_error **err);
/** Number of comments. @since 0.1 */
PROFCORE_API size_t profcore_profile_get_comment_count(const profcore_profile *profile);
/** A comment, NUL-terminated; `size` gets its bytes and may be NULL. "" past the end. @since 0.1 */
PROFCORE_API const char *profcore_profile_get_comment(const profcore_profile *profile, size_t index,
                                                      size_t *size);
/** Number of warnings. @since 0.1 */
PROFCORE_API size_t profcore_profile_get_warning_count(const profcore_profile *profile);
/** A warning: text, byte offset into the inflated input (or PROFCORE_NO_OFFSET), 1-based line (or
 * 0). `offset` and `line` may be NULL. "" past the end. @since 0.1 */
PROFCORE_API const char *profcore_profile_get_warning(const profcore_profile *profile, size_t index,
                                                      uint64_t *offset, uint64_t *line);
/** Number of counters. @since 0.1 */
PROFCORE_API size_t profcore_profile_get_counter_count(const profcore_profile *profile);
/** A counter of what was lost, skipped or repaired: its name, and in `value`, which may be NULL,
 * how often. "" and 0 past the end. @since 0.1 */
PROFCORE_API const char *profcore_profile_get_counter(const profcore_profile *profile, size_t index,
                                                      uint64_t *value);
/** Bytes of memory that the profile holds, indexes included. @since 0.1 */
PROFCORE_API size_t profcore_profile_get_bytes(const profcore_profile *profile);

/* -- building --------------------------------------------------------------------------------
 *
 * Ids are those of this profile; equal content gets the same id. What is given is copied. One
 * thread at a time, and nobody reading meanwhile. Errors of all of them: INVALID_ARGUMENT (an id
 * that is not there, a value out of range), LIMIT (2^32 - 2 entries of a kind), NO_MEMORY; the
 * profile is then as it was, but for strings that nothing uses. */

/** Interns `size` bytes of text. @since 0.1 */
PROFCORE_API profcore_status profcore_profile_add_string(profcore_profile *profile,
                                                         const char *text, size_t size,
                                                         uint32_t *id, profcore_error **err);
/** Interns a function. @since 0.1 */
PROFCORE_API profcore_status profcore_profile_add_function(profcore_profile *profile,
                                                           const profcore_function *function,
                                                           uint32_t *id, profcore_error **err);
/** Interns a module. @since 0.1 */
PROFCORE_API profcore_status profcore_profile_add_module(profcore_profile *profile,
                                                         const profcore_module *module,
                                                         uint32_t *id, profcore_error **err);
/** Interns a location with its `lines`, innermost first; location->first_line and line_count are
 * ignored. @since 0.1 */
PROFCORE_API profcore_status profcore_profile_add_location(profcore_profile *profile,
                                                           const profcore_location *location,
                                                           const profcore_line *lines,
                                                           size_t line_count, uint32_t *id,
                                                           profcore_error **err);
/** Interns a stack of `count` location ids, root first, none of them 0. @since 0.1 */
PROFCORE_API profcore_status profcore_profile_add_stack(profcore_profile *profile,
                                                        const uint32_t *locations, size_t count,
                                                        uint32_t *id, profcore_error **err);
/** Interns a set of labels, put in order by key. A number has no text and a text no number: the
 * other one is dropped. @since 0.1 */
PROFCORE_API profcore_status profcore_profile_add_label_set(profcore_profile *profile,
                                                            const profcore_label *labels,
                                                            size_t count, uint32_t *id,
                                                            profcore_error **err);
/** A new column at `index`; existing samples get 0. `source_unit` may be any time, size or count
 * unit, or NULL; values given later are in the canonical unit. @since 0.1 */
PROFCORE_API profcore_status profcore_profile_add_sample_type(profcore_profile *profile,
                                                              const char *type,
                                                              const char *source_unit,
                                                              size_t *index, profcore_error **err);
/** One row: one value per column, in canonical units. `timestamp_ns` 0 = none. @since 0.1 */
PROFCORE_API profcore_status profcore_profile_add_sample(profcore_profile *profile, uint32_t stack,
                                                         uint32_t label_set, const int64_t *values,
                                                         size_t value_count, int64_t timestamp_ns,
                                                         profcore_error **err);
/** Replaces all metadata but the comments. A string's data may be NULL when its size is 0.
 * @since 0.1 */
PROFCORE_API profcore_status profcore_profile_set_metadata(profcore_profile *profile,
                                                           const profcore_metadata *metadata,
                                                           profcore_error **err);
/** Adds a comment of `size` bytes. @since 0.1 */
PROFCORE_API profcore_status profcore_profile_add_comment(profcore_profile *profile,
                                                          const char *text, size_t size,
                                                          profcore_error **err);

/* -- operations ------------------------------------------------------------------------------ */

/** How to merge. @since 0.1 */
typedef struct profcore_merge_options {
  size_t size;
  const profcore_context
      *context; /**< max_samples, max_result_bytes, progress, log; NULL = defaults */
  uint64_t reserved[4];
} profcore_merge_options;

/** All samples of `count` profiles in a new one, which is the caller's; they stay as they are.
 * Columns are matched by type and unit; rows of equal stack, labels and timestamp are added up;
 * warnings and counters come along. None gives an empty profile. Thread-safe. Errors: LIMIT,
 * CANCELLED, INVALID_ARGUMENT, NO_MEMORY. @since 0.1 */
PROFCORE_API profcore_status profcore_profile_merge(const profcore_profile *const *profiles,
                                                    size_t count,
                                                    const profcore_merge_options *options,
                                                    profcore_profile **out, profcore_error **err);

/** pprof's filters with pprof's meaning; regexes are RE2's, searched unanchored in function names,
 * file names and module paths. NULL or "" = not used. @since 0.1 */
typedef struct profcore_filter_options {
  size_t size;
  const profcore_context *context; /**< max_result_bytes, progress, log; NULL = defaults */
  const char *focus;               /**< keep stacks with a matching frame */
  const char *ignore;              /**< drop stacks with a matching frame */
  const char *hide;                /**< remove matching frames */
  const char *show;                /**< keep only matching frames */
  const char *show_from;           /**< cut what is rootward of the first match */
  const char *tag_focus;           /**< keep samples by label: "regex", "key=regex", "16kb:32mb" */
  const char *tag_ignore;          /**< drop samples by label */
  int64_t time_from_ns;            /**< keep timestamps in [from, to); 0 = open */
  int64_t time_to_ns;
  int32_t drop_frames; /**< 1: apply the profile's own drop_frames and keep_frames */
  int32_t reserved0;
  uint64_t reserved[4];
} profcore_filter_options;

/** What the filters leave, as a new profile, which is the caller's; `profile` stays as it is. How
 * many rows went is the counter "filtered_samples", a filter that met nothing a warning.
 * Thread-safe. Errors: INVALID_ARGUMENT (a bad regex, with its place), UNSUPPORTED (built without
 * RE2), LIMIT, CANCELLED, NO_MEMORY. @since 0.1 */
PROFCORE_API profcore_status profcore_profile_filter(const profcore_profile *profile,
                                                     const profcore_filter_options *options,
                                                     profcore_profile **out, profcore_error **err);

/** How to make one of the two views below. @since 0.1 */
typedef struct profcore_view_options {
  size_t size;
  const profcore_context *context; /**< max_result_bytes, progress, log; NULL = defaults */
  uint64_t reserved[4];
} profcore_view_options;

/** Where the time of a host went, by process and thread: every stack becomes a frame for the
 * process and, but for its main thread (tid = pid), one for the thread, of the kinds
 * PROFCORE_FRAME_PROCESS and PROFCORE_FRAME_THREAD. They come from the labels `process`, `pid`,
 * `thread`, `tid` (others' words for them too); threads not told apart are the process. Rows of
 * equal labels are added up unless there are timestamps. Sums are those of `profile`, which stays
 * as it is. *out is the caller's. Thread-safe. Errors: NOT_FOUND (no sample tells its process or
 * thread), LIMIT, CANCELLED, NO_MEMORY. @since 0.1 */
PROFCORE_API profcore_status profcore_profile_host_view(const profcore_profile *profile,
                                                        const profcore_view_options *options,
                                                        profcore_profile **out,
                                                        profcore_error **err);

/** A profile with DeepFlow's forms of frames and values, for who compares with it or feeds it.
 * Stacks begin with `[p] process` (main threads, and where threads are not told apart) or `[t]
 * thread`, by the same labels. `[k] symbol` is the kernel's, not demangled; `[l] symbol` is of a
 * module with ".so" in its path, `[c] symbol` CUDA's; other names have nothing before them. A class
 * descriptor of the JVM before a name is rewritten (`Lcom/x/Y;::m` to `com/x/Y::m`, `[I` to
 * `int[]`); `;` in a name becomes `:`. Without a name: `[path of the module]`, `[unknown]
 * 0x0000000000001234` where no module is known, `[unknown start_thread?]` for such a user frame at
 * the root. The column cpu/nanoseconds becomes on-cpu/microseconds: samples times the period cut to
 * whole microseconds (10101 at 99 Hz), which is up to a microsecond a sample less than what
 * `profile` has; off-cpu is cut to microseconds too. Addresses, modules, files, lines and labels
 * stay. *out is the caller's; `profile` stays as it is. A second time nothing more changes.
 * Thread-safe. Errors: LIMIT, CANCELLED, NO_MEMORY. @since 0.1 */
PROFCORE_API profcore_status profcore_profile_deepflow_view(const profcore_profile *profile,
                                                            const profcore_view_options *options,
                                                            profcore_profile **out,
                                                            profcore_error **err);

/** Multiplies all values in place, rounded to nearest, saturating with a warning. One thread at a
 * time. Errors: INVALID_ARGUMENT (not finite); the profile is then as it was. @since 0.1 */
PROFCORE_API profcore_status profcore_profile_scale(profcore_profile *profile, double factor,
                                                    profcore_error **err);

#ifdef __cplusplus
}
#endif
#endif
