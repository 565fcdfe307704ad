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
  ((const struct unwind_row *)(context) + ((index) & (SAMPLER_CHUNK_SLOTS - 1)))
#define UNWIND_SEARCH_STEPS 8 /* SAMPLER_PAGE_ROWS */
#include "unwind_step.h"

/* A sample while it is made. */
struct working {
  struct unwind_state state;
  __u64 hash;
  __u32 frames; /* of the user stack so far */
  __u32 stop;
  __u32 mapping; /* of the frame before: most often of this one too */
  __u32 hashed;
  __u32 tgid; /* under which the process is known */
  __u32 guessed; /* a frame was left by its frame pointer before its rows were made */
  struct sampler_stack stack;
};
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct working);
} scratch SEC(".maps");

/* Unwind rows, in chunks that are made when they are needed. A chunk is one value, so that a search
 * is arithmetic on a pointer instead of a look-up a step. */
struct chunk_map {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __uint(value_size, SAMPLER_CHUNK_SLOTS * 8);
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, SAMPLER_MOST_CHUNKS);
  __type(key, __u32);
  __array(values, struct chunk_map);
} row_chunks SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, SAMPLER_MAX_FILES);
  __type(key, __u32);
  __type(value, struct sampler_file);
} files SEC(".maps");

/* Nearly every process has few mappings, and short-lived ones above all: so there are two sizes. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 32768);
  __type(key, __u32);
  __type(value, struct sampler_process);
} processes SEC(".maps");

/* Zeros: no mappings. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct sampler_process);
} no_process SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 8192);
  __type(key, __u32);
  __type(value, struct sampler_large_process);
} large_processes SEC(".maps");

static __always_inline int is_user_address(__u64 address) {
  return (__s64)address >= 0;
}

/* What the callback of a loop is given: pointers that were checked once, since a look-up for each
 * frame would cost as much as the frame. All that changes from frame to frame is in `working`, in a
 * map: on the stack the verifier would follow its values from one turn to the next. */
struct walk {
  struct working *working;
  struct sampler_process *process;
};
struct large_walk {
  struct working *working;
  struct sampler_large_process *process;
};

static __always_inline int is_inside(const struct sampler_mapping *mapping, __u64 address) {
  return address - mapping->start < (__u64)mapping->pages << 12;
}

/* The mapping that holds the address, or a null pointer, among `room` of them. The list is filled
 * up with starts above every address, so the search always takes the same steps; each moves by a
 * product, not by a branch or a mask, or the verifier would follow every way through it. */
static __always_inline struct sampler_mapping *
find_mapping(struct sampler_mapping *mappings, const __u32 room, __u64 address, __u32 *last) {
  struct sampler_mapping *mapping = &mappings[*last & (room - 1)];
  if (is_inside(mapping, address)) return mapping;
  __u64 at = 0;
#pragma unroll
  for (__u32 half = room / 2; half > 0; half /= 2) {
    __u64 reached = mappings[(at + half) & (room - 1)].start - address - 1;
    asm volatile("" : "+r"(reached));
    reached >>= 63; /* 1 when the mapping does not start above the address */
    asm volatile("" : "+r"(reached));
    at += half * reached;
  }
  *last = at;
  mapping = &mappings[at & (room - 1)];
  return is_inside(mapping, address) ? mapping : 0;
}

static __always_inline const struct unwind_row *find_row(const struct sampler_file *file,
                                                         __u64 offset) {
  const __u32 zero = 0;
  if (offset >= file->end) return 0;
  const __u32 run = sampler_run_of(file, (__u32)offset);
  const __u32 place = file->place[run];
  const __u32 chunk = sampler_place_chunk(place);
  void *rows = bpf_map_lookup_elem(&row_chunks, &chunk);
  if (rows) rows = bpf_map_lookup_elem(rows, &zero);
  if (!rows) return 0;
  const __u32 word = sampler_index_word(rows, place, (__u32)offset - file->from[run]);
  return unwind_find_row(rows, word & (SAMPLER_CHUNK_SLOTS - 1), word >> 19, (__u32)offset);
}

static __always_inline long step_frame(struct working *working, struct sampler_mapping *mappings,
                                       const __u32 room) {
  if (working->frames >= SAMPLER_MAX_FRAMES) {
    working->stop = UNWIND_DEPTH;
    return 1;
  }
  const __u64 pc = unwind_lookup_pc(&working->state);
  __u64 frame = pc;
  const struct unwind_row *row = 0;
  struct sampler_mapping *mapping = find_mapping(mappings, room, pc, &working->mapping);
  if (mapping) {
    const __u32 number = mapping->file;
    const struct sampler_file *file = bpf_map_lookup_elem(&files, &number);
    if (file && number != SAMPLER_NO_FILE) {
      const __u64 offset = pc - mapping->offset_bias;
      if (file->module != SAMPLER_NO_MODULE)
        frame = SAMPLER_FRAME_IN_MODULE | (__u64)file->module << SAMPLER_FRAME_OFFSET_BITS |
                (offset & SAMPLER_FRAME_OFFSET_MASK);
      row = find_row(file, offset);
      if (!row) working->guessed |= file->waits;
    }
  }
  working->stack.frames[working->frames++ & 127] = frame;
  working->hash = mix(working->hash, frame);
  working->stop = unwind_step(&working->state, row, 0);
  return working->stop != UNWIND_OK;
}
static long step_of_few(__u32 i, void *given) {
  struct walk *walk = given;
  return step_frame(walk->working, walk->process->mappings, SAMPLER_FEW_MAPPINGS);
}
static long step_of_large(__u32 i, void *given) {
  struct large_walk *walk = given;
  return step_frame(walk->working, walk->process->mappings, SAMPLER_MAX_MAPPINGS);
}

