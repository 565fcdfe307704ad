#pragma once

#include "base/zip.hpp"
#include "sources/decode/decode.hpp"

#include <string>

namespace profcore {

/// Which file of an archive to decode.
struct ZipChoice {
  ZipEntry entry;
  std::string others; ///< a line for a warning that names what is left out; "" when it was alone
};

/// The first file that is of `wanted`, or with kUnknown any profile; when none is, the first that
/// can be read. Throws kNoData for an archive without files and kUnsupported when none can be read.
ZipChoice choose_zip_entry(std::span<const uint8_t> archive, const ZipListing &listing,
                           Format wanted);

/// The start of the first file of an archive of which only the start may be here; for sniffing.
Bytes sniff_zip(std::span<const uint8_t> prefix, size_t max_output);

} // namespace profcore
