#pragma once

#include "sources/sampler/elf_sections.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace profcore::sampler {

/// A file as the kernel names it in mappings. Two paths of two containers may be one file.
struct FileId {
  uint32_t major = 0;
  uint32_t minor = 0;
  uint64_t inode = 0;

  bool operator==(const FileId &) const = default;
};
struct FileIdHash {
  size_t operator()(const FileId &id) const noexcept {
    return static_cast<size_t>((id.inode * UINT64_C(0x9e3779b97f4a7c15)) ^
                               (static_cast<uint64_t>(id.major) << 40) ^ id.minor);
  }
};

/// A file descriptor that is closed.
class Descriptor {
public:
  Descriptor() = default;
  explicit Descriptor(int fd) noexcept : fd_{fd} {}
  Descriptor(Descriptor &&other) noexcept : fd_{other.release()} {}
  Descriptor &operator=(Descriptor &&other) noexcept;
  ~Descriptor();
  int get() const noexcept { return fd_; }
  bool is_open() const noexcept { return fd_ >= 0; }
  int release() noexcept {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }

private:
  int fd_ = -1;
};

/// Where a run of a file's unwind rows lies. Long tables are cut at the borders of chunks.
struct RowsPlace {
  uint64_t from = 0; ///< the ELF addresses that these rows are for: `from` to the next run's
  uint32_t chunk = 0;
  uint32_t first = 0;
  uint32_t count = 0;
};

/// A file that is or was mapped for execution. It stays open, so that it can be read when the
/// process has gone and the path with it.
struct ModuleFile {
  FileId id;
  std::string path; ///< as the process that was seen first has it
  Descriptor file;
  std::vector<CodeSegment> code;
  std::string build_id;        ///< hexadecimal
  std::vector<RowsPlace> rows; ///< none: frame pointers only
  uint64_t row_base = 0;       ///< what the rows' pcs count from, an ELF address
  bool is_vdso = false;
  bool was_prepared = false; ///< head and rows have been read, or cannot be
  uint8_t tries = 0;
};

/// The files of all processes, each once. A number is the frame's in BPF: it is never reused.
class ModuleFiles {
public:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr size_t kMaxModules = size_t{1} << 22; ///< what a frame can name
  static constexpr uint8_t kMaxTries = 4;
  static constexpr size_t kMaxOpen = 512; ///< the host needs descriptors too

  /// The number of the file that process `pid` has mapped at `start ... end`; opened when it is
  /// new.
  uint32_t add(const FileId &id, std::string_view path, int32_t pid, uint64_t start, uint64_t end);
  uint32_t add_vdso();

  ModuleFile &operator[](uint32_t module) { return modules_[module]; }
  const ModuleFile &operator[](uint32_t module) const { return modules_[module]; }
  size_t size() const noexcept { return modules_.size(); }
  /// Opened since the last call: their heads and rows are to be read.
  std::vector<uint32_t> take_opened() { return std::exchange(opened_, {}); }

private:
  std::vector<ModuleFile> modules_;
  std::unordered_map<FileId, uint32_t, FileIdHash> by_id_;
  std::vector<uint32_t> opened_;
  uint32_t vdso_ = kNone;
  size_t open_ = 0;
};

/// What unwinding needs of a module's file, at its place in a span as long as the file; all else is
/// zero and takes no memory. Copied by reads: a mapping of a file that somebody cuts short would
/// end the host by SIGBUS. Of the vDSO it is our own.
class ModuleBytes {
public:
  explicit ModuleBytes(const ModuleFile &module);
  ModuleBytes(const ModuleBytes &) = delete;
  ModuleBytes &operator=(const ModuleBytes &) = delete;
  ~ModuleBytes();
  const uint8_t *data() const noexcept { return data_; }
  size_t size() const noexcept { return size_; }

private:
  bool copy(int fd, uint64_t offset, uint64_t size);
  void copy_parts(int fd);

  uint8_t *data_ = nullptr;
  size_t size_ = 0;
  uint64_t copied_ = 0;
  bool is_own_ = false;
};

/// The build id of a 64-bit little-endian ELF file, hexadecimal; empty when there is none.
std::string read_build_id(const uint8_t *bytes, size_t size);

} // namespace profcore::sampler
