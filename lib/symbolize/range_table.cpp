#include "symbolize/range_table.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <bit>
#include <numeric>

namespace profcore {
namespace {

using Piece = RangeTable::Piece;

uint64_t last_of(const Piece &piece) noexcept {
  return piece.start + (piece.size - 1);
}

void append_piece(PodVector<Piece> &pieces, uint64_t start, uint64_t end, uint32_t value) {
  if (end <= start) return;
  const auto size = static_cast<uint32_t>(std::min<uint64_t>(end - start, UINT32_MAX));
  if (!pieces.empty()) {
    Piece &last = pieces.back();
    const uint64_t together = uint64_t{last.size} + size;
    if (last.value == value && last.start + last.size == start && together <= UINT32_MAX) {
      last.size = static_cast<uint32_t>(together);
      return;
    }
  }
  pieces.push_back({start, size, value});
}

uint64_t end_of(const AddressRange &range) noexcept {
  return range.start > UINT64_MAX - range.size ? UINT64_MAX : range.start + range.size;
}

} // namespace

void sort_ranges(PodVector<AddressRange> &ranges) {
  const auto by_start = [](const AddressRange &a, const AddressRange &b) {
    return a.start < b.start;
  };
  if (std::is_sorted(ranges.begin(), ranges.end(), by_start)) return;
  if (ranges.size() < 256) {
    std::stable_sort(ranges.begin(), ranges.end(), by_start);
    return;
  }
  // Indices are moved, entries once at the end.
  struct Key {
    uint64_t start;
    uint32_t index;
  };
  const size_t count = ranges.size();
  if (count > UINT32_MAX) throw Error{Status::kLimit, "more than 4294967295 symbols"};
  PodVector<Key> keys;
  keys.resize_uninitialized(count);
  uint64_t differ = 0;
  for (size_t i = 0; i < count; ++i) {
    keys[i] = {ranges[i].start, static_cast<uint32_t>(i)};
    differ |= ranges[i].start ^ ranges[0].start;
  }
  PodVector<Key> other;
  other.resize_uninitialized(count);
  constexpr unsigned kDigit = 11;
  constexpr uint64_t kMask = (uint64_t{1} << kDigit) - 1;
  uint32_t counts[kMask + 1];
  for (unsigned shift = 0; shift < 64; shift += kDigit) {
    if ((differ >> shift & kMask) == 0) continue;
    std::fill(std::begin(counts), std::end(counts), 0U);
    for (const Key &key : keys) ++counts[key.start >> shift & kMask];
    uint32_t sum = 0;
    for (uint32_t &slot : counts) sum += std::exchange(slot, sum);
    for (const Key &key : keys) other[counts[key.start >> shift & kMask]++] = key;
    std::swap(keys, other);
  }
  other = {};
  PodVector<AddressRange> sorted;
  sorted.resize_uninitialized(count);
  for (size_t i = 0; i < count; ++i) sorted[i] = ranges[keys[i].index];
  ranges = std::move(sorted);
}

void flatten_ranges(std::span<const AddressRange> sorted, PodVector<Piece> &pieces) {
  pieces.reserve(sorted.size());
  // A max-heap of the ranges that have begun, best first; those that ended are dropped when they
  // come to its top.
  struct Active {
    uint64_t end;
    uint32_t priority;
    uint32_t index;
    uint32_t value;
  };
  const auto worse = [](const Active &a, const Active &b) {
    return a.priority != b.priority ? a.priority < b.priority : a.index < b.index;
  };
  std::vector<Active> heap;
  uint64_t at = 0; // everything before is in `pieces`
  const auto advance = [&](uint64_t until) {
    while (!heap.empty() && at < until) {
      const Active &top = heap.front();
      const uint64_t stop = std::min(top.end, until);
      if (stop > at) {
        append_piece(pieces, at, stop, top.value);
        at = stop;
      }
      if (top.end > until) break;
      if (heap.size() == 1) {
        heap.clear();
      } else {
        std::pop_heap(heap.begin(), heap.end(), worse);
        heap.pop_back();
      }
    }
    at = until;
  };
  for (size_t i = 0; i < sorted.size(); ++i) {
    const AddressRange &range = sorted[i];
    const uint64_t end = end_of(range);
    if (end <= range.start) continue;
    if (heap.empty())
      at = range.start;
    else
      advance(range.start);
    heap.push_back({end, range.priority, static_cast<uint32_t>(i), range.value});
    if (heap.size() > 1) std::push_heap(heap.begin(), heap.end(), worse);
  }
  if (!heap.empty()) advance(UINT64_MAX);
}

RangeTable RangeTable::build(PodVector<AddressRange> &&ranges) {
  PodVector<AddressRange> own = std::move(ranges);
  sort_ranges(own);
  PodVector<Piece> pieces;
  flatten_ranges(own.span(), pieces);
  own = {};
  return from_pieces(pieces.span());
}

RangeTable RangeTable::from_pieces(std::span<const Piece> pieces) {
  if (pieces.size() >= UINT32_MAX / 2) throw Error{Status::kLimit, "more than 2147483647 symbols"};
  size_t holes = 0;
  for (size_t i = 1; i < pieces.size(); ++i) holes += last_of(pieces[i - 1]) + 1 != pieces[i].start;
  const bool with_sizes = holes * 2 >= pieces.size();
  const size_t count = with_sizes ? pieces.size() : pieces.size() + holes + 1;
  RangeTable table;
  table.starts_.reserve(count);
  table.values_.reserve(count);
  if (with_sizes) table.sizes_.reserve(count);
  for (size_t from = 0; from < pieces.size();) {
    size_t to = from + 1;
    // The end of a segment's last piece must fit, too.
    while (to < pieces.size() && last_of(pieces[to]) - pieces[from].start < UINT32_MAX) ++to;
    table.add_segment(pieces.subspan(from, to - from), with_sizes);
    from = to;
  }
  table.starts_.shrink_to_fit();
  table.values_.shrink_to_fit();
  table.buckets_.shrink_to_fit();
  table.segments_.shrink_to_fit();
  return table;
}

void RangeTable::add_segment(std::span<const Piece> pieces, bool with_sizes) {
  Segment segment{};
  segment.base = pieces.front().start;
  segment.first = static_cast<uint32_t>(starts_.size());
  segment.bucket = static_cast<uint32_t>(buckets_.size());
  const uint64_t end = last_of(pieces.back()) + 1 - segment.base;
  const auto span = static_cast<uint32_t>(with_sizes ? pieces.back().start - segment.base
                                                     : std::min<uint64_t>(end, UINT32_MAX));
  const uint64_t wanted = std::bit_ceil(pieces.size() / 2 + 2); // so that shift < 32
  segment.shift = 0;
  while ((uint64_t{span} >> segment.shift) >= wanted) ++segment.shift;
  segment.last_bucket = span >> segment.shift;
  buckets_.reserve(buckets_.size() + segment.last_bucket + 2);
  uint32_t filled = 0;
  const auto add = [&](uint64_t start, uint32_t value) {
    for (; filled <= start >> segment.shift; ++filled)
      buckets_.push_back(static_cast<uint32_t>(starts_.size()));
    starts_.push_back(static_cast<uint32_t>(start));
    values_.push_back(value);
  };
  for (size_t i = 0; i < pieces.size(); ++i) {
    const Piece &piece = pieces[i];
    const uint64_t start = piece.start - segment.base;
    add(start, piece.value);
    if (with_sizes) {
      sizes_.push_back(piece.size);
      continue;
    }
    const uint64_t stop = start + piece.size;
    if (stop <= UINT32_MAX &&
        (i + 1 == pieces.size() || pieces[i + 1].start - segment.base != stop))
      add(stop, kNotFound);
  }
  segment.last = static_cast<uint32_t>(starts_.size());
  for (; filled <= segment.last_bucket + 1; ++filled) buckets_.push_back(segment.last);
  segments_.push_back(segment);
}

} // namespace profcore
