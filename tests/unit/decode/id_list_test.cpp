#include "base/pod_vector.hpp"
#include "sources/decode/pprof/id_list.hpp"

#include <doctest/doctest.h>
#include <random>
#include <vector>

using namespace profcore;

namespace {

constexpr uint32_t kAbsent = UINT32_MAX;

void put(std::vector<uint8_t> &bytes, uint64_t id, size_t padding) {
  for (; id >= 0x80; id >>= 7) bytes.push_back(static_cast<uint8_t>(id | 0x80));
  bytes.push_back(static_cast<uint8_t>(padding == 0 ? id : id | 0x80));
  for (; padding > 0; --padding) bytes.push_back(padding == 1 ? 0 : 0x80);
}

} // namespace

TEST_CASE("known ids of every length and at every place of a piece") {
  std::vector<uint32_t> known(300'000);
  for (size_t i = 0; i < known.size(); ++i)
    known[i] = i == 0 ? kAbsent : 7 * static_cast<uint32_t>(i);
  std::mt19937 random{3};
  for (int round = 0; round < 2000; ++round) {
    std::vector<uint8_t> bytes;
    std::vector<uint32_t> wanted;
    for (size_t left = random() % 150; left > 0; --left) {
      const uint32_t bits = 1 + random() % 18;
      const uint32_t id = 1 + random() % ((1U << bits) - 1);
      put(bytes, id, id < 128 && random() % 9 == 0 ? 1 : 0);
      wanted.push_back(known[id]);
    }
    const size_t size = bytes.size();
    bytes.resize(size + 72, static_cast<uint8_t>(random()));
    std::vector<uint32_t> out(size + 1);
    const auto read = [&](const uint8_t *end, std::span<const uint32_t> table) {
      return pprof::read_known_ids<kAbsent>(bytes.data(), end, bytes.data() + bytes.size(), table,
                                            out.data());
    };
    const uint32_t *const last = read(bytes.data() + size, known);
    REQUIRE(last == out.data() + wanted.size());
    out.resize(wanted.size());
    REQUIRE(out == wanted);
    if (wanted.empty()) continue;
    out.resize(size + 1);
    // An id that is not there, wherever it stands, and a list that ends inside an id.
    const uint32_t lost = random() % wanted.size();
    std::vector<uint32_t> without = known;
    without[wanted[lost] / 7] = kAbsent;
    REQUIRE(read(bytes.data() + size, without) == nullptr);
    bytes[size - 1] |= 0x80;
    REQUIRE(read(bytes.data() + size, known) == nullptr);
  }
}

TEST_CASE("ids that are too large or too long for the quick way are left to the other") {
  const std::vector<uint32_t> known{kAbsent, 10, 20};
  uint32_t out[80];
  for (const uint64_t id : {UINT64_C(0), UINT64_C(3), UINT64_C(1) << 28, (UINT64_C(1) << 35) + 1}) {
    CAPTURE(id);
    std::vector<uint8_t> bytes;
    put(bytes, 1, 0);
    put(bytes, id, 0);
    put(bytes, 2, 0);
    const size_t size = bytes.size();
    bytes.resize(size + 72);
    CHECK(pprof::read_known_ids<kAbsent>(bytes.data(), bytes.data() + size,
                                         bytes.data() + bytes.size(), known, out) == nullptr);
  }
  std::vector<uint8_t> padded;
  put(padded, 1, 4); // five bytes
  const size_t size = padded.size();
  padded.resize(size + 72);
  CHECK(pprof::read_known_ids<kAbsent>(padded.data(), padded.data() + size,
                                       padded.data() + padded.size(), known, out) == nullptr);
  CHECK(pprof::read_known_ids<kAbsent>(padded.data(), padded.data() + size, padded.data() + size,
                                       known, out) == nullptr); // nothing behind to read
}
