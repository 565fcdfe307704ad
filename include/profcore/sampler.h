/* profcore/sampler.h: live processes of this Linux host to profiles. */
#ifndef PROFCORE_SAMPLER_H
#define PROFCORE_SAMPLER_H

#include <profcore/common.h>
#include <profcore/profile.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A running sampler: an eBPF program on the clock of every CPU, or without privileges a perf ring
 * with copies of stacks, and what they need. Not thread-safe; several may run at a time. When the
 * process that made it dies, the kernel takes everything away. CPUs that come online later are not
 * sampled. @since 0.1 */
typedef struct profcore_sampler profcore_sampler;

/** How samples are taken. @since 0.1 */
typedef int32_t profcore_sampler_backend;
/** BPF where this user and kernel permit it, else a perf ring if only `pids` says what to sample.
 */
#define PROFCORE_SAMPLER_BACKEND_AUTO 0
/** By BPF: any process, user and kernel stacks. Wants root, or CAP_BPF and CAP_PERFMON. */
#define PROFCORE_SAMPLER_BACKEND_BPF 1
/** By a perf ring: one's own processes, given by their ids, in user mode. Wants no privilege where
 * perf_event_paranoid is at most 2. Time in the kernel is not seen; CPython's perf trampolines are
 * not walked, JVMs are not asked for names. One descriptor for each thread
 * and CPU is open. */
#define PROFCORE_SAMPLER_BACKEND_PERF 2

/** What to sample, and how. @since 0.1 */
typedef struct profcore_sampler_options {
  size_t size;
  const profcore_context *context; /**< not used yet; NULL is fine */
  const int32_t *pids;             /**< only these processes, by their ids here; NULL = see below */
  size_t pid_count;
  /** Only processes whose name or command line matches this regular expression (RE2), those that
   * start later too. NULL = no such rule. */
  const char *name_pattern;
  /** Only what is in or below this directory of cgroup v2. NULL = no such rule. None of the three:
   * every process of the host; several: what fits all, pids or the pattern. */
  const char *cgroup;
  uint64_t row_budget; /**< bytes of (for BPF: kernel) memory for unwind rows; 0 = 64 MiB. Files
                          beyond it are walked by frame pointers */
  uint32_t frequency;  /**< samples a second on every CPU, 1 to 1000; 0 = 99 */
  int32_t no_children; /**< 1: what the processes start is not sampled */
  int32_t per_thread;  /**< 1: threads are told apart, by labels `thread` and `tid` */
  int32_t per_cpu;     /**< 1: CPUs are told apart, by the label `cpu` */
  int32_t no_kernel;   /**< 1: no kernel frames */
  int32_t no_symbols;  /**< 1: frames keep their addresses; they can be named later */
  int32_t no_user;     /**< 1: no user frames, and no program's file is read */
  /** 1: JVMs that are sampled are asked for their methods' names by HotSpot's attach protocol
   * (JDK 17 and newer), as jcmd does: a file in their /tmp and SIGQUIT start a thread in them that
   * listens, and each time they write a perf map, which is read and removed again. JVMs that say
   * that they do not want it (-XX:+DisableAttachMechanism), or cannot, are left alone. 0: none is
   * touched; perf maps that are there are read all the same. */
  int32_t java_symbols;
  /** Seconds from one map of a JVM to the next, 5 to 3600; 0 = 60. A JVM is asked again only when
   * there are frames that its last map does not name; sooner if it is younger than that, since most
   * is compiled at the beginning: when it has become a quarter older. */
  uint32_t java_refresh_seconds;
  int32_t reserved0;
  /** What sampling may cost, in percent of one CPU; 0 = 1 %, negative: anything. Over it for
   * some seconds, the sampler takes samples more rarely, down to one a second and CPU, and later
   * more often again, never more often than `frequency`; every sample counts the nanoseconds it
   * stands for. Keeping up with processes that start and end costs something at any frequency:
   * sampling has what that leaves of the budget, but a quarter of it at least. A perf ring walks
   * fewer of the stacks that the kernel copies; the copies cannot be counted. */
  double cpu_budget;
  uint64_t name_budget; /**< bytes of memory for names of files, kernel and JIT code; 0 = 256 MiB */
  profcore_sampler_backend backend; /**< PROFCORE_SAMPLER_BACKEND_...; 0 = automatic */
  uint32_t stack_bytes; /**< perf ring: how much of a stack each sample copies, at most 65528; 0 =
                           as much of 32 KiB as its rings have room for */
  uint64_t reserved[6];
} profcore_sampler_options;

/** What happened since the start. Every sample is delivered, lost for a reason told here, or waits
 * for the next drain. @since 0.1 */
