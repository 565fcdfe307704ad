#pragma once

#include "sources/sampler/elf_sections.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
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

/// What tells whether a file was written anew in its place.
struct FileStamp {
  int64_t size = -1; ///< -1: not known
  int64_t seconds = 0;
  int64_t nanoseconds = 0;

  bool operator==(const FileStamp &) const = default;
};

/// Copies of CPython's perf trampoline, one behind the other; see trampolines.cpp.
struct Trampolines {
  uint16_t stride = 0; ///< bytes from one to the next; 0: there are none
  uint8_t first = 0;   ///< where in each the stack pointer is moved

  bool operator==(const Trampolines &) const = default;
};

/// A file that is or was mapped for execution. It stays open while it is mapped and for two windows
/// more, so that it can be read when the process has gone and the path with it.
struct ModuleFile {
  FileId id;
  std::string path; ///< as the process that was seen first has it
  Descriptor file;
  FileStamp stamp;
  std::vector<CodeSegment> code;
  std::string build_id; ///< hexadecimal
  bool is_vdso = false;
  Trampolines trampolines = {}; ///< stands for all memory with these, and is no file
  bool was_prepared = false;    ///< head and rows have been read, or cannot be
  bool is_waiting = false;      ///< to be prepared
  bool has_kernel_rows = false;
  uint8_t tries = 0;
  uint32_t slot = 0;        ///< in the kernel's table of files; 0: none
  uint32_t row_slots = 0;   ///< what its rows took or want in the kernel; 0: not known
  uint32_t placed_in = 0;   ///< the window in which that was tried last
  uint32_t last_mapped = 0; ///< when: counted by `age`
};

/// The files of all processes, each once. A number is the frame's in BPF; it is given anew only
/// when its file has not been mapped for long.
class ModuleFiles {
public:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr size_t kMaxModules = size_t{1} << 22; ///< what a frame can name
  static constexpr uint8_t kMaxTries = 4;
  /// Of files kept open: the host needs descriptors too.
  static constexpr size_t kMaxOpen = 512;
  /// Past so many, those that nobody has mapped for long are forgotten.
  static constexpr size_t kManyModules = 16384;
  static constexpr uint32_t kWindowsKept = 2;

  ModuleFiles();
  ModuleFiles(size_t most_open, size_t many_modules)
      : most_open_{most_open}, many_modules_{many_modules} {}

  /// The number of the file that process `pid` has mapped at `start ... end`; opened when it is
  /// new. A file that was written anew since has another number.
  uint32_t add(const FileId &id, std::string_view path, int32_t pid, uint64_t start, uint64_t end);
  uint32_t add_vdso();
  uint32_t add_trampolines(Trampolines form);

  ModuleFile &operator[](uint32_t module) { return modules_[module]; }
  const ModuleFile &operator[](uint32_t module) const { return modules_[module]; }
  size_t size() const noexcept { return modules_.size(); }
  size_t known() const noexcept { return modules_.size() - free_.size(); }
  size_t open_count() const noexcept { return open_; }
  /// New, or opened only now, since the last call: what is to be known of them can be read.
  std::vector<uint32_t> take_opened() { return std::exchange(opened_, {}); }

  /// Opens a file again that process `pid` has mapped. False when it cannot be, is another now, or
  /// too many are open.
  bool reopen(uint32_t module, int32_t pid, uint64_t start, uint64_t end, bool close_others = true);

  /// To be called once a window with what is mapped now, by number. Closes files that have not been
  /// for two windows; of many more, forgets those that have neither rows nor a number in use.
  void age(const std::vector<bool> &mapped);

private:
  bool take_descriptor(Descriptor file, uint32_t number, bool close_others = true);
  void close_file(ModuleFile &module);
  void close_oldest();
  uint32_t add_new(const FileId &id, std::string_view path, Descriptor file);

  std::deque<ModuleFile> modules_;
  std::unordered_map<FileId, uint32_t, FileIdHash> by_id_;
  std::vector<uint32_t> opened_;
  std::deque<uint32_t> free_;
  uint32_t vdso_ = kNone;
  std::vector<uint32_t> trampolines_;
  size_t open_ = 0;
  size_t most_open_ = kMaxOpen;
  size_t many_modules_ = kManyModules;
  uint32_t windows_ = 0;
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
