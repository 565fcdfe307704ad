#pragma once

#include "base/pod_vector.hpp"

#include <cstdint>
#include <string_view>

namespace profcore {

/// Streaming JSON into a buffer: commas and escapes are its business, matching begin/end is the
/// caller's. Keys come out in the order written. Invalid UTF-8 becomes U+FFFD. '<' is written as
/// \u003c so that the text may stand inside an HTML script element.
class JsonWriter {
public:
  explicit JsonWriter(Buffer &output) : output_{output} {}

  void begin_object() { open('{'); }
  void end_object() { close('}'); }
  void begin_array() { open('['); }
  void end_array() { close(']'); }
  void key(std::string_view name);
  void string(std::string_view text);
  void number(int64_t value);
  void number(uint64_t value);
  void number(double value); ///< shortest form that reads back; null for NaN and infinities
  void boolean(bool value);
  void null();
  /// Text that is JSON already.
  void raw(std::string_view json);
  void newline() { output_.put('\n'); }

  void member(std::string_view name, std::string_view text) { key(name), string(text); }
  void member(std::string_view name, const char *text) { key(name), string(text); }
  void member(std::string_view name, int64_t value) { key(name), number(value); }
  void member(std::string_view name, uint64_t value) { key(name), number(value); }
  void member(std::string_view name, uint32_t value) { key(name), number(uint64_t{value}); }
  void member(std::string_view name, int32_t value) { key(name), number(int64_t{value}); }
  void member(std::string_view name, double value) { key(name), number(value); }
  void member(std::string_view name, bool value) { key(name), boolean(value); }

private:
  void open(char c);
  void close(char c);
  void separate() {
    if (needs_comma_) output_.put(',');
    needs_comma_ = true;
  }

  Buffer &output_;
  bool needs_comma_ = false;
};

} // namespace profcore
