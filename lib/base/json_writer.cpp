#include "base/json_writer.hpp"

#include "base/utf8.hpp"

#include <charconv>
#include <cmath>

namespace profcore {

void JsonWriter::open(char c) {
  separate();
  output_.put(c);
  needs_comma_ = false;
}

void JsonWriter::close(char c) {
  output_.put(c);
  needs_comma_ = true;
}

void JsonWriter::key(std::string_view name) {
  string(name);
  output_.put(':');
  needs_comma_ = false;
}

void JsonWriter::string(std::string_view text) {
  separate();
  output_.put('"');
  size_t plain = 0; // start of the run not yet written
  size_t at = 0;
  const auto flush = [&] { output_.put(text.data() + plain, at - plain); };
  while (at < text.size()) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c >= 0x80) {
      const size_t length = utf8_sequence_length(text.substr(at));
      if (length != 0) {
        at += length;
        continue;
      }
      flush();
      output_.put_literal("\xef\xbf\xbd");
    } else if (c == '"' || c == '\\') {
      flush();
      output_.put('\\');
      output_.put(static_cast<char>(c));
    } else if (c < 0x20 || c == '<' || c == 0x7f) {
      flush();
      constexpr char kHex[] = "0123456789abcdef";
      switch (c) {
      case '\n':
        output_.put_literal("\\n");
        break;
      case '\t':
        output_.put_literal("\\t");
        break;
      case '\r':
        output_.put_literal("\\r");
        break;
      default:
        output_.put_literal("\\u00");
        output_.put(kHex[c >> 4]);
        output_.put(kHex[c & 15]);
      }
    } else {
      ++at;
      continue;
    }
    plain = ++at;
  }
  flush();
  output_.put('"');
}

void JsonWriter::number(int64_t value) {
  separate();
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  output_.put(text, static_cast<size_t>(end - text));
}

void JsonWriter::number(uint64_t value) {
  separate();
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  output_.put(text, static_cast<size_t>(end - text));
}

void JsonWriter::number(double value) {
  if (!std::isfinite(value)) return null();
  separate();
  char text[40];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  output_.put(text, static_cast<size_t>(end - text));
}

void JsonWriter::boolean(bool value) {
  raw(value ? "true" : "false");
}

void JsonWriter::null() {
  raw("null");
}

void JsonWriter::raw(std::string_view json) {
  separate();
  output_.put(json.data(), json.size());
}

} // namespace profcore
