#include "symbolize/byte_source.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utility>

namespace profcore {

bool ByteSource::read(uint64_t offset, void *to, size_t size) const noexcept {
  if (!holds(offset, size)) return false;
  if (size == 0) return true;
  if (is_memory()) {
    std::memcpy(to, memory_ + offset, size);
    return true;
  }
  auto *at = static_cast<char *>(to);
  while (size != 0) {
    const ssize_t got = ::pread(fd_, at, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    offset += static_cast<uint64_t>(got);
    size -= static_cast<size_t>(got);
  }
  return true;
}

const uint8_t *ByteWindow::get(uint64_t offset, size_t size) {
  if (size > kSize || !bytes_.holds(offset, size)) return nullptr;
  if (bytes_.is_memory()) return bytes_.memory().data() + offset;
  if (offset < begin_ || offset - begin_ > filled_ || size > filled_ - (offset - begin_)) {
    window_.resize(kSize);
    begin_ = offset;
    filled_ = static_cast<size_t>(std::min<uint64_t>(kSize, bytes_.size() - offset));
    // A file that was cut short meanwhile may still hold what was asked for.
    if (!bytes_.read(offset, window_.data(), filled_)) {
      filled_ = bytes_.read(offset, window_.data(), size) ? size : 0;
      if (filled_ == 0 && size != 0) return nullptr;
    }
  }
  return window_.data() + (offset - begin_);
}

NameSource::NameSource(NameSource &&other) noexcept {
  *this = std::move(other);
}

NameSource &NameSource::operator=(NameSource &&other) noexcept {
  if (this == &other) return *this;
  reset();
  const bool copied = !other.copy_.empty();
  mapping_ = std::exchange(other.mapping_, nullptr);
  mapping_size_ = std::exchange(other.mapping_size_, 0);
  begin_ = std::exchange(other.begin_, nullptr);
  size_ = std::exchange(other.size_, 0);
  guarded_ = std::exchange(other.guarded_, false);
  copy_ = std::move(other.copy_);
  if (copied) begin_ = copy_.data(); // short texts move with the string object
  return *this;
}

NameSource::~NameSource() {
  reset();
}

void NameSource::reset() noexcept {
  if (mapping_ != nullptr) ::munmap(mapping_, mapping_size_);
  mapping_ = nullptr;
  mapping_size_ = 0;
  begin_ = nullptr;
  size_ = 0;
  guarded_ = false;
  copy_.clear();
}

bool NameSource::open(const ByteSource &source, uint64_t offset, uint64_t size, uint64_t max_copy) {
  reset();
  if (size == 0 || !source.holds(offset, size) || size > SIZE_MAX / 2) return false;
  if (source.is_memory()) {
    begin_ = reinterpret_cast<const char *>(source.memory().data()) + offset;
    size_ = size;
    return true;
  }
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const uint64_t before = offset % page;
  const auto length = static_cast<size_t>(size + before);
  void *mapped = ::mmap(nullptr, length, PROT_READ, MAP_PRIVATE, source.fd(),
                        static_cast<off_t>(offset - before));
  if (mapped != MAP_FAILED) {
    mapping_ = mapped;
    mapping_size_ = length;
    begin_ = static_cast<const char *>(mapped) + before;
    size_ = size;
    guarded_ = true;
    char probe;
    if (fetch(0, &probe, 1) == 1) return true;
    reset();
  }
  return open_copy(source, offset, size, max_copy);
}

bool NameSource::open_copy(const ByteSource &source, uint64_t offset, uint64_t size,
                           uint64_t max_copy) {
  reset();
  if (size == 0 || size > max_copy || !source.holds(offset, size)) return false;
  copy_.resize(static_cast<size_t>(size));
  if (!source.read(offset, copy_.data(), copy_.size())) {
    copy_ = {};
    return false;
  }
  begin_ = copy_.data();
  size_ = size;
  return true;
}

size_t NameSource::fetch(uint64_t offset, char *to, size_t size) const noexcept {
  size = static_cast<size_t>(std::min<uint64_t>(size, size_ - offset));
  if (!guarded_) {
    std::memcpy(to, begin_ + offset, size);
    return size;
  }
  iovec local{to, size};
  iovec remote{const_cast<char *>(begin_ + offset), size};
  const ssize_t got = ::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0);
  return got < 0 ? 0 : static_cast<size_t>(got);
}

void NameSource::let_go() const noexcept {
  if (mapping_ != nullptr) ::madvise(mapping_, mapping_size_, MADV_DONTNEED);
}

bool NameSource::read(uint64_t offset, std::string &name) const {
  name.clear();
  if (offset >= size_) return false;
  char part[256];
  for (;;) {
    // Reads end at a page's end first, since the page after it may be missing.
    const size_t got = fetch(offset, part, sizeof part);
    if (got == 0) return false;
    const auto *end = static_cast<const char *>(std::memchr(part, '\0', got));
    name.append(part, end != nullptr ? static_cast<size_t>(end - part) : got);
    if (end != nullptr || name.size() >= kLongest) break;
    offset += got;
    if (offset >= size_) return false; // not terminated
  }
  if (name.size() > kLongest) name.resize(kLongest);
  return true;
}

} // namespace profcore
