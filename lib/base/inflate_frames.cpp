// Zstd and lz4 frames: both stream, so output grows step by step up to the limit. A zstd frame that
// tells its size gets that room at once (the library then decodes straight into it), as far as the
// limit and the format's best ratio allow; untouched room costs nothing.

#include "base/inflate_frames.hpp"

#include "build_features.hpp"

#include <fmt/format.h>
#include <zstd.h>
#include <zstd_errors.h>
#if PROFCORE_HAVE_LZ4
#include <lz4frame.h>
#endif

#include <algorithm>
#include <memory>

namespace profcore {
namespace {

constexpr size_t kStep = size_t{1} << 18;
constexpr uint32_t kZstdMagic = 0xFD2FB528;
constexpr uint32_t kLz4Magic = 0x184D2204;
constexpr uint32_t kSkippableMagic =
    0x184D2A50; ///< the last nibble is free; shared by both formats

uint32_t load_u32(const uint8_t *at) {
  return uint32_t{at[0]} | uint32_t{at[1]} << 8 | uint32_t{at[2]} << 16 | uint32_t{at[3]} << 24;
}

/// The magic of the first frame that is not skippable, or 0.
uint32_t first_magic(std::span<const uint8_t> input) noexcept {
  for (int skipped = 0; skipped < 16 && input.size() >= 4; ++skipped) {
    const uint32_t magic = load_u32(input.data());
    if ((magic & ~uint32_t{15}) != kSkippableMagic) return magic;
    if (input.size() < 8) return 0;
    const uint64_t size = uint64_t{load_u32(input.data() + 4)} + 8;
    if (size >= input.size()) return 0;
    input = input.subspan(static_cast<size_t>(size));
  }
  return 0;
}

bool is_frame_magic(std::span<const uint8_t> input, uint32_t magic) {
  if (input.size() < 4) return false;
  const uint32_t found = load_u32(input.data());
  return found == magic || (found & ~uint32_t{15}) == kSkippableMagic;
}

[[noreturn]] void throw_limit(const char *name, const Limits &limits, uint64_t offset) {
  throw Error{Status::kLimit,
              fmt::format("the {} data inflates to more than the limit of {}", name,
                          limits.inflated_text()),
              offset};
}

void set_trailing(std::span<const uint8_t> rest, InflateResult &result) {
  const bool padding = std::all_of(rest.begin(), rest.end(), [](uint8_t b) { return b == 0; });
  result.trailing = padding ? 0 : rest.size();
}

void set_damage(InflateResult &result, const char *name, size_t frame, uint64_t offset,
                std::string_view what) {
  result.damage_offset = offset;
  result.damage = fmt::format("{} frame {} {} at byte {}", name, frame, what, offset);
}

struct FreeZstd {
  void operator()(ZSTD_DCtx *context) const noexcept { ZSTD_freeDCtx(context); }
};
using ZstdContext = std::unique_ptr<ZSTD_DCtx, FreeZstd>;

ZstdContext new_zstd() {
  ZstdContext context{ZSTD_createDCtx()};
  if (!context) throw std::bad_alloc{};
  return context;
}

/// What the library keeps of a frame's output beside the output while it streams; 0 when the header
/// does not tell (then it refuses the frame, or it is as large as its content).
uint64_t zstd_window(std::span<const uint8_t> frame) {
  constexpr uint8_t kSingleSegment = 0x20;
  if (frame.size() < 6 || load_u32(frame.data()) != kZstdMagic) return 0;
  if ((frame[4] & kSingleSegment) != 0) return UINT64_MAX;
  const uint64_t base = uint64_t{1} << (10 + (frame[5] >> 3));
  return base + base / 8 * (frame[5] & 7);
}

/// 0 when it is not known or not believed.
size_t zstd_room(std::span<const uint8_t> frame, uint64_t left) {
  constexpr uint64_t kBestRatio = (128 << 10) / 4; // a block of one repeated byte
  const unsigned long long told = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (told == ZSTD_CONTENTSIZE_UNKNOWN || told == ZSTD_CONTENTSIZE_ERROR) return 0;
  if (told / kBestRatio > frame.size() || told > left) return 0;
  return static_cast<size_t>(told) + 64;
}

} // namespace

bool is_zstd(std::span<const uint8_t> input) noexcept {
  return first_magic(input) == kZstdMagic;
}
bool is_lz4(std::span<const uint8_t> input) noexcept {
  return first_magic(input) == kLz4Magic;
}

bool has_lz4() noexcept {
  return PROFCORE_HAVE_LZ4 != 0;
}

InflateResult inflate_zstd_lossy(std::span<const uint8_t> input, const Context &context) {
  const uint64_t limit = context.limits.max_inflated_bytes;
  const ZstdContext zstd = new_zstd();
  InflateResult result;
  if (input.empty()) set_damage(result, "zstd", 1, 0, "is missing");
  for (size_t frame = 1; result.consumed < input.size(); ++frame) {
    const auto rest = input.subspan(result.consumed);
    if (frame > 1 && !is_frame_magic(rest, kZstdMagic)) {
      set_trailing(rest, result);
      break;
    }
    ZSTD_inBuffer in{rest.data(), rest.size(), 0};
    ZSTD_DCtx_reset(zstd.get(), ZSTD_reset_session_only);
    const size_t frame_start = result.data.size();
    size_t room = zstd_room(rest, limit - frame_start);
    const uint64_t window = room != 0 ? 0 : zstd_window(rest); // with room, it decodes in one go
    if (room == 0) room = kStep;
    for (size_t steps = 0;; ++steps) {
      const size_t filled = result.data.size();
      result.data.reserve_more(room);
      ZSTD_outBuffer out{result.data.data() + filled, result.data.capacity() - filled, 0};
      const size_t taken_before = in.pos;
      const size_t status = ZSTD_decompressStream(zstd.get(), &out, &in);
      const uint64_t at = result.consumed + in.pos;
      result.data.resize_uninitialized(filled + out.pos);
      const uint64_t beside = std::min<uint64_t>(window, result.data.size() - frame_start);
      if (result.data.size() + beside > limit) throw_limit("zstd", context.limits, at);
      if (ZSTD_isError(status)) {
        if (ZSTD_getErrorCode(status) == ZSTD_error_memory_allocation) throw std::bad_alloc{};
        set_damage(result, "zstd", frame, at,
                   fmt::format("is damaged ({})", ZSTD_getErrorName(status)));
        return result;
      }
      if (status == 0) break;
      const bool stuck = in.pos == taken_before && out.pos == 0 && steps > 0;
      if ((in.pos == in.size && out.pos < out.size) || stuck) {
        set_damage(result, "zstd", frame, at, "is cut short");
        return result;
      }
      context.report(at, input.size());
      room = kStep;
    }
    result.consumed += in.pos;
    context.report(result.consumed, input.size());
  }
  return result;
}

Bytes zstd_prefix(std::span<const uint8_t> input, size_t max_output) {
  const ZstdContext zstd = new_zstd();
  Bytes output;
  output.resize_uninitialized(max_output);
  ZSTD_inBuffer in{input.data(), input.size(), 0};
  ZSTD_outBuffer out{output.data(), output.size(), 0};
  while (out.pos < out.size) {
    const size_t in_before = in.pos;
    const size_t out_before = out.pos;
    const size_t status = ZSTD_decompressStream(zstd.get(), &out, &in);
    if (ZSTD_isError(status) || (in.pos == in_before && out.pos == out_before)) break;
    // The library reads formats before zstd 0.8 too: the same frames as in the whole, no others.
    if (status == 0 && !is_frame_magic(input.subspan(in.pos), kZstdMagic)) break;
  }
  output.resize_uninitialized(out.pos);
  return output;
}

#if PROFCORE_HAVE_LZ4

namespace {

struct FreeLz4 {
  void operator()(LZ4F_dctx *context) const noexcept { LZ4F_freeDecompressionContext(context); }
};
using Lz4Context = std::unique_ptr<LZ4F_dctx, FreeLz4>;

Lz4Context new_lz4() {
  LZ4F_dctx *context = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION))) throw std::bad_alloc{};
  return Lz4Context{context};
}

} // namespace

