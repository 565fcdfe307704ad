#pragma once

#include "base/pod_vector.hpp"
#include "sources/sampler/elf_sections.hpp"
#include "unwind_row.h"

#include <cstdint>
#include <span>

namespace profcore {

/// A section of call frame information, uncompressed.
struct CfiSection {
  std::span<const uint8_t> bytes;
  uint64_t address = 0;    ///< of its first byte in memory: pointers may be relative to it
  bool is_eh_frame = true; ///< else .debug_frame, which differs in its entry headers
  bool big_endian = false;
  Machine machine = Machine::kX86_64;
};

/// One FDE; addresses are relative to the base, rows are [first_row, first_row + row_count).
struct CfiFunction {
  uint32_t start;
  uint32_t end;
  uint32_t first_row;
  uint32_t row_count;
};

/// In the order of the section. The rows of a function begin at its start, rise, and no two
/// neighbours say the same.
struct CfiRows {
  PodVector<unwind_row> rows;
  PodVector<CfiFunction> functions;
  uint64_t bad_entries = 0;     ///< entries skipped: damaged, of an unknown form, or by a bad CIE
  uint64_t outside_entries = 0; ///< functions outside of [base, code_end): the linker dropped them
  bool complete = true;         ///< false: stopped at max_rows
};

/// Walks over the whole section and runs each function's instructions. Never throws but for memory;
/// takes time linear in the section whatever is in it. What `rows` held goes, its memory is used
/// again.
void read_cfi(const CfiSection &section, uint64_t base, uint64_t code_end, size_t max_rows,
              CfiRows &rows);

} // namespace profcore
