#pragma once

// One chunk of a recording, read into memory: its schema, its constant pools and where its events
// are. `Chunk::load` does all that can be done without a profile, so that chunks can be read ahead
// on another thread; whoever maps events then asks for fields and looks keys up.

#include "base/hash.hpp"
#include "sources/decode/jfr/pools.hpp"
#include "sources/decode/jfr/schema.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace profcore::jfr {

constexpr size_t kHeaderBytes = 68;

/// Big-endian at the front of a chunk. Source: the JDK's jfr/internal, `ChunkHeader`.
struct ChunkHeader {
  uint16_t major = 0;
  uint16_t minor = 0;
  int64_t size = 0;        ///< of the whole chunk; 0 or 2^30 while it is being written
  int64_t pools_at = 0;    ///< newest checkpoint, from the chunk's start; 0 = not written yet
  int64_t metadata_at = 0; ///< newest metadata event, likewise
  int64_t start_ns = 0;    ///< since 1970
  int64_t duration_ns = 0;
  int64_t start_ticks = 0;
  int64_t ticks_per_second = 0;
  uint8_t state = 0; ///< 0 finished, 255 being changed just now, else still being written
  uint16_t flags = 0;

  bool compressed() const noexcept { return (flags & 1) != 0; }
};

/// `bytes` has at least kHeaderBytes.
ChunkHeader read_header(const uint8_t *bytes) noexcept;
/// Whether a chunk begins here: the magic and a version that exists.
bool is_chunk(std::span<const uint8_t> bytes) noexcept;

/// Where one event begins, and its type.
struct EventAt {
  uint32_t at; ///< from the chunk's start
  TypeIndex type;
};

/// An event's payload, after its size and type.
struct EventBody {
  const uint8_t *at;
  const uint8_t *end;
};

/// The value of a field, not decoded but for numbers.
struct FieldValue {
  const uint8_t *at = nullptr; ///< nullptr: the event has no such field
  uint64_t number = 0;         ///< of integers and keys, as written (sign-extended to 64 bits)
};

/// How many events of a type a chunk has, and their bytes.
struct EventTally {
  uint64_t count = 0;
  uint64_t bytes = 0;
};

/// What to keep of a chunk. An empty function keeps everything.
struct Wanted {
  std::function<bool(const Type &)> event;
  std::function<bool(const Type &)> pool;
  /// What the notes of where events and constants are may take: a byte of a hostile chunk can ask
  /// for thirty.
  uint64_t most_bytes = UINT64_MAX;
  const char *limit_name = "most_bytes"; ///< what to raise for more
};

class Chunk {
public:
  /// `bytes` must stay where they are; `offset` is where they begin in the input. `is_whole` is
  /// false when the input or the recorder stopped inside: then what is there is read, and a warning
  /// tells. Throws kMalformed when not even types can be read, kUnsupported for a version that is
  /// not, kLimit past 4 GiB and past `wanted.most_bytes`.
  static Chunk load(std::span<const uint8_t> bytes, uint64_t offset, bool is_whole,
                    const Wanted &wanted, bool strict);
  Chunk(Chunk &&) = default;
  Chunk &operator=(Chunk &&) = default;

  const ChunkHeader &header() const noexcept { return header_; }
  const Schema &schema() const noexcept { return *schema_; }
  /// Wanted events in the order of the file.
  std::span<const EventAt> events() const noexcept { return events_.span(); }
  /// All events of known types but metadata and checkpoints, wanted or not.
  uint64_t event_count() const noexcept { return event_count_; }
  /// By type index, wanted or not.
  std::span<const EventTally> tallies() const noexcept { return tallies_; }
  const Findings &findings() const noexcept { return findings_; }
  Findings &findings() noexcept { return findings_; }
  uint64_t offset() const noexcept { return offset_; }
  uint64_t offset_of(const uint8_t *at) const noexcept {
    return offset_ + static_cast<uint64_t>(at - bytes_.data());
  }
  size_t memory_bytes() const noexcept;

