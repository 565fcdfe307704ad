#include "sources/sampler/perf_records.hpp"

#include <bit>
#include <cstring>
#include <doctest/doctest.h>
#include <memory>
#include <random>
#include <string>
#include <vector>

using namespace profcore::sampler;

namespace {

const size_t kRegisters = static_cast<size_t>(std::popcount(sampled_registers()));

/// A record word by word, its header first.
class Words {
public:
  explicit Words(uint32_t type) {
    perf_event_header header{type, 0, 0};
    words_.resize(1);
    std::memcpy(words_.data(), &header, sizeof header);
  }
  Words &add(uint64_t word) {
    words_.push_back(word);
    return *this;
  }
  size_t size() const { return words_.size() * sizeof(uint64_t); }
  /// The first `size` bytes, in memory of just that size, with that size in the header.
  std::vector<uint8_t> bytes(size_t size) const {
    std::vector<uint8_t> all(size);
    if (size != 0) std::memcpy(all.data(), words_.data(), size);
    const auto told = static_cast<uint16_t>(size);
    if (size >= 8) std::memcpy(all.data() + 6, &told, sizeof told);
    return all;
  }
  std::vector<uint8_t> bytes() const { return bytes(size()); }

private:
  std::vector<uint64_t> words_;
};

/// Up to the registers' end.
Words head(uint64_t abi = PERF_SAMPLE_REGS_ABI_64) {
  Words words{PERF_RECORD_SAMPLE};
  words.add(UINT64_C(12) << 32 | 11).add(77).add(abi);
  if (abi != PERF_SAMPLE_REGS_ABI_NONE)
    for (size_t i = 0; i < kRegisters; ++i) words.add(1000 + i);
  return words;
}

} // namespace

TEST_CASE("a sample is read") {
  const auto bytes = head().add(24).add(1).add(2).add(3).add(16).bytes();
  const auto sample = parse_sample(bytes);
  REQUIRE(sample);
  CHECK(sample->pid == 11);
  CHECK(sample->tid == 12);
  CHECK(sample->time == 77);
  CHECK(time_of(bytes) == 77);
  CHECK(sample->bp == 1000);
  CHECK(sample->pc == 1000 + kRegisters - 1);
  CHECK(sample->sp == 1000 + kRegisters - 2);
  CHECK(sample->stack.size() == 16);
  CHECK(sample->stack[8] == 2);
  CHECK_FALSE(sample->is_cut);
  // As much as was asked for, nothing at all, and none of it readable.
  CHECK(parse_sample(head().add(8).add(1).add(8).bytes())->is_cut);
  const auto without = parse_sample(head().add(0).bytes());
  REQUIRE(without);
  CHECK(without->stack.empty());
  CHECK_FALSE(without->is_cut);
  CHECK(parse_sample(head().add(8).add(1).add(0).bytes())->stack.empty());
}

TEST_CASE("a sample of a task without user registers is read") {
  const auto sample = parse_sample(head(PERF_SAMPLE_REGS_ABI_NONE).add(0).bytes());
  REQUIRE(sample);
  CHECK(sample->abi == PERF_SAMPLE_REGS_ABI_NONE);
  CHECK(sample->pc == 0);
  CHECK(sample->stack.empty());
}

TEST_CASE("samples that are cut short are none") {
  const Words whole = head().add(24).add(1).add(2).add(3).add(16);
  for (size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(parse_sample(whole.bytes(size)));
  }
  for (size_t size = 0; size < 32; ++size) CHECK_FALSE(time_of(whole.bytes(size)));
}

TEST_CASE("sizes that cannot be are refused") {
  for (const uint64_t size : {UINT64_C(25), UINT64_C(32), UINT64_C(33), UINT64_C(65536),
                              UINT64_C(1) << 32, UINT64_C(1) << 63, UINT64_MAX - 7, UINT64_MAX}) {
    CAPTURE(size);
    CHECK_FALSE(parse_sample(head().add(size).add(1).add(2).add(3).add(16).bytes()));
  }
  for (const uint64_t filled : {UINT64_C(25), UINT64_C(65536), UINT64_C(1) << 63, UINT64_MAX}) {
    CAPTURE(filled);
    CHECK_FALSE(parse_sample(head().add(24).add(1).add(2).add(3).add(filled).bytes()));
  }
  // What is missing cannot be made up for by what follows it: the last word is the copy's.
  CHECK_FALSE(parse_sample(head().add(8).add(8).bytes()));
}

TEST_CASE("other records are no samples") {
  for (const uint32_t type : {0U, 1U, 2U, 10U, UINT32_MAX}) {
    Words words{type};
    for (int i = 0; i < 10; ++i) words.add(0);
    CHECK_FALSE(parse_sample(words.bytes()));
  }
}

TEST_CASE("text ends where its record does") {
  Words words{PERF_RECORD_COMM};
  words.add(1).add(0x4141414141414141).add(0x4242424242424242); // no NUL
  words.add(1).add(99);                                         // trailer
  const auto bytes = words.bytes();
  CHECK(text_behind(bytes, sizeof(CommRecord)) == "AAAAAAAABBBBBBBB");
  CHECK(time_of(bytes) == 99);
  CHECK(text_behind(words.bytes(32), sizeof(CommRecord)).empty());
  CHECK(text_behind(words.bytes(31), sizeof(CommRecord)).empty());
  CHECK(text_behind(words.bytes(8), sizeof(CommRecord)).empty());
  CHECK_FALSE(time_of(words.bytes(23)));
  CHECK_FALSE(time_of(words.bytes(0)));
}

TEST_CASE("random records stay inside their bytes") {
  std::mt19937_64 random{1};
  for (int round = 0; round < 20000; ++round) {
    Words words = head(random() % 4);
    words.add(random() % 2 == 0 ? random() % 64 : random());
    for (size_t i = random() % 6; i > 0; --i)
      words.add(random() % 2 == 0 ? random() % 64 : random());
    const std::vector<uint8_t> bytes = words.bytes(random() % (words.size() + 1));
    if (const auto sample = parse_sample(bytes)) {
      const bool inside = sample->stack.empty() || (sample->stack.data() >= bytes.data() &&
                                                    sample->stack.data() + sample->stack.size() <=
                                                        bytes.data() + bytes.size());
      REQUIRE(inside);
    }
    time_of(bytes);
  }
}
