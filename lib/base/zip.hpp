#pragma once

#include "base/inflate.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace profcore {

/// One file in a zip archive.
struct ZipEntry {
  std::string_view name; ///< in the archive's bytes, of whatever encoding
  uint16_t method = 0;   ///< 0 stored, 8 deflate; others are not read
  bool is_encrypted = false;
  bool has_sizes = true; ///< false: only the data tell where they end
  uint32_t crc = 0;
  uint64_t packed_size = 0; ///< as told, which may be more than is there
  uint64_t size = 0;        ///< likewise a hint
  uint64_t data_at = 0;     ///< in the archive, never past its end

  bool is_readable() const noexcept { return !is_encrypted && (method == 0 || method == 8); }
};

struct ZipListing {
  std::vector<ZipEntry> entries; ///< files with something in them, in the directory's order
  uint64_t more = 0;             ///< files past the most that are listed
  std::string damage;            ///< empty = none; else one line
  uint64_t damage_offset = kNoOffset;
};

bool is_zip(std::span<const uint8_t> input) noexcept;

/// What is in an archive: by its directory, at the end, or where there is none (an archive cut
/// short, or its first bytes only) by the headers before each file.
ZipListing list_zip(std::span<const uint8_t> input);

/// One file of it. Damage and offsets as of the other inflaters, limits too; what a stored file has
/// is copied.
InflateResult inflate_zip_lossy(std::span<const uint8_t> input, const ZipEntry &entry,
                                const Context &context);
/// Its first `max_output` bytes at most.
Bytes zip_prefix(std::span<const uint8_t> input, const ZipEntry &entry, size_t max_output);

} // namespace profcore
