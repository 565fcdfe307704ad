#include "sources/sampler/module_files.hpp"

#include "sources/sampler/unwind_table.hpp"

#include <algorithm>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace profcore::sampler {
namespace {

/// The mapping's own link is the very file, whatever has become of the path, but wants privileges;
/// the path in the process's root is checked.
Descriptor open_mapped(const FileId &id, std::string_view path, int32_t pid, uint64_t start,
                       uint64_t end) {
  const std::string link = fmt::format("/proc/{}/map_files/{:x}-{:x}", pid, start, end);
  Descriptor file{open(link.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.is_open()) return file;
  const std::string in_root = fmt::format("/proc/{}/root{}", pid, path);
  for (const std::string &candidate : {in_root, std::string{path}}) {
    file = Descriptor{open(candidate.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    struct stat info {};
    if (!file.is_open() || fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    // Filesystems of layers report another device than their mappings.
    if (info.st_ino == id.inode) return file;
  }
  return {};
}

} // namespace

Descriptor &Descriptor::operator=(Descriptor &&other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = other.release();
  }
  return *this;
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) close(fd_);
}

uint32_t ModuleFiles::add(const FileId &id, std::string_view path, int32_t pid, uint64_t start,
                          uint64_t end) {
  const auto known = by_id_.find(id);
  if (known != by_id_.end()) {
    ModuleFile &module = modules_[known->second];
    // The process that was seen first may have gone before its file could be opened.
    if (!module.file.is_open() && module.tries < kMaxTries && open_ < kMaxOpen) {
      ++module.tries;
      module.file = open_mapped(id, module.path, pid, start, end);
      if (module.file.is_open()) {
        ++open_;
        module.was_prepared = false;
      }
    }
    return known->second;
  }
  if (modules_.size() >= kMaxModules) return kNone;
  ModuleFile module;
  module.id = id;
  constexpr std::string_view kDeleted = " (deleted)";
  if (path.ends_with(kDeleted)) path.remove_suffix(kDeleted.size());
  module.path = path;
  if (open_ < kMaxOpen) module.file = open_mapped(id, path, pid, start, end);
  if (module.file.is_open()) ++open_;
  const auto number = static_cast<uint32_t>(modules_.size());
  modules_.push_back(std::move(module));
  by_id_.emplace(id, number);
  return number;
}

uint32_t ModuleFiles::add_vdso() {
  if (vdso_ != kNone) return vdso_;
  ModuleFile module;
  module.path = "[vdso]";
  module.is_vdso = true;
  vdso_ = static_cast<uint32_t>(modules_.size());
  modules_.push_back(std::move(module));
  return vdso_;
}

ModuleBytes::ModuleBytes(const ModuleFile &module) {
  if (module.is_vdso) {
    const std::span<const uint8_t> image = vdso_image();
    data_ = image.data();
    size_ = image.size();
    return;
  }
  struct stat info {};
  if (!module.file.is_open() || fstat(module.file.get(), &info) != 0 || info.st_size <= 0) return;
  void *mapped = mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_PRIVATE,
                      module.file.get(), 0);
  if (mapped == MAP_FAILED) return;
  data_ = static_cast<const uint8_t *>(mapped);
  size_ = static_cast<size_t>(info.st_size);
  is_mapped_ = true;
}

ModuleBytes::~ModuleBytes() {
  if (is_mapped_) munmap(const_cast<uint8_t *>(data_), size_);
}

bool read_elf_head(const uint8_t *bytes, size_t size, ModuleFile &module) {
  Elf64_Ehdr head;
  if (bytes == nullptr || size < sizeof head) return false;
  std::memcpy(&head, bytes, sizeof head);
  if (std::memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
      head.e_ident[EI_DATA] != ELFDATA2LSB || head.e_phentsize != sizeof(Elf64_Phdr))
    return false;
  for (size_t i = 0; i < head.e_phnum; ++i) {
    const uint64_t at = head.e_phoff + i * sizeof(Elf64_Phdr);
    if (at < head.e_phoff || at > size || size - at < sizeof(Elf64_Phdr)) return false;
    Elf64_Phdr part;
    std::memcpy(&part, bytes + at, sizeof part);
    if (part.p_type == PT_LOAD) {
      module.segments.push_back({part.p_offset, part.p_filesz, part.p_vaddr});
      continue;
    }
    if (part.p_type != PT_NOTE || part.p_offset > size || part.p_filesz > size - part.p_offset)
      continue;
    const uint8_t *note = bytes + part.p_offset;
    for (uint64_t left = part.p_filesz; left >= sizeof(Elf64_Nhdr);) {
      Elf64_Nhdr entry;
      std::memcpy(&entry, note, sizeof entry);
      const uint64_t name = (uint64_t{entry.n_namesz} + 3) & ~UINT64_C(3);
      const uint64_t text = (uint64_t{entry.n_descsz} + 3) & ~UINT64_C(3);
      const uint64_t whole = sizeof entry + name + text;
      if (whole > left) break;
      if (entry.n_type == NT_GNU_BUILD_ID && entry.n_namesz == 4 &&
          std::memcmp(note + sizeof entry, "GNU", 4) == 0 && entry.n_descsz <= 64)
        for (uint32_t b = 0; b < entry.n_descsz; ++b)
          module.build_id += fmt::format("{:02x}", note[sizeof entry + name + b]);
      note += whole;
      left -= whole;
    }
  }
  return !module.segments.empty();
}

} // namespace profcore::sampler
