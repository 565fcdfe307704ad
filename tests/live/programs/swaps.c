/* Swaps windows as fast as it can while many threads are sampled as often as it goes: after each,
 * every sample that had been taken before is delivered or counted as lost, and what is said to be
 * delivered is in the profiles. Usage: swaps SECONDS THREADS */
#include <profcore/profcore.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static volatile int is_over;

static double seconds_of(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void fail(const char *what, profcore_error *err) {
  fprintf(stderr, "%s: %s\n", what, profcore_error_get_message(err));
  const profcore_status status = profcore_error_get_status(err);
  const int is_missing = status == PROFCORE_ERR_PERMISSION || status == PROFCORE_ERR_UNSUPPORTED;
  exit(is_missing && getenv("PROFCORE_REQUIRE_BPF") == NULL ? 77 : 1);
}

__attribute__((noinline)) static uint64_t deep(unsigned levels, uint64_t seed) {
  volatile uint64_t below = levels == 0 ? seed : deep(levels - 1, seed + 1);
  for (int i = 0; i < 50; ++i) below = below * 31 + 1;
  return below;
}

/* Many different stacks, and threads that are woken and sleep. */
static void *work(void *number) {
  uint64_t state = (uintptr_t)number;
  while (!is_over) {
    const struct timespec pause = {0, 200000};
    for (int i = 0; i < 200; ++i) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      deep(1 + (unsigned)(state >> 59), state);
    }
    nanosleep(&pause, NULL);
  }
  return NULL;
}

static profcore_sampler *sampler;
static int64_t seen, seen_nanoseconds; /* in the profiles */

static profcore_sampler_stats stats_now(void) {
  profcore_error *err = NULL;
  profcore_sampler_stats stats = PROFCORE_INIT(profcore_sampler_stats);
  if (profcore_sampler_get_stats(sampler, &stats, &err) != PROFCORE_OK) fail("stats", err);
  return stats;
}

static void drain(void) {
  profcore_profile *profile = NULL;
  profcore_error *err = NULL;
  size_t count = 0;
  if (profcore_sampler_drain(sampler, &profile, &err) != PROFCORE_OK) fail("drain", err);
  const int64_t *samples = profcore_profile_view_values(profile, 0, &count);
  for (size_t i = 0; i < count; ++i) seen += samples[i];
  const int64_t *nanoseconds = profcore_profile_view_values(profile, 1, &count);
  for (size_t i = 0; i < count; ++i) seen_nanoseconds += nanoseconds[i];
  profcore_profile_free(profile);
}

int main(int argc, char **argv) {
  enum { MOST_THREADS = 256 };
  static pthread_t threads[MOST_THREADS];
  profcore_error *err = NULL;
  profcore_sampler_options options = PROFCORE_INIT(profcore_sampler_options);
  const int32_t self = getpid();
  profcore_sampler_stats stats = PROFCORE_INIT(profcore_sampler_stats);
  unsigned swaps = 0, wrong = 0;
  if (argc != 3) return 2;
  const int count = atoi(argv[2]) < MOST_THREADS ? atoi(argv[2]) : MOST_THREADS;
  options.pids = &self;
  options.pid_count = 1;
  options.frequency = 997;
  options.per_thread = 1;
  options.no_symbols = 1;
  options.cpu_budget = -1;
  options.backend = PROFCORE_SAMPLER_BACKEND_BPF;
  if (profcore_sampler_start(&options, &sampler, &err) != PROFCORE_OK) fail("start", err);
  const double cpu_before = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
  for (int i = 0; i < count; ++i)
    if (pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)(i + 1)) != 0) return 1;
  const double began = seconds_of(CLOCK_MONOTONIC);
  const double least = atof(argv[1]), most = 60; /* of a machine that has other things to do */
  double age = 0;
  for (; age < least || ((swaps < 40 || stats.taken < 2000) && age < most);
       ++swaps, age = seconds_of(CLOCK_MONOTONIC) - began) {
    const uint64_t taken = stats_now().taken;
    drain();
    stats = stats_now();
    if (stats.delivered + stats.lost_counts < taken && wrong++ < 10)
      fprintf(stderr,
              "swap %u: %" PRIu64 " were taken before, %" PRIu64 " delivered, %" PRIu64 " lost\n",
              swaps, taken, stats.delivered, stats.lost_counts);
    if ((uint64_t)seen != stats.delivered && wrong++ < 10)
      fprintf(stderr, "swap %u: %" PRIu64 " delivered, %" PRId64 " in the profiles\n", swaps,
              stats.delivered, seen);
  }
  is_over = 1;
  for (int i = 0; i < count; ++i) pthread_join(threads[i], NULL);
  const double cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu_before;
  if (profcore_sampler_stop(sampler, &err) != PROFCORE_OK) fail("stop", err);
  drain();
  stats = stats_now();
  printf("%u swaps, %d threads: %" PRIu64 " taken, %" PRIu64 " delivered, %" PRId64
         " seen, %" PRIu64 " lost; %.2f s of "
         "%.2f s\n",
         swaps, count, stats.taken, stats.delivered, seen, stats.lost_counts + stats.lost_stacks,
         (double)seen_nanoseconds * 1e-9, cpu);
  if (stats.taken != stats.delivered + stats.lost_counts || (uint64_t)seen != stats.delivered)
    wrong = 1;
  if (stats.lost_counts + stats.lost_stacks > stats.taken / 100) wrong = 1;
  if (swaps < 20 || stats.taken < 500) {
    fprintf(stderr, "that is too little to say anything\n");
    wrong = 1;
  }
  /* Ticks are of the wall clock of a CPU: their sum is the time that the threads had, within
   * chance. */
  if ((double)seen_nanoseconds * 1e-9 < 0.85 * cpu || (double)seen_nanoseconds * 1e-9 > 1.15 * cpu)
    wrong = 1;
  profcore_sampler_free(sampler);
  return wrong != 0;
}
