/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The kernel's structures as far as the programs look into them; the loader relocates every access
 * to the running kernel's layout (CO-RE), so only names matter here. */
#ifndef PROFCORE_BPF_CORE_H
#define PROFCORE_BPF_CORE_H

#include <linux/types.h>

#define PF_KTHREAD 0x00200000
#define MAX_PID_NAMESPACES 33 /* one in the other */

struct ns_common {
  unsigned int inum;
} __attribute__((preserve_access_index));
struct pid_namespace {
  struct ns_common ns;
} __attribute__((preserve_access_index));
struct upid {
  int nr;
  struct pid_namespace *ns;
} __attribute__((preserve_access_index));
struct pid {
  unsigned int level; /* of the innermost namespace that it has a number in */
  struct upid numbers[1];
} __attribute__((preserve_access_index));

struct mm_struct {
  unsigned long start_code;
  unsigned long start_stack;
} __attribute__((preserve_access_index));

struct task_struct {
  void *stack;
  int pid;
  int tgid;
  unsigned int flags;
  struct mm_struct *mm;
  struct task_struct *group_leader;
  struct task_struct *real_parent;
  struct pid *thread_pid;
  __u64 start_boottime;
  unsigned in_execve : 1;
  char comm[16];
} __attribute__((preserve_access_index));

#if defined(__TARGET_ARCH_x86)
struct pt_regs___kernel {
  unsigned long cs;
  unsigned long ip;
  unsigned long sp;
  unsigned long bp;
} __attribute__((preserve_access_index));
#else
struct pt_regs___kernel {
  __u64 regs[31];
  __u64 sp;
  __u64 pc;
  __u64 pstate;
} __attribute__((preserve_access_index));
#endif

#endif
