// Recordings as they travel: compressed, in one piece or in several that were written one after the
// other, and in zip archives as a JVM's tools make them.

#include "../../support/zip_builder.hpp"
#include "build_features.hpp"
#include "jfr_samples.hpp"
#include "sources/decode/decode.hpp"

#include <doctest/doctest.h>
#include <string>
#include <zstd.h>
#if PROFCORE_HAVE_LZ4
#include <lz4frame.h>
#endif

using namespace profcore;

namespace {

size_t samples_of(const std::string &file) {
  const Profile profile = decode({reinterpret_cast<const uint8_t *>(file.data()), file.size()}, {});
  for (const Warning &warning : profile.warnings()) // of the samples, not of what is around them
    CHECK(warning.text.starts_with("the recording does not say how often it sampled"));
  return profile.sample_count();
}

std::string recording() {
  return jfr_test::sample_chunk(0, 3).finish() + jfr_test::sample_chunk(1, 2).finish();
}

template <class Compress> std::string in_pieces(const std::string &file, Compress &&compress) {
  std::string all;
  for (size_t at = 0; at < file.size(); at += 1500) all += compress(file.substr(at, 1500));
  return all;
}

} // namespace

TEST_CASE("recordings in gzip members, zstd frames and lz4 frames") {
  CHECK(samples_of(recording()) == 5);
  CHECK(samples_of(in_pieces(recording(), [](const std::string &piece) {
          Buffer out;
          deflate_gzip({piece.data(), piece.size()}, 6, out);
          return std::string{out.data(), out.size()};
        })) == 5);
  CHECK(samples_of(in_pieces(recording(), [](const std::string &piece) {
          std::string out(ZSTD_compressBound(piece.size()), '\0');
          out.resize(ZSTD_compress(out.data(), out.size(), piece.data(), piece.size(), 3));
          return out;
        })) == 5);
#if PROFCORE_HAVE_LZ4
  CHECK(samples_of(in_pieces(recording(), [](const std::string &piece) {
          std::string out(LZ4F_compressFrameBound(piece.size(), nullptr), '\0');
          out.resize(
              LZ4F_compressFrame(out.data(), out.size(), piece.data(), piece.size(), nullptr));
          return out;
        })) == 5);
#endif
}

TEST_CASE("recordings in zip archives") {
  for (const bool deflate : {true, false})
    for (const bool behind : {true, false}) {
      zip_test::Archive archive;
      archive.add("recordings/", "", {.deflate = false});
      archive.add("recordings/main.jfr", recording(), {.deflate = deflate, .sizes_behind = behind});
      CHECK(samples_of(archive.finish()) == 5);
    }
}
