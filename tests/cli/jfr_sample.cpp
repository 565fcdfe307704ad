// Writes a recording to stdout: what `profcore events` is tested with.
//   jfr_sample [whole|cut|one|text|circle|none]
#include "../unit/decode/jfr/events_sample.hpp"

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
