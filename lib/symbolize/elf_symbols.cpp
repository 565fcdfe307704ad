#include "symbolize/elf_symbols.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <elf.h>

namespace profcore {
namespace {

constexpr uint32_t kFromDynsym = uint32_t{1} << 31;
/// Sized symbols win over those whose size is a guess.
constexpr uint32_t kSized = uint32_t{1} << 31;

/// Of a symbol's rank: .dynsym, untyped, weak, local; 0 is a global function of .symtab.
constexpr uint8_t kDynsymRank = 32;
constexpr uint8_t kUntypedRank = 16;
constexpr uint8_t kWeakRank = 4;
constexpr uint8_t kLocalRank = 8;
constexpr uint8_t kLocalFunction = kLocalRank;

struct Symbol {
  uint64_t start;
  uint64_t end; ///< start when the size is not known
  uint32_t name;
  uint16_t section;
  uint8_t rank; ///< lower is better
};

bool is_mapping_symbol(std::string_view name) noexcept {
  return name.starts_with(".L") ||
         (name.size() >= 2 && name[0] == '$' && (name.size() == 2 || name[2] == '.'));
}

/// Reads one symbol table; false when it is damaged.
class TableReader {
public:
  TableReader(const ElfImage &image, const ElfSection &section, bool is_dynsym)
      : image_{image}, section_{section}, is_dynsym_{is_dynsym} {}

  bool open(NameSource &names, uint64_t max_bytes) {
    const auto sections = image_.sections();
    entry_size_ = image_.is_64() ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
    if (section_.entry_size != entry_size_ && section_.entry_size != 0) return false;
    if (!image_.bytes().holds(section_.offset, section_.size)) return false;
    if (section_.link >= sections.size()) return false;
    const ElfSection &strings = sections[section_.link];
    if (strings.type != SHT_STRTAB || strings.size > kFromDynsym) return false;
    names_ = &names;
    return names.open(image_.bytes(), strings.offset, strings.size, max_bytes);
  }

  bool read(PodVector<Symbol> &symbols, const ElfSymbols::Bounds &bounds) {
    constexpr size_t kBatch = 4096;
    std::vector<uint8_t> batch(kBatch * entry_size_);
    const uint64_t count = section_.size / entry_size_;
    for (uint64_t at = 1; at < count;) { // the first is none
      const auto take = static_cast<size_t>(std::min<uint64_t>(kBatch, count - at));
      if (!image_.bytes().read(section_.offset + at * entry_size_, batch.data(),
                               take * entry_size_))
        return false;
      for (size_t i = 0; i < take; ++i) add(batch.data() + i * entry_size_, symbols);
      at += take;
      // What sorting and flattening take besides is about as much again, twice.
      if (symbols.bytes() > bounds.max_bytes / 4)
        throw Error{Status::kLimit, "its symbols take more memory than the budget allows"};
    }
    return true;
  }

private:
  void add(const uint8_t *at, PodVector<Symbol> &symbols) {
    uint32_t name;
    uint8_t info;
    uint16_t index;
    uint64_t value;
    uint64_t size;
    name = image_.u32(at);
    if (image_.is_64()) {
      info = at[offsetof(Elf64_Sym, st_info)];
      index = image_.u16(at + offsetof(Elf64_Sym, st_shndx));
      value = image_.u64(at + offsetof(Elf64_Sym, st_value));
      size = image_.u64(at + offsetof(Elf64_Sym, st_size));
    } else {
      info = at[offsetof(Elf32_Sym, st_info)];
      index = image_.u16(at + offsetof(Elf32_Sym, st_shndx));
      value = image_.u32(at + offsetof(Elf32_Sym, st_value));
      size = image_.u32(at + offsetof(Elf32_Sym, st_size));
    }
    const uint8_t type = info & 15;
    const uint8_t binding = info >> 4;
    const bool is_function = type == STT_FUNC || type == STT_GNU_IFUNC;
    if ((!is_function && type != STT_NOTYPE) || index == SHN_UNDEF || index == SHN_ABS ||
        index == SHN_COMMON)
      return;
    if (name == 0 || name >= names_->size()) return;
    // Bit 0 of a function's address says "Thumb" on 32-bit Arm.
    if (image_.machine() == EM_ARM && is_function) value &= ~uint64_t{1};
    const ElfSegment *segment = executable_of(value);
    if (segment == nullptr) return;
    const uint64_t segment_end = segment->address + segment->memory_size;
    const uint8_t rank =
        static_cast<uint8_t>((is_dynsym_ ? kDynsymRank : 0) | (is_function ? 0 : kUntypedRank) |
                             (binding == STB_GLOBAL ? 0
                              : binding == STB_WEAK ? kWeakRank
                                                    : kLocalRank));
    uint64_t end = value;
    if (size != 0)
      end = size > segment_end - value ? segment_end : value + size;
    else if (is_dynsym_)
      end = value + 1;
    if (!is_function) {
      // Untyped ones are few; only there do mapping symbols and labels occur.
      if (!names_->read(name, text_) || is_mapping_symbol(text_)) return;
    }
    symbols.push_back({value, end, name | (is_dynsym_ ? kFromDynsym : 0), index, rank});
  }

