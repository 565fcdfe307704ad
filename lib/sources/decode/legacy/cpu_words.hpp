#pragma once

#include "sources/decode/legacy/builder.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace profcore::legacy {

/// How a binary CPU profile writes its words.
struct WordFormat {
  bool wide = false; ///< 64 bits
  bool big_endian = false;
  size_t bytes() const noexcept { return wide ? 8 : 4; }
};

struct CpuHeader {
  WordFormat words;
  bool java = false;
  uint64_t period_us = 0;
  size_t bytes() const noexcept { return 5 * words.bytes(); }
};

/// Five words: 0, 3, 0 (1 for Java), sampling period in microseconds, 0. No word format can be
/// taken for another: the second word is 3 in one of them only.
std::optional<CpuHeader> read_cpu_header(std::string_view bytes) noexcept;

/// Samples whose stacks are still to be worked on; frames leaf first.
struct SampleBuffer {
  PodVector<uint64_t> frames;
  PodVector<size_t> ends; ///< of each sample's frames
  PodVector<int64_t> counts;

  size_t size() const noexcept { return ends.size(); }
  std::span<uint64_t> frames_of(size_t sample) noexcept {
    const size_t first = sample == 0 ? 0 : ends[sample - 1];
    return frames.span().subspan(first, ends[sample] - first);
  }
  void close(int64_t count) {
    ends.push_back(frames.size());
    counts.push_back(count);
  }
};

/// Reads samples `count, n, n addresses` up to the end mark 0, 1, 0. Returns where the text behind
/// it begins. Sets period and columns too.
size_t read_cpu_samples(std::string_view bytes, const CpuHeader &header, ProfileBuilder &builder,
                        SampleBuffer &samples);

} // namespace profcore::legacy
