#pragma once

#include "base/arena.hpp"
#include "model/profile.hpp"
#include "sources/decode/jfr/chunk.hpp"
#include "sources/decode/jfr/text_ids.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace profcore::jfr {

class StackReader;

/// Label sets of one chunk's samples: thread and tid, state, what was allocated or waited for. Sets
/// are looked up by the numbers of their parts, first in a small cache (threads allocate the same
/// few classes again and again); text is touched when a combination is new.
class SampleLabels {
public:
  SampleLabels(Profile &profile, const Chunk &chunk, StackReader &stacks);

  enum Part : uint32_t { kThread = 1, kState = 2, kClass = 4 };
  /// Keys into the chunk's pools.
  struct Parts {
    uint64_t thread, state, of_class;
    uint32_t has; ///< which of them there are, of `Part`
    TypeIndex state_type;
    bool operator==(const Parts &) const = default;
  };
  LabelSetId find(const Parts &parts) {
    // Keys as large as nobody writes them, and states of a second type, have no place in the cache.
    if (parts.of_class >> 40 != 0 || parts.state >> 20 != 0 || parts.state_type != state_type_)
        [[unlikely]]
      return find_uncached(parts);
    const uint64_t rest = parts.of_class << 23 | parts.state << 3 | parts.has;
    Cached &cached =
        cache_[(parts.thread * multipliers_[0] + rest * multipliers_[1]) >> (64 - kCacheBits)];
    if (cached.thread != parts.thread || cached.rest != rest) [[unlikely]]
      cached = {parts.thread, rest, find_uncached(parts), 0};
    return cached.set;
  }
  /// With labels that are interned already; such sets are not kept in the look-up.
  LabelSetId make(const Parts &parts, std::span<const Label> more);
  /// The name of a thread state as the recording has it ("STATE_RUNNABLE").
  std::string_view state_name(TypeIndex type, uint64_t key);

private:
  struct Slot {
    Parts parts;
    uint32_t set; ///< + 1; 0 = empty
    uint32_t unused;
  };

  static constexpr int kCacheBits = 9;
  struct Cached {
    uint64_t thread = 0;
    uint64_t rest = UINT64_MAX; ///< never: it is empty
    LabelSetId set = 0;
    uint32_t unused = 0;
  };

  LabelSetId find_uncached(const Parts &parts);
  size_t slot_of(const Parts &parts) const noexcept;
  void grow();

  struct Thread {
    Label name, id;
    bool has_name = false, has_id = false;
  };

  void add_thread(uint64_t key);
  Thread read_thread(const uint8_t *at);

  Profile &profile_;
  const Chunk &chunk_;
  StackReader &stacks_;
  Arena arena_;
  TypeIndex thread_type_ = kNoType;
  uint32_t os_name_, os_id_, java_name_, java_id_;
  std::vector<FieldValue> values_;
  std::vector<Label> labels_; ///< scratch
  TextIds ids_;
  std::unordered_map<uint64_t, Thread, SeededHash> threads_; ///< by key
  uint64_t seed_;
  TypeIndex state_type_ = kNoType;      ///< the one whose states may be in the cache
  std::array<uint64_t, 2> multipliers_; ///< odd, and not to be known by who makes keys
  std::array<Cached, size_t{1} << kCacheBits> cache_{};
  PodVector<Slot> slots_;
  size_t used_ = 0;
};

} // namespace profcore::jfr
