#pragma once

// From an address to what covers it, for every kind of symbol there is.
//
// Ranges come in any order and may overlap (a local label inside of a function, a method compiled
// again where an older one was). Building sorts them (radix sort over the bits that differ) and
// flattens them by a sweep with a heap into disjoint pieces, each owned by the covering range of
// highest priority: O(n log n), at most 2n pieces, whatever the overlaps. So a look-up finds the
// last piece that starts at or before the address, looks at that one only, and never needs to walk
// back; what lies between two pieces belongs to nobody.
//
// A piece is 12 bytes {u32 start, u32 size, u32 value}, or 8 where most pieces touch the next one
// (a kernel's): then there are no sizes, and holes are pieces of no value. Starts are relative to
// the segment's base, and a new segment begins where they would pass 32 bits (2 or 3 of them for a
// kernel or a JIT).
// The search goes through a table of buckets (start's high bits, about one bucket per two pieces)
// and ends with a branch-free binary search in the bucket: two or three cache misses. Plain binary
// search misses 8 times on 35 k symbols, and the Eytzinger layout, as fast on even data, would need
// a permutation of the pieces besides. Uneven data (all in one bucket) costs a full binary search.

#include "base/pod_vector.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace profcore {

/// A range that covers [start, start + size) and means `value`. Where several cover an address, the
/// one of highest `priority` wins; equal priorities: the later one in the list.
struct AddressRange {
  uint64_t start;
  uint32_t size;
  uint32_t value;
  uint32_t priority;
  uint32_t spare = 0; ///< the builder's
};

class RangeTable {
public:
  static constexpr uint32_t kNotFound = UINT32_MAX;

  struct Piece {
    uint64_t start;
    uint32_t size;
    uint32_t value;
  };

  RangeTable() = default;
  /// `ranges` is used up as working memory. Empty ranges are dropped.
  static RangeTable build(PodVector<AddressRange> &&ranges);
  /// Pieces sorted by start that do not overlap and are not empty.
  static RangeTable from_pieces(std::span<const Piece> pieces);

  /// The value of the range that covers the address, or kNotFound.
  uint32_t find(uint64_t address) const noexcept {
    for (const Segment &segment : segments_) {
      const uint64_t key = address - segment.base;
      if (key <= UINT32_MAX) {
        const uint32_t found = segment.find(static_cast<uint32_t>(key), *this);
        if (found != kNotFound) return found;
      }
    }
    return kNotFound;
  }

  size_t size() const noexcept { return starts_.size(); }
  size_t bytes() const noexcept {
    return starts_.bytes() + sizes_.bytes() + values_.bytes() + buckets_.bytes() +
           segments_.capacity() * sizeof(Segment);
  }
  /// Calls `take(piece)` for all of them, in order of address.
  template <class Take> void for_each(Take &&take) const {
    for (const Segment &segment : segments_)
      for (uint32_t i = segment.first; i < segment.last; ++i)
        if (values_[i] != kNotFound)
          take(Piece{segment.base + starts_[i],
                     sizes_.empty() ? starts_[i + 1] - starts_[i] : sizes_[i], values_[i]});
  }
  uint64_t lowest() const noexcept { return segments_.empty() ? 0 : segments_.front().base; }

private:
  struct Segment {
    uint64_t base;
    uint32_t first;  ///< piece
    uint32_t last;   ///< one past
    uint32_t bucket; ///< first of its buckets; there is one more than `last_bucket` + 1
    uint32_t last_bucket;
    uint32_t shift;

    uint32_t find(uint32_t key, const RangeTable &table) const noexcept {
      uint32_t at = key >> shift;
      at = bucket + (at < last_bucket ? at : last_bucket);
      // Pieces [low, high) begin in this bucket; the one before may reach into it.
      const uint32_t low = table.buckets_[at];
      const uint32_t high = table.buckets_[at + 1];
      const uint32_t *base_start = table.starts_.data() + low;
      uint32_t count = high - low;
      while (count > 1) {
        const uint32_t half = count / 2;
        base_start += base_start[half - 1] <= key ? half : 0;
        count -= half;
      }
      auto index = static_cast<uint32_t>(base_start - table.starts_.data());
      index += static_cast<uint32_t>(count == 1 && *base_start <= key);
      if (index == first) return kNotFound;
      --index;
      if (!table.sizes_.empty() && key - table.starts_[index] >= table.sizes_[index])
        return kNotFound;
      return table.values_[index];
    }
  };

  void add_segment(std::span<const Piece> pieces, bool with_sizes);

  PodVector<uint32_t> starts_;
  PodVector<uint32_t> sizes_; ///< or empty: each piece reaches to the next
  PodVector<uint32_t> values_;
  PodVector<uint32_t> buckets_;
  std::vector<Segment> segments_;
};

/// Cuts ranges sorted by start into disjoint pieces; see above.
void flatten_ranges(std::span<const AddressRange> sorted, PodVector<RangeTable::Piece> &pieces);
/// Sorts by start; equal starts keep their order.
void sort_ranges(PodVector<AddressRange> &ranges);

} // namespace profcore
