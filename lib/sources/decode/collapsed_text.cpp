#include "sources/decode/collapsed_text.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace profcore {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

std::string_view skip_digits(std::string_view text) {
  const auto end = std::find_if_not(text.begin(), text.end(), is_digit);
  return text.substr(static_cast<size_t>(end - text.begin()));
}

bool looks_java(std::string_view name) {
  return name.find("::") == std::string_view::npos &&
         name.find_first_of("/.") != std::string_view::npos &&
         name.find_first_of(" (<") == std::string_view::npos;
}

/// The kind that a mark at the end tells; kUnknown = no mark.
FrameKind kind_of_mark(std::string_view text) {
  if (text.size() < 5 || !text.ends_with(']')) return FrameKind::kUnknown;
  const std::string_view mark = text.substr(text.size() - 4);
  if (mark[0] != '_' || mark[1] != '[') return FrameKind::kUnknown;
  switch (mark[2]) {
  case 'k':
    return FrameKind::kKernel;
  case 'j':
  case '1':
    return FrameKind::kJavaCompiled;
  case '0':
    return FrameKind::kJavaInterpreted;
  case 'i':
    return looks_java(text.substr(0, text.size() - 4)) ? FrameKind::kJavaInlined
                                                       : FrameKind::kInlined;
  default:
    return FrameKind::kUnknown;
  }
}

FrameKind kind_of_group(std::string_view text) {
  if (text.starts_with("process ")) {
    const std::string_view rest = text.substr(8);
    const std::string_view after = skip_digits(rest);
    if (after.size() < rest.size() && after.starts_with(":\"")) return FrameKind::kProcess;
  }
  if (text.starts_with("thread ")) {
    const std::string_view rest = text.substr(7);
    if (rest.starts_with("(0x") && rest.ends_with(')')) return FrameKind::kThread;
    const std::string_view after = skip_digits(rest);
    if (after.size() < rest.size() && after.starts_with(" (") && after.ends_with(')'))
      return FrameKind::kThread;
  }
  if (text.starts_with("[t] ")) return FrameKind::kThread;
  if (text.starts_with("[p] ")) return FrameKind::kProcess;
  if (text.starts_with("[k] ")) return FrameKind::kKernel;
  if (text.starts_with("[l] ")) return FrameKind::kLibrary;
  if (text.starts_with("[c] ")) return FrameKind::kGpu;
  if (text.starts_with('[') && text.ends_with(']')) {
    const size_t tid = text.rfind(" tid=");
    if (tid != std::string_view::npos && all_digits(text.substr(tid + 5, text.size() - tid - 6)))
      return FrameKind::kThread;
  }
  return FrameKind::kUnknown;
}

bool is_python_file(std::string_view file) {
  return file.ends_with(".py") || file.ends_with(".pyx") || file.ends_with(".pyc") ||
         file.starts_with("<frozen ");
}

/// Splits `name (file:line)`.
bool split_file(std::string_view text, CollapsedFrame &frame) {
  if (!text.ends_with(')')) return false;
  const size_t open = text.rfind(" (");
  if (open == std::string_view::npos || open == 0) return false;
  std::string_view file = text.substr(open + 2, text.size() - open - 3);
  const size_t colon = file.rfind(':');
  int64_t line = 0;
  if (colon != std::string_view::npos && colon > 0 && all_digits(file.substr(colon + 1))) {
    const std::string_view digits = file.substr(colon + 1);
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), line);
    if (read.ec != std::errc{}) return false;
    file = file.substr(0, colon);
  } else if (!is_python_file(file)) {
    return false;
  }
  frame.name = text.substr(0, open);
  frame.file = file;
  frame.line = line;
  if (is_python_file(file)) frame.kind = FrameKind::kPython;
  return true;
}

void split_module(CollapsedFrame &frame) {
  const size_t tick = frame.name.find('`');
  if (tick == std::string_view::npos || tick == 0 || tick + 1 == frame.name.size()) return;
  const std::string_view module = frame.name.substr(0, tick);
  if (module.find_first_of(" (){}\"'") != std::string_view::npos) return;
  const std::string_view name = frame.name.substr(tick + 1);
  if (name.find('`') != std::string_view::npos) return;
  // .NET writes List`1 for a type with one parameter; dtrace's only digits are an address's.
  if (name[0] >= '0' && name[0] <= '9' && !name.starts_with("0x")) return;
  frame.module = module;
  frame.name = name;
}

} // namespace

