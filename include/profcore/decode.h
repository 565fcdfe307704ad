/* profcore/decode.h: any profile file or upload to a profile. */
#ifndef PROFCORE_DECODE_H
#define PROFCORE_DECODE_H

#include <profcore/common.h>
#include <profcore/profile.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A profile format. @since 0.1 */
typedef int32_t profcore_format;
#define PROFCORE_FORMAT_UNKNOWN 0
#define PROFCORE_FORMAT_PPROF 1        /**< profile.proto */
#define PROFCORE_FORMAT_PPROF_LEGACY 2 /**< gperftools and Go text and binary forms */
#define PROFCORE_FORMAT_COLLAPSED 3    /**< `a;b;c 12` lines */
#define PROFCORE_FORMAT_JFR 4
#define PROFCORE_FORMAT_SPEEDSCOPE 5
#define PROFCORE_FORMAT_FLAMEBEARER 6
#define PROFCORE_FORMAT_OTLP 7
#define PROFCORE_FORMAT_PYROSCOPE_TRIE 8
#define PROFCORE_FORMAT_PYROSCOPE_TREE 9
#define PROFCORE_FORMAT_PERF_SCRIPT 10
#define PROFCORE_FORMAT_CHROME_TRACE 11

/** What wraps the bytes. @since 0.1 */
typedef int32_t profcore_compression;
#define PROFCORE_COMPRESSION_NONE 0
#define PROFCORE_COMPRESSION_GZIP 1
#define PROFCORE_COMPRESSION_ZSTD 2
#define PROFCORE_COMPRESSION_LZ4 3
#define PROFCORE_COMPRESSION_ZIP 4
#define PROFCORE_COMPRESSION_ZLIB 5

/** What some bytes look like. @since 0.1 */
typedef struct profcore_sniff_result {
  size_t size;
  profcore_format format;           /**< PROFCORE_FORMAT_UNKNOWN when none fits */
  profcore_compression compression; /**< the outermost */
  int32_t readable;                 /**< 1 when profcore_decode_bytes reads this format */
  char saw[252];                    /**< one line for people, NUL-terminated, cut if need be */
  uint64_t reserved[4];
} profcore_sniff_result;

/** Tells what `size` bytes at `data` look like from the first of them, through compression. `data`
 * may be the beginning of an input only (some KiB are enough). Fills `result` (set result->size
 * first), which borrows nothing. Thread-safe. Errors: INVALID_ARGUMENT, NO_MEMORY; never for what
 * the bytes are. @since 0.1 */
PROFCORE_API profcore_status profcore_sniff_bytes(const void *data, size_t size,
                                                  profcore_sniff_result *result,
                                                  profcore_error **err);

/** Name of a format ("pprof", "collapsed" ...), "unknown" for numbers that are none; a constant.
 * Thread-safe. @since 0.1 */
PROFCORE_API const char *profcore_format_get_name(profcore_format format);

/** Whose reading of JFR events to follow. @since 0.1 */
typedef int32_t profcore_jfr_compat;
#define PROFCORE_JFR_COMPAT_NONE 0 /**< correct weights, canonical units */
/** What Pyroscope and DeepFlow store: a period of 1 / jfr_sample_rate per sample whatever the
 * recording says, ticks of durations taken for nanoseconds, their names of types and frames. */
#define PROFCORE_JFR_COMPAT_PYROSCOPE 1

/** How to decode. The strings need to live as long as the call. @since 0.1 */
typedef struct profcore_decode_options {
  size_t size;
  const profcore_context *context; /**< limits, progress, log; NULL = defaults */
  profcore_format format;          /**< UNKNOWN = find out */
  int32_t strict;                  /**< 1: damage that could be stepped over is an error */
  int32_t apply_drop_frames;       /**< 1: remove frames by the profile's own drop_frames */
  int32_t collapsed_lines;         /**< 1: every line is one sample and has no count */
  const char *collapsed_type;      /**< what collapsed counts are; NULL = "samples" */
  const char *collapsed_unit;      /**< and their unit; NULL = "count" */
  /** How many threads may work, the calling one included; 0 and 1: the calling one alone. Formats
   * and inputs that gain nothing use fewer (pprof: two at most). The result is the same. The others
   * are made by and gone with the call, get no signals and run no callback. */
  uint64_t threads;
  profcore_jfr_compat jfr_compat; /**< JFR: whose types, names and values */
  int32_t jfr_normalize_names;    /**< JFR, 1: `App$$Lambda$12/0x7f..` becomes `App$$Lambda_` ... */
  int32_t jfr_class_frames;       /**< JFR, 1: what was allocated is a leaf frame, not a label */
  int32_t jfr_metrics; /**< JFR, 1: gather what profcore_metrics_compute needs, in the same pass */
  /** JFR: Pyroscope's labels of context ids (a LabelsSnapshot, plain or gzip: the part `labels` of
   * its uploads); NULL = none. */
  const void *jfr_labels;
  size_t jfr_labels_size;
  uint64_t jfr_sample_rate; /**< JFR, compat PYROSCOPE: samples per second; 0 = 100 */
  uint64_t reserved[3];
} profcore_decode_options;

/** Inflates (gzip, zstd, lz4, zlib, zip, also nested), finds the format, decodes. What was stepped over
 * is in the profile's warnings and counters. `data` is not needed after the call. On success *out
 * is the caller's (profcore_profile_free). Thread-safe. Errors: UNKNOWN_FORMAT, MALFORMED (with
 * offset), UNSUPPORTED, NO_DATA (there is nothing in it), LIMIT, CANCELLED, NO_MEMORY,
 * INVALID_ARGUMENT. @since 0.1 */
PROFCORE_API profcore_status profcore_decode_bytes(const void *data, size_t size,
                                                   const profcore_decode_options *options,
                                                   profcore_profile **out, profcore_error **err);

/** The same for a file, pipe or device at `path` (NUL-terminated). It is read, not mapped: a file
 * that somebody cuts short meanwhile just ends early. Further errors: IO, NOT_FOUND, PERMISSION;
 * what is wrong with the file carries the path as its context. @since 0.1 */
PROFCORE_API profcore_status profcore_decode_file(const char *path,
                                                  const profcore_decode_options *options,
                                                  profcore_profile **out, profcore_error **err);

/** The same for an open file descriptor, read from where it stands to its end; it stays open, and
 * where it stands afterwards is not specified. The context of errors is "file descriptor".
 * @since 0.1 */
PROFCORE_API profcore_status profcore_decode_fd(int32_t fd, const profcore_decode_options *options,
                                                profcore_profile **out, profcore_error **err);

#ifdef __cplusplus
}
#endif
#endif