  EventBody body(const EventAt &event) const noexcept {
    const uint8_t *const at = bytes_.data() + event.at;
    const EventHead head = read_head(at);
    return {head.body, at + head.size};
  }
  /// Fills `values[i]` for the first `values.size()` fields of a value of that type; fields that
  /// the bytes end before get no position. Returns how many were there.
  size_t read_fields(TypeIndex type, const uint8_t *at, const uint8_t *end,
                     std::span<FieldValue> values) const noexcept;
  /// The first fields of a value, where those are one compressed number each: fills `values`, moves
  /// `at` past what was read and returns how many that were. Numbers of nine bytes, what is far
  /// from the front and what is near to the chunk's end is left for `read_fields`.
  ///
  /// Where each number ends is known from one look at all bytes, so that none waits for the one
  /// before it.
  size_t read_numbers(const Type &type, const uint8_t *&at, const uint8_t *end,
                      std::span<FieldValue> values) const noexcept {
    constexpr unsigned kAhead = 32;
    if (this->end() - at < kAhead + 8) return 0;
    uint32_t stops = ~(continuation_bits(at) | continuation_bits(at + 16) << 16);
    if (end - at < kAhead) stops &= (UINT32_C(1) << (end - at)) - 1;
    const uint8_t *from = at;
    size_t read = 0;
    for (; read < values.size() && stops != 0; ++read) {
      const uint8_t *const next = at + static_cast<size_t>(std::countr_zero(stops)) + 1;
      const auto bytes = static_cast<size_t>(next - from);
      if (bytes > 8) break;
      stops &= stops - 1;
      uint64_t number = load_varint(from, bytes);
      // Of 32 bits: what the writer meant by it.
      if (bytes > 4 && type.forms[read] == Form::kInt)
        number = static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(number)));
      values[read] = {from, number};
      from = next;
    }
    at = from;
    return read;
  }
  /// One field of a value; nullptr when the bytes end before it does, else where the next begins.
  const uint8_t *read_field(const Field &field, const uint8_t *at, const uint8_t *end,
                            FieldValue &value) const noexcept;
  /// What a field holds when classes that stand for their only field are looked through.
  Primitive primitive_of(const Field &field) const noexcept;

  const Pool &pool(TypeIndex type) const noexcept { return pools_[type]; }
  /// Where the value of `key` stands, or nullptr: not there, or not wanted.
  const uint8_t *find(TypeIndex type, uint64_t key) const noexcept {
    if (type >= pools_.size()) return nullptr;
    const uint32_t number = pools_[type].find(key);
    return number == UINT32_MAX ? nullptr : bytes_.data() + pools_[type].position(number);
  }
  const uint8_t *begin() const noexcept { return bytes_.data(); }
  const uint8_t *end() const noexcept { return bytes_.data() + bytes_.size(); }

  /// The string that stands at `at`, where one must stand, keys followed. Made in `arena` where it
  /// is not UTF-8 in place; a long one in the chunk itself, once, so that this is for one thread at
  /// a time.
  std::string_view string_at(const uint8_t *at, Arena &arena) const;
  /// The text of a field that is a string or a key to a text; "" for what is neither.
  std::string_view text_of(const Field &field, const FieldValue &value, Arena &arena) const;
  /// The text of a pool entry that is a string, or a class with one string (a symbol); "" when
  /// there is none.
  std::string_view text_of(TypeIndex type, uint64_t key, Arena &arena) const;

  /// Ticks to nanoseconds since 1970 and to nanoseconds, exact to the nanosecond, saturating.
  int64_t time_of(int64_t ticks) const noexcept {
    int64_t time = 0;
    const bool is_exact = ticks_are_nanos_ &&
                          !__builtin_sub_overflow(ticks, header_.start_ticks, &time) &&
                          !__builtin_add_overflow(time, header_.start_ns, &time);
    return is_exact ? time : convert_time(ticks);
  }
  int64_t duration_of(int64_t ticks) const noexcept;
  /// A field's number in canonical units: nanoseconds (since 1970 for timestamps), bytes; others as
  /// they are.
  int64_t canonical(Content content, uint64_t number) const noexcept {
    if (content == Content::kTimestampTicks) return time_of(static_cast<int64_t>(number));
    if (content == Content::kPlain || content == Content::kBytes)
      return static_cast<int64_t>(number);
    return convert(content, number);
  }
  int64_t canonical(const Field &field, uint64_t number) const noexcept {
    return canonical(field.content, number);
  }

private:
  struct EventHead {
    uint64_t size, type;
    const uint8_t *body; ///< nullptr: the chunk ends before it does
  };

  EventHead read_head(const uint8_t *at) const noexcept {
    if (end() - at < 18 || !header_.compressed()) [[unlikely]]
      return read_head_slowly(at);
    EventHead head{*at, 0, at + 1};
    if (head.size >= 0x80) head.body = read_varint(at, end(), head.size);
    head.type = head.body[0];
    if (head.type < 0x80) {
      ++head.body;
    } else if (head.body[1] < 0x80) {
      head.type = (head.type & 0x7f) | static_cast<uint64_t>(head.body[1]) << 7;
      head.body += 2;
    } else {
      head.body = read_varint(head.body, end(), head.type);
    }
    return head;
  }
  EventHead read_head_slowly(const uint8_t *at) const noexcept;

  Chunk(std::span<const uint8_t> bytes, uint64_t offset, bool strict);

  void read_schema(bool is_whole);
  Schema read_schema_at(uint64_t position);
  std::vector<uint32_t> find_metadata() const;
  void scan(const Wanted &wanted, bool is_whole);
  void read_checkpoint(Cursor cursor, const uint8_t *begin, std::span<const uint8_t> wanted_pools);
  void check_room(uint64_t more_constants) const;
  void drop_hollow_events();
  uint32_t resume_after(uint32_t position);
  void walk_chain();
  std::string_view long_text_at(const uint8_t *at) const;
  int64_t convert_time(int64_t ticks) const noexcept;
  int64_t convert(Content content, uint64_t number) const noexcept;

  std::span<const uint8_t> bytes_;
  uint64_t offset_;
  ChunkHeader header_;
  bool ticks_are_nanos_;
  Findings findings_;
  std::optional<Schema> schema_;
  std::vector<Pool> pools_; ///< by type index
  PodVector<EventAt> events_;
  uint64_t event_count_ = 0;
  uint64_t constant_count_ = 0;
  uint64_t most_bytes_ = UINT64_MAX;
  const char *limit_name_ = "";
  std::vector<EventTally> tallies_;
  std::vector<uint32_t> landmarks_; ///< positions of checkpoints and metadata, ascending
  bool walked_chain_ = false;

  mutable std::unordered_map<uint64_t, std::string_view, SeededHash> long_texts_; ///< by position
  mutable Arena long_arena_;
};

} // namespace profcore::jfr
