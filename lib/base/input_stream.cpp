#include "base/input_stream.hpp"

#include "base/error.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace profcore {
namespace {

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

} // namespace

InputStream::InputStream(int fd, bool owned, std::string name, const Context &context)
    : fd_{fd}, owned_{owned}, name_{std::move(name)}, limit_{context.limits.max_input_bytes} {}

InputStream::InputStream(InputStream &&other) noexcept
    : fd_{other.fd_}, owned_{std::exchange(other.owned_, false)},
      is_regular_{other.is_regular_}, name_{std::move(other.name_)}, limit_{other.limit_},
      expected_{other.expected_}, position_{other.position_} {}

InputStream::~InputStream() {
  if (owned_) ::close(fd_);
}

InputStream InputStream::open(const std::string &path, const Context &context) {
  if (path.find('\0') != std::string::npos)
    throw Error{Status::kInvalidArgument, "a path cannot hold a NUL byte"};
  int fd;
  do fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  while (fd < 0 && errno == EINTR);
  if (fd < 0) throw_errno("open", path, errno);
  struct Owned {
    int fd;
    ~Owned() {
      if (fd >= 0) ::close(fd);
    }
  } owned{fd};
  InputStream input = borrow(fd, path, context);
  input.owned_ = true;
  owned.fd = -1;
  return input;
}

InputStream InputStream::borrow(int fd, std::string_view name, const Context &context) {
  InputStream input{fd, false, std::string{name}, context};
  struct stat info {};
  if (::fstat(fd, &info) != 0) throw_errno("look at", name, errno);
  if (S_ISDIR(info.st_mode)) throw_errno("read", name, EISDIR);
  input.is_regular_ = S_ISREG(info.st_mode);
  if (input.is_regular_) {
    input.expected_ = static_cast<uint64_t>(info.st_size);
    if (input.expected_ > input.limit_) throw_limit(name, input.limit_);
  }
  return input;
}

size_t InputStream::read_some(void *to, size_t room) {
  for (;;) {
    const ssize_t got = ::read(fd_, to, room);
    if (got >= 0) {
      position_ += static_cast<uint64_t>(got);
      if (position_ > limit_) throw_limit(name_, limit_);
      return static_cast<size_t>(got);
    }
    if (errno != EINTR) throw_errno("read", name_, errno);
  }
}

} // namespace profcore
