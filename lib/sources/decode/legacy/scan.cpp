#include "sources/decode/legacy/scan.hpp"

namespace profcore::legacy {
namespace {

/// An optionally signed run of digits at the cursor; empty, and the cursor stays, if there is none.
std::string_view signed_digits(Cursor &cursor) noexcept {
  const std::string_view start = cursor.rest();
  const bool negative = cursor.take('-');
  const size_t length = cursor.digits().size();
  if (length == 0) {
    cursor = Cursor{start};
    return {};
  }
  return start.substr(0, length + (negative ? 1 : 0));
}

/// `n: n` with spaces allowed before the second number and after it.
bool count_and_size(Cursor &cursor, std::string_view &count, std::string_view &size) noexcept {
  count = signed_digits(cursor);
  if (count.empty() || !cursor.take(':')) return false;
  cursor.spaces();
  size = signed_digits(cursor);
  cursor.spaces();
  return !size.empty();
}

} // namespace

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::optional<uint64_t> parse_hex(std::string_view text) noexcept {
  if (text.empty()) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text) {
    const unsigned digit = hex_value(c);
    if (digit > 15 || value >> 60 != 0) return std::nullopt;
    value = value << 4 | digit;
  }
  return value;
}

std::optional<uint64_t> parse_unsigned(std::string_view text) noexcept {
  if (text.empty()) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text) {
    if (!is_digit(c) || __builtin_mul_overflow(value, UINT64_C(10), &value) ||
        __builtin_add_overflow(value, static_cast<uint64_t>(c - '0'), &value))
      return std::nullopt;
  }
  return value;
}

std::optional<int64_t> parse_signed(std::string_view text) noexcept {
  const bool negative = text.starts_with('-');
  const auto magnitude = parse_unsigned(text.substr(negative ? 1 : 0));
  constexpr uint64_t kLargest = INT64_MAX;
  if (!magnitude || *magnitude > kLargest + (negative ? 1 : 0)) return std::nullopt;
  return static_cast<int64_t>(negative ? 0 - *magnitude : *magnitude);
}

bool scan_addresses(std::string_view text, std::vector<uint64_t> &out) {
  for (;;) {
    const auto *at = static_cast<const char *>(
        text.empty() ? nullptr : std::memchr(text.data(), 'x', text.size()));
    if (at == nullptr) return true;
    const auto before = static_cast<size_t>(at - text.data());
    const bool prefixed = before > 0 && text[before - 1] == '0';
    Cursor cursor{text.substr(before + 1)};
    if (prefixed) {
      const std::string_view digits = cursor.hex_digits();
      if (!digits.empty()) {
        const auto value = parse_hex(digits);
        if (!value) return false;
        out.push_back(*value);
      }
    }
    text = cursor.rest();
  }
}

bool read_addresses(std::string_view text, std::vector<uint64_t> &out) {
  Cursor cursor{text};
  for (;;) {
    cursor.blanks();
    if (cursor.done()) return true;
    if (!cursor.take("0x")) return false;
    const auto value = parse_hex(cursor.hex_digits());
    if (!value || (!cursor.done() && !is_blank(cursor.rest().front()))) return false;
    out.push_back(*value);
  }
}

bool is_memory_map_title(std::string_view line) noexcept {
  return line.find("--- Memory map: ---") != std::string_view::npos ||
         line.find("MAPPED_LIBRARIES:") != std::string_view::npos;
}

bool scan_heap_numbers(std::string_view text, HeapNumbers &out) noexcept {
  Cursor cursor{text};
  while (!cursor.done()) {
    // What does not start here cannot start later in the same run of digits: the run ends at the
    // same place. So each run is tried once.
    Cursor attempt = cursor;
    if (signed_digits(cursor).empty()) {
      cursor.skip(1);
      continue;
    }
    if (!count_and_size(attempt, out.count, out.size) || !attempt.take('[')) continue;
    attempt.spaces();
    if (!count_and_size(attempt, out.alloc_count, out.alloc_size) || !attempt.take(']')) continue;
    attempt.spaces();
    if (!attempt.take('@')) continue;
    out.rest = attempt.rest();
    return true;
  }
  return false;
}

bool scan_pair(std::string_view text, std::string_view &first, std::string_view &second,
               std::string_view &rest) noexcept {
  Cursor cursor{text};
  while (!cursor.done()) {
    first = cursor.digits();
    if (first.empty()) {
      cursor.skip(1);
      continue;
    }
    Cursor attempt = cursor;
    if (attempt.spaces().empty()) continue;
    second = attempt.digits();
    if (second.empty() || attempt.spaces().empty() || !attempt.take('@')) continue;
    rest = attempt.rest();
    return true;
  }
  return false;
}

} // namespace profcore::legacy
