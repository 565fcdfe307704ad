/* What makes work for whoever keeps up with processes: threads that come and go, libraries that are
 * loaded and dropped, JIT-like memory, a child. Usage: churn MILLISECONDS LIBRARY... */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void *spin(void *unused) {
  volatile uint64_t sum = 0;
  for (uint64_t i = 0; i < 200000; ++i) sum += i;
  return unused;
}

int main(int argc, char **argv) {
  const double end = now() + (argc > 1 ? atof(argv[1]) : 100) * 1e-3;
  while (now() < end) {
    pthread_t threads[4];
    for (int i = 0; i < 4; ++i) pthread_create(&threads[i], NULL, spin, NULL);
    for (int i = 2; i < argc; ++i) {
      void *library = dlopen(argv[i], RTLD_NOW);
      if (library != NULL) dlclose(library);
    }
    void *code =
        mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code != MAP_FAILED) munmap(code, 1 << 16);
    for (int i = 0; i < 4; ++i) pthread_join(threads[i], NULL);
  }
  const pid_t child = fork();
  if (child == 0) {
    spin(NULL);
    _exit(0);
  }
  if (child > 0) waitpid(child, NULL, 0);
  return 0;
}
