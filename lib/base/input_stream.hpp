#pragma once

#include "base/context.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace profcore {

/// A file, pipe or anything else that can be read, front to back.
///
/// Errors carry the path as context and errno's text: kNotFound (no such file), kPermission, kIo
/// (anything else, a directory too), kLimit past `limits.max_input_bytes`.
class InputStream {
public:
  static InputStream open(const std::string &path, const Context &context);
  /// The descriptor stays the caller's. `name` is for errors.
  static InputStream borrow(int fd, std::string_view name, const Context &context);

  InputStream(InputStream &&other) noexcept;
  InputStream &operator=(InputStream &&) = delete;
  ~InputStream();

  /// One read of at most `room` bytes, which may bring less; 0 at the end.
  size_t read_some(void *to, size_t room);

  int descriptor() const noexcept { return fd_; }
  bool is_regular() const noexcept { return is_regular_; }
  /// What the file system says, a hint: procfs says 0, and files grow and shrink.
  uint64_t expected() const noexcept { return expected_; }
  std::string_view name() const noexcept { return name_; }

private:
  InputStream(int fd, bool owned, std::string name, const Context &context);

  int fd_;
  bool owned_;
  bool is_regular_ = false;
  std::string name_;
  uint64_t limit_;
  uint64_t expected_ = 0;
  uint64_t position_ = 0;
};

} // namespace profcore
