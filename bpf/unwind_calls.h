/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef PROFCORE_BPF_UNWIND_CALLS_H
#define PROFCORE_BPF_UNWIND_CALLS_H

/*
 * The walk on kernels without bpf_loop (before 5.17). A plain loop around the step has the verifier
 * follow every way through it for every frame: 170,000 instructions for 32 frames, so that a walk
 * would be in parts, by tail calls. A function with external linkage it verifies once, by itself,
 * and trusts at each call (since 5.6): so the loop is 128 calls of one, in one program, and the
 * whole takes 10,000. Such a function may be given numbers only, no pointers, so each frame pays
 * for the look-ups again: a tenth to a quarter more time for a sample.
 */

__attribute__((noinline)) int step_by_call(void) {
  const __u32 zero = 0;
  struct working *working = bpf_map_lookup_elem(&scratch, &zero);
  if (!working) return 1;
  struct sampler_process *process = bpf_map_lookup_elem(&processes, &working->tgid);
  if (process && process->count > SAMPLER_FEW_MAPPINGS) {
    struct sampler_large_process *large = bpf_map_lookup_elem(&large_processes, &working->tgid);
    if (large) return step_frame(working, large->mappings, SAMPLER_MAX_MAPPINGS);
  }
  if (!process) process = bpf_map_lookup_elem(&no_process, &zero);
  if (!process) return 1;
  return step_frame(working, process->mappings, SAMPLER_FEW_MAPPINGS);
}

static __always_inline void walk_by_calls(struct working *working, __u32 tgid) {
  working->tgid = tgid;
  for (__u32 i = 0; i <= SAMPLER_MAX_FRAMES; ++i)
    if (step_by_call()) break;
}

#endif
