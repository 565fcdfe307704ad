#include "build_features.hpp"
#include "capi/guard.hpp"

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace profcore;
using namespace profcore::capi;

namespace {

[[noreturn]] void throw_errno(const char *what, std::string_view path) {
  const int reason = errno;
  const Status status = reason == EACCES || reason == EPERM     ? Status::kPermission
                        : reason == ENOENT || reason == ENOTDIR ? Status::kNotFound
                                                                : Status::kIo;
  char text[256];
  Error error{status, fmt::format("{}: {}", what, strerror_r(reason, text, sizeof text))};
  error.set_context(std::string{path});
  throw error;
}

class Descriptor {
public:
  explicit Descriptor(int fd) : fd_{fd} {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor &) = delete;
  Descriptor &operator=(const Descriptor &) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

private:
  int fd_;
};

/// A write to a pipe without a reader must not end the host: while this lives, the SIGPIPE that the
/// kernel sends to the writing thread is held back, and one that came of it is taken away.
class PipeSignalBlock {
public:
  PipeSignalBlock() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigemptyset(&pending);
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    blocked_ = !was_pending_ && pthread_sigmask(SIG_BLOCK, &pipe_, &before_) == 0;
  }
  ~PipeSignalBlock() {
    if (!blocked_) return;
    const int reason = errno;
    const timespec at_once{};
    while (sigtimedwait(&pipe_, nullptr, &at_once) < 0 && errno == EINTR) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = reason;
  }
  PipeSignalBlock(const PipeSignalBlock &) = delete;
  PipeSignalBlock &operator=(const PipeSignalBlock &) = delete;

private:
  sigset_t pipe_;
  sigset_t before_;
  bool was_pending_ = false;
  bool blocked_ = false;
};

void write_all(int fd, const char *data, size_t size, std::string_view path) {
  while (size > 0) {
    const ssize_t written = write(fd, data, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_errno("cannot write", path);
    data += written;
    size -= static_cast<size_t>(written);
  }
}

/// What is in a file is gone at once, so this is only for where nothing else works.
void save_in_place(const Buffer &bytes, const std::string &path) {
  const Descriptor fd{open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY)};
  if (fd.get() < 0) throw_errno("cannot open for writing", path);
  const PipeSignalBlock no_signal;
  write_all(fd.get(), bytes.data(), bytes.size() - 1, path);
}

std::string folder_of(const std::string &path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "./" : path.substr(0, slash + 1);
}

/// The mode a plain open() would give, read without changing the process's umask.
mode_t default_mode(const std::string &path) {
  const Descriptor probe{open(folder_of(path).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666)};
  struct stat status {};
  if (probe.get() >= 0 && fstat(probe.get(), &status) == 0) return status.st_mode & 0777;
  return 0644;
}

/// `existing` is what is there now, or null.
void save_by_rename(const Buffer &bytes, const std::string &path, const struct stat *existing) {
  // Not the path with an ending: that may be too long a name.
  std::string temporary = folder_of(path) + ".profcore-XXXXXX";
  Descriptor fd{mkostemp(temporary.data(), O_CLOEXEC)};
  if (fd.get() < 0) {
    if (existing != nullptr && (errno == EACCES || errno == EROFS))
      return save_in_place(bytes, path); // the file may be writable though its folder is not
    throw_errno("cannot create a file beside it", path);
  }
  try {
    write_all(fd.get(), bytes.data(), bytes.size() - 1, path);
    if (existing != nullptr) {
      // Only root can, and only root needs to.
      [[maybe_unused]] const int ignored = fchown(fd.get(), existing->st_uid, existing->st_gid);
    }
    const mode_t mode = existing != nullptr ? existing->st_mode & 0777 : default_mode(path);
    if (fchmod(fd.get(), mode) != 0) throw_errno("cannot set the mode", path);
    if (close(fd.release()) != 0) throw_errno("cannot write", path);
    if (rename(temporary.c_str(), path.c_str()) != 0) {
      if (errno != EBUSY) throw_errno("cannot rename into place", path);
      unlink(temporary.c_str());
      save_in_place(bytes, path); // something is mounted there
    }
  } catch (...) {
    unlink(temporary.c_str());
    throw;
  }
}

