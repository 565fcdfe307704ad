// Zip archives. The directory at the end has every file's sizes and where it begins; the header in
// front of a file need not have the sizes (a writer that streams puts them behind the data). So the
// directory is what is read, with 64-bit sizes where it has them, and each of its numbers is held
// against the archive's size. Without a directory the headers in front are walked as far as they
// tell where the next begins; the data of a deflated file tell their own end.

#include "base/zip.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <optional>

namespace profcore {
namespace {

constexpr uint32_t kFileMagic = 0x04034b50;
constexpr uint32_t kDirectoryMagic = 0x02014b50;
constexpr uint32_t kEndMagic = 0x06054b50;
constexpr uint32_t kEnd64Magic = 0x06064b50;
constexpr uint32_t kLocator64Magic = 0x07064b50;
constexpr uint32_t kDescriptorMagic = 0x08074b50;
constexpr size_t kFileBytes = 30;
constexpr size_t kDirectoryBytes = 46;
constexpr size_t kEndBytes = 22;
constexpr size_t kLocator64Bytes = 20;
constexpr size_t kEnd64Bytes = 56;
constexpr size_t kMostListed = 1000;
constexpr uint16_t kEncrypted = 1;
constexpr uint16_t kSizesBehind = 8;

/// Little-endian numbers at places that were checked.
class Reader {
public:
  explicit Reader(std::span<const uint8_t> bytes) noexcept : bytes_{bytes} {}

