/*
 * One step at a time over stacks made by hand: each rule, each reason to stop. In C, and without a
 * test framework, so that a cross compiler is all it takes to run it for the other machine. The
 * machine is chosen by UNWIND_ARCH_*, whatever this is compiled for.
 */
#include <stdio.h>
#include <string.h>

struct stack;
static int read_stack(void *stack, unsigned long long address, void *destination, unsigned size);
static const struct unwind_row *row_at(void *rows, unsigned index);
#define UNWIND_READ(context, address, destination)                                                 \
  read_stack((context), (address), (destination), sizeof *(destination))
#define UNWIND_ROW(context, index) row_at((context), (index))
#define UNWIND_SEARCH_STEPS 10
#include "unwind_step.h"

#define BASE 0x7ffe00010000ULL
enum { WORDS = 200 };
/* Word i lies at BASE + 8 * i; all else cannot be read. */
struct stack {
  __u64 words[WORDS];
  int reads;
};

static int read_stack(void *context, unsigned long long address, void *destination, unsigned size) {
  struct stack *stack = context;
  ++stack->reads;
  if (address < BASE || address - BASE > sizeof stack->words ||
      sizeof stack->words - (address - BASE) < size)
    return -14;
  memcpy(destination, (const char *)stack->words + (address - BASE), size);
  return 0;
}

struct rows {
  const struct unwind_row *rows;
  unsigned count;
};
static const struct unwind_row *row_at(void *context, unsigned index) {
  const struct rows *rows = context;
  return index < rows->count ? rows->rows + index : (const struct unwind_row *)0;
}

static int failures, checks;
#define CHECK(condition)                                                                           \
  do {                                                                                             \
    ++checks;                                                                                      \
    if (!(condition)) {                                                                            \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                              \
      ++failures;                                                                                  \
    }                                                                                              \
  } while (0)

#define AT(word) (BASE + 8 * (word))
#define CODE 0x5500001000ULL
#define CALLER 0x5500002000ULL
#define OLD_BP AT(150)

static struct stack stack;
static struct unwind_state state;

static int step(unsigned rule, int cfa, int bp) {
  const struct unwind_row row = {0, (__s16)cfa, (__u8)rule, (__s8)bp};
  stack.reads = 0;
  return unwind_step(&state, &row, &stack);
}
static void start(__u64 sp_word, __u64 bp) {
  memset(&stack, 0, sizeof stack);
  state = (struct unwind_state){.pc = CODE, .sp = AT(sp_word), .bp = bp, .lr = 0, .exact = 1};
}
static int is_state(__u64 pc, __u64 sp, __u64 bp) {
  return state.pc == pc && state.sp == sp && state.bp == bp && !state.exact;
}

/* Go: the frame pointer may lead to another stack, above or below; a chain still ends in 0. */
static void test_other_stack(void) {
  const struct unwind_row row = {0, 1, UNWIND_RULE_GAP, 0};
  start(30, AT(4));
  stack.words[4] = AT(50), stack.words[5] = CALLER;
  stack.words[50] = 0, stack.words[51] = CALLER + 4;
  CHECK(unwind_step(&state, &row, &stack) == UNWIND_OK && is_state(CALLER, AT(6), AT(50)));
  CHECK(unwind_step(&state, &row, &stack) == UNWIND_OK && is_state(CALLER + 4, AT(52), 0));
  CHECK(unwind_step(&state, &row, &stack) == UNWIND_END_FP);
  start(30, AT(4) + 4);
  CHECK(unwind_step(&state, &row, &stack) == UNWIND_GAP);
}

