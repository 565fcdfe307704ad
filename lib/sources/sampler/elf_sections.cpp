#include "sources/sampler/elf_sections.hpp"

#include "base/error.hpp"

#include <bit>
#include <cstring>
#include <elf.h>
#include <iterator>
#include <string_view>

namespace profcore {

namespace {

constexpr size_t kMostSegments = 4096;
constexpr size_t kMostSections = 1 << 20;

/// Header structs copied out of the file, never read in place: nothing is aligned there.
class ElfReader {
public:
  explicit ElfReader(std::span<const uint8_t> file) : file_{file} {
    if (file.size() < sizeof(Elf64_Ehdr) || std::memcmp(file.data(), ELFMAG, SELFMAG) != 0)
      throw Error{Status::kMalformed, "not an ELF file", 0};
    if (file[EI_CLASS] != ELFCLASS64)
      throw Error{Status::kUnsupported, "not a 64-bit ELF file", EI_CLASS};
    if (file[EI_DATA] != ELFDATA2LSB && file[EI_DATA] != ELFDATA2MSB)
      throw Error{Status::kMalformed, "an ELF file of no known byte order", EI_DATA};
    big_endian_ = file[EI_DATA] == ELFDATA2MSB;
    swap_ = big_endian_ != (std::endian::native == std::endian::big);
    std::memcpy(&header_, file.data(), sizeof header_);
  }

  bool big_endian() const noexcept { return big_endian_; }
  const Elf64_Ehdr &header() const noexcept { return header_; }

