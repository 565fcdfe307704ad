#include "sources/sampler/kernel_features.hpp"

#include "sources/sampler/module_files.hpp"
#include "sources/sampler/quiet_libbpf.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <iterator>
#include <linux/bpf.h>

namespace profcore::sampler {
namespace {

constexpr bpf_insn kReturnZero[] = {
    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .src_reg = 0, .off = 0, .imm = 0},
    {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
};

bool has_helper(bpf_func_id helper) {
  return libbpf_probe_bpf_helper(BPF_PROG_TYPE_PERF_EVENT, helper, nullptr) == 1;
}

/// Old kernels take such maps, but no perf_event program that uses one.
bool has_growing_maps() {
  bpf_map_create_opts options{};
  options.sz = sizeof options;
  options.map_flags = BPF_F_NO_PREALLOC;
  const Descriptor map{bpf_map_create(BPF_MAP_TYPE_HASH, "probe", 4, 8, 1, &options)};
  if (!map.is_open()) return false;
  const bpf_insn program[] = {
      {.code = BPF_LD | BPF_DW | BPF_IMM,
       .dst_reg = BPF_REG_1,
       .src_reg = BPF_PSEUDO_MAP_FD,
       .off = 0,
       .imm = map.get()},
      {.code = 0, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}, // the other half
      kReturnZero[0],
      kReturnZero[1],
  };
  const Descriptor loaded{bpf_prog_load(BPF_PROG_TYPE_PERF_EVENT, "probe", "GPL", program,
                                        std::size(program), nullptr)};
  return loaded.is_open();
}

} // namespace

KernelFeatures probe_kernel() {
  const QuietLibbpf quiet;
  KernelFeatures found;
  const Descriptor loaded{bpf_prog_load(BPF_PROG_TYPE_PERF_EVENT, "probe", "GPL", kReturnZero,
                                        std::size(kReturnZero), nullptr)};
  if (!loaded.is_open()) {
    found.error = errno;
    return found;
  }
  found.has_ring = has_helper(BPF_FUNC_ringbuf_output);
  found.has_loop = has_helper(BPF_FUNC_loop);
  found.has_growing_maps = has_growing_maps();
  return found;
}

} // namespace profcore::sampler
