/* profcore/symbolize.h: names for addresses. */
#ifndef PROFCORE_SYMBOLIZE_H
#define PROFCORE_SYMBOLIZE_H

#include <profcore/common.h>
#include <profcore/profile.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Names addresses, and keeps what it read of files under a budget of bytes. Unlike other objects
 * of this library it may be used by any number of threads at once: one serves a whole program. No
 * descriptor stays open between calls; tables of names stay mapped. @since 0.1 */
typedef struct profcore_symbolizer profcore_symbolizer;

/** @since 0.1 */
typedef struct profcore_symbolizer_options {
  size_t size;
  uint64_t max_bytes; /**< of all that is kept between calls; 0 = 256 MiB. What alone is larger is
                         not read: PROFCORE_UNNAMED_OVER_BUDGET */
  /** Where debug files are by build id (FOLDER/.build-id/ab/cdef.debug), whose .symtab serves
   * programs that were stripped of theirs. NULL = /usr/lib/debug, "" = nowhere. */
  const char *debug_folder;
  uint32_t maps_ms; /**< for so long the mappings of a process count as unchanged, milliseconds; 0 =
                       1000, and at most 3600000 */
  int32_t no_demangle; /**< 1: names as the files have them */
  uint64_t reserved[6];
} profcore_symbolizer_options;

/** What was done since the start, and what is held now. @since 0.1 */
typedef struct profcore_symbolizer_stats {
  size_t size;
  uint64_t named; /**< addresses named by a symbol */
  uint64_t
      named_by_bounds;  /**< by where their function begins: PROFCORE_LOCATION_NAMED_BY_BOUNDS */
  uint64_t unnamed[32]; /**< addresses without a name, by PROFCORE_UNNAMED_... */
  uint64_t modules;     /**< files held now */
  uint64_t modules_built;
  uint64_t modules_found; /**< times that a file was there already */
  uint64_t modules_evicted;
  uint64_t perf_maps; /**< held now */
  uint64_t bad_lines; /**< of these */
  uint64_t processes; /**< whose mappings are held now */
  uint64_t bytes;     /**< held now */
  uint64_t reserved[8];
} profcore_symbolizer_stats;

/** Makes a symbolizer; nothing is read yet. On success *out is the caller's
 * (profcore_symbolizer_free). `options` may be NULL. Errors: INVALID_ARGUMENT, NO_MEMORY. @since
 * 0.1 */
PROFCORE_API profcore_status profcore_symbolizer_new(const profcore_symbolizer_options *options,
                                                     profcore_symbolizer **out,
                                                     profcore_error **err);

/** Frees it; no call may run. NULL is fine. @since 0.1 */
PROFCORE_API void profcore_symbolizer_free(profcore_symbolizer *symbolizer);

/** Forgets everything that was read; counts stay. Thread-safe. Errors: INVALID_ARGUMENT. @since 0.1
 */
PROFCORE_API profcore_status profcore_symbolizer_clear(profcore_symbolizer *symbolizer,
                                                       profcore_error **err);

/** Fills `stats` (set stats->size first). Thread-safe. Errors: INVALID_ARGUMENT. @since 0.1 */
PROFCORE_API profcore_status profcore_symbolizer_get_stats(const profcore_symbolizer *symbolizer,
                                                           profcore_symbolizer_stats *stats,
                                                           profcore_error **err);

/** @since 0.1 */
typedef struct profcore_symbolizer_profile_options {
  size_t size;
  const profcore_context *context; /**< progress and cancelling; NULL = none */
  const char *root; /**< put before the paths of modules ("/mnt/image"); NULL = none */
  uint64_t reserved[6];
} profcore_symbolizer_profile_options;

/** Names the locations of a profile that have no name, or says why not, in place; stacks stay as
 * they are, and so do names that are there. Files are found by their module's path, and must have
 * its build id if it has one: else MODULE_CHANGED. Addresses are taken as they are: return
 * addresses must point into their call, as in pprof. Code made at run time (modules
 * /tmp/perf-PID.map) is named while its process or its map is there. Kernel frames are named when
 * the profile was taken here since the last boot, as far as its time and the kernel's build id
 * tell: else MODULE_CHANGED. `options` may be NULL.
 *
 * The profile is used by one thread at a time, the symbolizer by any number. On failure what was
 * named stays. Errors: INVALID_ARGUMENT, CANCELLED, LIMIT, NO_MEMORY. @since 0.1 */
