// Gzip and zlib. libdeflate is twice as fast as zlib but works on whole buffers only: it needs room
// for all of a member's output and gives nothing back from a damaged one. So: guess the room, retry
// the member with four times as much while it does not fit (all failed tries together cost at most
// a third of the last one), and let zlib stream a member that libdeflate refuses, to deliver what
// stands before the damage.

#include "base/inflate.hpp"

#include "base/inflate_frames.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <libdeflate.h>
#include <memory>
#include <zlib.h>

namespace profcore {
namespace {

constexpr uint64_t kMaxDeflateRatio = 1032;
constexpr size_t kStreamStep = size_t{1} << 18;

struct Wrapper {
  const char *name;
  int window_bits;
  size_t smallest; ///< bytes of the smallest whole member
  bool (*matches)(std::span<const uint8_t>) noexcept;
  libdeflate_result (*decompress)(libdeflate_decompressor *, const void *, size_t, void *, size_t,
                                  size_t *, size_t *);
};

constexpr Wrapper kGzipWrapper{"gzip", 15 + 16, 18, is_gzip, libdeflate_gzip_decompress_ex};
constexpr Wrapper kZlibWrapper{"zlib", 15, 8, is_zlib, libdeflate_zlib_decompress_ex};
constexpr Wrapper kRawWrapper{"deflate", -15, 2, nullptr, libdeflate_deflate_decompress_ex};

struct FreeDecompressor {
  void operator()(libdeflate_decompressor *d) const noexcept { libdeflate_free_decompressor(d); }
};
struct FreeCompressor {
  void operator()(libdeflate_compressor *c) const noexcept { libdeflate_free_compressor(c); }
};

struct ZStream : z_stream {
  explicit ZStream(int window_bits) : z_stream{} {
    if (inflateInit2(this, window_bits) != Z_OK) throw std::bad_alloc{};
  }
  ZStream(const ZStream &) = delete;
  ZStream &operator=(const ZStream &) = delete;
  ~ZStream() { inflateEnd(this); }
};

uint64_t most_output(uint64_t input_bytes, uint64_t limit) {
  return input_bytes >= limit / kMaxDeflateRatio ? limit : input_bytes * kMaxDeflateRatio;
}

size_t first_guess(const Wrapper &wrapper, std::span<const uint8_t> input, uint64_t limit,
                   uint64_t size) {
  const uint64_t most = most_output(input.size(), limit);
  uint64_t guess = size != 0 && size <= most ? size : uint64_t{input.size()} * 4;
  if (wrapper.window_bits > 15 && input.size() >= wrapper.smallest) {
    // The last member's size modulo 2^32: right for the usual single member, else just a guess.
    const uint8_t *end = input.data() + input.size();
    const uint64_t told = uint64_t{end[-4]} | uint64_t{end[-3]} << 8 | uint64_t{end[-2]} << 16 |
                          uint64_t{end[-1]} << 24;
    if (told >= input.size() / 2 && told <= most) guess = told;
  }
  return static_cast<size_t>(std::min(std::max<uint64_t>(guess, 256), most));
}

[[noreturn]] void throw_limit(const char *name, const Limits &limits, uint64_t offset) {
  throw Error{Status::kLimit,
              fmt::format("the {} data inflates to more than the limit of {}", name,
                          limits.inflated_text()),
              offset};
}

/// Inflates one member from `at` by zlib, for what libdeflate refused. Returns true when it is
/// whole.
bool stream_member(const Wrapper &wrapper, std::span<const uint8_t> input, size_t member,
                   const Context &context, InflateResult &result) {
  ZStream stream{wrapper.window_bits};
  const uint64_t limit = context.limits.max_inflated_bytes;
  size_t at = result.consumed;
  for (;;) {
    if (stream.avail_in == 0) {
      stream.next_in = const_cast<uint8_t *>(input.data() + at);
      stream.avail_in = static_cast<uInt>(std::min<size_t>(input.size() - at, kStreamStep));
      at += stream.avail_in;
      context.report(at, input.size());
    }
    const size_t filled = result.data.size();
    result.data.reserve_more(kStreamStep);
    stream.next_out = result.data.data() + filled;
    stream.avail_out = static_cast<uInt>(kStreamStep);
    const int status = ::inflate(&stream, Z_NO_FLUSH);
    result.data.resize_uninitialized(filled + kStreamStep - stream.avail_out);
    if (result.data.size() > limit) throw_limit(wrapper.name, context.limits, at - stream.avail_in);
    if (status == Z_STREAM_END) {
      result.consumed = at - stream.avail_in;
      return true;
    }
    if (status == Z_MEM_ERROR) throw std::bad_alloc{};
    const bool starved = stream.avail_in == 0 && at == input.size() && stream.avail_out != 0;
    if ((status == Z_OK || status == Z_BUF_ERROR) && !starved) continue;
    result.damage_offset = at - stream.avail_in;
    if (status == Z_OK || status == Z_BUF_ERROR)
      result.damage = fmt::format("{} member {} is cut short at byte {}", wrapper.name, member,
                                  result.damage_offset);
    else
      result.damage = fmt::format("{} member {} is damaged at byte {}: {}", wrapper.name, member,
                                  result.damage_offset,
                                  status == Z_NEED_DICT   ? "it needs a preset dictionary"
                                  : stream.msg != nullptr ? stream.msg
                                                          : "unknown damage");
    return false;
  }
}

/// `told` is the size that somebody says it inflates to, or 0.
InflateResult inflate_members(const Wrapper &wrapper, std::span<const uint8_t> input,
                              const Context &context, uint64_t told = 0) {
  const uint64_t limit = context.limits.max_inflated_bytes;
  std::unique_ptr<libdeflate_decompressor, FreeDecompressor> decompressor{
      libdeflate_alloc_decompressor()};
  if (!decompressor) throw std::bad_alloc{};
  InflateResult result;
  result.data.reserve(first_guess(wrapper, input, limit, told));
  for (size_t member = 1; result.consumed < input.size(); ++member) {
    const auto rest = input.subspan(result.consumed);
    if (member > 1 && (wrapper.window_bits <= 15 || !wrapper.matches(rest))) {
      const bool padding = std::all_of(rest.begin(), rest.end(), [](uint8_t b) { return b == 0; });
      result.trailing = padding ? 0 : rest.size();
      break;
    }
    context.report(result.consumed, input.size());
    size_t taken = 0;
    size_t written = 0;
    libdeflate_result status;
    for (;;) {
      const size_t filled = result.data.size();
      status = wrapper.decompress(decompressor.get(), rest.data(), rest.size(),
                                  result.data.data() + filled, result.data.capacity() - filled,
                                  &taken, &written);
      if (status != LIBDEFLATE_INSUFFICIENT_SPACE) break;
      const uint64_t most = std::min(limit, filled + most_output(rest.size(), limit));
      if (result.data.capacity() >= most)
        throw_limit(wrapper.name, context.limits, result.consumed);
      result.data.reserve(static_cast<size_t>(
          std::min(most, std::max<uint64_t>(uint64_t{result.data.capacity()} * 4, 4096))));
    }
    if (status == LIBDEFLATE_SUCCESS) {
      result.data.resize_uninitialized(result.data.size() + written);
      if (result.data.size() > limit) throw_limit(wrapper.name, context.limits, result.consumed);
      result.consumed += taken;
    } else if (!stream_member(wrapper, input, member, context, result)) {
      break;
    }
  }
  if (input.empty()) {
    result.damage = fmt::format("no {} data", wrapper.name);
    result.damage_offset = 0;
  }
  return result;
}

Bytes or_throw(InflateResult result) {
  if (!result.damage.empty())
    throw Error{Status::kMalformed, std::move(result.damage), result.damage_offset};
  return std::move(result.data);
}

Bytes deflate_prefix(int window_bits, std::span<const uint8_t> input, size_t max_output) {
  Bytes output;
  output.resize_uninitialized(max_output);
  ZStream stream{window_bits};
  stream.next_in = const_cast<uint8_t *>(input.data());
  stream.avail_in = static_cast<uInt>(std::min<size_t>(input.size(), UINT32_MAX));
  stream.next_out = output.data();
  stream.avail_out = static_cast<uInt>(max_output);
  while (stream.avail_out > 0 && stream.avail_in > 0) {
    const int status = ::inflate(&stream, Z_SYNC_FLUSH);
    if (status == Z_STREAM_END) {
      // The rest of the prefix may stand in the next member.
      if (window_bits <= 15 || !is_gzip({stream.next_in, stream.avail_in})) break;
      if (inflateReset(&stream) != Z_OK) break;
    } else if (status != Z_OK) {
      break;
    }
  }
  output.resize_uninitialized(max_output - stream.avail_out);
  return output;
}

template <class Compress, class Bound>
void deflate(std::span<const char> input, int level, Buffer &output, Compress compress,
             Bound bound) {
  std::unique_ptr<libdeflate_compressor, FreeCompressor> compressor{
      libdeflate_alloc_compressor(std::clamp(level, 1, 12))};
  if (!compressor) throw std::bad_alloc{};
  const size_t before = output.size();
  output.reserve_more(bound(compressor.get(), input.size()));
  const size_t written = compress(compressor.get(), input.data(), input.size(),
                                  output.data() + before, output.capacity() - before);
  if (written == 0) throw Error{Status::kInternal, "deflate did not fit its own bound"};
  output.resize_uninitialized(before + written);
}

} // namespace

bool is_gzip(std::span<const uint8_t> input) noexcept {
  return input.size() >= 3 && input[0] == 0x1f && input[1] == 0x8b && input[2] == 8;
}

bool is_zlib(std::span<const uint8_t> input) noexcept {
  // 0x78 = deflate with a 32 KiB window, which is all that is written in practice.
  return input.size() >= 6 && input[0] == 0x78 && (input[0] * 256 + input[1]) % 31 == 0 &&
         (input[1] & 0x20) == 0;
}

InflateResult inflate_gzip_lossy(std::span<const uint8_t> input, const Context &context) {
  return inflate_members(kGzipWrapper, input, context);
}
InflateResult inflate_zlib_lossy(std::span<const uint8_t> input, const Context &context) {
  return inflate_members(kZlibWrapper, input, context);
}

InflateResult inflate_raw_lossy(std::span<const uint8_t> input, uint64_t told,
                                const Context &context) {
  return inflate_members(kRawWrapper, input, context, told);
}

Bytes inflate_gzip(std::span<const uint8_t> input, const Context &context) {
  return or_throw(inflate_gzip_lossy(input, context));
}
Bytes inflate_zlib(std::span<const uint8_t> input, const Context &context) {
  return or_throw(inflate_zlib_lossy(input, context));
}
Bytes inflate_zstd(std::span<const uint8_t> input, const Context &context) {
  return or_throw(inflate_zstd_lossy(input, context));
}
Bytes inflate_lz4(std::span<const uint8_t> input, const Context &context) {
  return or_throw(inflate_lz4_lossy(input, context));
}

bool zlib_inflates(std::span<const uint8_t> input) {
  uint8_t output[1024];
  ZStream stream{15};
  stream.next_in = const_cast<uint8_t *>(input.data());
  stream.avail_in = static_cast<uInt>(std::min<size_t>(input.size(), kStreamStep));
  stream.next_out = output;
  stream.avail_out = sizeof output;
  const int status = ::inflate(&stream, Z_SYNC_FLUSH);
  return status == Z_STREAM_END || (status == Z_OK && stream.avail_out == 0);
}

Bytes inflate_prefix(std::span<const uint8_t> input, size_t max_output) {
  // Empty members and frames give no output: looking must cost no more for a large file.
  input =
      input.first(std::min<size_t>(input.size(), std::max<size_t>(max_output, kStreamStep) * 4));
  if (is_gzip(input)) return deflate_prefix(15 + 16, input, max_output);
  if (is_zstd(input)) return zstd_prefix(input, max_output);
  if (is_lz4(input)) return lz4_prefix(input, max_output);
  if (is_zlib(input)) return deflate_prefix(15, input, max_output);
  return {};
}

Bytes raw_prefix(std::span<const uint8_t> input, size_t max_output) {
  return deflate_prefix(-15, input, max_output);
}

uint32_t crc32_of(std::span<const uint8_t> bytes) noexcept {
  return libdeflate_crc32(0, bytes.data(), bytes.size());
}

void deflate_gzip(std::span<const char> input, int level, Buffer &output) {
  deflate(input, level, output, libdeflate_gzip_compress, libdeflate_gzip_compress_bound);
}
void deflate_raw(std::span<const char> input, int level, Buffer &output) {
  deflate(input, level, output, libdeflate_deflate_compress, libdeflate_deflate_compress_bound);
}

} // namespace profcore
