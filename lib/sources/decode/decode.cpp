#include "sources/decode/decode.hpp"

#include "base/mapped_file.hpp"
#include "sources/decode/layers.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <string>
#include <vector>

namespace profcore {
namespace {

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
  std::vector<LayerNote> notes;
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
    for (const LayerNote &note : notes) {
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
