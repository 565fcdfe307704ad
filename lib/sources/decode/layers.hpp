#pragma once

#include "sources/decode/sniff.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace profcore {

/// Damage to the compression that could be stepped over.
struct LayerNote {
  std::string text;
  uint64_t offset;
  const char *counter = "damaged_compression"; ///< of the profile
};

/// Takes compression off, layer by layer; what was damaged goes to `notes`, or throws when strict.
/// The result is `bytes` themselves or stands in `storage`.
///
/// Whatever the input makes us hold at a time is within max_inflate_ratio of the input as it came:
/// a layer and the one inflated from it, then the last one and the profile. Counted per layer, the
/// ratios of nested layers would multiply.
std::span<const uint8_t> inflate_all(std::span<const uint8_t> bytes, const DecodeOptions &options,
                                     Bytes &storage, std::vector<LayerNote> &notes);

/// For bytes that are no profile, with what they are instead. `damage` of the compression, or "".
[[noreturn]] void throw_unreadable(const SniffResult &seen, bool inflated, bool empty,
                                   std::string_view damage);

} // namespace profcore
