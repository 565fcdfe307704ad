/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef PROFCORE_UNWIND_STEP_H
#define PROFCORE_UNWIND_STEP_H

/*
 * One step up a stack without frame pointers: the same text for the kernel (clang -target bpf) and
 * for the host. User space turns a file's call frame information into sorted rows of eight bytes;
 * a step finds the row of a pc and from it the caller's pc, sp and frame pointer, by one or two
 * reads of the stack. Plain C without a library, loops, signed division or recursion, because the
 * verifier walks every path.
 *
 * The rows and the reasons to stop are in unwind_row.h. Before including this file, define
 *   UNWIND_ARCH_X86_64 or UNWIND_ARCH_AARCH64   as 1: whose registers and signal frames these are
 *                                               (without either: the machine compiled for);
 *   UNWIND_READ(context, address, destination)  reads sizeof *(destination) bytes of the sampled
 *                                               process at `address`; 0 when all were read;
 *   UNWIND_ROW(context, index)                  only for unwind_find_row: a pointer to const struct
 *                                               unwind_row, or NULL.
 *
 * How a caller walks (`lookup` is the includer's own: mapping, then unwind_find_row):
 *   struct unwind_state state = {.pc = ip, .sp = sp, .bp = bp, .lr = lr, .exact = 1};
 *   do {
 *     emit(state.pc);
 *     row = lookup(unwind_lookup_pc(&state));       NULL: no mapping, anonymous, or no table
 *     stop = unwind_step(&state, row, context);
 *   } while (stop == UNWIND_OK && --depth);
 */

#include "unwind_row.h"

#if !defined(UNWIND_ARCH_X86_64) && !defined(UNWIND_ARCH_AARCH64)
#if defined(__aarch64__) || defined(__TARGET_ARCH_arm64)
#define UNWIND_ARCH_AARCH64 1
#else
#define UNWIND_ARCH_X86_64 1
#endif
#endif

#define UNWIND_INLINE static inline __attribute__((always_inline, unused))

#if defined(__clang__)
#define UNWIND_UNROLL _Pragma("unroll")
#else
#define UNWIND_UNROLL
#endif

struct unwind_state {
  __u64 pc;
  __u64 sp;
  __u64 bp;    /* rbp, x29 */
  __u64 lr;    /* x30 while it may hold a return address, else 0; unused on x86-64 */
  __u64 exact; /* 1: pc is an instruction that was interrupted (first frame, frame under a signal);
                  0: pc is a return address, and the call is the instruction before it */
};

/* How far above sp a frame pointer may point. */
#define UNWIND_MAX_FP_DISTANCE (1U << 20)

/* The address whose row describes this frame: of the call, not of what follows it, which may be
 * another function when the call never returns. */
UNWIND_INLINE __u64 unwind_lookup_pc(const struct unwind_state *state) {
  return state->pc - (state->exact ^ 1);
}

/* Checks a return address and makes it the state. */
UNWIND_INLINE int unwind_return_to(struct unwind_state *state, __u64 pc, __u64 sp, __u64 bp) {
#if defined(UNWIND_ARCH_AARCH64)
  pc &= ~0ULL >> 16; /* signed return addresses: bits above 48 are the signature */
#endif
  if (pc == 0) return UNWIND_END_ZERO_PC;
  if (pc < 4096 || pc >> 48 != 0) return UNWIND_BAD_PC;
  state->pc = pc;
  state->sp = sp;
  state->bp = bp;
  state->lr = 0;
  state->exact = 0;
  return UNWIND_OK;
}

/* Without a row: {caller's frame pointer, return address} at the frame pointer, if that points into
 * the stack above; `implausible` is returned when it does not. A first frame that has not set it up
 * yet, or never does, loses its caller: that cannot be seen from here. */
UNWIND_INLINE int unwind_step_fp(struct unwind_state *state, __u64 farthest, int implausible,
                                 void *context) {
  (void)context;
  __u64 record[2];
  const __u64 bp = state->bp;
  if (bp == 0 && !state->exact) return UNWIND_END_FP;
  if (bp + 8 - state->sp > farthest || (bp & 7) != 0) return implausible;
  if (UNWIND_READ(context, bp, &record) != 0) return UNWIND_UNREADABLE;
  return unwind_return_to(state, record[1], bp + 16, record[0]);
}

/* The interrupted registers, which the kernel left in the frame. The interrupted stack may be
 * another one, so sp need not rise. */
UNWIND_INLINE int unwind_step_signal(struct unwind_state *state, void *context) {
  (void)context;
#if defined(UNWIND_ARCH_X86_64)
  /* ucontext is at sp, since the handler's return popped the word before; rbp, then rsp and rip. */
  __u64 bp;
  __u64 sp_pc[2];
  int stop;
  if (UNWIND_READ(context, state->sp + 120, &bp) != 0) return UNWIND_UNREADABLE;
  if (UNWIND_READ(context, state->sp + 160, &sp_pc) != 0) return UNWIND_UNREADABLE;
  stop = unwind_return_to(state, sp_pc[1], sp_pc[0], bp);
#else
  /* siginfo (128 bytes), then ucontext with x29, x30, sp and pc side by side. */
  __u64 registers[4];
  int stop;
  if (UNWIND_READ(context, state->sp + 544, &registers) != 0) return UNWIND_UNREADABLE;
  stop = unwind_return_to(state, registers[3], registers[2], registers[0]);
  state->lr = registers[1];
#endif
  state->exact = 1;
  return stop;
}

