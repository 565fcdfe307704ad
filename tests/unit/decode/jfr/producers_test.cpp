// What one producer writes and another does not, as the real ones were seen to write it
// (tests/peers).

#include "base/inflate.hpp"
#include "jfr_samples.hpp"
#include "sources/decode/decode.hpp"

#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace profcore;
using jfr_test::Writer;

namespace {

jfr_test::Body symbol(const char *text) {
  return [text](Writer &out) { out.utf8(text); };
}

Profile decoded(jfr_test::Chunk &chunk, JfrCompat compat = JfrCompat::kNone) {
  const std::string file = chunk.finish();
  DecodeOptions options;
  options.jfr.compat = compat;
  return decode({reinterpret_cast<const uint8_t *>(file.data()), file.size()}, options);
}

/// The one sample's frames, leaf first: "name" or "name [module]".
std::vector<std::string> frames_of_first(const Profile &profile) {
  std::vector<std::string> frames;
  REQUIRE(profile.sample_count() == 1);
  for (StackId stack = profile.sample_stacks()[0]; stack != 0;
       stack = profile.stacks[stack].parent) {
    const LocationId at = profile.stacks[stack].location;
    const Location &location = profile.locations()[at];
    std::string text{profile.text(profile.functions()[profile.lines_of(at)[0].function].name)};
    if (location.module != 0)
      text += " [" + std::string{profile.text(profile.modules()[location.module].path)} + "]";
    frames.push_back(std::move(text));
  }
  return frames;
}

/// A sample of write() in libc.so.6, called by a Java native method.
jfr_test::Chunk native_sample(bool has_kernel_frames, const char *function = "write") {
  jfr_test::Chunk chunk;
  chunk.add_jdk_types();
  jfr_test::add_sample_type(chunk);
  jfr_test::add_sample(chunk);
  const auto method = [](uint64_t of_class, uint64_t name) {
    return [=](Writer &out) {
      out.key(of_class);
      out.key(name);
      out.key(5);
      out.i32(0);
      out.boolean(false);
    };
  };
  const auto of_name = [](uint64_t name) {
    return [=](Writer &out) {
      out.key(0);
      out.key(name);
      out.key(0);
      out.i32(0);
      out.boolean(false);
    };
  };
  std::vector<jfr_test::PoolValue> kinds{{1, symbol("Native")}, {2, symbol("Interpreted")}};
  if (has_kernel_frames) kinds.push_back({3, symbol("Kernel")});
  const std::vector<std::pair<uint64_t, uint64_t>> frames{{1, 1}, {2, 2}};
  chunk.checkpoint({{jfr_test::kStackTrace,
                     {{1,
                       [frames](Writer &out) {
                         out.boolean(false);
                         out.count(frames.size());
                         for (const auto &[of, kind] : frames) {
                           out.key(of);
                           out.i32(0);
                           out.i32(0);
                           out.key(kind);
                         }
                       }}}},
                    {jfr_test::kMethod, {{1, method(1, 1)}, {2, method(2, 3)}}},
                    {jfr_test::kClass, {{1, of_name(2)}, {2, of_name(4)}}},
                    {jfr_test::kSymbol,
                     {{1, symbol(function)},
                      {2, symbol("libc.so.6")},
                      {3, symbol("write0")},
                      {4, symbol("java/io/Out")},
                      {5, symbol("()L;")}}},
                    {jfr_test::kThreadState, {{1, symbol("STATE_RUNNABLE")}}},
                    {jfr_test::kFrameType, kinds}});
  return chunk;
}

} // namespace

