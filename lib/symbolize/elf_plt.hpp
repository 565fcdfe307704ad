#pragma once

#include "base/pod_vector.hpp"
#include "symbolize/elf_dynamic.hpp"
#include "symbolize/elf_image.hpp"

#include <cstdint>

namespace profcore {

/// An entry of a procedure linkage table, and what it jumps to.
struct PltEntry {
  uint64_t start;
  uint32_t size;
  uint32_t name;   ///< offset in the dynamic string table; 0 = see `target`
  uint64_t target; ///< an indirect function's resolver in the file itself; 0 = none
};

/// The entries of all procedure linkage tables, by address: x86-64 and aarch64, with and without
/// branch marks. An entry is told by its code, which loads an address from the global offset table,
/// and is named by the relocation that fills that place: so whatever the linker's layout, what is
/// found is where the jump goes. Entries that say nothing of that are left out.
PodVector<PltEntry> read_plt(const ElfImage &image, const ElfDynamic &dynamic);

} // namespace profcore
