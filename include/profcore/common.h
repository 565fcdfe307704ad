/* profcore/common.h: what every other header uses: status codes, errors, strings, buffers, limits.
 *
 * Conventions of the whole library
 *   Names        profcore_<noun>_<verb>. `_new`, `_free`: the caller owns. `_view_`, `_get_`:
 *                borrowed, valid as long as the object they come from and until it is changed.
 *   Out values   come last but one; on failure they are set to NULL or 0. Of an out struct the
 *                caller sets `size`; it is filled as far as that, and zeroed on failure.
 *   Errors       every call that can fail returns a profcore_status and takes
 *                `profcore_error **err` last. It may be NULL. On failure *err gets an object that
 *                the caller frees with profcore_error_free; on success it is set to NULL.
 *   Options      structs start with `size`: set it to sizeof (PROFCORE_INIT does) and zero the
 *                rest. NULL options are the defaults. A shorter struct (of an older header) is
 *                filled up with defaults. A tail that this library does not know and reserved
 *                fields must be zero, flags 0 or 1: else the call fails with INVALID_ARGUMENT.
 *   Threads      objects may be used from any thread, one thread at a time; calls that take a
 *                const object may run at once from several threads. There is no global state.
 *   Never        prints, aborts, reads the environment, installs signal handlers.
 *   Layout       64-bit targets, where no struct has padding.
 *
 * Any call that takes `err` can fail with INVALID_ARGUMENT (a NULL handle or out pointer among
 * them) and NO_MEMORY; the comments of functions list what else there is.
 */
#ifndef PROFCORE_COMMON_H
#define PROFCORE_COMMON_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define PROFCORE_API __attribute__((visibility("default")))
#else
#define PROFCORE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** Version of these headers. @since 0.1 */
#define PROFCORE_VERSION_MAJOR 0
#define PROFCORE_VERSION_MINOR 1
#define PROFCORE_VERSION_PATCH 0

/** 0 is success, failures are negative; the numbers never change. @since 0.1 */
typedef int32_t profcore_status;
#define PROFCORE_OK 0
#define PROFCORE_ERR_INVALID_ARGUMENT (-1) /**< the caller broke a rule of the call */
#define PROFCORE_ERR_NO_MEMORY (-2)
#define PROFCORE_ERR_IO (-3)             /**< the system refused; the message has its reason */
#define PROFCORE_ERR_MALFORMED (-4)      /**< the input is damaged; see the offset */
#define PROFCORE_ERR_UNKNOWN_FORMAT (-5) /**< the message says what was seen */
#define PROFCORE_ERR_UNSUPPORTED (-6)    /**< known, but not by this build or version */
#define PROFCORE_ERR_LIMIT (-7)          /**< a bound of profcore_context was met */
#define PROFCORE_ERR_CANCELLED (-8)      /**< by the progress callback */
#define PROFCORE_ERR_NOT_FOUND (-9)
#define PROFCORE_ERR_NO_DATA (-10) /**< nothing to work on */
#define PROFCORE_ERR_PERMISSION (-11)
#define PROFCORE_ERR_INTERNAL (-12) /**< a bug of the library */

/** "offset not known". @since 0.1 */
#define PROFCORE_NO_OFFSET UINT64_MAX

/** Bytes of text, usually UTF-8, not checked. data[size] is NUL; data is never NULL. @since 0.1 */
typedef struct profcore_str {
  const char *data;
  size_t size;
} profcore_str;

/** `T x = PROFCORE_INIT(T);`: zeroed, with its size set. @since 0.1 */
#ifdef __cplusplus
#define PROFCORE_INIT(type)                                                                        \
  ([] {                                                                                            \
    type zeroed{};                                                                                 \
    zeroed.size = sizeof(type);                                                                    \
    return zeroed;                                                                                 \
  }())
#else
#define PROFCORE_INIT(type)                                                                        \
  { .size = sizeof(type) } /* to initialise with, not to assign */
#endif

/** An error: status, message, context, byte offset. Immutable. @since 0.1 */
typedef struct profcore_error profcore_error;

/** The status of `err`, PROFCORE_OK for NULL. Thread-safe. @since 0.1 */
PROFCORE_API profcore_status profcore_error_get_status(const profcore_error *err);
/** One line for people, without a newline; "" for NULL. Borrowed from `err`. Thread-safe.
 * @since 0.1 */
PROFCORE_API const char *profcore_error_get_message(const profcore_error *err);
/** What was being worked on (a path); "" when not known. Borrowed from `err`. Thread-safe.
 * @since 0.1 */
