#pragma once

#include "base/arena.hpp"
#include "model/profile.hpp"
#include "sources/decode/jfr/chunk.hpp"
#include "sources/decode/jfr/text_ids.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace profcore::jfr {

class StackReader;

/// Label sets of one chunk's samples: thread and tid, state, what was allocated or waited for. Sets
/// are looked up by the numbers of their parts; text is touched when a combination is new.
class SampleLabels {
public:
  SampleLabels(Profile &profile, const Chunk &chunk, StackReader &stacks);

  /// Keys into the chunk's pools; 0 with `has_...` false is none.
  struct Parts {
    bool has_thread = false, has_state = false, has_class = false;
    uint64_t thread = 0, state = 0, of_class = 0;
    std::string_view class_key = "class";
    TypeIndex state_type = kNoType;
    std::span<const Label> more; ///< interned; what has any is not kept in the look-up
  };
  LabelSetId find(const Parts &parts);
  /// The name of a thread state as the recording has it ("STATE_RUNNABLE").
  std::string_view state_name(TypeIndex type, uint64_t key);

private:
  struct Key {
    uint64_t thread, state, of_class;
    uint32_t has, state_type;
    bool operator==(const Key &) const = default;
  };
  struct Slot {
    Key key;
    uint32_t set; ///< + 1; 0 = empty
    uint32_t unused;
  };

  size_t slot_of(const Key &key) const noexcept;
  void grow();

  struct Thread {
    Label name, id;
    bool has_name = false, has_id = false;
  };

  LabelSetId make(const Parts &parts);
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
  PodVector<Slot> slots_;
  size_t used_ = 0;
};

} // namespace profcore::jfr
