#include "model/stack_trie.hpp"

#include <array>

namespace profcore {

void StackTrie::find_prefixes(std::span<Walk> walks) const {
  constexpr size_t kSideBySide = 64;
  struct Step {
    uint64_t key;
    uint64_t hash;
    uint32_t candidate;
    uint32_t walk;
  };
  std::array<Step, kSideBySide> steps;
  const auto key_of = [&](size_t id) { return pack(nodes_[id].parent, nodes_[id].location); };

  for (size_t first = 0; first < walks.size(); first += kSideBySide) {
    const size_t count = walks.size() - first < kSideBySide ? walks.size() - first : kSideBySide;
    for (size_t i = 0; i < count; ++i) steps[i].walk = static_cast<uint32_t>(first + i);
    size_t active = count;
    while (active > 0) {
      // First children stand next to their parent; whoever leaves that row needs the index.
      size_t kept = 0;
      for (size_t i = 0; i < active; ++i) {
        Walk &walk = walks[steps[i].walk];
        size_t at = walk.at;
        size_t left = walk.left;
        uint64_t key = 0;
        bool parted = false;
        while (left > 0 && at + 1 < nodes_.size()) {
          key = pack(static_cast<StackId>(at), walk.leaf_first[left - 1]);
          if (key_of(at + 1) != key) {
            parted = true;
            break;
          }
          ++at;
          --left;
        }
        walk.at = static_cast<StackId>(at);
        walk.left = left;
        if (!parted) continue;
        const uint64_t hash = hash_u64(key, seed_);
        index_.prefetch(hash);
        steps[kept++] = {key, hash, 0, steps[i].walk};
      }
      active = kept;
      kept = 0;
      for (size_t i = 0; i < active; ++i) {
        const uint32_t candidate = index_.candidate(steps[i].hash);
        if (candidate == InternIndex::kNotFound) continue;
        __builtin_prefetch(&nodes_[candidate]);
        steps[kept] = steps[i];
        steps[kept++].candidate = candidate;
      }
      active = kept;
      kept = 0;
      for (size_t i = 0; i < active; ++i) {
        uint32_t found = steps[i].candidate;
        if (key_of(found) != steps[i].key) [[unlikely]]
          found =
              index_.find(steps[i].hash, [&](uint32_t id) { return key_of(id) == steps[i].key; });
        if (found == InternIndex::kNotFound) continue;
        Walk &walk = walks[steps[i].walk];
        walk.at = found;
        --walk.left;
        steps[kept++] = steps[i];
      }
      active = kept;
    }
  }
}

} // namespace profcore
