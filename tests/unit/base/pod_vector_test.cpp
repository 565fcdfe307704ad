#include "base/pod_vector.hpp"

#include <algorithm>
#include <doctest/doctest.h>

using namespace profcore;

namespace {

bool all_zero(const PodVector<int64_t> &values, size_t from) {
  return std::all_of(values.begin() + from, values.end(), [](int64_t v) { return v == 0; });
}

void write_all(PodVector<int64_t> &values) {
  std::fill(values.begin(), values.end(), -1);
}

constexpr size_t kSizes[] = {1000, 1 << 20}; // elements: malloc's block, and a mapped one

PodVector<int64_t> written(size_t size) {
  PodVector<int64_t> values;
  values.resize_zeroed(size);
  CHECK(all_zero(values, 0));
  write_all(values);
  return values;
}

} // namespace

TEST_CASE("what resize_zeroed adds is zero where the vector grows") {
  for (const size_t size : kSizes) {
    PodVector<int64_t> values = written(size);
    values.resize_zeroed(3 * size);
    CHECK(values[size - 1] == -1);
    CHECK(all_zero(values, size));
    for (size_t i = 0; i < 40; ++i) {
      const size_t old = values.size();
      values.resize_zeroed(old + size / 8);
      CHECK(all_zero(values, std::max(old, 3 * size)));
      write_all(values);
      values.resize_uninitialized(values.size() - 5);
      PodVector<int64_t> moved = std::move(values);
      values = std::move(moved);
      values.resize_zeroed(values.size() + 5);
      CHECK(all_zero(values, values.size() - 5));
    }
  }
}

TEST_CASE("what resize_zeroed adds is zero where the vector was longer before") {
  for (const size_t size : kSizes) {
    PodVector<int64_t> values = written(size);
    values.resize_uninitialized(size / 2);
    values.resize_zeroed(size);
    CHECK(values[size / 2 - 1] == -1);
    CHECK(all_zero(values, size / 2));

    values = written(size);
    values.clear();
    values.resize_zeroed(size);
    CHECK(all_zero(values, 0));

    values = written(size);
    values.pop_back();
    values.resize_uninitialized(size - 7);
    values.shrink_to_fit();
    values.resize_zeroed(2 * size);
    CHECK(all_zero(values, size - 7));

    values = written(size);
    values.clear();
    values.shrink_to_fit();
    values.resize_zeroed(size);
    CHECK(all_zero(values, 0));
  }
}

TEST_CASE("from small to mapped and back") {
  PodVector<int64_t> values;
  for (size_t size = 1; size < (1 << 19); size *= 2) {
    values.resize_zeroed(size);
    write_all(values);
  }
  values.resize_uninitialized(100);
  values.shrink_to_fit();
  values.resize_zeroed(1 << 19);
  CHECK(all_zero(values, 100));
  PodVector<int64_t> copy = values;
  copy.resize_zeroed(1 << 20);
  CHECK(all_zero(copy, 100));
  values.assign_zeros(1 << 18);
  write_all(values);
  values.resize_zeroed(1 << 19);
  CHECK(all_zero(values, 1 << 18));
}
