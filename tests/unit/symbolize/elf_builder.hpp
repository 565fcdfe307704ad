#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <cstring>
#include <elf.h>
#include <string>
#include <string_view>
#include <vector>

namespace profcore::test {

/// Little ELF files made by hand: one class and byte order, segments, symbols, a build id.
class ElfBuilder {
public:
  struct Symbol {
    std::string name;
    uint64_t value;
    uint64_t size;
    uint8_t type = STT_FUNC;
    uint8_t binding = STB_GLOBAL;
    uint16_t section = 1; ///< .text
  };
  struct Segment {
    uint32_t flags;
    uint64_t offset;
    uint64_t address;
    uint64_t file_size;
    uint64_t memory_size;
  };

  struct Extra {
    std::string name;
    uint32_t type;
    uint64_t flags;
    uint64_t address;
    std::vector<uint8_t> bytes;
  };

  bool is_64 = true;
  bool is_big = false;
  uint16_t machine = EM_X86_64;
  uint64_t text_address = 0x401000;
  uint64_t text_size = 0x1000;
  std::vector<Segment> segments{{PF_R | PF_X, 0x1000, 0x401000, 0x1000, 0x1000}};
  std::vector<Symbol> symtab, dynsym;
  std::vector<Extra> extra; ///< more sections
  std::vector<uint8_t> build_id;
  bool build_id_in_segment = false;

