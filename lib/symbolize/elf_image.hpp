#pragma once

#include "symbolize/byte_source.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace profcore {

struct ElfSection {
  uint32_t type = 0;
  uint64_t flags = 0;
  uint64_t address = 0;
  uint64_t offset = 0;
  uint64_t size = 0;
  uint32_t link = 0;
  uint64_t entry_size = 0;
  uint32_t name = 0; ///< offset in the section names
};

struct ElfSegment {
  uint32_t type = 0;
  uint32_t flags = 0;
  uint64_t offset = 0;
  uint64_t address = 0;
  uint64_t file_size = 0;
  uint64_t memory_size = 0;
};

/// The headers of an ELF file: 32 or 64 bits, either byte order, any machine. Nothing is believed:
/// counts are limited, every read is checked against the file, and tables that are damaged are
/// left out (`warnings`), so that a file with a broken section table is still translated and one
/// with broken segments still has its build id.
class ElfImage {
public:
  static constexpr size_t kMostSegments = 4096;
  static constexpr size_t kMostSections = size_t{1} << 17;

  /// Throws kMalformed when it is no ELF file at all, or its header is damaged.
  explicit ElfImage(const ByteSource &bytes);

  const ByteSource &bytes() const noexcept { return bytes_; }
  bool is_64() const noexcept { return is_64_; }
  bool is_big_endian() const noexcept { return is_big_; }
  uint16_t type() const noexcept { return type_; }
  uint16_t machine() const noexcept { return machine_; }
  std::span<const ElfSegment> segments() const noexcept { return segments_; }
  std::span<const ElfSection> sections() const noexcept { return sections_; }
  std::span<const std::string> warnings() const noexcept { return warnings_; }

  /// The bytes of the build id, from the note segments, else the note sections; empty when none.
  std::span<const uint8_t> build_id() const noexcept { return build_id_; }
  std::string build_id_text() const; ///< hexadecimal

  /// From an offset in the file to the address it is linked at, by the loaded segments' bytes in
  /// the file; executable segments are preferred where several hold the offset.
  std::optional<uint64_t> address_of(uint64_t offset) const noexcept {
    return address_in(segments_, offset);
  }
  /// The same for segments that were kept without their image.
  static std::optional<uint64_t> address_in(std::span<const ElfSegment> segments,
                                            uint64_t offset) noexcept;
  /// The other way; nullopt for addresses without bytes in the file.
  std::optional<uint64_t> offset_of(uint64_t address) const noexcept;
  /// The executable loaded segment that holds the address (by its size in memory), or nullptr.
  const ElfSegment *executable_at(uint64_t address) const noexcept;

  /// The first section of that type, or nullptr.
  const ElfSection *find_type(uint32_t type) const noexcept;
  /// The first section of that name, or nullptr. (Seam: .gnu_debuglink, .gnu_debugdata,
  /// .gopclntab and .debug_* are found by this.)
  const ElfSection *find_name(std::string_view name) const;
  /// Names must end in a NUL inside the section of names; else empty.
  std::string section_name(const ElfSection &section) const;

  uint16_t u16(const uint8_t *at) const noexcept;
  uint32_t u32(const uint8_t *at) const noexcept;
  uint64_t u64(const uint8_t *at) const noexcept;
  /// 32 or 64 bits by the file's class.
  uint64_t word(const uint8_t *at) const noexcept { return is_64_ ? u64(at) : u32(at); }

private:
  void read_segments(uint64_t offset, uint64_t count, uint64_t entry_size);
  void read_sections(uint64_t offset, uint64_t count, uint64_t entry_size, uint64_t names);
  bool read_notes(uint64_t offset, uint64_t size, uint64_t alignment);
  ElfSection parse_section(const uint8_t *at) const noexcept;

  ByteSource bytes_;
  bool is_64_ = false;
  bool is_big_ = false;
  uint16_t type_ = 0;
  uint16_t machine_ = 0;
  std::vector<ElfSegment> segments_;
  std::vector<ElfSection> sections_;
  size_t names_section_ = 0; ///< index in sections_, 0 = none
  std::vector<uint8_t> build_id_;
  std::vector<std::string> warnings_;
};

} // namespace profcore
