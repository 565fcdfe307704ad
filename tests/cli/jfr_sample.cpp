// Writes a recording to stdout: what `profcore events` is tested with.
//   jfr_sample [whole|cut|one|text|hostile|long|circle|none]
#include "../unit/decode/jfr/events_sample.hpp"

#include <cmath>
#include <cstdio>
#include <cstring>

using namespace jfr_test;

namespace {

/// Texts that are no good in JSON or on a terminal.
std::string bad_text() {
  Chunk chunk;
  chunk.add_jdk_types();
  chunk.type(1000, "test.\x1b[31mText", {{"text\"\n", kString}}, "jdk.jfr.Event");
  for (const char *text : {"\xff\xfe", "\x1b[2J", "\xed\xa0\x80", "a\\b\x7f", ""})
    chunk.event(1000, [text](Writer &out) { out.utf8(text); });
  return chunk.finish();
}

/// Names and texts that would break a line, a terminal or JSON, and numbers that are none.
std::string hostile() {
  Chunk chunk;
  chunk.add_jdk_types();
  const std::vector<std::string> texts{"line\nline",
                                       "\r\n",
                                       "tab\tnul" + std::string(1, '\0') + "end",
                                       "\x1b]0;title\x07",
                                       "\xc2\x85next\xc2\x9b"
                                       "31m",
                                       "\xe2\x80\xa8line\xe2\x80\xa9paragraph",
                                       "\xe2\x80\xaeturned\xe2\x81\xa6",
                                       "\xff\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82",
                                       "\"},{\"type\":\"forged\",\"values\":{\"",
                                       "\\u0000\\"};
  uint64_t id = 1000;
  for (const std::string &text : texts) {
    chunk.type({id,
                text,
                {{text, kString},
                 {text, kDouble, false, false, {{kPercentage}}},
                 {"single", kFloat, false, false, {{kTimespan, "NANOSECONDS"}}},
                 {"size", kDouble, false, false, {{kDataAmount, "BYTES"}}},
                 {"wait", kLong, false, false, {{kTimespan, "TICKS"}}},
                 {"startTime", kLong, false, false, {{kTimestamp, "TICKS"}}},
                 {"letter", kChar},
                 {"thread", kThread, true},
                 {"texts", kString, false, true}},
                "jdk.jfr.Event",
                false,
                {{kLabel, text}, {kCategory, text}}});
    for (const double number : {std::nan(""), HUGE_VAL, -HUGE_VAL, -0.0, 1e308})
      for (const int64_t time : {INT64_MIN, INT64_MAX})
        chunk.event(id, [&](Writer &out) {
          out.utf8(text);
          out.f64(number);
          out.f32(static_cast<float>(number));
          out.f64(number);
          out.i64(time);
          out.i64(time);
          out.i16(0xd800);
          out.key(1);
          out.count(2);
          out.utf16(u"\xd800 \xdc00\xd83d\xde00\n\x2028");
          out.latin1("\x85\x9b\n");
        });
    ++id;
  }
  chunk.checkpoint({{kThread, {{1, [&](Writer &out) {
                                  out.utf8(texts[7]);
                                  out.i64(-1);
                                  out.utf8(texts[0] + texts[3] + texts[4]);
                                  out.i64(INT64_MIN);
                                  out.key(0);
                                }}}}});
  return chunk.finish();
}

/// An event between two others whose text is longer than a megabyte.
std::string long_text() {
  Chunk chunk;
  chunk.add_jdk_types();
  chunk.type(60, "test.Inner", {{"first", kInt}, {"text", kString}});
  chunk.type(1000, "test.Text", {{"before", kInt}, {"inners", 60, false, true}}, "jdk.jfr.Event");
  for (const size_t letters : {3, 3'000'000, 3})
    chunk.event(1000, [letters](Writer &out) {
      out.i32(1);
      out.count(1);
      out.i32(2);
      out.utf8(std::string(letters, '\n'));
    });
  return chunk.finish();
}

/// Thread groups that are each other's parents, and boxes of two boxes, a hundred deep: 2^100
/// values.
std::string circle() {
  Chunk chunk;
  chunk.add_jdk_types();
  chunk.type(60, "test.Box", {{"left", 60, true}, {"right", 60, true}});
  chunk.type(1000, "test.Circle", {{"group", kThreadGroup, true}}, "jdk.jfr.Event");
  chunk.type(1001, "test.Boxes", {{"box", 60, true}}, "jdk.jfr.Event");
  std::vector<PoolValue> groups;
  for (uint64_t key = 1; key <= 2; ++key)
    groups.push_back({key, [key](Writer &out) {
                        out.key(3 - key);
                        out.utf8(key == 1 ? "one" : "two");
                      }});
  std::vector<PoolValue> boxes;
  for (uint64_t key = 1; key <= 100; ++key)
    boxes.push_back({key, [key](Writer &out) {
                       out.key(key - 1);
                       out.key(key - 1);
                     }});
  chunk.checkpoint({{kThreadGroup, groups}, {60, boxes}});
  chunk.event(1000, [](Writer &out) { out.key(1); });
  chunk.event(1001, [](Writer &out) { out.key(100); });
  chunk.event(1000, [](Writer &out) { out.key(2); });
  return chunk.finish();
}

std::string recording(const std::string &kind) {
  if (kind == "one") return sample_chunk("run", 0, true).finish();
  if (kind == "text") return bad_text();
  if (kind == "hostile") return hostile();
  if (kind == "long") return long_text();
  if (kind == "circle") return circle();
  if (kind == "none") {
    Chunk chunk;
    chunk.add_jdk_types();
    return chunk.finish();
  }
  std::string whole = sample_recording();
  if (kind == "cut") whole.resize(whole.size() - 2000);
  return whole;
}

} // namespace

int main(int count, char **words) {
  const std::string bytes = recording(count > 1 ? words[1] : "whole");
  return std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size() ? 0 : 1;
}
