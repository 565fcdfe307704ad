#include "sources/decode/decode.hpp"

#include "base/mapped_file.hpp"
#include "sources/decode/sniff.hpp"
#include "sources/decode/zip_layer.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <string>
#include <vector>

namespace profcore {
namespace {

struct Note {
  std::string text;
  uint64_t offset;
  const char *counter = "damaged_compression"; ///< of the profile
};

void add_note(Note note, const DecodeOptions &options, std::vector<Note> &notes) {
  if (options.strict) throw Error{Status::kMalformed, std::move(note.text), note.offset};
  notes.push_back(std::move(note));
}

InflateResult inflate_zip(std::span<const uint8_t> bytes, const DecodeOptions &options,
                          const Context &context, std::vector<Note> &notes) {
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
                            std::vector<Note> &notes) {
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

[[noreturn]] void throw_unreadable(const SniffResult &seen, bool inflated, bool empty,
                                   std::string_view damage) {
  std::string message = fmt::format("{} {}", inflated ? "inflated, this is" : "this is", seen.saw);
  if (!damage.empty()) message += fmt::format(" ({})", damage);
  if (empty) throw Error{Status::kNoData, std::move(message)};
  if (seen.format != Format::kUnknown)
    throw Error{Status::kUnsupported, message + ", which this library does not read yet"};
  throw Error{Status::kUnknownFormat, message + ", not a profile that this library reads"};
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

/// Takes compression off, layer by layer; what was damaged goes to `notes`, or throws when strict.
///
/// Whatever the input makes us hold at a time is within max_inflate_ratio of the input as it came:
/// a layer and the one inflated from it, then the last one and the profile. Counted per layer, the
/// ratios of nested layers would multiply.
std::span<const uint8_t> inflate_all(std::span<const uint8_t> bytes, const DecodeOptions &options,
                                     Bytes &storage, std::vector<Note> &notes) {
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

Profile decode_as(Format format, std::span<const uint8_t> bytes, const DecodeOptions &options) {
  switch (format) {
  case Format::kPprof:
    return decode_pprof(bytes, options);
  case Format::kPprofLegacy:
    return decode_pprof_legacy(bytes, options);
  case Format::kCollapsed:
    return decode_collapsed(bytes, options);
  case Format::kJfr:
    return decode_jfr(bytes, options);
  default:
    throw Error{Status::kUnsupported,
                fmt::format("this library does not read {} yet", format_name(format))};
  }
}

/// Whether this is the head of collapsed stacks that are not compressed; also tells the log.
bool is_plain_collapsed(std::span<const uint8_t> head, uint64_t size,
                        const DecodeOptions &options) {
  // Whether two bytes that could be zlib's are takes more than the head to tell.
  if (is_zlib(head) || detect_compression(head) != Compression::kNone) return false;
  if (options.format != Format::kUnknown) return options.format == Format::kCollapsed;
  const SniffResult seen = sniff_plain(head.first(std::min(head.size(), kSniffBytes)), size);
  if (!seen.readable || seen.format != Format::kCollapsed) return false;
  options.context.write_log(LogLevel::kDebug, fmt::format("this is {}", seen.saw));
  return true;
}

} // namespace

Profile decode(InputStream &input, const DecodeOptions &options) {
  constexpr size_t kHead = kSniffBytes;
  options.context.report(0, input.expected());
  Bytes head;
  head.resize_uninitialized(kHead);
  size_t filled = 0;
  bool ended = false;
  while (filled < kHead && !ended) {
    const size_t got = input.read_some(head.data() + filled, kHead - filled);
    ended = got == 0;
    filled += got;
    options.context.report(0, input.expected());
  }
  head.resize_uninitialized(filled);
  if (!ended && looks_like_jfr(head.span()) &&
      (options.format == Format::kUnknown || options.format == Format::kJfr)) {
    DecodeOptions within = options;
    if (input.expected() != 0)
      within.context.limits.tighten_result(
          Limits::scaled(options.context.limits.max_result_ratio, input.expected()),
          "max_result_ratio");
    return decode_jfr(std::move(head), input, within);
  }
  if (!ended &&
      is_plain_collapsed(head.span(), std::max<uint64_t>(filled, input.expected()), options)) {
    DecodeOptions within = options;
    Limits &limits = within.context.limits;
    if (input.expected() != 0) // a pipe does not tell; collapsed text cannot ask for much
      limits.tighten_result(Limits::scaled(limits.max_result_ratio, input.expected()),
                            "max_result_ratio");
    return decode_collapsed(std::move(head), input, within);
  }
  if (!ended) {
    head.reserve(static_cast<size_t>(input.expected()) + 1);
    read_rest(input, head, options.context);
  }
  return decode(head.span(), options);
}

Profile decode(std::span<const uint8_t> bytes, const DecodeOptions &given) {
  DecodeOptions options = given;
  Limits &limits = options.context.limits;
  if (bytes.size() > limits.max_input_bytes)
    throw Error{Status::kLimit, fmt::format("the input has {} bytes, more than the limit of {}",
                                            bytes.size(), limits.max_input_bytes)};
  options.context.report(0, bytes.size());
  Bytes storage;
  std::vector<Note> notes;
  const auto plain = inflate_all(bytes, options, storage, notes);
  limits.tighten_result(Limits::scaled(limits.max_result_ratio, plain.size()), "max_result_ratio");
  if (!storage.empty()) {
    const uint64_t most = Limits::scaled(limits.max_inflate_ratio, bytes.size());
    limits.tighten_result(most - std::min<uint64_t>(most, storage.size()), "max_inflate_ratio");
  }
  Format format = options.format;
  if (format == Format::kUnknown) {
    const SniffResult seen =
        sniff_plain(plain.first(std::min<size_t>(plain.size(), kSniffBytes)), plain.size());
    if (!seen.readable)
      throw_unreadable(seen, plain.data() != bytes.data(), plain.empty(),
                       notes.empty() ? std::string_view{} : notes.front().text);
    format = seen.format;
    options.context.write_log(
        LogLevel::kDebug,
        fmt::format("{} {}", plain.data() == bytes.data() ? "this is" : "inflated, this is",
                    seen.saw));
  }
  try {
    Profile profile = decode_as(format, plain, options);
    for (const Note &note : notes) {
      profile.warn(note.text, note.offset);
      profile.count(note.counter);
    }
    return profile;
  } catch (const Error &error) {
    // Bytes that end too early are no fault of the format: tell where the damage began.
    if (notes.empty() || error.status() != Status::kMalformed) throw;
    throw Error{Status::kMalformed,
                fmt::format("{} (after damage to the compression: {})", error.message(),
                            notes.front().text),
                error.offset()};
  }
}

} // namespace profcore