typedef struct profcore_sampler_stats {
  size_t size;
  uint64_t taken;        /**< samples of what was asked for */
  uint64_t delivered;    /**< of them in the profiles drained, lost_stacks too */
  uint64_t idle;         /**< ticks of idle CPUs: no samples */
  uint64_t lost_counts;  /**< samples lost: the table of counts, or a perf ring, was full */
  uint64_t lost_stacks;  /**< samples whose stack was lost: "[stack trace lost]" in the profile */
  uint64_t lost_records; /**< news about processes that the kernel had no room for */
  uint64_t failed_registrations; /**< times that the kernel had no room for a process, or for all of
                                    its mappings */
  uint64_t unregistered;         /**< samples of processes too new: walked by frame pointers only */
  uint64_t truncated;            /**< samples of more frames than are kept (127) */
  uint64_t complete; /**< samples whose user stack was walked to its root, as far as can be told:
                        compiled Java code without frame pointers may leave callers out, and such
                        samples carry the label `incomplete` all the same */
  uint64_t without_user; /**< samples of kernel threads, and of those outside: no user stack */
  uint64_t bpf_ns;       /**< CPU time of the program in the kernel, nanoseconds */
  uint64_t own_cpu_ns;   /**< CPU time of the sampler's calls, naming too, nanoseconds */
  uint64_t row_bytes;    /**< memory of unwind rows; for BPF the kernel's */
  uint64_t rows;
  uint64_t files_without_rows; /**< over the budget, or without call frame information */
  uint64_t processes;          /**< known now */
  uint64_t modules;            /**< files seen */
  /** Samples by why the walk of the user stack ended, by PROFCORE_STOP_... */
  uint64_t stops[16];
  uint64_t frequency;     /**< samples a second on every CPU at present */
  uint64_t times_lowered; /**< that the frequency was, for the CPU budget */
  uint64_t outside; /**< of those taken: samples of tasks outside the caller's pid namespace, all
                       together as process "outside this pid namespace" */
  uint64_t java_processes;      /**< JVMs sampled, if java_symbols is on */
  uint64_t java_maps_requested; /**< times that one was asked for names */
  uint64_t java_maps_read;
  uint64_t java_maps_failed; /**< see profcore_sampler_get_java_reason */
  uint64_t evicted_files;    /**< files whose unwind rows made room for those of others */
  uint64_t rescans;   /**< processes read from /proc again, after news that were lost or late */
  uint64_t map_bytes; /**< kernel memory of the sampler's BPF maps: tables, rings, unwind rows */
  uint64_t reserved[7];
} profcore_sampler_stats;

#define PROFCORE_STOP_NONE 0          /**< no user stack */
#define PROFCORE_STOP_END 1           /**< root: call frame information says so */
#define PROFCORE_STOP_END_FP 2        /**< root: the chain of frame pointers ended */
#define PROFCORE_STOP_END_ZERO_PC 3   /**< root: the return address is 0 */
#define PROFCORE_STOP_NO_TABLE 4      /**< no call frame information and no frame pointer */
#define PROFCORE_STOP_GAP 5           /**< the same between the functions of a file */
#define PROFCORE_STOP_UNSUPPORTED 6   /**< call frame information that cannot be followed */
#define PROFCORE_STOP_BAD_FP 7        /**< the frame pointer leads nowhere */
#define PROFCORE_STOP_UNREADABLE 8    /**< the stack could not be read */
#define PROFCORE_STOP_SP_NOT_RISING 9 /**< the stack does not lead upwards */
#define PROFCORE_STOP_BAD_PC 10       /**< the return address is none */
#define PROFCORE_STOP_NO_LR 11        /**< aarch64: the link register was needed and is gone */
#define PROFCORE_STOP_DEPTH 12        /**< more frames than are kept */
#define PROFCORE_STOP_NOT_READY 13    /**< root, but by frame pointers while a process or file was new */
#define PROFCORE_STOP_OTHER 14        /**< a program of another kind: one for 32 bits */
#define PROFCORE_STOP_CUT 15          /**< perf ring: the stack is longer than the copy of it */

/** Starts sampling. On success *out is the caller's (profcore_sampler_free). Errors: PERMISSION
 * (what is missing; see profcore_sampler_check), UNSUPPORTED (the kernel, or a build without BPF),
 * NOT_FOUND (no such process), INVALID_ARGUMENT, NO_MEMORY, IO (no descriptors left, too).
 * @since 0.1 */
PROFCORE_API profcore_status profcore_sampler_start(const profcore_sampler_options *options,
                                                    profcore_sampler **out, profcore_error **err);

/** Stops and frees; what was not drained is lost. NULL is fine. @since 0.1 */
PROFCORE_API void profcore_sampler_free(profcore_sampler *sampler);

