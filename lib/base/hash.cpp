#include "base/hash.hpp"

#include <ctime>
#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace profcore {

uint64_t random_hash_seed() noexcept {
  uint64_t seed = 0;
  if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != static_cast<ssize_t>(sizeof seed)) {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    seed = static_cast<uint64_t>(now.tv_nsec) * UINT64_C(0x9e3779b97f4a7c15) ^
           reinterpret_cast<uintptr_t>(&seed);
  }
  return seed;
}

uint64_t hash_bytes(const void *data, size_t size, uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(data, size, seed);
}

} // namespace profcore
