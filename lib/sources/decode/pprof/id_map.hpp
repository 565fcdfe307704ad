#pragma once

#include "base/hash.hpp"
#include "base/intern_index.hpp"
#include "base/pod_vector.hpp"

#include <cstdint>
#include <span>

namespace profcore::pprof {

/// From the ids of a file, any u64, to ids of the model. Ids up to the number of entries, which is
/// what nearly every producer gives, index an array; the others are hashed.
class IdMap {
public:
  static constexpr uint32_t kAbsent = UINT32_MAX;

  void reserve(size_t entries) { dense_.resize(entries + 1, kAbsent); }

  /// False when the id is there already.
  bool insert(uint64_t id, uint32_t value) {
    if (id < dense_.size()) {
      if (dense_[id] != kAbsent) return false;
      dense_[id] = value;
      return true;
    }
    const size_t before = sparse_.size();
    index_.find_or_insert(
        hash_u64(id, seed_), [&](uint32_t at) { return sparse_[at].id == id; },
        [&] {
          sparse_.push_back({id, value, 0});
          return static_cast<uint32_t>(sparse_.size() - 1);
        });
    return sparse_.size() != before;
  }

  uint32_t find(uint64_t id) const {
    if (id < dense_.size()) return dense_[id];
    const uint32_t at =
        index_.find(hash_u64(id, seed_), [&](uint32_t entry) { return sparse_[entry].id == id; });
    return at == InternIndex::kNotFound ? kAbsent : sparse_[at].value;
  }

  /// The array part: kAbsent where there is no such id.
  std::span<const uint32_t> dense() const noexcept { return dense_.span(); }

private:
  struct Entry {
    uint64_t id;
    uint32_t value;
    uint32_t reserved;
  };

  PodVector<uint32_t> dense_;
  PodVector<Entry> sparse_;
  InternIndex index_;
  uint64_t seed_ = random_hash_seed();
};

} // namespace profcore::pprof
