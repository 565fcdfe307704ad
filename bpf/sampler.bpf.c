// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// One sample per tick of a CPU's clock: the task's user and kernel stack, counted here.
//
// A stack travels to user space once per window, when its hash is new; after that a sample costs
// two look-ups and an addition, and no data. There are two sets of tables: while one fills, user
// space drains the other, and `window` says which is which; before it drains, it waits for those
// programs that found the old one (RunningPrograms). Frames inside known mappings are written as
// {module, offset in the file}, so that a stack stays what it was when the process has gone or has
// run another program.

#include "sampler.h"

#include "core.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile __u32 only_targets = 0; /* sample only the processes in `targets` */
const volatile __u32 only_cgroup = 0;  /* sample only what is in or below `cgroups[0]` */
const volatile __u32 per_cpu = 0;      /* tell CPUs apart */
const volatile __u32 kernel_stacks = 1;
const volatile __u32 user_stacks = 1;
/* Where the library is not in the first pid namespace: the number of its own. It knows processes by
 * their ids there. */
const volatile __u32 pid_namespace = 0;
const volatile __u32 linger = 0; /* for tests: rounds that a sample takes before it is counted */
const volatile __u32 kernel_stack_bytes = 16384; /* of a task in the kernel; see user_registers */

volatile __u32 window = 0;
volatile __u64 period_ns = 0; /* from one tick of a CPU to the next */

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16384);
  __type(key, __u32);
  __type(value, __u32);
} targets SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
  __uint(max_entries, 1);
  __uint(key_size, 4);
  __uint(value_size, 4);
} cgroups SEC(".maps");

struct counts {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16384);
  __type(key, struct sampler_key);
  __type(value, struct sampler_count);
};
struct counts counts_even SEC(".maps");
struct counts counts_odd SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 20);
} stacks SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, SAMPLER_COUNTERS + SAMPLER_STOPS);
  __type(key, __u32);
  __type(value, __u64);
} counters SEC(".maps");

struct tick {
  __u64 time;
  __u64 period;
};
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct tick);
} last_tick SEC(".maps");

static __always_inline void add(__u32 counter, __u64 much) {
  __u64 *value = bpf_map_lookup_elem(&counters, &counter);
  if (value) *value += much;
}

/* How long this tick stands for: the period. A change of the period starts the clock anew, so that
 * the first tick after it stands for what has gone by. */
static __always_inline __u64 time_of_tick(void) {
  __u32 zero = 0;
  const __u64 period = period_ns;
  const __u64 now = bpf_ktime_get_ns();
  __u64 stands_for = period;
  struct tick *last = bpf_map_lookup_elem(&last_tick, &zero);
  if (!last) return period;
  if (last->period != period) {
    const __u64 most = last->period + period;
    if (last->period) stands_for = now - last->time;
    if (stands_for > most) stands_for = most; /* the clock stood still meanwhile */
    last->period = period;
  }
  last->time = now;
  return stands_for;
}

/* The task's id in the library's pid namespace, 0: it is not in there. bpf_get_ns_current_pid_tgid
 * would know only those whose innermost namespace that is. */
static __always_inline __u32 id_in_namespace(struct task_struct *task) {
  struct pid *ids = BPF_CORE_READ(task, thread_pid);
  if (!ids) return 0; /* it has all but ended */
  const __u32 innermost = BPF_CORE_READ(ids, level);
  const void *id = (const void *)ids + bpf_core_field_offset(struct pid, numbers);
  for (__u32 level = 0; level < MAX_PID_NAMESPACES && level <= innermost; ++level) {
    const struct upid *here = id;
    if (BPF_CORE_READ(here, ns, ns.inum) == pid_namespace) return BPF_CORE_READ(here, nr);
    id += bpf_core_type_size(struct upid);
  }
  return 0;
}

static __always_inline __u64 mix(__u64 hash, __u64 frame) {
  hash ^= frame;
  hash *= 0xff51afd7ed558ccdULL;
  return hash ^ (hash >> 32);
}

#include "unwind_user.h"

static long hash_kernel_frame(__u32 i, void *given) {
  struct working *working = *(struct working **)given;
  if (working->hashed >= 2 * SAMPLER_MAX_FRAMES) return 1;
  working->hash = mix(working->hash, working->stack.frames[working->hashed++]);
  return 0;
}

static long do_nothing(__u32 i, void *given) {
  return 0;
}

/* 1 when it went up; else the next sample tries again. */
static __always_inline __u32 send_stack(struct sampler_stack *stack) {
  __u32 frames = stack->user_frames + stack->kernel_frames;
  if (frames > 2 * SAMPLER_MAX_FRAMES) return 0;
  __u64 flags = bpf_ringbuf_query(&stacks, BPF_RB_AVAIL_DATA) > (1 << 18) ? BPF_RB_FORCE_WAKEUP
                                                                          : BPF_RB_NO_WAKEUP;
  if (bpf_ringbuf_output(&stacks, stack, SAMPLER_STACK_HEAD + 8 * frames, flags) == 0) return 1;
  add(SAMPLER_LOST_RING, 1);
  return 0;
}

