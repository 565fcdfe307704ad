#pragma once

#include "base/context.hpp"
#include "model/profile.hpp"
#include "symbolize/kernel_symbols.hpp"
#include "symbolize/line_source.hpp"

#include <array>
#include <cstdint>
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
};

/// Tells where the modules of a profile are. Asked at most once per module and call, on the
/// calling thread.
class ModuleProvider {
public:
  virtual ~ModuleProvider() = default;
  virtual ModuleFile file_of(uint32_t module) = 0;
  virtual ProcessView process_of(uint32_t module) = 0;
};

struct SymbolizerOptions {
  /// Of everything kept between calls: indexes, names, perf maps, the kernel's symbols.
  uint64_t max_bytes = uint64_t{256} << 20;
  bool demangle = true;
  std::string proc_root = "/proc";
  std::string host_tmp = "/tmp";
  LineSourceFactory *line_sources = nullptr; ///< borrowed for the symbolizer's life
};

constexpr size_t kUnnamedReasons = static_cast<size_t>(UnnamedReason::kOverBudget) + 1;

struct SymbolizerStats {
  uint64_t named = 0;                              ///< locations
  std::array<uint64_t, kUnnamedReasons> unnamed{}; ///< locations, by UnnamedReason
  uint64_t modules_built = 0;
  uint64_t modules_found = 0; ///< asked for and there already
  uint64_t modules_evicted = 0;
  uint64_t modules = 0; ///< held now
  uint64_t perf_maps = 0;
  uint64_t bad_lines = 0; ///< of the perf maps held now
  uint64_t bytes = 0;     ///< held now
};

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
  /// A profile may be given to one thread at a time, the symbolizer to any number.
  void symbolize(Profile &profile, ModuleProvider &provider, const Context &context);

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
  class Batch;
  class Cache;

  SymbolizerOptions options_;
  KernelSymbols kernel_;
  std::unique_ptr<Cache> cache_;
};

} // namespace profcore
