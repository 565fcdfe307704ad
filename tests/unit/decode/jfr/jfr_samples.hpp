#pragma once

// Small recordings, one per feature of the format or kind of damage: for unit tests, and (by
// tests/fuzz/make_jfr_corpus.cpp) what the fuzzer starts from.

#include "jfr_builder.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace jfr_test {

struct Sample {
  std::string name;
  std::string bytes;
};

constexpr uint64_t kSampleEvent = 100;
constexpr uint64_t kAllFieldsEvent = 101;
constexpr uint64_t kPair = 110;

inline void put(std::string &file, size_t at, uint64_t value, unsigned bytes = 8) {
  for (unsigned i = 0; i < bytes; ++i)
    file[at + i] = static_cast<char>(value >> (8 * (bytes - 1 - i)) & 0xff);
}
constexpr size_t kSizeAt = 8;
constexpr size_t kPoolsAt = 16;
constexpr size_t kMetadataAt = 24;

inline void add_sample_type(Chunk &chunk, uint64_t shift = 0) {
  chunk.type({kSampleEvent + shift,
              "jdk.ExecutionSample",
              {{"startTime", kLong + shift, false, false, {{kTimestamp + shift, "TICKS"}}},
               {"sampledThread", kThread + shift, true},
               {"stackTrace", kStackTrace + shift, true},
               {"state", kThreadState + shift, true}},
              "jdk.jfr.Event",
              false,
              {{kLabel + shift, "Method Profiling Sample"}}});
}

inline size_t add_sample(Chunk &chunk, uint64_t shift = 0, uint64_t key = 1) {
  return chunk.event(kSampleEvent + shift, [key](Writer &out) {
    out.i64(2000);
    out.key(key);
    out.key(key);
    out.key(key);
  });
}

/// Everything a sample refers to, under one key. Class and loader refer to each other.
inline std::vector<Pool> sample_pools(uint64_t shift = 0, uint64_t key = 1,
                                      const std::string &method = "run") {
  const auto symbol = [](const std::string &text) {
    return [text](Writer &out) { out.utf8(text); };
  };
  return {{kStackTrace + shift,
           {{key,
             [key](Writer &out) {
               out.boolean(false);
               out.count(2);
               for (int line = 10; line < 12; ++line) {
                 out.key(key);
                 out.i32(line);
                 out.i32(3);
                 out.key(key);
               }
             }}}},
          {kMethod + shift,
           {{key,
             [key](Writer &out) {
               out.key(key);
               out.key(key);
               out.key(key + 2);
               out.i32(1);
               out.boolean(false);
             }}}},
          {kClass + shift,
           {{key,
             [key](Writer &out) {
               out.key(key);
               out.key(key + 1);
               out.key(0);
               out.i32(1);
               out.boolean(false);
             }}}},
          {kClassLoader + shift,
           {{key,
             [key](Writer &out) {
               out.key(key);
               out.key(key + 1);
             }}}},
          {kSymbol + shift,
           {{key, symbol(method)}, {key + 1, symbol("a/Main")}, {key + 2, symbol("()V")}}},
          {kFrameType + shift, {{key, symbol("JIT compiled")}}},
          {kThreadState + shift, {{key, symbol("STATE_RUNNABLE")}}},
          {kThread + shift, {{key, [](Writer &out) {
                                out.utf8("os name");
                                out.i64(77);
                                out.utf16(u"java näme");
                                out.i64(9);
                                out.key(0);
                              }}}}};
}

/// A valid chunk: `events` samples, then what they refer to.
inline Chunk sample_chunk(uint64_t shift = 0, int events = 3, uint64_t key = 1,
                          const std::string &method = "run") {
  Chunk chunk;
  chunk.add_jdk_types(shift);
  add_sample_type(chunk, shift);
  for (int i = 0; i < events; ++i) add_sample(chunk, shift, key);
  chunk.checkpoint(sample_pools(shift, key, method));
  return chunk;
}

