#include "base/mapped_file.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace profcore {
namespace {

constexpr size_t kReadStep = size_t{1} << 20;

Status status_of(int error) {
  switch (error) {
  case ENOENT:
  case ENOTDIR:
    return Status::kNotFound;
  case EACCES:
  case EPERM:
    return Status::kPermission;
  case ENOMEM:
    return Status::kNoMemory;
  case EINVAL:
  default:
    return Status::kIo;
  }
}

[[noreturn]] void throw_errno(std::string_view doing, std::string_view name, int error) {
  Error thrown{status_of(error),
               fmt::format("cannot {}: {}", doing, std::generic_category().message(error))};
  thrown.set_context(std::string{name});
  throw thrown;
}

[[noreturn]] void throw_limit(std::string_view name, uint64_t limit) {
  Error thrown{Status::kLimit, fmt::format("the file has more than the limit of {} bytes", limit)};
  thrown.set_context(std::string{name});
  throw thrown;
}

struct Descriptor {
  int fd;
  ~Descriptor() { ::close(fd); }
};

/// `expected` is what stat said, a hint: procfs says 0, and files grow and shrink.
PodVector<uint8_t> read_all(int fd, std::string_view name, uint64_t expected,
                            const Context &context) {
  const uint64_t limit = context.limits.max_input_bytes;
  PodVector<uint8_t> buffer;
  buffer.reserve(static_cast<size_t>(expected) + 1); // the extra byte lets read() tell the end
  for (;;) {
    const size_t filled = buffer.size();
    if (filled == buffer.capacity()) buffer.reserve_more(kReadStep);
    const size_t room = std::min<size_t>(buffer.capacity() - filled, size_t{64} << 20);
    const ssize_t got = ::read(fd, buffer.data() + filled, room);
    if (got == 0) break;
    if (got < 0) {
      if (errno == EINTR) continue;
      throw_errno("read", name, errno);
    }
    buffer.resize_uninitialized(filled + static_cast<size_t>(got));
    if (buffer.size() > limit) throw_limit(name, limit);
    context.report(buffer.size(), std::max<uint64_t>(expected, buffer.size()));
  }
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
  if (path.find('\0') != std::string::npos)
    throw Error{Status::kInvalidArgument, "a path cannot hold a NUL byte"};
  int fd;
  do fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  while (fd < 0 && errno == EINTR);
  if (fd < 0) throw_errno("open", path, errno);
  const Descriptor owned{fd};
  return from_fd(fd, path, context, access);
}

MappedFile MappedFile::from_fd(int fd, std::string_view name, const Context &context,
                               FileAccess access) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) throw_errno("look at", name, errno);
  if (S_ISDIR(info.st_mode)) throw_errno("read", name, EISDIR);
  MappedFile file;
  uint64_t expected = 0;
  if (S_ISREG(info.st_mode)) {
    expected = static_cast<uint64_t>(info.st_size);
    if (expected > context.limits.max_input_bytes)
      throw_limit(name, context.limits.max_input_bytes);
    // The whole file is mapped, so a descriptor that was read from already is read, not mapped.
    if (access == FileAccess::kMap && expected > 0 && ::lseek(fd, 0, SEEK_CUR) == 0) {
      void *mapped = ::mmap(nullptr, info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
      if (mapped != MAP_FAILED) {
        file.mapping_ = static_cast<const uint8_t *>(mapped);
        file.mapping_size_ = static_cast<size_t>(expected);
        ::madvise(mapped, file.mapping_size_, MADV_WILLNEED);
        return file;
      }
    }
  }
  file.buffer_ = read_all(fd, name, expected, context);
  return file;
}

} // namespace profcore
