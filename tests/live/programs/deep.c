/* Work below frames of eight kilobytes each. Usage: deep FRAMES SECONDS */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

__attribute__((noinline)) uint64_t spin(void) {
  uint64_t hash = 1;
  for (int i = 0; i < 100000; ++i) {
    hash = hash * 31 + (uint64_t)i;
    __asm__ volatile("" : "+r"(hash));
  }
  return hash;
}

__attribute__((noinline)) uint64_t level(int depth) {
  char large[8192];
  memset(large, depth, sizeof large);
  __asm__ volatile("" ::"r"(large) : "memory");
  const uint64_t hash = depth > 1 ? level(depth - 1) : spin();
  __asm__ volatile("" ::"r"(large) : "memory");
  return hash;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  const double end = now() + atof(argv[2]);
  while (now() < end) level(atoi(argv[1]));
  return 0;
}