/// Where a chain of links ends, be there a file or not.
std::string follow_links(std::string path) {
  constexpr int kMostLinks = 40;
  char target[PATH_MAX];
  for (int i = 0; i < kMostLinks; ++i) {
    const ssize_t size = readlink(path.c_str(), target, sizeof target);
    if (size <= 0 || static_cast<size_t>(size) >= sizeof target) return path;
    const std::string_view next{target, static_cast<size_t>(size)};
    path = next[0] == '/' ? std::string{next} : folder_of(path).append(next);
  }
  errno = ELOOP;
  throw_errno("cannot open for writing", path);
}

} // namespace

extern "C" {

profcore_status profcore_error_get_status(const profcore_error *err) {
  return err == nullptr ? PROFCORE_OK : err->status;
}
const char *profcore_error_get_message(const profcore_error *err) {
  return err == nullptr ? "" : err->message.c_str();
}
const char *profcore_error_get_context(const profcore_error *err) {
  return err == nullptr ? "" : err->context.c_str();
}
uint64_t profcore_error_get_offset(const profcore_error *err) {
  return err == nullptr ? PROFCORE_NO_OFFSET : err->offset;
}
void profcore_error_free(profcore_error *err) {
  if (err != nullptr && !err->is_static) delete err;
}

const char *profcore_status_get_name(profcore_status status) {
  switch (status) {
  case PROFCORE_OK:
    return "ok";
  case PROFCORE_ERR_INVALID_ARGUMENT:
    return "invalid argument";
  case PROFCORE_ERR_NO_MEMORY:
    return "out of memory";
  case PROFCORE_ERR_IO:
    return "input/output error";
  case PROFCORE_ERR_MALFORMED:
    return "malformed input";
  case PROFCORE_ERR_UNKNOWN_FORMAT:
    return "unknown format";
  case PROFCORE_ERR_UNSUPPORTED:
    return "not supported";
  case PROFCORE_ERR_LIMIT:
    return "limit reached";
  case PROFCORE_ERR_CANCELLED:
    return "cancelled";
  case PROFCORE_ERR_NOT_FOUND:
    return "not found";
  case PROFCORE_ERR_NO_DATA:
    return "no data";
  case PROFCORE_ERR_PERMISSION:
    return "permission denied";
  case PROFCORE_ERR_INTERNAL:
    return "internal error";
  default:
    return "unknown status";
  }
}

const char *profcore_version_get(void) {
  return PROFCORE_BUILD_VERSION;
}

const char *profcore_features_get(void) {
  return "re2="
#if PROFCORE_HAVE_RE2
         "yes"
#else
         "no"
#endif
         " lz4="
#if PROFCORE_HAVE_LZ4
         "yes"
#else
         "no"
#endif
         " bpf="
#if PROFCORE_HAVE_BPF
         "yes";
#else
         "no";
#endif
}

const char *profcore_buffer_get_data(const profcore_buffer *buffer) {
  return buffer == nullptr ? "" : buffer->bytes.data();
}
size_t profcore_buffer_get_size(const profcore_buffer *buffer) {
  return buffer == nullptr ? 0 : buffer->bytes.size() - 1;
}
void profcore_buffer_free(profcore_buffer *buffer) {
  delete buffer;
}

profcore_status profcore_buffer_save(const profcore_buffer *buffer, const char *path,
                                     profcore_error **err) {
  return guard(err, [&] {
    const Buffer &bytes = required(buffer, "buffer").bytes;
    const std::string given{&required(path, "path")};
    if (given.empty()) invalid("path is empty");
    try {
      struct stat status {};
      const bool exists = stat(given.c_str(), &status) == 0;
      if (!exists && errno != ENOENT) throw_errno("cannot open for writing", given);
      // A link's target is replaced, not the link.
      if (!exists || S_ISREG(status.st_mode))
        save_by_rename(bytes, follow_links(given), exists ? &status : nullptr);
      else
        save_in_place(bytes, given);
    } catch (Error &error) {
      error.set_context(given);
      throw;
    }
  });
}

} // extern "C"
