#pragma once

// Call frame information and the ELF files around it, by hand, damage included.

#include <cstdint>
#include <cstring>
#include <elf.h>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace profcore::test {

class CfiBuilder {
public:
  explicit CfiBuilder(uint64_t address, bool eh_frame = true, bool big_endian = false)
      : address_{address}, eh_frame_{eh_frame}, big_endian_{big_endian} {}

  std::vector<uint8_t> bytes;

  void u8(uint8_t value) { bytes.push_back(value); }
  void number(uint64_t value, size_t size) {
    for (size_t i = 0; i < size; ++i)
      u8(static_cast<uint8_t>(value >> 8 * (big_endian_ ? size - 1 - i : i)));
  }
  void append(const std::vector<uint8_t> &data) {
    bytes.insert(bytes.end(), data.begin(), data.end());
  }

  /// The usual CIE: offsets in words, return address in `back`; `start` are its instructions.
  /// Returns its offset.
  size_t cie(std::string_view augmentation, const std::vector<uint8_t> &start, uint8_t back = 16,
             uint8_t code_factor = 1, uint8_t version = 1) {
    const size_t at = bytes.size();
    number(0, 4);
    number(eh_frame_ ? 0 : 0xffffffff, 4);
    u8(version);
    for (const char c : augmentation) u8(static_cast<uint8_t>(c));
    u8(0);
    if (version == 4) {
      u8(8);
      u8(0);
    }
    u8(code_factor);
    u8(0x78); // -8
    u8(back);
    if (augmentation.starts_with("z")) {
      std::vector<uint8_t> data;
      for (const char c : augmentation) {
        if (c == 'R') data.push_back(0x1b); // relative to itself, four bytes
        if (c == 'L') data.push_back(0x1b);
        if (c == 'P') data.insert(data.end(), {0x9b, 1, 2, 3, 4});
      }
      u8(static_cast<uint8_t>(data.size()));
      append(data);
      has_size_ = true;
      relative_ = augmentation.find('R') != std::string_view::npos;
      lsda_ = augmentation.find('L') != std::string_view::npos;
    } else {
      has_size_ = relative_ = lsda_ = false;
    }
    append(start);
    finish(at);
    return at;
  }

  void fde(size_t cie_at, uint64_t start, uint64_t size, const std::vector<uint8_t> &program) {
    const size_t at = bytes.size();
    number(0, 4);
    number(eh_frame_ ? bytes.size() - cie_at : cie_at, 4);
    if (relative_) {
      number(static_cast<uint32_t>(start - (address_ + bytes.size())), 4);
      number(size, 4);
    } else {
      number(start, 8);
      number(size, 8);
    }
    if (has_size_) {
      u8(lsda_ ? 4 : 0);
      if (lsda_) number(0, 4);
    }
    append(program);
    finish(at);
  }

  void terminator() { number(0, 4); }

private:
  void finish(size_t at) {
    while (bytes.size() % 8 != 4) u8(0); // nop
    const uint64_t length = bytes.size() - at - 4;
    for (size_t i = 0; i < 4; ++i)
      bytes[at + i] = static_cast<uint8_t>(length >> 8 * (big_endian_ ? 3 - i : i));
  }

  uint64_t address_;
  bool eh_frame_;
  bool big_endian_;
  bool has_size_ = false;
  bool relative_ = false;
  bool lsda_ = false;
};

struct ElfPart {
  std::string name;
  std::vector<uint8_t> bytes;
  uint64_t address = 0;
  uint64_t flags = 0;
};

/// A shared object with one segment of code and these sections.
inline std::vector<uint8_t> make_elf(uint16_t machine, uint64_t code_address, uint64_t code_size,
                                     const std::vector<ElfPart> &parts) {
  std::vector<uint8_t> file(sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr));
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_DYN;
  header.e_machine = machine;
  header.e_phoff = sizeof header;
  header.e_phnum = 1;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_shentsize = sizeof(Elf64_Shdr);
  Elf64_Phdr segment{};
  segment.p_type = PT_LOAD;
  segment.p_flags = PF_R | PF_X;
  segment.p_vaddr = code_address;
  segment.p_filesz = segment.p_memsz = code_size;

  std::vector<Elf64_Shdr> sections(1);
  std::string names{'\0'};
  for (const ElfPart &part : parts) {
    Elf64_Shdr section{};
    section.sh_name = static_cast<uint32_t>(names.size());
    names += part.name + '\0';
    section.sh_type = SHT_PROGBITS;
    section.sh_flags = part.flags;
    section.sh_addr = part.address;
    section.sh_offset = file.size();
    section.sh_size = part.bytes.size();
    file.insert(file.end(), part.bytes.begin(), part.bytes.end());
    sections.push_back(section);
  }
  Elf64_Shdr name_section{};
  name_section.sh_type = SHT_STRTAB;
  name_section.sh_offset = file.size();
  name_section.sh_size = names.size();
  file.insert(file.end(), names.begin(), names.end());
  sections.push_back(name_section);
  header.e_shoff = file.size();
  header.e_shnum = static_cast<uint16_t>(sections.size());
  header.e_shstrndx = static_cast<uint16_t>(sections.size() - 1);
  const auto *raw = reinterpret_cast<const uint8_t *>(sections.data());
  file.insert(file.end(), raw, raw + sections.size() * sizeof(Elf64_Shdr));
  std::memcpy(file.data(), &header, sizeof header);
  std::memcpy(file.data() + sizeof header, &segment, sizeof segment);
  return file;
}

} // namespace profcore::test
