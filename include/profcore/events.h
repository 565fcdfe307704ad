/* profcore/events.h: every event of a JFR recording, by name: what no profile holds.
 *
 *     profcore_events *events = NULL;
 *     const profcore_event *event = NULL;
 *     profcore_error *err = NULL;
 *     if (profcore_events_open_file("app.jfr", NULL, &events, &err) == PROFCORE_OK)
 *       while (profcore_events_next(events, &event, &err) == PROFCORE_OK && event != NULL) {
 *         profcore_value cpu;
 *         if (profcore_events_find_child(events, NULL, "machineTotal", &cpu, &err) == PROFCORE_OK)
 *           printf("%s %f\n", event->type->name.data, cpu.number);
 *       }
 *     profcore_events_free(events);
 *
 * A recording is read front to back, one chunk in memory at a time. Types belong to their chunk:
 * nothing but names carries over from one to the next. Unless said otherwise what is borrowed from
 * an event is valid until the next one, what is borrowed from a chunk until the next chunk.
 */
#ifndef PROFCORE_EVENTS_H
#define PROFCORE_EVENTS_H

#include <profcore/common.h>
#include <profcore/profile.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A recording that is being read. For one thread at a time. @since 0.1 */
typedef struct profcore_events profcore_events;

/** What a value is. @since 0.1 */
typedef int32_t profcore_value_kind;
#define PROFCORE_VALUE_NONE 0 /**< there is no such value: no such field, past the last */
#define PROFCORE_VALUE_NULL 1
#define PROFCORE_VALUE_BOOLEAN 2
#define PROFCORE_VALUE_INTEGER 3
#define PROFCORE_VALUE_UNSIGNED 4
#define PROFCORE_VALUE_FLOAT 5
#define PROFCORE_VALUE_STRING 6
#define PROFCORE_VALUE_STRUCT 7
#define PROFCORE_VALUE_ARRAY 8

/** What a number means. Numbers are in these units whatever the recording has (ticks,
 * milliseconds, bits). @since 0.1 */
typedef int32_t profcore_value_unit;
#define PROFCORE_VALUE_UNIT_NONE 0
#define PROFCORE_VALUE_UNIT_NANOSECONDS 1
#define PROFCORE_VALUE_UNIT_TIMESTAMP 2 /**< nanoseconds since 1970 */
#define PROFCORE_VALUE_UNIT_BYTES 3
#define PROFCORE_VALUE_UNIT_HERTZ 4
#define PROFCORE_VALUE_UNIT_PERCENTAGE 5 /**< 1.0 is all of it */
#define PROFCORE_VALUE_UNIT_ADDRESS 6

/** A field of a type, as the chunk's metadata has it. @since 0.1 */
typedef struct profcore_event_field {
  profcore_str name;
  profcore_str label;       /**< for people; may be empty */
  profcore_str description; /**< may be empty */
  profcore_str type_name;
  profcore_str source_unit; /**< how the recording has it: "ticks", "milliseconds", "bits" ... */
  uint32_t type;            /**< index of its type, UINT32_MAX when the chunk does not define it */
  profcore_value_unit unit;
  int32_t is_array;
  int32_t is_reference; /**< into a constant pool */
  int32_t is_unsigned;
  uint32_t reserved0;
} profcore_event_field;

/** A type, of events or of what they hold. @since 0.1 */
typedef struct profcore_event_type {
  profcore_str name;     /**< "jdk.ExecutionSample"; those of JDK 9 and 10 by today's names */
  profcore_str super;    /**< "jdk.jfr.Event"; may be empty */
  profcore_str label;    /**< for people; may be empty */
  profcore_str category; /**< "Java Virtual Machine, GC"; may be empty */
  uint64_t id;
  const profcore_event_field *fields;
  size_t field_count;
  uint64_t event_count; /**< events of it in the chunk, asked for or not */
  uint64_t event_bytes; /**< and what they take */
  int32_t is_event;
  int32_t is_readable; /**< 0: it holds what is not defined, or itself */
  uint64_t reserved[2];
} profcore_event_type;

/** A chunk of a recording. @since 0.1 */
typedef struct profcore_events_chunk {
  size_t size;
  uint64_t number; /**< from 0; those that cannot be read count */
  uint64_t offset; /**< where it begins in the (inflated) input */
  uint64_t bytes;
  int64_t start_ns;    /**< since 1970 */
  int64_t duration_ns; /**< 0 as a rule in one that was not finished */
  int64_t start_ticks;
  int64_t ticks_per_second;
  uint64_t event_count; /**< of known types, asked for or not; not its metadata and checkpoints */
  uint32_t version_major;
  uint32_t version_minor;
  int32_t is_finished; /**< 0: the recorder or the input stopped inside; what is there is read */
  int32_t reserved0;
  uint64_t reserved[4];
} profcore_events_chunk;

