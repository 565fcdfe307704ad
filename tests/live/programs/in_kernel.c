/* Most of its time is the kernel's, six frames below main without frame pointers. It uses so many
 * seconds of CPU time. Usage: in_kernel SECONDS */
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static char buffer[1 << 20];

static double used(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

__attribute__((noinline, noclone)) long reading(int depth, int file) {
  long got = depth == 0 ? read(file, buffer, sizeof buffer) : reading(depth - 1, file);
  __asm__ volatile("" : "+r"(got));
  return got;
}

int main(int argc, char **argv) {
  const double seconds = argc > 1 ? atof(argv[1]) : 3;
  const int zero = open("/dev/zero", O_RDONLY);
  while (used() < seconds)
    for (int i = 0; i < 32; ++i) reading(5, zero);
  return 0;
}
