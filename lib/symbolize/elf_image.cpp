#include "symbolize/elf_image.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <elf.h>

namespace profcore {
namespace {

constexpr size_t kLongestBuildId = 64;
constexpr uint64_t kLargestNotes = uint64_t{1} << 20;
constexpr size_t kLongestSectionName = 256;

template <class T> T load(const uint8_t *at, bool big) noexcept {
  T value;
  std::memcpy(&value, at, sizeof value);
  if (big == (std::endian::native == std::endian::big)) return value;
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
  if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
}

bool inside(uint64_t value, uint64_t begin, uint64_t size) noexcept {
  return value >= begin && value - begin < size;
}

} // namespace

uint16_t ElfImage::u16(const uint8_t *at) const noexcept {
  return load<uint16_t>(at, is_big_);
}
uint32_t ElfImage::u32(const uint8_t *at) const noexcept {
  return load<uint32_t>(at, is_big_);
}
uint64_t ElfImage::u64(const uint8_t *at) const noexcept {
  return load<uint64_t>(at, is_big_);
}

ElfImage::ElfImage(const ByteSource &bytes) : bytes_{bytes} {
  uint8_t header[sizeof(Elf64_Ehdr)] = {};
  if (!bytes_.read(0, header, EI_NIDENT) || std::memcmp(header, ELFMAG, SELFMAG) != 0)
    throw Error{Status::kMalformed, "not an ELF file", 0};
  const uint8_t width = header[EI_CLASS];
  const uint8_t order = header[EI_DATA];
  if (width != ELFCLASS32 && width != ELFCLASS64)
    throw Error{Status::kMalformed, "an ELF file of unknown class", EI_CLASS};
  if (order != ELFDATA2LSB && order != ELFDATA2MSB)
    throw Error{Status::kMalformed, "an ELF file of unknown byte order", EI_DATA};
  is_64_ = width == ELFCLASS64;
  is_big_ = order == ELFDATA2MSB;
  const size_t header_size = is_64_ ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
  if (!bytes_.read(0, header, header_size))
    throw Error{Status::kMalformed, "the ELF header is cut off", bytes_.size()};
  type_ = u16(header + offsetof(Elf64_Ehdr, e_type));
  machine_ = u16(header + offsetof(Elf64_Ehdr, e_machine));

  // After e_version both classes have: entry, phoff, shoff (words), flags, then six halves.
  const size_t word_size = is_64_ ? 8 : 4;
  const uint8_t *at = header + offsetof(Elf64_Ehdr, e_entry) + word_size;
  const uint64_t segments_at = word(at);
  const uint64_t sections_at = word(at + word_size);
  const uint8_t *counts = at + 2 * word_size + 4 + 2;
  const uint16_t segment_size = u16(counts);
  uint64_t segment_count = u16(counts + 2);
  const uint16_t section_size = u16(counts + 4);
  uint64_t section_count = u16(counts + 6);
  uint64_t names = u16(counts + 8);

  // Counts that do not fit are in the first section.
  const size_t own_section_size = is_64_ ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
  if (sections_at != 0 && section_size >= own_section_size) {
    uint8_t first[sizeof(Elf64_Shdr)];
    if (bytes_.read(sections_at, first, own_section_size)) {
      const ElfSection zero = parse_section(first);
      if (section_count == 0) section_count = zero.size;
      if (names == SHN_XINDEX) names = zero.link;
      if (segment_count == PN_XNUM)
        segment_count =
            u32(first + (is_64_ ? offsetof(Elf64_Shdr, sh_info) : offsetof(Elf32_Shdr, sh_info)));
    }
  }
  if (segments_at != 0) read_segments(segments_at, segment_count, segment_size);
  if (sections_at != 0) read_sections(sections_at, section_count, section_size, names);

  for (const ElfSegment &segment : segments_)
    if (segment.type == PT_NOTE && read_notes(segment.offset, segment.file_size, 4)) return;
  for (const ElfSection &section : sections_)
    if (section.type == SHT_NOTE && read_notes(section.offset, section.size, 4)) return;
}

void ElfImage::read_segments(uint64_t offset, uint64_t count, uint64_t entry_size) {
  const size_t own_size = is_64_ ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
  if (count == 0) return;
  if (entry_size < own_size || count > kMostSegments || !bytes_.holds(offset, count * entry_size)) {
    warnings_.emplace_back("the table of segments is damaged");
    return;
  }
  std::vector<uint8_t> table(static_cast<size_t>(count * entry_size));
  if (!bytes_.read(offset, table.data(), table.size())) {
    warnings_.emplace_back("the table of segments cannot be read");
    return;
  }
  segments_.reserve(static_cast<size_t>(count));
  for (size_t i = 0; i < count; ++i) {
    const uint8_t *at = table.data() + i * entry_size;
    ElfSegment segment;
    segment.type = u32(at);
    if (is_64_) {
      segment.flags = u32(at + offsetof(Elf64_Phdr, p_flags));
      segment.offset = u64(at + offsetof(Elf64_Phdr, p_offset));
      segment.address = u64(at + offsetof(Elf64_Phdr, p_vaddr));
      segment.file_size = u64(at + offsetof(Elf64_Phdr, p_filesz));
      segment.memory_size = u64(at + offsetof(Elf64_Phdr, p_memsz));
    } else {
      segment.flags = u32(at + offsetof(Elf32_Phdr, p_flags));
      segment.offset = u32(at + offsetof(Elf32_Phdr, p_offset));
      segment.address = u32(at + offsetof(Elf32_Phdr, p_vaddr));
      segment.file_size = u32(at + offsetof(Elf32_Phdr, p_filesz));
      segment.memory_size = u32(at + offsetof(Elf32_Phdr, p_memsz));
    }
    segments_.push_back(segment);
  }
}

ElfSection ElfImage::parse_section(const uint8_t *at) const noexcept {
  ElfSection section;
  section.name = u32(at);
  section.type = u32(at + 4);
  if (is_64_) {
    section.flags = u64(at + offsetof(Elf64_Shdr, sh_flags));
    section.address = u64(at + offsetof(Elf64_Shdr, sh_addr));
    section.offset = u64(at + offsetof(Elf64_Shdr, sh_offset));
    section.size = u64(at + offsetof(Elf64_Shdr, sh_size));
    section.link = u32(at + offsetof(Elf64_Shdr, sh_link));
    section.entry_size = u64(at + offsetof(Elf64_Shdr, sh_entsize));
  } else {
    section.flags = u32(at + offsetof(Elf32_Shdr, sh_flags));
    section.address = u32(at + offsetof(Elf32_Shdr, sh_addr));
    section.offset = u32(at + offsetof(Elf32_Shdr, sh_offset));
    section.size = u32(at + offsetof(Elf32_Shdr, sh_size));
    section.link = u32(at + offsetof(Elf32_Shdr, sh_link));
    section.entry_size = u32(at + offsetof(Elf32_Shdr, sh_entsize));
  }
  return section;
}

void ElfImage::read_sections(uint64_t offset, uint64_t count, uint64_t entry_size, uint64_t names) {
  const size_t own_size = is_64_ ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
  if (count == 0) return;
  if (entry_size < own_size || count > kMostSections || !bytes_.holds(offset, count * entry_size)) {
    warnings_.emplace_back("the table of sections is damaged");
    return;
  }
  sections_.reserve(static_cast<size_t>(count));
  uint8_t entry[sizeof(Elf64_Shdr)];
  // One read for ordinary tables, entry by entry where entries are oddly large.
  std::vector<uint8_t> table;
  if (entry_size == own_size) {
    table.resize(static_cast<size_t>(count * entry_size));
    if (!bytes_.read(offset, table.data(), table.size())) {
      warnings_.emplace_back("the table of sections cannot be read");
      return;
    }
  }
  for (uint64_t i = 0; i < count; ++i) {
    if (table.empty()) {
      if (!bytes_.read(offset + i * entry_size, entry, own_size)) break;
      sections_.push_back(parse_section(entry));
    } else {
      sections_.push_back(parse_section(table.data() + i * entry_size));
    }
  }
  if (names < sections_.size() && sections_[names].type == SHT_STRTAB)
    names_section_ = static_cast<size_t>(names);
}

bool ElfImage::read_notes(uint64_t offset, uint64_t size, uint64_t alignment) {
  if (size > kLargestNotes || !bytes_.holds(offset, size)) return false;
  std::vector<uint8_t> notes(static_cast<size_t>(size));
  if (!bytes_.read(offset, notes.data(), notes.size())) return false;
  const auto padded = [&](uint64_t length) { return (length + alignment - 1) & ~(alignment - 1); };
  for (size_t at = 0; notes.size() - at >= 12;) {
    const uint64_t name_size = u32(&notes[at]);
    const uint64_t text_size = u32(&notes[at + 4]);
    const uint32_t type = u32(&notes[at + 8]);
    at += 12;
    const uint64_t left = notes.size() - at;
    if (padded(name_size) > left || text_size > left - padded(name_size)) return false;
    const uint8_t *text = notes.data() + at + padded(name_size);
    if (type == NT_GNU_BUILD_ID && name_size == 4 && std::memcmp(&notes[at], "GNU", 4) == 0 &&
        text_size > 0 && text_size <= kLongestBuildId) {
      build_id_.assign(text, text + text_size);
      return true;
    }
    const uint64_t step = padded(name_size) + padded(text_size);
    if (step > left) return false;
    at += static_cast<size_t>(step);
  }
  return false;
}

std::string ElfImage::build_id_text() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : build_id_) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::optional<uint64_t> ElfImage::address_in(std::span<const ElfSegment> segments,
                                             uint64_t offset) noexcept {
  const ElfSegment *found = nullptr;
  for (const ElfSegment &segment : segments) {
    if (segment.type != PT_LOAD || !inside(offset, segment.offset, segment.file_size)) continue;
    if (found == nullptr || ((segment.flags & PF_X) != 0 && (found->flags & PF_X) == 0))
      found = &segment;
  }
  if (found == nullptr) return std::nullopt;
  return found->address + (offset - found->offset);
}

