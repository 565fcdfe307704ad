// Any bytes as an ELF file, and as a section of call frame information for either machine and byte
// order: rows are sorted, whole and within their limit; a search of any pc finds the row in force.
#include "base/error.hpp"
#include "check_profile.hpp"
#include "sources/sampler/cfi_reader.hpp"
#include "sources/sampler/unwind_table.hpp"

#include <cstdint>

using namespace profcore;

namespace {

constexpr size_t kMostRows = 5000;

void check_row(const unwind_row &row) {
  const unsigned kind = row.rule & UNWIND_RULE_KIND;
  require(kind <= UNWIND_RULE_UNSUPPORTED && (row.rule & 0x80) == 0);
  if (kind > UNWIND_RULE_PLT) require(row.rule == kind && row.cfa == 0 && row.bp == 0);
  if (kind == UNWIND_RULE_PLT) require(row.cfa >= 0 && row.cfa < 16);
}

void check_table(std::span<const uint8_t> input) {
  UnwindTable table;
  try {
    table = build_unwind_table(input, kMostRows);
  } catch (const Error &error) {
    require(error.status() == Status::kMalformed || error.status() == Status::kUnsupported);
    return;
  }
  require(!table.rows.empty() && table.rows.size() <= kMostRows && table.rows[0].pc == 0);
  require((table.rows.back().rule & UNWIND_RULE_KIND) == UNWIND_RULE_GAP);
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const unwind_row &row = table.rows[i];
    check_row(row);
    if (i == 0) continue;
    const unwind_row &before = table.rows[i - 1];
    require(before.pc < row.pc);
    require(before.cfa != row.cfa || before.rule != row.rule || before.bp != row.bp);
  }
}

void check_section(CfiSection section, uint64_t base) {
  constexpr uint64_t kCodeSize = 0x100000;
  CfiRows rows;
  read_cfi(section, base, base + kCodeSize, kMostRows, rows);
  require(rows.rows.size() <= kMostRows);
  size_t next = 0;
  for (const CfiFunction &function : rows.functions) {
    require(function.start < function.end && function.end <= kCodeSize);
    require(function.first_row == next && function.row_count > 0);
    next += function.row_count;
    require(next <= rows.rows.size() && rows.rows[function.first_row].pc == function.start);
    for (size_t i = function.first_row; i < next; ++i) {
      check_row(rows.rows[i]);
      require(rows.rows[i].pc < function.end);
      require(i == function.first_row || rows.rows[i - 1].pc < rows.rows[i].pc);
    }
  }
  require(next == rows.rows.size());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::span<const uint8_t> input{data, size};
  check_table(input);
  for (unsigned form = 0; form < 8; ++form) {
    CfiSection section;
    section.bytes = input;
    section.address = 0x8000;
    section.is_eh_frame = (form & 1) == 0;
    section.big_endian = (form & 2) != 0;
    section.machine = (form & 4) != 0 ? Machine::kAarch64 : Machine::kX86_64;
    check_section(section, 0x1000);
  }
  return 0;
}
