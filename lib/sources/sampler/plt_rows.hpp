#pragma once

#include "sources/sampler/cfi_reader.hpp"
#include "sources/sampler/elf_sections.hpp"

#include <cstdint>

namespace profcore {

/// Rows for a procedure linkage table, as of one more function. GNU ld writes call frame
/// information for it on x86-64; lld does not, and on aarch64 nobody does. Where there is some, it
/// comes first.
void add_plt_rows(const PltSection &section, Machine machine, uint64_t base, uint64_t code_end,
                  CfiRows &rows);

} // namespace profcore
