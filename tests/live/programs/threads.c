/* Threads that are there from the start, wait for a line on stdin and work; when they have ended, as
 * many new ones. At the end one line for each: name and CPU time in nanoseconds.
 * Usage: threads SECONDS */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#ifndef THREADS
#define THREADS 3
#endif
static pthread_barrier_t start;
static double seconds;
static int64_t used[2][THREADS];

static int64_t now(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

__attribute__((noinline)) static uint64_t spin(uint64_t rounds) {
  uint64_t hash = rounds;
  for (uint64_t i = 0; i < rounds; ++i) {
    hash = hash * 6364136223846793005U + 1442695040888963407U;
    __asm__ volatile("" : "+r"(hash));
  }
  return hash;
}

static void *work(void *given) {
  const intptr_t number = (intptr_t)given;
  const int late = number >= THREADS;
  char name[16];
  snprintf(name, sizeof name, "%s-%d", late ? "late" : "early", (int)number % THREADS);
  pthread_setname_np(pthread_self(), name);
  pthread_barrier_wait(&start);
  const int64_t begin = now(CLOCK_THREAD_CPUTIME_ID);
  const int64_t end = now(CLOCK_MONOTONIC) + (int64_t)(seconds * 1e9);
  while (now(CLOCK_MONOTONIC) < end) spin(20000);
  used[late][number % THREADS] = now(CLOCK_THREAD_CPUTIME_ID) - begin;
  return NULL;
}

int main(int argc, char **argv) {
  pthread_t threads[THREADS];
  seconds = argc > 1 ? atof(argv[1]) : 1;
  for (int late = 0; late < 2; ++late) {
    pthread_barrier_init(&start, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; ++i)
      pthread_create(&threads[i], NULL, work, (void *)(intptr_t)(late * THREADS + i));
    if (!late && getchar() == EOF) return 1;
    pthread_barrier_wait(&start);
    for (int i = 0; i < THREADS; ++i) pthread_join(threads[i], NULL);
  }
  for (int late = 0; late < 2; ++late)
    for (int i = 0; i < THREADS; ++i)
      printf("%s-%d %lld\n", late ? "late" : "early", i, (long long)used[late][i]);
  return 0;
}
