#pragma once

#include "base/context.hpp"
#include "base/input_stream.hpp"
#include "base/pod_vector.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace profcore {

enum class FileAccess : int32_t {
  /// Copies the file into memory. The default: the copy costs about 0.1 s for 370 MB, and a file
  /// that somebody truncates meanwhile ends early instead of killing the process by SIGBUS.
  kRead = 0,
  /// Maps regular files (others are read). Only for files that nobody truncates while they are
  /// open.
  kMap = 1,
};

/// The bytes of a file, pipe or anything else that can be read, kept for this object's life.
///
/// Errors carry the path as context and errno's text: kNotFound (no such file), kPermission, kIo
/// (anything else, a directory too), kLimit past `limits.max_input_bytes`.
class MappedFile {
public:
  static MappedFile open(const std::string &path, const Context &context,
                         FileAccess access = FileAccess::kRead);
  /// Reads from a descriptor to its end; it stays the caller's. `name` is for errors.
  static MappedFile from_fd(int fd, std::string_view name, const Context &context,
                            FileAccess access = FileAccess::kRead);

  MappedFile() = default;
  MappedFile(MappedFile &&other) noexcept;
  MappedFile &operator=(MappedFile &&other) noexcept;
  ~MappedFile();

  std::span<const uint8_t> bytes() const noexcept {
    return mapping_ != nullptr ? std::span<const uint8_t>{mapping_, mapping_size_} : buffer_.span();
  }
  bool is_mapped() const noexcept { return mapping_ != nullptr; }

private:
  static MappedFile from_stream(InputStream &input, const Context &context, FileAccess access);
  void unmap() noexcept;

  PodVector<uint8_t> buffer_;
  const uint8_t *mapping_ = nullptr;
  size_t mapping_size_ = 0;
};

/// Appends what is left of the input, reporting progress.
void read_rest(InputStream &input, PodVector<uint8_t> &buffer, const Context &context);

} // namespace profcore