/// One event with a field of every kind.
inline Chunk all_fields_chunk(bool compressed) {
  Chunk chunk;
  chunk.compressed = compressed;
  chunk.size_bytes = compressed ? 5 : 4;
  chunk.add_jdk_types();
  chunk.type(kPair, "my.Pair", {{"a", kInt}, {"b", kString}});
  chunk.type(kAllFieldsEvent, "my.All",
             {{"startTime", kLong, false, false, {{kTimestamp, "TICKS"}}},
              {"duration", kLong, false, false, {{kTimespan, "TICKS"}}},
              {"flag", kBoolean},
              {"octet", kByte},
              {"letter", kChar},
              {"small", kShort},
              {"number", kInt, false, false, {{kUnsigned}}},
              {"size", kLong, false, false, {{kDataAmount, "BITS"}}},
              {"single", kFloat, false, false, {{kPercentage}}},
              {"real", kDouble, false, false, {{kFrequency}}},
              {"none", kString},
              {"empty", kString},
              {"shared", kString},
              {"utf8", kString},
              {"utf16", kString},
              {"latin1", kString},
              {"symbol", kSymbol},
              {"class", kClass, true},
              {"pair", kPair},
              {"numbers", kInt, false, true},
              {"octets", kByte, false, true},
              {"texts", kString, false, true},
              {"classes", kClass, true, true},
              {"pairs", kPair, false, true},
              {"last", kInt}},
             "jdk.jfr.Event");
  chunk.event(kAllFieldsEvent, [](Writer &out) {
    out.i64(3000);
    out.i64(-1);
    out.boolean(true);
    out.u8(0x80);
    out.i16(0xfffe);
    out.i16(-3);
    out.i32(-4);
    out.i64(INT64_MIN);
    out.f32(0.5F);
    out.f64(-2.25);
    out.null_string();
    out.empty_string();
    out.string_key(UINT64_MAX);
    out.utf8("caf\xc3\xa9");
    out.utf16(u"a\xd83d\xde00\xd83d!\xde00");
    out.latin1("caf\xe9");
    out.utf8("inline");
    out.key(1);
    out.i32(5);
    out.utf8("in a pair");
    out.count(3);
    for (const int value : {1, -1, 300}) out.i32(value);
    out.count(2);
    out.raw("xy");
    out.count(2);
    out.null_string();
    out.utf8("text");
    out.count(2);
    out.key(1);
    out.key(0);
    out.count(2);
    for (const char *text : {"p", "q"}) {
      out.i32(6);
      out.utf8(text);
    }
    out.i32(-7);
  });
  std::vector<Pool> pools = sample_pools();
  pools.push_back({kString, {{UINT64_MAX, [](Writer &out) { out.utf8("shared text"); }}}});
  chunk.checkpoint(pools);
  return chunk;
}

inline std::string unfinished(std::string file, uint64_t size, bool with_offsets) {
  put(file, kSizeAt, size);
  if (!with_offsets) {
    put(file, kPoolsAt, 0);
    put(file, kMetadataAt, 0);
  }
  file[64] = 1;
  return file;
}

/// A metadata event that is last in `file` gets `count` in place of its number of strings.
inline std::string with_string_count(std::string file, uint64_t count) {
  const auto at = static_cast<size_t>(static_cast<uint8_t>(file[kMetadataAt + 6])) << 8 |
                  static_cast<uint8_t>(file[kMetadataAt + 7]);
  constexpr size_t kBefore = 9; // size 4, type 1, start 2, duration 1, id 1
  Writer out;
  out.varint(count);
  file.replace(at + kBefore, 2, out.bytes());
  put(file, kSizeAt, file.size());
  Writer size;
  size.padded_varint(file.size() - at, 4);
  return file.replace(at, 4, size.bytes());
}

inline std::vector<Sample> valid_samples() {
  std::vector<Sample> all;
  all.push_back({"stacks", sample_chunk().finish()});
  all.push_back({"all_fields", all_fields_chunk(true).finish()});
  all.push_back({"all_fields_plain_integers", all_fields_chunk(false).finish()});
  // Ids mean one thing in one chunk and another in the next.
  all.push_back({"two_chunks_of_other_ids", sample_chunk(0, 2, 1, "first").finish() +
                                                sample_chunk(1, 2, 1, "second").finish()});
  {
    Chunk chunk;
    chunk.add_jdk_types();
    add_sample_type(chunk);
    for (const uint64_t key : {UINT64_C(0), UINT64_MAX, UINT64_C(1) << 40, UINT64_C(1) << 63}) {
      add_sample(chunk, 0, key);
      chunk.checkpoint(sample_pools(0, key));
    }
    all.push_back({"keys_of_64_bits", chunk.finish()});
  }
  {
    Chunk chunk;
    chunk.size_bytes = 0;
    chunk.add_jdk_types();
    add_sample_type(chunk);
    chunk.metadata();
    chunk.type(120, "my.Later", {{"number", kInt}}, "jdk.jfr.Event");
    add_sample(chunk);
    chunk.metadata();
    chunk.event(120, [](Writer &out) { out.i32(1); });
    chunk.checkpoint(sample_pools());
    all.push_back({"two_metadata_events", chunk.finish()});
  }
  {
    Chunk chunk = sample_chunk();
    chunk.size_bytes = 9;
    add_sample(chunk);
    chunk.state = 0;
    chunk.type(121, "jdk.types.ChunkHeader", {{"payload", kByte, false, true}});
    std::string copy = sample_chunk().finish().substr(0, 68);
    chunk.checkpoint({{121, {{0, [copy](Writer &out) {
                                out.count(copy.size());
                                out.raw(copy);
                              }}}}});
    all.push_back({"header_copy_in_pool", chunk.finish()});
  }
  {
    Chunk chunk;
    chunk.major = 1;
    chunk.minor = 0;
    chunk.type(1000, "int");
    chunk.type(1001, "java.lang.String");
    chunk.type(1002, "com.oracle.jfr.types.Symbol", {{"string", 1001}}, {}, true);
    chunk.type(1003, "com.oracle.jdk.Old", {{"name", 1002, true}, {"value", 1000}},
               "com.oracle.jfr.Event");
    chunk.event(1003, [](Writer &out) {
      out.key(5);
      out.i32(7);
    });
    chunk.checkpoint({{1002, {{5, [](Writer &out) { out.latin1("jdk 9"); }}}}});
    all.push_back({"version_1_0", chunk.finish()});
  }
  return all;
}