static void test_frame_pointer_steps(void) {
  /* without a row, and in a gap */
  for (int gap = 0; gap < 2; ++gap) {
    const struct unwind_row row = {0, 0, UNWIND_RULE_GAP, 0};
    const struct unwind_row *given = gap ? &row : (const struct unwind_row *)0;
    const int implausible = gap ? UNWIND_GAP : UNWIND_NO_TABLE;
    start(10, AT(20));
    stack.words[20] = AT(40), stack.words[21] = CALLER;
    stack.words[40] = 0, stack.words[41] = CALLER + 4;
    CHECK(unwind_step(&state, given, &stack) == UNWIND_OK && is_state(CALLER, AT(22), AT(40)));
    CHECK(unwind_step(&state, given, &stack) == UNWIND_OK && is_state(CALLER + 4, AT(42), 0));
    CHECK(unwind_step(&state, given, &stack) == UNWIND_END_FP);
    start(10, 0); /* a first frame may have 0 there by chance */
    CHECK(unwind_step(&state, given, &stack) == implausible);
    start(10, AT(8));
    CHECK(unwind_step(&state, given, &stack) == implausible);
    start(10, AT(20) + 4);
    CHECK(unwind_step(&state, given, &stack) == implausible);
    start(10, AT(10) + (1 << 20));
    CHECK(unwind_step(&state, given, &stack) == implausible);
    start(10, AT(10) + (1 << 19));
    CHECK(unwind_step(&state, given, &stack) == UNWIND_UNREADABLE);
    start(10, AT(9)); /* just pushed: the record is right below sp, which still rises */
    stack.words[9] = OLD_BP, stack.words[10] = CALLER;
    CHECK(unwind_step(&state, given, &stack) == UNWIND_OK && is_state(CALLER, AT(11), OLD_BP));
    start(10, AT(20));
    CHECK(unwind_step(&state, given, &stack) == UNWIND_END_ZERO_PC);
    stack.words[21] = 100;
    CHECK(unwind_step(&state, given, &stack) == UNWIND_BAD_PC);
  }
}

static void test_ends(void) {
  start(10, 0);
  CHECK(step(UNWIND_RULE_END, 0, 0) == UNWIND_END && stack.reads == 0);
  CHECK(step(UNWIND_RULE_UNSUPPORTED, 0, 0) == UNWIND_UNSUPPORTED && stack.reads == 0);
  CHECK(step(9, 0, 0) == UNWIND_UNSUPPORTED);
  CHECK(step(15, 0, 0) == UNWIND_UNSUPPORTED);
  CHECK(state.pc == CODE && state.sp == AT(10) && state.exact);
}

static void test_lookup_pc(void) {
  start(10, 0);
  CHECK(unwind_lookup_pc(&state) == CODE);
  state.exact = 0;
  CHECK(unwind_lookup_pc(&state) == CODE - 1);
}

static void test_search(void) {
  static struct unwind_row table[1000];
  for (unsigned count = 0; count <= 1000; count += count < 20 ? 1 : 97) {
    struct rows rows = {table, count};
    for (unsigned i = 0; i < count; ++i) table[i].pc = 5 + 10 * i;
    for (__u32 pc = 0; pc < 10 * count + 20; pc += 1 + pc % 3) {
      const struct unwind_row *found = unwind_find_row(&rows, 0, count, pc);
      const struct unwind_row *expected = (const struct unwind_row *)0;
      for (unsigned i = 0; i < count && table[i].pc <= pc; ++i) expected = &table[i];
      CHECK(found == expected);
    }
  }
  /* a part of a table; addresses up to the last one; a row that cannot be fetched */
  struct rows rows = {table, 1000};
  table[999].pc = 0xffffffff;
  CHECK(unwind_find_row(&rows, 100, 50, 5 + 10 * 149 + 3) == &table[149]);
  CHECK(unwind_find_row(&rows, 100, 50, 5 + 10 * 500) == &table[149]);
  CHECK(unwind_find_row(&rows, 100, 50, 5 + 10 * 99) == (const struct unwind_row *)0);
  CHECK(unwind_find_row(&rows, 0, 1000, 0xffffffff) == &table[999]);
  CHECK(unwind_find_row(&rows, 0, 1000, 0xfffffffe) == &table[998]);
  rows.count = 300;
  CHECK(unwind_find_row(&rows, 0, 1000, 3000) == (const struct unwind_row *)0);
}

