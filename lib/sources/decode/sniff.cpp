// Finding out what bytes are. Magic numbers first, then protobuf (told by a walk over its top-level
// fields: their numbers, wire types and the shape of the sample types), then text. Protobuf has no
// magic, and text can pass for a field or two; but a profile without a single control byte cannot
// be, which settles text against protobuf.

#include "sources/decode/sniff.hpp"

#include "base/wire.hpp"
#include "sources/decode/zip_layer.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace profcore {
namespace {

struct FieldWalk {
  std::span<const uint8_t> rest;
  bool cut = false; ///< the bytes ended inside a field

  bool varint(uint64_t &value) {
    const uint8_t *const end = rest.data() + rest.size();
    const uint8_t *const next = wire::read_varint_slowly(rest.data(), end, value);
    if (next == nullptr) {
      cut = rest.size() < 10;
      return false;
    }
    rest = {next, end};
    return true;
  }
  /// Steps over a field's value. `body` is what a length-delimited one holds, as far as it is here.
  bool skip(uint32_t wire_type, std::span<const uint8_t> &body) {
    uint64_t length = 0;
    switch (wire_type) {
    case 0:
      return varint(length);
    case 1:
      length = 8;
      break;
    case 2:
      if (!varint(length)) return false;
      break;
    case 5:
      length = 4;
      break;
    default:
      return false;
    }
    cut = length > rest.size();
    body = rest.first(static_cast<size_t>(std::min<uint64_t>(length, rest.size())));
    rest = rest.subspan(body.size());
    return !cut && length < UINT64_C(1) << 31;
  }
};

/// ValueType: nothing but the two string indices (and whatever a later version adds).
bool looks_like_value_type(std::span<const uint8_t> body) {
  FieldWalk walk{body};
  while (!walk.rest.empty()) {
    uint64_t tag = 0;
    std::span<const uint8_t> inner;
    if (!walk.varint(tag)) return walk.cut;
    if (tag >> 3 <= 2 && (tag & 7) != 0) return false;
    if (tag >> 3 == 0) return false;
    if (!walk.skip(tag & 7, inner)) return walk.cut;
  }
  return true;
}

bool is_pprof_field(uint64_t tag) {
  const uint64_t field = tag >> 3;
  const auto wire_type = static_cast<uint32_t>(tag & 7);
  switch (field) {
  case 0:
    return false;
  case 1:
  case 2:
  case 3:
  case 4:
  case 5:
  case 6:
  case 11:
    return wire_type == 2;
  case 13:
    return wire_type == 0 || wire_type == 2; // comments, packed or not
  case 7:
  case 8:
  case 9:
  case 10:
  case 12:
  case 14:
  case 15:
    return wire_type == 0;
  default:
    return field < 4096 && wire_type != 3 && wire_type != 4 && wire_type < 6;
  }
}

bool is_text_control(uint8_t byte) {
  return byte == '\t' || byte == '\n' || byte == '\r' || byte == '\f' || byte == 0x1b;
}

bool has_control_bytes(std::span<const uint8_t> bytes) {
  return std::any_of(bytes.begin(), bytes.end(),
                     [](uint8_t b) { return b < 0x20 && !is_text_control(b); });
}

/// OTLP's ProfilesData and ExportProfilesServiceRequest: field 1 and 2 only, and field 1 is not a
/// ValueType but holds messages (resource, scope profiles).
bool looks_like_otlp(std::span<const uint8_t> prefix) {
  FieldWalk walk{prefix};
  bool has_resource = false;
  while (!walk.rest.empty()) {
    uint64_t tag = 0;
    std::span<const uint8_t> body;
    if (!walk.varint(tag)) return walk.cut && has_resource;
    if (tag != 0x0a && tag != 0x12) return false;
    const bool whole = walk.skip(2, body);
    if (tag == 0x0a) {
      if (body.empty() || (body[0] != 0x0a && body[0] != 0x12 && body[0] != 0x1a)) return false;
      FieldWalk inner{body};
      for (int i = 0; i < 8 && !inner.rest.empty(); ++i) {
        uint64_t inner_tag = 0;
        std::span<const uint8_t> part;
        if (!inner.varint(inner_tag)) break;
        if (inner_tag != 0x0a && inner_tag != 0x12 && inner_tag != 0x1a) return false;
        if (!inner.skip(2, part)) {
          if (!inner.cut || whole) return false;
          break;
        }
      }
      has_resource = true;
    }
    if (!whole) return walk.cut && has_resource;
  }
  return has_resource;
}

std::string hex_of(std::span<const uint8_t> bytes) {
  std::string text;
  for (size_t i = 0; i < std::min<size_t>(bytes.size(), 8); ++i)
    text += fmt::format("{}{:02x}", i == 0 ? "" : " ", bytes[i]);
  return text;
}

SniffResult named(Format format, bool readable, std::string saw) {
  return {format, Compression::kNone, readable, std::move(saw)};
}

} // namespace

