/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The user stack of the task at hand: finds the mapping of each pc, writes the frame, and steps. */
#ifndef PROFCORE_BPF_UNWIND_USER_H
#define PROFCORE_BPF_UNWIND_USER_H

#if defined(__TARGET_ARCH_x86)
#define PT_REGS_PC(ctx) ((ctx)->regs.rip)
#else
#define PT_REGS_PC(ctx) ((ctx)->regs.pc)
#endif

#define UNWIND_READ(context, address, destination)                                                 \
  bpf_probe_read_user(destination, sizeof *(destination), (void *)(address))
#define UNWIND_ROW(context, index)                                                                 \
  ((const struct unwind_row *)(context) + ((index) & (SAMPLER_CHUNK_ROWS - 1)))
#define UNWIND_SEARCH_STEPS 19 /* a chunk */
#include "unwind_step.h"

/* Unwind rows, in chunks that are made when they are needed. A chunk is one value, so that a search
 * is arithmetic on a pointer instead of twenty look-ups. */
struct chunk_map {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __uint(value_size, SAMPLER_CHUNK_ROWS * 8);
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 1024);
  __type(key, __u32);
  __array(values, struct chunk_map);
} row_chunks SEC(".maps");

static __always_inline int is_user_address(__u64 address) {
  return (__s64)address >= 0;
}

struct walk {
  struct unwind_state state;
  __u32 tgid;
  __u32 frames;
  __u32 stop;
  __u32 mapping; /* of the frame before: most often of this one too */
};

/* The mapping that holds the address, or a null pointer. The list is filled up with starts above
 * every address, so the search always takes the same steps; each moves by a product, not by a
 * branch or a mask, or the verifier would follow every way through it. */
static __always_inline struct sampler_mapping *find_mapping(struct sampler_process *process,
                                                            __u64 address, __u32 *last) {
  struct sampler_mapping *mapping = &process->mappings[*last & (SAMPLER_MAX_MAPPINGS - 1)];
  if (address >= mapping->start && address < mapping->end) return mapping;
  __u64 at = 0;
#pragma unroll
  for (__u32 half = SAMPLER_MAX_MAPPINGS / 2; half > 0; half /= 2) {
    __u64 reached = process->mappings[(at + half) & (SAMPLER_MAX_MAPPINGS - 1)].start - address - 1;
    asm volatile("" : "+r"(reached));
    reached >>= 63; /* 1 when the mapping does not start above the address */
    asm volatile("" : "+r"(reached));
    at += half * reached;
  }
  *last = at;
  mapping = &process->mappings[at & (SAMPLER_MAX_MAPPINGS - 1)];
  return address >= mapping->start && address < mapping->end ? mapping : 0;
}

static long step_frame(__u32 i, void *given) {
  struct walk *walk = given;
  __u32 zero = 0;
  struct sampler_stack *stack = bpf_map_lookup_elem(&scratch, &zero);
  if (!stack) return 1;
  if (walk->frames >= SAMPLER_MAX_FRAMES) {
    walk->stop = UNWIND_DEPTH;
    return 1;
  }
  const __u64 pc = unwind_lookup_pc(&walk->state);
  __u64 frame = pc;
  struct sampler_mapping *mapping = 0;
  const struct unwind_row *row = 0;
  struct sampler_process *process = bpf_map_lookup_elem(&processes, &walk->tgid);
  if (process) mapping = find_mapping(process, pc, &walk->mapping);
  if (mapping) {
    frame = SAMPLER_FRAME_IN_MODULE | (__u64)mapping->module << SAMPLER_FRAME_OFFSET_BITS |
            ((pc - mapping->offset_bias) & SAMPLER_FRAME_OFFSET_MASK);
    if (mapping->row_count) {
      const __u32 chunk = mapping->chunk;
      void *rows = bpf_map_lookup_elem(&row_chunks, &chunk);
      if (rows) rows = bpf_map_lookup_elem(rows, &zero);
      if (rows)
        row = unwind_find_row(rows, mapping->first_row, mapping->row_count,
                              (__u32)(pc - mapping->row_bias));
    }
  }
  stack->frames[walk->frames++ & 127] = frame;
  walk->stop = unwind_step(&walk->state, row, 0);
  return walk->stop != UNWIND_OK;
}

static __always_inline __u32 unwind_user(struct bpf_perf_event_data *ctx, struct task_struct *task,
                                         __u32 tgid, struct sampler_stack *stack) {
  struct walk walk = {.tgid = tgid};
  walk.state.exact = 1;
  if (is_user_address(PT_REGS_PC(ctx))) {
#if defined(__TARGET_ARCH_x86)
    walk.state.pc = ctx->regs.rip;
    walk.state.sp = ctx->regs.rsp;
    walk.state.bp = ctx->regs.rbp;
#else
    walk.state.pc = ctx->regs.pc;
    walk.state.sp = ctx->regs.sp;
    walk.state.bp = ctx->regs.regs[29];
    walk.state.lr = ctx->regs.regs[30];
#endif
  } else {
    struct pt_regs___kernel *regs = (void *)bpf_task_pt_regs(task);
#if defined(__TARGET_ARCH_x86)
    walk.state.pc = BPF_CORE_READ(regs, ip);
    walk.state.sp = BPF_CORE_READ(regs, sp);
    walk.state.bp = BPF_CORE_READ(regs, bp);
#else
    walk.state.pc = BPF_CORE_READ(regs, pc);
    walk.state.sp = BPF_CORE_READ(regs, sp);
    walk.state.bp = BPF_CORE_READ(regs, regs[29]);
    walk.state.lr = BPF_CORE_READ(regs, regs[30]);
#endif
  }
  if (!bpf_map_lookup_elem(&processes, &tgid)) add(SAMPLER_UNREGISTERED, 1);
  bpf_loop(SAMPLER_MAX_FRAMES + 1, step_frame, &walk, 0);
  stack->stop = walk.stop;
  return walk.frames;
}

#endif
