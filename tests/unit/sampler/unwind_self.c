/*
 * Unwinds its own stacks by rows, with the step that the kernel runs, and compares every frame with
 * the return address that the function itself saw:
 *   unwind_self DUMP_ROWS FOLDER [SECONDS]
 * Built without frame pointers. DUMP_ROWS makes the table of each mapped file; with an emulator in
 * between it still is a program of the host. Ends with a line of figures; exit 1 when a stack is
 * wrong or does not reach its root.
 */
#include <alloca.h>
#include <linux/types.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static int read_memory(__u64 address, void *destination, size_t size);
static const struct unwind_row *row_at(const void *rows, __u32 index);
#define UNWIND_READ(context, address, destination)                                                 \
  read_memory((address), (destination), sizeof *(destination))
#define UNWIND_ROW(context, index) row_at((context), (index))
#define UNWIND_SEARCH_STEPS 22
#include "unwind_step.h"

#define NOINLINE __attribute__((noinline, noclone))
enum { MOST_FRAMES = 512, MOST_MAPPINGS = 128 };

struct mapping {
  __u64 start, end, base;
  const struct unwind_row *rows;
  __u32 count;
  int code;
};
static struct mapping mappings[MOST_MAPPINGS];
static int mapping_count;

static const struct unwind_row *row_at(const void *rows, __u32 index) {
  return (const struct unwind_row *)rows + index;
}

static const struct mapping *mapping_of(__u64 address) {
  for (int i = 0; i < mapping_count; ++i)
    if (address >= mappings[i].start && address < mappings[i].end) return &mappings[i];
  return NULL;
}

static int read_memory(__u64 address, void *destination, size_t size) {
  const struct mapping *mapping = mapping_of(address);
  if (mapping == NULL || mapping->end - address < size) return -1;
  memcpy(destination, (const void *)(uintptr_t)address, size);
  return 0;
}

static void load_rows(struct mapping *mapping, const char *dump_rows, const char *file,
                      const char *folder, __u64 file_offset) {
  char output[4096], command[12288];
  __u64 header[8];
  snprintf(output, sizeof output, "%s/rows.%d", folder, (int)getpid());
  snprintf(command, sizeof command, "'%s' '%s' '%s'", dump_rows, file, output);
  if (system(command) != 0) return;
  FILE *input = fopen(output, "rb");
  if (input == NULL || fread(header, sizeof header, 1, input) != 1) exit(3);
  struct unwind_row *rows = malloc((header[1] + 1) * sizeof *rows);
  mapping->count = (__u32)fread(rows, sizeof *rows, header[1], input);
  mapping->rows = rows;
  /* pc 0 of the rows is ELF address header[0]; the mapping shows the file from file_offset on */
  mapping->base = mapping->start - file_offset + header[3] - header[2] + header[0];
  fclose(input);
  remove(output);
}

static void read_mappings(const char *dump_rows, const char *folder) {
  char line[4096];
  FILE *maps = fopen("/proc/self/maps", "r");
  mapping_count = 0;
  while (maps != NULL && mapping_count < MOST_MAPPINGS && fgets(line, sizeof line, maps) != NULL) {
    unsigned long long start, end, offset;
    char access[8], file[4096] = "";
    if (sscanf(line, "%llx-%llx %7s %llx %*s %*s %4095s", &start, &end, access, &offset, file) < 4)
      continue;
    if (access[0] != 'r') continue;
    struct mapping *mapping = &mappings[mapping_count++];
    *mapping = (struct mapping){.start = start, .end = end, .code = access[2] == 'x'};
    if (!mapping->code || dump_rows == NULL) continue;
    if (file[0] == '/') load_rows(mapping, dump_rows, file, folder, offset);
#if defined(__x86_64__)
    if (strcmp(file, "[vdso]") == 0) load_rows(mapping, dump_rows, "vdso", folder, 0);
#endif
  }
  if (maps != NULL) fclose(maps);
}

/* New stacks and heaps, without making tables again. */
static void refresh_mappings(void) {
  static struct mapping old[MOST_MAPPINGS];
  const int old_count = mapping_count;
  memcpy(old, mappings, sizeof old);
  read_mappings(NULL, NULL);
  for (int i = 0; i < mapping_count; ++i)
    for (int k = 0; k < old_count; ++k)
      if (old[k].rows != NULL && old[k].start == mappings[i].start) mappings[i] = old[k];
}

static int walk(struct unwind_state *state, __u64 *frames, int *count) {
  int stop;
  *count = 0;
  do {
    frames[(*count)++] = state->pc;
    const __u64 pc = unwind_lookup_pc(state);
    const struct mapping *mapping = mapping_of(pc);
    const struct unwind_row *row = NULL;
    if (mapping != NULL && mapping->rows != NULL)
      row = unwind_find_row((void *)mapping->rows, 0, mapping->count, (__u32)(pc - mapping->base));
    stop = unwind_step(state, row, NULL);
  } while (stop == UNWIND_OK && *count < MOST_FRAMES);
  return stop == UNWIND_OK ? UNWIND_DEPTH : stop;
}

/* --- what each function of a chain saw, innermost last */