  template <class T> T number(T value) const noexcept {
    if (!swap_) return value;
    if constexpr (sizeof(T) == 2) return static_cast<T>(__builtin_bswap16(value));
    if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bswap32(value));
    if constexpr (sizeof(T) == 8) return static_cast<T>(__builtin_bswap64(value));
  }
  /// The bytes from `offset` on, cut at the end of the file; empty when there are none.
  std::span<const uint8_t> bytes(uint64_t offset, uint64_t size) const noexcept {
    if (offset >= file_.size()) return {};
    const uint64_t left = file_.size() - offset;
    return file_.subspan(offset, size < left ? size : left);
  }
  /// Entry `index` of a table, false when it is not wholly inside the file.
  template <class T>
  bool entry(uint64_t table, uint64_t index, uint64_t entry_size, T &result) const noexcept {
    if (entry_size < sizeof(T) || table > file_.size()) return false;
    const uint64_t offset = table + index * entry_size; // index < 2^20, entry_size < 2^16
    if (offset > file_.size() || file_.size() - offset < sizeof(T)) return false;
    std::memcpy(&result, file_.data() + offset, sizeof(T));
    return true;
  }

private:
  std::span<const uint8_t> file_;
  Elf64_Ehdr header_{};
  bool big_endian_ = false;
  bool swap_ = false;
};

std::string_view name_at(std::span<const uint8_t> names, uint32_t offset) {
  if (offset >= names.size()) return {};
  const char *begin = reinterpret_cast<const char *>(names.data()) + offset;
  return {begin, strnlen(begin, names.size() - offset)};
}

/// Without section headers: .eh_frame_hdr says where .eh_frame begins, not where it ends.
FrameSection find_by_frame_header(const ElfReader &reader, const Elf64_Phdr &load,
                                  const Elf64_Phdr &frame_header) {
  constexpr uint8_t kPcRelativeSigned4 = 0x1b;
  const uint64_t header_address = reader.number(frame_header.p_vaddr);
  const auto header = reader.bytes(reader.number(frame_header.p_offset), 8);
  if (header.size() < 8 || header[0] != 1 || header[1] != kPcRelativeSigned4) return {};
  uint32_t distance = 0;
  std::memcpy(&distance, header.data() + 4, sizeof distance);
  const uint64_t address =
      header_address + 4 +
      static_cast<uint64_t>(int64_t{static_cast<int32_t>(reader.number(distance))});
  const uint64_t begin = reader.number(load.p_vaddr);
  const uint64_t size = reader.number(load.p_filesz);
  if (address < begin || address - begin >= size) return {};
  FrameSection section;
  section.address = address;
  section.bytes =
      reader.bytes(reader.number(load.p_offset) + (address - begin), size - (address - begin));
  return section;
}

void read_segments(const ElfReader &reader, ElfSections &result) {
  const Elf64_Ehdr &header = reader.header();
  const uint64_t table = reader.number(header.e_phoff);
  const size_t count = reader.number(header.e_phnum);
  const size_t entry_size = reader.number(header.e_phentsize);
  Elf64_Phdr frame_header{};
  for (size_t i = 0; i < count && i < kMostSegments; ++i) {
    Elf64_Phdr segment{};
    if (!reader.entry(table, i, entry_size, segment)) break;
    if (reader.number(segment.p_type) == PT_GNU_EH_FRAME) frame_header = segment;
    if (reader.number(segment.p_type) != PT_LOAD || !(reader.number(segment.p_flags) & PF_X))
      continue;
    const uint64_t address = reader.number(segment.p_vaddr);
    const uint64_t size = reader.number(segment.p_memsz);
    if (size == 0 || address + size < address) continue;
    result.code.push_back({address, reader.number(segment.p_offset), size});
  }
  if (result.eh_frame.found() || frame_header.p_vaddr == 0) return;
  const uint64_t wanted = reader.number(frame_header.p_vaddr);
  for (size_t i = 0; i < count && i < kMostSegments; ++i) {
    Elf64_Phdr segment{};
    if (!reader.entry(table, i, entry_size, segment)) break;
    if (reader.number(segment.p_type) == PT_LOAD &&
        wanted - reader.number(segment.p_vaddr) < reader.number(segment.p_filesz)) {
      result.eh_frame = find_by_frame_header(reader, segment, frame_header);
      return;
    }
  }
}

void read_section_headers(const ElfReader &reader, ElfSections &result) {
  const Elf64_Ehdr &header = reader.header();
  const uint64_t table = reader.number(header.e_shoff);
  const size_t entry_size = reader.number(header.e_shentsize);
  uint64_t count = reader.number(header.e_shnum);
  uint64_t names_index = reader.number(header.e_shstrndx);
  Elf64_Shdr first{};
  if (table == 0 || !reader.entry(table, 0, entry_size, first)) return;
  if (count == 0) count = reader.number(first.sh_size);
  if (names_index == SHN_XINDEX) names_index = reader.number(first.sh_link);
  Elf64_Shdr names_header{};
  if (names_index >= kMostSections || !reader.entry(table, names_index, entry_size, names_header))
    return;
  const auto names =
      reader.bytes(reader.number(names_header.sh_offset), reader.number(names_header.sh_size));
  for (uint64_t i = 1; i < count && i < kMostSections; ++i) {
    Elf64_Shdr section{};
    if (!reader.entry(table, i, entry_size, section)) return;
    if (reader.number(section.sh_type) == SHT_NOBITS) continue;
    const std::string_view name = name_at(names, reader.number(section.sh_name));
    if (name == ".gopclntab" || name == ".data.rel.ro.gopclntab") result.is_go = true;
    if ((name == ".plt" || name == ".plt.sec" || name == ".plt.got" || name == ".iplt") &&
        result.plt_count < std::size(result.plt))
      result.plt[result.plt_count++] = {
          reader.bytes(reader.number(section.sh_offset), reader.number(section.sh_size)),
          reader.number(section.sh_addr), name == ".plt"};
    FrameSection *wanted = name == ".eh_frame"      ? &result.eh_frame
                           : name == ".debug_frame" ? &result.debug_frame
                                                    : nullptr;
    if (wanted == nullptr) continue;
    wanted->bytes = reader.bytes(reader.number(section.sh_offset), reader.number(section.sh_size));
    wanted->address = reader.number(section.sh_addr);
    wanted->compressed = (reader.number(section.sh_flags) & SHF_COMPRESSED) != 0;
  }
}

} // namespace

ElfSections read_elf_sections(std::span<const uint8_t> file) {
  const ElfReader reader{file};
  ElfSections result;
  result.big_endian = reader.big_endian();
  const uint16_t machine = reader.number(reader.header().e_machine);
  if (machine == EM_X86_64)
    result.machine = Machine::kX86_64;
  else if (machine == EM_AARCH64)
    result.machine = Machine::kAarch64;
  else
    throw Error{Status::kUnsupported,
                "ELF machine " + std::to_string(machine) + " is not supported for unwinding", 18};
  const uint16_t type = reader.number(reader.header().e_type);
  if (type != ET_EXEC && type != ET_DYN)
    throw Error{Status::kUnsupported, "neither an executable nor a shared object", 16};
  read_section_headers(reader, result);
  read_segments(reader, result);
  return result;
}

} // namespace profcore
