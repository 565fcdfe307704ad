#include "sources/decode/layers.hpp"

#include "sources/decode/zip_layer.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace profcore {
namespace {

void add_note(LayerNote note, const DecodeOptions &options, std::vector<LayerNote> &notes) {
  if (options.strict) throw Error{Status::kMalformed, std::move(note.text), note.offset};
  notes.push_back(std::move(note));
}

InflateResult inflate_zip(std::span<const uint8_t> bytes, const DecodeOptions &options,
                          const Context &context, std::vector<LayerNote> &notes) {
  ZipListing listing = list_zip(bytes);
  ZipChoice choice = choose_zip_entry(bytes, listing, options.format);
  if (!listing.damage.empty())
    add_note({std::move(listing.damage), listing.damage_offset}, options, notes);
  if (!choice.others.empty())
    add_note({std::move(choice.others), choice.entry.data_at, "files_left_out"}, options, notes);
  return inflate_zip_lossy(bytes, choice.entry, context);
}

/// `options` are of the whole, `context` has what is left of the limits for this layer.
InflateResult inflate_layer(Compression compression, std::span<const uint8_t> bytes,
                            const DecodeOptions &options, const Context &context,
                            std::vector<LayerNote> &notes) {
  switch (compression) {
  case Compression::kGzip:
    return inflate_gzip_lossy(bytes, context);
  case Compression::kZlib:
    return inflate_zlib_lossy(bytes, context);
  case Compression::kZstd:
    return inflate_zstd_lossy(bytes, context);
  case Compression::kLz4:
    return inflate_lz4_lossy(bytes, context);
  case Compression::kZip:
    return inflate_zip(bytes, options, context, notes);
  case Compression::kNone:
    break;
  }
  throw Error{Status::kInternal, "no inflater for that compression"};
}

/// Throws when the start of compressed bytes shows that no profile is in them.
void refuse_by_prefix(std::span<const uint8_t> bytes) {
  Bytes storage;
  std::span<const uint8_t> current = bytes;
  for (int layer = 0; layer < kMaxCompressionLayers; ++layer) {
    const Compression compression = detect_compression(current);
    if (compression == Compression::kZip) return; // of its files one may do
    if (compression == Compression::kNone) break;
    Bytes next = inflate_prefix(current, kSniffBytes);
    if (next.empty()) return; // the inflaters tell why
    storage = std::move(next);
    current = storage.span();
  }
  if (current.data() == bytes.data() || current.size() < kSniffBytes) return;
  if (detect_compression(current) != Compression::kNone) return;
  const SniffResult seen = sniff_plain(current, current.size() + 1);
  if (!seen.readable) throw_unreadable(seen, true, false, {});
}

} // namespace

void throw_unreadable(const SniffResult &seen, bool inflated, bool empty, std::string_view damage) {
  std::string message = fmt::format("{} {}", inflated ? "inflated, this is" : "this is", seen.saw);
  if (!damage.empty()) message += fmt::format(" ({})", damage);
  if (empty) throw Error{Status::kNoData, std::move(message)};
  if (seen.format != Format::kUnknown)
    throw Error{Status::kUnsupported, message + ", which this library does not read yet"};
  throw Error{Status::kUnknownFormat, message + ", not a profile that this library reads"};
}

std::span<const uint8_t> inflate_all(std::span<const uint8_t> bytes, const DecodeOptions &options,
                                     Bytes &storage, std::vector<LayerNote> &notes) {
  const uint64_t most = Limits::scaled(options.context.limits.max_inflate_ratio, bytes.size());
  std::span<const uint8_t> current = bytes;
  for (int layer = 0; layer <= kMaxCompressionLayers; ++layer) {
    const Compression compression = detect_compression(current);
    if (compression == Compression::kNone) return current;
    if (layer == kMaxCompressionLayers)
      throw Error{Status::kUnsupported,
                  fmt::format("compressed more than {} times over", kMaxCompressionLayers)};
    // What is no profile need not be inflated to be refused: a megabyte can stand for a gigabyte.
    constexpr size_t kWorthALook = size_t{64} << 10;
    if (options.format == Format::kUnknown && current.size() >= kWorthALook)
      refuse_by_prefix(current);
    Context context = options.context;
    context.limits.tighten_inflated(most - std::min<uint64_t>(most, storage.size()),
                                    "max_inflate_ratio");
    InflateResult result = inflate_layer(compression, current, options, context, notes);
    if (!result.damage.empty()) {
      if (options.strict || result.data.empty())
        throw Error{Status::kMalformed, std::move(result.damage), result.damage_offset};
      notes.push_back({std::move(result.damage), result.damage_offset});
    }
    if (result.trailing > 0) {
      std::string text =
          fmt::format("{} bytes after the {} data are not part of it and were ignored",
                      result.trailing, compression_name(compression));
      if (options.strict) throw Error{Status::kMalformed, std::move(text), result.consumed};
      notes.push_back({std::move(text), result.consumed});
    }
    options.context.write_log(LogLevel::kDebug, fmt::format("{}: {} bytes inflated to {}",
                                                            compression_name(compression),
                                                            result.consumed, result.data.size()));
    storage = std::move(result.data);
    current = storage.span();
  }
  return current;
}

} // namespace profcore