TEST_CASE("async-profiler's native frames have a library for a class; the JDK's have a class") {
  jfr_test::Chunk async = native_sample(true);
  const Profile profile = decoded(async);
  CHECK(frames_of_first(profile) ==
        std::vector<std::string>{"write [libc.so.6]", "java.io.Out.write0"});
  for (const Function &function : profile.functions())
    CHECK(profile.text(function.system_name) != "libc.so.6.write()L;");

  jfr_test::Chunk receiver = native_sample(true, "<vtable_receiver>");
  CHECK(frames_of_first(decoded(receiver))[0] == "libc.so.6.<vtable_receiver>");

  jfr_test::Chunk again = native_sample(true);
  CHECK(frames_of_first(decoded(again, JfrCompat::kPyroscope)) ==
        std::vector<std::string>{"libc.so.6.write", "java/io/Out.write0"});

  jfr_test::Chunk jdk = native_sample(false);
  CHECK(frames_of_first(decoded(jdk)) ==
        std::vector<std::string>{"libc.so.6.write", "java.io.Out.write0"});
}

TEST_CASE("java-profiler's native memory and sockets, by weight") {
  jfr_test::Chunk chunk = jfr_test::sample_chunk(0, 0);
  chunk.type(
      700, "datadog.NativeMemoryAllocation",
      {{"startTime", jfr_test::kLong}, {"size", jfr_test::kLong}, {"weight", jfr_test::kFloat}},
      "jdk.jfr.Event");
  chunk.type(701, "datadog.NativeSocketEvent",
             {{"startTime", jfr_test::kLong},
              {"duration", jfr_test::kLong},
              {"operation", jfr_test::kString},
              {"remoteAddress", jfr_test::kString},
              {"bytesTransferred", jfr_test::kLong},
              {"weight", jfr_test::kFloat}},
             "jdk.jfr.Event");
  chunk.event(700, [](Writer &out) {
    out.i64(1);
    out.i64(472);
    out.f32(71.5F);
  });
  for (const char *operation : {"WRITE", "RECV", "SEND", "READ"})
    chunk.event(701, [operation](Writer &out) {
      out.i64(1);
      out.i64(1000);
      out.utf8(operation);
      out.utf8("[::1]:80");
      out.i64(100);
      out.f32(2.5F);
    });
  const Profile profile = decoded(chunk);
  CHECK(profile.warnings().empty());
  const auto sum = [&profile](std::string_view type) {
    int64_t total = 0;
    const size_t index = profile.find_type(type);
    REQUIRE(index != SIZE_MAX);
    for (const int64_t value : profile.values(index)) total += value;
    return total;
  };
  CHECK(sum("malloc_objects") == 72);
  CHECK(sum("malloc_space") == 33748);
  for (const char *type : {"native_socket_read_time", "native_socket_write_time"})
    CHECK(sum(type) == 5000);
  for (const char *type : {"native_socket_read_bytes", "native_socket_write_bytes"})
    CHECK(sum(type) == 500);
  const auto labels = profile.labels_of(profile.sample_label_sets()[1]);
  REQUIRE(labels.size() == 1);
  CHECK(profile.text(labels[0].key) == "host");
  CHECK(profile.text(labels[0].text) == "[::1]:80");
}

