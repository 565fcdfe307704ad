#include "sources/decode/zip_layer.hpp"

#include "base/utf8.hpp"
#include "sources/decode/sniff.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace profcore {
namespace {

/// How many files are looked into: each look inflates kSniffBytes at most.
constexpr size_t kMostLooks = 64;

/// A name for people: short, and without bytes that would disturb a terminal.
std::string shown(std::string_view name) {
  name = name.substr(name.size() - std::min<size_t>(name.size(), 60));
  std::string text;
  for (const char c : name) text += static_cast<uint8_t>(c) < 0x20 || c == 0x7f ? '?' : c;
  return is_valid_utf8(text) ? text : std::string{"(a name that is not UTF-8)"};
}

std::string names_of(std::span<const ZipEntry> entries, const ZipEntry *but) {
  constexpr size_t kMostNamed = 5;
  std::string names;
  size_t count = 0;
  for (const ZipEntry &entry : entries) {
    if (&entry == but) continue;
    if (++count > kMostNamed) continue;
    names += fmt::format("{}{}", count == 1 ? "" : ", ", shown(entry.name));
  }
  if (count > kMostNamed) names += fmt::format(" and {} more", count - kMostNamed);
  return names;
}

bool fits(std::span<const uint8_t> archive, const ZipEntry &entry, Format wanted) {
  const Bytes prefix = zip_prefix(archive, entry, kSniffBytes);
  if (prefix.empty()) return false;
  const SniffResult seen = sniff(prefix.span());
  return wanted == Format::kUnknown ? seen.readable : seen.format == wanted;
}

} // namespace

ZipChoice choose_zip_entry(std::span<const uint8_t> archive, const ZipListing &listing,
                           Format wanted) {
  const std::span<const ZipEntry> entries{listing.entries};
  if (entries.empty())
    throw Error{Status::kNoData, "a zip archive without a file in it", listing.damage_offset};
  const ZipEntry *chosen = nullptr;
  size_t looks = 0;
  for (const ZipEntry &entry : entries) {
    if (!entry.is_readable()) continue;
    if (entries.size() == 1 || (looks++ < kMostLooks && fits(archive, entry, wanted))) {
      chosen = &entry;
      break;
    }
  }
  if (chosen == nullptr) {
    const auto readable = std::find_if(entries.begin(), entries.end(),
                                       [](const ZipEntry &entry) { return entry.is_readable(); });
    if (readable == entries.end())
      throw Error{
          Status::kUnsupported,
          fmt::format("a zip archive whose files are encrypted or packed in a way that this "
                      "library does not read ({})",
                      names_of(entries, nullptr)),
          entries[0].data_at};
    chosen = &*readable;
  }
  ZipChoice choice{*chosen, {}};
  if (entries.size() > 1)
    choice.others =
        fmt::format("of the {} files in the zip archive only {} was read, not {}",
                    entries.size() + listing.more, shown(chosen->name), names_of(entries, chosen));
  return choice;
}

Bytes sniff_zip(std::span<const uint8_t> prefix, size_t max_output) {
  const ZipListing listing = list_zip(prefix);
  for (const ZipEntry &entry : listing.entries)
    if (entry.is_readable()) return zip_prefix(prefix, entry, max_output);
  return {};
}

} // namespace profcore
