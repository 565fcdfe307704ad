#include "base/inflate.hpp"
#include "build_features.hpp"

#include <doctest/doctest.h>
#include <zlib.h>
#include <zstd.h>
#if PROFCORE_HAVE_LZ4
#include <lz4frame.h>
#endif

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

using namespace profcore;

namespace {

std::span<const uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}
std::string as_text(const Bytes &bytes) {
  return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}
std::string gzip(std::string_view text) {
  Buffer out;
  deflate_gzip({text.data(), text.size()}, 6, out);
  return {out.data(), out.size()};
}
std::string zstd(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}
std::string zlib(std::string_view text) {
  uLongf size = compressBound(text.size());
  std::string out(size, '\0');
  compress(reinterpret_cast<Bytef *>(out.data()), &size,
           reinterpret_cast<const Bytef *>(text.data()), text.size());
  out.resize(size);
  return out;
}
/// Text that does not compress to nothing, the same on every run.
std::string noise(size_t size) {
  std::string text;
  for (uint32_t x = 1; text.size() < size; x = x * 1664525 + 1013904223)
    text += "frame_" + std::to_string(x >> 20) + ";";
  text.resize(size);
  return text;
}

/// A gzip member of `size` zeros, made by streaming.
std::string gzip_bomb(uint64_t size) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 1, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY) == Z_OK);
  std::vector<uint8_t> zeros(1 << 20);
  std::string out;
  std::vector<uint8_t> step(1 << 16);
  while (size > 0) {
    stream.next_in = zeros.data();
    stream.avail_in = static_cast<uInt>(std::min<uint64_t>(size, zeros.size()));
    size -= stream.avail_in;
    do {
      stream.next_out = step.data();
      stream.avail_out = static_cast<uInt>(step.size());
      deflate(&stream, size == 0 ? Z_FINISH : Z_NO_FLUSH);
      out.append(reinterpret_cast<char *>(step.data()), step.size() - stream.avail_out);
    } while (stream.avail_out == 0);
  }
  deflateEnd(&stream);
  return out;
}

Status status_of(auto &&work) {
  try {
    work();
  } catch (const Error &error) {
    return error.status();
  }
  return Status::kOk;
}

} // namespace

