#include "sources/decode/legacy/go_comments.hpp"

#include "base/utf8.hpp"

#include <algorithm>

namespace profcore::legacy {
namespace {

bool read_escape(Cursor &cursor, std::string &out) {
  if (cursor.done()) return false;
  const char kind = cursor.rest().front();
  cursor.skip(1);
  constexpr std::string_view kLetters = "abfnrtv\\\"'", kMeans = "\a\b\f\n\r\t\v\\\"'";
  if (const size_t at = kLetters.find(kind); at != std::string_view::npos) {
    out.push_back(kMeans[at]);
    return true;
  }
  const size_t length = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
  if (length == 0 || cursor.rest().size() < length) return false;
  const auto code = parse_hex(cursor.rest().substr(0, length));
  if (!code || *code > 0x10ffff) return false;
  cursor.skip(length);
  if (kind == 'x')
    out.push_back(static_cast<char>(*code)); // a byte that was no valid UTF-8
  else
    append_utf8(out, static_cast<uint32_t>(*code));
  return true;
}

bool read_quoted(Cursor &cursor, std::string &out) {
  out.clear();
  if (!cursor.take('"')) return false;
  for (;;) {
    out.append(cursor.take_while([](char c) { return c != '"' && c != '\\'; }));
    if (cursor.take('"')) return true;
    if (!cursor.take('\\') || !read_escape(cursor, out)) return false;
  }
}

/// `name+0xoffset<blanks>file:line`
bool read_frame(std::string_view text, Profile &profile, Line &out) {
  size_t plus = 0;
  Cursor after{{}};
  for (;; ++plus) {
    plus = text.find("+0x", plus);
    if (plus == std::string_view::npos) return false;
    after = Cursor{text.substr(plus + 3)};
    if (!after.hex_digits().empty() && !after.blanks().empty()) break;
  }
  const std::string_view name = trim(text.substr(0, plus));
  if (name.empty()) return false;
  std::string_view file = trim(after.rest());
  int64_t number = 0;
  if (const size_t colon = file.rfind(':'); colon != std::string_view::npos) {
    if (const auto value = parse_signed(file.substr(colon + 1)); value && *value >= 0) {
      number = *value;
      file = file.substr(0, colon);
    }
  }
  Function function;
  function.name = function.system_name = profile.intern(name);
  function.file = profile.intern(file);
  out = {};
  out.function = profile.add_function(function);
  out.line = number;
  return true;
}

template <class Same> size_t run_length(size_t from, size_t size, Same &&same) {
  size_t end = from + 1;
  while (end < size && same(end)) ++end;
  return end - from;
}

} // namespace

void GoComments::add(const TextLine &line) {
  Cursor cursor{trim(line.text)};
  if (!cursor.take('#')) return;
  cursor.blanks();
  if (!cursor.take("0x")) return;
  const auto address = parse_hex(cursor.hex_digits());
  if (!address || cursor.blanks().empty()) return; // nothing behind it: Go had no name either
  frames_.push_back({*address, cursor.rest()});
}

void GoComments::name(uint64_t address, std::span<const Frame> frames) {
  if (builder_.has_name(address)) return;
  lines_.clear();
  for (const Frame &frame : frames) {
    Line line;
    if (read_frame(frame.text, builder_.profile, line)) lines_.push_back(line);
  }
  builder_.set_name(address, lines_);
}

void GoComments::apply(std::span<const uint64_t> stack) {
  // A line is looked for behind the one before; this bounds what lines that match nothing can cost.
  size_t budget = 4 * (stack.size() + frames_.size());
  size_t at = 0;
  for (size_t i = 0; i < frames_.size();) {
    const uint64_t address = frames_[i].address;
    const size_t lines =
        run_length(i, frames_.size(), [&](size_t k) { return frames_[k].address == address; });
    size_t found = at;
    while (found < stack.size() && stack[found] != address && budget != 0) {
      ++found;
      --budget;
    }
    if (budget == 0) break;
    if (found < stack.size()) {
      const size_t times =
          run_length(found, stack.size(), [&](size_t k) { return stack[k] == address; });
      name(address, std::span{frames_}.subspan(i, lines % times == 0 ? lines / times : 1));
      at = found + times;
    } else {
      builder_.profile.count("unmatched_comment_frames", lines);
    }
    i += lines;
  }
  frames_.clear();
}

bool is_label_comment(std::string_view line, std::string_view &body) noexcept {
  Cursor cursor{trim(line)};
  if (!cursor.take('#')) return false;
  cursor.blanks();
  if (!cursor.take("labels:")) return false;
  body = trim(cursor.rest());
  return true;
}

bool read_go_labels(std::string_view body, Profile &profile, std::vector<Label> &out) {
  Cursor cursor{body};
  if (!cursor.take('{')) return false;
  cursor.blanks();
  std::string key, value;
  for (bool first = true; !cursor.take('}'); first = false) {
    if (!first) {
      if (!cursor.take(',')) return false;
      cursor.blanks();
    }
    if (!read_quoted(cursor, key)) return false;
    cursor.blanks();
    if (!cursor.take(':')) return false;
    cursor.blanks();
    if (!read_quoted(cursor, value)) return false;
    cursor.blanks();
    Label label;
    label.key = profile.intern(key);
    label.text = profile.intern(value);
    out.push_back(label);
  }
  return cursor.done();
}

} // namespace profcore::legacy
