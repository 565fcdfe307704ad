// Stacks and label sets are found by short cuts: frames by their bytes, traces by the one before,
// events by where their numbers end. What comes out is held against what was written.

#include "jfr_samples.hpp"
#include "sources/decode/decode.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <random>

using namespace profcore;
using jfr_test::Writer;

namespace {

struct Frame {
  size_t method;
  int32_t line;
  int32_t index;
  size_t kind;
  unsigned padding; ///< bytes that the line's number is padded to
};
struct Trace {
  uint64_t key;
  bool truncated;
  std::vector<Frame> frames; ///< leaf first
};
struct Event {
  int64_t ticks;
  size_t trace, thread;
};

/// How large the numbers of a recording get.
struct Shape {
  uint64_t method_step, trace_step, thread_step;
  bool compressed;
};

struct Recording {
  std::vector<uint64_t> methods;
  std::vector<Trace> traces;
  std::vector<Event> events;
  std::string file;
};

constexpr size_t kThreads = 40;
constexpr const char *kKinds[] = {"Interpreted", "JIT compiled", "Kernel"};
constexpr FrameKind kExpectedKinds[] = {FrameKind::kJavaInterpreted, FrameKind::kJavaCompiled,
                                        FrameKind::kKernel};

Recording make_recording(const Shape &shape, uint64_t seed) {
  std::mt19937_64 random{seed};
  const auto below = [&](uint64_t most) { return random() % most; };
  Recording made;
  for (uint64_t i = 0; i < 500; ++i) made.methods.push_back(1 + i * shape.method_step);
  for (uint64_t i = 0; i < 300; ++i) {
    Trace trace{5 + i * shape.trace_step, below(8) == 0, {}};
    // Callers like those of a trace before, callees of its own.
    for (uint64_t own = below(12); own > 0; --own) {
      constexpr int32_t kLines[] = {0, 1, 127, 128, 70'000, 1 << 20, -1};
      trace.frames.push_back({below(made.methods.size()), kLines[below(std::size(kLines))],
                              static_cast<int32_t>(below(300)), below(std::size(kKinds)),
                              below(20) == 0 ? static_cast<unsigned>(5 + below(5)) : 0});
    }
    if (i > 0) {
      const std::vector<Frame> &other = made.traces[below(i)].frames;
      trace.frames.insert(trace.frames.end(),
                          other.end() - static_cast<int64_t>(below(other.size() + 1)), other.end());
    }
    made.traces.push_back(std::move(trace));
  }
  int64_t ticks = 1000;
  for (int i = 0; i < 5000; ++i) {
    ticks += static_cast<int64_t>(below(1'000'000));
    made.events.push_back({ticks, below(made.traces.size()), below(kThreads)});
  }

  jfr_test::Chunk chunk;
  chunk.compressed = shape.compressed;
  chunk.size_bytes = shape.compressed ? 0 : 4;
  chunk.add_jdk_types();
  jfr_test::add_sample_type(chunk);
  const auto thread_key = [&](size_t thread) { return 3 + thread * shape.thread_step; };
  for (const Event &event : made.events)
    chunk.event(jfr_test::kSampleEvent, [&](Writer &out) {
      out.i64(event.ticks);
      out.key(thread_key(event.thread));
      out.key(made.traces[event.trace].key);
      out.key(1);
    });
  jfr_test::Pool traces{jfr_test::kStackTrace, {}};
  for (const Trace &trace : made.traces)
    traces.values.push_back({trace.key, [&](Writer &out) {
                               out.boolean(trace.truncated);
                               out.count(trace.frames.size());
                               for (const Frame &frame : trace.frames) {
                                 out.key(made.methods[frame.method]);
                                 if (frame.padding > 0 && frame.line >= 0 && out.compressed())
                                   out.padded_varint(static_cast<uint64_t>(frame.line),
                                                     frame.padding);
                                 else
                                   out.i32(frame.line);
                                 out.i32(frame.index);
                                 out.key(frame.kind);
                               }
                             }});
  jfr_test::Pool methods{jfr_test::kMethod, {}};
  jfr_test::Pool symbols{jfr_test::kSymbol, {}};
  for (size_t i = 0; i < made.methods.size(); ++i) {
    methods.values.push_back({made.methods[i], [i](Writer &out) {
                                out.key(0);
                                out.key(i + 1);
                                out.key(0);
                                out.i32(1);
                                out.boolean(false);
                              }});
    symbols.values.push_back({i + 1, [i](Writer &out) { out.utf8("m" + std::to_string(i)); }});
  }
  jfr_test::Pool kinds{jfr_test::kFrameType, {}};
  for (size_t i = 0; i < std::size(kKinds); ++i)
    kinds.values.push_back({i, [i](Writer &out) { out.utf8(kKinds[i]); }});
  jfr_test::Pool threads{jfr_test::kThread, {}};
  for (size_t i = 0; i < kThreads; ++i)
    threads.values.push_back({thread_key(i), [i](Writer &out) {
                                out.utf8("t" + std::to_string(i));
                                out.i64(static_cast<int64_t>(100 + i));
                                out.null_string();
                                out.i64(0);
                                out.key(0);
                              }});
  chunk.checkpoint({traces, methods, symbols, kinds, threads});
  made.file = chunk.finish();
  return made;
}

void check_row(const Profile &profile, size_t row, const Recording &recording) {
  const Event &event = recording.events[row];
  const Trace &trace = recording.traces[event.trace];
  StackId stack = profile.sample_stacks()[row];
  for (const Frame &frame : trace.frames) {
    REQUIRE(stack != 0);
    const LocationId location = profile.stacks[stack].location;
    const auto lines = profile.lines_of(location);
    REQUIRE(lines.size() == 1);
    CHECK(profile.text(profile.functions()[lines[0].function].name) ==
          "m" + std::to_string(frame.method));
    CHECK(lines[0].line == std::max(0, frame.line));
    CHECK(profile.locations()[location].kind == kExpectedKinds[frame.kind]);
    stack = profile.stacks[stack].parent;
  }
  if (trace.truncated) {
    REQUIRE(stack != 0);
    CHECK(profile.locations()[profile.stacks[stack].location].reason == UnnamedReason::kTruncated);
    stack = profile.stacks[stack].parent;
  }
  CHECK(stack == 0);
  CHECK(profile.timestamps()[row] == 1'700'000'000'000'000'000 + event.ticks - 1000);
  const auto labels = profile.labels_of(profile.sample_label_sets()[row]);
  const auto of_thread = std::find_if(labels.begin(), labels.end(), [&](const Label &label) {
    return profile.text(label.key) == "thread";
  });
  REQUIRE(of_thread != labels.end());
  CHECK(profile.text(of_thread->text) == "t" + std::to_string(event.thread));
}

} // namespace

TEST_CASE("stacks, times and threads come out as they were written") {
  constexpr uint64_t kFar = UINT64_C(1) << 50;
  // Keys one after the other, keys of slots in a table, and keys of nine bytes.
  for (const Shape &shape :
       {Shape{1, 1, 1, true}, Shape{7, 211, 9, true}, Shape{40'000, 100'000, 1 << 20, true},
        Shape{kFar / 8 + 1, kFar + 3, kFar * 50, true}, Shape{7, 211, 9, false}})
    for (uint64_t seed = 0; seed < 3; ++seed) {
      CAPTURE(shape.trace_step);
      CAPTURE(seed);
      const Recording recording = make_recording(shape, seed);
      const Profile profile = decode(
          {reinterpret_cast<const uint8_t *>(recording.file.data()), recording.file.size()}, {});
      CHECK(profile.warnings().size() <= 1); // that 20 ms a sample is assumed
      REQUIRE(profile.sample_count() == recording.events.size());
      for (size_t row = 0; row < recording.events.size(); ++row) check_row(profile, row, recording);
    }
}
