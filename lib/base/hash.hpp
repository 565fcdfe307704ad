#pragma once

#include <cstdint>
#include <string_view>

namespace profcore {

__extension__ typedef unsigned __int128 uint128_t;
__extension__ typedef __int128 int128_t;

/// A seed that input cannot know: tables keyed by hostile data stay linear. It never shows in any
/// result, since ids are given in order of insertion.
uint64_t random_hash_seed() noexcept;

/// XXH3 of the bytes.
uint64_t hash_bytes(const void *data, size_t size, uint64_t seed) noexcept;

inline uint64_t hash_bytes(std::string_view text, uint64_t seed) noexcept {
  return hash_bytes(text.data(), text.size(), seed);
}

/// Folded 64x64->128 multiply: one multiplication, all bits of the key reach all bits of the
/// result.
inline uint64_t hash_u64(uint64_t key, uint64_t seed) noexcept {
  const uint128_t product =
      static_cast<uint128_t>(key ^ seed) * ((seed << 1 ^ UINT64_C(0x9e3779b97f4a7c15)) | 1);
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

/// For standard tables whose keys are the input's: with std::hash, which gives a number back as it
/// is, keys can be chosen to fall into one bucket.
struct SeededHash {
  uint64_t seed = random_hash_seed();
  size_t operator()(uint64_t key) const noexcept {
    return static_cast<size_t>(hash_u64(key, seed));
  }
};

inline uint64_t hash_combine(uint64_t hash, uint64_t value, uint64_t seed) noexcept {
  return hash_u64(hash + UINT64_C(0x9e3779b97f4a7c15) + value, seed);
}

} // namespace profcore
