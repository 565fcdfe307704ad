// How fast the .pb.gz can be inflated at all: what decoding it has to be measured against.
// "samples" is the number of bytes that came out, the checksum their CRC-32 as the file's trailer
// has it.

#include "harness.hpp"

#include <libdeflate.h>
#include <memory>
#include <zlib.h>

namespace {

std::uint32_t little_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

struct Trailer {
  std::uint32_t crc;
  std::uint32_t size;
};

// One member below 4 GiB is all that the benchmark writes, so the trailer's size is the truth.
Trailer read_trailer(std::string_view bytes) {
  if (bytes.size() < 18 || bytes.substr(0, 2) != "\x1f\x8b")
    throw bench::Failure("not a gzip file");
  return {little_endian(bytes.substr(bytes.size() - 8)),
          little_endian(bytes.substr(bytes.size() - 4))};
}

struct Inflated {
  std::unique_ptr<unsigned char[]> bytes;
  std::size_t size;
  std::uint32_t crc;
};

Inflated allocate(std::string_view bytes) {
  const Trailer trailer = read_trailer(bytes);
  // Not more than deflate can make of the input, whatever the trailer says.
  if (trailer.size / 1032 > bytes.size()) throw bench::Failure("implausible size in the trailer");
  return {std::unique_ptr<unsigned char[]>(new unsigned char[trailer.size + 1]), trailer.size,
          trailer.crc};
}

Inflated with_libdeflate(std::string_view bytes) {
  Inflated out = allocate(bytes);
  const std::unique_ptr<libdeflate_decompressor, decltype(&libdeflate_free_decompressor)> engine(
      libdeflate_alloc_decompressor(), &libdeflate_free_decompressor);
  std::size_t size = 0;
  const auto result = libdeflate_gzip_decompress(engine.get(), bytes.data(), bytes.size(),
                                                 out.bytes.get(), out.size, &size);
  if (result != LIBDEFLATE_SUCCESS || size != out.size)
    throw bench::Failure("libdeflate cannot inflate the file");
  return out;
}

Inflated with_zlib(std::string_view bytes) {
  Inflated out = allocate(bytes);
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) throw bench::Failure("zlib: no memory");
  stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = out.bytes.get();
  stream.avail_out = static_cast<uInt>(out.size + 1);
  const int result = inflate(&stream, Z_FINISH);
  const bool whole = result == Z_STREAM_END && stream.total_out == out.size;
  inflateEnd(&stream);
  if (!whole) throw bench::Failure("zlib cannot inflate the file");
  return out;
}

bench::Outcome summarise(const Inflated &out) {
  return {out.size, std::int64_t{out.crc}};
}

} // namespace

int main(int argc, char **argv) {
  return bench::guarded_main(
      argc, argv, "libdeflate|zlib", [](const std::string &bytes, int runs, std::string_view mode) {
        if (mode == "libdeflate")
          bench::repeat("libdeflate", bytes, runs, with_libdeflate, summarise);
        else if (mode == "zlib")
          bench::repeat("zlib", bytes, runs, with_zlib, summarise);
        else
          throw bench::Failure("no such mode");
      });
}
