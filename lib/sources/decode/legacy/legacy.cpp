#include "sources/decode/legacy/cpu_words.hpp"
#include "sources/decode/legacy/readers.hpp"

#include <fmt/format.h>

namespace profcore {
namespace legacy {
namespace {

constexpr size_t kMaxHead = 64 << 10; ///< how far a header is looked for

/// "goroutine profile: total 7"; the number may be cut off.
bool is_go_count_head(std::string_view line) noexcept {
  Cursor cursor{line};
  if (cursor.token().empty() || !cursor.take(" profile: total ")) return false;
  cursor.digits();
  return trim(cursor.rest()).empty();
}

bool is_heap_head(std::string_view line) noexcept {
  constexpr std::string_view kTitle = "heap profile:";
  const size_t at = line.find(kTitle);
  if (at == std::string_view::npos) return false;
  Cursor cursor{line.substr(at + kTitle.size())};
  cursor.spaces();
  return cursor.done() || !cursor.digits().empty();
}

/// Java and C++ share the first line; an attribute that only Java writes tells them apart.
Kind contention_kind(LineReader lines) noexcept {
  for (TextLine line; lines.next(line);) {
    const std::string_view content = trim(line.text);
    if (is_comment_or_blank(content)) continue;
    const size_t equals = content.find('=');
    if (equals == std::string_view::npos) break;
    const std::string_view name = trim(content.substr(0, equals));
    if (name == "format" || name == "resolution") return Kind::kJavaContention;
  }
  return Kind::kContention;
}

} // namespace

Kind recognize(std::span<const uint8_t> prefix) noexcept {
  const std::string_view all{reinterpret_cast<const char *>(prefix.data()), prefix.size()};
  if (const auto header = read_cpu_header(all)) return header->java ? Kind::kJavaCpu : Kind::kCpu;
  LineReader lines{all.substr(0, kMaxHead)};
  TextLine line;
  if (!next_content_line(lines, line)) return Kind::kUnknown;
  const std::string_view head = trim(line.text);
  if (head == "--- heapz 1 ---") return Kind::kJavaHeap;
  if (head.starts_with("--- contentionz ")) return contention_kind(lines);
  if (head.starts_with("--- contention:") || head.starts_with("--- mutex:"))
    return Kind::kContention;
  if (head.starts_with("--- threadz ") || head.starts_with("--- Thread ")) return Kind::kThread;
  if (is_heap_head(head)) return Kind::kHeap;
  if (is_go_count_head(head)) return Kind::kGoCount;
  return Kind::kUnknown;
}

} // namespace legacy

bool looks_like_pprof_legacy(std::span<const uint8_t> prefix) noexcept {
  return legacy::recognize(prefix) != legacy::Kind::kUnknown;
}

Profile decode_pprof_legacy(std::span<const uint8_t> bytes, const DecodeOptions &options) {
  using legacy::Kind;
  const Limits &limits = options.context.limits;
  if (bytes.size() > limits.max_input_bytes && bytes.size() > limits.max_inflated_bytes)
    throw Error{Status::kLimit, fmt::format("an input of {} bytes", bytes.size())};
  const std::string_view text{reinterpret_cast<const char *>(bytes.data()), bytes.size()};
  const Kind kind = legacy::recognize(bytes);
  switch (kind) {
  case Kind::kCpu:
    return legacy::read_cpu(text, options);
  case Kind::kHeap:
    return legacy::read_heap(text, options);
  case Kind::kGoCount:
    return legacy::read_go_count(text, options);
  case Kind::kThread:
    return legacy::read_threads(text, options);
  case Kind::kContention:
    return legacy::read_contention(text, options);
  case Kind::kJavaCpu:
  case Kind::kJavaHeap:
  case Kind::kJavaContention:
    return legacy::read_java(text, kind, options);
  case Kind::kUnknown:
    break;
  }
  throw Error{Status::kUnknownFormat,
              "no legacy pprof form: neither the five words of a binary CPU profile nor the first "
              "line of a heap, contention, thread or counted text profile",
              0};
}

} // namespace profcore
