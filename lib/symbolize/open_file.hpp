#pragma once

#include <unistd.h>

namespace profcore {

/// A descriptor that is closed in the end; -1 = none.
class OpenFile {
public:
  explicit OpenFile(int fd) noexcept : fd_{fd} {}
  OpenFile(const OpenFile &) = delete;
  OpenFile &operator=(const OpenFile &) = delete;
  ~OpenFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const noexcept { return fd_; }

private:
  int fd_;
};

} // namespace profcore