/*
 * From a frame to its caller. `row` may be NULL. On anything but UNWIND_OK the walk is over, and
 * pc, sp and bp are still the last frame's.
 */
UNWIND_INLINE int unwind_step(struct unwind_state *state, const struct unwind_row *row,
                              void *context) {
  __u64 word[2];
  __u64 base, cfa, slot, pc, bp;
  __u32 rule, kind;
  if (!row) return unwind_step_fp(state, UNWIND_MAX_FP_DISTANCE, UNWIND_NO_TABLE, context);
  rule = row->rule;
  kind = rule & UNWIND_RULE_KIND;
  bp = state->bp;
  if (kind <= UNWIND_RULE_BP_DEREF) {
    base = (kind & 1U) ? bp : state->sp;
    /* Two's complement without a signed shift or division. */
    cfa = base + ((__u64)(__s64)row->cfa << 3);
    if (kind & 2U) {
      if (UNWIND_READ(context, cfa, &word[0]) != 0) return UNWIND_UNREADABLE;
      cfa = word[0] + ((kind & 1U) ? 0 : 8);
    }
  } else if (kind == UNWIND_RULE_PLT) {
    base = state->sp;
    cfa = base + 8 + ((state->pc & 15) >= (__u64)(__u16)row->cfa ? 8 : 0);
  } else if (kind == UNWIND_RULE_GAP) {
    return unwind_step_fp(state, row->cfa ? ~0ULL : UNWIND_MAX_FP_DISTANCE, UNWIND_GAP, context);
  } else if (kind == UNWIND_RULE_SIGNAL) {
    return unwind_step_signal(state, context);
  } else {
    return kind == UNWIND_RULE_END ? UNWIND_END : UNWIND_UNSUPPORTED;
  }
  slot = ((rule & UNWIND_SLOT_FROM_BASE) ? base : cfa) + ((__u64)(__s64)row->bp << 3);

#if defined(UNWIND_ARCH_X86_64)
  if (cfa - state->sp - 8 >= 1ULL << 47) /* not above sp */
    return (kind & 1U) ? UNWIND_BAD_FP : UNWIND_SP_NOT_RISING;
  if ((rule & UNWIND_SAVED_BP) && slot == cfa - 16) {
    if (UNWIND_READ(context, slot, &word) != 0) return UNWIND_UNREADABLE;
    bp = word[0];
    pc = word[1];
  } else {
    if (UNWIND_READ(context, cfa - 8, &pc) != 0) return UNWIND_UNREADABLE;
    if ((rule & UNWIND_SAVED_BP) && UNWIND_READ(context, slot, &bp) != 0) return UNWIND_UNREADABLE;
  }
#else
  if (rule & UNWIND_SAVED_LR) {
    if (cfa - state->sp - 1 >= 1ULL << 48)
      return (kind & 1U) ? UNWIND_BAD_FP : UNWIND_SP_NOT_RISING;
    if (rule & UNWIND_SAVED_BP) {
      if (UNWIND_READ(context, slot, &word) != 0) return UNWIND_UNREADABLE;
      bp = word[0];
      pc = word[1];
    } else {
      if (UNWIND_READ(context, slot, &pc) != 0) return UNWIND_UNREADABLE;
    }
  } else {
    /* A leaf: lr is used up by it, so a loop of such rows ends at the second. */
    if (cfa - state->sp >= 1ULL << 48) return UNWIND_SP_NOT_RISING;
    if (state->lr == 0) return UNWIND_NO_LR;
    pc = state->lr;
    if ((rule & UNWIND_SAVED_BP) && UNWIND_READ(context, slot, &bp) != 0) return UNWIND_UNREADABLE;
  }
#endif
  return unwind_return_to(state, pc, cfa, bp);
}

#if defined(UNWIND_ROW)
/* 2 ** 20 rows: the searched range is halved a fixed number of times. */
#ifndef UNWIND_SEARCH_STEPS
#define UNWIND_SEARCH_STEPS 20
#endif
/*
 * The last row whose pc is not above `pc`, among `count` rows from index `first` on; NULL when
 * there is none or a row cannot be fetched. Tables of more than 2 ** UNWIND_SEARCH_STEPS rows have
 * to be cut in two by the caller.
 *
 * Each step is straight code: the comparison becomes a factor of 0 or 1 through the sign of a
 * 64-bit difference. The empty asms keep the compiler from turning that back into a branch, of
 * which the verifier would have to follow every combination; a mask of 0 or -1 would not do, as
 * newer kernels take an AND with one for a branch.
 */
UNWIND_INLINE const struct unwind_row *unwind_find_row(void *context, __u32 first, __u32 count,
                                                       __u32 pc) {
  const struct unwind_row *row;
  __u32 base = first;
  __u32 left = count;
  int step;
  (void)context;
  if (count == 0) return (const struct unwind_row *)0;
  UNWIND_UNROLL
  for (step = 0; step < UNWIND_SEARCH_STEPS; ++step) {
    const __u32 half = left >> 1;
    __u64 reached;
    row = UNWIND_ROW(context, base + half);
    if (!row) return row;
    reached = (__u64)row->pc - pc - 1;
    __asm__ volatile("" : "+r"(reached));
    reached >>= 63; /* 1 when row->pc <= pc */
    __asm__ volatile("" : "+r"(reached));
    base += half * (__u32)reached;
    left -= half;
  }
  row = UNWIND_ROW(context, base);
  if (row && row->pc > pc) return (const struct unwind_row *)0;
  return row;
}
#endif

#endif
