/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the BPF program and the library share: map keys and values. No padding, sizes asserted. */
#ifndef PROFCORE_BPF_SAMPLER_H
#define PROFCORE_BPF_SAMPLER_H

#include <linux/types.h>

#define SAMPLER_MAX_FRAMES 127   /* of each side, user and kernel */
#define SAMPLER_MAX_MAPPINGS 256 /* of a process: a power of two */
/* Unwind rows of a chunk: 4 MiB, the largest value of old kernels. */
#define SAMPLER_CHUNK_ROWS (1 << 19)
#define SAMPLER_COMM 16

/* A user frame. Inside a known mapping: this bit, the module's number, the offset in its file (so
 * that equal stacks of several processes are equal); else the address as it is. */
#define SAMPLER_FRAME_IN_MODULE (1ULL << 62)
#define SAMPLER_FRAME_OFFSET_BITS 40
#define SAMPLER_FRAME_OFFSET_MASK ((1ULL << SAMPLER_FRAME_OFFSET_BITS) - 1)
#define SAMPLER_FRAME_MODULE_MASK ((1ULL << (62 - SAMPLER_FRAME_OFFSET_BITS)) - 1)

/* One executable mapping. `address - offset_bias` is the offset in the file, `address - row_bias`
 * the pc of the unwind rows `first_row ... first_row + row_count` of a chunk. */
struct sampler_mapping {
  __u64 start;
  __u64 end;
  __u64 offset_bias;
  __u64 row_bias;
  __u32 module;
  __u32 chunk;
  __u32 first_row;
  __u32 row_count; /* 0: no rows, frame pointers only */
};

/* By start; the rest starts above every address, so that a search needs no count. */
struct sampler_process {
  struct sampler_mapping mappings[SAMPLER_MAX_MAPPINGS];
};

/* What is counted. */
struct sampler_key {
  __u32 tgid;
  __u32 tid;
  __u64 stack; /* hash of a sampler_stack's frames */
  __u32 cpu;   /* ~0: not told apart */
  __u32 zero;
};
struct sampler_count {
  __u64 samples;
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
  SAMPLER_UNREGISTERED, /* the process was not known: frame pointers only */
  SAMPLER_UNWIND_NANOSECONDS,
  SAMPLER_COUNTERS
};
#define SAMPLER_STOPS 32 /* counters of enum unwind_stop, behind the others */

#ifdef __cplusplus
static_assert(sizeof(struct sampler_mapping) == 48 && sizeof(struct sampler_key) == 24 &&
                  sizeof(struct sampler_count) == 40 &&
                  sizeof(struct sampler_stack) == SAMPLER_STACK_HEAD + 8 * 2 * SAMPLER_MAX_FRAMES,
              "no padding");
#endif
#endif