bool looks_like_pprof(std::span<const uint8_t> prefix) noexcept {
  if (!has_control_bytes(prefix)) return false;
  FieldWalk walk{prefix};
  constexpr size_t kEnough = 4096;
  size_t fields = 0;
  while (!walk.rest.empty() && fields < kEnough) {
    uint64_t tag = 0;
    std::span<const uint8_t> body;
    const size_t at = prefix.size() - walk.rest.size();
    if (!walk.varint(tag)) return fields > 0 && (walk.cut || fields >= 2);
    if (!is_pprof_field(tag)) return fields >= 3 || (fields >= 1 && prefix.size() < 64);
    const bool whole = walk.skip(tag & 7, body);
    if ((tag >> 3 == 1 || tag >> 3 == 11) && !looks_like_value_type(body)) return false;
    // Damage in a later field is for the decoder to tell; one long field proves nothing.
    if (!whole) return fields > 0 || (walk.cut && at == 0 && tag >> 3 <= 6 && tag >> 3 >= 2);
    ++fields;
  }
  return fields > 0;
}

SniffResult sniff_plain(std::span<const uint8_t> prefix, uint64_t size) {
  if (size == 0) return named(Format::kUnknown, false, "an empty file");
  if (std::all_of(prefix.begin(), prefix.end(), [](uint8_t b) { return b == 0; }))
    return named(Format::kUnknown, false,
                 size > prefix.size() ? fmt::format("zero bytes ({} at least)", prefix.size())
                                      : fmt::format("nothing but {} zero bytes", size));
  // Legacy CPU profiles are binary words and would pass for other binary forms.
  if (looks_like_pprof_legacy(prefix))
    return named(Format::kPprofLegacy, true, "a profile in a form older than profile.proto");
  Format format = Format::kUnknown;
  std::string saw = describe_binary(prefix, format);
  if (!saw.empty()) return named(format, format == Format::kJfr, std::move(saw));

  if (looks_like_pprof(prefix))
    return named(Format::kPprof, true, "pprof (protobuf fields of profile.proto)");
  if (looks_like_otlp(prefix))
    return named(Format::kOtlp, false, "OTLP profiles (protobuf with resource profiles)");

  const std::string_view text{reinterpret_cast<const char *>(prefix.data()), prefix.size()};
  if (has_control_bytes(prefix))
    return named(Format::kUnknown, false,
                 fmt::format("binary data of no known form (starts with {})", hex_of(prefix)));
  saw = describe_json(text, format);
  if (saw.empty()) saw = describe_text(text, format);
  if (!saw.empty()) return named(format, false, std::move(saw));
  if (looks_like_collapsed(prefix))
    return named(Format::kCollapsed, true, "collapsed stacks (frames;and;a count per line)");
  return named(Format::kUnknown, false, "text of no known form");
}

Compression detect_compression(std::span<const uint8_t> bytes) {
  if (is_gzip(bytes)) return Compression::kGzip;
  if (is_zstd(bytes)) return Compression::kZstd;
  if (is_lz4(bytes)) return Compression::kLz4;
  if (is_zlib(bytes) && zlib_inflates(bytes)) return Compression::kZlib;
  if (is_zip(bytes)) return Compression::kZip;
  return Compression::kNone;
}

SniffResult sniff(std::span<const uint8_t> bytes) {
  Bytes inflated;
  std::span<const uint8_t> current = bytes.first(std::min<size_t>(bytes.size(), kSniffBytes * 4));
  uint64_t size = bytes.size();
  std::string around;
  Compression outermost = Compression::kNone;
  for (int layer = 0;; ++layer) {
    const Compression compression = detect_compression(current);
    if (compression == Compression::kNone) {
      SniffResult result =
          sniff_plain(current.first(std::min<size_t>(current.size(), kSniffBytes)), size);
      if (layer == 0) outermost = compression;
      result.compression = outermost;
      result.saw = around + result.saw;
      return result;
    }
    if (layer == 0) outermost = compression;
    around += fmt::format("{} data holding ", compression_name(compression));
    if (layer == kMaxCompressionLayers)
      return {Format::kUnknown, outermost, false, around + "even more"};
    Bytes next = compression == Compression::kZip ? sniff_zip(current, kSniffBytes)
                                                  : inflate_prefix(current, kSniffBytes);
    if (next.empty()) {
      const bool supported = compression != Compression::kLz4 || has_lz4();
      return {Format::kUnknown, outermost, false,
              around +
                  (supported ? "nothing that could be inflated" : "what this build cannot read")};
    }
    inflated = std::move(next);
    current = inflated.span();
    size = current.size();
  }
}

} // namespace profcore