  /// Symbols come in runs of the same segment.
  const ElfSegment *executable_of(uint64_t address) {
    if (last_ == nullptr || address < last_->address ||
        address - last_->address >= last_->memory_size)
      last_ = image_.executable_at(address);
    // An end past 64 bits is damage.
    if (last_ != nullptr && last_->address > UINT64_MAX - last_->memory_size) last_ = nullptr;
    return last_;
  }

  const ElfImage &image_;
  const ElfSection &section_;
  bool is_dynsym_;
  size_t entry_size_ = 0;
  const NameSource *names_ = nullptr;
  const ElfSegment *last_ = nullptr;
  std::string text_;
};

/// Where the section of a symbol without a size ends.
uint64_t section_end(const ElfImage &image, const Symbol &symbol) noexcept {
  const auto sections = image.sections();
  const ElfSegment *segment = image.executable_at(symbol.start);
  const uint64_t segment_end = segment->address + segment->memory_size;
  if (symbol.section >= sections.size()) return segment_end;
  const ElfSection &section = sections[symbol.section];
  if (symbol.start < section.address || symbol.start - section.address >= section.size)
    return symbol.start + 1;
  return section.size > segment_end - section.address ? segment_end
                                                      : section.address + section.size;
}

/// Sorts by start, worst rank first at equal starts, since later wins there.
void order(PodVector<Symbol> &symbols) {
  std::sort(symbols.begin(), symbols.end(), [](const Symbol &a, const Symbol &b) {
    if (a.start != b.start) return a.start < b.start;
    if (a.rank != b.rank) return a.rank > b.rank;
    return a.name > b.name;
  });
}

/// Equal in all but perhaps `.cold`: the compiler's split-off part goes below its like.
void sink_cold_parts(PodVector<Symbol> &symbols, const NameSource (&names)[2]) {
  std::string text;
  for (size_t i = 0; i + 1 < symbols.size(); ++i) {
    Symbol &worse = symbols[i];
    Symbol &better = symbols[i + 1];
    // Only local ones of .symtab can be; reading names costs more than all the rest.
    if (worse.start != better.start || better.rank != kLocalFunction || worse.rank != better.rank)
      continue;
    const auto is_cold = [&](const Symbol &symbol) {
      return names[symbol.name >> 31].read(symbol.name & ~kFromDynsym, text) &&
             text.find(".cold") != std::string::npos;
    };
    if (is_cold(better) && !is_cold(worse)) std::swap(worse, better);
  }
}

} // namespace

ElfSymbols ElfSymbols::build(const ElfImage &image, const Bounds &bounds) {
  ElfSymbols result;
  PodVector<Symbol> symbols;
  constexpr uint32_t kTypes[] = {SHT_SYMTAB, SHT_DYNSYM};
  for (size_t i = 0; i < 2; ++i) {
    const ElfSection *section = image.find_type(kTypes[i]);
    if (section == nullptr) continue;
    TableReader reader{image, *section, i == 1};
    if (!reader.open(result.names_[i], bounds.max_bytes) || !reader.read(symbols, bounds))
      result.damaged_ = true;
  }
  order(symbols);
  sink_cold_parts(symbols, result.names_);

  PodVector<AddressRange> ranges;
  ranges.reserve(symbols.size());
  uint64_t next_start = UINT64_MAX; // of a symbol after those at this start
  for (size_t i = symbols.size(); i-- > 0;) {
    Symbol &symbol = symbols[i];
    if (i + 1 < symbols.size() && symbols[i + 1].start != symbol.start)
      next_start = symbols[i + 1].start;
    uint32_t priority = kSized | static_cast<uint32_t>(i);
    if (symbol.end == symbol.start) {
      symbol.end = std::max(std::min(next_start, section_end(image, symbol)), symbol.start + 1);
      priority &= ~kSized;
    }
    const uint64_t size = std::min<uint64_t>(symbol.end - symbol.start, UINT32_MAX);
    ranges.push_back({symbol.start, static_cast<uint32_t>(size), symbol.name, priority});
  }
  symbols = {};
  std::reverse(ranges.begin(), ranges.end());
  result.table_ = RangeTable::build(std::move(ranges));
  return result;
}

bool ElfSymbols::name(uint32_t symbol, std::string &name) const {
  return names_[symbol >> 31].read(symbol & ~kFromDynsym, name);
}

} // namespace profcore
