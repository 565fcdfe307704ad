#include "sources/decode/pprof/sample_blocks.hpp"

#include <algorithm>

namespace profcore::pprof {

class BlockWindow::Lock {
public:
  explicit Lock(pthread_mutex_t &mutex) noexcept : mutex_{mutex} { lock(); }
  ~Lock() {
    if (held_) unlock();
  }
  Lock(const Lock &) = delete;
  Lock &operator=(const Lock &) = delete;

  void lock() noexcept {
    pthread_mutex_lock(&mutex_);
    held_ = true;
  }
  void unlock() noexcept {
    held_ = false;
    pthread_mutex_unlock(&mutex_);
  }

private:
  pthread_mutex_t &mutex_;
  bool held_ = false;
};

BlockWindow::BlockWindow(const SampleSplitter &splitter, size_t blocks)
    : splitter_{splitter}, blocks_{blocks} {
  samples_.resize_uninitialized(std::min(blocks, kSlots) * kBlock);
}

BlockWindow::~BlockWindow() {
  pthread_cond_destroy(&changed_);
  pthread_mutex_destroy(&mutex_);
}

/// False when stopped.
bool BlockWindow::wait_for(size_t block) {
  Lock lock{mutex_};
  for (;;) {
    if (stopped_) return false;
    if (slot(block).block == block) return true;
    const size_t oldest = *std::min_element(done_.begin(), done_.end());
    if (next_ == blocks_ || next_ >= oldest + kSlots) {
      ++waiting_;
      pthread_cond_wait(&changed_, &mutex_);
      --waiting_;
      continue;
    }
    const size_t mine = next_++;
    Slot &filled = slot(mine);
    lock.unlock();
    const size_t size = splitter_.split(mine, samples_of(mine));
    lock.lock();
    filled.size = size;
    filled.block = mine;
    if (waiting_ != 0) pthread_cond_broadcast(&changed_);
  }
}

void BlockWindow::release(size_t reader, size_t block) noexcept {
  const Lock lock{mutex_};
  done_[reader] = block + 1;
  if (waiting_ != 0) pthread_cond_broadcast(&changed_);
}

void BlockWindow::stop() noexcept {
  const Lock lock{mutex_};
  stopped_ = true;
  pthread_cond_broadcast(&changed_);
}

} // namespace profcore::pprof