std::optional<uint64_t> ElfImage::offset_of(uint64_t address) const noexcept {
  for (const ElfSegment &segment : segments_)
    if (segment.type == PT_LOAD && inside(address, segment.address, segment.file_size))
      return segment.offset + (address - segment.address);
  return std::nullopt;
}

const ElfSegment *ElfImage::executable_at(uint64_t address) const noexcept {
  for (const ElfSegment &segment : segments_)
    if (segment.type == PT_LOAD && (segment.flags & PF_X) != 0 &&
        inside(address, segment.address, segment.memory_size))
      return &segment;
  return nullptr;
}

const ElfSection *ElfImage::find_type(uint32_t type) const noexcept {
  for (const ElfSection &section : sections_)
    if (section.type == type) return &section;
  return nullptr;
}

std::string ElfImage::section_name(const ElfSection &section) const {
  if (names_section_ == 0) return {};
  const ElfSection &names = sections_[names_section_];
  if (section.name >= names.size || !bytes_.holds(names.offset, names.size)) return {};
  char text[kLongestSectionName];
  const auto size = static_cast<size_t>(std::min<uint64_t>(sizeof text, names.size - section.name));
  if (!bytes_.read(names.offset + section.name, text, size)) return {};
  const void *end = std::memchr(text, '\0', size);
  if (end == nullptr) return {};
  return std::string{text, static_cast<size_t>(static_cast<const char *>(end) - text)};
}

const ElfSection *ElfImage::find_name(std::string_view name) const {
  for (const ElfSection &section : sections_)
    if (section_name(section) == name) return &section;
  return nullptr;
}

} // namespace profcore
