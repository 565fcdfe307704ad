/* A host of the sampler as an agent is one: it keeps up when the descriptor says so, drains a
 * window every few seconds, and prints a line of JSON per window. Usage: soak_host SECONDS
 * DRAIN_SECONDS */
#include <profcore/profcore.h>

#include <dirent.h>
#include <inttypes.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static profcore_sampler *sampler;
static int64_t samples_seen; /* in the profiles */

static void fail(const char *what, profcore_error *err) {
  fprintf(stderr, "%s: %s\n", what, profcore_error_get_message(err));
  exit(profcore_error_get_status(err) == PROFCORE_ERR_PERMISSION ? 77 : 1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* A line of /proc/self/status, in KiB. */
static long memory(const char *name) {
  char line[256];
  long found = -1;
  FILE *status = fopen("/proc/self/status", "r");
  if (status == NULL) return -1;
  while (fgets(line, sizeof line, status) != NULL)
    if (strncmp(line, name, strlen(name)) == 0) found = strtol(line + strlen(name) + 1, NULL, 10);
  fclose(status);
  return found;
}

/* Descriptors, and those of them that are BPF maps. */
static void count_descriptors(int *all, int *maps) {
  DIR *folder = opendir("/proc/self/fd");
  const struct dirent *entry;
  *all = *maps = 0;
  while (folder != NULL && (entry = readdir(folder)) != NULL) {
    char target[256] = "";
    if (readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1) < 0) continue;
    ++*all;
    if (strcmp(target, "anon_inode:bpf-map") == 0) ++*maps;
  }
  if (folder != NULL) closedir(folder);
}

static void drain(double since) {
  profcore_profile *profile = NULL;
  profcore_error *err = NULL;
  profcore_sampler_stats stats = PROFCORE_INIT(profcore_sampler_stats);
  struct timespec cpu;
  size_t count = 0, i;
  int descriptors, maps;
  struct mallinfo2 heap;
  if (profcore_sampler_drain(sampler, &profile, &err) != PROFCORE_OK) fail("drain", err);
  const int64_t *values = profcore_profile_view_values(profile, 0, &count);
  for (i = 0; i < count; i++) samples_seen += values[i];
  profcore_profile_free(profile);
  if (profcore_sampler_get_stats(sampler, &stats, &err) != PROFCORE_OK) fail("stats", err);
  count_descriptors(&descriptors, &maps);
  heap = mallinfo2();
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
  printf("{\"seconds\": %.1f, \"rss_kb\": %ld, \"anon_kb\": %ld, \"heap_kb\": %zu, "
         "\"descriptors\": %d, \"maps\": %d, "
         "\"cpu_ms\": %.1f, \"seen\": %" PRId64 ", ",
         now() - since, memory("VmRSS:"), memory("RssAnon:"), (heap.uordblks + heap.hblkhd) >> 10,
         descriptors, maps, (double)cpu.tv_sec * 1e3 + (double)cpu.tv_nsec * 1e-6, samples_seen);
#define FIELD(name) printf("\"" #name "\": %" PRIu64 ", ", stats.name)
  FIELD(taken);
  FIELD(delivered);
  FIELD(lost_counts);
  FIELD(lost_stacks);
  FIELD(lost_records);
  FIELD(failed_registrations);
  FIELD(unregistered);
  FIELD(complete);
  FIELD(without_user);
  FIELD(bpf_ns);
  FIELD(own_cpu_ns);
  FIELD(row_bytes);
  FIELD(files_without_rows);
  FIELD(processes);
  FIELD(modules);
  FIELD(times_lowered);
  printf("\"frequency\": %" PRIu64 "}\n", stats.frequency);
  fflush(stdout);
}

int main(int argc, char **argv) {
  profcore_error *err = NULL;
  profcore_sampler_options options = PROFCORE_INIT(profcore_sampler_options);
  double began, end, next, each;
  if (argc != 3) {
    fprintf(stderr, "usage: %s SECONDS DRAIN_SECONDS\n", argv[0]);
    return 2;
  }
  if (profcore_sampler_start(&options, &sampler, &err) != PROFCORE_OK) fail("start", err);
  setpriority(PRIO_PROCESS, 0, -15); /* keeping up should not wait for a CPU; where it is allowed */
  began = now();
  end = began + atof(argv[1]);
  each = atof(argv[2]);
  next = began + each;
  while (now() < end) {
    struct pollfd event = {profcore_sampler_get_fd(sampler), POLLIN, 0};
    const double wait = (next < end ? next : end) - now();
    if (poll(&event, 1, wait > 0 ? (int)(wait * 1000) + 1 : 0) > 0 &&
        profcore_sampler_process(sampler, &err) != PROFCORE_OK)
      fail("process", err);
    if (now() < next) continue;
    drain(began);
    next += each;
  }
  if (profcore_sampler_stop(sampler, &err) != PROFCORE_OK) fail("stop", err);
  drain(began);
  profcore_sampler_free(sampler);
  return 0;
}
