#pragma once

#include "sources/decode/decode.hpp"
#include "sources/decode/legacy/scan.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace profcore::legacy {

enum class Kind {
  kUnknown,
  kCpu,        ///< binary words, then the memory map
  kJavaCpu,    ///< binary words, then the names of the frames
  kHeap,       ///< "heap profile: ...": heap, growth and fragmentation
  kGoCount,    ///< "goroutine profile: total 7": one count per stack
  kThread,     ///< "--- threadz 1 ---"
  kContention, ///< "--- contentionz 1 ---", "--- contention:", "--- mutex:"
  kJavaHeap,
  kJavaContention,
};

/// Which form the bytes are, by their head. `prefix` may be cut anywhere.
Kind recognize(std::span<const uint8_t> prefix) noexcept;

/// One reader per form. `text` is the whole input, and begins as `recognize` says.
Profile read_cpu(std::string_view bytes, const DecodeOptions &options);
Profile read_heap(std::string_view text, const DecodeOptions &options);
Profile read_go_count(std::string_view text, const DecodeOptions &options);
Profile read_threads(std::string_view text, const DecodeOptions &options);
Profile read_contention(std::string_view text, const DecodeOptions &options);
Profile read_java(std::string_view text, Kind kind, const DecodeOptions &options);

/// Skips blank lines and comments; false at the end.
bool next_content_line(LineReader &lines, TextLine &line) noexcept;

} // namespace profcore::legacy