  bool has(uint64_t at, uint64_t count) const noexcept {
    return at <= bytes_.size() && count <= bytes_.size() - at;
  }
  uint16_t u16(uint64_t at) const noexcept { return static_cast<uint16_t>(number(at, 2)); }
  uint32_t u32(uint64_t at) const noexcept { return static_cast<uint32_t>(number(at, 4)); }
  uint64_t u64(uint64_t at) const noexcept { return number(at, 8); }
  std::string_view text(uint64_t at, size_t size) const noexcept {
    return {reinterpret_cast<const char *>(bytes_.data()) + at, size};
  }
  uint64_t size() const noexcept { return bytes_.size(); }

private:
  uint64_t number(uint64_t at, unsigned count) const noexcept {
    uint64_t value = 0;
    for (unsigned i = count; i-- > 0;) value = value << 8 | bytes_[static_cast<size_t>(at) + i];
    return value;
  }
  std::span<const uint8_t> bytes_;
};

/// Takes the 64-bit numbers of an extra field for those that say they are there, in their order.
void widen(const Reader &in, uint64_t at, uint64_t size, std::span<uint64_t *const> numbers) {
  constexpr uint16_t kWide = 1;
  const uint64_t end = at + size;
  while (at + 4 <= end) {
    const uint64_t length = in.u16(at + 2);
    if (at + 4 + length > end) return;
    if (in.u16(at) == kWide) {
      uint64_t from = at + 4;
      for (uint64_t *const number : numbers) {
        if (*number != UINT32_MAX) continue;
        if (from + 8 > at + 4 + length) return;
        *number = in.u64(from);
        from += 8;
      }
      return;
    }
    at += 4 + length;
  }
}

struct Directory {
  uint64_t at;
  uint64_t entries;
};

std::optional<Directory> find_directory(const Reader &in) {
  if (in.size() < kEndBytes) return {};
  const uint64_t last = in.size() - kEndBytes;
  const uint64_t first = last - std::min<uint64_t>(last, UINT16_MAX); // a comment may follow
  for (uint64_t at = last + 1; at-- > first;) {
    if (in.u32(at) != kEndMagic || in.u16(at + 20) > in.size() - at - kEndBytes) continue;
    Directory found{in.u32(at + 16), in.u16(at + 10)};
    if (at >= kLocator64Bytes && in.u32(at - kLocator64Bytes) == kLocator64Magic) {
      const uint64_t wide = in.u64(at - kLocator64Bytes + 8);
      if (in.has(wide, kEnd64Bytes) && in.u32(wide) == kEnd64Magic)
        found = {in.u64(wide + 48), in.u64(wide + 32)};
    }
    if (in.has(found.at, kDirectoryBytes) && in.u32(found.at) == kDirectoryMagic) return found;
  }
  return {};
}

bool is_file(const ZipEntry &entry) {
  return !entry.name.ends_with('/') && (entry.packed_size > 0 || !entry.has_sizes);
}

void set_damage(ZipListing &listing, std::string what, uint64_t offset) {
  if (!listing.damage.empty()) return;
  listing.damage = std::move(what);
  listing.damage_offset = offset;
}

void list_directory(const Reader &in, const Directory &directory, ZipListing &listing) {
  uint64_t at = directory.at;
  for (uint64_t i = 0; i < directory.entries; ++i) {
    if (!in.has(at, kDirectoryBytes) || in.u32(at) != kDirectoryMagic)
      return set_damage(
          listing, fmt::format("the zip directory ends after {} files of {}", i, directory.entries),
          std::min(at, in.size()));
    const uint64_t name_size = in.u16(at + 28);
    const uint64_t extra_size = in.u16(at + 30);
    const uint64_t next = at + kDirectoryBytes + name_size + extra_size + in.u16(at + 32);
    if (next > in.size()) return set_damage(listing, "the zip directory is cut short", at);
    ZipEntry entry;
    const uint16_t flags = in.u16(at + 8);
    entry.is_encrypted = (flags & kEncrypted) != 0;
    entry.method = in.u16(at + 10);
    entry.crc = in.u32(at + 16);
    entry.packed_size = in.u32(at + 20);
    entry.size = in.u32(at + 24);
    entry.name = in.text(at + kDirectoryBytes, name_size);
    uint64_t header = in.u32(at + 42);
    uint64_t *const wide[] = {&entry.size, &entry.packed_size, &header};
    widen(in, at + kDirectoryBytes + name_size, extra_size, wide);
    if (!in.has(header, kFileBytes) || in.u32(header) != kFileMagic) {
      set_damage(listing, fmt::format("the zip directory says that a file is at {}", header), at);
    } else {
      entry.data_at = header + kFileBytes + in.u16(header + 26) + in.u16(header + 28);
      if (entry.data_at > in.size())
        set_damage(listing, "a file's header in the zip is cut short", header);
      else if (is_file(entry) && listing.entries.size() < kMostListed)
        listing.entries.push_back(entry);
      else
        listing.more += is_file(entry);
    }
    at = next;
  }
}

/// Headers in front of files, from the first on.
void list_headers(const Reader &in, ZipListing &listing) {
  uint64_t at = 0;
  while (in.has(at, kFileBytes) && in.u32(at) == kFileMagic &&
         listing.entries.size() < kMostListed) {
    ZipEntry entry;
    const uint16_t flags = in.u16(at + 6);
    const uint64_t name_size = in.u16(at + 26);
    const uint64_t extra_size = in.u16(at + 28);
    entry.data_at = at + kFileBytes + name_size + extra_size;
    if (entry.data_at > in.size()) break;
    entry.is_encrypted = (flags & kEncrypted) != 0;
    entry.method = in.u16(at + 8);
    entry.crc = in.u32(at + 14);
    entry.packed_size = in.u32(at + 18);
    entry.size = in.u32(at + 22);
    entry.name = in.text(at + kFileBytes, name_size);
    uint64_t *const wide[] = {&entry.size, &entry.packed_size};
    widen(in, at + kFileBytes + name_size, extra_size, wide);
    entry.has_sizes = (flags & kSizesBehind) == 0 || entry.packed_size != 0;
    if (is_file(entry)) listing.entries.push_back(entry);
    if (!entry.has_sizes || entry.packed_size > in.size() - entry.data_at) break;
    at = entry.data_at + entry.packed_size;
  }
}

/// Where stored data end whose size stands behind them only: where a record of sizes says so.
uint64_t stored_size(const Reader &in, uint64_t data_at) {
  for (uint64_t at = data_at; in.has(at, 16); ++at)
    if (in.u32(at) == kDescriptorMagic && in.u32(at + 8) == at - data_at) return at - data_at;
  return in.size() - data_at;
}

/// The bytes of an entry that are there.
std::span<const uint8_t> packed_bytes(std::span<const uint8_t> input, const ZipEntry &entry) {
  const auto rest = input.subspan(static_cast<size_t>(entry.data_at));
  if (entry.has_sizes)
    return rest.first(static_cast<size_t>(std::min<uint64_t>(entry.packed_size, rest.size())));
  return entry.method == 0 ? rest.first(stored_size(Reader{input}, entry.data_at)) : rest;
}

} // namespace

bool is_zip(std::span<const uint8_t> input) noexcept {
  return input.size() >= kFileBytes && Reader{input}.u32(0) == kFileMagic;
}

ZipListing list_zip(std::span<const uint8_t> input) {
  const Reader in{input};
  ZipListing listing;
  if (const auto directory = find_directory(in)) list_directory(in, *directory, listing);
  if (!listing.entries.empty()) return listing;
  set_damage(listing, "the zip archive has no directory: it is cut short", input.size());
  list_headers(in, listing);
  return listing;
}

InflateResult inflate_zip_lossy(std::span<const uint8_t> input, const ZipEntry &entry,
                                const Context &context) {
  if (!entry.is_readable())
    throw Error{Status::kUnsupported,
                entry.is_encrypted
                    ? std::string{"an encrypted file in a zip archive"}
                    : fmt::format("a file in a zip archive, packed by method {}; stored and "
                                  "deflated ones are read",
                                  entry.method),
                entry.data_at};
  const auto packed = packed_bytes(input, entry);
  const bool is_cut = entry.has_sizes && packed.size() < entry.packed_size;
  InflateResult result;
  if (entry.method == 8) {
    result = inflate_raw_lossy(packed, entry.size, context);
    if (!result.damage.empty()) result.damage_offset += entry.data_at;
  } else {
    if (packed.size() > context.limits.max_inflated_bytes)
      throw Error{Status::kLimit,
                  fmt::format("the file in the zip archive has more than the limit of {}",
                              context.limits.inflated_text()),
                  entry.data_at};
    result.data.append(packed);
    result.consumed = packed.size();
  }
  result.consumed += entry.data_at;
  result.trailing = 0; // other files, the directory
  if (!result.damage.empty()) return result;
  if (is_cut) {
    result.damage =
        fmt::format("the file in the zip archive is cut short at byte {}", input.size());
    result.damage_offset = input.size();
  } else if (entry.has_sizes && crc32_of(result.data.span()) != entry.crc) {
    result.damage = "the file in the zip archive does not have the sum that it should have";
    result.damage_offset = entry.data_at;
  }
  return result;
}

Bytes zip_prefix(std::span<const uint8_t> input, const ZipEntry &entry, size_t max_output) {
  if (!entry.is_readable()) return {};
  auto packed = packed_bytes(input, entry);
  if (entry.method == 8) return raw_prefix(packed, max_output);
  Bytes prefix;
  prefix.append(packed.first(std::min(packed.size(), max_output)));
  return prefix;
}

} // namespace profcore