#include "unwind_calls.h"

static __always_inline int is_same_start(__u32 a, __u32 b) {
  return !a || !b || a - b + SAMPLER_STARTED_TOLERANCE <= 2 * SAMPLER_STARTED_TOLERANCE;
}

/* The id under which the task's process is known. One that was just forked still is what its parent
 * is: it has the same memory layout, stack and all, until it runs another program. */
static __always_inline __u32 known_as(struct task_struct *task, const struct sampler_key *key) {
  const struct sampler_process *process = bpf_map_lookup_elem(&processes, &key->tgid);
  if (process && is_same_start(process->started, key->started)) return key->tgid;
  struct task_struct *parent = BPF_CORE_READ(task, group_leader, real_parent);
  if (BPF_CORE_READ(parent, mm, start_stack) != BPF_CORE_READ(task, mm, start_stack) ||
      BPF_CORE_READ(parent, mm, start_code) != BPF_CORE_READ(task, mm, start_code))
    return 0;
  return pid_namespace ? id_in_namespace(BPF_CORE_READ(parent, group_leader))
                       : BPF_CORE_READ(parent, tgid);
}

/* Where the kernel left the user's registers, or a null pointer. */
static __always_inline struct pt_regs___kernel *user_registers(struct task_struct *task,
                                                               const int recent) {
  if (recent) return (void *)bpf_task_pt_regs(task);
  if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
    return (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
  /* Before Linux 5.15: at the top of its stack. Whether they are a user's is seen in them. */
  char *stack = BPF_CORE_READ(task, stack);
  struct pt_regs___kernel *registers =
      (void *)(stack + kernel_stack_bytes - bpf_core_type_size(struct pt_regs___kernel));
#if defined(__TARGET_ARCH_x86)
  return (BPF_CORE_READ(registers, cs) & 3) == 3 ? registers : 0;
#else
  return (BPF_CORE_READ(registers, pstate) & 15) == 0 ? registers : 0;
#endif
}

/* False when there are none. */
static __always_inline int read_registers(struct bpf_perf_event_data *ctx, struct task_struct *task,
                                          struct unwind_state *state, const int recent) {
  if (is_user_address(PT_REGS_PC(ctx))) {
#if defined(__TARGET_ARCH_x86)
    state->pc = ctx->regs.rip;
    state->sp = ctx->regs.rsp;
    state->bp = ctx->regs.rbp;
#else
    state->pc = ctx->regs.pc;
    state->sp = ctx->regs.sp;
    state->bp = ctx->regs.regs[29];
    state->lr = ctx->regs.regs[30];
#endif
    return 1;
  }
  struct pt_regs___kernel *regs = user_registers(task, recent);
  if (!regs) return 0;
#if defined(__TARGET_ARCH_x86)
  state->pc = BPF_CORE_READ(regs, ip);
  state->sp = BPF_CORE_READ(regs, sp);
  state->bp = BPF_CORE_READ(regs, bp);
#else
  state->pc = BPF_CORE_READ(regs, pc);
  state->sp = BPF_CORE_READ(regs, sp);
  state->bp = BPF_CORE_READ(regs, regs[29]);
  state->lr = BPF_CORE_READ(regs, regs[30]);
#endif
  return 1;
}

/* A root that was found by skipping who keeps no frame pointer is none. */
static __always_inline void set_stop(struct working *working) {
  const __u32 stop = working->stop;
  const int is_root = stop == UNWIND_END || stop == UNWIND_END_FP || stop == UNWIND_END_ZERO_PC;
  working->stack.stop = is_root && working->guessed ? UNWIND_NOT_READY : stop;
}

static __always_inline __u32 unwind_user(struct bpf_perf_event_data *ctx, struct task_struct *task,
                                         const struct sampler_key *key, struct working *working,
                                         const int recent) {
  working->state.exact = 1;
  working->state.lr = 0;
  working->frames = 0;
  working->mapping = 0;
  working->guessed = 0;
  if (!read_registers(ctx, task, &working->state, recent)) {
    working->stack.stop = UNWIND_OTHER;
    return 0;
  }
  const __u32 tgid = known_as(task, key);
  const __u32 zero = 0;
  struct sampler_process *process = bpf_map_lookup_elem(&processes, &tgid);
  if (!process) {
    add(SAMPLER_UNREGISTERED, 1);
    process = bpf_map_lookup_elem(&no_process, &zero);
    if (!process) return 0;
    working->guessed = 1;
  }
  if (!recent) {
    walk_by_calls(working, tgid);
    set_stop(working);
    return working->frames;
  }
  struct large_walk large = {working, 0};
  if (process->count > SAMPLER_FEW_MAPPINGS)
    large.process = bpf_map_lookup_elem(&large_processes, &tgid);
  if (large.process) {
    bpf_loop(SAMPLER_MAX_FRAMES + 1, step_of_large, &large, 0);
  } else {
    struct walk walk = {working, process};
    bpf_loop(SAMPLER_MAX_FRAMES + 1, step_of_few, &walk, 0);
  }
  set_stop(working);
  return working->frames;
}

#endif
