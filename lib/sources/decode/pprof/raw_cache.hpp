#pragma once

#include "base/hash.hpp"
#include "base/pod_vector.hpp"
#include "base/wire.hpp"

#include <array>
#include <cstdint>
#include <cstring>

namespace profcore::pprof {

/// 128 bits that stand for a run of bytes: the pseudo-dot product (NH) of its words and a random
/// key, in whole. For any two different runs, however chosen, the probability over the key that
/// they agree is at most 2^-64, so equality need not be proved by looking at the earlier bytes,
/// which would be one more cache and TLB miss per look-up. The length is one of the words.
struct Fingerprint {
  uint64_t low = 0;
  uint64_t high = 0;

  uint64_t hash() const noexcept { return hash_u64(low, high | 1); }
};

class Fingerprinter {
public:
  static constexpr size_t kMaxBytes = 1024; ///< longer runs need a longer key and are rare

  Fingerprinter() {
    const uint64_t seed = random_hash_seed();
    const uint64_t other = random_hash_seed();
    for (size_t i = 0; i < key_.size(); ++i) key_[i] = hash_u64(other + i, hash_u64(i, seed));
  }

  /// `size` is at most kMaxBytes; `readable_end` says how far a load may go.
  Fingerprint of(const uint8_t *bytes, size_t size, const uint8_t *readable_end) const noexcept {
    const uint64_t *key = key_.data();
    uint128_t sum = product(size, 0, key);
    size_t left = size;
    for (; left >= 16; left -= 16, bytes += 16) {
      key += 2;
      sum += product(wire::load_little_endian(bytes), wire::load_little_endian(bytes + 8), key);
    }
    if (left != 0) {
      std::array<uint8_t, 16> copy{};
      const uint8_t *from = bytes;
      if (readable_end - bytes < 16) {
        std::memcpy(copy.data(), bytes, left);
        from = copy.data();
      }
      const uint64_t first = wire::load_little_endian(from);
      const uint64_t second = wire::load_little_endian(from + 8);
      const auto low_bytes = [](uint64_t word, size_t count) {
        return word & ((UINT64_C(1) << (count * 8)) - 1);
      };
      sum += left < 8 ? product(low_bytes(first, left), 0, key + 2)
                      : product(first, low_bytes(second, left - 8), key + 2);
    }
    return {static_cast<uint64_t>(sum), static_cast<uint64_t>(sum >> 64)};
  }

private:
  static uint128_t product(uint64_t a, uint64_t b, const uint64_t *key) noexcept {
    return static_cast<uint128_t>(a + key[0]) * (b + key[1]);
  }

  std::array<uint64_t, 2 + kMaxBytes / 8> key_;
};

/// Remembers which id a run of raw input bytes was decoded to, so that equal bytes are not decoded
/// again. 20 bytes a slot, load at most 5/8.
class RawCache {
public:
  static constexpr uint32_t kNotFound = UINT32_MAX;

  void prefetch(const Fingerprint &print) const noexcept {
    if (ids_.empty()) return;
    const size_t at = print.hash() & (ids_.size() - 1);
    __builtin_prefetch(&ids_[at]);
    __builtin_prefetch(&prints_[at]);
  }

  uint32_t find(const Fingerprint &print) const noexcept {
    if (ids_.empty()) return kNotFound;
    const size_t mask = ids_.size() - 1;
    for (size_t at = print.hash() & mask; ids_[at] != kNotFound; at = (at + 1) & mask)
      if (prints_[at].low == print.low && prints_[at].high == print.high) return ids_[at];
    return kNotFound;
  }

  /// For what `find` did not find.
  void insert(const Fingerprint &print, uint32_t id) {
    if ((used_ + 1) * 8 > ids_.size() * 5) grow();
    place(print, id);
    ++used_;
  }

  void release() noexcept {
    ids_ = {};
    prints_ = {};
    used_ = 0;
  }
  size_t bytes() const noexcept { return ids_.bytes() + prints_.bytes(); }

private:
  void place(const Fingerprint &print, uint32_t id) noexcept {
    const size_t mask = ids_.size() - 1;
    size_t at = print.hash() & mask;
    while (ids_[at] != kNotFound) at = (at + 1) & mask;
    ids_[at] = id;
    prints_[at] = print;
  }
  void grow() {
    const PodVector<uint32_t> old_ids = std::move(ids_);
    const PodVector<Fingerprint> old_prints = std::move(prints_);
    const size_t capacity = old_ids.empty() ? 1024 : old_ids.size() * 2;
    ids_.resize_uninitialized(capacity);
    std::memset(ids_.data(), 0xff, capacity * sizeof(uint32_t));
    prints_.resize_uninitialized(capacity);
    for (size_t i = 0; i < old_ids.size(); ++i)
      if (old_ids[i] != kNotFound) place(old_prints[i], old_ids[i]);
  }

  PodVector<uint32_t> ids_;
  PodVector<Fingerprint> prints_;
  size_t used_ = 0;
};

} // namespace profcore::pprof
