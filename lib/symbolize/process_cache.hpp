#pragma once

#include "symbolize/module_index.hpp"
#include "symbolize/process_maps.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace profcore {

/// The mappings of a process as far as they were asked for, and the lock under which they are used.
struct ProcessSlot {
  struct Known {
    CodeMapping mapping;
    std::weak_ptr<ModuleIndex> index; ///< its file's, while the cache of modules keeps it
  };
  using Clock = std::chrono::steady_clock;

  std::mutex mutex;
  std::vector<Known> mappings; ///< sorted, disjoint
  Clock::time_point read_at{};
  bool is_read = false;

  /// Makes sure of the mappings of all addresses (sorted); what is older than `fresh` is asked for
  /// again.
  ProcessMaps::Result refresh(const std::string &proc_root, int32_t pid,
                              const std::vector<uint64_t> &addresses,
                              std::chrono::milliseconds fresh);
  /// The mapping that holds the address, or nullptr.
  Known *find(uint64_t address);
};

/// Processes by pid and start time. Reading /proc/PID/maps costs the kernel some 60 us, so what it
/// said is believed for a while.
class ProcessCache {
public:
  explicit ProcessCache(uint64_t max_bytes) : max_bytes_{max_bytes} {}

  std::shared_ptr<ProcessSlot> slot_of(int32_t pid, uint64_t start_time);
  void forget(int32_t pid, uint64_t start_time);
  /// Tells how large a slot is after its use; past the bound the longest unused are forgotten.
  void settle(int32_t pid, uint64_t start_time, size_t bytes);
  void clear();
  uint64_t bytes() const;
  size_t size() const;

private:
  using Key = std::pair<int32_t, uint64_t>;
  struct Entry {
    std::shared_ptr<ProcessSlot> slot;
    size_t bytes = 0;
    uint64_t last_use = 0;
  };

  uint64_t max_bytes_;
  mutable std::mutex mutex_; ///< guards what follows
  std::map<Key, Entry> entries_;
  uint64_t bytes_ = 0;
  uint64_t clock_ = 0;
};

} // namespace profcore
