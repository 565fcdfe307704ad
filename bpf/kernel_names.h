/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What kernel_names.bpf.c and the library share. */
#ifndef PROFCORE_BPF_KERNEL_NAMES_H
#define PROFCORE_BPF_KERNEL_NAMES_H

#include <linux/types.h>

#define KERNEL_NAMES_AT_ONCE 64
/* Longer than all but a few names of Rust code; of a name that is cut the length is still told. */
#define KERNEL_NAMES_TEXT 256

struct kernel_names_call {
  __u32 count;                         /* of addresses to be named */
  __u32 lengths[KERNEL_NAMES_AT_ONCE]; /* of the texts, with the NUL; 0: none */
  __u64 addresses[KERNEL_NAMES_AT_ONCE];
  __u64 text_begin; /* of the kernel's own code */
  __u64 text_end;
  char wanted[KERNEL_NAMES_TEXT]; /* a symbol to be found, or empty */
  __u64 found;                    /* where it is; 0: nowhere */
  char texts[KERNEL_NAMES_AT_ONCE][KERNEL_NAMES_TEXT];
};

#endif