/** An event. What it has not is 0. @since 0.1 */
typedef struct profcore_event {
  size_t size;
  const profcore_event_type *type;
  uint64_t chunk;      /**< number of its chunk */
  uint64_t offset;     /**< where it begins in the (inflated) input */
  uint64_t bytes;      /**< it takes */
  int64_t start_ns;    /**< since 1970 */
  int64_t duration_ns; /**< may be negative in damaged ones */
  int32_t has_start;
  int32_t has_duration;
  int32_t has_thread; /**< profcore_events_get_thread */
  int32_t has_stack;  /**< profcore_events_view_frames */
  uint64_t reserved[4];
} profcore_event;

/** A value, to be passed on with the handle it came from to ask for its parts. It may be copied,
 * and is valid, as its text, until the next event. @since 0.1 */
typedef struct profcore_value {
  profcore_value_kind kind;
  profcore_value_unit unit;
  uint32_t flags; /**< PROFCORE_VALUE_IS_* */
  uint32_t reserved0;
  uint64_t count;    /**< fields of a struct, elements of an array */
  int64_t integer;   /**< of BOOLEAN (0 or 1), INTEGER, UNSIGNED (the same bits), a char's code; in
                          `unit`. INT64_MIN of a time means "not available", INT64_MAX "for ever" */
  double number;     /**< FLOAT; INTEGER and UNSIGNED, rounded */
  uint64_t raw;      /**< a number as the recording has it, sign-extended */
  uint64_t key;      /**< of a reference */
  profcore_str text; /**< STRING: UTF-8, else "" */
  const profcore_event_field *field; /**< whose value this is; NULL of events and elements */
  const profcore_event_type *type;   /**< of an array: its elements'; NULL when not defined */
  uint64_t place[4];                 /**< the library's */
} profcore_value;
#define PROFCORE_VALUE_IS_REFERENCE 1u /**< was looked up by `key` */
/** NULL because the key leads nowhere, or the event ends before the field (older writers). */
#define PROFCORE_VALUE_IS_ABSENT 2u

/** A frame of a stack trace. @since 0.1 */
typedef struct profcore_event_frame {
  profcore_str method;     /**< "java.util.Arrays.copyOf"; "" when not known */
  profcore_str descriptor; /**< "(I)V"; may be empty */
  profcore_str kind_text;  /**< as the recording has it: "JIT compiled" */
  int32_t line;            /**< 0 = not known */
  int32_t bytecode_index;  /**< -1 = not known */
  profcore_frame_kind kind;
  uint8_t reserved[7];
} profcore_event_frame;

/** The thread of an event. @since 0.1 */
typedef struct profcore_event_thread {
  size_t size;
  uint64_t os_id;   /**< 0 = not known */
  uint64_t java_id; /**< 0 = none or not known */
  profcore_str os_name;
  profcore_str java_name; /**< "" for threads that are not Java's */
  profcore_str group;
  int32_t is_virtual;
  int32_t reserved0;
  uint64_t reserved[4];
} profcore_event_thread;

/** How to read events. @since 0.1 */
typedef struct profcore_events_options {
  size_t size;
  /** Limits, progress, log; NULL = defaults. The struct is copied; what it points to needs to live
   * as long as the handle. */
  const profcore_context *context;
  const char *const *types; /**< only events of types with these names; NULL = all. Copied. */
  size_t type_count;
  int32_t only_counts; /**< 1: chunks and their types with numbers of events, but no events */
  int32_t strict;      /**< 1: damage that could be stepped over is an error */
  uint64_t reserved[4];
} profcore_events_options;

/** Opens a recording of `size` bytes at `data`, which need to stay as they are until
 * profcore_events_free. What is compressed (gzip, zstd, lz4, zlib) is inflated at once. On success
 * *out is the caller's (profcore_events_free). Errors: UNKNOWN_FORMAT (not a JFR recording),
 * NO_DATA (nothing in it), MALFORMED, LIMIT, CANCELLED, NO_MEMORY, INVALID_ARGUMENT. @since 0.1 */
PROFCORE_API profcore_status profcore_events_open_bytes(const void *data, size_t size,
                                                        const profcore_events_options *options,
                                                        profcore_events **out,
                                                        profcore_error **err);
/** The same for a file, pipe or device at `path` (NUL-terminated). What is not compressed is read
 * chunk by chunk as it is asked for. Further errors: IO, NOT_FOUND, PERMISSION. @since 0.1 */
PROFCORE_API profcore_status profcore_events_open_file(const char *path,
                                                       const profcore_events_options *options,
                                                       profcore_events **out, profcore_error **err);
/** The same for an open file descriptor, from where it stands; it needs to stay open until
 * profcore_events_free, which does not close it. @since 0.1 */
PROFCORE_API profcore_status profcore_events_open_fd(int32_t fd,
                                                     const profcore_events_options *options,
                                                     profcore_events **out, profcore_error **err);
