#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

namespace profcore::legacy {

// Hand-written scanners for the text forms. Nothing here backtracks: a character is looked at a
// bounded number of times whatever the line holds, and lines may have any length.

constexpr bool is_blank(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f';
}
constexpr bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

/// 0..15, or 16 for what is no hexadecimal digit.
constexpr unsigned hex_value(char c) noexcept {
  if (is_digit(c)) return static_cast<unsigned>(c - '0');
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? static_cast<unsigned>(lower - 'a') + 10 : 16;
}
constexpr bool is_hex(char c) noexcept {
  return hex_value(c) < 16;
}

std::string_view trim(std::string_view text) noexcept;
inline bool is_comment_or_blank(std::string_view line) noexcept {
  const std::string_view text = trim(line);
  return text.empty() || text.front() == '#';
}

/// All of `text` as a number; nothing when it is empty, holds anything else or does not fit.
std::optional<uint64_t> parse_hex(std::string_view text) noexcept;
std::optional<uint64_t> parse_unsigned(std::string_view text) noexcept;
std::optional<int64_t> parse_signed(std::string_view text) noexcept;

/// Appends every `0x...` number of a text that may hold other things too; false when one does not
/// fit 64 bits.
bool scan_addresses(std::string_view text, std::vector<uint64_t> &out);
/// Reads `0x1 0x2 ...`; false when something else follows, `out` then holds what stands before it.
bool read_addresses(std::string_view text, std::vector<uint64_t> &out);

/// Whether the text announces the mappings: "--- Memory map: ---" or "MAPPED_LIBRARIES:".
bool is_memory_map_title(std::string_view line) noexcept;

struct TextLine {
  std::string_view text; ///< without its end, LF or CR LF
  uint64_t offset = 0;
  uint64_t number = 0; ///< counts from 1
};

class LineReader {
public:
  explicit LineReader(std::string_view text, uint64_t offset = 0) noexcept
      : text_{text}, base_{offset} {}

  bool next(TextLine &line) noexcept {
    if (at_ >= text_.size()) return false;
    line.offset = base_ + at_;
    line.number = ++number_;
    const auto *end =
        static_cast<const char *>(std::memchr(text_.data() + at_, '\n', text_.size() - at_));
    const size_t length =
        end == nullptr ? text_.size() - at_ : static_cast<size_t>(end - text_.data()) - at_;
    line.text = text_.substr(at_, length);
    if (!line.text.empty() && line.text.back() == '\r') line.text.remove_suffix(1);
    at_ += length + (end == nullptr ? 0 : 1);
    return true;
  }
  uint64_t offset() const noexcept { return base_ + at_; }

private:
  std::string_view text_;
  uint64_t base_;
  size_t at_ = 0;
  uint64_t number_ = 0;
};

/// A position in a piece of text.
class Cursor {
public:
  explicit Cursor(std::string_view text) noexcept : rest_{text} {}

  bool done() const noexcept { return rest_.empty(); }
  std::string_view rest() const noexcept { return rest_; }
  void skip(size_t count) noexcept { rest_.remove_prefix(count); }

  bool take(char c) noexcept {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool take(std::string_view literal) noexcept {
    if (!rest_.starts_with(literal)) return false;
    rest_.remove_prefix(literal.size());
    return true;
  }
  template <class Predicate> std::string_view take_while(Predicate &&accept) noexcept {
    size_t length = 0;
    while (length < rest_.size() && accept(rest_[length])) ++length;
    const std::string_view taken = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return taken;
  }
  std::string_view digits() noexcept { return take_while(is_digit); }
  std::string_view hex_digits() noexcept { return take_while(is_hex); }
  std::string_view blanks() noexcept { return take_while(is_blank); }
  std::string_view spaces() noexcept {
    return take_while([](char c) { return c == ' '; });
  }
  /// The next run of characters that are no blanks; blanks before it are skipped.
  std::string_view token() noexcept {
    blanks();
    return take_while([](char c) { return !is_blank(c); });
  }

private:
  std::string_view rest_;
};

/// The four numbers of a heap profile's header and sample lines: `n: bytes [ n: bytes ] @`.
/// Views into the line; `rest` is what follows the '@'.
struct HeapNumbers {
  std::string_view count, size, alloc_count, alloc_size, rest;
};

/// Finds the first such group anywhere in the text.
bool scan_heap_numbers(std::string_view text, HeapNumbers &out) noexcept;

/// Finds the first `n n @` of the text (contention and Java samples).
bool scan_pair(std::string_view text, std::string_view &first, std::string_view &second,
               std::string_view &rest) noexcept;

} // namespace profcore::legacy
