#include "symbolize/elf_symbols.hpp"

#include "base/error.hpp"
#include "symbolize/elf_dynamic.hpp"
#include "symbolize/elf_plt.hpp"

#include <algorithm>
#include <elf.h>
#include <optional>
#include <utility>
#include <vector>

namespace profcore {
namespace {

// A symbol's value: where its name is, and in the top bits what it is. String tables are limited by
// what is left: 1 GB for .symtab, 512 MB for .dynsym.
constexpr uint64_t kMostSymbols = uint64_t{1} << 25; // a sparse file may claim any number
constexpr uint32_t kFromDynsym = uint32_t{1} << 31;
constexpr uint32_t kSymtabGuess = uint32_t{1} << 30;
constexpr uint32_t kDynsymGuess = uint32_t{1} << 30;
constexpr uint32_t kPlt = uint32_t{1} << 29;
constexpr uint32_t name_mask(uint32_t symbol) noexcept {
  return (symbol & kFromDynsym) != 0 ? kPlt - 1 : kSymtabGuess - 1;
}
/// Sized symbols win over those whose size is a guess.
constexpr uint32_t kSized = uint32_t{1} << 31;

/// Of a symbol's rank: .dynsym, untyped, weak, local; 0 is a global function of .symtab.
constexpr uint8_t kPltRank = 64;
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

/// A symbol table and its names.
struct SymbolTable {
  ElfTable symbols;
  ElfTable strings;
};

/// nullopt when there is no such section; sizes of 0 when it is damaged.
std::optional<SymbolTable> table_of(const ElfImage &image, uint32_t type) {
  const ElfSection *section = image.find_type(type);
  if (section == nullptr) return std::nullopt;
  const auto sections = image.sections();
  const uint64_t entry_size = image.is_64() ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
  if ((section->entry_size != entry_size && section->entry_size != 0) ||
      !image.bytes().holds(section->offset, section->size) || section->link >= sections.size() ||
      sections[section->link].type != SHT_STRTAB)
    return SymbolTable{};
  const ElfSection &strings = sections[section->link];
  return SymbolTable{{section->offset, section->size, entry_size},
                     {strings.offset, strings.size, 1}};
}

/// Reads one symbol table; false when it is damaged.
class TableReader {
public:
  /// `program` has the code: of a debug file the segments hold nothing.
  TableReader(const ElfImage &image, const ElfImage &program, const SymbolTable &table,
              bool is_dynsym)
      : image_{image}, program_{program}, table_{table}, is_dynsym_{is_dynsym} {}

  bool open(NameSource &names, uint64_t max_bytes, bool copy) {
    entry_size_ = static_cast<size_t>(table_.symbols.entry_size);
    if (entry_size_ == 0 || table_.strings.size > name_mask(is_dynsym_ ? kFromDynsym : 0))
      return false;
    names_ = &names;
    const ByteSource &bytes = image_.bytes();
    return copy ? names.open_copy(bytes, table_.strings.offset, table_.strings.size, max_bytes)
                : names.open(bytes, table_.strings.offset, table_.strings.size, max_bytes);
  }

