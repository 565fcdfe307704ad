// Any bytes as each kind of compressed data: bounded output, damage told by an offset inside the
// input, the prefix for sniffing agrees with the whole, and what was read packs and reads back.
#include "base/inflate.hpp"
#include "check_profile.hpp"

#include <algorithm>
#include <cstdint>

using namespace profcore;

namespace {

constexpr uint64_t kLimit = 4 << 20;

void check(InflateResult (*inflater)(std::span<const uint8_t>, const Context &),
           std::span<const uint8_t> input, bool compare_prefix) {
  Context context;
  context.limits.max_inflated_bytes = kLimit;
  InflateResult result;
  try {
    result = inflater(input, context);
  } catch (const Error &error) {
    require(error.status() == Status::kLimit || error.status() == Status::kUnsupported);
    return;
  }
  require(result.data.size() <= kLimit);
  require(result.consumed + result.trailing <= input.size());
  require(result.damage.empty() == (result.damage_offset == kNoOffset));
  require(result.damage.empty() || result.damage_offset <= input.size());
  if (compare_prefix) {
    const Bytes prefix = inflate_prefix(input, 1000);
    require(prefix.size() <= result.data.size() || !result.damage.empty());
    const size_t both = std::min(prefix.size(), result.data.size());
    require(std::equal(prefix.begin(), prefix.begin() + both, result.data.begin()));
  }
  Buffer packed;
  deflate_gzip({reinterpret_cast<const char *>(result.data.data()), result.data.size()}, 1, packed);
  const Bytes again =
      inflate_gzip({reinterpret_cast<const uint8_t *>(packed.data()), packed.size()}, context);
  require(std::ranges::equal(again.span(), result.data.span()));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::span<const uint8_t> input{data, size};
  check(inflate_gzip_lossy, input, is_gzip(input));
  check(inflate_zlib_lossy, input, false);
  check(inflate_zstd_lossy, input, is_zstd(input));
  check(inflate_lz4_lossy, input, is_lz4(input));
  (void)zlib_inflates(input);
  return 0;
}
