// Events as JSON and as text, in the forms of the JDK's `jfr print`.
#pragma once

#include <profcore/profcore.hpp>

#include <cstdint>
#include <string>
#include <string_view>

/// Nobody reads stdout any more: an end, not a failure.
struct ReaderGone {};

/// Text on its way to stdout. Throws ReaderGone, or std::runtime_error when it cannot be written.
class OutputText {
public:
  void put(std::string_view text) {
    text_ += text;
    if (text_.size() >= kFull) flush();
  }
  void put(char c) { text_ += c; }
  void flush();

private:
  static constexpr size_t kFull = size_t{1} << 16;
  std::string text_;
};

struct EventPrintOptions {
  uint64_t stack_depth = UINT64_MAX; ///< frames of a stack
};

/// One object: {"type": ..., "values": {...}}.
void print_event_json(profcore::Events &events, const profcore_event &event,
                      const EventPrintOptions &options, OutputText &out);
/// A block of lines, and an empty one.
void print_event_text(profcore::Events &events, const profcore_event &event,
                      const EventPrintOptions &options, OutputText &out);

/// `text` in quotes; what is no UTF-8 becomes U+FFFD.
void put_json_string(std::string_view text, OutputText &out);
/// Text from a file for one line of a terminal.
std::string one_line(std::string_view text);
/// "2026-11-21T01:15:00.191955823Z", of any 64 bits.
std::string time_text(int64_t ns_since_1970);
/// "16.4 MB"; "12.2 ms".
std::string bytes_text(double bytes);
std::string duration_text(int64_t ns);