/** A descriptor for the host's poll or epoll: readable when profcore_sampler_process has something
 * to do. It stays the sampler's. -1 for NULL. @since 0.1 */
PROFCORE_API int32_t profcore_sampler_get_fd(const profcore_sampler *sampler);

/** Keeps up with new processes and stacks. To be called when the descriptor is readable, within a
 * second or so: the sooner, the more samples of short-lived processes are whole. Does not wait.
 * Errors: NO_MEMORY, IO. @since 0.1 */
PROFCORE_API profcore_status profcore_sampler_process(profcore_sampler *sampler,
                                                      profcore_error **err);

/** What was sampled since the start or the last drain, as a profile with the columns samples/count
 * and cpu/nanoseconds, the labels `process`, `pid`, `container` (the id, where there is one), those
 * asked for, and `incomplete` with the reason where a stack is not whole; every frame is named as
 * far as that is possible. Every sample that the stats counted as taken before is in this profile
 * or an earlier one, or lost and counted. By BPF it waits until no program in the kernel writes to
 * the window any more, 10 to 20 ms. To be called at least every half minute. On success *out is the
 * caller's. Errors: NO_MEMORY, IO. @since 0.1 */
PROFCORE_API profcore_status profcore_sampler_drain(profcore_sampler *sampler,
                                                    profcore_profile **out, profcore_error **err);

/** Asks the JVMs that were sampled since they last gave their names for what they compiled since,
 * even if that is not long ago, and waits for that up to `timeout_ms` milliseconds. For the end of
 * a recording, before the last drain; keeps up with the rest meanwhile. Nothing to do is no error.
 * Errors: NO_MEMORY, IO. @since 0.1 */
PROFCORE_API profcore_status profcore_sampler_refresh_java(profcore_sampler *sampler,
                                                           uint32_t timeout_ms,
                                                           profcore_error **err);

/** Why a JVM gave no names, the last time that happened: "Java process 12: ...". "" when it did
 * not, and for NULL. Valid until the next call of anything with this sampler. Each such JVM is also
 * a warning of the profile it is in. @since 0.1 */
PROFCORE_API const char *profcore_sampler_get_java_reason(const profcore_sampler *sampler);

/** Takes no more samples; what was taken can be drained, after which every sample taken is
 * accounted for in the stats. Stopping twice is fine. Errors: INVALID_ARGUMENT. @since 0.1 */
PROFCORE_API profcore_status profcore_sampler_stop(profcore_sampler *sampler, profcore_error **err);

/** Fills `stats` (set stats->size first). Errors: INVALID_ARGUMENT. @since 0.1 */
PROFCORE_API profcore_status profcore_sampler_get_stats(const profcore_sampler *sampler,
                                                        profcore_sampler_stats *stats,
                                                        profcore_error **err);

/** The clock that is sampled on: "cycles", or "cpu-clock" where there are no hardware counters. ""
 * for NULL. Lives as long as the sampler. @since 0.1 */
PROFCORE_API const char *profcore_sampler_get_event(const profcore_sampler *sampler);

/** The back end that is at work: PROFCORE_SAMPLER_BACKEND_BPF or _PERF, never _AUTO. 0 for NULL.
 * @since 0.1 */
PROFCORE_API profcore_sampler_backend profcore_sampler_get_backend(const profcore_sampler *sampler);

/** Why it was chosen, for people: what BPF would have needed, for example. "" for NULL. Lives as
 * long as the sampler. @since 0.1 */
PROFCORE_API const char *profcore_sampler_get_backend_reason(const profcore_sampler *sampler);

/** Something that sampling wants of this machine and user. Texts are NUL-terminated UTF-8.
 * @since 0.1 */
typedef struct profcore_sampler_need {
  size_t size;
  int32_t is_met;        /**< 1: nothing to do */
  int32_t is_hard;       /**< 1: without it the BPF sampler does not start */
  char need[64];         /**< what is wanted */
  char have[128];        /**< what there is */
  char consequence[160]; /**< what is missing without it */
  char fix[160];         /**< what to do about it */
} profcore_sampler_need;

/** What sampling needs, have or not, without starting it; the last entry, "back end", says what
 * PROFCORE_SAMPLER_BACKEND_AUTO would choose. Fills at most *count entries of `needs`,
 * an array whose elements have the size that needs[0].size says, and sets *count to how many there
 * are. `needs` may be NULL to learn the count. Thread-safe. Errors: INVALID_ARGUMENT. @since 0.1 */
PROFCORE_API profcore_status profcore_sampler_check(profcore_sampler_need *needs, size_t *count,
                                                    profcore_error **err);

#ifdef __cplusplus
}
#endif
#endif
