#pragma once

#include "base/inflate.hpp"

namespace profcore {

// The parts of inflate_prefix that belong to the frame formats.
Bytes zstd_prefix(std::span<const uint8_t> input, size_t max_output);
Bytes lz4_prefix(std::span<const uint8_t> input, size_t max_output);

} // namespace profcore
