/* Known shares: `heavy` takes three quarters of the time, `light` one, in two threads each, and both
 * below ten frames without a frame pointer. Each thread uses so many seconds of CPU time, however busy the machine is.
 * Usage: shares SECONDS */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

static double seconds = 3;

static double used(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

#define NOINLINE __attribute__((noinline, noclone))

NOINLINE static uint64_t spin(uint64_t rounds) {
  uint64_t hash = rounds;
  for (uint64_t i = 0; i < rounds; ++i) {
    hash = hash * 6364136223846793005U + 1442695040888963407U;
    __asm__ volatile("" : "+r"(hash));
  }
  return hash;
}
NOINLINE uint64_t heavy(void) {
  uint64_t hash = spin(30000);
  __asm__ volatile("" : "+r"(hash));
  return hash;
}
NOINLINE uint64_t light(void) {
  uint64_t hash = spin(10000);
  __asm__ volatile("" : "+r"(hash));
  return hash;
}
NOINLINE uint64_t level(int depth) {
  uint64_t hash = depth == 0 ? heavy() + light() : level(depth - 1);
  __asm__ volatile("" : "+r"(hash));
  return hash;
}
static void *work(void *unused) {
  while (used() < seconds) level(8);
  return unused;
}

int main(int argc, char **argv) {
  pthread_t other;
  if (argc > 1) seconds = atof(argv[1]);
  pthread_create(&other, NULL, work, NULL);
  work(NULL);
  pthread_join(other, NULL);
  return 0;
}