CollapsedFrame parse_collapsed_frame(std::string_view text) noexcept {
  CollapsedFrame frame;
  if (text.empty()) {
    frame.name = "[empty]";
    return frame;
  }
  frame.name = text;
  frame.kind = kind_of_group(text);
  if (frame.kind != FrameKind::kUnknown) return frame;
  frame.kind = kind_of_mark(text);
  if (frame.kind != FrameKind::kUnknown) frame.name.remove_suffix(4);
  if (!split_file(frame.name, frame)) split_module(frame);
  return frame;
}

CollapsedCount parse_collapsed_count(std::string_view text) noexcept {
  CollapsedCount count;
  char compact[64];
  size_t size = 0;
  bool negative = false;
  std::string_view rest = text;
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) {
    negative = rest[0] == '-';
    rest.remove_prefix(1);
  }
  // Digits, either plain or grouped by threes.
  uint64_t magnitude = 0;
  bool overflow = false;
  size_t digits = 0;
  size_t group = 0;
  bool grouped = false;
  size_t at = 0;
  for (; at < rest.size(); ++at) {
    const char c = rest[at];
    if (c == ',') {
      if (grouped ? group != 3 : (digits == 0 || digits > 3)) return count;
      grouped = true;
      group = 0;
      continue;
    }
    if (!is_digit(c)) break;
    ++digits, ++group;
    overflow |= __builtin_mul_overflow(magnitude, uint64_t{10}, &magnitude);
    overflow |= __builtin_add_overflow(magnitude, static_cast<uint64_t>(c - '0'), &magnitude);
  }
  if (grouped && group != 3) return count;
  std::string_view tail = rest.substr(at);
  if (digits == 0 && !(tail.size() > 1 && tail[0] == '.' && is_digit(tail[1]))) return count;
  if (tail.size() > 1 && tail[0] == '.' && tail.find_first_not_of('0', 1) == std::string_view::npos)
    tail = {}; // "3.000" is an integer
  if (tail.empty() || tail == ".") {
    const uint64_t most = static_cast<uint64_t>(INT64_MAX) + (negative ? 1 : 0);
    overflow |= magnitude > most;
    if (overflow) magnitude = most;
    count.kind = overflow ? CollapsedCount::Kind::kTooLarge : CollapsedCount::Kind::kInteger;
    count.integer = static_cast<int64_t>(negative ? 0 - magnitude : magnitude);
    return count;
  }
  if (tail[0] != '.' && tail[0] != 'e' && tail[0] != 'E') return count;
  const char *begin = rest.data();
  const char *end = rest.data() + rest.size();
  if (grouped) {
    if (rest.size() > sizeof compact) return count;
    for (const char c : rest)
      if (c != ',') compact[size++] = c;
    begin = compact;
    end = compact + size;
  }
  const auto read = std::from_chars(begin, end, count.fraction, std::chars_format::general);
  if (read.ptr != end) return count;
  count.kind = CollapsedCount::Kind::kFraction;
  if (read.ec == std::errc::result_out_of_range) {
    // from_chars does not tell which way; a value under one was meant small.
    const size_t exponent = rest.find_first_of("eE");
    const bool tiny =
        exponent != std::string_view::npos && rest.substr(exponent + 1).starts_with('-');
    count.fraction = 0;
    if (!tiny) {
      count.kind = CollapsedCount::Kind::kTooLarge;
      count.integer = negative ? INT64_MIN : INT64_MAX;
    }
  }
  if (negative) count.fraction = -count.fraction;
  return count;
}

CollapsedCount take_collapsed_count(std::string_view &line) noexcept {
  size_t end = line.size();
  while (end > 0 && is_blank(line[end - 1])) --end;
  size_t begin = end;
  while (begin > 0 && !is_blank(line[begin - 1])) --begin;
  // A stack may be missing ("␠5": all of it at the root), but a lone word is a stack, not a count.
  if (begin == 0 || begin == end) return {};
  const CollapsedCount count = parse_collapsed_count(line.substr(begin, end - begin));
  if (count.kind == CollapsedCount::Kind::kNone) return count;
  while (begin > 0 && is_blank(line[begin - 1])) --begin;
  line = line.substr(0, begin);
  return count;
}

} // namespace profcore