static volatile __u64 seen[MOST_FRAMES];
static volatile int seen_count, failures, chains;
#define SEE()                                                                                      \
  (seen[seen_count] =                                                                              \
       (__u64)(uintptr_t)__builtin_extract_return_addr(__builtin_return_address(0)),               \
   ++seen_count)
#define UNSEE() (--seen_count)

static void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  ++failures;
}

/* Every return address that was seen has to be among the frames, in order; `gaps` says how many
 * other frames (of the C library) may come in between. */
static void check_chain(const char *what, const __u64 *frames, int count, int stop, int gaps) {
  int at = 1, others = 0;
  ++chains;
  for (int i = seen_count - 1; i >= 0; --i, ++at) {
    while (at < count && frames[at] != seen[i]) ++at, ++others;
    if (at >= count) {
      fail("%s: return address %d of %d is missing (%d frames, stop %d)", what, i, seen_count,
           count, stop);
      for (int k = 0; k < count && k < 20; ++k) fprintf(stderr, "  frame %llx\n", frames[k]);
      return;
    }
  }
  if (others > gaps) fail("%s: %d frames that no function saw, %d allowed", what, others, gaps);
  if (stop != UNWIND_END) fail("%s: ended by %d after %d frames", what, stop, count);
}

static volatile int allowed_gaps;
static const char *volatile chain_name; /* volatile: signal handlers read it */

NOINLINE static int capture(int value) {
  __u64 frames[MOST_FRAMES];
  int count;
  struct unwind_state state = {.exact = 1};
  SEE();
#if defined(__x86_64__)
  __asm__ volatile("lea 0(%%rip), %0\n mov %%rsp, %1\n mov %%rbp, %2"
                   : "=r"(state.pc), "=r"(state.sp), "=r"(state.bp));
#else
  __asm__ volatile("adr %0, .\n mov %1, sp\n mov %2, x29\n mov %3, x30"
                   : "=r"(state.pc), "=r"(state.sp), "=r"(state.bp), "=r"(state.lr));
#endif
  const int stop = walk(&state, frames, &count);
  check_chain(chain_name, frames, count, stop, allowed_gaps);
  UNSEE();
  return value + count;
}

NOINLINE static int recurse(int depth) {
  volatile int local = depth;
  SEE();
  local += depth == 0 ? capture(depth) : recurse(depth - 1);
  UNSEE();
  return local;
}
NOINLINE static int large_frame(int depth) {
  volatile char room[100000];
  SEE();
  room[depth] = 1;
  const int result = recurse(depth) + room[depth];
  UNSEE();
  return result;
}
NOINLINE static int moving_frame(int size) {
  SEE();
  volatile char *room = alloca((size_t)size);
  room[size - 1] = 1;
  const int result = large_frame(3) + room[size - 1];
  UNSEE();
  return result;
}
NOINLINE static int aligned_frame(int size) {
  volatile char aligned[64] __attribute__((aligned(64)));
  SEE();
  volatile char *room = alloca((size_t)size);
  aligned[size & 63] = 1;
  room[0] = 1;
  const int result = moving_frame(size + aligned[size & 63] + room[0]);
  UNSEE();
  return result;
}
NOINLINE static int many_arguments(int a, int b, int c, int d, int e, int f, int g, int h, int i) {
  SEE();
  const int result = aligned_frame(a + b + c + d + e + f + g + h + i);
  UNSEE();
  return result;
}
static int compare(const void *a, const void *b) {
  static int once;
  SEE();
  if (once++ == 7) recurse(5);
  UNSEE();
  return *(const int *)a - *(const int *)b;
}
NOINLINE static void through_qsort(void) {
  int values[64];
  SEE();
  for (int i = 0; i < 64; ++i) values[i] = (i * 37) & 63;
  qsort(values, 64, sizeof values[0], compare);
  UNSEE();
}

static void *in_thread(void *unused) {
  refresh_mappings();
  seen_count = 0;
  chain_name = "thread";
  SEE();
  allowed_gaps = 1; /* the library's first function, above what it calls with */
  many_arguments(1, 2, 3, 4, 5, 6, 7, 8, 9);
  UNSEE();
  return unused;
}

/* --- samples at any instruction, by a timer's signal */

static volatile int samples, complete, by_stop[UNWIND_STOP_COUNT], deepest, taking;
static __u64 incomplete_pc[UNWIND_STOP_COUNT];
static volatile int synchronous;

static void start_state(struct unwind_state *state, const ucontext_t *context) {
  memset(state, 0, sizeof *state);
  state->exact = 1;
#if defined(__x86_64__)
  state->pc = (__u64)context->uc_mcontext.gregs[REG_RIP];
  state->sp = (__u64)context->uc_mcontext.gregs[REG_RSP];
  state->bp = (__u64)context->uc_mcontext.gregs[REG_RBP];
#else
  state->pc = context->uc_mcontext.pc;
  state->sp = context->uc_mcontext.sp;
  state->bp = context->uc_mcontext.regs[29];
  state->lr = context->uc_mcontext.regs[30];
#endif
}

