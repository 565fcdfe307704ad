#pragma once

#include "model/profile.hpp"
#include "sources/decode/decode.hpp"
#include "sources/decode/jfr/columns.hpp"
#include "sources/decode/jfr/context_labels.hpp"
#include "sources/decode/jfr/sample_labels.hpp"
#include "sources/decode/jfr/settings.hpp"
#include "sources/decode/jfr/stack_reader.hpp"

#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace profcore::jfr {

/// Turns the events of a recording, chunk after chunk, into rows of a profile.
class EventMapper {
public:
  EventMapper(Profile &profile, const DecodeOptions &options);

  /// What of a chunk this needs.
  Wanted wanted() const;
  void add(const Chunk &chunk);
  /// After the last chunk: leaks, names of columns, the default one, times.
  void finish();

  const Settings &settings() const noexcept { return settings_; }
  /// Of the profile's columns, or SIZE_MAX: nothing was for it.
  size_t index_of(Column column) const noexcept { return columns_[static_cast<size_t>(column)]; }

private:
  static constexpr uint32_t kAbsent = UINT32_MAX;

  /// A field with a unit.
  struct Measure {
    uint32_t field = kAbsent;
    Content content = Content::kPlain;
  };

  /// A rule bound to the fields that an event type of this chunk has.
  struct Bound {
    const EventRule *rule = nullptr;
    const Type *type = nullptr;
    uint32_t fields = 0;       ///< how many have to be read
    bool only_numbers = false; ///< those are what `Chunk::read_numbers` reads
    Measure start, duration, bytes, size, weight, span, period;
    uint32_t thread = kAbsent, stack = kAbsent, state = kAbsent;
    uint32_t of_class = kAbsent, text = kAbsent;
    uint32_t address = kAbsent, samples = kAbsent, failed = kAbsent, name = kAbsent, gc = kAbsent;
    int64_t interval = 0;
    TypeIndex state_type = kNoType;
    // What of it becomes labels.
    uint32_t parts = 0; ///< of SampleLabels::Part
    uint32_t state_key = kAbsent, class_key = kAbsent;
    bool class_frame = false; ///< the class is a frame instead
    // What joins samples to requests and spans.
    uint32_t context = kAbsent, span_id = kAbsent, span_name = kAbsent, root_span = kAbsent;
    std::vector<uint32_t> attributes; ///< java-profiler's, of the user's choice
    bool has_more = false;
  };
  /// An event whose fields are read.
  struct Pending {
    const FieldValue &operator[](uint32_t field) const noexcept {
      static_assert(kAbsent + 1 == 0);
      return values[field + 1];
    }

    const Bound *bound;
    const FieldValue *values; ///< one that is not there, for kAbsent, and `bound->fields`
  };
  struct ChunkState;

  Bound bind(const Chunk &chunk, TypeIndex type, const EventRule &rule) const;
  void make_columns(const Chunk &chunk, std::vector<Bound> &bounds);
  size_t column(Column column);
  size_t read_block(ChunkState &state, std::span<const Bound> bounds,
                    std::span<const EventAt> events, size_t &at) const;
  bool map(ChunkState &state, const Pending &event, size_t row);
  bool map_execution(ChunkState &state, const Pending &event, size_t row);
  bool map_as_pyroscope(ChunkState &state, const Pending &event, size_t row);
  void read_more_labels(ChunkState &state, const Pending &event);
  void put(Column column, size_t row, int64_t value);
  void read_gc_names(ChunkState &state);
  uint64_t held_bytes(const Chunk &chunk) const;
  void forget_older_levels(const std::vector<Bound> &bounds, size_t first);
  void name_cpu_columns();

  Profile &profile_;
  const DecodeOptions &options_;
  const bool pyroscope_;
  Settings settings_;
  ContextLabels context_labels_;
  std::array<size_t, kColumns> columns_;
  std::array<int64_t *, kColumns> values_{}; ///< of the chunk being mapped
  bool warned_period_ = false;
  int64_t start_ns_ = 0, end_ns_ = 0;
  struct Allocation {
    size_t row;
    int64_t size;
  };
  std::unordered_map<uint64_t, Allocation, SeededHash> allocated_; ///< by address, not freed yet
  std::array<size_t, kColumns> levels_from_{}; ///< the first row of a level that may not be 0
  bool saw_free_ = false;
};

} // namespace profcore::jfr
