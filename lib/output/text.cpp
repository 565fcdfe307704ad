#include "output/text.hpp"

#include "base/utf8.hpp"

#include <cmath>
#include <cstdint>
#include <fmt/format.h>

namespace profcore {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

/// Decodes a sequence that `utf8_sequence_length` has accepted.
uint32_t decode(std::string_view sequence) noexcept {
  const auto byte = [&](size_t i) {
    return static_cast<uint32_t>(static_cast<unsigned char>(sequence[i]));
  };
  switch (sequence.size()) {
  case 1:
    return byte(0);
  case 2:
    return (byte(0) & 0x1f) << 6 | (byte(1) & 0x3f);
  case 3:
    return (byte(0) & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
  default:
    return (byte(0) & 0x07) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 |
           (byte(3) & 0x3f);
  }
}

bool is_unsafe(uint32_t c) noexcept {
  return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029 ||
         (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || (c & 0xfffe) == 0xfffe;
}

size_t width_of(uint32_t c) noexcept {
  if (c < 0x300) return 1;
  if (c <= 0x36f || (c >= 0x200b && c <= 0x200f) || (c >= 0xfe00 && c <= 0xfe0f) ||
      (c >= 0x20d0 && c <= 0x20ff) || c == 0xfeff)
    return 0;
  const bool wide = (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) ||
                    (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
                    (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
                    (c >= 0xffe0 && c <= 0xffe6) || (c >= 0x1f300 && c <= 0x1faff) ||
                    (c >= 0x20000 && c <= 0x3fffd);
  return wide ? 2 : 1;
}

/// Calls `emit` with runs of clean text; a run of plain bytes is given as one.
template <class Emit> void for_each_clean(std::string_view text, Emit &&emit) {
  size_t plain = 0;
  size_t at = 0;
  while (at < text.size()) {
    if (text[at] >= 0x20 && text[at] < 0x7f) { // nearly all of nearly every name
      ++at;
      continue;
    }
    const size_t length = utf8_sequence_length(text.substr(at));
    if (length != 0 && !is_unsafe(decode(text.substr(at, length)))) {
      at += length;
      continue;
    }
    emit(text.substr(plain, at - plain));
    emit(kReplacement);
    at += length == 0 ? 1 : length;
    plain = at;
  }
  emit(text.substr(plain));
}

/// What a character is written as in XML; empty: as itself.
std::string_view xml_escape(char c) noexcept {
  switch (c) {
  case '&':
    return "&amp;";
  case '<':
    return "&lt;";
  case '>':
    return "&gt;";
  case '"':
    return "&quot;";
  case '\'':
    return "&#39;";
  default:
    return {};
  }
}

} // namespace

void append_clean(std::string_view text, std::string &output) {
  for_each_clean(text, [&](std::string_view run) { output += run; });
}

void append_xml(std::string_view text, Buffer &output) {
  for_each_clean(text, [&](std::string_view run) {
    size_t plain = 0;
    for (size_t at = 0; at < run.size(); ++at) {
      const std::string_view escape = xml_escape(run[at]);
      if (escape.empty()) [[likely]]
        continue;
      append(run.substr(plain, at - plain), output);
      append(escape, output);
      plain = at + 1;
    }
    append(run.substr(plain), output);
  });
}

void append_integer(int64_t value, Buffer &output) {
  const fmt::format_int digits{value};
  output.put(digits.data(), digits.size());
}

void append_hundredths(double value, Buffer &output) {
  // Exact as long as a hundredth is not in doubt: the product is off by far less than what keeps
  // it from the middle between two.
  const double scaled = value * 100;
  if (scaled >= 0 && scaled < 1e12 && !std::signbit(value)) {
    const auto nearest = static_cast<uint64_t>(scaled + 0.5);
    if (std::abs(scaled - static_cast<double>(nearest)) < 0.499) {
      append_integer(static_cast<int64_t>(nearest / 100), output);
      const char tail[3] = {'.', static_cast<char>('0' + nearest / 10 % 10),
                            static_cast<char>('0' + nearest % 10)};
      output.put(tail, sizeof tail);
      return;
    }
  }
  append(fmt::format("{:.2f}", value), output);
}

size_t display_width(std::string_view text) noexcept {
  size_t width = 0;
  while (!text.empty()) {
    size_t length = utf8_sequence_length(text);
    if (length == 0) length = 1; // not clean; one column is as good as any
    width += length == 1 ? 1 : width_of(decode(text.substr(0, length)));
    text.remove_prefix(length);
  }
  return width;
}

std::string_view display_prefix(std::string_view text, size_t width) noexcept {
  size_t at = 0;
  size_t used = 0;
  while (at < text.size()) {
    size_t length = utf8_sequence_length(text.substr(at));
    if (length == 0) length = 1;
    const size_t columns = length == 1 ? 1 : width_of(decode(text.substr(at, length)));
    if (used + columns > width) break;
    used += columns;
    at += length;
  }
  return text.substr(0, at);
}

std::string_view cut_to_width(std::string_view text, size_t width, std::string &storage) {
  if (text.size() <= width || display_width(text) <= width) return text;
  storage.clear();
  if (width == 0) return storage;
  storage = display_prefix(text, width - 1);
  storage += "\xe2\x80\xa6";
  return storage;
}

void append(std::string_view text, Buffer &output) {
  output.put(text.data(), text.size());
}

void append_padding(size_t columns, Buffer &output) {
  for (; columns > 0; --columns) output.put(' ');
}

void append_right(std::string_view text, size_t columns, Buffer &output) {
  const size_t width = display_width(text);
  if (width < columns) append_padding(columns - width, output);
  append(text, output);
}

} // namespace profcore
