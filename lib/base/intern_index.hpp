#pragma once

#include "base/pod_vector.hpp"

#include <bit>
#include <cstdint>

namespace profcore {

/// Open-addressing index from hash to id, for tables whose entries live elsewhere (strings,
/// locations, trie nodes ...). A slot holds 32 hash bits and the id: 8 bytes an entry, and most
/// misses are told without touching the entry. Linear probing, load at most 5/8.
class InternIndex {
public:
  static constexpr uint32_t kNotFound = UINT32_MAX;

  size_t size() const noexcept { return size_; }
  size_t bytes() const noexcept { return slots_.bytes(); }

  void reserve(size_t entries) {
    const size_t wanted = std::bit_ceil(entries + entries * 5 / 8 + 16);
    if (wanted > slots_.size()) rehash(wanted);
  }
  void clear() noexcept {
    slots_ = {};
    size_ = 0;
  }
  void prefetch(uint64_t hash) const noexcept {
    if (!slots_.empty()) __builtin_prefetch(&slots_[fold(hash) & (slots_.size() - 1)]);
  }

  /// The first entry whose hash bits agree, unproved, or kNotFound when there is none: for callers
  /// that prefetch entries before they compare them.
  uint32_t candidate(uint64_t hash) const noexcept {
    if (slots_.empty()) return kNotFound;
    const uint32_t tag = fold(hash);
    const size_t mask = slots_.size() - 1;
    for (size_t at = tag & mask;; at = (at + 1) & mask)
      if (slots_[at].is_empty() || slots_[at].tag == tag) return slots_[at].id();
  }

  template <class Equal> uint32_t find(uint64_t hash, Equal &&equal) const {
    if (slots_.empty()) return kNotFound;
    const uint32_t tag = fold(hash);
    const size_t mask = slots_.size() - 1;
    for (size_t at = tag & mask;; at = (at + 1) & mask) {
      const Slot slot = slots_[at];
      if (slot.is_empty()) return kNotFound;
      if (slot.tag == tag && equal(slot.id())) return slot.id();
    }
  }

  /// `make()` appends the entry and returns its id; it is called only when no entry is equal.
  template <class Equal, class Make>
  uint32_t find_or_insert(uint64_t hash, Equal &&equal, Make &&make) {
    if ((size_ + 1) * 8 > slots_.size() * 5) rehash(slots_.empty() ? 64 : slots_.size() * 2);
    const uint32_t tag = fold(hash);
    const size_t mask = slots_.size() - 1;
    for (size_t at = tag & mask;; at = (at + 1) & mask) {
      const Slot slot = slots_[at];
      if (slot.is_empty()) {
        const uint32_t id = make();
        slots_[at] = {tag, ~id};
        ++size_;
        return id;
      }
      if (slot.tag == tag && equal(slot.id())) return slot.id();
    }
  }

private:
  /// All zero when empty, as fresh pages are.
  struct Slot {
    uint32_t tag;
    uint32_t inverse_id;

    bool is_empty() const noexcept { return inverse_id == 0; }
    uint32_t id() const noexcept { return ~inverse_id; }
  };

  static uint32_t fold(uint64_t hash) noexcept {
    return static_cast<uint32_t>(hash ^ (hash >> 32));
  }

  void rehash(size_t capacity) {
    PodVector<Slot> grown;
    grown.assign_zeros(capacity);
    const size_t mask = capacity - 1;
    for (const Slot &slot : slots_) {
      if (slot.is_empty()) continue;
      size_t at = slot.tag & mask;
      while (!grown[at].is_empty()) at = (at + 1) & mask;
      grown[at] = slot;
    }
    slots_ = std::move(grown);
  }

  PodVector<Slot> slots_;
  size_t size_ = 0;
};

} // namespace profcore
