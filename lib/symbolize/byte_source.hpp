#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace profcore {

/// Bytes of a file or of memory, copied out on request. A file is read by pread: it may be cut
/// short or rewritten at any time by whoever owns it, and then a read fails instead of ending the
/// process by SIGBUS.
class ByteSource {
public:
  ByteSource() = default;
  explicit ByteSource(std::span<const uint8_t> memory) noexcept
      : memory_{memory.data()}, size_{memory.size()} {}
  /// The descriptor stays the caller's and must outlive this object.
  ByteSource(int fd, uint64_t size) noexcept : fd_{fd}, size_{size} {}

  uint64_t size() const noexcept { return size_; }
  bool is_memory() const noexcept { return fd_ < 0; }
  int fd() const noexcept { return fd_; }
  std::span<const uint8_t> memory() const noexcept {
    return {memory_, is_memory() ? static_cast<size_t>(size_) : 0};
  }
  bool holds(uint64_t offset, uint64_t size) const noexcept {
    return offset <= size_ && size <= size_ - offset;
  }
  /// All of `size` bytes, or false.
  bool read(uint64_t offset, void *to, size_t size) const noexcept;

private:
  const uint8_t *memory_ = nullptr;
  int fd_ = -1;
  uint64_t size_ = 0;
};

/// A moving window over bytes that are read from front to back: memory of `kSize` bytes, whatever
/// the source's size, and few calls to the kernel.
class ByteWindow {
public:
  static constexpr size_t kSize = size_t{64} << 10;

  explicit ByteWindow(const ByteSource &bytes) noexcept : bytes_{bytes} {}

  /// `size` (at most kSize) bytes at `offset`, until the next call; nullptr when they cannot be
  /// read.
  const uint8_t *get(uint64_t offset, size_t size);

private:
  const ByteSource &bytes_;
  std::vector<uint8_t> window_;
  uint64_t begin_ = 0;
  size_t filled_ = 0;
};

/// NUL-terminated names in a part of a file. The part is mapped, so that it costs address space and
/// page cache instead of memory, and no descriptor (`let_go` after reading: what was touched counts
/// as ours until then, and of a compiler's libraries that is a hundred megabytes); names are
/// fetched through the kernel (process_vm_readv of our own mapping), which answers EFAULT where a
/// plain read would raise SIGBUS. Where that call is forbidden, the part is copied once.
class NameSource {
public:
  NameSource() = default;
  NameSource(NameSource &&other) noexcept;
  NameSource &operator=(NameSource &&other) noexcept;
  ~NameSource();

  /// Parts of sources in memory are borrowed. False when the part cannot be had; a copy is made
  /// only up to `max_copy` bytes.
  bool open(const ByteSource &source, uint64_t offset, uint64_t size, uint64_t max_copy);
  /// The part is copied, wherever it is.
  bool open_copy(const ByteSource &source, uint64_t offset, uint64_t size, uint64_t max_copy);
  /// The name at `offset`, cut to `kLongest` bytes; false when it cannot be read.
  bool read(uint64_t offset, std::string &name) const;
  uint64_t size() const noexcept { return size_; }
  /// Pages of the mapping that were read are the page cache's alone again.
  void let_go() const noexcept;
  /// Bytes of memory held. Mapped ones are the page cache's, but a mapping is something, too.
  size_t bytes() const noexcept { return copy_.capacity() + (mapping_ != nullptr ? kMapping : 0); }

  /// Longer than any name seen (MSVC cuts at 4096; Rust and C++ reach some tens of KB).
  static constexpr size_t kLongest = size_t{64} << 10;

private:
  static constexpr size_t kMapping = 4096; ///< about: the kernel's record of it and page tables

  void reset() noexcept;
  size_t fetch(uint64_t offset, char *to, size_t size) const noexcept;

  void *mapping_ = nullptr;
  size_t mapping_size_ = 0;
  const char *begin_ = nullptr;
  uint64_t size_ = 0;
  bool guarded_ = false; ///< the bytes may vanish: read them through the kernel
  std::string copy_;
};

} // namespace profcore
