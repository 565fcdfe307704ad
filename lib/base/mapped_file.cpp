#include "base/mapped_file.hpp"

#include <algorithm>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace profcore {
namespace {

constexpr size_t kReadStep = size_t{1} << 20;

PodVector<uint8_t> read_all(InputStream &input, const Context &context) {
  const uint64_t expected = input.expected();
  PodVector<uint8_t> buffer;
  buffer.reserve(static_cast<size_t>(expected) + 1); // the extra byte lets read() tell the end
  read_rest(input, buffer, context);
  return buffer;
}

} // namespace

MappedFile::MappedFile(MappedFile &&other) noexcept
    : buffer_{std::move(other.buffer_)}, mapping_{std::exchange(other.mapping_, nullptr)},
      mapping_size_{std::exchange(other.mapping_size_, 0)} {}

MappedFile &MappedFile::operator=(MappedFile &&other) noexcept {
  if (this != &other) {
    unmap();
    buffer_ = std::move(other.buffer_);
    mapping_ = std::exchange(other.mapping_, nullptr);
    mapping_size_ = std::exchange(other.mapping_size_, 0);
  }
  return *this;
}

MappedFile::~MappedFile() {
  unmap();
}

void MappedFile::unmap() noexcept {
  if (mapping_ != nullptr) ::munmap(const_cast<uint8_t *>(mapping_), mapping_size_);
  mapping_ = nullptr;
}

MappedFile MappedFile::open(const std::string &path, const Context &context, FileAccess access) {
  InputStream input = InputStream::open(path, context);
  return from_stream(input, context, access);
}

MappedFile MappedFile::from_fd(int fd, std::string_view name, const Context &context,
                               FileAccess access) {
  InputStream input = InputStream::borrow(fd, name, context);
  return from_stream(input, context, access);
}

MappedFile MappedFile::from_stream(InputStream &input, const Context &context, FileAccess access) {
  MappedFile file;
  // The whole file is mapped, so a descriptor that was read from already is read, not mapped.
  if (access == FileAccess::kMap && input.is_regular() && input.expected() > 0 &&
      ::lseek(input.descriptor(), 0, SEEK_CUR) == 0) {
    const auto size = static_cast<size_t>(input.expected());
    void *mapped = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, input.descriptor(), 0);
    if (mapped != MAP_FAILED) {
      file.mapping_ = static_cast<const uint8_t *>(mapped);
      file.mapping_size_ = size;
      ::madvise(mapped, file.mapping_size_, MADV_WILLNEED);
      return file;
    }
  }
  file.buffer_ = read_all(input, context);
  return file;
}

void read_rest(InputStream &input, PodVector<uint8_t> &buffer, const Context &context) {
  for (;;) {
    const size_t filled = buffer.size();
    if (filled == buffer.capacity()) buffer.reserve_more(kReadStep);
    const size_t room = std::min<size_t>(buffer.capacity() - filled, size_t{64} << 20);
    const size_t got = input.read_some(buffer.data() + filled, room);
    if (got == 0) return;
    buffer.resize_uninitialized(filled + got);
    context.report(buffer.size(), std::max<uint64_t>(input.expected(), buffer.size()));
  }
}

} // namespace profcore