PROFCORE_API profcore_status profcore_symbolizer_name_profile(
    profcore_symbolizer *symbolizer, profcore_profile *profile,
    const profcore_symbolizer_profile_options *options, profcore_error **err);

/** What addresses are in. @since 0.1 */
typedef int32_t profcore_address_kind;
#define PROFCORE_ADDRESS_KERNEL 0      /**< of the running kernel, absolute */
#define PROFCORE_ADDRESS_PROCESS 1     /**< of a live process, absolute */
#define PROFCORE_ADDRESS_FILE_OFFSET 2 /**< offsets in a file, as mappings have them */
#define PROFCORE_ADDRESS_FILE 3 /**< of a file, as linked: what its symbols and objdump have */

/** @since 0.1 */
typedef struct profcore_address_source {
  size_t size;
  profcore_address_kind kind;
  int32_t pid;          /**< PROCESS: as seen here */
  uint64_t start_time;  /**< PROCESS: clock ticks since boot (/proc/PID/stat, 22), so that a process
                           that got its pid later is PROCESS_GONE; 0 = whoever has it */
  const char *path;     /**< FILE, FILE_OFFSET */
  const char *build_id; /**< FILE, FILE_OFFSET: it must have this one, hexadecimal; NULL = any */
  uint64_t reserved[6];
} profcore_address_source;

/** The names of some addresses. Never changes. @since 0.1 */
typedef struct profcore_symbols profcore_symbols;

/** A name that one or several of the addresses have. @since 0.1 */
typedef struct profcore_symbols_line {
  profcore_str name;        /**< as people read it */
  profcore_str system_name; /**< as the file has it; empty when named by bounds */
  profcore_str file;        /**< of the source; empty = not known */
  int64_t line;             /**< 0 = not known */
  int64_t column;           /**< 0 = not known */
} profcore_symbols_line;

/** The tables of a result; they live as long as it. Columns have `count` entries, one for each
 * address in the order they were given. @since 0.1 */
typedef struct profcore_symbols_view {
  size_t size;
  size_t count;
  /** Address i has lines[first_line[i]] to lines[first_line[i] + line_count[i] - 1], innermost
   * first. Addresses of one function share their lines. */
  const uint32_t *first_line;
  const uint32_t *line_count; /**< 0 = no name; `reason` says why */
  const uint8_t *reason;      /**< PROFCORE_UNNAMED_... */
  const uint8_t *flags;       /**< PROFCORE_LOCATION_NAMED_BY_BOUNDS or 0 */
  const uint32_t *module;     /**< index in modules; 0 = none */
  const profcore_symbols_line *lines;
  size_t line_total;
  const profcore_str *modules; /**< paths, as their process sees them; the first is none */
  size_t module_total;
  uint64_t reserved[4];
} profcore_symbols_view;

/** Names `count` addresses of one source. `is_return` has a byte for each, or is NULL for all 0; 1
 * says that the address is where a call returns to, which may be behind its function: the byte
 * before is looked up. Addresses without a name are no error: their reason says why, also that a
 * process is gone or a file missing. On success *out is the caller's (profcore_symbols_free).
 * Thread-safe. Errors: INVALID_ARGUMENT, LIMIT (more than 2^32 - 1 addresses), NO_MEMORY. @since
 * 0.1 */
PROFCORE_API profcore_status profcore_symbolizer_look_up(profcore_symbolizer *symbolizer,
                                                         const profcore_address_source *source,
                                                         const uint64_t *addresses,
                                                         const uint8_t *is_return, size_t count,
                                                         profcore_symbols **out,
                                                         profcore_error **err);

/** Fills `view` (set view->size first). Thread-safe. Errors: INVALID_ARGUMENT. @since 0.1 */
PROFCORE_API profcore_status profcore_symbols_get_view(const profcore_symbols *symbols,
                                                       profcore_symbols_view *view,
                                                       profcore_error **err);

/** Frees a result and all of its texts. NULL is fine. @since 0.1 */
PROFCORE_API void profcore_symbols_free(profcore_symbols *symbols);

#ifdef __cplusplus
}
#endif
#endif
