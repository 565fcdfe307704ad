#include "base/pod_vector.hpp"

#include <sys/mman.h>

namespace profcore {

void *reallocate_pages(void *block, size_t old_bytes, size_t new_bytes) {
  constexpr size_t kHuge = size_t{2} << 20;
  void *moved = std::realloc(block, new_bytes);
  if (moved == nullptr) throw std::bad_alloc{};
  if (new_bytes > old_bytes && new_bytes >= 4 * kHuge) {
    const uintptr_t begin = (reinterpret_cast<uintptr_t>(moved) + kHuge - 1) & ~(kHuge - 1);
    const uintptr_t end = (reinterpret_cast<uintptr_t>(moved) + new_bytes) & ~(kHuge - 1);
    if (end > begin) madvise(reinterpret_cast<void *>(begin), end - begin, MADV_HUGEPAGE);
  }
  return moved;
}

} // namespace profcore