  std::vector<uint8_t> build() const {
    Out out{{}, is_64, is_big};
    const size_t word = is_64 ? 8 : 4;
    const size_t header = is_64 ? 64 : 52;
    const size_t segment_size = is_64 ? 56 : 32;
    const size_t section_size = is_64 ? 64 : 40;
    const bool note_segment = !build_id.empty() && build_id_in_segment;
    const size_t segment_count = segments.size() + (note_segment ? 1 : 0);
    // Bodies follow the segment table.
    Out body{{}, is_64, is_big};
    const size_t body_at = header + segment_count * segment_size;
    struct Section {
      std::string name;
      uint32_t type;
      uint64_t flags, address, offset, size;
      uint32_t link;
      uint64_t entry_size;
    };
    std::vector<Section> sections{
        {"", 0, 0, 0, 0, 0, 0, 0},
        {".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, text_address, 0x1000, text_size, 0, 0}};
    const auto add_table = [&](const std::vector<Symbol> &symbols, const char *name,
                               uint32_t type) {
      std::string strings(1, '\0');
      const size_t at = body.bytes.size();
      for (int i = 0; i < (is_64 ? 24 : 16); ++i) body.u8(0);
      for (const Symbol &symbol : symbols) {
        body.u32(static_cast<uint32_t>(strings.size()));
        strings += symbol.name;
        strings += '\0';
        const auto info = static_cast<uint8_t>(symbol.binding << 4 | symbol.type);
        if (is_64) {
          body.u8(info);
          body.u8(0);
          body.u16(symbol.section);
          body.word(symbol.value);
          body.word(symbol.size);
        } else {
          body.word(symbol.value);
          body.word(symbol.size);
          body.u8(info);
          body.u8(0);
          body.u16(symbol.section);
        }
      }
      const auto link = static_cast<uint32_t>(sections.size() + 1);
      sections.push_back({name, type, 0, 0, body_at + at, body.bytes.size() - at, link,
                          is_64 ? uint64_t{24} : uint64_t{16}});
      sections.push_back({std::string{name} + "str", SHT_STRTAB, 0, 0, body_at + body.bytes.size(),
                          strings.size(), 0, 0});
      body.bytes.insert(body.bytes.end(), strings.begin(), strings.end());
    };
    if (!symtab.empty()) add_table(symtab, ".symtab", SHT_SYMTAB);
    if (!dynsym.empty()) add_table(dynsym, ".dynsym", SHT_DYNSYM);
    for (const Extra &added : extra) {
      sections.push_back({added.name, added.type, added.flags, added.address,
                          body_at + body.bytes.size(), added.bytes.size(), 0, 0});
      body.bytes.insert(body.bytes.end(), added.bytes.begin(), added.bytes.end());
    }
    uint64_t note_at = 0;
    uint64_t note_size = 0;
    if (!build_id.empty()) {
      while (body.bytes.size() % 4 != 0) body.u8(0);
      note_at = body_at + body.bytes.size();
      body.u32(4);
      body.u32(static_cast<uint32_t>(build_id.size()));
      body.u32(NT_GNU_BUILD_ID);
      for (const char c : {'G', 'N', 'U', '\0'}) body.u8(static_cast<uint8_t>(c));
      for (const uint8_t byte : build_id) body.u8(byte);
      while (body.bytes.size() % 4 != 0) body.u8(0);
      note_size = body_at + body.bytes.size() - note_at;
      if (!build_id_in_segment)
        sections.push_back(
            {".note.gnu.build-id", SHT_NOTE, SHF_ALLOC, 0, note_at, note_size, 0, 0});
    }
    sections.push_back({".shstrtab", SHT_STRTAB, 0, 0, body_at + body.bytes.size(), 0, 0, 0});
    std::string names;
    std::vector<uint32_t> name_offsets;
    for (const Section &section : sections) {
      name_offsets.push_back(static_cast<uint32_t>(names.size()));
      names += section.name;
      names += '\0';
    }
    sections.back().size = names.size();
    body.bytes.insert(body.bytes.end(), names.begin(), names.end());
    const uint64_t sections_at = body_at + body.bytes.size();

    for (const uint8_t byte : {0x7f, 0x45, 0x4c, 0x46}) out.u8(byte);
    out.u8(is_64 ? ELFCLASS64 : ELFCLASS32);
    out.u8(is_big ? ELFDATA2MSB : ELFDATA2LSB);
    out.u8(EV_CURRENT);
    while (out.bytes.size() < EI_NIDENT) out.u8(0);
    out.u16(ET_DYN);
    out.u16(machine);
    out.u32(EV_CURRENT);
    out.word(0);
    out.word(header);
    out.word(sections_at);
    out.u32(0);
    out.u16(static_cast<uint16_t>(header));
    out.u16(static_cast<uint16_t>(segment_size));
    out.u16(static_cast<uint16_t>(segment_count));
    out.u16(static_cast<uint16_t>(section_size));
    out.u16(static_cast<uint16_t>(sections.size()));
    out.u16(static_cast<uint16_t>(sections.size() - 1));
    const auto add_segment = [&](uint32_t type, const Segment &at) {
      out.u32(type);
      if (is_64) out.u32(at.flags);
      out.word(at.offset);
      out.word(at.address);
      out.word(at.address);
      out.word(at.file_size);
      out.word(at.memory_size);
      if (!is_64) out.u32(at.flags);
      out.word(0x1000);
    };
    for (const Segment &at : segments) add_segment(PT_LOAD, at);
    if (note_segment) add_segment(PT_NOTE, {PF_R, note_at, 0, note_size, note_size});
    out.bytes.insert(out.bytes.end(), body.bytes.begin(), body.bytes.end());
    for (size_t i = 0; i < sections.size(); ++i) {
      const Section &at = sections[i];
      out.u32(name_offsets[i]);
      out.u32(at.type);
      out.word(at.flags);
      out.word(at.address);
      out.word(at.offset);
      out.word(at.size);
      out.u32(at.link);
      out.u32(0);
      out.word(word);
      out.word(at.entry_size);
    }
    return out.bytes;
  }

private:
  struct Out {
    std::vector<uint8_t> bytes;
    bool is_64;
    bool is_big;

    void u8(uint8_t value) { bytes.push_back(value); }
    void put(uint64_t value, size_t size) {
      for (size_t i = 0; i < size; ++i)
        u8(static_cast<uint8_t>(value >> 8 * (is_big ? size - 1 - i : i)));
    }
    void u16(uint16_t value) { put(value, 2); }
    void u32(uint32_t value) { put(value, 4); }
    void word(uint64_t value) { put(value, is_64 ? 8 : 4); }
  };
};

} // namespace profcore::test
