#include "symbolize/elf_dynamic.hpp"

#include <algorithm>
#include <elf.h>

namespace profcore {
namespace {

/// Nobody has more entries than some dozens.
constexpr uint64_t kMostEntries = 4096;
constexpr uint64_t kMostBuckets = uint64_t{1} << 24; // a sparse file may claim any number
constexpr uint64_t kMostSymbols = uint64_t{1} << 24;

/// The addresses and sizes as the segment has them.
struct Tags {
  uint64_t symbols = 0, symbol_size = 0, strings = 0, strings_size = 0;
  uint64_t plt = 0, plt_size = 0, plt_type = 0;
  uint64_t rela = 0, rela_size = 0, rela_entry = 0, rela_relative = 0;
  uint64_t hash = 0, gnu_hash = 0;
};

bool read_tags(const ElfImage &image, Tags &tags) {
  const ElfSegment *dynamic = nullptr;
  for (const ElfSegment &segment : image.segments())
    if (segment.type == PT_DYNAMIC) dynamic = &segment;
  if (dynamic == nullptr) return false;
  const size_t word = image.is_64() ? 8 : 4;
  ByteWindow window{image.bytes()};
  const uint64_t count = std::min(dynamic->file_size / (2 * word), kMostEntries);
  for (uint64_t i = 0; i < count; ++i) {
    const uint8_t *at = window.get(dynamic->offset + i * 2 * word, 2 * word);
    if (at == nullptr) return false;
    const uint64_t value = image.word(at + word);
    switch (image.word(at)) {
    case DT_NULL:
      return true;
    case DT_SYMTAB:
      tags.symbols = value;
      break;
    case DT_SYMENT:
      tags.symbol_size = value;
      break;
    case DT_STRTAB:
      tags.strings = value;
      break;
    case DT_STRSZ:
      tags.strings_size = value;
      break;
    case DT_JMPREL:
      tags.plt = value;
      break;
    case DT_PLTRELSZ:
      tags.plt_size = value;
      break;
    case DT_PLTREL:
      tags.plt_type = value;
      break;
    case DT_RELA:
      tags.rela = value;
      break;
    case DT_RELASZ:
      tags.rela_size = value;
      break;
    case DT_RELAENT:
      tags.rela_entry = value;
      break;
    case DT_RELACOUNT:
      tags.rela_relative = value;
      break;
    case DT_HASH:
      tags.hash = value;
      break;
    case DT_GNU_HASH:
      tags.gnu_hash = value;
      break;
    default:
      break;
    }
  }
  return true;
}

/// The number of dynamic symbols, which only the hash tables tell; 0 when they are damaged.
uint64_t count_by_hash(const ElfImage &image, uint64_t address) {
  const auto offset = image.offset_of(address);
  uint8_t header[8];
  if (!offset || !image.bytes().read(*offset, header, sizeof header)) return 0;
  return image.u32(header + 4); // nchain: as many as there are symbols
}

uint64_t count_by_gnu_hash(const ElfImage &image, uint64_t address) {
  const auto offset = image.offset_of(address);
  uint8_t header[16];
  if (!offset || !image.bytes().read(*offset, header, sizeof header)) return 0;
  const uint64_t buckets = image.u32(header);
  const uint64_t first = image.u32(header + 4); // those before are not hashed: undefined ones
  const uint64_t bloom = image.u32(header + 8);
  if (buckets > kMostBuckets) return 0;
  const uint64_t buckets_at = *offset + sizeof header + bloom * (image.is_64() ? 8 : 4);
  const uint64_t chains_at = buckets_at + buckets * 4;
  ByteWindow window{image.bytes()};
  uint64_t last = 0;
  for (uint64_t i = 0; i < buckets; ++i) {
    const uint8_t *at = window.get(buckets_at + i * 4, 4);
    if (at == nullptr) return 0;
    last = std::max<uint64_t>(last, image.u32(at));
  }
  if (last < first) return first;
  // The last chain ends with a hash whose lowest bit is set.
  for (const uint64_t most = last + kMostSymbols; last < most; ++last) {
    const uint8_t *at = window.get(chains_at + (last - first) * 4, 4);
    if (at == nullptr) return 0;
    if ((image.u32(at) & 1) != 0) return last + 1;
  }
  return 0;
}

ElfTable table_of(const ElfImage &image, uint64_t address, uint64_t size, uint64_t entry_size,
                  uint64_t least_entry) {
  ElfTable table;
  const auto offset = image.offset_of(address);
  if (address == 0 || !offset || !image.bytes().holds(*offset, size)) return table;
  if (entry_size == 0) entry_size = least_entry;
  if (entry_size != least_entry) return table;
  return {*offset, size, entry_size};
}

} // namespace

std::optional<ElfDynamic> read_dynamic(const ElfImage &image) {
  Tags tags;
  if (!read_tags(image, tags)) return std::nullopt;
  ElfDynamic dynamic;
  const bool is_64 = image.is_64();
  const uint64_t rela_size = is_64 ? sizeof(Elf64_Rela) : sizeof(Elf32_Rela);
  const uint64_t rel_size = is_64 ? sizeof(Elf64_Rel) : sizeof(Elf32_Rel);
  dynamic.plt_has_addends = tags.plt_type != DT_REL;
  dynamic.plt_relocations =
      table_of(image, tags.plt, tags.plt_size, 0, dynamic.plt_has_addends ? rela_size : rel_size);
  // The relative ones come first and name nothing.
  dynamic.relocations = table_of(image, tags.rela, tags.rela_size, tags.rela_entry, rela_size);
  const uint64_t entries = dynamic.relocations.size / rela_size;
  const uint64_t relative = std::min(tags.rela_relative, entries) * rela_size;
  dynamic.relocations.offset += relative;
  dynamic.relocations.size -= relative;

  dynamic.strings = table_of(image, tags.strings, tags.strings_size, 1, 1);
  const uint64_t symbol_size = is_64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
  uint64_t count = tags.gnu_hash != 0 ? count_by_gnu_hash(image, tags.gnu_hash) : 0;
  if (count == 0 && tags.hash != 0) count = count_by_hash(image, tags.hash);
  if (count <= image.bytes().size() / symbol_size)
    dynamic.symbols =
        table_of(image, tags.symbols, count * symbol_size, tags.symbol_size, symbol_size);
  return dynamic;
}

} // namespace profcore
