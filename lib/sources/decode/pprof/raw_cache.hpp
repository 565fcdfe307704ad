#pragma once

#include "base/hash.hpp"
#include "base/pod_vector.hpp"
#include "base/wire.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

namespace profcore::pprof {

/// 64 bits that stand for a run of bytes: the pseudo-dot product (NH) of its words and a random
/// key, 128 bits that two different runs, however chosen, share with a probability of 2^-64 at most
/// over the key, mixed down once more. So equality need not be proved by looking at the earlier
/// bytes, which would be one more cache and TLB miss per look-up: a file of a million lists, made
/// by someone who does not know the key, has one chance in 2^24 that one is taken for another of
/// its own. The length is one of the words.
using Fingerprint = uint64_t;

class Fingerprinter {
public:
  static constexpr size_t kMaxBytes = 1024; ///< longer runs need a longer key and are rare

  Fingerprinter() {
    const uint64_t seed = random_hash_seed();
    const uint64_t other = random_hash_seed();
    for (size_t i = 0; i < key_.size(); ++i) key_[i] = hash_u64(other + i, hash_u64(i, seed));
    final_key_ = random_hash_seed();
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
    return hash_u64(static_cast<uint64_t>(sum) ^ final_key_, static_cast<uint64_t>(sum >> 64));
  }

private:
  static uint128_t product(uint64_t a, uint64_t b, const uint64_t *key) noexcept {
    return static_cast<uint128_t>(a + key[0]) * (b + key[1]);
  }

  std::array<uint64_t, 2 + kMaxBytes / 8> key_;
  uint64_t final_key_ = 0;
};

/// Remembers which id a run of raw input bytes was decoded to, so that equal bytes are not decoded
/// again. 12 bytes a slot, load at most 5/8: the tables should stay in the cache.
class RawCache {
public:
  static constexpr uint32_t kNotFound = UINT32_MAX;

  void prefetch(Fingerprint print) const noexcept {
    if (!slots_.empty()) __builtin_prefetch(&slots_[print & (slots_.size() - 1)]);
  }

  uint32_t find(Fingerprint print) const noexcept {
    if (slots_.empty()) return kNotFound;
    const size_t mask = slots_.size() - 1;
    for (size_t at = print & mask; slots_[at].id != kNotFound; at = (at + 1) & mask)
      if (slots_[at].print() == print) return slots_[at].id;
    return kNotFound;
  }

  void reserve(size_t entries) {
    const size_t wanted = std::bit_ceil(entries * 8 / 5 + 1024);
    if (wanted > slots_.size()) resize(wanted);
  }
  /// For what `find` did not find.
  void insert(Fingerprint print, uint32_t id) {
    if ((used_ + 1) * 8 > slots_.size() * 5) resize(slots_.empty() ? 1024 : slots_.size() * 2);
    place({static_cast<uint32_t>(print), static_cast<uint32_t>(print >> 32), id});
    ++used_;
  }

  void release() noexcept {
    slots_ = {};
    used_ = 0;
  }
  size_t bytes() const noexcept { return slots_.bytes(); }

private:
  struct Slot {
    uint32_t low;
    uint32_t high;
    uint32_t id;

    Fingerprint print() const noexcept { return static_cast<uint64_t>(high) << 32 | low; }
  };

  void place(const Slot &added) noexcept {
    const size_t mask = slots_.size() - 1;
    size_t at = added.print() & mask;
    while (slots_[at].id != kNotFound) at = (at + 1) & mask;
    slots_[at] = added;
  }
  void resize(size_t slots) {
    const PodVector<Slot> old = std::move(slots_);
    slots_.resize_uninitialized(slots);
    std::memset(static_cast<void *>(slots_.data()), 0xff, slots_.size() * sizeof(Slot));
    for (const Slot &slot : old)
      if (slot.id != kNotFound) place(slot);
  }

  PodVector<Slot> slots_;
  size_t used_ = 0;
};

} // namespace profcore::pprof
