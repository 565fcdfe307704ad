#pragma once

namespace profcore::sampler {

/// What the kernel's BPF can do for perf_event programs, by trying. Versions say little: some
/// distributions bring later BPF to old kernels.
struct KernelFeatures {
  int error = 0;                 ///< why no program can be loaded at all (errno); 0: they can
  bool has_ring = false;         ///< ring buffers: Linux 5.8
  bool has_loop = false;         ///< bpf_loop: Linux 5.17
  bool has_growing_maps = false; ///< hash maps that take memory as they fill: Linux 6.1
};

/// Loads a few tiny programs, and drops them; below a millisecond.
KernelFeatures probe_kernel();

} // namespace profcore::sampler