  bool read(PodVector<Symbol> &symbols, const ElfSymbols::Bounds &bounds) {
    constexpr size_t kBatch = 4096;
    std::vector<uint8_t> batch(kBatch * entry_size_);
    const uint64_t count = std::min(table_.symbols.size / entry_size_, kMostSymbols);
    for (uint64_t at = 1; at < count;) { // the first is none
      const auto take = static_cast<size_t>(std::min<uint64_t>(kBatch, count - at));
      if (!image_.bytes().read(table_.symbols.offset + at * entry_size_, batch.data(),
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
    uint32_t tag = is_dynsym_ ? kFromDynsym : 0;
    if (size != 0) {
      end = size > segment_end - value ? segment_end : value + size;
    } else if (is_dynsym_) {
      end = value + 1;
      tag |= kDynsymGuess;
    } else {
      tag |= kSymtabGuess;
    }
    if (!is_function) {
      // Untyped ones are few; only there do mapping symbols and labels occur.
      if (!names_->read(name, text_) || is_mapping_symbol(text_)) return;
    }
    symbols.push_back({value, end, name | tag, index, rank});
  }

  /// Symbols come in runs of the same segment.
  const ElfSegment *executable_of(uint64_t address) {
    if (last_ == nullptr || address < last_->address ||
        address - last_->address >= last_->memory_size)
      last_ = program_.executable_at(address);
    // An end past 64 bits is damage.
    if (last_ != nullptr && last_->address > UINT64_MAX - last_->memory_size) last_ = nullptr;
    return last_;
  }

  const ElfImage &image_;
  const ElfImage &program_;
  const SymbolTable &table_;
  bool is_dynsym_;
  size_t entry_size_ = 0;
  const NameSource *names_ = nullptr;
  const ElfSegment *last_ = nullptr;
  std::string text_;
};

/// Where the section of a symbol without a size ends.
uint64_t section_end(const ElfImage &image, const ElfImage &program,
                     const Symbol &symbol) noexcept {
  const auto sections = image.sections();
  const ElfSegment *segment = program.executable_at(symbol.start);
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
      return names[symbol.name >> 31].read(symbol.name & name_mask(symbol.name), text) &&
             text.find(".cold") != std::string::npos;
    };
    if (is_cold(better) && !is_cold(worse)) std::swap(worse, better);
  }
}

/// Entries of the procedure linkage table; those to an indirect function of the file itself are
/// named by the symbol at its resolver.
void add_plt(const ElfImage &image, const ElfDynamic &dynamic, uint64_t names_size,
             PodVector<Symbol> &symbols) {
  const PodVector<PltEntry> entries = read_plt(image, dynamic);
  if (entries.empty()) return;
  const size_t count = symbols.size();
  std::vector<std::pair<uint64_t, uint32_t>> targets; // address and place in `entries`
  const auto add = [&](const PltEntry &entry, uint32_t name) {
    const ElfSegment *segment = image.executable_at(entry.start);
    if (segment == nullptr || name == 0 || name >= names_size) return;
    const uint64_t room = segment->memory_size - (entry.start - segment->address);
    symbols.push_back({entry.start, entry.start + std::min<uint64_t>(entry.size, room),
                       name | kFromDynsym | kPlt, SHN_UNDEF, kPltRank});
  };
  for (size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].name != 0)
      add(entries[i], entries[i].name);
    else
      targets.emplace_back(entries[i].target, static_cast<uint32_t>(i));
  }
  std::sort(targets.begin(), targets.end());
  for (size_t i = 0; i < count && !targets.empty(); ++i) {
    const Symbol symbol = symbols[i];
    if ((symbol.name & kFromDynsym) == 0) continue;
    const uint32_t name = symbol.name & name_mask(symbol.name);
    auto at = std::lower_bound(targets.begin(), targets.end(),
                               std::pair<uint64_t, uint32_t>{symbol.start, 0});
    for (; at != targets.end() && at->first == symbol.start && at->second != UINT32_MAX; ++at) {
      add(entries[at->second], name);
      at->second = UINT32_MAX; // one name is enough
    }
  }
}

} // namespace

ElfSymbols ElfSymbols::build(const ElfImage &image, const Bounds &bounds, const ElfImage *debug) {
  ElfSymbols result;
  PodVector<Symbol> symbols;
  const ElfImage &symtab_image = debug != nullptr ? *debug : image;
  const auto take = [&](const ElfImage &from, const SymbolTable &table, bool is_dynsym) {
    TableReader reader{from, image, table, is_dynsym};
    const bool copy = &from != &image && from.bytes().is_memory();
    const bool done = reader.open(result.names_[is_dynsym ? 1 : 0], bounds.max_bytes, copy) &&
                      reader.read(symbols, bounds);
    if (!done) result.damaged_ = true;
    return done;
  };
  if (const auto table = table_of(symtab_image, SHT_SYMTAB)) take(symtab_image, *table, false);
  std::optional<SymbolTable> dynsym = table_of(image, SHT_DYNSYM);
  std::optional<ElfDynamic> dynamic = read_dynamic(image);
  if (!dynsym && dynamic && dynamic->symbols.size != 0)
    dynsym = SymbolTable{dynamic->symbols, dynamic->strings};
  if (dynsym && take(image, *dynsym, true) && dynamic) {
    dynamic->symbols = dynsym->symbols; // what its relocations number
    add_plt(image, *dynamic, result.names_[1].size(), symbols);
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
      symbol.end = std::max(std::min(next_start, section_end(symtab_image, image, symbol)),
                            symbol.start + 1);
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

bool ElfSymbols::is_guess(uint32_t symbol) noexcept {
  return (symbol & kSymtabGuess) != 0; // the same bit in both tables
}

bool ElfSymbols::is_plt(uint32_t symbol) noexcept {
  return (symbol & kFromDynsym) != 0 && (symbol & kPlt) != 0;
}

bool ElfSymbols::name(uint32_t symbol, std::string &name) const {
  if (!names_[symbol >> 31].read(symbol & name_mask(symbol), name)) return false;
  if (is_plt(symbol)) name += kPltSuffix;
  return true;
}

} // namespace profcore