TEST_CASE("gzip: one member, several, none of them trusted about its size") {
  const std::string text = noise(300'000);
  CHECK(as_text(inflate_gzip(as_bytes(gzip(text)), {})) == text);
  CHECK(as_text(inflate_gzip(as_bytes(gzip("")), {})).empty());

  const std::string many = gzip("ab") + gzip("") + gzip(text) + gzip("c");
  const InflateResult result = inflate_gzip_lossy(as_bytes(many), {});
  CHECK(as_text(result.data) == "ab" + text + "c");
  CHECK(result.consumed == many.size());
  CHECK(result.trailing == 0);
  CHECK(result.damage.empty());

  // A member whose size field says 4 GiB - 1: the sum no longer fits, the text is still all there.
  std::string lying = gzip(text);
  for (size_t i = 1; i <= 4; ++i) lying[lying.size() - i] = '\xff';
  const InflateResult lied = inflate_gzip_lossy(as_bytes(lying), {});
  CHECK(as_text(lied.data) == text);
  CHECK(lied.damage.find("incorrect length check") != std::string::npos);
}

TEST_CASE("gzip: bytes after the last member are told, zeros are padding") {
  const InflateResult padded = inflate_gzip_lossy(as_bytes(gzip("x") + std::string(512, '\0')), {});
  CHECK(padded.trailing == 0);
  CHECK(as_text(padded.data) == "x");
  const InflateResult garbage = inflate_gzip_lossy(as_bytes(gzip("x") + "garbage"), {});
  CHECK(garbage.trailing == 7);
  CHECK(as_text(garbage.data) == "x");
  CHECK(garbage.damage.empty());
}

TEST_CASE("gzip: what stands before a cut or a flipped bit is delivered") {
  const std::string text = noise(2'000'000);
  const std::string whole = gzip(text);
  const std::string before = gzip("first;");
  for (const size_t keep : {whole.size() / 2, whole.size() - 1, size_t{12}}) {
    const InflateResult cut = inflate_gzip_lossy(as_bytes(before + whole.substr(0, keep)), {});
    CHECK(cut.damage.find("member 2 is cut short") != std::string::npos);
    CHECK(cut.damage_offset == before.size() + keep);
    CHECK(cut.consumed == before.size());
    CHECK(("first;" + text).starts_with(as_text(cut.data)));
    if (keep == whole.size() / 2) CHECK(cut.data.size() > text.size() / 4);
    if (keep == whole.size() - 1) CHECK(cut.data.size() == text.size() + 6);
    CHECK(status_of([&] { inflate_gzip(as_bytes(before + whole.substr(0, keep)), {}); }) ==
          Status::kMalformed);
  }
  std::string flipped = whole;
  flipped[flipped.size() - 6] ^= 1; // inside the CRC
  const InflateResult sum = inflate_gzip_lossy(as_bytes(flipped), {});
  CHECK(as_text(sum.data) == text);
  CHECK(sum.damage.find("incorrect data check") != std::string::npos);
  CHECK(sum.damage_offset <= flipped.size());
}

TEST_CASE("a bomb stops at the limit, quickly and within it") {
  Context context;
  context.limits.max_inflated_bytes = 32 << 20;
  const std::string bomb = gzip_bomb(UINT64_C(1) << 30);
  REQUIRE(bomb.size() < 6'000'000);
  std::string bombs; // 10 GiB
  for (int i = 0; i < 10; ++i) bombs += bomb;
  const auto start = std::chrono::steady_clock::now();
  CHECK(status_of([&] { inflate_gzip_lossy(as_bytes(bombs), context); }) == Status::kLimit);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds{2});

  const std::string zeros(64 << 20, '\0');
  CHECK(status_of([&] { inflate_zstd_lossy(as_bytes(zstd(zeros)), context); }) == Status::kLimit);
  CHECK(status_of([&] { inflate_zlib_lossy(as_bytes(zlib(zeros)), context); }) == Status::kLimit);
  // Exactly the limit is fine.
  const std::string fits(32 << 20, '\0');
  CHECK(inflate_gzip(as_bytes(gzip(fits)), context).size() == fits.size());
  CHECK(inflate_zstd(as_bytes(zstd(fits)), context).size() == fits.size());
}

TEST_CASE("zstd's window counts, as far as it is filled") {
  Context context;
  context.limits.max_inflated_bytes = 32 << 20;
  const auto streamed = [](size_t zeros, int window_log) {
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, window_log);
    const std::string plain(zeros, '\0');
    std::string out(ZSTD_compressBound(zeros), '\0');
    ZSTD_inBuffer in{plain.data(), plain.size(), 0};
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    ZSTD_compressStream2(zstd, &to, &in, ZSTD_e_continue); // so that the size is not told
    CHECK(ZSTD_compressStream2(zstd, &to, &in, ZSTD_e_end) == 0);
    ZSTD_freeCCtx(zstd);
    out.resize(to.pos);
    return out;
  };
  for (const int window : {20, 24, 27}) {
    CHECK(inflate_zstd(as_bytes(streamed(15 << 20, window)), context).size() == 15 << 20);
    const std::string large = streamed(20 << 20, window);
    if (window == 20)
      CHECK(inflate_zstd(as_bytes(large), context).size() == 20 << 20);
    else
      CHECK(status_of([&] { inflate_zstd(as_bytes(large), context); }) == Status::kLimit);
  }
}

