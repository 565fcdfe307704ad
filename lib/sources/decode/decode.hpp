#pragma once

#include "base/context.hpp"
#include "base/input_stream.hpp"
#include "base/pod_vector.hpp"
#include "model/profile.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace profcore {

/// The numbers are part of the C ABI (`profcore_format`).
enum class Format : int32_t {
  kUnknown = 0,
  kPprof = 1,
  kPprofLegacy = 2, ///< the text and binary forms before profile.proto
  kCollapsed = 3,
  kJfr = 4,
  kSpeedscope = 5,
  kFlamebearer = 6,
  kOtlp = 7,
  kPyroscopeTrie = 8,
  kPyroscopeTree = 9,
  kPerfScript = 10,
  kChromeTrace = 11,
};

enum class Compression : int32_t { kNone = 0, kGzip = 1, kZstd = 2, kLz4 = 3, kZip = 4, kZlib = 5 };

struct SniffResult {
  Format format = Format::kUnknown;
  Compression compression = Compression::kNone;
  bool readable = false; ///< this library can decode it
  std::string saw;       ///< one line for people: what the bytes look like and why
};

enum class JfrCompat : int32_t {
  kNone = 0,
  kPyroscope = 1, ///< types, names and values as Pyroscope and DeepFlow store them
};

/// What only JFR recordings need.
struct JfrOptions {
  JfrCompat compat = JfrCompat::kNone;
  bool normalize_names = false; ///< numbers and addresses of generated classes are taken out
  bool class_frames = false;    ///< what was allocated is a leaf frame, not a label
  bool metrics = false;         ///< gather what the metrics of the JVM are computed from
  /// Pyroscope's labels of context ids (a LabelsSnapshot), or nothing.
  std::span<const uint8_t> context_labels;
  uint64_t sample_rate = 0; ///< kPyroscope: samples per second; 0 = 100, as its server has it
};

struct DecodeOptions {
  Context context;
  Format format = Format::kUnknown; ///< kUnknown: find out
  /// Damage that can be stepped over is an error instead of a warning.
  bool strict = false;
  /// How many threads may work, this one included; 0 and 1 mean this one alone.
  uint64_t threads = 0;
  /// pprof: apply the profile's own drop_frames and keep_frames.
  bool apply_drop_frames = false;
  /// Collapsed: what the counts are; empty = "samples" in "count".
  std::string_view collapsed_type;
  std::string_view collapsed_unit;
  /// Collapsed: every line is one sample and has no count (Pyroscope's "lines").
  bool collapsed_lines = false;
  JfrOptions jfr;
};

std::string_view format_name(Format format) noexcept;
std::string_view compression_name(Compression compression) noexcept;

/// Looks at the first bytes, through compression (a bounded prefix is inflated). Never throws for
/// what the bytes are.
SniffResult sniff(std::span<const uint8_t> bytes);

/// Inflates if needed, finds the format and decodes. Offsets in errors count in the inflated bytes.
/// Throws Error: kUnknownFormat (with what was seen), kMalformed, kLimit, kUnsupported, kCancelled.
Profile decode(std::span<const uint8_t> bytes, const DecodeOptions &options);
/// The same of what is left of an input. Collapsed stacks that are not compressed are decoded while
/// they are read, in a window that stays in the cache; other inputs are read whole first.
Profile decode(InputStream &input, const DecodeOptions &options);

// One decoder per format, each over inflated bytes.
Profile decode_pprof(std::span<const uint8_t> bytes, const DecodeOptions &options);
Profile decode_pprof_legacy(std::span<const uint8_t> bytes, const DecodeOptions &options);
Profile decode_collapsed(std::span<const uint8_t> bytes, const DecodeOptions &options);
/// `head` was read from the input already. Its capacity is the window; a longer line widens it.
Profile decode_collapsed(PodVector<uint8_t> head, InputStream &input, const DecodeOptions &options);
/// JDK Flight Recorder, of any producer.
Profile decode_jfr(std::span<const uint8_t> bytes, const DecodeOptions &options);
/// The same chunk by chunk as they are read: one is in memory at a time.
Profile decode_jfr(PodVector<uint8_t> head, InputStream &input, const DecodeOptions &options);

/// Cheap tests of the first bytes for sniffing; `prefix` may be cut anywhere.
bool looks_like_pprof(std::span<const uint8_t> prefix) noexcept;
bool looks_like_pprof_legacy(std::span<const uint8_t> prefix) noexcept;
bool looks_like_jfr(std::span<const uint8_t> prefix) noexcept;
bool looks_like_collapsed(std::span<const uint8_t> prefix) noexcept;

} // namespace profcore
