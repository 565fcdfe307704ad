#pragma once

#include "base/arena.hpp"
#include "base/context.hpp"
#include "base/hash.hpp"
#include "model/profile.hpp"
#include "sources/decode/jfr/chunk.hpp"
#include "sources/decode/jfr/normalize.hpp"
#include "sources/decode/jfr/text_ids.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace profcore::jfr {

/// How names of methods are written.
struct NameForm {
  /// `java/lang/String.length` and `.native_symbol`, no mark where a stack was cut: as Pyroscope
  /// stores them. Else `java.lang.String.length` and `native_symbol`.
  bool pyroscope = false;
  Normalize normalize = Normalize::kNone;
};

/// Stack traces of one chunk as stacks of a profile, each made once and only when a sample has it.
///
/// A trace's bytes are read straight from the pool. A frame is four numbers (method, line, byte
/// code index, kind) in four bytes as a rule, and hardly ever in more than eight: those bytes, not
/// decoded, are the key of a cache of locations. Only what is not there is decoded, and looked up
/// in a table by its numbers; names are put together when a method is met first. Traces that follow
/// each other mostly have the same callers, whose bytes are then the same up to the end: those
/// frames are not even looked up. What is new in the trie is appended at once. Byte code indices
/// are not kept: frames that differ in nothing else are one location.
class StackReader {
public:
  StackReader(Profile &profile, const Chunk &chunk, const Context &context, NameForm form);

  /// The stack of a key into the StackTrace pool; 0 when there is none.
  StackId stack(uint64_t key) {
    const size_t at = place_of(key);
    if (at >= traces_.size() || key == 0) return 0;
    return traces_[at].position == 0 ? traces_[at].stack : read_stack(traces_[at]);
  }
  /// That a stack will be asked for soon, to be said twice: what the second time looks at is on its
  /// way into the cache since the first.
  void prefetch(uint64_t key) const noexcept {
    const uint64_t at = key - smallest_key_;
    if (by_key_ && at < traces_.size()) __builtin_prefetch(&traces_[static_cast<size_t>(at)]);
  }
  void prefetch_trace(uint64_t key) const noexcept {
    const size_t at = place_of(key);
    if (at >= traces_.size() || traces_[at].position == 0) return;
    const uint8_t *const trace = chunk_.begin() + traces_[at].position;
    const uint32_t ahead = std::min(traces_[at].length, kPrefetched);
    for (uint32_t i = 0; i < ahead; i += kCacheLine) __builtin_prefetch(trace + i);
    __builtin_prefetch(trace + traces_[at].length);
  }
  bool has_stack(uint64_t key) const noexcept {
    return frame_type_ != kNoType && chunk_.pool(trace_type_).find(key) != UINT32_MAX;
  }
  /// The location of a leaf frame that is no code: a class that was allocated, a phase.
  LocationId pseudo_location(std::string_view name, FrameKind kind);
  /// A class's name by its key, "" when it has none.
  std::string_view class_name(uint64_t key);

private:
  struct FrameShape {
    uint32_t fields = 0; ///< numbers per frame
    uint32_t method = UINT32_MAX, line = UINT32_MAX, kind = UINT32_MAX;
  };

  /// A trace: where it stands or, with position 0, its stack.
  struct Trace {
    PoolPosition position;
    union {
      uint32_t length; ///< in bytes
      StackId stack;
    };
  };
  static constexpr uint32_t kCacheLine = 64;
  static constexpr uint32_t kPrefetched = 8 * kCacheLine;

