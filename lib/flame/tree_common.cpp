#include "flame/tree.hpp"

namespace profcore {

size_t FlameTree::bytes() const noexcept {
  return sizeof *this + strings.bytes() + frames.bytes() + frame.bytes() + parent.bytes() +
         depth.bytes() + subtree_end.bytes() + self.bytes() + total.bytes() + base_self.bytes() +
         base_total.bytes() + meta.capacity() * sizeof meta[0];
}

} // namespace profcore
