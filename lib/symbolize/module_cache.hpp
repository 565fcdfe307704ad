#pragma once

#include "symbolize/module_index.hpp"
#include "symbolize/perf_map.hpp"
#include "symbolize/symbolizer.hpp"

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <sys/stat.h>
#include <tuple>

namespace profcore {

/// A process's perf map, and the lock under which it is read and searched.
struct PerfMapSlot {
  std::mutex mutex;
  PerfMapLog log;
  bool is_taken = false; ///< read only when told: see Symbolizer::take_perf_map
  std::atomic<uint64_t> bytes{0};
  std::atomic<uint64_t> bad_lines{0};
  uint64_t last_use = 0; ///< guarded by the cache

  /// After a reading, under the lock.
  void count() noexcept {
    bytes.store(log.bytes(), std::memory_order_relaxed);
    bad_lines.store(log.map().bad_lines(), std::memory_order_relaxed);
  }
};

/// What the symbolizer keeps between calls. Its lock is held to find and to put, never while a file
/// is read (a module has a lock of its own for being built once), nor for what is given back.
class ModuleCache {
public:
  explicit ModuleCache(const SymbolizerOptions &options) : options_{options} {}

  /// A module and its file's bytes, for as long as the descriptor is open.
  struct Opened {
    std::shared_ptr<ModuleIndex> index;
    ByteSource bytes;
    bool is_new = false;
  };

  /// Throws nothing for what the file is; the module's `problem` says.
  Opened module_of(int fd);
  /// The module of a file that was read before, without opening it; nullptr when there is none.
  std::shared_ptr<ModuleIndex> module_at(const std::string &path);
  Opened vdso();
  std::shared_ptr<PerfMapSlot> perf_map_of(const ProcessView &process);

  /// What the mappings of processes hold, which is under the same budget.
  void set_process_bytes(uint64_t bytes) { process_bytes_.store(bytes, std::memory_order_relaxed); }
  /// Drops what was not used for longest until all fits beside `other_bytes`.
  void trim(uint64_t other_bytes);
  void clear();
  void add(const NameCounts &counts);
  SymbolizerStats stats() const;

private:
  struct FileKey {
    uint64_t device;
    uint64_t inode;
    uint64_t size;
    int64_t modified_ns;
    int64_t changed_ns;
    auto operator<=>(const FileKey &) const = default;
  };
  struct Slot {
    std::mutex building;
    std::shared_ptr<ModuleIndex> index; ///< set under `building`
    std::atomic<bool> is_built{false};
    uint64_t last_use = 0; ///< guarded by the cache
  };
  using ProcessKey = std::pair<int32_t, uint64_t>;
  using BuildKey = std::pair<std::string, uint64_t>; ///< build id, file size

  static FileKey key_of(const struct stat &status) noexcept;
  std::shared_ptr<ModuleIndex> build(const FileKey &key, int fd);
  size_t bytes_of(const Slot &slot) const;

  const SymbolizerOptions &options_;
  std::atomic<uint64_t> process_bytes_{0};
  mutable std::mutex mutex_; ///< guards all that follows
  std::map<FileKey, std::shared_ptr<Slot>> files_;
  std::map<BuildKey, std::weak_ptr<ModuleIndex>> builds_;
  std::map<ProcessKey, std::shared_ptr<PerfMapSlot>> perf_maps_;
  std::shared_ptr<ModuleIndex> vdso_;
  uint64_t clock_ = 0;
  SymbolizerStats stats_;
};

} // namespace profcore
