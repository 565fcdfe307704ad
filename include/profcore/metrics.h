/* profcore/metrics.h: figures of a whole profile under the names that DataKit gives them. */
#ifndef PROFCORE_METRICS_H
#define PROFCORE_METRICS_H

#include <profcore/common.h>
#include <profcore/profile.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Metrics of one profile. Immutable. @since 0.1 */
typedef struct profcore_metrics profcore_metrics;

/** Which set of metrics. @since 0.1 */
typedef int32_t profcore_metrics_language;
#define PROFCORE_METRICS_AUTO 0   /**< by what the profile has */
#define PROFCORE_METRICS_JVM 1    /**< prof_jvm_*: of a recording decoded with `jfr_metrics` */
#define PROFCORE_METRICS_GO 2     /**< prof_go_*: of the columns of a pprof profile */
#define PROFCORE_METRICS_PYTHON 3 /**< prof_python_*: likewise */

/** Whose definitions. @since 0.1 */
typedef int32_t profcore_metrics_variant;
/** What DataKit computes, its mistakes included: prof_jvm_class_loads_per_sec counts class loaders,
 * prof_jvm_throws_* count sampled exceptions, and without Datadog's profiler much is 0. */
#define PROFCORE_METRICS_DATAKIT 0
/** What the names promise, from whichever source the recording has: the JDK's own counters and
 * events, async-profiler's samples. The note of a metric names it; what nothing tells has no value
 * instead of a 0. */
#define PROFCORE_METRICS_CORRECTED 1

/** What Go's column `delay` is of, which its profiles do not tell. @since 0.1 */
typedef int32_t profcore_metrics_delay;
#define PROFCORE_METRICS_DELAY_UNKNOWN 0
#define PROFCORE_METRICS_DELAY_BLOCK 1 /**< prof_go_blocked_time */
#define PROFCORE_METRICS_DELAY_MUTEX 2 /**< prof_go_mutex_delay_time */

/** A tag of the line protocol and of the JSON; both NUL-terminated. @since 0.1 */
typedef struct profcore_metrics_tag {
  const char *key;   /**< not empty */
  const char *value; /**< NULL or empty = the tag is left out */
} profcore_metrics_tag;

/** How to compute. The strings need to live as long as the call. @since 0.1 */
typedef struct profcore_metrics_options {
  size_t size;
  profcore_metrics_language language;
  profcore_metrics_variant variant;
  /** Nanoseconds since 1970 of the time that the profile is of, as an upload's metadata says;
   * both 0 = what the profile says. Rates are by the time between them, points are dated by the
   * end. */
  int64_t start_ns;
  int64_t end_ns;
  /** host, service, env, version ...; `language` is set without ("java", "golang", "python"), but
   * may be given to be another. Of equal keys the last counts. */
  const profcore_metrics_tag *tags;
  size_t tag_count;
  profcore_metrics_delay go_delay;
  int32_t reserved0;
  uint64_t reserved[4];
} profcore_metrics_options;

/** What a metric's value is. @since 0.1 */
typedef int32_t profcore_metric_kind;
#define PROFCORE_METRIC_NONE 0 /**< nothing tells; the note says why */
#define PROFCORE_METRIC_INTEGER 1
#define PROFCORE_METRIC_FLOAT 2

/** One metric. @since 0.1 */
typedef struct profcore_metric {
  size_t size;
  profcore_str name; /**< "prof_jvm_cpu_cores" */
  profcore_str unit; /**< "nanosecond", "byte", "count", "core", "byte/s" or "count/s" */
  profcore_str note; /**< for people: what it was computed from, or why it has no value */
  profcore_metric_kind kind;
  int32_t reserved0;
  int64_t integer; /**< the value; of FLOAT rounded to nearest, saturating; of NONE 0 */
  double real;     /**< the value; of INTEGER as near as a double comes; of NONE 0 */
  uint64_t reserved[4];
} profcore_metric;

/** Forms to write metrics in. @since 0.1 */
typedef int32_t profcore_metrics_format;
/** One line of InfluxDB's protocol: measurement `profiling_metrics`, tags by key, fields, the end
 * in nanoseconds when it is known. Metrics without a value are left out. */
#define PROFCORE_METRICS_LINE 1
#define PROFCORE_METRICS_JSON 2  /**< our documented, versioned JSON */
#define PROFCORE_METRICS_TABLE 3 /**< text for people: value, unit, name, note */

/** Computes the metrics of `profile`. *out is the caller's (profcore_metrics_free) and needs
 * neither the profile nor the options any more. Merging adds up what metrics of a JVM need when all
 * the merged profiles have it; filters, views and files do not keep it. Thread-safe. Errors:
 * NO_DATA (the profile has nothing for that language), INVALID_ARGUMENT (the end is not behind the
 * start, a tag without a key), NO_MEMORY. @since 0.1 */
PROFCORE_API profcore_status profcore_metrics_compute(const profcore_profile *profile,
                                                      const profcore_metrics_options *options,
                                                      profcore_metrics **out, profcore_error **err);
/** Frees; NULL is fine. @since 0.1 */
PROFCORE_API void profcore_metrics_free(profcore_metrics *metrics);

/** Number of metrics, those without a value included; 0 for NULL. Thread-safe. @since 0.1 */
PROFCORE_API size_t profcore_metrics_get_count(const profcore_metrics *metrics);
/** Fills `out` (set out->size first) with metric `index`; its strings are borrowed from `metrics`.
 * Thread-safe. Errors: INVALID_ARGUMENT (past the end). @since 0.1 */
PROFCORE_API profcore_status profcore_metrics_get_metric(const profcore_metrics *metrics,
                                                         size_t index, profcore_metric *out,
                                                         profcore_error **err);
/** The index of the metric called `name` (NUL-terminated). Thread-safe. Errors: NOT_FOUND.
 * @since 0.1 */
PROFCORE_API profcore_status profcore_metrics_find(const profcore_metrics *metrics,
                                                   const char *name, size_t *index,
                                                   profcore_error **err);
/** The set that was computed, never AUTO but for NULL. Thread-safe. @since 0.1 */
PROFCORE_API profcore_metrics_language
profcore_metrics_get_language(const profcore_metrics *metrics);
/** The range in nanoseconds since 1970; both 0 when it is not known. `start_ns` and `end_ns` may be
 * NULL. Thread-safe. @since 0.1 */
PROFCORE_API void profcore_metrics_get_range(const profcore_metrics *metrics, int64_t *start_ns,
                                             int64_t *end_ns);

/** Writes the metrics. *out is the caller's. Thread-safe. Errors: INVALID_ARGUMENT (no such
 * format), NO_DATA (LINE: no metric has a value), NO_MEMORY. @since 0.1 */
PROFCORE_API profcore_status profcore_metrics_write(const profcore_metrics *metrics,
                                                    profcore_metrics_format format,
                                                    profcore_buffer **out, profcore_error **err);

#ifdef __cplusplus
}
#endif
#endif
