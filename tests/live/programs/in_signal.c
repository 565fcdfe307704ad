/* All its time goes into a signal handler that interrupted a deep stack. Usage: in_signal SECONDS */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

static double end;
static volatile uint64_t sink;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

__attribute__((noinline, noclone)) void on_signal(int number) {
  (void)number;
  while (now() < end)
    for (int i = 0; i < 1000; ++i) sink += (uint64_t)i;
}
__attribute__((noinline, noclone)) void interrupted(int depth) {
  if (depth == 0)
    raise(SIGUSR1);
  else
    interrupted(depth - 1);
  sink++;
}

int main(int argc, char **argv) {
  end = now() + (argc > 1 ? atof(argv[1]) : 2);
  signal(SIGUSR1, on_signal);
  interrupted(5);
  return 0;
}
