#pragma once

#include "base/hash.hpp"
#include "model/jvm_facts.hpp"
#include "sources/decode/jfr/chunk.hpp"

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace profcore::jfr {

/// Gathers the facts of a recording's events, chunk after chunk. Apart from the mapper of samples,
/// so that who asks for no metrics pays nothing for them.
class JvmFactReader {
public:
  bool wants_event(const Type &type) const noexcept;
  bool wants_pool(const Type &type) const noexcept;
  void add(const Chunk &chunk);
  /// From the profile's samples, which know their periods.
  void add_column(JvmFact fact, int64_t rows, int64_t sum) noexcept;
  /// What it all comes to.
  JvmFacts finish();
  /// Threads past a bound, which were left out.
  uint64_t lost_threads() const noexcept { return lost_; }
  /// Values that cannot be, which were left out: negative, not finite, "for ever".
  uint64_t unusable_values() const noexcept { return unusable_; }

private:
  /// A rule and where the fields are that it looks at, in an event type of this chunk.
  struct Bound {
    const JvmFactRule *rule;
    uint32_t field, second, only, start, thread;
  };
  /// A counter's first and last value, by time.
  struct Counter {
    bool is_known = false;
    int64_t first_ns = 0, last_ns = 0;
    int64_t first = 0, last = 0;

    void add(int64_t time_ns, int64_t value) noexcept;
    int64_t gained() const noexcept;
  };
  struct ChunkState;

  void read_settings(const Chunk &chunk);
  void read_event(ChunkState &state, TypeIndex index, const std::vector<Bound> &bounds);

  static constexpr size_t kMostKeys = size_t{1} << 16;

  JvmFacts facts_;
  std::array<Counter, kJvmFacts> counters_{};
  std::unordered_map<uint64_t, Counter, SeededHash> by_thread_;
  std::unordered_set<uint64_t, SeededHash> distinct_;
  uint64_t lost_ = 0;
  uint64_t unusable_ = 0;
};

} // namespace profcore::jfr