/** Frees; NULL is fine. @since 0.1 */
PROFCORE_API void profcore_events_free(profcore_events *events);

/** On to the next event, through all chunks: *event, or NULL at the end. Borrowed until the next
 * call of this or of profcore_events_next_chunk. Errors: IO, MALFORMED (no chunk could be read;
 * with `strict` any damage), UNSUPPORTED (the version of all chunks), LIMIT, CANCELLED. @since 0.1
 */
PROFCORE_API profcore_status profcore_events_next(profcore_events *events,
                                                  const profcore_event **event,
                                                  profcore_error **err);
/** On to the next chunk, past what is left of this one: *chunk, or NULL at the end. The next event
 * is its first. Errors as for profcore_events_next. @since 0.1 */
PROFCORE_API profcore_status profcore_events_next_chunk(profcore_events *events,
                                                        const profcore_events_chunk **chunk,
                                                        profcore_error **err);
/** The chunk of the last event; NULL before the first and past the last. Borrowed until the next
 * chunk. @since 0.1 */
PROFCORE_API const profcore_events_chunk *profcore_events_get_chunk(const profcore_events *events);
/** The types of the current chunk, in the order of its metadata; NULL and 0 without one. Borrowed
 * until the next chunk. `count` may be NULL. @since 0.1 */
PROFCORE_API const profcore_event_type *profcore_events_view_types(const profcore_events *events,
                                                                   size_t *count);

/* -- values ----------------------------------------------------------------------------------
 *
 * `parent` is a value of the current event, or NULL for the event itself. Nothing is read before it
 * is asked for; a reference is looked up when its field is, and not what that refers to in turn:
 * values can lead in circles (a class, its loader, the class of that), so who walks them needs to
 * keep count. Errors: INVALID_ARGUMENT (a value of an event before, no event), LIMIT. */

/** Field `index` of a struct or element of an array into *out; kind NONE when there is none. Takes
 * time in proportion to `index`. @since 0.1 */
PROFCORE_API profcore_status profcore_events_get_child(profcore_events *events,
                                                       const profcore_value *parent, size_t index,
                                                       profcore_value *out, profcore_error **err);
/** The field of that name (NUL-terminated) into *out; kind NONE when there is none. @since 0.1 */
PROFCORE_API profcore_status profcore_events_find_child(profcore_events *events,
                                                        const profcore_value *parent,
                                                        const char *name, profcore_value *out,
                                                        profcore_error **err);
/** From one child of `parent` to the next, in one step: `child` zeroed before the first, kind NONE
 * past the last. @since 0.1 */
PROFCORE_API profcore_status profcore_events_next_child(profcore_events *events,
                                                        const profcore_value *parent,
                                                        profcore_value *child,
                                                        profcore_error **err);

/** Fills `out` (set out->size first) with the thread of the current event, zeroes and "" when it has
 * none. Borrowed until the next event. @since 0.1 */
PROFCORE_API profcore_status profcore_events_get_thread(profcore_events *events,
                                                        profcore_event_thread *out,
                                                        profcore_error **err);
/** The first `most` frames (0 = all) of the stack trace of the current event, or of `trace` when
 * that is not NULL, innermost first: *frames (NULL when there are none), *count, and what the whole
 * stack has in *depth; *is_truncated is 1 when the recorder cut it. Each but `frames` may be NULL.
 * Borrowed until the next call or event. Errors: INVALID_ARGUMENT, LIMIT. @since 0.1 */
PROFCORE_API profcore_status profcore_events_view_frames(profcore_events *events,
                                                         const profcore_value *trace, size_t most,
                                                         const profcore_event_frame **frames,
                                                         size_t *count, uint64_t *depth,
                                                         int32_t *is_truncated,
                                                         profcore_error **err);

/* -- what was wrong --------------------------------------------------------------------------
 *
 * Of all chunks so far. A NULL handle has nothing. */

/** Number of warnings. @since 0.1 */
PROFCORE_API size_t profcore_events_get_warning_count(const profcore_events *events);
/** Warning `index`, one line, NUL-terminated; "" when there is none. `offset` gets the place in the
 * (inflated) input or PROFCORE_NO_OFFSET, and may be NULL. Borrowed until the next call of
 * profcore_events_next or profcore_events_next_chunk. @since 0.1 */
PROFCORE_API const char *profcore_events_get_warning(const profcore_events *events, size_t index,
                                                     uint64_t *offset);
/** Number of counters. @since 0.1 */
PROFCORE_API size_t profcore_events_get_counter_count(const profcore_events *events);
/** Name of counter `index` ("lost_bytes", "unfinished_chunks" ...); "" when there is none. `value`
 * may be NULL. Borrowed as warnings are. @since 0.1 */
PROFCORE_API const char *profcore_events_get_counter(const profcore_events *events, size_t index,
                                                     uint64_t *value);

#ifdef __cplusplus
}
#endif
#endif
