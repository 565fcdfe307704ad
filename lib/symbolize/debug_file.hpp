#pragma once

#include "symbolize/elf_image.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace profcore {

/// The file that has the .symtab of a stripped program, or nothing. Its bytes live as long as this.
class DebugFile {
public:
  DebugFile() = default;
  DebugFile(DebugFile &&) noexcept;
  DebugFile &operator=(DebugFile &&) noexcept;
  ~DebugFile();

  const ElfImage *image() const noexcept { return image_ ? &*image_ : nullptr; }

private:
  friend DebugFile open_debug_file(const ElfImage &, const std::string &, uint64_t);

  void open_by_build_id(const ElfImage &program, const std::string &folder);
  void unpack(const ElfImage &program, uint64_t max_bytes);
  void take(const ByteSource &bytes, const ElfImage &program, bool same_build_id);

  int fd_ = -1;
  std::vector<uint8_t> unpacked_;
  std::optional<ElfImage> image_;
};

/// For a program without .symtab: the file `folder`/.build-id/ab/cdef....debug with the same build
/// id, as packages of debug symbols install it; else what .gnu_debugdata holds (where liblzma is
/// built in). Neither is looked for in a program that has its own. What is damaged is none; of
/// max_bytes at most a half is unpacked.
DebugFile open_debug_file(const ElfImage &program, const std::string &folder, uint64_t max_bytes);

} // namespace profcore
