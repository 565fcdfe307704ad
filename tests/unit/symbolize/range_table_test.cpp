#include "symbolize/range_table.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <random>
#include <vector>

using namespace profcore;

namespace {

uint32_t by_hand(const std::vector<AddressRange> &ranges, uint64_t address) {
  const AddressRange *best = nullptr;
  std::vector<AddressRange> sorted = ranges;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto &a, const auto &b) { return a.start < b.start; });
  for (const AddressRange &range : sorted)
    if (address >= range.start && address - range.start < range.size &&
        (best == nullptr || range.priority >= best->priority))
      best = &range;
  return best == nullptr ? RangeTable::kNotFound : best->value;
}

RangeTable build(const std::vector<AddressRange> &ranges) {
  PodVector<AddressRange> copy;
  copy.append(ranges);
  return RangeTable::build(std::move(copy));
}

} // namespace

TEST_CASE("an empty table finds nothing") {
  CHECK(build({}).find(0) == RangeTable::kNotFound);
  CHECK(RangeTable{}.find(UINT64_MAX) == RangeTable::kNotFound);
}

TEST_CASE("what lies between ranges belongs to nobody") {
  const RangeTable table = build({{0x100, 0x10, 1, 0}, {0x120, 0x10, 2, 0}, {0x130, 1, 3, 0}});
  CHECK(table.find(0xff) == RangeTable::kNotFound);
  CHECK(table.find(0x100) == 1);
  CHECK(table.find(0x10f) == 1);
  CHECK(table.find(0x110) == RangeTable::kNotFound);
  CHECK(table.find(0x12f) == 2);
  CHECK(table.find(0x130) == 3);
  CHECK(table.find(0x131) == RangeTable::kNotFound);
}

TEST_CASE("the rest of an outer range shows behind an inner one") {
  const RangeTable table = build({{0x100, 0x100, 1, 1}, {0x140, 0x10, 2, 2}, {0x180, 0, 9, 9}});
  CHECK(table.find(0x13f) == 1);
  CHECK(table.find(0x140) == 2);
  CHECK(table.find(0x150) == 1);
  CHECK(table.find(0x1ff) == 1);
  CHECK(table.find(0x200) == RangeTable::kNotFound);
}

TEST_CASE("ranges far apart and at the ends of address space") {
  const RangeTable table = build({{UINT64_MAX - 4, 100, 3, 0},
                                  {0, 5, 1, 0},
                                  {0x7fff00000000, 0xffffffff, 2, 0},
                                  {0xffffffff81000000, 0x100, 4, 0}});
  CHECK(table.find(0) == 1);
  CHECK(table.find(5) == RangeTable::kNotFound);
  CHECK(table.find(0x7fffffffe000) == 2);
  CHECK(table.find(0x800000000000) == RangeTable::kNotFound);
  CHECK(table.find(0xffffffff810000ff) == 4);
  CHECK(table.find(UINT64_MAX - 1) == 3);
}

TEST_CASE("one range as large as there can be") {
  const RangeTable table = build({{0, UINT32_MAX, 1, 0}});
  CHECK(table.find(0) == 1);
  CHECK(table.find(UINT32_MAX - 1) == 1);
  CHECK(table.find(UINT32_MAX) == RangeTable::kNotFound);
  CHECK(table.find(UINT64_MAX) == RangeTable::kNotFound);
}

TEST_CASE("random ranges are as a search by hand finds them") {
  std::mt19937_64 random{7};
  for (int round = 0; round < 300; ++round) {
    const size_t count = 1 + random() % (round % 10 == 0 ? 600 : 40);
    const uint64_t space = round % 3 == 0 ? 300 : round % 3 == 1 ? 100000 : uint64_t{1} << 40;
    std::vector<AddressRange> ranges;
    for (size_t i = 0; i < count; ++i)
      ranges.push_back({random() % space, static_cast<uint32_t>(random() % (space / 8 + 2)),
                        static_cast<uint32_t>(i), static_cast<uint32_t>(random() % 8)});
    const RangeTable table = build(ranges);
    size_t wrong = 0;
    for (int i = 0; i < 300; ++i) {
      uint64_t address = random() % (space + 100);
      if (i % 3 == 0) address = ranges[random() % count].start - random() % 2;
      wrong += table.find(address) != by_hand(ranges, address);
    }
    REQUIRE(wrong == 0);
    REQUIRE(table.size() <= 2 * count);
  }
}
