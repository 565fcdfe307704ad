#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace profcore {

/// Grows or shrinks a block; throws std::bad_alloc and leaves the old block as it was. Large blocks
/// ask for huge pages: first-touch page faults cost more than decoding does.
void *reallocate_pages(void *block, size_t old_bytes, size_t new_bytes);
/// A block of zeros to be grown and freed as one of `reallocate_pages`. Large ones are not touched
/// here: fresh pages are zero.
void *allocate_zeroed_pages(size_t bytes);
/// Frees a block of `reallocate_pages`; `bytes` is what was asked for.
void release_pages(void *block, size_t bytes) noexcept;
/// Whether what such a block grows by is zero.
bool grows_by_zeros(size_t bytes) noexcept;

/// A vector of trivially copyable elements. Unlike std::vector it grows by realloc (the kernel
/// moves pages instead of copying them) and `resize_uninitialized` touches no memory.
template <class T> class PodVector {
  static_assert(std::is_trivially_copyable_v<T>);

public:
  PodVector() = default;
  PodVector(PodVector &&other) noexcept
      : data_{std::exchange(other.data_, nullptr)}, size_{std::exchange(other.size_, 0)},
        capacity_{std::exchange(other.capacity_, 0)}, clean_from_{
                                                          std::exchange(other.clean_from_, 0)} {}
  PodVector &operator=(PodVector &&other) noexcept {
    if (this != &other) {
      release();
      data_ = std::exchange(other.data_, nullptr);
      size_ = std::exchange(other.size_, 0);
      capacity_ = std::exchange(other.capacity_, 0);
      clean_from_ = std::exchange(other.clean_from_, 0);
    }
    return *this;
  }
  PodVector(const PodVector &other) { append(other.span()); }
  PodVector &operator=(const PodVector &other) {
    if (this != &other) {
      clear();
      append(other.span());
    }
    return *this;
  }
  ~PodVector() { release(); }

  T *data() noexcept { return data_; }
  const T *data() const noexcept { return data_; }
  size_t size() const noexcept { return size_; }
  size_t capacity() const noexcept { return capacity_; }
  bool empty() const noexcept { return size_ == 0; }
  size_t bytes() const noexcept { return capacity_ * sizeof(T); }
  T &operator[](size_t i) noexcept { return data_[i]; }
  const T &operator[](size_t i) const noexcept { return data_[i]; }
  T &back() noexcept { return data_[size_ - 1]; }
  const T &back() const noexcept { return data_[size_ - 1]; }
  T *begin() noexcept { return data_; }
  T *end() noexcept { return data_ + size_; }
  const T *begin() const noexcept { return data_; }
  const T *end() const noexcept { return data_ + size_; }
  std::span<const T> span() const noexcept { return {data_, size_}; }
  std::span<T> span() noexcept { return {data_, size_}; }

  void clear() noexcept { shrink(0); }
  void pop_back() noexcept { shrink(size_ - 1); }

  void reserve(size_t capacity) {
    if (capacity > capacity_) set_capacity(capacity);
  }
  /// Room for `count` more, growing geometrically: after this, that many push_backs do not throw.
  void reserve_more(size_t count) {
    if (capacity_ - size_ < count) grow(size_ + count);
  }
  void shrink_to_fit() {
    if (size_ == 0) {
      release();
      data_ = nullptr;
      capacity_ = clean_from_ = 0;
    } else if (size_ < capacity_) {
      set_capacity(size_);
    }
  }
  void resize_uninitialized(size_t size) {
    if (size < size_) return shrink(size);
    if (size > capacity_) grow(size);
    size_ = size;
  }
  /// What is added is zero, without touching pages that never were anything else. Not where spare
  /// room is written to before it belongs to the vector.
  void resize_zeroed(size_t size) {
    const size_t old = size_;
    resize_uninitialized(size);
    const size_t dirty = size < clean_from_ ? size : clean_from_;
    if (dirty > old) std::memset(static_cast<void *>(data_ + old), 0, (dirty - old) * sizeof(T));
  }
  void resize(size_t size, T value = T{}) {
    const size_t old = size_;
    resize_uninitialized(size);
    for (size_t i = old; i < size; ++i) data_[i] = value;
  }
  /// `size` zeros in place of all that was here.
  void assign_zeros(size_t size) {
    *this = {};
    if (size == 0) return;
    if (size > SIZE_MAX / sizeof(T)) throw std::bad_alloc{};
    data_ = static_cast<T *>(allocate_zeroed_pages(size * sizeof(T)));
    size_ = capacity_ = clean_from_ = size;
  }
  void push_back(T value) {
    if (size_ == capacity_) [[unlikely]]
      grow(size_ + 1);
    data_[size_++] = value;
  }
  /// `values` may be a part of this vector, or lie in its spare room when that is enough for them.
  void append(std::span<const T> values) {
    if (values.empty()) return;
    const size_t old = size_;
    const auto inside = reinterpret_cast<uintptr_t>(values.data()) -
                        reinterpret_cast<uintptr_t>(data_); // bytes, wraps when outside
    if (values.size() > SIZE_MAX / sizeof(T) - size_) throw std::bad_alloc{};
    resize_uninitialized(size_ + values.size());
    const void *from = inside < old * sizeof(T) ? reinterpret_cast<const char *>(data_) + inside
                                                : reinterpret_cast<const char *>(values.data());
    if (from != data_ + old)
      std::memmove(static_cast<void *>(data_ + old), from, values.size_bytes());
  }

private:
  void shrink(size_t size) noexcept {
    if (clean_from_ < size_) clean_from_ = size_;
    size_ = size;
  }
  void release() noexcept { release_pages(data_, capacity_ * sizeof(T)); }
  void grow(size_t needed) {
    size_t capacity = capacity_ < 16 ? 16 : capacity_ + capacity_ / 2;
    set_capacity(capacity < needed ? needed : capacity);
  }
  void set_capacity(size_t capacity) {
    if (capacity > SIZE_MAX / sizeof(T)) throw std::bad_alloc{};
    data_ = static_cast<T *>(reallocate_pages(data_, capacity_ * sizeof(T), capacity * sizeof(T)));
    if (!grows_by_zeros(capacity * sizeof(T)))
      clean_from_ = capacity;
    else if (!grows_by_zeros(capacity_ * sizeof(T)))
      clean_from_ = capacity_;
    capacity_ = capacity;
  }

  T *data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
  size_t clean_from_ = 0; ///< what lies behind this and the size is zero
};

/// Bytes being written.
class Buffer : public PodVector<char> {
public:
  void put(char c) { push_back(c); }
  void put(const char *data, size_t size) { append({data, size}); }
  template <size_t N> void put_literal(const char (&text)[N]) { append({text, N - 1}); }
};

} // namespace profcore
