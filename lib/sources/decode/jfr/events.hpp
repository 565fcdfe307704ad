#pragma once

// All events of a recording, front to back, whatever they are: for who reads what no profile holds.
//
// One chunk is held at a time. A file or pipe that is not compressed is read chunk by chunk; what
// is compressed is inflated whole first. Chunks that cannot be read are stepped over with a
// warning, but when none can be read the first one's error is thrown: an end without events would
// be a lie.

#include "base/context.hpp"
#include "base/inflate.hpp"
#include "base/input_stream.hpp"
#include "sources/decode/jfr/recording.hpp"
#include "sources/decode/jfr/value.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace profcore::jfr {

struct EventOptions {
  Context context;
  bool strict = false;
  bool only_counts = false;       ///< no events and no constant pools, only how many there are
  std::vector<std::string> types; ///< only events of these; empty = all
};

/// Which fields of an event say what every event may say; UINT32_MAX: it has none.
struct EventFields {
  uint32_t start = UINT32_MAX;
  uint32_t duration = UINT32_MAX;
  uint32_t thread = UINT32_MAX;
  uint32_t stack = UINT32_MAX;
};
EventFields event_fields_of(const Schema &schema, TypeIndex type) noexcept;

class EventReader {
public:
  /// `bytes` must stay where they are.
  EventReader(std::span<const uint8_t> bytes, EventOptions options);
  EventReader(InputStream input, EventOptions options);
  EventReader(const EventReader &) = delete;
  EventReader &operator=(const EventReader &) = delete;

  /// On to the next chunk that can be read, whose events have all still to come. False at the end.
  bool next_chunk();
  /// On to the next event, in this chunk or a later one. False at the end.
  bool next();

  /// nullptr before the first chunk and past the last.
  const Chunk *chunk() const noexcept { return chunk_ ? &*chunk_ : nullptr; }
  const ChunkBytes &chunk_bytes() const noexcept { return chunk_bytes_; }
  /// Of the chunk, from 0, counting those that could not be read.
  uint64_t chunk_number() const noexcept { return chunks_seen_ - 1; }
  /// nullptr before the first event of a chunk and past the last.
  const EventAt *event() const noexcept;
  const Findings &findings() const noexcept { return findings_; }
  const Context &context() const noexcept { return options_.context; }
  /// What texts made from the chunk may take together.
  uint64_t most_text() const noexcept { return most_bytes_; }

private:
  void start(std::span<const uint8_t> bytes);

  EventOptions options_;
  Wanted wanted_;
  Findings findings_;
  Bytes inflated_;
  std::optional<InputStream> input_;
  std::optional<ChunkStream> stream_;
  std::optional<ChunkSplitter> splitter_;
  uint64_t total_bytes_ = 0;

  PodVector<uint8_t> buffer_;
  ChunkBytes chunk_bytes_;
  std::optional<Chunk> chunk_;
  uint64_t chunks_seen_ = 0;
  size_t next_event_ = 0;
  uint64_t most_bytes_ = 0; ///< of what is kept of the chunk, and of texts made from it
  bool has_loaded_ = false;
  bool has_ended_ = false;
  std::optional<Error> first_failure_;
};

} // namespace profcore::jfr
