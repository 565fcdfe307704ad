#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench {

// xoshiro256** seeded by splitmix64. Integers only: the same seed gives the same bytes everywhere,
// which the distributions of <random> do not promise.
class Random {
public:
  explicit Random(std::uint64_t seed) {
    for (auto &word : state_) {
      seed += 0x9e3779b97f4a7c15u;
      word = mix(seed);
    }
  }

  std::uint64_t next() {
    const std::uint64_t result = rotate(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = rotate(state_[3], 45);
    return result;
  }

  std::uint32_t below(std::uint32_t bound) {
    return static_cast<std::uint32_t>(((next() >> 32) * bound) >> 32);
  }

  std::uint32_t between(std::uint32_t low, std::uint32_t high) {
    return low + below(high - low + 1);
  }

  bool chance(std::uint32_t percent) { return below(100) < percent; }

  // Small numbers are the likeliest: cube of a uniform number, so a tenth gets nearly half.
  std::uint32_t skewed_below(std::uint32_t bound) {
    const std::uint64_t u = next() >> 43;
    return static_cast<std::uint32_t>((((u * u) >> 21) * u * bound) >> 42);
  }

  // Failures before the first success, with success probability 1 / (mean + 1).
  std::uint32_t geometric(std::uint32_t mean) {
    std::uint32_t failures = 0;
    while (below(mean + 1) != 0) ++failures;
    return failures;
  }

  template <class T> void shuffle(std::vector<T> &items) {
    for (std::size_t i = items.size(); i > 1; --i)
      std::swap(items[i - 1], items[below(static_cast<std::uint32_t>(i))]);
  }

  static std::uint64_t mix(std::uint64_t value) {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
  }

private:
  static std::uint64_t rotate(std::uint64_t value, int bits) {
    return (value << bits) | (value >> (64 - bits));
  }

  std::array<std::uint64_t, 4> state_{};
};

// Open addressing set of hashes; zero stands for an empty slot.
class HashSet {
public:
  bool insert(std::uint64_t hash) {
    if (hash == 0) hash = 1;
    if ((size_ + 1) * 2 > slots_.size()) grow();
    if (!place(hash)) return false;
    ++size_;
    return true;
  }

  std::size_t size() const { return size_; }

private:
  bool place(std::uint64_t hash) {
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t i = hash & mask;; i = (i + 1) & mask) {
      if (slots_[i] == hash) return false;
      if (slots_[i] == 0) {
        slots_[i] = hash;
        return true;
      }
    }
  }

  void grow() {
    std::vector<std::uint64_t> old(slots_.empty() ? 1024 : slots_.size() * 2);
    old.swap(slots_);
    for (std::uint64_t hash : old)
      if (hash != 0) place(hash);
  }

  std::vector<std::uint64_t> slots_;
  std::size_t size_ = 0;
};

} // namespace bench
