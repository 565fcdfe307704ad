#include "symbolize/elf_plt.hpp"

#include <algorithm>
#include <cstring>
#include <elf.h>
#include <initializer_list>
#include <string>

namespace profcore {
namespace {

constexpr uint64_t kMostRelocations = uint64_t{1} << 24; // a sparse file may claim any number

/// Of code in all tables together; more is left out (the largest programs have some hundred KB).
constexpr uint64_t kMostCode = uint64_t{16} << 20;

struct Found {
  PltEntry entry;
  uint64_t slot; ///< address of its place in the global offset table
  uint32_t symbol;
};

class PltReader {
public:
  PltReader(const ElfImage &image, const ElfDynamic &dynamic) : image_{image}, dynamic_{dynamic} {}

  PodVector<PltEntry> read() {
    uint64_t code = 0;
    for (const ElfSection &section : image_.sections()) {
      if (section.type != SHT_PROGBITS || (section.flags & SHF_EXECINSTR) == 0 ||
          section.size > kMostCode - code)
        continue;
      const std::string name = image_.section_name(section);
      if (!name.starts_with(".plt") && name != ".iplt") continue;
      code += section.size;
      if (image_.machine() == EM_X86_64)
        read_x86(section);
      else
        read_aarch64(section);
    }
    if (!found_.empty()) relocate();
    return finish();
  }

private:
  void add(const ElfSection &section, uint64_t at, uint64_t size, uint64_t slot) {
    found_.push_back({{section.address + at, static_cast<uint32_t>(size), 0, 0}, slot, 0});
  }

  void read_x86(const ElfSection &section) {
    const uint64_t step = section.entry_size == 8 ? 8 : 16;
    ByteWindow window{image_.bytes()};
    for (uint64_t at = 0; at + step <= section.size; at += step) {
      const uint8_t *code = window.get(section.offset + at, step);
      if (code == nullptr) return;
      uint64_t i = 0;
      const auto skip = [&](std::initializer_list<uint8_t> bytes, uint64_t operand = 0) {
        if (i + bytes.size() + operand <= step &&
            std::memcmp(code + i, bytes.begin(), bytes.size()) == 0)
          i += bytes.size() + operand;
      };
      skip({0xf3, 0x0f, 0x1e, 0xfa});                   // endbr64
      skip({0x41, 0xbb}, 4);                            // mov $index, %r11d
      if (i + 5 <= step && code[i] == 0x68 && i == 4) { // push $index: of .plt.sec's entry
        by_index_.push_back({section.address + at, image_.u32(code + i + 1)});
        continue;
      }
      skip({0xf2});                                                         // bnd
      if (i + 6 > step || code[i] != 0xff || code[i + 1] != 0x25) continue; // jmp *disp(%rip)
      const auto distance = static_cast<int32_t>(image_.u32(code + i + 2));
      add(section, at, step,
          section.address + at + i + 6 + static_cast<uint64_t>(int64_t{distance}));
    }
  }

  void read_aarch64(const ElfSection &section) {
    constexpr uint32_t kLandingMark = 0xd503245f; // bti c
    constexpr uint32_t kJump = 0xd61f0220;        // br x17
    constexpr uint32_t kSignedJump = 0xd71f0a30;  // braa x17, x16
    ByteWindow window{image_.bytes()};
    uint32_t before = 0;
    bool is_open = false; // an entry ends with its jump: what follows may be another kind of stub
    for (uint64_t at = 0; at + 8 <= section.size; at += 4) {
      const uint8_t *code = window.get(section.offset + at, 8);
      if (code == nullptr) return;
      const uint32_t page = image_.u32(code);
      const uint32_t load = image_.u32(code + 4);
      if (is_open && (load == kJump || load == kSignedJump)) {
        PltEntry &entry = found_.back().entry;
        entry.size = static_cast<uint32_t>(section.address + at + 8 - entry.start);
        is_open = false;
      }
      const uint64_t begin = before == kLandingMark ? at - 4 : at;
      before = page;
      // adrp x16, page; ldr x17, [x16, #offset]
      if ((page & 0x9f00001f) != 0x90000010 || (load & 0xffc003ff) != 0xf9400211) continue;
      uint64_t pages = (page >> 5 & 0x7ffff) << 2 | (page >> 29 & 3);
      if ((pages & 0x100000) != 0) pages |= ~uint64_t{0x1fffff};
      const uint64_t slot = ((section.address + at) & ~uint64_t{0xfff}) + (pages << 12) +
                            uint64_t{load >> 10 & 0xfff} * 8;
      add(section, begin, at + 8 - begin, slot);
      is_open = true;
    }
  }