TEST_CASE("labels of Pyroscope's contexts, plain and as its agent sends them") {
  jfr_test::Chunk chunk;
  chunk.add_jdk_types();
  chunk.type(700, "jdk.JavaMonitorEnter",
             {{"startTime", jfr_test::kLong},
              {"duration", jfr_test::kLong},
              {"contextId", jfr_test::kLong}},
             "jdk.jfr.Event");
  for (const int64_t context : {0, 9, 8})
    chunk.event(700, [context](Writer &out) {
      out.i64(1);
      out.i64(10);
      out.i64(context);
    });
  const std::string file = chunk.finish();
  // contexts = { 9: { 1: 2 } }, strings = { 1: "customer", 2: "large" }
  constexpr std::string_view kLabels = "\x0a\x0a\x08\x09\x12\x06\x0a\x04\x08\x01\x10\x02"
                                       "\x12\x0c\x08\x01\x12\x08"
                                       "customer"
                                       "\x12\x09\x08\x02\x12\x05"
                                       "large";
  Buffer zipped;
  deflate_gzip(kLabels, 6, zipped);
  const std::string_view sent{zipped.data(), zipped.size()};
  for (const std::string_view labels : {kLabels, sent}) {
    DecodeOptions options;
    options.jfr.context_labels = {reinterpret_cast<const uint8_t *>(labels.data()), labels.size()};
    const Profile profile =
        decode({reinterpret_cast<const uint8_t *>(file.data()), file.size()}, options);
    REQUIRE(profile.sample_count() == 3);
    const auto of = [&profile](size_t row) {
      return profile.labels_of(profile.sample_label_sets()[row]);
    };
    CHECK(of(0).empty());
    REQUIRE(of(1).size() == 1);
    CHECK(profile.text(of(1)[0].key) == "customer");
    CHECK(profile.text(of(1)[0].text) == "large");
    CHECK(of(2).empty());
  }
  DecodeOptions cut;
  const std::string_view half = sent.substr(0, sent.size() / 2);
  cut.jfr.context_labels = {reinterpret_cast<const uint8_t *>(half.data()), half.size()};
  CHECK_THROWS_AS(decode({reinterpret_cast<const uint8_t *>(file.data()), file.size()}, cut),
                  Error);
}

TEST_CASE("program, JVM, system and recorders of a recording") {
  const auto text_event = [](jfr_test::Chunk &chunk, uint64_t id, const char *name,
                             const std::vector<std::pair<const char *, const char *>> &texts) {
    std::vector<jfr_test::Field> fields;
    for (const auto &[field, text] : texts) fields.push_back({field, jfr_test::kString});
    chunk.type(id, name, fields, "jdk.jfr.Event");
    chunk.event(id, [&texts](Writer &out) {
      for (const auto &[field, text] : texts) out.utf8(text);
    });
  };
  jfr_test::Chunk jdk = jfr_test::sample_chunk();
  text_event(jdk, 700, "jdk.ActiveRecording", {{"name", "dd-profiling"}});
  text_event(
      jdk, 701, "jdk.JVMInformation",
      {{"jvmName", "OpenJDK 64-Bit Server VM"},
       {"jvmVersion", "OpenJDK 64-Bit Server VM (17.0.15+6) for linux-amd64 JRE (17), built"},
       {"jvmArguments", "-Dpassword=secret"},
       {"javaArguments", "app.Main --port 80"}});
  text_event(jdk, 702, "jdk.OSInformation",
             {{"osVersion", "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian\""}});
  jfr_test::Chunk other = jfr_test::sample_chunk();
  text_event(other, 700, "jdk.ActiveRecording", {{"name", "java-profiler 1.52.1"}});
  text_event(other, 701, "jdk.JVMInformation",
             {{"jvmName", "OpenJDK"}, {"jvmVersion", "17"}, {"javaArguments", "another"}});
  text_event(other, 702, "jdk.OSInformation", {{"osVersion", "uname: Linux 6.18 #1 x86_64"}});
  const auto said = [](const std::string &file) {
    const Profile profile =
        decode({reinterpret_cast<const uint8_t *>(file.data()), file.size()}, {});
    std::vector<std::string> texts{std::string{profile.text(profile.meta.command)}};
    for (const StringId comment : profile.meta.comments) texts.emplace_back(profile.text(comment));
    return texts;
  };
  CHECK(said(jdk.finish() + other.finish()) ==
        std::vector<std::string>{
            "app.Main --port 80", "recorded by: JDK Flight Recorder (recording dd-profiling)",
            "recorded by: java-profiler 1.52.1", "JVM: OpenJDK 64-Bit Server VM 17.0.15+6",
            "system: Debian GNU/Linux 12 (bookworm)"});
  CHECK(said(other.finish()) ==
        std::vector<std::string>{"another", "recorded by: java-profiler 1.52.1", "JVM: OpenJDK 17",
                                 "system: Linux 6.18 #1 x86_64"});
}