TEST_CASE("zlib and zstd: whole, several frames, cut, damaged") {
  const std::string text = noise(700'000);
  CHECK(is_zlib(as_bytes(zlib(text))));
  CHECK(as_text(inflate_zlib(as_bytes(zlib(text)), {})) == text);
  CHECK(inflate_zlib_lossy(as_bytes(zlib(text) + "tail"), {}).trailing == 4);

  const std::string skippable{"\x51\x2a\x4d\x18\x03\0\0\0abc", 11};
  const std::string frames = skippable + zstd(text) + skippable + zstd("end");
  CHECK(is_zstd(as_bytes(frames)));
  CHECK_FALSE(is_zstd(as_bytes(skippable)));
  CHECK(as_text(inflate_zstd(as_bytes(frames), {})) == text + "end");
  CHECK(inflate_zstd_lossy(as_bytes(frames + "tail"), {}).trailing == 4);

  const std::string cut = frames.substr(0, frames.size() - 6);
  const InflateResult result = inflate_zstd_lossy(as_bytes(cut), {});
  CHECK(result.damage.find("cut short") != std::string::npos);
  CHECK(result.damage_offset <= cut.size());
  CHECK((text + "end").starts_with(as_text(result.data)));
  CHECK(status_of([&] { inflate_zstd(as_bytes(cut), {}); }) == Status::kMalformed);
}

#if PROFCORE_HAVE_LZ4
TEST_CASE("lz4 frames: whole, several, cut") {
  const auto lz4 = [](std::string_view text) {
    std::string out(LZ4F_compressFrameBound(text.size(), nullptr), '\0');
    out.resize(LZ4F_compressFrame(out.data(), out.size(), text.data(), text.size(), nullptr));
    return out;
  };
  const std::string text = noise(900'000);
  const std::string frames = lz4(text) + lz4("end");
  CHECK(is_lz4(as_bytes(frames)));
  CHECK(as_text(inflate_lz4(as_bytes(frames), {})) == text + "end");
  const InflateResult cut = inflate_lz4_lossy(as_bytes(frames.substr(0, frames.size() / 2)), {});
  CHECK(cut.damage.find("cut short") != std::string::npos);
  CHECK(text.starts_with(as_text(cut.data)));
  CHECK(cut.data.size() > text.size() / 4);
  Context context;
  context.limits.max_inflated_bytes = 1000;
  CHECK(status_of([&] { inflate_lz4(as_bytes(frames), context); }) == Status::kLimit);
}
#endif

TEST_CASE("a prefix for sniffing: bounded, across members, through damage") {
  const std::string text = noise(100'000);
  CHECK(as_text(inflate_prefix(as_bytes(gzip(text)), 1000)) == text.substr(0, 1000));
  CHECK(as_text(inflate_prefix(as_bytes(gzip("ab") + gzip("cd")), 1000)) == "abcd");
  CHECK(as_text(inflate_prefix(as_bytes(zstd(text)), 100)) == text.substr(0, 100));
  CHECK(as_text(inflate_prefix(as_bytes(zlib(text)), 100)) == text.substr(0, 100));
  CHECK(inflate_prefix(as_bytes("plain"), 100).empty());
  // A frame of zstd 0.7 behind: no part of the whole, so none of the prefix.
  const std::string old{"\x27\xb5\x2f\xfd\0\0\x3a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x80", 22};
  CHECK(as_text(inflate_prefix(as_bytes(zstd("ab") + old + old), 1000)) == "ab");
  CHECK(as_text(inflate_prefix(as_bytes(zstd("ab") + zstd("cd")), 1000)) == "abcd");
  std::string empties;
  for (int i = 0; i < 100'000; ++i) empties += gzip("");
  CHECK(inflate_prefix(as_bytes(empties), 100).empty());
}

TEST_CASE("progress can cancel between steps") {
  Context context;
  context.progress = [](uint64_t, uint64_t, void *) { return false; };
  CHECK(status_of([&] { inflate_gzip(as_bytes(gzip("x")), context); }) == Status::kCancelled);
  CHECK(status_of([&] { inflate_zstd(as_bytes(zstd("x")), context); }) == Status::kCancelled);
}

TEST_CASE("raw deflate reads back") {
  const std::string text = noise(50'000);
  Buffer out;
  out.put_literal("kept");
  deflate_raw({text.data(), text.size()}, 9, out);
  REQUIRE(std::string_view{out.data(), 4} == "kept");
  z_stream stream{};
  REQUIRE(inflateInit2(&stream, -15) == Z_OK);
  std::string back(text.size() + 1, '\0');
  stream.next_in = reinterpret_cast<Bytef *>(out.data() + 4);
  stream.avail_in = static_cast<uInt>(out.size() - 4);
  stream.next_out = reinterpret_cast<Bytef *>(back.data());
  stream.avail_out = static_cast<uInt>(back.size());
  CHECK(inflate(&stream, Z_FINISH) == Z_STREAM_END);
  back.resize(stream.total_out);
  inflateEnd(&stream);
  CHECK(back == text);
}
