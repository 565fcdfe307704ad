#pragma once

#include "base/context.hpp"
#include "model/profile.hpp"
#include "symbolize/address_names.hpp"
#include "symbolize/kernel_symbols.hpp"
#include "symbolize/line_source.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace profcore {

/// The file behind a module. A descriptor is borrowed until the call returns and wins over the
/// path; the path is opened when there is none. Neither: the file is not to be had.
struct ModuleFile {
  int fd = -1;
  std::string path;
};

/// A process, for what must be read from it.
struct ProcessView {
  int32_t pid = 0;           ///< 0 = not known
  int32_t namespace_pid = 0; ///< its pid in its own namespace; 0 = look it up
  uint64_t start_time = 0;   ///< clock ticks since boot (/proc/PID/stat, field 22); 0 = not known
  uint64_t identity = 0;     ///< else: what tells it apart from others of this pid, at other times
};

/// Tells where the modules of a profile are. Asked at most once per module and call, on the
/// calling thread.
class ModuleProvider {
public:
  virtual ~ModuleProvider() = default;
  virtual ModuleFile file_of(uint32_t module) = 0;
  virtual ProcessView process_of(uint32_t module) = 0;
  /// Kernel addresses of a profile that is not of this boot would get wrong names.
  virtual bool is_running_kernel() { return true; }
};

struct SymbolizerOptions {
  /// Of everything kept between calls: indexes, names, perf maps, the kernel's symbols.
  uint64_t max_bytes = uint64_t{256} << 20;
  bool demangle = true;
  uint32_t maps_ms = 1000; ///< so long the mappings of a process count as unchanged
  std::string proc_root = "/proc";
  std::string host_tmp = "/tmp";
  std::string debug_folder = "/usr/lib/debug"; ///< debug files by build id; empty: none
  KernelNamer kernel_namer;                    ///< or none: by /proc/kallsyms alone
  LineSourceFactory *line_sources = nullptr;   ///< borrowed for the symbolizer's life
};

constexpr size_t kUnnamedReasons = static_cast<size_t>(UnnamedReason::kOverBudget) + 1;

/// Of addresses.
struct NameCounts {
  uint64_t named = 0;           ///< by symbols or better
  uint64_t named_by_bounds = 0; ///< by where their function begins, which has no name
  std::array<uint64_t, kUnnamedReasons> unnamed{}; ///< by UnnamedReason
};

struct SymbolizerStats : NameCounts {
  uint64_t modules_built = 0;
  uint64_t modules_found = 0; ///< asked for and there already
  uint64_t modules_evicted = 0;
  uint64_t modules = 0; ///< held now
  uint64_t perf_maps = 0;
  uint64_t bad_lines = 0; ///< of the perf maps held now
  uint64_t processes = 0; ///< whose mappings are held now
  uint64_t bytes = 0;     ///< held now
};

class ModuleCache;
class NameLookup;
class ProcessCache;
struct LookupItem;

/// Names for the addresses of profiles. One for a whole program: thread-safe, and what was read of
/// a file serves every process that maps it (a file is its device, inode, size and time of change;
/// copies of equal build id and size, as in container images, share too).
///
/// All that is kept is under one budget of bytes. Past it whole modules and perf maps go, least
/// recently used first; what alone is larger is not read, and its addresses say so.
class Symbolizer {
public:
  explicit Symbolizer(SymbolizerOptions options = {});
  ~Symbolizer();
  Symbolizer(const Symbolizer &) = delete;
  Symbolizer &operator=(const Symbolizer &) = delete;

  /// Gives lines to the locations that have none, or a reason why not. Addresses are looked up as
  /// they are (return addresses already point into their call).
  ///
  /// An address that no symbol covers, in a function that call frame information knows, is named by
  /// where that begins: `python3.11+fn_0x1a2b30`, the module and the linked address, with the flag
  /// kNamedByBounds and the reason why there is no symbol.
  /// A profile may be given to one thread at a time, the symbolizer to any number.
  void symbolize(Profile &profile, ModuleProvider &provider, const Context &context);

  /// Names of some addresses of one source. `is_return`: empty, or 1 where the address is one that
  /// a call returns to (the byte before it is looked up). Addresses without a name are no failure.
  NamedAddresses look_up(const AddressSource &source, std::span<const uint64_t> addresses,
                         std::span<const uint8_t> is_return);
  /// Reads the perf map of a process whose map is written anew each time (a JVM's, on request), now
  /// that it is whole; from now on it is read only here, not as others write it. False when there
  /// is none that can be read.
  bool take_perf_map(const ProcessView &process, uint64_t max_bytes);

  /// Whether the perf map of a process, as far as it was read, names all of these.
  bool has_names(const ProcessView &process, std::span<const uint64_t> addresses);

  SymbolizerStats stats() const;
  /// Forgets everything that was read.
  void clear();

private:
  using ModuleUse = std::function<void(std::span<const LookupItem>, std::string_view path)>;
  void look_up_process(const AddressSource &source, NameLookup &lookup,
                       std::span<const LookupItem> items, const ModuleUse &use);

  SymbolizerOptions options_;
  KernelSymbols kernel_;
  std::unique_ptr<ModuleCache> cache_;
  std::unique_ptr<ProcessCache> processes_;
};

} // namespace profcore
