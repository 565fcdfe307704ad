#pragma once

#include "base/error.hpp"
#include "base/hash.hpp"
#include "base/intern_index.hpp"
#include "model/profile.hpp"

#include <cstdint>
#include <cstring>
#include <string_view>

namespace profcore {

/// The distinct frame texts of a collapsed file and what each became.
///
/// Texts are copied one behind the other, each after its size and location, and the index gives the
/// place, so a look-up touches little memory, and close together: the slot, and the entry with its
/// text.
class CollapsedFrames {
public:
  CollapsedFrames() : seed_{random_hash_seed()} {}

  size_t size() const noexcept { return index_.size(); }
  size_t bytes() const noexcept { return entries_.bytes() + index_.bytes(); }

  /// `make()` gives the location of a text that is new.
  template <class Make> LocationId find_or_add(std::string_view text, Make &&make) {
    const uint32_t place = index_.find_or_insert(
        hash_text(text.data(), text.size(), seed_),
        [&](uint32_t other) {
          const char *const entry = at(other);
          return head_of(entry).size == text.size() &&
                 std::memcmp(entry + sizeof(Head), text.data(), text.size()) == 0;
        },
        [&] { return append(text, make()); });
    return head_of(at(place)).location;
  }

private:
  struct Head {
    uint64_t size;
    LocationId location;
    uint32_t reserved;
  };
  static constexpr size_t kAlign = 8; ///< places count in these, so 32 bits reach 32 GB

  /// Sixteen bytes a multiplication, keyed by a seed that input cannot know. No read past the end.
  static uint64_t hash_text(const char *text, size_t size, uint64_t seed) noexcept {
    const auto mix = [](uint64_t a, uint64_t b) {
      const uint128_t product = static_cast<uint128_t>(a) * b;
      return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
    };
    const uint64_t other = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    uint64_t hash = seed ^ size;
    if (size >= 16) {
      size_t at = 0;
      for (; at + 16 < size; at += 16)
        hash = mix(load_u64(text + at) ^ other, load_u64(text + at + 8) ^ hash);
      return mix(load_u64(text + size - 16) ^ other, load_u64(text + size - 8) ^ hash) ^ hash;
    }
    uint64_t low = 0;
    uint64_t high = 0;
    if (size >= 8) {
      low = load_u64(text);
      high = load_u64(text + size - 8);
    } else {
      std::memcpy(&low, text, size);
    }
    return mix(low ^ other, high ^ hash) ^ hash;
  }

  static uint64_t load_u64(const char *at) noexcept {
    uint64_t value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }
  static Head head_of(const char *entry) noexcept {
    Head head;
    std::memcpy(&head, entry, sizeof head);
    return head;
  }
  const char *at(uint32_t place) const noexcept { return entries_.data() + size_t{place} * kAlign; }

  uint32_t append(std::string_view text, LocationId location) {
    const size_t place = entries_.size() / kAlign;
    if (place >= UINT32_MAX - 1 || index_.size() >= UINT32_MAX - 1)
      throw Error{Status::kLimit, "more than 32 GB of distinct frames"};
    const Head head{text.size(), location, 0};
    const size_t size = sizeof head + text.size();
    entries_.reserve_more(size + kAlign);
    entries_.append({reinterpret_cast<const char *>(&head), sizeof head});
    entries_.append({text.data(), text.size()});
    entries_.resize((entries_.size() + kAlign - 1) / kAlign * kAlign, 0);
    return static_cast<uint32_t>(place);
  }

  PodVector<char> entries_;
  InternIndex index_;
  uint64_t seed_;
};

} // namespace profcore