  void bind();
  void make_tables();
  /// Of `traces_`; not in it when there is no such trace.
  size_t place_of(uint64_t key) const noexcept {
    if (by_key_) [[likely]]
      return static_cast<size_t>(key - smallest_key_);
    return traces_.empty() ? 0 : chunk_.pool(trace_type_).find(key);
  }
  StackId read_stack(Trace &trace);
  StackId read_trace(const uint8_t *at, const uint8_t *end);
  bool read_odd_frames(const uint8_t *at, uint64_t count);
  StackId read_plain_trace(const uint8_t *at, const uint8_t *end, uint64_t count, bool truncated);
  size_t shared_frames(const uint8_t *begin, const uint8_t *end) const noexcept;
  LocationId truncated_location();
  void check_depth(uint64_t count, const uint8_t *at) const;
  LocationId decode_frame(const uint8_t *&at);
  bool read_four_number_frames(const uint8_t *at, const uint8_t *end, size_t shared);
  bool read_number_frames(const uint8_t *at, const uint8_t *end, size_t shared);
  LocationId location(uint64_t method, int64_t line, uint64_t kind) {
    // A frame whose numbers fit in 64 bits, which all do but those of methods with hashes as keys.
    if (method >> 36 != 0 || line < 0 || line >> 20 != 0 || kind >> 8 != 0) [[unlikely]]
      return make_location(method, line, kind);
    const uint64_t key = method << 28 | static_cast<uint64_t>(line) << 8 | kind;
    const Slot &slot = slots_[first_slot(key)];
    if (slot.key == key && slot.number != 0) [[likely]]
      return slot.number - 1;
    return find_location(key);
  }
  size_t first_slot(uint64_t key) const noexcept {
    return static_cast<size_t>((key * multiplier_) >> slot_shift_);
  }
  LocationId find_location(uint64_t key);
  void grow_slots();
  LocationId make_location(uint64_t method, int64_t line, uint64_t kind);
  FunctionId function(uint64_t method, bool is_native);
  bool find_library(uint64_t method, ModuleId &module);
  FrameKind kind_of(uint64_t key);
  std::string_view make_class_name(const uint8_t *at);
  void write_class_name(std::string_view internal, std::string &text);
  void spend(uint64_t bytes);

  struct Slot {
    uint64_t key = 0;
    uint32_t number = 0; ///< location + 1; 0 = empty
    uint32_t unused = 0;
  };

  Profile &profile_;
  const Chunk &chunk_;
  const Context &context_;
  NameForm form_;
  uint64_t multiplier_; ///< odd, and not to be known by who makes keys
  int slot_shift_ = 64;
  Arena arena_;

  TypeIndex trace_type_ = kNoType, method_type_ = kNoType, class_type_ = kNoType,
            kind_type_ = kNoType, frame_type_ = kNoType;
  uint32_t truncated_field_ = UINT32_MAX, frames_field_ = UINT32_MAX;
  uint32_t method_class_ = UINT32_MAX, method_name_ = UINT32_MAX, method_descriptor_ = UINT32_MAX;
  uint32_t class_name_field_ = UINT32_MAX;
  FrameShape shape_;
  bool has_libraries_ = false; ///< native frames are C's, not Java's native methods
  bool is_usual_ = false;      ///< traces are laid out as all known writers do

  PodVector<Trace> traces_; ///< by key - smallest_key_ or, if not by_key_, by number in the pool
  bool by_key_ = false;
  uint64_t smallest_key_ = 0;
  PodVector<uint32_t> functions_; ///< by 2 x number in the Method pool, + 1 if native: function + 1
  std::vector<FrameKind> kinds_;  ///< by number in the FrameType pool
  PodVector<Slot> cache_; ///< frames by their bytes; each has one slot, the last one met stays
  int cache_shift_ = 64;
  PodVector<Slot> slots_; ///< frames by their numbers; open addressing
  size_t used_slots_ = 0;
  std::unordered_map<uint64_t, LocationId, SeededHash> pseudo_;      ///< by name and kind
  std::unordered_map<uint64_t, std::string, SeededHash> long_names_; ///< by where the name stands
  PodVector<std::string_view> class_names_; ///< by number in the Class pool; made when asked for
  TextIds ids_;
  uint64_t spent_ = 0;           ///< since the result was last held against its limit
  PodVector<LocationId> frames_; ///< scratch: root first, but for odd ones
  // The trace before: its bytes, and for each of its frames, root first, the stack that ends there
  // and how many bytes before the end the frame begins.
  const uint8_t *last_begin_ = nullptr, *last_end_ = nullptr;
  bool last_truncated_ = false;
  PodVector<StackId> stacks_;
  PodVector<uint32_t> from_end_;
  std::vector<FieldValue> values_, method_values_, class_values_; ///< scratch
  std::string text_, class_text_, normalized_;
  LocationId truncated_ = 0;
};

} // namespace profcore::jfr
