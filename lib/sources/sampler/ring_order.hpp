#pragma once

#include "sources/sampler/perf_records.hpp"
#include "sources/sampler/perf_ring.hpp"

#include <cstdint>
#include <optional>
#include <queue>
#include <span>
#include <vector>

namespace profcore::sampler {

/// Calls `take(size_t ring, uint64_t time, std::span<const uint8_t> record)` for every record that
/// is in the rings now and was made until then, the oldest first. A record is valid during the
/// call, and used where it lies.
template <class Take> void read_in_order(std::span<PerfRing> rings, uint64_t until, Take &&take) {
  struct Next {
    uint64_t time;
    size_t ring;
    std::span<const uint8_t> record;
    bool operator<(const Next &other) const { return time > other.time; } // the oldest on top
  };
  std::vector<uint64_t> heads(rings.size());
  std::priority_queue<Next> queue;
  const auto look_at = [&](size_t ring) {
    for (;;) {
      const std::span<const uint8_t> record = rings[ring].front(heads[ring]);
      if (record.empty()) return;
      if (const std::optional<uint64_t> time = time_of(record)) {
        queue.push({*time, ring, record});
        return;
      }
      rings[ring].note_damage();
      rings[ring].pop(record.size());
    }
  };
  for (size_t i = 0; i < rings.size(); ++i) {
    heads[i] = rings[i].head();
    look_at(i);
  }
  while (!queue.empty() && queue.top().time <= until) {
    const Next next = queue.top();
    queue.pop();
    take(next.ring, next.time, next.record);
    rings[next.ring].pop(next.record.size());
    look_at(next.ring);
  }
}

} // namespace profcore::sampler
