// Any bytes as an ELF file: an Error, or headers and symbols that agree with one another.
#include "base/error.hpp"
#include "symbolize/elf_symbols.hpp"

#include <cstdint>
#include <cstdlib>
#include <elf.h>
#include <string>

using namespace profcore;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  try {
    const ElfImage image{ByteSource{{data, size}}};
    (void)image.build_id_text();
    for (const ElfSection &section : image.sections()) (void)image.section_name(section);
    (void)image.find_name(".text");
    const ElfSymbols symbols = ElfSymbols::build(image, {uint64_t{32} << 20});
    std::string name;
    uint64_t reached = 0; // pieces are in order and do not overlap
    bool is_first = true;
    symbols.table().for_each([&](const RangeTable::Piece &piece) {
      if (piece.size == 0 || (!is_first && piece.start < reached)) std::abort();
      is_first = false;
      reached = piece.start + piece.size;
      if (symbols.find(piece.start) != piece.value) std::abort();
      if (symbols.find(piece.start + piece.size - 1) != piece.value) std::abort();
      if (image.executable_at(piece.start) == nullptr) std::abort();
      if (symbols.name(piece.value, name) && name.size() > NameSource::kLongest) std::abort();
    });
    for (const ElfSegment &segment : image.segments()) {
      const auto address = image.address_of(segment.offset);
      if (address && image.is_64()) (void)image.offset_of(*address);
      (void)symbols.find(segment.address);
      (void)symbols.find(segment.address - 1);
    }
  } catch (const Error &) {
    // A clear refusal.
  }
  return 0;
}
