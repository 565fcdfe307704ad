// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Names for some kernel addresses: run at the library's request, attached to nothing. The kernel's
 * own printf knows its symbols, its modules' and BPF's, so nobody has to read the list of all of
 * them. Whoever may not read addresses in /proc/kallsyms may not look up symbols either, and gets
 * nothing. Needs Linux 5.17. */
#include "kernel_names.h"

#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>

struct kernel_names_call call = {};

static const char format[] = "%pS";

/* By bpf_loop, since the verifier goes through a plain loop turn by turn: 2 ms. */
static long name_one(__u32 i, void *unused) {
  if (i >= KERNEL_NAMES_AT_ONCE) return 1;
  __u64 address = call.addresses[i];
  long length = bpf_snprintf(call.texts[i], KERNEL_NAMES_TEXT, format, &address, sizeof address);
  call.lengths[i] = length > 0 ? length : 0;
  return 0;
}

SEC("syscall")
int name_addresses(void *context) {
  __u64 address = 0;
  if (bpf_kallsyms_lookup_name("_stext", sizeof "_stext", 0, &address)) return 1;
  call.text_begin = address;
  if (!call.text_end) { /* once: before Linux 6.2 the search is from front to back */
    if (bpf_kallsyms_lookup_name("_etext", sizeof "_etext", 0, &address)) return 1;
    call.text_end = address;
  }
  call.found = 0;
  if (call.wanted[0] && !bpf_kallsyms_lookup_name(call.wanted, sizeof call.wanted, 0, &address))
    call.found = address;
  bpf_loop(call.count, name_one, 0, 0);
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