PROFCORE_API const char *profcore_error_get_context(const profcore_error *err);
/** Byte offset into the (inflated) input, or PROFCORE_NO_OFFSET. Thread-safe. @since 0.1 */
PROFCORE_API uint64_t profcore_error_get_offset(const profcore_error *err);
/** Frees; NULL is fine. @since 0.1 */
PROFCORE_API void profcore_error_free(profcore_error *err);
/** Short constant name of a status ("malformed input"); never NULL. Thread-safe. @since 0.1 */
PROFCORE_API const char *profcore_status_get_name(profcore_status status);

/** "0.1.0": the version of the library that runs, a constant. Thread-safe. @since 0.1 */
PROFCORE_API const char *profcore_version_get(void);
/** Optional parts, one "name=yes|no" each, separated by a space ("re2=yes lz4=no"). A constant.
 * Thread-safe. @since 0.1 */
PROFCORE_API const char *profcore_features_get(void);

/** Called now and then from long work, on the thread that called the library; `done` of `total`
 * steps (bytes, rows, nodes), several runs from 0 when the work has several parts. `total` is 0
 * when not known. Return 0 to go on, anything else to cancel: the call then fails with CANCELLED.
 * It must not longjmp; what a C++ callback throws ends in INTERNAL. @since 0.1 */
typedef int32_t (*profcore_progress_fn)(uint64_t done, uint64_t total, void *user);

typedef int32_t profcore_log_level;
#define PROFCORE_LOG_DEBUG 0
#define PROFCORE_LOG_INFO 1
#define PROFCORE_LOG_WARNING 2
#define PROFCORE_LOG_ERROR 3
/** Gets one finished line of UTF-8, NUL-terminated, without a newline, on the thread that called
 * the library. DEBUG tells what an input was found to be, WARNING what the call added to a
 * profile's warnings. It must neither longjmp nor call the library with an object of the running
 * call; what a C++ callback throws ends in INTERNAL. @since 0.1 */
typedef void (*profcore_log_fn)(profcore_log_level level, const char *line, size_t size,
                                void *user);

/** Limits and callbacks, given along with most options. A limit of 0 is the default in brackets;
 * what is over one ends in LIMIT, with a message that names it. The ratios allow 64 MiB on top, and
 * hold for decoding only: with the defaults a megabyte, whatever it inflates to, is refused when it
 * would take more than about 320 MiB. Who trusts an input may raise them, to UINT64_MAX for none;
 * the other limits hold besides. The struct and its users need to live as long as the call.
 * @since 0.1 */
typedef struct profcore_context {
  size_t size;
  uint64_t max_input_bytes;    /**< one input, as it comes [8 GiB] */
  uint64_t max_inflated_bytes; /**< one input, inflated, and zstd's window [4 GiB] */
  uint64_t max_strings;        /**< distinct strings, functions or locations [64 Mi] */
  uint64_t max_samples;        /**< rows [2 Gi] */
  uint64_t max_stack_depth;    /**< frames of one stack [1 Mi] */
  uint64_t max_result_bytes;   /**< memory of the result: profile, tree or output [16 GiB] */
  profcore_progress_fn progress;
  void *progress_user;
  profcore_log_fn log;
  void *log_user;
  uint64_t max_inflate_ratio; /**< what inflating and decoding hold, per compressed byte [256] */
  uint64_t max_result_ratio;  /**< a decoded profile, per byte of input, inflated if it was [64] */
  uint64_t reserved[2];
} profcore_context;

/** Bytes that a writer made. Immutable. @since 0.1 */
typedef struct profcore_buffer profcore_buffer;

/** The bytes, NUL-terminated beyond the end. Borrowed from `buffer`; "" for NULL. Thread-safe.
 * @since 0.1 */
PROFCORE_API const char *profcore_buffer_get_data(const profcore_buffer *buffer);
/** Number of bytes; 0 for NULL. Thread-safe. @since 0.1 */
PROFCORE_API size_t profcore_buffer_get_size(const profcore_buffer *buffer);
/** Writes the bytes to a new file beside `path` (NUL-terminated) and renames it there, so that a
 * reader never sees half of it. An existing file keeps its mode and, where that is allowed, its
 * owner; of a symbolic link the target is replaced. Written in place are special files (a pipe, a
 * device) and existing files in folders where nothing can be made. A pipe that nobody reads any
 * more is an error, never a SIGPIPE. Thread-safe. Errors, with `path` as the context: NOT_FOUND
 * (the folder), PERMISSION, IO. @since 0.1 */
PROFCORE_API profcore_status profcore_buffer_save(const profcore_buffer *buffer, const char *path,
                                                  profcore_error **err);
/** Frees; NULL is fine. @since 0.1 */
PROFCORE_API void profcore_buffer_free(profcore_buffer *buffer);

#ifdef __cplusplus
}
#endif
#endif
