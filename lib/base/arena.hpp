#pragma once

#include "base/pod_vector.hpp"

#include <cstddef>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

namespace profcore {

/// Bump allocator for bytes that live as long as the arena. Addresses never change.
class Arena {
public:
  Arena() = default;
  // A moved-from arena must not go on handing out the other's block.
  Arena(Arena &&other) noexcept
      : blocks_{std::move(other.blocks_)}, next_{std::exchange(other.next_, nullptr)},
        left_{std::exchange(other.left_, 0)}, bytes_{std::exchange(other.bytes_, 0)},
        newest_{std::exchange(other.newest_, 0)} {}
  Arena &operator=(Arena &&other) noexcept {
    blocks_ = std::move(other.blocks_);
    next_ = std::exchange(other.next_, nullptr);
    left_ = std::exchange(other.left_, 0);
    bytes_ = std::exchange(other.bytes_, 0);
    newest_ = std::exchange(other.newest_, 0);
    return *this;
  }

  char *allocate(size_t size) {
    if (size > left_) add_block(size);
    char *at = next_;
    next_ += size;
    left_ -= size;
    return at;
  }
  /// A NUL-terminated copy; the view does not count the NUL.
  std::string_view copy(std::string_view text) {
    if (text.size() == SIZE_MAX) throw std::bad_alloc{};
    char *at = allocate(text.size() + 1);
    if (!text.empty()) std::memcpy(at, text.data(), text.size());
    at[text.size()] = '\0';
    return {at, text.size()};
  }
  /// So many bytes will come: they are handed out of one block.
  void expect(size_t size) {
    if (size > left_) add_block(size);
  }
  size_t bytes() const noexcept { return bytes_; }
  /// Forgets everything. The newest block, the largest as a rule, is used again.
  void clear() noexcept {
    if (blocks_.empty()) return;
    std::swap(blocks_.front(), blocks_.back());
    blocks_.resize(1);
    next_ = blocks_.front().data();
    left_ = bytes_ = newest_;
  }

private:
  void add_block(size_t size) {
    constexpr size_t kSmallest = 4096;
    constexpr size_t kLargest = size_t{1} << 20;
    size_t block = bytes_ < kSmallest ? kSmallest : (bytes_ > kLargest ? kLargest : bytes_);
    if (block < size) block = size;
    PodVector<char> added;
    added.reserve(block);
    blocks_.push_back(std::move(added));
    next_ = blocks_.back().data();
    left_ = block;
    bytes_ += block;
    newest_ = block;
  }

  std::vector<PodVector<char>> blocks_;
  char *next_ = nullptr;
  size_t left_ = 0;
  size_t bytes_ = 0;
  size_t newest_ = 0; ///< bytes of the newest block
};

} // namespace profcore
