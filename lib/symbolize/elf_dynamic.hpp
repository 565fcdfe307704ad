#pragma once

#include "symbolize/elf_image.hpp"

#include <cstdint>
#include <optional>

namespace profcore {

/// A table in the file: 0 bytes when there is none.
struct ElfTable {
  uint64_t offset = 0;
  uint64_t size = 0;
  uint64_t entry_size = 0;
};

/// What the dynamic linker reads. It needs no section table, so this is there in files whose
/// sections were stripped, too.
struct ElfDynamic {
  ElfTable symbols; ///< as many as the hash table knows of; `size` 0 when it has no hash table
  ElfTable strings;
  ElfTable plt_relocations;
  ElfTable relocations;
  bool plt_has_addends = false;
};

/// nullopt without a (sound) dynamic segment. Of a table that is damaged the size is 0.
std::optional<ElfDynamic> read_dynamic(const ElfImage &image);

} // namespace profcore
