// What reading a JFR recording's event headers alone costs: chunk after chunk, event after event,
// size and type, and on to the next one. No decoder that looks at every event can do less.
#include "harness.hpp"

namespace {

constexpr std::size_t kChunkHeader = 68;

struct Headers {
  std::uint64_t events = 0; // metadata and checkpoints are not counted
  std::uint64_t types = 0;  // so that no type is read in vain
};

std::uint64_t big_endian(const unsigned char *at) {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | at[i];
  return value;
}

// At most nine bytes, of which the ninth has all eight bits.
inline bool varint(const unsigned char *&at, const unsigned char *end, std::uint64_t &value) {
  value = 0;
  for (unsigned shift = 0; at < end; shift += 7) {
    const std::uint64_t byte = *at++;
    if (shift == 56) {
      value |= byte << 56;
      return true;
    }
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

Headers scan(std::string_view bytes) {
  Headers headers;
  const auto *at = reinterpret_cast<const unsigned char *>(bytes.data());
  const unsigned char *const end = at + bytes.size();
  while (at < end) {
    if (static_cast<std::size_t>(end - at) < kChunkHeader || std::memcmp(at, "FLR", 4) != 0)
      throw bench::Failure("no chunk where one should begin");
    const std::uint64_t size = big_endian(at + 8);
    if (size < kChunkHeader || size > static_cast<std::uint64_t>(end - at))
      throw bench::Failure("a chunk of an impossible size");
    const unsigned char *const chunk_end = at + size;
    at += kChunkHeader;
    while (at < chunk_end) {
      const unsigned char *field = at;
      std::uint64_t event_size = 0;
      std::uint64_t type = 0;
      if (!varint(field, chunk_end, event_size) || !varint(field, chunk_end, type) ||
          event_size < static_cast<std::uint64_t>(field - at) ||
          event_size > static_cast<std::uint64_t>(chunk_end - at))
        throw bench::Failure("an event of an impossible size");
      headers.events += type > 1;
      headers.types += type;
      at += event_size;
    }
  }
  return headers;
}

} // namespace

int main(int argc, char **argv) {
  return bench::guarded_main(
      argc, argv, nullptr,
      [](const std::string &bytes, int runs, std::string_view) {
        bench::repeat("event headers", bytes, runs, scan, [](const Headers &headers) {
          return bench::Outcome{headers.events, static_cast<std::int64_t>(headers.types)};
        });
        if (runs == 0)
          std::printf("counts\t*=%llu/-\n", static_cast<unsigned long long>(scan(bytes).events));
      },
      0);
}
