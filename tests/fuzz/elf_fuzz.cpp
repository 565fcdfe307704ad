// Any bytes as an ELF file: an Error, or headers, symbols, PLT entries and bounds of functions that
// agree with one another.
#include "base/error.hpp"
#include "symbolize/debug_file.hpp"
#include "symbolize/elf_dynamic.hpp"
#include "symbolize/elf_plt.hpp"
#include "symbolize/elf_symbols.hpp"
#include "symbolize/function_bounds.hpp"
#include "symbolize/module_index.hpp"

#include <cstdint>
#include <cstdlib>
#include <elf.h>
#include <string>

using namespace profcore;

namespace {

void check_bounds(const ElfImage &image) {
  const FunctionBounds bounds = FunctionBounds::build(image, uint64_t{32} << 20);
  uint64_t reached = 0;
  bool is_first = true;
  bounds.table().for_each([&](const RangeTable::Piece &piece) {
    if (piece.size == 0 || (!is_first && piece.start < reached)) std::abort();
    is_first = false;
    reached = piece.start + piece.size;
    const auto start = bounds.start_of(piece.start);
    // Pieces may begin behind the start of their function where others lie inside of it.
    if (!start || *start > piece.start || image.executable_at(*start) == nullptr) std::abort();
  });
}

void check_plt(const ElfImage &image) {
  const auto dynamic = read_dynamic(image);
  if (!dynamic) return;
  for (const PltEntry &entry : read_plt(image, *dynamic))
    if (entry.size == 0 || (entry.name == 0 && entry.target == 0)) std::abort();
}

void check_module(const ByteSource &bytes, const ElfImage &image) {
  const auto module = ModuleIndex::build(bytes, {uint64_t{32} << 20, nullptr, {}});
  ModuleIndex::Names names{*module};
  for (const ElfSegment &segment : image.segments())
    for (const uint64_t offset : {uint64_t{0}, segment.memory_size / 2, segment.memory_size}) {
      const ModuleIndex::Found found = module->find(segment.address + offset, &bytes);
      if (found.wants_file || (found.symbol != ModuleIndex::kNotFound && found.function_start))
        std::abort();
      if (found.symbol != ModuleIndex::kNotFound) (void)names.of(found.symbol, true);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  try {
    const ElfImage image{ByteSource{{data, size}}};
    (void)image.build_id_text();
    for (const ElfSection &section : image.sections()) (void)image.section_name(section);
    (void)image.find_name(".text");
    check_plt(image);
    check_module(ByteSource{{data, size}}, image);
    check_bounds(image);
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