InflateResult inflate_lz4_lossy(std::span<const uint8_t> input, const Context &context) {
  const uint64_t limit = context.limits.max_inflated_bytes;
  const Lz4Context lz4 = new_lz4();
  InflateResult result;
  if (input.empty()) set_damage(result, "lz4", 1, 0, "is missing");
  for (size_t frame = 1; result.consumed < input.size(); ++frame) {
    if (frame > 1 && !is_frame_magic(input.subspan(result.consumed), kLz4Magic)) {
      set_trailing(input.subspan(result.consumed), result);
      break;
    }
    LZ4F_resetDecompressionContext(lz4.get());
    uint64_t at = result.consumed;
    for (;;) {
      const size_t filled = result.data.size();
      result.data.reserve_more(kStep);
      size_t out_size = result.data.capacity() - filled;
      const size_t out_room = out_size;
      size_t in_size = input.size() - at;
      const size_t status = LZ4F_decompress(lz4.get(), result.data.data() + filled, &out_size,
                                            input.data() + at, &in_size, nullptr);
      if (LZ4F_isError(status)) {
        set_damage(result, "lz4", frame, at,
                   fmt::format("is damaged ({})", LZ4F_getErrorName(status)));
        return result;
      }
      at += in_size;
      result.data.resize_uninitialized(filled + out_size);
      if (result.data.size() > limit) throw_limit("lz4", context.limits, at);
      if (status == 0) break;
      if ((at == input.size() && out_size < out_room) || (in_size == 0 && out_size == 0)) {
        set_damage(result, "lz4", frame, at, "is cut short");
        return result;
      }
      context.report(at, input.size());
    }
    result.consumed = at;
    context.report(at, input.size());
  }
  return result;
}

Bytes lz4_prefix(std::span<const uint8_t> input, size_t max_output) {
  const Lz4Context lz4 = new_lz4();
  Bytes output;
  output.resize_uninitialized(max_output);
  size_t filled = 0;
  while (filled < max_output && !input.empty()) {
    size_t out_size = max_output - filled;
    size_t in_size = input.size();
    const size_t status = LZ4F_decompress(lz4.get(), output.data() + filled, &out_size,
                                          input.data(), &in_size, nullptr);
    if (LZ4F_isError(status)) break;
    filled += out_size;
    input = input.subspan(in_size);
    if (in_size == 0 && out_size == 0) break;
    if (status == 0 && !is_frame_magic(input, kLz4Magic)) break;
  }
  output.resize_uninitialized(filled);
  return output;
}

#else

InflateResult inflate_lz4_lossy(std::span<const uint8_t>, const Context &) {
  throw Error{Status::kUnsupported, "lz4 data: this build has no lz4"};
}

Bytes lz4_prefix(std::span<const uint8_t>, size_t) {
  return {};
}

#endif

} // namespace profcore