/// What the format does not allow. A valid chunk may come before.
inline std::vector<Sample> damaged_samples() {
  const std::string good = sample_chunk().finish();
  std::vector<Sample> all;
  const auto patched = [&](const char *name, size_t at, uint64_t value, unsigned bytes = 8) {
    std::string file = good;
    put(file, at, value, bytes);
    all.push_back({name, file});
  };
  patched("chunk_size_0", kSizeAt, 0);
  patched("chunk_size_1", kSizeAt, 1);
  patched("chunk_size_negative", kSizeAt, UINT64_MAX);
  patched("chunk_size_huge", kSizeAt, INT64_MAX);
  patched("metadata_at_0", kMetadataAt, 0);
  patched("metadata_at_negative", kMetadataAt, UINT64_MAX);
  patched("metadata_past_end", kMetadataAt, good.size() + 5);
  patched("metadata_in_an_event", kMetadataAt, 70);
  patched("ticks_0", 56, 0);
  patched("ticks_negative", 56, UINT64_MAX);
  all.push_back({"offsets_0", unfinished(good, good.size(), false)});
  all.push_back({"in_progress_jdk", unfinished(good, 0, true)});
  all.push_back({"in_progress_jdk_no_offsets", unfinished(good, 0, false)});
  all.push_back({"in_progress_async_profiler", unfinished(good, 1 << 30, false)});
  all.push_back({"cut_in_half", good.substr(0, good.size() / 2)});
  all.push_back({"cut_in_header", good.substr(0, 40)});
  all.push_back({"cut_last_byte", good.substr(0, good.size() - 1)});
  all.push_back({"junk_after", good + std::string(100, 'j') + "FLR" + std::string(2, '\0') +
                                   "\2\0\1" + std::string(100, '\0')});
  all.push_back({"strings_2_31", with_string_count(good, UINT64_C(1) << 31)});
  all.push_back({"strings_2_63", with_string_count(good, UINT64_C(1) << 63)});
  // The first event begins at 68, with a size of four bytes.
  constexpr size_t kFirst = 68;
  const auto sized = [&](const char *name, size_t at, uint64_t size) {
    Writer out;
    out.padded_varint(size, 4);
    std::string file = good;
    all.push_back({name, file.replace(at, 4, out.bytes())});
  };
  sized("event_size_0", kFirst, 0);
  sized("event_size_1", kFirst, 1);
  sized("event_size_overlaps", kFirst, 12);
  sized("event_size_huge", kFirst, (1 << 28) - 1);
  {
    std::string file = good;
    file.replace(kFirst, 9, std::string(9, '\xff'));
    all.push_back({"event_size_minus_1", file});
  }
  const size_t metadata = static_cast<uint8_t>(good[kMetadataAt + 6]) * 256U +
                          static_cast<uint8_t>(good[kMetadataAt + 7]);
  sized("metadata_size_0", metadata, 0);
  sized("metadata_size_1", metadata, 1);
  sized("metadata_size_huge", metadata, (1 << 28) - 1);
  const auto with_checkpoint = [&](const char *name, const Body &body, int events = 3) {
    Chunk chunk = sample_chunk(0, events);
    chunk.event(1, [&](Writer &out) {
      out.i64(0);
      out.i64(0);
      out.i64(0);
      out.u8(0);
      body(out);
    });
    all.push_back({name, chunk.finish()});
  };
  with_checkpoint("pool_count_2_31", [](Writer &out) {
    out.count(1);
    out.key(kSymbol);
    out.count(UINT64_C(1) << 31);
    out.raw("abc");
  });
  with_checkpoint("pool_count_2_63", [](Writer &out) {
    out.count(UINT64_C(1) << 63);
    out.key(kSymbol);
    out.count(UINT64_C(1) << 63);
    out.raw("abc");
  });
  with_checkpoint("pool_of_unknown_type", [](Writer &out) {
    out.count(2);
    out.key(99);
    out.count(1);
    out.raw("abc");
  });
  with_checkpoint("pool_value_cut", [](Writer &out) {
    out.count(1);
    out.key(kSymbol);
    out.count(2);
    out.key(50);
    out.utf8("fine");
    out.key(51);
    out.u8(3);
    out.count(100);
  });
  with_checkpoint("string_of_unknown_kind", [](Writer &out) {
    out.count(1);
    out.key(kSymbol);
    out.count(1);
    out.key(50);
    out.u8(9);
  });
  with_checkpoint("checkpoint_cut", [](Writer &) {});
  {
    // Two checkpoints each of which names the other as the one before, and an event of size 0 that
    // makes the reader look for them.
    Chunk chunk;
    chunk.add_jdk_types();
    add_sample_type(chunk);
    const size_t first = chunk.checkpoint(sample_pools());
    const size_t second = chunk.checkpoint(sample_pools(0, 9));
    chunk.raw(std::string(4, '\0'));
    add_sample(chunk);
    std::string file = chunk.finish();
    Writer delta;
    delta.varint(second - first);
    file.replace(first + 8, delta.bytes().size(), delta.bytes()); // size 4, type 1, start 2, 1
    all.push_back({"checkpoints_in_a_circle", file});
  }
  {
    Chunk chunk;
    chunk.add_jdk_types();
    add_sample_type(chunk);
    chunk.type(130, "my.Circle", {{"other", 131}});
    chunk.type(131, "my.Other", {{"back", 130}});
    chunk.type(132, "my.List", {{"next", 132, false, true}});
    chunk.type(133, "my.Nothing");
    chunk.type(134, "my.Event", {{"number", kInt}, {"circle", 130}, {"list", 132}, {"unknown", 98}},
               "jdk.jfr.Event");
    chunk.type(135, "my.Nothings", {{"nothings", 133, false, true}}, "jdk.jfr.Event");
    chunk.type(132, "my.Twice", {{"number", kInt}});
    chunk.event(134, [](Writer &out) {
      out.i32(1);
      out.i32(2);
    });
    chunk.event(135, [](Writer &out) { out.count(UINT64_C(1) << 62); });
    for (const uint64_t type : {130, 132, 133}) chunk.checkpoint({{type, {{1, [](Writer &) {}}}}});
    all.push_back({"types_in_circles", chunk.finish()});
  }
  {
    Chunk chunk;
    chunk.add_jdk_types();
    chunk.type(200, "my.Level0", {{"a", kInt}, {"b", kString}});
    for (uint64_t level = 1; level <= 20; ++level)
      chunk.type(200 + level, "my.Level" + std::to_string(level),
                 {{"a", 199 + level, false, true}, {"b", 199 + level, false, true}});
    for (uint64_t level = 1; level <= 20; ++level) // two to the power of its number
      chunk.type(300 + level, "my.Wide" + std::to_string(level),
                 {{"a", level == 1 ? uint64_t{kString} : 299 + level},
                  {"b", level == 1 ? uint64_t{kString} : 299 + level}});
    chunk.type(400, "my.Deep", {{"deep", 210}, {"wide", 303}, {"deeper", 220}, {"wider", 320}},
               "jdk.jfr.Event");
    chunk.event(400, [](Writer &out) { out.raw(std::string(30, '\1')); });
    chunk.checkpoint({{215, {{1, [](Writer &out) { out.raw("\1\1\1\1\1\1"); }}}}});
    all.push_back({"types_in_types", chunk.finish()});
  }
  return all;
}

/// The damaged files of the test data as {path, bytes}; none where there is no test data.
inline std::vector<std::pair<std::string, std::string>> malformed_files() {
  const char *const root = std::getenv("PROFCORE_TESTDATA");
  const std::filesystem::path folder =
      std::filesystem::path{root != nullptr ? root : "../shared/testdata"} / "jfr/malformed";
  std::vector<std::pair<std::string, std::string>> files;
  if (!std::filesystem::is_directory(folder)) return files;
  for (const auto &entry : std::filesystem::directory_iterator{folder}) {
    std::ifstream in{entry.path(), std::ios::binary};
    files.emplace_back(entry.path().string(), std::string{std::istreambuf_iterator<char>{in}, {}});
  }
  return files;
}

} // namespace jfr_test
