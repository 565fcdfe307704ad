#pragma once

// A chunk's constant pools: for every type the values that events refer to by key.
//
// Values have no length, so reading a checkpoint means stepping over each of its values; where a
// value of a wanted type begins and ends is noted with its key, 16 bytes, and nothing is decoded
// before somebody asks. Keys are any 64 bits: mostly small and close together (then the index is an
// array), but addresses, hashes and negative numbers too (then it is a hash table). Values refer to
// each other by key, in circles also (a class has a loader which has a class), so nothing is ever
// built by following them.

#include "base/pod_vector.hpp"
#include "sources/decode/jfr/schema.hpp"

#include <cstdint>
#include <vector>

namespace profcore::jfr {

/// Where in the chunk a value stands; 0 is nowhere (a chunk begins with its header).
using PoolPosition = uint32_t;

class Pool {
public:
  void add(uint64_t key, PoolPosition at, PoolPosition end) {
    keys_.push_back(key);
    places_.push_back({at, end});
    value_bytes_ += end - at;
  }
  /// To be called once all is added, before `find`. A key added twice keeps its last value.
  void finish(uint64_t seed);

  /// What all values take together.
  uint64_t value_bytes() const noexcept { return value_bytes_; }

  size_t size() const noexcept { return keys_.size(); }
  /// The smallest and the largest key; of an empty pool 0 and 0.
  uint64_t smallest_key() const noexcept { return smallest_; }
  uint64_t largest_key() const noexcept { return largest_; }
  uint64_t key(size_t i) const noexcept { return keys_[i]; }
  PoolPosition position(size_t i) const noexcept { return places_[i].at; }
  PoolPosition end(size_t i) const noexcept { return places_[i].end; }
  size_t bytes() const noexcept {
    return keys_.bytes() + places_.bytes() + dense_.bytes() + slots_.bytes();
  }

  /// The number under which `key` was added last, UINT32_MAX when it was not.
  uint32_t find(uint64_t key) const noexcept {
    if (!dense_.empty()) {
      const uint64_t at = key - smallest_;
      return at < dense_.size() ? dense_[static_cast<size_t>(at)] - 1 : UINT32_MAX;
    }
    return find_hashed(key);
  }

private:
  struct Place {
    PoolPosition at, end;
  };

  uint32_t find_hashed(uint64_t key) const noexcept;

  PodVector<uint64_t> keys_;
  PodVector<Place> places_;
  uint64_t smallest_ = 0, largest_ = 0;
  uint64_t value_bytes_ = 0;
  uint64_t seed_ = 0;
  PodVector<uint32_t> dense_; ///< by key - smallest_: number + 1
  PodVector<uint32_t> slots_; ///< by hash: number + 1
};

} // namespace profcore::jfr
