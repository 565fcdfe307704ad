/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Where the unwind rows of a file lie, and how the few that may hold for a place are found. */
#ifndef PROFCORE_BPF_ROW_INDEX_H
#define PROFCORE_BPF_ROW_INDEX_H

/*
 * Rows lie in chunks. A search over a whole table would miss the cache at nearly every step, and a
 * stack of twenty frames has twenty of them. So every run of rows comes with an index: one word for
 * each page of 256 bytes or more of the file's code, with the first row that holds in it and how
 * many there are. A look-up is one read there and a search among some eight rows. The index costs
 * four bytes for each page, a tenth of what the rows take.
 *
 * A run is in one chunk; long tables are several runs, cut where a page begins. The first row of a
 * page may begin before it.
 */

#include "unwind_row.h"

#include <linux/types.h>

/* Slots of eight bytes in a chunk, a row or two words of an index each: 4 MiB, the largest value of
 * old kernels. */
#define SAMPLER_CHUNK_SLOTS (1U << 19)
#define SAMPLER_RUNS 6 /* of a file: three million rows */
#define SAMPLER_LEAST_PAGE_SHIFT 8
#define SAMPLER_PAGE_SHIFTS 8    /* shifts from the least on */
#define SAMPLER_PAGE_ROWS 256    /* that a page has at most: eight steps of a search */
#define SAMPLER_MOST_CHUNKS 1024 /* bits of a place */
#define SAMPLER_NO_MODULE (~0U)  /* anonymous memory with rows: frames keep their addresses */

#define SAMPLER_MAX_FILES 16384 /* mapped at the same time */
#define SAMPLER_NO_FILE 0       /* number of the file that stands for none */

/* A file that is mapped for execution, as the program knows it. All offsets are in the file. */
struct sampler_file {
  __u32 from[SAMPLER_RUNS];  /* where each run begins; what is not there begins at the very end */
  __u32 place[SAMPLER_RUNS]; /* chunk << 22 | (page shift - 8) << 19 | first slot, of the index */
  __u32 end;                 /* of the last run; 0: no rows, frame pointers only */
  __u32 module;              /* the number in frames, or SAMPLER_NO_MODULE */
  __u32 waits;               /* 1: rows may come */
  __u32 zero;                /* also keeps place[7] inside */
};

static inline __attribute__((always_inline, unused)) __u32 sampler_place(__u32 chunk, __u32 shift,
                                                                         __u32 slot) {
  return chunk << 22 | (shift - SAMPLER_LEAST_PAGE_SHIFT) << 19 | slot;
}
static inline __attribute__((always_inline, unused)) __u32 sampler_place_chunk(__u32 place) {
  return place >> 22;
}

/* The run that holds `offset`, which is below `end`; no branches, as for all searches here. */
static inline __attribute__((always_inline, unused)) __u32
sampler_run_of(const struct sampler_file *file, __u32 offset) {
  __u32 run = 0;
  int i;
#if defined(__clang__)
#pragma unroll
#endif
  for (i = 1; i < SAMPLER_RUNS; ++i) {
    __u64 reached = (__u64)file->from[i] - offset - 1;
    __asm__ volatile("" : "+r"(reached));
    run += (__u32)(reached >> 63);
  }
  return run & 7;
}

/* The index word of a place, `inside` bytes into its run: the first row's slot in the low 19 bits,
 * the number of rows above. */
static inline __attribute__((always_inline, unused)) __u32
sampler_index_word(const void *chunk, __u32 place, __u32 inside) {
  const __u32 shift = ((place >> 19) & (SAMPLER_PAGE_SHIFTS - 1)) + SAMPLER_LEAST_PAGE_SHIFT;
  const __u32 at = 2 * (place & (SAMPLER_CHUNK_SLOTS - 1)) + (inside >> shift);
  return ((const __u32 *)chunk)[at & (2 * SAMPLER_CHUNK_SLOTS - 1)];
}

#endif
