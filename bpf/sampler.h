/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the BPF program and the library share: map keys and values. No padding, sizes asserted. */
#ifndef PROFCORE_BPF_SAMPLER_H
#define PROFCORE_BPF_SAMPLER_H

#include "row_index.h"

#include <linux/types.h>

#define SAMPLER_MAX_FRAMES 127   /* of each side, user and kernel */
#define SAMPLER_FEW_MAPPINGS 16  /* of most processes: powers of two */
#define SAMPLER_MAX_MAPPINGS 256 /* of any */
#define SAMPLER_COMM 16

/* A user frame. Inside a known mapping: this bit, the module's number, the offset in its file (so
 * that equal stacks of several processes are equal); else the address as it is. */
#define SAMPLER_FRAME_IN_MODULE (1ULL << 62)
#define SAMPLER_FRAME_OFFSET_BITS 40
#define SAMPLER_FRAME_OFFSET_MASK ((1ULL << SAMPLER_FRAME_OFFSET_BITS) - 1)
#define SAMPLER_FRAME_MODULE_MASK ((1ULL << (62 - SAMPLER_FRAME_OFFSET_BITS)) - 1)

/* One executable mapping of a file. Rows are told for the file, not here: a process is known at
 * once, and its files' rows when they are made. */
struct sampler_mapping {
  __u64 start;
  __u64 offset_bias; /* address - offset_bias is the offset in the file */
  __u32 pages;       /* of 4 KiB */
  __u32 file;        /* in `files` */
};

/* By start; the rest starts above every address, so that a search needs no count. */
struct sampler_process {
  __u32 started; /* SAMPLER_STARTED; 0: not known */
  __u32 count;   /* above SAMPLER_FEW_MAPPINGS: the mappings are in `large_processes` */
  struct sampler_mapping mappings[SAMPLER_FEW_MAPPINGS];
};
struct sampler_large_process {
  struct sampler_mapping mappings[SAMPLER_MAX_MAPPINGS];
};

/* A process's start, in units of 2 ** 20 nanoseconds since boot: tells those apart that had the
 * same id one after the other. Sources differ by scheduling and by a clock's tick, but no id comes
 * again so soon. */
#define SAMPLER_STARTED(nanoseconds) ((__u32)((nanoseconds) >> 20))
#define SAMPLER_STARTED_TOLERANCE 1000U

/* What is counted. */
struct sampler_key {
  __u32 tgid; /* 0: of none in the library's pid namespace */
  __u32 tid;
  __u64 stack;   /* hash of a sampler_stack's frames */
  __u32 cpu;     /* ~0: not told apart */
  __u32 started; /* of the process: SAMPLER_STARTED */
};
struct sampler_count {
  __u64 samples;
  __u64 nanoseconds; /* that they stand for, each by the frequency at which it was taken */
  __u32 is_sent;     /* the stack has gone up */
  __u32 zero;
  char comm[SAMPLER_COMM];
  char process_comm[SAMPLER_COMM];
};

/* A stack that is new in this window, through the ring buffer; only the frames that there are
 * travel. */
struct sampler_stack {
  __u64 hash;
  __u32 tgid;
  __u16 user_frames;   /* leaf first, at the front of `frames` */
  __u16 kernel_frames; /* leaf first, behind them */
  __u8 stop;           /* enum unwind_stop */
  __u8 zero[3];
  __u32 window;
  __u64 frames[2 * SAMPLER_MAX_FRAMES];
};
#define SAMPLER_STACK_HEAD 24

/* Counters of the program, each the sum over CPUs. */
enum sampler_counter {
  SAMPLER_TAKEN,        /* samples of a target */
  SAMPLER_IDLE,         /* the idle task: not a sample */
  SAMPLER_LOST_RING,    /* no room for a new stack */
  SAMPLER_LOST_COUNTS,  /* no room in the table of counts */
  SAMPLER_OUTSIDE,      /* of those taken: tasks outside the library's pid namespace */
  SAMPLER_UNREGISTERED, /* the process was not known: frame pointers only */
  SAMPLER_UNWIND_NANOSECONDS,
  SAMPLER_COUNTERS
};
#define SAMPLER_STOPS 32 /* counters of enum unwind_stop, behind the others */

#ifdef __cplusplus
static_assert(sizeof(struct sampler_mapping) == 24 && sizeof(struct sampler_file) == 64 &&
                  sizeof(struct sampler_key) == 24 && sizeof(struct sampler_count) == 56 &&
                  sizeof(struct sampler_stack) == SAMPLER_STACK_HEAD + 8 * 2 * SAMPLER_MAX_FRAMES,
              "no padding");
#endif
#endif
