#pragma once

// The function symbols of an ELF file, ready for look-ups.
//
// Rules. Taken are functions (also indirect ones) and untyped symbols that lie in an executable
// segment; not sections, files, data, mapping symbols ($x, $a.1) and local labels (.L). A symbol
// covers its size and no more: an address behind it has no name, whatever is nearest. A symbol of
// size 0 covers, when it is from .symtab, what no sized symbol does up to the next symbol or the
// end of its section; from .dynsym just its address; both are `is_guess`, which the bounds of
// functions correct (ModuleIndex). Of nested symbols the innermost wins. At equal starts: .symtab
// before .dynsym, function before untyped, global before weak before local, not `.cold`, then the
// first. Where nothing else is, entries of the procedure linkage table are `name@plt`.
//
// Tables: .symtab, or when the file has none that of its debug file; .dynsym, or when the section
// table was stripped the same through the dynamic segment.
//
// A symbol takes 12 bytes and its share of the bucket table; names stay in the file's string table.

#include "symbolize/byte_source.hpp"
#include "symbolize/elf_image.hpp"
#include "symbolize/range_table.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace profcore {

class ElfSymbols {
public:
  static constexpr uint32_t kNotFound = RangeTable::kNotFound;
  static constexpr std::string_view kPltSuffix = "@plt";

  /// What a table may be: the index and the memory it takes to build it.
  struct Bounds {
    uint64_t max_bytes = uint64_t{1} << 30;
  };

  ElfSymbols() = default;
  /// Throws kLimit past the bounds. A damaged table is left out, and told by `damaged`.
  /// `debug`: the same program's file that has its .symtab; of one in memory the names are copied.
  static ElfSymbols build(const ElfImage &image, const Bounds &bounds,
                          const ElfImage *debug = nullptr);

  /// The symbol that covers a linked address, to be given to `name`; or kNotFound.
  uint32_t find(uint64_t address) const noexcept { return table_.find(address); }
  /// How far the symbol reaches is not known: its size is 0.
  static bool is_guess(uint32_t symbol) noexcept;
  /// It stands for what it jumps to, whose name `name` gives, with "@plt" behind it.
  static bool is_plt(uint32_t symbol) noexcept;
  /// The symbol's name as the file has it; false when it cannot be read any more.
  bool name(uint32_t symbol, std::string &name) const;

  /// Pieces of address space that have a name.
  size_t size() const noexcept { return table_.size(); }
  bool empty() const noexcept { return table_.size() == 0; }
  bool damaged() const noexcept { return damaged_; }
  /// After names were read.
  void let_go() const noexcept {
    for (const NameSource &names : names_) names.let_go();
  }
  size_t bytes() const noexcept { return table_.bytes() + names_[0].bytes() + names_[1].bytes(); }
  const RangeTable &table() const noexcept { return table_; }

private:
  RangeTable table_;    ///< values are offsets into the names, the top bits say which
  NameSource names_[2]; ///< of .symtab and of .dynsym
  bool damaged_ = false;
};

} // namespace profcore