  /// Fills in the symbols of the slots.
  void relocate() {
    std::sort(found_.begin(), found_.end(),
              [](const Found &a, const Found &b) { return a.slot < b.slot; });
    relocations(dynamic_.plt_relocations, dynamic_.plt_has_addends);
    relocations(dynamic_.relocations, true);
  }

  void relocations(const ElfTable &table, bool has_addends) {
    const bool is_x86 = image_.machine() == EM_X86_64;
    const uint32_t jump = is_x86 ? R_X86_64_JUMP_SLOT : R_AARCH64_JUMP_SLOT;
    const uint32_t data = is_x86 ? R_X86_64_GLOB_DAT : R_AARCH64_GLOB_DAT;
    const uint32_t indirect = is_x86 ? R_X86_64_IRELATIVE : R_AARCH64_IRELATIVE;
    ByteWindow window{image_.bytes()};
    const uint64_t size = std::min(table.size, kMostRelocations * table.entry_size);
    for (uint64_t at = 0; at + table.entry_size <= size && table.entry_size != 0;
         at += table.entry_size) {
      const uint8_t *entry = window.get(table.offset + at, static_cast<size_t>(table.entry_size));
      if (entry == nullptr) return;
      const uint64_t info = image_.u64(entry + 8);
      const auto type = static_cast<uint32_t>(info);
      if (type != jump && type != data && type != indirect) continue;
      const uint64_t slot = image_.u64(entry);
      const auto symbol = static_cast<uint32_t>(info >> 32);
      const uint64_t target = type == indirect && has_addends ? image_.u64(entry + 16) : 0;
      if ((type == indirect ? target : symbol) == 0) continue;
      auto found = std::lower_bound(found_.begin(), found_.end(), slot,
                                    [](const Found &a, uint64_t b) { return a.slot < b; });
      // The first relocation of a place counts: so this is linear, whatever the file says.
      for (; found != found_.end() && found->slot == slot; ++found) {
        if (found->symbol != 0 || found->entry.target != 0) break;
        found->symbol = type == indirect ? 0 : symbol;
        found->entry.target = target;
      }
    }
  }

  PodVector<PltEntry> finish() {
    // .plt beside .plt.sec: its entries push the index of their relocation.
    const ElfTable &table = dynamic_.plt_relocations;
    ByteWindow window{image_.bytes()};
    for (const ByIndex &by : by_index_) {
      if (table.entry_size == 0 || by.index >= table.size / table.entry_size) continue;
      const uint8_t *entry = window.get(table.offset + by.index * table.entry_size,
                                        static_cast<size_t>(table.entry_size));
      if (entry == nullptr) break;
      const uint64_t info = image_.u64(entry + 8);
      if (static_cast<uint32_t>(info) == R_X86_64_JUMP_SLOT)
        found_.push_back({{by.start, 16, 0, 0}, 0, static_cast<uint32_t>(info >> 32)});
    }
    // Symbols are read from front to back.
    std::sort(found_.begin(), found_.end(),
              [](const Found &a, const Found &b) { return a.symbol < b.symbol; });
    const ElfTable &symbols = dynamic_.symbols;
    PodVector<PltEntry> entries;
    for (const Found &found : found_) {
      PltEntry entry = found.entry;
      if (found.symbol != 0 && symbols.entry_size != 0 &&
          found.symbol < symbols.size / symbols.entry_size) {
        const uint8_t *symbol = window.get(symbols.offset + found.symbol * symbols.entry_size, 4);
        if (symbol != nullptr) entry.name = image_.u32(symbol);
      }
      if (entry.name != 0 || entry.target != 0) entries.push_back(entry);
    }
    std::sort(entries.begin(), entries.end(),
              [](const PltEntry &a, const PltEntry &b) { return a.start < b.start; });
    return entries;
  }

  struct ByIndex {
    uint64_t start;
    uint64_t index;
  };

  const ElfImage &image_;
  const ElfDynamic &dynamic_;
  PodVector<Found> found_;
  PodVector<ByIndex> by_index_;
};

} // namespace

PodVector<PltEntry> read_plt(const ElfImage &image, const ElfDynamic &dynamic) {
  if (!image.is_64() || (image.machine() != EM_X86_64 && image.machine() != EM_AARCH64)) return {};
  return PltReader{image, dynamic}.read();
}

} // namespace profcore