static void on_sample(int signal, siginfo_t *info, void *context) {
  __u64 frames[MOST_FRAMES];
  struct unwind_state state;
  int count;
  (void)signal, (void)info;
  if (!taking) return;
  start_state(&state, context);
  const int stop = walk(&state, frames, &count);
  ++samples;
  ++by_stop[stop];
  if (count > deepest) deepest = count;
  if (stop < UNWIND_FIRST_INCOMPLETE)
    ++complete;
  else
    incomplete_pc[stop] = state.pc;
}

#if defined(__x86_64__)
/* Through a signal frame, on this stack and on another. */
static void on_signal(int signal) {
  const int outer = seen_count;
  (void)signal;
  refresh_mappings();
  synchronous = 1;
  recurse(2);
  seen_count = outer;
}
NOINLINE static void faulting(int *where) {
  SEE();
  raise(SIGUSR1);
  (void)where;
  UNSEE();
}
NOINLINE static void through_signals(void) {
  static char other_stack[1 << 16];
  struct sigaction action = {.sa_handler = on_signal};
  SEE();
  sigaction(SIGUSR1, &action, NULL);
  chain_name = "signal";
  allowed_gaps = 12; /* restorer, the library's raise, up to its root */
  faulting(NULL);
  chain_name = "signal on another stack";
  stack_t stack = {.ss_sp = other_stack, .ss_size = sizeof other_stack};
  sigaltstack(&stack, NULL);
  action.sa_flags = SA_ONSTACK;
  sigaction(SIGUSR1, &action, NULL);
  faulting(NULL);
  if (!synchronous) fail("the signal handler did not run");
  UNSEE();
}
#else
static void through_signals(void) {} /* an emulator's signal trampoline has no unwind table */
#endif

static int compare_words(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}
NOINLINE static unsigned fibonacci(unsigned n) {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}
NOINLINE static void work(void) {
  static char text[64][32];
  char *words[64];
  char line[256];
  for (int i = 0; i < 64; ++i) {
    snprintf(text[i], sizeof text[i], "%d %.6g", (i * 37) & 63, 1.0 / (i + 1));
    words[i] = text[i];
  }
  qsort(words, 64, sizeof words[0], compare_words);
  double sum = fibonacci(12);
  for (int i = 0; i < 64; ++i) {
    sum += strtod(words[i], NULL);
    void *block = malloc((size_t)(i * 97 + 1));
    memset(block, i, (size_t)(i * 97 + 1));
    free(block);
  }
  struct timespec now;
  struct tm parts;
  clock_gettime(CLOCK_MONOTONIC, &now);
  localtime_r(&now.tv_sec, &parts);
  strftime(line, sizeof line, "%A %d %B %Y %H:%M:%S", &parts);
  if (sum < 0 || line[0] == 0) abort();
}

static void take_samples(double seconds) {
  struct sigaction action = {.sa_sigaction = on_sample, .sa_flags = SA_SIGINFO | SA_RESTART};
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
  struct itimerspec every = {{0, 200000}, {0, 200000}};
  struct timespec begin, now;
  timer_t timer;
  sigaction(SIGALRM, &action, NULL);
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) return;
  taking = 1;
  timer_settime(timer, 0, &every, NULL);
  clock_gettime(CLOCK_MONOTONIC, &begin);
  do {
    for (int i = 0; i < 20; ++i) work();
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while ((double)(now.tv_sec - begin.tv_sec) + (double)(now.tv_nsec - begin.tv_nsec) * 1e-9 <
           seconds);
  taking = 0;
  timer_delete(timer);
}

int main(int argc, char **argv) {
  pthread_t thread;
  if (argc < 3) return 2;
  read_mappings(argv[1], argv[2]);
  refresh_mappings();
  SEE();
  allowed_gaps = 2; /* _start and the library's function under it */
  chain_name = "recursion";
  recurse(40);
  chain_name = "frames of all kinds";
  many_arguments(1, 2, 3, 4, 5, 6, 7, 8, 9);
  chain_name = "callback";
  allowed_gaps = 8;
  through_qsort();
  through_signals();
  if (chains < 3) fail("not every chain was looked at");

  const int in_main = seen_count;
  if (pthread_create(&thread, NULL, in_thread, NULL) == 0) pthread_join(thread, NULL);
  seen_count = in_main;
  refresh_mappings();
  take_samples(argc > 3 ? atof(argv[3]) : 1.0);
  printf("%d chains, %d samples, %d complete (%.3f %%), deepest %d\n", chains, samples, complete,
         samples != 0 ? 100.0 * complete / samples : 0.0, deepest);
  for (int i = UNWIND_FIRST_INCOMPLETE; i < UNWIND_STOP_COUNT; ++i)
    if (by_stop[i] != 0) printf("stop %d: %d, one at %llx\n", i, by_stop[i], incomplete_pc[i]);
#if defined(__x86_64__)
  if (samples < 100) fail("only %d samples", samples);
  /* Binding a function at its first call leaves by a register that rows do not follow. */
  if (complete < samples - samples / 200) fail("too many stacks did not reach their root");
#endif
  if (failures != 0) fprintf(stderr, "%d failures\n", failures);
  return failures == 0 ? 0 : 1;
}
