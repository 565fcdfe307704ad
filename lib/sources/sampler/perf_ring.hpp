#pragma once

#include "sources/sampler/module_files.hpp"

#include <cstdint>
#include <linux/perf_event.h>
#include <span>
#include <utility>
#include <vector>

namespace profcore::sampler {

/// perf_event_open(2); the errno is left for the caller.
int open_perf_event(const perf_event_attr &attr, int32_t pid, int cpu);

/// The kernel's ring of records of one perf event. One reader.
class PerfRing {
public:
  /// `pages` is a power of two. Throws Error with the reason when it cannot be mapped.
  PerfRing(Descriptor event, size_t pages);
  PerfRing(PerfRing &&other) noexcept;
  PerfRing &operator=(PerfRing &&other) noexcept;
  ~PerfRing();

  int fd() const noexcept { return event_.get(); }

  bool is_empty() const noexcept {
    return __atomic_load_n(&control_->data_head, __ATOMIC_ACQUIRE) == control_->data_tail;
  }

  /// Calls `take(const perf_event_header &, std::span<const uint8_t> record)` for every record that
  /// is there; a record is valid during the call.
  template <class Take> void read(Take &&take) {
    const uint64_t head = __atomic_load_n(&control_->data_head, __ATOMIC_ACQUIRE);
    uint64_t tail = control_->data_tail;
    was_full_ = head - tail > size_ - kLargestRecord;
    while (tail < head) {
      const std::span<const uint8_t> record = record_at(tail, head - tail);
      if (record.empty()) { // nothing that can be told apart
        note_damage();
        break;
      }
      take(*reinterpret_cast<const perf_event_header *>(record.data()), record);
      tail += record.size();
    }
    __atomic_store_n(&control_->data_tail, head, __ATOMIC_RELEASE);
  }

  /// Whether the last `read` found so little room that a record may have had none. The kernel tells
  /// what was lost with the next record that it writes, which may be much later.
  bool was_full() const noexcept { return was_full_; }

  /// Something in the ring was no record, or none of ours; ...
  void note_damage() noexcept { ++damage_; }
  /// ... how often that was since the last call. The kernel writes no such thing.
  uint64_t take_damage() noexcept { return std::exchange(damage_, 0); }

  /// For those who read several rings side by side: how far the kernel has written, ...
  uint64_t head() const noexcept { return __atomic_load_n(&control_->data_head, __ATOMIC_ACQUIRE); }
  /// ... the next record before `head`, valid until it is popped, and empty when there is none, ...
  std::span<const uint8_t> front(uint64_t head);
  /// ... and that it has been read.
  void pop(size_t size) {
    __atomic_store_n(&control_->data_tail, control_->data_tail + size, __ATOMIC_RELEASE);
  }
  size_t size() const noexcept { return size_; }

private:
  static constexpr size_t kLargestRecord = 4352; ///< a mapping, with the longest path

  std::span<const uint8_t> record_at(uint64_t tail, uint64_t most);

  Descriptor event_;
  perf_event_mmap_page *control_ = nullptr;
  const uint8_t *data_ = nullptr;
  size_t size_ = 0;
  bool was_full_ = false;
  uint64_t damage_ = 0;
  std::vector<uint64_t> joined_; ///< a record that wraps around
};

} // namespace profcore::sampler
