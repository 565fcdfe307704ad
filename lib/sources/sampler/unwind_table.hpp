#pragma once

#include "base/pod_vector.hpp"
#include "sources/sampler/cfi_reader.hpp"
#include "sources/sampler/elf_sections.hpp"
#include "unwind_row.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace profcore {

/// How to leave every frame of one file. Sorted by pc, neighbours differ; the first row is at pc 0
/// and the last says that there is nothing more, so a search never misses.
struct UnwindTable {
  Machine machine = Machine::kX86_64;
  uint64_t base = 0; ///< ELF address of pc 0: where the file's code begins
  PodVector<unwind_row> rows;
  /// For those who map files: ELF address = address in memory - start of the mapping
  /// + the mapping's file offset - file_offset + address.
  PodVector<CodeSegment> code;
  uint64_t functions = 0;
  uint64_t unsupported_rows = 0;
  uint64_t gap_rows = 0;
  uint64_t end_rows = 0;
  uint64_t signal_rows = 0;
  uint64_t bad_entries = 0;     ///< entries of call frame information that could not be read
  uint64_t outside_entries = 0; ///< for code that the linker dropped
  bool complete = true;         ///< false: cut at max_rows, what comes after is a gap
};

/// From .eh_frame, or .debug_frame where that has no functions (but not for Go, whose stacks are
/// walked by frame pointers: its own .debug_frame does not know about switched stacks). A file
/// without either gives one row, a gap. Error kMalformed or kUnsupported when `elf` is not a 64-bit
/// executable or shared object of a known machine.
UnwindTable build_unwind_table(std::span<const uint8_t> elf, size_t max_rows);
/// The same for one file after the other: what `table` held goes, its memory and that of `scratch`
/// is used again (for first touch takes longer than reading). After an error `table` says nothing.
void build_unwind_table(std::span<const uint8_t> elf, size_t max_rows, CfiRows &scratch,
                        UnwindTable &table);

/// Of the vDSO that this process runs with: it is the same for every process of this kernel and
/// architecture. No rows when there is none.
UnwindTable build_vdso_unwind_table();
/// Its image, at the address where this process has it.
std::span<const uint8_t> vdso_image() noexcept;

} // namespace profcore
