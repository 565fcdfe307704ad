#pragma once

// A recording: chunks one after the other, each complete in itself.

#include "base/context.hpp"
#include "base/input_stream.hpp"
#include "base/pod_vector.hpp"
#include "sources/decode/jfr/chunk.hpp"

#include <cstdint>
#include <optional>
#include <span>

namespace profcore::jfr {

/// The bytes of one chunk.
struct ChunkBytes {
  std::span<const uint8_t> bytes;
  uint64_t offset = 0;
  bool is_whole = true; ///< false: the input, or who wrote it, stopped inside
};

/// Splits bytes in memory into chunks. What is no chunk is stepped over up to the next one, with a
/// warning. Chunks without a size (being written when they were copied), and those with one that
/// cannot be, reach to the next chunk or to the end.
class ChunkSplitter {
public:
  ChunkSplitter(std::span<const uint8_t> bytes, uint64_t offset, Findings &findings) noexcept
      : bytes_{bytes}, offset_{offset}, findings_{findings} {}

  /// False at the end.
  bool next(ChunkBytes &chunk);

private:
  size_t find_chunk(size_t from, size_t until) const noexcept;
  bool ends_well(size_t end) const noexcept;

  std::span<const uint8_t> bytes_;
  uint64_t offset_;
  Findings &findings_;
  size_t at_ = 0;
};

/// Reads chunk after chunk from a file or pipe, holding one at a time. As soon as something is not
/// in order (no size, or junk), the rest is read whole and split.
class ChunkStream {
public:
  /// `head` was read from the input already.
  ChunkStream(PodVector<uint8_t> head, InputStream &input, const Context &context,
              Findings &findings);

  /// The next chunk, which may stand in `buffer`: of that the memory is used again, so what was
  /// given out with it is gone. False at the end.
  bool next(PodVector<uint8_t> &buffer, ChunkBytes &chunk);

private:
  bool fill(size_t size);
  bool fill_chunk(size_t size);

  PodVector<uint8_t> waiting_; ///< read, not yet given out
  InputStream &input_;
  const Context &context_;
  Findings &findings_;
  uint64_t offset_ = 0; ///< of waiting_[0]
  bool ended_ = false;
  std::optional<ChunkSplitter> rest_; ///< over `waiting_`, once not all is in order
};

} // namespace profcore::jfr
