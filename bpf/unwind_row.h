/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef PROFCORE_UNWIND_ROW_H
#define PROFCORE_UNWIND_ROW_H

/* What kernel and host share about unwinding: the row, and why a walk ended. */

#include <linux/types.h>

/*
 * What holds from `pc` to the next row's pc. `pc` is an ELF virtual address minus the table's base.
 * All offsets count words of eight bytes: the s16 reaches 256 KiB of frame either way, and real
 * frames keep to whole words (those that do not become UNWIND_RULE_UNSUPPORTED).
 */
struct unwind_row {
  __u32 pc;
  __s16 cfa;
  __u8 rule;
  __s8 bp;
};
#ifdef __cplusplus
static_assert(sizeof(struct unwind_row) == 8, "rows are shared with the kernel");
#else
_Static_assert(sizeof(struct unwind_row) == 8, "rows are shared with the kernel");
#endif

/*
 * `rule`, bits 0-3: how the canonical frame address (the caller's sp) is found. In the first four,
 * bit 0 chooses the base register (0 sp, 1 frame pointer) and bit 1 one more load.
 */
#define UNWIND_RULE_KIND 0x0fU
#define UNWIND_RULE_SP 0U       /* CFA = sp + 8 * cfa */
#define UNWIND_RULE_BP 1U       /* CFA = bp + 8 * cfa */
#define UNWIND_RULE_SP_DEREF 2U /* CFA = [sp + 8 * cfa] + 8: OpenSSL's aligned frames */
#define UNWIND_RULE_BP_DEREF 3U /* CFA = [bp + 8 * cfa]: gcc's aligned frames */
#define UNWIND_RULE_PLT 4U      /* CFA = sp + 8, and 8 more when (pc & 15) >= cfa (not words) */
#define UNWIND_RULE_SIGNAL 5U   /* a signal frame of the kernel lies at sp */
#define UNWIND_RULE_END 6U      /* the return address is undefined: outermost frame */
#define UNWIND_RULE_GAP                                                                            \
  7U /* no call frame information here: checked frame pointer; cfa 1:                              \
        it may lead to another stack (Go changes stacks in calls) */
#define UNWIND_RULE_UNSUPPORTED 8U /* there is some, but not of a form a row can hold */
/*
 * bits 4-6: what was saved where, for the first five kinds. The slot is CFA + 8 * bp, or with
 * UNWIND_SLOT_FROM_BASE the base register + 8 * bp (a frame record at the bottom of a large frame;
 * gcc's aligned frames).
 *   UNWIND_SAVED_BP  the caller's frame pointer is in the slot; otherwise it is unchanged.
 *   UNWIND_SAVED_LR  aarch64: the return address is in the word after the frame pointer's slot, or
 *                    in the slot itself where no frame pointer was saved. Otherwise it is still in
 *                    lr. On x86-64 it is always at CFA - 8 and the bit is 0.
 * bit 7 is 0.
 */
#define UNWIND_SAVED_BP 0x10U
#define UNWIND_SLOT_FROM_BASE 0x20U
#define UNWIND_SAVED_LR 0x40U

/* Why a walk ended. What is below UNWIND_FIRST_INCOMPLETE reached the root of the stack. */
enum unwind_stop {
  UNWIND_OK = 0,            /* not ended: the state is now the caller's */
  UNWIND_END = 1,           /* a row with undefined return address: _start, clone */
  UNWIND_END_FP = 2,        /* the chain of frame pointers ended in 0 */
  UNWIND_END_ZERO_PC = 3,   /* the return address was 0 */
  UNWIND_NO_TABLE = 4,      /* no row, and the frame pointer does not point into the stack above */
  UNWIND_GAP = 5,           /* the same in a gap between the file's functions */
  UNWIND_UNSUPPORTED = 6,   /* a row that cannot be followed */
  UNWIND_BAD_FP = 7,        /* the row wants the frame pointer, which does not lead upwards */
  UNWIND_UNREADABLE = 8,    /* the stack could not be read (paged out, cut off, or no stack) */
  UNWIND_SP_NOT_RISING = 9, /* the caller's sp would not be above this one */
  UNWIND_BAD_PC = 10,       /* the return address is no address of user space */
  UNWIND_NO_LR = 11,        /* aarch64: the row wants lr, which this frame's callee has used */
  UNWIND_DEPTH = 12,        /* set by callers: more frames than are kept */
  UNWIND_NOT_READY = 13,    /* set by callers: some frame left by frame pointers, its rows not made yet */
  UNWIND_OTHER = 14,        /* set by callers: kernel thread, no user registers ... */
  UNWIND_CUT = 15,          /* set by callers: the stack goes on behind the copy that was made of it */
  UNWIND_STOP_COUNT = 16,
};
#define UNWIND_FIRST_INCOMPLETE UNWIND_NO_TABLE

#endif
