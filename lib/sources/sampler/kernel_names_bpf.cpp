#include "kernel_names.h"
#include "kernel_names.skel.h"
#include "sources/sampler/kernel_names.hpp"
#include "sources/sampler/quiet_libbpf.hpp"

#include <algorithm>
#include <bpf/bpf.h>
#include <cstring>

namespace profcore::sampler {

KernelNames::KernelNames() = default;
KernelNames::~KernelNames() = default;

void KernelNames::Closer::operator()(kernel_names_bpf *skeleton) const noexcept {
  kernel_names_bpf__destroy(skeleton);
}

bool KernelNames::load() {
  if (skeleton_) return true;
  if (has_failed_) return false;
  const QuietLibbpf quiet;
  skeleton_.reset(kernel_names_bpf__open_and_load());
  has_failed_ = !skeleton_;
  return !has_failed_;
}

bool KernelNames::run() {
  LIBBPF_OPTS(bpf_test_run_opts, options);
  const int program = bpf_program__fd(skeleton_->progs.name_addresses);
  return bpf_prog_test_run_opts(program, &options) == 0 && options.retval == 0;
}

/// Where `__pi_memcpy` and `memcpy` are one function, it is `memcpy`.
void KernelNames::prefer_alias(KernelFunction &function) {
  constexpr std::string_view kPrefix = "__pi_";
  if (!function.is_core || !function.name.starts_with(kPrefix)) return;
  kernel_names_call &call = skeleton_->bss->call;
  const std::string alias = function.name.substr(kPrefix.size());
  if (alias.empty() || alias.size() >= sizeof call.wanted) return;
  call.count = 0;
  std::memcpy(call.wanted, alias.c_str(), alias.size() + 1);
  if (run() && call.found == function.begin) function.name = alias;
  call.wanted[0] = '\0';
}

bool KernelNames::ask(std::span<const uint64_t> addresses, std::vector<KernelFunction> &found) {
  if (!load()) return false;
  kernel_names_call &call = skeleton_->bss->call;
  const size_t before = found.size();
  for (size_t next = 0; next < addresses.size();) {
    uint32_t count = 0;
    for (; next < addresses.size() && count < KERNEL_NAMES_AT_ONCE; ++next) {
      const uint64_t address = addresses[next];
      const bool is_known =
          found.size() > before && address >= found.back().begin && address < found.back().end;
      if (!is_known) call.addresses[count++] = address;
    }
    call.count = count;
    if (count != 0 && !run()) {
      found.resize(before);
      return false;
    }
    for (uint32_t i = 0; i < count; ++i) {
      const uint64_t address = call.addresses[i];
      const uint32_t length = call.lengths[i];
      if (length == 0 || length > KERNEL_NAMES_TEXT) continue; // a name that was cut is none
      const auto function = parse_kernel_function(address, {call.texts[i], length - 1});
      if (!function || (found.size() > before && function->begin == found.back().begin)) continue;
      found.push_back(*function);
      found.back().is_core = address >= call.text_begin && address < call.text_end;
    }
  }
  for (size_t i = before; i < found.size(); ++i) prefer_alias(found[i]);
  return true;
}

} // namespace profcore::sampler
