#pragma once

#include "sources/decode/pprof/sample_parts.hpp"

#include <array>
#include <pthread.h>
#include <span>

namespace profcore::pprof {

/// A bounded window of split blocks that moves on over all samples. Two readers, each on a thread
/// of its own, take the blocks in order. No third thread splits them: a reader whose next block is
/// not split yet splits the next one that nobody has begun. So the one with less work of its own
/// does more of the splitting, and both end at about the same time.
class BlockWindow {
public:
  static constexpr size_t kReaders = 2;

  BlockWindow(const SampleSplitter &splitter, size_t blocks);
  ~BlockWindow();
  BlockWindow(const BlockWindow &) = delete;
  BlockWindow &operator=(const BlockWindow &) = delete;

  /// Calls `visit(samples, block)` for every block in order, until `stop` is called. A reader that
  /// throws has to stop the other.
  template <class Visit> void read(size_t reader, Visit &&visit) {
    for (size_t block = 0; block < blocks_ && wait_for(block); ++block) {
      const Slot &filled = slot(block);
      visit(std::span{samples_of(block), filled.size}, block);
      release(reader, block);
    }
  }
  void stop() noexcept;

private:
  /// As many as labels may be ahead of stacks, which can only begin when the locations are read.
  static constexpr size_t kSlots = 512;
  static constexpr size_t kNone = SIZE_MAX;

  struct Slot {
    size_t block = kNone; ///< the one that it holds, split
    size_t size = 0;
  };
  // Not std::mutex and std::condition_variable: those may throw, where this must not end the
  // process.
  class Lock;

  Slot &slot(size_t block) noexcept { return slots_[block % kSlots]; }
  SplitSample *samples_of(size_t block) noexcept {
    return samples_.data() + block % kSlots * kBlock;
  }
  bool wait_for(size_t block);
  void release(size_t reader, size_t block) noexcept;

  const SampleSplitter &splitter_;
  const size_t blocks_;
  std::array<Slot, kSlots> slots_;
  PodVector<SplitSample> samples_;                    ///< kBlock for each slot
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER; ///< guards the rest and Slot::block, ::size
  pthread_cond_t changed_ = PTHREAD_COND_INITIALIZER;
  size_t next_ = 0; ///< to be split
  std::array<size_t, kReaders> done_{};
  size_t waiting_ = 0;
  bool stopped_ = false;
};

} // namespace profcore::pprof
