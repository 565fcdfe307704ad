// Blocks of PodVector. Small ones are malloc's. Large ones are mapped here, aligned to huge pages
// and asking for them: a decode touches most of its memory for the first time and then at random,
// and with 4 KB pages the faults and TLB misses of that cost more than the decoding. They grow by
// moving page tables to another aligned address, so no byte is copied and growth never holds two
// copies.

#include "base/pod_vector.hpp"

#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define PROFCORE_MAP_LARGE_BLOCKS 0 // mapped blocks have no red zones
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define PROFCORE_MAP_LARGE_BLOCKS 0
#endif
#endif
#ifndef PROFCORE_MAP_LARGE_BLOCKS
#define PROFCORE_MAP_LARGE_BLOCKS 1
#endif

namespace profcore {
namespace {

constexpr size_t kHuge = size_t{2} << 20;
// From here on zeroing a huge page costs less than the faults on 4 KB pages would.
constexpr size_t kLarge = PROFCORE_MAP_LARGE_BLOCKS ? kHuge / 2 : SIZE_MAX;

bool is_large(size_t bytes) noexcept {
  return bytes >= kLarge;
}

size_t mapped_size(size_t bytes) {
  if (bytes > SIZE_MAX / 2) throw std::bad_alloc{};
  return (bytes + kHuge - 1) & ~(kHuge - 1);
}

/// An aligned range of `size` bytes; the parts cut off on both sides are given back.
char *map_aligned(size_t size, int protection) {
  void *mapped =
      mmap(nullptr, size + kHuge, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc{};
  char *const from = static_cast<char *>(mapped);
  const size_t before = (kHuge - (reinterpret_cast<uintptr_t>(from) & (kHuge - 1))) & (kHuge - 1);
  if (before != 0) munmap(from, before);
  if (before != kHuge) munmap(from + before + size, kHuge - before);
  return from + before;
}

char *map_block(size_t size) {
  char *block = map_aligned(size, PROT_READ | PROT_WRITE);
  madvise(block, size, MADV_HUGEPAGE); // only advice: may fail
  return block;
}

void *resize_mapped(void *block, size_t old_size, size_t new_size) {
  if (old_size == new_size) return block;
  if (new_size < old_size) {
    munmap(static_cast<char *>(block) + new_size, old_size - new_size);
    return block;
  }
  if (mremap(block, old_size, new_size, 0) != MAP_FAILED) return block;
  char *const target = map_aligned(new_size, PROT_NONE);
  void *moved = mremap(block, old_size, new_size, MREMAP_MAYMOVE | MREMAP_FIXED, target);
  if (moved != MAP_FAILED) return moved;
  munmap(target, new_size);
  throw std::bad_alloc{};
}

} // namespace

void *reallocate_pages(void *block, size_t old_bytes, size_t new_bytes) {
  if (block == nullptr) old_bytes = 0;
  if (is_large(old_bytes) && is_large(new_bytes))
    return resize_mapped(block, mapped_size(old_bytes), mapped_size(new_bytes));
  if (!is_large(old_bytes) && !is_large(new_bytes)) {
    void *moved = std::realloc(block, new_bytes);
    if (moved == nullptr) throw std::bad_alloc{};
    return moved;
  }
  void *fresh = is_large(new_bytes) ? map_block(mapped_size(new_bytes)) : std::malloc(new_bytes);
  if (fresh == nullptr) throw std::bad_alloc{};
  if (block != nullptr) {
    std::memcpy(fresh, block, old_bytes < new_bytes ? old_bytes : new_bytes);
    release_pages(block, old_bytes);
  }
  return fresh;
}

void *allocate_zeroed_pages(size_t bytes) {
  void *fresh = is_large(bytes) ? map_block(mapped_size(bytes)) : std::calloc(bytes, 1);
  if (fresh == nullptr) throw std::bad_alloc{};
  return fresh;
}

bool grows_by_zeros(size_t bytes) noexcept {
  return is_large(bytes);
}

void release_pages(void *block, size_t bytes) noexcept {
  if (block == nullptr) return;
  if (is_large(bytes))
    munmap(block, (bytes + kHuge - 1) & ~(kHuge - 1));
  else
    std::free(block);
}

} // namespace profcore
