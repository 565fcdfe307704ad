#pragma once

// Where functions begin and end, of files that do not name them.
//
// A stripped program still has call frame information (.eh_frame): exceptions and backtraces need
// it. It has an entry for each function, with its first address and its length. So an address that
// no symbol covers still belongs to a function, and all its addresses can be shown as one frame.
// Compilers write a function's split-off part as an entry of its own.
//
// One pass over .eh_frame through a small window. The sorted table in .eh_frame_hdr has no lengths
// (it would make the nearest function of what lies behind its end), and looking them up one by one
// costs a call to the kernel each. Built when a file has the first address without a symbol.

#include "symbolize/elf_image.hpp"
#include "symbolize/range_table.hpp"

#include <cstdint>
#include <optional>

namespace profcore {

class FunctionBounds {
public:
  FunctionBounds() = default;
  /// Throws kLimit past `max_bytes`. Entries that are damaged, of an unknown form or outside of the
  /// code are left out, and counted.
  static FunctionBounds build(const ElfImage &image, uint64_t max_bytes);

  /// The linked address of the first instruction of the function that covers the address.
  std::optional<uint64_t> start_of(uint64_t address) const noexcept {
    const uint32_t found = table_.find(address);
    if (found == RangeTable::kNotFound) return std::nullopt;
    return base_ + found;
  }

  size_t size() const noexcept { return table_.size(); }
  size_t bytes() const noexcept { return table_.bytes(); }
  uint64_t bad_entries() const noexcept { return bad_entries_; }
  const RangeTable &table() const noexcept { return table_; }
  uint64_t base() const noexcept { return base_; }

private:
  RangeTable table_; ///< values are starts, relative to base_
  uint64_t base_ = 0;
  uint64_t bad_entries_ = 0;
};

} // namespace profcore
