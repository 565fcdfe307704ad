#pragma once

// Recordings that several tests look at.

#include "jfr_builder.hpp"

namespace jfr_test {

inline Body text_body(std::string text) {
  return [text = std::move(text)](Writer &out) { out.utf8(text); };
}

/// Ids of the events in sample_chunk(), apart from `shift`.
enum SampleId : uint64_t { kSample = 1000, kValues = 1001, kLoad = 1002 };

/// A chunk of three types of events, `shift` (hundreds) apart from others in its type ids but with
/// the same keys in its pools, where method 1 is called `method`.
inline Chunk sample_chunk(const std::string &method, uint64_t shift, bool compressed) {
  const auto at = [shift](uint64_t id) { return id + shift; };
  Chunk chunk;
  chunk.compressed = compressed;
  chunk.ticks_per_second = 3'000'000'000;
  if (shift != 0) chunk.start_ns += 1'000'000'000;
  chunk.add_jdk_types(shift);
  const std::vector<Annotation> ticks_time{{at(kTimestamp), "TICKS"}};
  const std::vector<Annotation> ticks_span{{at(kTimespan), "TICKS"}};
  const Field start{"startTime", at(kLong), false, false, ticks_time};
  const Field thread{"eventThread", at(kThread), true};
  const Field stack{"stackTrace", at(kStackTrace), true};
  chunk.type(
      {at(kSample),
       "jdk.ExecutionSample",
       {start, {"sampledThread", at(kThread), true}, stack, {"state", at(kThreadState), true}},
       "jdk.jfr.Event",
       false,
       {{at(kLabel), "Method Profiling Sample"}, {at(kCategory), "Java Virtual Machine"}}});
  const auto number = [&](const char *name, uint64_t type, std::vector<Annotation> annotations) {
    return Field{name, at(type), false, false, std::move(annotations)};
  };
  chunk.type({at(kValues),
              "test.Values",
              {start,
               {"duration", at(kLong), false, false, ticks_span},
               thread,
               number("yes", kBoolean, {}),
               number("tiny", kByte, {}),
               number("letter", kChar, {}),
               number("small", kShort, {}),
               number("number", kInt, {}),
               number("large", kLong, {}),
               number("third", kFloat, {}),
               number("half", kDouble, {}),
               {"text", at(kString)},
               {"type", at(kClass), true},
               number("bytes", kLong, {{at(kDataAmount), "BYTES"}}),
               number("bits", kLong, {{at(kDataAmount), "BITS"}}),
               number("wait", kLong, {{at(kTimespan), "MILLISECONDS"}}),
               number("until", kLong, {{at(kTimestamp), "MILLISECONDS_SINCE_EPOCH"}}),
               number("share", kFloat, {{at(kPercentage)}}),
               number("rate", kLong, {{at(kFrequency)}}),
               number("where", kLong, {{at(kMemoryAddress)}, {at(kLabel), "Address"}}),
               number("unsigned", kInt, {{at(kUnsigned)}}),
               {"numbers", at(kInt), false, true},
               {"names", at(kString), false, true}},
              "jdk.jfr.Event"});
  chunk.type(at(kLoad), "jdk.CPULoad", {start, number("machineTotal", kFloat, {{at(kPercentage)}})},
             "jdk.jfr.Event");

  chunk.event(at(kSample), [](Writer &out) {
    out.i64(1000 + 3'000);
    out.key(5);
    out.key(1);
    out.key(2);
  });
  chunk.checkpoint(
      {{at(kString), {{1, text_body("from the pool")}}},
       {at(kSymbol),
        {{1, text_body(method)},
         {2, text_body("com/example/Main")},
         {3, text_body("([Ljava/lang/String;I)V")},
         {4, text_body("app")},
         {5, text_body("com/example/Loader")}}},
       {at(kThreadState), {{2, text_body("STATE_RUNNABLE")}}},
       {at(kFrameType), {{0, text_body("Interpreted")}, {1, text_body("JIT compiled")}}}});
  // The loader of a class is of a class whose loader it is.
  const auto class_of = [](uint64_t name) {
    return [name](Writer &out) {
      out.key(1); // loader
      out.key(name);
      out.key(0); // package
      out.i32(1);
      out.boolean(false);
    };
  };
  chunk.checkpoint({{at(kClass), {{1, class_of(2)}, {UINT64_MAX, class_of(5)}}},
                    {at(kClassLoader),
                     {{1,
                       [](Writer &out) {
                         out.key(UINT64_MAX);
                         out.key(4);
                       }}}},
                    {at(kMethod),
                     {{1,
                       [](Writer &out) {
                         out.key(1);
                         out.key(1);
                         out.key(3);
                         out.i32(9);
                         out.boolean(false);
                       }}}},
                    {at(kThreadGroup),
                     {{1,
                       [](Writer &out) {
                         out.key(0);
                         out.utf8("main");
                       }}}},
                    {at(kThread),
                     {{5,
                       [](Writer &out) {
                         out.utf8("java");
                         out.i64(4321);
                         out.utf8("main");
                         out.i64(1);
                         out.key(1);
                       }}}},
                    {at(kStackTrace), {{1, [](Writer &out) {
                                          out.boolean(true);
                                          out.count(7);
                                          for (int i = 0; i < 7; ++i) {
                                            out.key(1);
                                            out.i32(i == 6 ? -1 : 10 + i);
                                            out.i32(i);
                                            out.key(i == 0 ? 1 : 0);
                                          }
                                        }}}}});
  const auto values = [](Writer &out, bool is_first) {
    out.i64(1000 + 6'000);
    out.i64(4'500);
    out.key(5);
    out.boolean(is_first);
    out.u8(is_first ? 0x85 : 1);
    out.i16(is_first ? 0x4e16 : 'x');
    out.i16(-2);
    out.i32(-3);
    out.i64(INT64_MIN + 1);
    out.f32(1.0F / 3);
    out.f64(is_first ? 0.5 : std::bit_cast<double>(UINT64_C(0x7ff8000000000000)));
    if (is_first)
      out.string_key(1);
    else
      out.utf16(u"\u4e16 \U0001f600 \"quoted\"\n");
    out.key(is_first ? 1 : 77); // 77 is not in the pool
    out.i64(17'196'152);
    out.i64(80);
    out.i64(is_first ? 1500 : INT64_MIN);
    out.i64(is_first ? 1'700'000'000'123 : INT64_MIN);
    out.f32(0.25F);
    out.i64(20);
    out.i64(0x7f453c271490);
    out.i32(-1);
    out.count(3);
    for (int i = 0; i < 3; ++i) out.i32(-i);
    out.count(2);
    out.latin1("caf\xe9");
    out.null_string();
  };
  chunk.event(at(kValues), [&](Writer &out) { values(out, true); });
  chunk.event(at(kValues), [&](Writer &out) { values(out, false); });
  for (int i = 0; i < 4; ++i)
    chunk.event(at(kLoad), [i](Writer &out) {
      out.i64(1000 + 3'000'000 * i);
      out.f32(0.125F * static_cast<float>(i));
    });
  return chunk;
}

/// Two chunks, of different encodings, whose ids and keys collide.
inline std::string sample_recording() {
  return sample_chunk("run", 0, true).finish() + sample_chunk("walk", 100, false).finish();
}

} // namespace jfr_test
