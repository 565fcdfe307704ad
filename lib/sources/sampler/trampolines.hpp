#pragma once

#include "sources/sampler/process_table.hpp"
#include "sources/sampler/row_pool.hpp"

#include <cstdint>
#include <span>

namespace profcore::sampler {

/// Looks for CPython's perf trampolines in the anonymous mappings of a process that were not looked
/// at yet, and notes what it finds in them.
void find_trampolines(Process &process, ModuleFiles &files);

/// What an arena that begins with these bytes consists of; of no trampolines: {0, 0}.
Trampolines read_trampolines(std::span<const uint8_t> code);

/// How to leave each instruction of an arena, from its first byte on.
FileRows make_trampoline_rows(Trampolines trampolines);

} // namespace profcore::sampler