/* A stack travels with the first sample of its key in a window. */
static __always_inline void count_sample(void *counts, const struct sampler_key *key,
                                         struct task_struct *task, struct sampler_stack *stack,
                                         __u64 nanoseconds) {
  struct sampler_count *known = bpf_map_lookup_elem(counts, key);
  if (!known) {
    struct sampler_count fresh = {.samples = 1, .nanoseconds = nanoseconds};
    bpf_get_current_comm(fresh.comm, sizeof fresh.comm);
    struct task_struct *leader = BPF_CORE_READ(task, group_leader);
    bpf_core_read_str(fresh.process_comm, sizeof fresh.process_comm, &leader->comm);
    fresh.is_sent = send_stack(stack);
    if (bpf_map_update_elem(counts, key, &fresh, BPF_NOEXIST) == 0) return;
    known = bpf_map_lookup_elem(counts, key); /* another CPU was first, or there is no room */
    if (!known) {
      add(SAMPLER_LOST_COUNTS, 1);
      return;
    }
  }
  __sync_fetch_and_add(&known->samples, 1);
  __sync_fetch_and_add(&known->nanoseconds, nanoseconds);
  if (!known->is_sent) known->is_sent = send_stack(stack);
}

/* `recent`: as from Linux 5.17 on, when bpf_loop came. Tasks are read by copies there, too: for
 * every pointer that is followed out of a trusted one the verifier compares the names of all the
 * kernel's types, 15 ms in all. */
static __always_inline int sample(struct bpf_perf_event_data *ctx, const int recent) {
  /* First of all: what is counted as taken is in the window that it found, or in one before. */
  const __u32 at_window = window;
  const __u64 nanoseconds = time_of_tick();
  __u64 id = bpf_get_current_pid_tgid();
  struct sampler_key key = {.tgid = id >> 32, .tid = (__u32)id, .cpu = ~0U};
  if (key.tid == 0) {
    add(SAMPLER_IDLE, 1);
    return 0;
  }
  struct task_struct *task =
      (void *)(recent ? (__u64)bpf_get_current_task_btf() : bpf_get_current_task());
  if (pid_namespace) {
    key.tgid = id_in_namespace(BPF_CORE_READ(task, group_leader));
    key.tid = key.tgid ? id_in_namespace(task) : 0;
  }
  if (only_targets && !bpf_map_lookup_elem(&targets, &key.tgid)) return 0;
  if (only_cgroup && bpf_current_task_under_cgroup(&cgroups, 0) != 1) return 0;
  add(SAMPLER_TAKEN, 1);
  if (key.tgid == 0) add(SAMPLER_OUTSIDE, 1);
  if (per_cpu) key.cpu = bpf_get_smp_processor_id();

  __u32 zero = 0;
  struct working *working = bpf_map_lookup_elem(&scratch, &zero);
  if (!working) return 0;
  struct sampler_stack *stack = &working->stack;
  __u64 began = bpf_ktime_get_ns();
  stack->tgid = key.tgid;
  stack->window = at_window;
  stack->stop = 0;
  stack->kernel_frames = 0;
  stack->user_frames = 0;
  working->hash = 0;
  if (key.tgid) key.started = SAMPLER_STARTED(BPF_CORE_READ(task, group_leader, start_boottime));

  __u32 user_frames = 0;
  /* Kernel threads have no user stack, tasks that exit none any more; of those outside the
   * namespace nothing is known. */
  if (user_stacks && key.tgid && !(BPF_CORE_READ(task, flags) & PF_KTHREAD) &&
      BPF_CORE_READ(task, mm))
    user_frames = unwind_user(ctx, task, &key, working, recent);
  /* In the middle of execve the registers are still the old program's, its memory has gone. */
  if (stack->stop == UNWIND_UNREADABLE && BPF_CORE_READ_BITFIELD_PROBED(task, in_execve)) {
    user_frames = 0;
    stack->stop = UNWIND_OK;
  }
  if (user_frames > SAMPLER_MAX_FRAMES) return 0;
  stack->user_frames = user_frames;
  add(SAMPLER_COUNTERS + (stack->stop & (SAMPLER_STOPS - 1)), 1);

  if (kernel_stacks && !is_user_address(PT_REGS_PC(ctx))) {
    long bytes = bpf_get_stack(ctx, &stack->frames[user_frames], SAMPLER_MAX_FRAMES * 8, 0);
    if (bytes > 0) stack->kernel_frames = bytes / 8;
  }
  working->hash = mix(working->hash, stack->stop | user_frames << 8);
  working->hashed = user_frames;
  if (recent)
    bpf_loop(stack->kernel_frames, hash_kernel_frame, &working, 0);
  else
    for (__u32 i = 0; i < SAMPLER_MAX_FRAMES && i < stack->kernel_frames; ++i)
      if (hash_kernel_frame(i, &working)) break;
  key.stack = stack->hash = working->hash;
  if (recent && linger) bpf_loop(linger, do_nothing, 0, 0);

  if (at_window & 1)
    count_sample(&counts_odd, &key, task, stack, nanoseconds);
  else
    count_sample(&counts_even, &key, task, stack, nanoseconds);
  add(SAMPLER_UNWIND_NANOSECONDS, bpf_ktime_get_ns() - began);
  return 0;
}

SEC("perf_event")
int take_sample(struct bpf_perf_event_data *ctx) {
  return sample(ctx, 1);
}

/* The same on kernels without bpf_loop; only one of the two is loaded. */
SEC("perf_event")
int sample_by_calls(struct bpf_perf_event_data *ctx) {
  return sample(ctx, 0);
}