#if defined(UNWIND_ARCH_X86_64)
static void test_machine(void) {
  /* entry of a function; a frame by sp; one by rbp */
  start(10, OLD_BP);
  stack.words[10] = CALLER;
  CHECK(step(UNWIND_RULE_SP, 1, 0) == UNWIND_OK && is_state(CALLER, AT(11), OLD_BP));
  CHECK(stack.reads == 1);
  start(10, AT(33));
  stack.words[18] = OLD_BP, stack.words[19] = CALLER;
  CHECK(step(UNWIND_RULE_SP | UNWIND_SAVED_BP, 10, -2) == UNWIND_OK);
  CHECK(is_state(CALLER, AT(20), OLD_BP) && stack.reads == 1);
  start(10, AT(33));
  stack.words[12] = OLD_BP, stack.words[19] = CALLER;
  CHECK(step(UNWIND_RULE_SP | UNWIND_SAVED_BP, 10, -8) == UNWIND_OK);
  CHECK(is_state(CALLER, AT(20), OLD_BP) && stack.reads == 2);
  CHECK(!state.exact && state.lr == 0);
  start(10, AT(33));
  stack.words[33] = OLD_BP, stack.words[34] = CALLER;
  CHECK(step(UNWIND_RULE_BP | UNWIND_SAVED_BP, 2, -2) == UNWIND_OK);
  CHECK(is_state(CALLER, AT(35), OLD_BP));
  start(10, AT(33)); /* saved far from the CFA, counted from the base */
  stack.words[35] = OLD_BP, stack.words[99] = CALLER;
  CHECK(step(UNWIND_RULE_BP | UNWIND_SAVED_BP | UNWIND_SLOT_FROM_BASE, 67, 2) == UNWIND_OK);
  CHECK(is_state(CALLER, AT(100), OLD_BP));

  /* aligned frames: gcc's, OpenSSL's */
  start(10, AT(33));
  stack.words[32] = AT(61), stack.words[33] = OLD_BP, stack.words[60] = CALLER;
  CHECK(step(UNWIND_RULE_BP_DEREF | UNWIND_SAVED_BP | UNWIND_SLOT_FROM_BASE, -1, 0) == UNWIND_OK);
  CHECK(is_state(CALLER, AT(61), OLD_BP) && stack.reads == 3);
  start(10, AT(33));
  stack.words[15] = AT(60), stack.words[59] = OLD_BP, stack.words[60] = CALLER;
  CHECK(step(UNWIND_RULE_SP_DEREF | UNWIND_SAVED_BP, 5, -2) == UNWIND_OK);
  CHECK(is_state(CALLER, AT(61), OLD_BP));

  /* linkage tables: before and after the push */
  for (unsigned offset = 0; offset < 16; ++offset) {
    start(10, OLD_BP);
    stack.words[10 + (offset >= 11)] = CALLER;
    state.pc = CODE + offset;
    CHECK(step(UNWIND_RULE_PLT, 11, 0) == UNWIND_OK);
    CHECK(is_state(CALLER, AT(11 + (offset >= 11)), OLD_BP));
  }

  /* a signal frame, also to a lower stack */
  start(50, 1);
  stack.words[65] = OLD_BP, stack.words[70] = AT(5), stack.words[71] = CALLER;
  CHECK(step(UNWIND_RULE_SIGNAL, 0, 0) == UNWIND_OK);
  CHECK(state.pc == CALLER && state.sp == AT(5) && state.bp == OLD_BP && state.exact);
  start(WORDS - 5, 1);
  CHECK(step(UNWIND_RULE_SIGNAL, 0, 0) == UNWIND_UNREADABLE);
  start(WORDS - 18, 1);
  CHECK(step(UNWIND_RULE_SIGNAL, 0, 0) == UNWIND_UNREADABLE);

  /* reasons */
  start(10, AT(3));
  CHECK(step(UNWIND_RULE_BP | UNWIND_SAVED_BP, 2, -2) == UNWIND_BAD_FP);
  start(10, AT(8)); /* CFA = sp */
  CHECK(step(UNWIND_RULE_BP, 2, 0) == UNWIND_BAD_FP);
  start(10, ~0ULL - 8);
  CHECK(step(UNWIND_RULE_BP, 2, 0) == UNWIND_BAD_FP);
  start(10, 0);
  CHECK(step(UNWIND_RULE_SP, 0, 0) == UNWIND_SP_NOT_RISING);
  CHECK(step(UNWIND_RULE_SP, -3, 0) == UNWIND_SP_NOT_RISING);
  CHECK(step(UNWIND_RULE_SP, 32767, 0) == UNWIND_UNREADABLE);
  CHECK(step(UNWIND_RULE_SP | UNWIND_SAVED_BP, 32767, -2) == UNWIND_UNREADABLE);
  CHECK(step(UNWIND_RULE_SP_DEREF, 1000, 0) == UNWIND_UNREADABLE);
  CHECK(step(UNWIND_RULE_SP_DEREF, 3, 0) == UNWIND_SP_NOT_RISING);
  stack.words[10] = CALLER;
  CHECK(step(UNWIND_RULE_SP | UNWIND_SAVED_BP, 1, -100) == UNWIND_UNREADABLE);
  stack.words[10] = 1ULL << 60;
  CHECK(step(UNWIND_RULE_SP, 1, 0) == UNWIND_BAD_PC);
  stack.words[10] = 0;
  CHECK(step(UNWIND_RULE_SP, 1, 0) == UNWIND_END_ZERO_PC);
  CHECK(state.pc == CODE && state.sp == AT(10) && state.exact);
}
#else
static void test_machine(void) {
  const unsigned pair = UNWIND_SAVED_BP | UNWIND_SAVED_LR;
  /* a leaf, once; then lr is used up */
  start(10, OLD_BP);
  state.lr = CALLER;
  CHECK(step(UNWIND_RULE_SP, 0, 0) == UNWIND_OK && is_state(CALLER, AT(10), OLD_BP));
  CHECK(stack.reads == 0);
  CHECK(step(UNWIND_RULE_SP, 0, 0) == UNWIND_NO_LR);
  start(10, OLD_BP); /* a leaf with locals */
  state.lr = CALLER;
  CHECK(step(UNWIND_RULE_SP, 4, 0) == UNWIND_OK && is_state(CALLER, AT(14), OLD_BP));
  start(10, AT(77)); /* x29 saved, lr not */
  state.lr = CALLER;
  stack.words[12] = OLD_BP;
  CHECK(step(UNWIND_RULE_SP | UNWIND_SAVED_BP, 4, -2) == UNWIND_OK);
  CHECK(is_state(CALLER, AT(14), OLD_BP));

  /* the usual record; signed; by x29; at the bottom of a large frame; lr alone */
  start(10, AT(77));
  stack.words[10] = OLD_BP, stack.words[11] = CALLER;
  CHECK(step(UNWIND_RULE_SP | pair, 4, -4) == UNWIND_OK);
  CHECK(is_state(CALLER, AT(14), OLD_BP) && stack.reads == 1 && state.lr == 0);
  start(10, AT(20));
  stack.words[20] = OLD_BP, stack.words[21] = CALLER | 0x00ab000000000000ULL;
  CHECK(step(UNWIND_RULE_BP | pair, 4, -4) == UNWIND_OK && is_state(CALLER, AT(24), OLD_BP));
  start(10, AT(77));
  stack.words[11] = OLD_BP, stack.words[12] = CALLER;
  CHECK(step(UNWIND_RULE_SP | pair | UNWIND_SLOT_FROM_BASE, 5000, 1) == UNWIND_OK);
  CHECK(is_state(CALLER, AT(5010), OLD_BP));
  start(10, OLD_BP);
  stack.words[12] = CALLER;
  CHECK(step(UNWIND_RULE_SP | UNWIND_SAVED_LR, 4, -2) == UNWIND_OK);
  CHECK(is_state(CALLER, AT(14), OLD_BP));

  /* a signal frame gives lr back */
  start(50, 1);
  stack.words[118] = OLD_BP, stack.words[119] = CALLER + 8, stack.words[120] = AT(5);
  stack.words[121] = CALLER;
  CHECK(step(UNWIND_RULE_SIGNAL, 0, 0) == UNWIND_OK);
  CHECK(state.pc == CALLER && state.sp == AT(5) && state.bp == OLD_BP && state.exact);
  CHECK(state.lr == CALLER + 8 && stack.reads == 1);
  CHECK(step(UNWIND_RULE_SP, 0, 0) == UNWIND_OK && is_state(CALLER + 8, AT(5), OLD_BP));
  start(WORDS - 50, 1);
  CHECK(step(UNWIND_RULE_SIGNAL, 0, 0) == UNWIND_UNREADABLE);

  /* reasons */
  start(10, AT(3));
  CHECK(step(UNWIND_RULE_BP | pair, 2, -2) == UNWIND_BAD_FP);
  CHECK(step(UNWIND_RULE_SP | pair, 0, -2) == UNWIND_SP_NOT_RISING);
  CHECK(step(UNWIND_RULE_SP, -1, 0) == UNWIND_SP_NOT_RISING);
  CHECK(step(UNWIND_RULE_SP | pair, 1000, -4) == UNWIND_UNREADABLE);
  CHECK(step(UNWIND_RULE_SP | UNWIND_SAVED_LR, 1000, -4) == UNWIND_UNREADABLE);
  state.lr = CALLER;
  CHECK(step(UNWIND_RULE_SP | UNWIND_SAVED_BP, 1000, -4) == UNWIND_UNREADABLE);
  stack.words[13] = 77;
  CHECK(step(UNWIND_RULE_SP | pair, 4, -2) == UNWIND_BAD_PC);
  stack.words[13] = 0;
  CHECK(step(UNWIND_RULE_SP | pair, 4, -2) == UNWIND_END_ZERO_PC);
  CHECK(state.pc == CODE && state.sp == AT(10) && state.exact);
}
#endif

int main(void) {
  test_frame_pointer_steps();
  test_other_stack();
  test_ends();
  test_lookup_pc();
  test_search();
  test_machine();
  printf("%d checks, %d failed\n", checks, failures);
  return failures == 0 ? 0 : 1;
}
