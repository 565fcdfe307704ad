#include "sources/decode/jfr/pools.hpp"

#include "base/hash.hpp"

#include <algorithm>
#include <bit>

namespace profcore::jfr {

void Pool::finish(uint64_t seed) {
  dense_ = {};
  slots_ = {};
  if (keys_.empty()) return;
  const auto [low, high] = std::minmax_element(keys_.begin(), keys_.end());
  smallest_ = *low;
  largest_ = *high;
  const uint64_t range = largest_ - smallest_;
  // async-profiler's traces are numbered by slots of a table that is mostly empty.
  if (range < 16 * keys_.size() + 64) {
    dense_.assign_zeros(static_cast<size_t>(range) + 1);
    for (uint32_t i = 0; i < keys_.size(); ++i)
      dense_[static_cast<size_t>(keys_[i] - smallest_)] = i + 1;
    return;
  }
  seed_ = seed;
  slots_.assign_zeros(std::bit_ceil(keys_.size() * 2));
  const size_t mask = slots_.size() - 1;
  for (uint32_t i = 0; i < keys_.size(); ++i) {
    size_t at = hash_u64(keys_[i], seed_) & mask;
    while (slots_[at] != 0 && keys_[slots_[at] - 1] != keys_[i]) at = (at + 1) & mask;
    slots_[at] = i + 1;
  }
}

uint32_t Pool::find_hashed(uint64_t key) const noexcept {
  if (slots_.empty()) return UINT32_MAX;
  const size_t mask = slots_.size() - 1;
  for (size_t at = hash_u64(key, seed_) & mask; slots_[at] != 0; at = (at + 1) & mask)
    if (keys_[slots_[at] - 1] == key) return slots_[at] - 1;
  return UINT32_MAX;
}

} // namespace profcore::jfr
