#pragma once

// Names of some kernel addresses, asked of the kernel itself.
//
// A small BPF program, loaded when it is first needed, has the kernel's own printf write each
// address as "name+0xoffset/0xsize [module]": symbols of the kernel, of modules, of BPF programs
// and trampolines. Loading costs some 0.8 ms and an address 0.9 us, where the kernel takes 45 ms to
// write the whole of /proc/kallsyms, and its symbols 4 MB of memory. It needs Linux 5.17 and the
// right to read addresses there; else the caller reads the list, or is told the same by it.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct kernel_names_bpf;

namespace profcore::sampler {

struct KernelFunction {
  uint64_t begin = 0;
  uint64_t end = 0;
  std::string name;
  bool is_core = false; ///< the kernel's own, which stays as it is
};

/// What the kernel writes for an address; nullopt for what does not name it.
std::optional<KernelFunction> parse_kernel_function(uint64_t address, std::string_view text);

/// Not thread-safe.
class KernelNames {
public:
  KernelNames();
  KernelNames(const KernelNames &) = delete;
  KernelNames &operator=(const KernelNames &) = delete;
  ~KernelNames();

  /// Adds the functions that cover these addresses, which are sorted; those that no function covers
  /// are left out. False when this kernel does not tell, or not this user.
  bool ask(std::span<const uint64_t> addresses, std::vector<KernelFunction> &found);

private:
  bool load();
  bool run();
  void prefer_alias(KernelFunction &function);

  struct Closer {
    void operator()(kernel_names_bpf *skeleton) const noexcept;
  };
  std::unique_ptr<kernel_names_bpf, Closer> skeleton_;
  bool has_failed_ = false; ///< to load, which it will again
};

} // namespace profcore::sampler
