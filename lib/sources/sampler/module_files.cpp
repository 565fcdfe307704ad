#include "sources/sampler/module_files.hpp"

#include "base/proc.hpp"
#include "sources/sampler/unwind_table.hpp"

#include <algorithm>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <memory>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace profcore::sampler {
namespace {

/// Whether the kernel gives mappings of this file that name. Layered filesystems and btrfs report
/// another device for a file than for its mappings, so there a page of it is mapped to see.
bool is_named(const Descriptor &file, const FileId &id) {
  struct stat info {};
  if (fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
  if (info.st_ino == id.inode && major(info.st_dev) == id.major && minor(info.st_dev) == id.minor)
    return true;
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void *mapped = mmap(nullptr, page, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (mapped == MAP_FAILED) return false;
  FileId found;
  std::string text;
  read_proc("/proc/self/maps", text);
  std::string_view rest{text};
  for (ProcMapping mapping; take_mapping(rest, mapping);)
    if (mapping.start == reinterpret_cast<uintptr_t>(mapped)) {
      found = {mapping.major, mapping.minor, mapping.inode};
      break;
    }
  munmap(mapped, page);
  return found == id;
}

/// The mapping's own link is the very file, whatever has become of the path, but wants privileges;
/// the path in the process's root is checked.
Descriptor open_mapped(const FileId &id, std::string_view path, int32_t pid, uint64_t start,
                       uint64_t end) {
  const std::string link = fmt::format("/proc/{}/map_files/{:x}-{:x}", pid, start, end);
  Descriptor file{open_regular(link, O_RDONLY)};
  if (file.is_open()) return file;
  const std::string in_root = fmt::format("/proc/{}/root{}", pid, path);
  for (const std::string &candidate : {in_root, std::string{path}}) {
    file = Descriptor{open_regular(candidate, O_RDONLY)};
    if (file.is_open() && is_named(file, id)) return file;
  }
  return {};
}

FileStamp stamp_of(const Descriptor &file) {
  struct stat info {};
  if (fstat(file.get(), &info) != 0) return {0, 0, 0};
  return {info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
}

/// Of the only machines that rows are made for here.
bool is_our_elf(const Elf64_Ehdr &head) {
  return std::memcmp(head.e_ident, ELFMAG, SELFMAG) == 0 && head.e_ident[EI_CLASS] == ELFCLASS64 &&
         head.e_ident[EI_DATA] == ELFDATA2LSB && head.e_phentsize == sizeof(Elf64_Phdr);
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

ModuleFiles::ModuleFiles() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  most_open_ = std::clamp<size_t>(static_cast<size_t>(limit.rlim_cur / 4), 16, kMaxOpen);
}

void ModuleFiles::close_file(ModuleFile &module) {
  if (!module.file.is_open()) return;
  module.file = {};
  --open_;
}

/// Closes a quarter of the files, those that have been mapped longest ago: they can be opened
/// again.
void ModuleFiles::close_oldest() {
  std::vector<uint32_t> ages;
  for (const ModuleFile &module : modules_)
    if (module.file.is_open() && !module.is_waiting) ages.push_back(module.last_mapped);
  if (ages.empty()) return;
  const auto oldest = ages.begin() + static_cast<ptrdiff_t>(ages.size() / 4);
  std::nth_element(ages.begin(), oldest, ages.end());
  size_t left = ages.size() / 4 + 1;
  for (ModuleFile &module : modules_) {
    if (left == 0) break;
    if (!module.file.is_open() || module.is_waiting || module.last_mapped > *oldest) continue;
    close_file(module);
    --left;
  }
}

/// False when it is not the file that the module stands for. It is kept open where that is
/// possible.
bool ModuleFiles::take_descriptor(Descriptor file, uint32_t number, bool close_others) {
  ModuleFile &module = modules_[number];
  const FileStamp stamp = stamp_of(file);
  if (module.stamp.size >= 0 && module.stamp != stamp) return false;
  module.stamp = stamp;
  if (open_ >= most_open_ && close_others) close_oldest();
  if (open_ >= (close_others ? most_open_ : 2 * most_open_)) return true;
  module.file = std::move(file);
  ++open_;
  if (!module.was_prepared) opened_.push_back(number);
  return true;
}

uint32_t ModuleFiles::add_new(const FileId &id, std::string_view path, Descriptor file) {
  uint32_t number = 0;
  if (!free_.empty()) {
    number = free_.front();
    free_.pop_front();
  } else {
    if (modules_.size() >= kMaxModules) return kNone;
    number = static_cast<uint32_t>(modules_.size());
    modules_.emplace_back();
  }
  ModuleFile &module = modules_[number];
  module.id = id;
  module.path = path;
  module.last_mapped = windows_;
  by_id_.insert_or_assign(id, number);
  if (file.is_open()) take_descriptor(std::move(file), number);
  return number;
}

uint32_t ModuleFiles::add(const FileId &id, std::string_view path, int32_t pid, uint64_t start,
                          uint64_t end) {
  constexpr std::string_view kDeleted = " (deleted)";
  if (path.ends_with(kDeleted)) path.remove_suffix(kDeleted.size());
  const auto known = by_id_.find(id);
  if (known == by_id_.end()) return add_new(id, path, open_mapped(id, path, pid, start, end));

  const uint32_t number = known->second;
  ModuleFile &module = modules_[number];
  module.last_mapped = windows_;
  if (module.file.is_open()) {
    if (stamp_of(module.file) == module.stamp) return number;
    // Written anew in its place: what is read of it from now on is another program's.
    close_file(module);
    return add_new(id, path, open_mapped(id, path, pid, start, end));
  }
  // Closed meanwhile; or the process that was seen first had gone before it could be opened.
  if (module.stamp.size < 0 && module.tries++ >= kMaxTries) {
    module.tries = kMaxTries;
    return number;
  }
  Descriptor file = open_mapped(id, path, pid, start, end);
  if (!file.is_open()) return number;
  if (module.stamp.size >= 0 && stamp_of(file) != module.stamp)
    return add_new(id, path, std::move(file));
  take_descriptor(std::move(file), number);
  return number;
}

bool ModuleFiles::reopen(uint32_t number, int32_t pid, uint64_t start, uint64_t end,
                         bool close_others) {
  ModuleFile &module = modules_[number];
  if (module.file.is_open()) return true;
  Descriptor file = open_mapped(module.id, module.path, pid, start, end);
  return file.is_open() && take_descriptor(std::move(file), number, close_others) &&
         module.file.is_open();
}

void ModuleFiles::age(const std::vector<bool> &mapped) {
  ++windows_;
  const bool are_many = known() > many_modules_;
  for (uint32_t i = 0; i < modules_.size(); ++i) {
    ModuleFile &module = modules_[i];
    if (i < mapped.size() && mapped[i]) module.last_mapped = windows_;
    if (module.is_vdso || module.trampolines.stride != 0 || module.is_waiting ||
        windows_ - module.last_mapped < kWindowsKept)
      continue;
    close_file(module);
    // Frames with its number are drained; no process of the kernel's copy has it without a slot.
    if (!are_many || module.slot != 0 || module.path.empty()) continue;
    if (const auto at = by_id_.find(module.id); at != by_id_.end() && at->second == i)
      by_id_.erase(at);
    module = ModuleFile{};
    free_.push_back(i);
  }
}

uint32_t ModuleFiles::add_vdso() {
  if (vdso_ != kNone) return vdso_;
  vdso_ = static_cast<uint32_t>(modules_.size());
  modules_.emplace_back();
  modules_.back().path = "[vdso]";
  modules_.back().is_vdso = true;
  opened_.push_back(vdso_);
  return vdso_;
}

uint32_t ModuleFiles::add_trampolines(Trampolines form) {
  for (const uint32_t known : trampolines_)
    if (modules_[known].trampolines == form) return known;
  const auto number = static_cast<uint32_t>(modules_.size());
  modules_.emplace_back();
  modules_.back().path = "[trampolines]";
  modules_.back().trampolines = form;
  trampolines_.push_back(number);
  return number;
}

ModuleBytes::ModuleBytes(const ModuleFile &module) {
  if (module.is_vdso) {
    const std::span<const uint8_t> image = vdso_image();
    data_ = const_cast<uint8_t *>(image.data());
    size_ = image.size();
    return;
  }
  constexpr int64_t kLongest = INT64_C(16) << 30; // of address space, not of memory
  struct stat info {};
  if (!module.file.is_open() || fstat(module.file.get(), &info) != 0 ||
      info.st_size < static_cast<int64_t>(sizeof(Elf64_Ehdr)) || info.st_size > kLongest)
    return;
  void *mapped = mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) return;
  data_ = static_cast<uint8_t *>(mapped);
  size_ = static_cast<size_t>(info.st_size);
  is_own_ = true;
  copy_parts(module.file.get());
}

ModuleBytes::~ModuleBytes() {
  if (is_own_) munmap(data_, size_);
}

bool ModuleBytes::copy(int fd, uint64_t offset, uint64_t size) {
  constexpr uint64_t kMost = UINT64_C(1) << 27; // browsers have some tens of megabytes
  if (offset > size_ || size > size_ - offset || copied_ + size > kMost) return false;
  copied_ += size;
  while (size > 0) {
    const ssize_t got = pread(fd, data_ + offset, size, static_cast<off_t>(offset));
    if (got <= 0) return false; // cut short meanwhile: zeros
    offset += static_cast<uint64_t>(got);
    size -= static_cast<uint64_t>(got);
  }
  return true;
}

void ModuleBytes::copy_parts(int fd) {
  Elf64_Ehdr head;
  if (!copy(fd, 0, sizeof head)) return;
  std::memcpy(&head, data_, sizeof head);
  if (!is_our_elf(head) || !copy(fd, head.e_phoff, head.e_phnum * sizeof(Elf64_Phdr))) return;
  const auto part_at = [&](size_t i) {
    Elf64_Phdr part;
    std::memcpy(&part, data_ + head.e_phoff + i * sizeof part, sizeof part);
    return part;
  };
  for (size_t i = 0; i < head.e_phnum; ++i)
    if (const Elf64_Phdr part = part_at(i); part.p_type == PT_NOTE)
      copy(fd, part.p_offset, part.p_filesz);

  const bool has_sections = head.e_shnum != 0 && head.e_shentsize == sizeof(Elf64_Shdr) &&
                            head.e_shstrndx < head.e_shnum &&
                            copy(fd, head.e_shoff, head.e_shnum * sizeof(Elf64_Shdr));
  if (!has_sections) { // the part that holds the call frame information, whole
    for (size_t i = 0; i < head.e_phnum; ++i) {
      const Elf64_Phdr frames = part_at(i);
      if (frames.p_type != PT_GNU_EH_FRAME) continue;
      for (size_t j = 0; j < head.e_phnum; ++j)
        if (const Elf64_Phdr part = part_at(j); part.p_type == PT_LOAD &&
                                                frames.p_offset >= part.p_offset &&
                                                frames.p_offset - part.p_offset < part.p_filesz)
          copy(fd, part.p_offset, part.p_filesz);
    }
    return;
  }
  const auto section_at = [&](size_t i) {
    Elf64_Shdr section;
    std::memcpy(&section, data_ + head.e_shoff + i * sizeof section, sizeof section);
    return section;
  };
  const Elf64_Shdr names = section_at(head.e_shstrndx);
  if (!copy(fd, names.sh_offset, names.sh_size)) return;
  for (size_t i = 0; i < head.e_shnum; ++i) {
    const Elf64_Shdr section = section_at(i);
    if (section.sh_type == SHT_NOBITS || section.sh_name >= names.sh_size) continue;
    const char *text = reinterpret_cast<const char *>(data_ + names.sh_offset) + section.sh_name;
    const std::string_view name{text, strnlen(text, names.sh_size - section.sh_name)};
    if (name.starts_with(".eh_frame") || name == ".debug_frame" || name.starts_with(".plt") ||
        name == ".iplt")
      copy(fd, section.sh_offset, section.sh_size);
  }
}

std::string read_build_id(const uint8_t *bytes, size_t size) {
  std::string id;
  Elf64_Ehdr head;
  if (bytes == nullptr || size < sizeof head) return id;
  std::memcpy(&head, bytes, sizeof head);
  if (!is_our_elf(head)) return id;
  for (size_t i = 0; i < head.e_phnum; ++i) {
    const uint64_t at = head.e_phoff + i * sizeof(Elf64_Phdr);
    if (at < head.e_phoff || at > size || size - at < sizeof(Elf64_Phdr)) return id;
    Elf64_Phdr part;
    std::memcpy(&part, bytes + at, sizeof part);
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
          id += fmt::format("{:02x}", note[sizeof entry + name + b]);
      note += whole;
      left -= whole;
    }
  }
  return id;
}

} // namespace profcore::sampler
