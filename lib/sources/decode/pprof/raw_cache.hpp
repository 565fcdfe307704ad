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

  /// `size` is at most kMaxBytes; `readable_end` says how far a load may go. `kUsual` bytes, zeros
  /// where the run is shorter, are always taken, since how many 16-byte pieces it has cannot be
  /// foretold.
  template <size_t kUsual>
  Fingerprint of(const uint8_t *bytes, size_t size, const uint8_t *readable_end) const noexcept {
    static_assert(kUsual % 16 == 0 && kUsual <= kMasked);
    if (readable_end - bytes < static_cast<ptrdiff_t>(kUsual)) [[unlikely]] {
      std::array<uint8_t, kUsual> copy{};
      if (size <= kUsual) {
        if (size != 0) std::memcpy(copy.data(), bytes, size);
        return of<kUsual>(copy.data(), size, copy.data() + kUsual);
      }
    }
    uint128_t sum = product(size, 0, key_.data());
    const uint64_t *key = key_.data() + 2;
    const uint8_t *const mask = kMasks.data() + kMasked - (size < kUsual ? size : kUsual);
    const auto masked = [&](size_t at) {
      return wire::load_little_endian(bytes + at) & wire::load_little_endian(mask + at);
    };
    for (size_t at = 0; at < kUsual; at += 16, key += 2)
      sum += product(masked(at), masked(at + 8), key);
    if (size > kUsual) [[unlikely]]
      sum += of_rest(bytes + kUsual, size - kUsual, key);
    return hash_u64(static_cast<uint64_t>(sum) ^ final_key_, static_cast<uint64_t>(sum >> 64));
  }

private:
  static constexpr size_t kMasked = 64;
  static constexpr auto kMasks = [] {
    std::array<uint8_t, 2 * kMasked> masks{};
    for (size_t i = 0; i < kMasked; ++i) masks[i] = 0xff;
    return masks;
  }();

  uint128_t of_rest(const uint8_t *bytes, size_t left, const uint64_t *key) const noexcept {
    uint128_t sum = 0;
    for (; left >= 16; left -= 16, bytes += 16, key += 2)
      sum += product(wire::load_little_endian(bytes), wire::load_little_endian(bytes + 8), key);
    std::array<uint8_t, 16> last{};
    if (left != 0) std::memcpy(last.data(), bytes, left);
    return sum + product(wire::load_little_endian(last.data()),
                         wire::load_little_endian(last.data() + 8), key);
  }
  static uint128_t product(uint64_t a, uint64_t b, const uint64_t *key) noexcept {
    return static_cast<uint128_t>(a + key[0]) * (b + key[1]);
  }

  std::array<uint64_t, 4 + kMaxBytes / 8> key_;
  uint64_t final_key_ = 0;
};

/// Remembers which id a run of raw input bytes was decoded to, so that equal bytes are not decoded
/// again. 12 bytes a slot, load at most 5/8: the tables should stay in the cache.
class RawCache {
public:
  /// All zero when empty, as fresh pages are. UINT32_MAX is no id.
  class Slot {
  public:
    uint32_t id() const noexcept { return ~inverse_id_; }
    void set_id(uint32_t id) noexcept { inverse_id_ = ~id; }

  private:
    friend class RawCache;

    bool is_empty() const noexcept { return inverse_id_ == 0; }
    Fingerprint print() const noexcept { return static_cast<uint64_t>(high_) << 32 | low_; }

    uint32_t low_;
    uint32_t high_;
    uint32_t inverse_id_;
  };

  /// Inline always: gcc 12 takes a function that only prefetches for one without effects.
  [[gnu::always_inline]] void prefetch(Fingerprint print) const noexcept {
    __builtin_prefetch(&slots_[print & (slots_.size() - 1)], 1);
  }
  /// The slot of `print`, which gets `id` when there was none. There is room: see `reserve_more`.
  Slot &find_or_insert(Fingerprint print, uint32_t id) noexcept {
    const size_t mask = slots_.size() - 1;
    for (size_t at = print & mask;; at = (at + 1) & mask) {
      Slot &slot = slots_[at];
      if (slot.is_empty()) {
        fill(slot, print, id);
        ++used_;
        return slot;
      }
      if (slot.print() == print) return slot;
    }
  }

  /// Until that many more are inserted no slot moves.
  void reserve_more(size_t entries) {
    const size_t wanted = std::bit_ceil((used_ + entries) * 8 / 5 + 16);
    if (wanted > slots_.size()) resize(wanted);
  }
  void release() noexcept {
    slots_ = {};
    used_ = 0;
  }
  size_t used() const noexcept { return used_; }
  size_t bytes() const noexcept { return slots_.bytes(); }

private:
  static void fill(Slot &slot, Fingerprint print, uint32_t id) noexcept {
    slot.low_ = static_cast<uint32_t>(print);
    slot.high_ = static_cast<uint32_t>(print >> 32);
    slot.set_id(id);
  }
  void resize(size_t slots) {
    PodVector<Slot> grown;
    grown.assign_zeros(slots);
    const size_t mask = slots - 1;
    for (const Slot &slot : slots_) {
      if (slot.is_empty()) continue;
      size_t at = slot.print() & mask;
      while (!grown[at].is_empty()) at = (at + 1) & mask;
      grown[at] = slot;
    }
    slots_ = std::move(grown);
  }

  PodVector<Slot> slots_;
  size_t used_ = 0;
};

} // namespace profcore::pprof
