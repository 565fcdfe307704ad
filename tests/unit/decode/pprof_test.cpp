#include "../support/proto_builder.hpp"
#include "model/profile.hpp"
#include "sources/decode/decode.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace profcore;
using proto::Builder;

namespace {

constexpr uint64_t kHugeId = UINT64_C(1) << 63;

// Indices of the strings of `head`.
enum : uint64_t {
  kEmpty,
  kSamples,
  kCount,
  kMain,
  kLeaf,
  kFile,
  kThread,
  kWorker,
  kBytes,
  kPath,
  kBuild
};

Builder strings() {
  Builder table;
  for (const char *text : {"", "samples", "count", "main", "leaf", "main.c", "thread", "worker",
                           "bytes", "/bin/app", "abcd"})
    table.bytes(6, text);
  return table;
}
Builder value_type(uint64_t type, uint64_t unit) {
  return Builder{}.varint(1, type).varint(2, unit);
}
Builder function(uint64_t id, uint64_t name) {
  return Builder{}.varint(1, id).varint(2, name).varint(4, kFile).varint(5, 7);
}
Builder line(uint64_t function, uint64_t number) {
  return Builder{}.varint(1, function).varint(2, number);
}
Builder location(uint64_t id, uint64_t function) {
  return Builder{}.varint(1, id).varint(3, 0x1000 + id).message(4, line(function, 10));
}
/// Strings, one sample type, functions 1 (main) and 2 (leaf), locations 1 and 2.
Builder head() {
  return strings()
      .message(1, value_type(kSamples, kCount))
      .message(5, function(1, kMain))
      .message(5, function(2, kLeaf))
      .message(4, location(1, 1))
      .message(4, location(2, 2));
}
Builder sample() {
  return Builder{}.packed(1, {2, 1}).packed(2, {5});
}

Profile read(const Builder &message, bool strict = false) {
  DecodeOptions options;
  options.strict = strict;
  return decode_pprof(message.span(), options);
}

struct Failure {
  Status status = Status::kOk;
  uint64_t offset = kNoOffset;
  std::string message;
};
Failure failure(const Builder &message, const DecodeOptions &options = {}) {
  try {
    (void)decode_pprof(message.span(), options);
  } catch (const Error &error) {
    return {error.status(), error.offset(), error.message()};
  }
  return {};
}
void check_malformed(const Builder &message, uint64_t offset) {
  const Failure found = failure(message);
  CAPTURE(found.message);
  CHECK(found.status == Status::kMalformed);
  CHECK(found.offset == offset);
}

std::string leaf_first(const Profile &profile, size_t row) {
  std::string text;
  for (StackId at = profile.sample_stacks()[row]; at != 0; at = profile.stacks[at].parent)
    for (const Line &each : profile.lines_of(profile.stacks[at].location))
      text += std::string{profile.text(profile.functions()[each.function].name)} + ";";
  return text;
}

} // namespace

TEST_CASE("pprof: a small profile arrives whole") {
  Builder message = head();
  message.message(3, Builder{}
                         .varint(1, 9)
                         .varint(2, 0x1000)
                         .varint(3, 0x9000)
                         .varint(4, 0x100)
                         .varint(5, kPath)
                         .varint(6, kBuild)
                         .varint(7, 1)
                         .varint(10, 1));
  message.message(4, Builder{}.varint(1, 3).varint(2, 9).varint(3, 0x4000).varint(5, 1));
  message.message(2, Builder{}.packed(1, {3, 2, 1}).packed(2, {UINT64_MAX}));
  message.varint(9, 1234).varint(10, 99).message(11, value_type(kThread, kBytes)).varint(12, 64);
  message.packed(13, {kMain, 0}).varint(13, kLeaf).varint(14, kSamples).varint(15, kPath);
  message.varint(7, kMain).varint(8, kLeaf);
  const Profile profile = read(message);
  REQUIRE(profile.sample_count() == 1);
  CHECK(profile.values(0)[0] == -1);
  CHECK(leaf_first(profile, 0) == "leaf;main;");
  const Location &top = profile.locations()[profile.stacks[profile.sample_stacks()[0]].location];
  CHECK(top.address == 0x4000);
  CHECK(top.flags == kIsFolded);
  CHECK(top.reason == UnnamedReason::kNotAttempted);
  const Module &module = profile.modules()[top.module];
  CHECK(profile.text(module.path) == "/bin/app");
  CHECK(profile.text(module.build_id) == "abcd");
  CHECK(module.start == 0x1000);
  CHECK(module.end == 0x9000);
  CHECK(module.offset == 0x100);
  CHECK(module.flags == (kHasFunctions | kHasInlineFrames));
  CHECK(profile.meta.time_ns == 1234);
  CHECK(profile.meta.duration_ns == 99);
  CHECK(profile.meta.period == 64);
  CHECK(profile.text(profile.meta.period_type) == "thread");
  CHECK(profile.text(profile.meta.period_unit) == "bytes");
  REQUIRE(profile.meta.comments.size() == 3);
  CHECK(profile.text(profile.meta.comments[1]).empty());
  CHECK(profile.text(profile.meta.comments[2]) == "leaf");
  CHECK(profile.text(profile.meta.default_type) == "samples");
  CHECK(profile.text(profile.meta.doc_url) == "/bin/app");
  CHECK(profile.text(profile.meta.drop_frames) == "main");
  CHECK(profile.text(profile.meta.keep_frames) == "leaf");
  CHECK(profile.text(profile.meta.source_format) == "pprof");
  CHECK(profile.warnings().empty());
}

TEST_CASE("pprof: inline lines keep their order, kernel mappings make kernel frames") {
  Builder message = strings().bytes(6, "[kernel.kallsyms]_text").message(1, value_type(1, 2));
  message.message(5, function(1, kMain)).message(5, function(2, kLeaf));
  message.message(3, Builder{}.varint(1, 1).varint(5, 11));
  Builder inlined = Builder{}.varint(1, 1).varint(2, 1);
  inlined.message(4, Builder{}.varint(1, 2).varint(2, UINT64_MAX).varint(3, 8));
  inlined.message(4, line(1, 20));
  message.message(4, inlined).message(4, Builder{}.varint(1, 2).varint(3, 5));
  message.message(4, Builder{}.varint(1, 3));
  message.message(2, Builder{}.packed(1, {1, 2, 3}).packed(2, {1}));
  const Profile profile = read(message);
  CHECK(leaf_first(profile, 0) == "leaf;main;");
  const auto lines = profile.lines_of(1);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].line == -1);
  CHECK(lines[0].column == 8);
  CHECK(lines[1].line == 20);
  CHECK(profile.locations()[1].kind == FrameKind::kKernel);
  CHECK(profile.locations()[1].reason == UnnamedReason::kNone);
  CHECK(profile.locations()[2].kind == FrameKind::kUser);
  CHECK(profile.locations()[2].reason == UnnamedReason::kNoModule);
  CHECK(profile.locations()[3].reason == UnnamedReason::kNotAttempted);
}

TEST_CASE("pprof: frames are of the kind of their mapping's file") {
  const std::pair<const char *, FrameKind> kinds[] = {
      {"/usr/bin/x", FrameKind::kUser},          {"/usr/lib/libc.so.6", FrameKind::kLibrary},
      {"[vdso]", FrameKind::kLibrary},           {"/tmp/perf-12.map", FrameKind::kManaged},
      {"/lib/modules/x.ko", FrameKind::kKernel}, {"", FrameKind::kUser},
  };
  for (const auto &[path, kind] : kinds) {
    Builder message = strings().bytes(6, path).message(1, value_type(1, 2));
    message.message(3, Builder{}.varint(1, 1).varint(5, 11));
    message.message(4, Builder{}.varint(1, 1).varint(2, 1).varint(3, 5));
    message.message(2, Builder{}.packed(1, {1}).packed(2, {1}));
    CAPTURE(path);
    CHECK(read(message).locations()[1].kind == kind);
  }
}

TEST_CASE("pprof: packed, unpacked, in pieces and in any order is the same") {
  const std::vector<Builder> forms = {
      Builder{}.packed(1, {2, 1}).packed(2, {5}).message(
          3, Builder{}.varint(1, kThread).varint(2, kWorker)),
      Builder{}.varint(1, 2).varint(1, 1).varint(2, 5).message(
          3, Builder{}.varint(1, kThread).varint(2, kWorker)),
      Builder{}.varint(1, 2).packed(1, {1}).packed(2, {5}).message(
          3, Builder{}.varint(2, kWorker).varint(1, kThread)),
      Builder{}
          .message(3, Builder{}.varint(1, kThread).varint(2, kWorker))
          .varint(2, 5)
          .packed(1, {2, 1}),
      Builder{}.packed(2, {5}).packed(1, {2}).packed(1, {}).varint(1, 1).varint(77, 1).message(
          3, Builder{}.varint(1, kThread).varint(2, kWorker)),
      Builder{}
          .raw(std::string_view{"\x8a\x00\x02\x02\x01", 5})
          .packed(2, {5})
          .message(3, Builder{}.varint(1, kThread).varint(2, kWorker)),
  };
  Builder message = head();
  for (const Builder &form : forms) message.message(2, form);
  const Profile profile = read(message);
  REQUIRE(profile.sample_count() == forms.size());
  for (size_t row = 0; row < forms.size(); ++row) {
    CAPTURE(row);
    CHECK(profile.values(0)[row] == 5);
    CHECK(profile.sample_stacks()[row] == profile.sample_stacks()[0]);
    CHECK(profile.sample_label_sets()[row] == 1);
  }
  CHECK(leaf_first(profile, 0) == "leaf;main;");
}

TEST_CASE("pprof: lists that only look alike are told apart") {
  // The bytes of an unpacked list 08 02 08 01 as a packed one are four other ids.
  Builder message = head();
  message.message(4, location(8, 1));
  message.message(2, Builder{}.varint(1, 2).varint(1, 1).packed(2, {1}));
  message.message(2, Builder{}.packed(1, {8, 2, 8, 1}).packed(2, {1}));
  message.message(2, Builder{}.packed(1, {2}).packed(2, {1}));
  message.message(2, Builder{}.packed(1, {2, 2}).packed(2, {1}));
  const Profile profile = read(message);
  const std::array<size_t, 4> depths = {2, 4, 1, 2};
  for (size_t row = 0; row < depths.size(); ++row)
    CHECK(profile.stacks.depth(profile.sample_stacks()[row]) == depths[row]);
}

TEST_CASE("pprof: fields reversed, strings last") {
  Builder message;
  message.varint(12, 3).message(2, sample()).message(4, location(2, 2)).message(4, location(1, 1));
  message.message(5, function(2, kLeaf)).message(5, function(1, kMain));
  message.message(1, value_type(kSamples, kCount)).raw(strings().str());
  const Profile profile = read(message);
  CHECK(leaf_first(profile, 0) == "leaf;main;");
  CHECK(profile.text(profile.sample_types()[0].type) == "samples");
}

TEST_CASE("pprof: ids of any size") {
  Builder message = strings().message(1, value_type(kSamples, kCount));
  message.message(3, Builder{}.varint(1, kHugeId + 7).varint(5, kPath));
  message.message(5, function(kHugeId, kMain)).message(5, function(UINT64_MAX, kLeaf));
  message.message(4, location(kHugeId, kHugeId).varint(2, kHugeId + 7));
  message.message(4, location(3, UINT64_MAX));
  message.message(2, Builder{}.packed(1, {3, kHugeId}).packed(2, {1}));
  const Profile profile = read(message);
  CHECK(leaf_first(profile, 0) == "leaf;main;");
  CHECK(profile.locations()[1].module == 1);
}

TEST_CASE("pprof: equal stacks and labels are found again in long inputs") {
  Builder message = head();
  constexpr size_t kRows = 1000;
  for (size_t row = 0; row < kRows; ++row) {
    Builder each;
    each.packed(1, {1 + row % 2, 1}).packed(2, {row});
    each.message(3, Builder{}.varint(1, kBytes).varint(3, row % 5 + 1).varint(4, kBytes));
    message.message(2, each);
  }
  const Profile profile = read(message);
  REQUIRE(profile.sample_count() == kRows);
  CHECK(profile.stacks.size() == 1 + 1 + 2);
  CHECK(profile.label_set_count() == 1 + 5);
  for (size_t row = 0; row < kRows; ++row) {
    REQUIRE(profile.values(0)[row] == static_cast<int64_t>(row));
    REQUIRE(profile.labels_of(profile.sample_label_sets()[row])[0].number ==
            static_cast<int64_t>(row % 5 + 1));
    REQUIRE(leaf_first(profile, row) == (row % 2 == 0 ? "main;main;" : "leaf;main;"));
  }
}

TEST_CASE("pprof: distinct stacks of every depth, past the batches") {
  Builder message =
      strings().message(1, value_type(kSamples, kCount)).message(5, function(1, kMain));
  constexpr uint64_t kLocations = 300;
  for (uint64_t id = 1; id <= kLocations; ++id) message.message(4, location(id, 1));
  std::vector<std::vector<uint64_t>> stacks;
  uint64_t state = 1;
  for (size_t row = 0; row < 2000; ++row) {
    std::vector<uint64_t> ids;
    Builder list;
    for (size_t depth = row % 97; depth > 0; --depth) {
      state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
      ids.push_back(1 + (state >> 40) % (depth > 90 ? 2 : kLocations));
    }
    for (const uint64_t id : ids) list.raw_varint(id);
    message.message(2, Builder{}.message(1, list).packed(2, {row}));
    stacks.push_back(ids);
  }
  const Profile profile = read(message);
  for (size_t row = 0; row < stacks.size(); ++row) {
    StackId at = profile.sample_stacks()[row];
    for (const uint64_t id : stacks[row]) {
      REQUIRE(profile.locations()[profile.stacks[at].location].address == 0x1000 + id);
      REQUIRE(profile.stacks[at].parent < at);
      at = profile.stacks[at].parent;
    }
    REQUIRE(at == 0);
  }
}

TEST_CASE("pprof: labels") {
  Builder message = head();
  const auto with = [](const Builder &label) { return sample().message(3, label); };
  message.message(2, with(Builder{}.varint(1, kThread).varint(2, kWorker).varint(3, 4)));
  message.message(2, with(Builder{}.varint(2, kWorker)));
  message.message(2, with(Builder{}.varint(1, kThread)));
  message.message(2, with(Builder{}.varint(1, kThread).varint(4, kBytes)));
  message.message(2, with(Builder{}.varint(1, kThread).varint(3, UINT64_MAX)));
  message.message(2, with(Builder{}.varint(1, kThread).varint(3, 1))
                         .message(3, Builder{}.varint(1, kThread).varint(3, 2)));
  const Profile profile = read(message);
  const auto labels = [&](size_t row) {
    return profile.labels_of(profile.sample_label_sets()[row]);
  };
  CHECK(labels(0)[0].is_number == 0);
  CHECK(profile.text(labels(0)[0].text) == "worker");
  CHECK(labels(1)[0].key == 0);
  CHECK(labels(2).empty());
  CHECK(labels(3)[0].is_number == 1);
  CHECK(profile.text(labels(3)[0].unit) == "bytes");
  CHECK(labels(4)[0].number == -1);
  REQUIRE(labels(5).size() == 2);
  CHECK(labels(5)[1].number == 2);
  CHECK(profile.counter("pprof_double_labels") == 1);
  CHECK(profile.counter("pprof_empty_labels") == 1);
  CHECK(profile.warnings().size() == 2);
}

TEST_CASE("pprof: values come in canonical units, or stay where they would not fit") {
  const auto in_milliseconds = [](uint64_t value) {
    return Builder{}
        .bytes(6, "")
        .bytes(6, "cpu")
        .bytes(6, "milliseconds")
        .message(1, value_type(1, 2))
        .message(2, Builder{}.packed(2, {value}));
  };
  const Profile scaled = read(in_milliseconds(7));
  CHECK(scaled.values(0)[0] == 7'000'000);
  CHECK(scaled.text(scaled.sample_types()[0].unit) == "nanoseconds");
  const Profile kept = read(in_milliseconds(INT64_MAX));
  CHECK(kept.values(0)[0] == INT64_MAX);
  CHECK(kept.text(kept.sample_types()[0].unit) == "milliseconds");
  CHECK(kept.sample_types()[0].scale == 1);
  CHECK(kept.counter("pprof_unscaled_columns") == 1);
}

TEST_CASE("pprof: accepted oddities") {
  CHECK(read(Builder{}.bytes(6, "")).sample_count() == 0);
  CHECK(read(Builder{}.varint(9, 5)).meta.time_ns == 5);
  const Builder unknown =
      head().varint(99, 1).bytes(98, "x").tag(97, 1).raw("12345678").tag(96, 5).raw("1234");
  CHECK(read(unknown).functions().size() == 3);
  CHECK(read(head().varint(12, 1).varint(12, 2)).meta.period == 2);
  const Profile bytes = read(Builder{}.bytes(6, "").bytes(6, "\xff\xfe").varint(15, 1));
  CHECK(bytes.text(bytes.meta.doc_url) == "\xff\xfe");

  const Builder dangling = head().message(4, Builder{}.varint(1, 3).varint(2, 44));
  const Profile profile = read(dangling);
  CHECK(profile.locations()[3].module == 0);
  CHECK(profile.counter("pprof_missing_mappings") == 1);
  REQUIRE(profile.warnings().size() == 1);
  CHECK(profile.warnings()[0].offset == head().size());
  CHECK_THROWS_AS(read(dangling, true), Error);
}

TEST_CASE("pprof: every refusal says where") {
  const Builder good = head();
  const uint64_t end = good.size();
  const auto sized = [&](const Builder &tail) { return head().raw(tail.str()); };
  CHECK(failure(Builder{}).status == Status::kNoData);

  // The wire format.
  check_malformed(sized(Builder{}.tag(50, 3)), end);
  check_malformed(sized(Builder{}.tag(50, 6)), end);
  check_malformed(sized(Builder{}.tag(12, 0).raw(std::string(10, '\x80')).raw("\x01")), end + 1);
  check_malformed(sized(Builder{}.tag(12, 0).raw("\x80")), end + 1);
  check_malformed(sized(Builder{}.tag(2, 2).raw_varint(3).raw("ab")), end + 1);
  check_malformed(sized(Builder{}.tag(2, 2).raw_varint(UINT64_MAX)), end + 1);
  check_malformed(sized(Builder{}.tag(50, 1).raw("1234567")), end + 2);
  check_malformed(sized(Builder{}.tag(50, 5).raw("123")), end + 2);
  check_malformed(sized(Builder{}.varint(2, 1)), end);
  check_malformed(sized(Builder{}.bytes(12, "x")), end);
  check_malformed(sized(Builder{}.message(2, Builder{}.bytes(1, "\x02\x81").packed(2, {1}))),
                  end + 5);
  check_malformed(sized(Builder{}.message(4, Builder{}.varint(1, 7).varint(4, 1))), end + 4);

  // Strings.
  check_malformed(Builder{}.bytes(6, "x"), 0);
  check_malformed(sized(Builder{}.varint(15, 11)), end);
  check_malformed(sized(Builder{}.varint(14, UINT64_MAX)), end);
  check_malformed(sized(Builder{}.message(5, Builder{}.varint(1, 7).varint(2, 11))), end + 4);
  check_malformed(sized(Builder{}.message(2, sample().message(3, Builder{}.varint(1, 99)))),
                  end + 2 + 4 + 3 + 2);

  // Ids.
  check_malformed(sized(Builder{}.message(5, function(0, kMain))), end);
  check_malformed(sized(Builder{}.message(5, function(1, kMain))), end);
  check_malformed(sized(Builder{}.message(4, location(0, 1))), end);
  check_malformed(sized(Builder{}.message(4, location(2, 1))), end);
  check_malformed(sized(Builder{}.message(3, Builder{}.varint(5, kPath))), end);
  check_malformed(sized(Builder{}
                            .message(3, Builder{}.varint(1, kHugeId))
                            .message(3, Builder{}.varint(1, kHugeId))),
                  end + Builder{}.message(3, Builder{}.varint(1, kHugeId)).size());
  check_malformed(sized(Builder{}.message(4, Builder{}.varint(1, 7).message(4, line(3, 1)))),
                  end + 4);
  check_malformed(sized(Builder{}.message(4, Builder{}.varint(1, 7).message(4, line(0, 1)))),
                  end + 4);
  check_malformed(sized(Builder{}.message(2, Builder{}.packed(1, {1, 3}).packed(2, {1}))), end + 5);
  check_malformed(sized(Builder{}.message(2, Builder{}.varint(1, 0).packed(2, {1}))), end + 2);

  // Samples.
  check_malformed(sized(Builder{}.message(2, Builder{}.packed(1, {1}).packed(2, {1, 2}))), end + 2);
  check_malformed(sized(Builder{}.message(2, Builder{}.packed(1, {1}))), end + 2);
  check_malformed(sized(Builder{}.message(2, Builder{})), end);
  check_malformed(strings().message(2, Builder{}.packed(2, {1})), strings().size());
  check_malformed(sized(Builder{}.varint(9, 1).varint(9, 1)), end + 2);
}

TEST_CASE("pprof: cut anywhere") {
  Builder message;
  message.message(1, value_type(kSamples, kCount)).message(2, sample());
  message.message(2, sample().message(3, Builder{}.varint(1, kThread).varint(2, kWorker)));
  message.raw(head().str().substr(0, strings().size())).message(4, location(1, 1));
  message.message(4, location(2, 2)).message(5, function(1, kMain)).message(5, function(2, kLeaf));
  REQUIRE(read(message).sample_count() == 2);
  for (size_t size = 1; size < message.size(); ++size) {
    CAPTURE(size);
    const Failure found = failure(Builder{}.raw(std::string_view{message.str()}.substr(0, size)));
    if (found.status == Status::kOk) continue; // nothing but whole sample types
    CHECK(found.status == Status::kMalformed);
    CHECK(found.offset <= size);
  }
}

TEST_CASE("pprof: every byte changed") {
  Builder message = head();
  message.message(2, sample().message(3, Builder{}.varint(1, kThread).varint(2, kWorker)));
  for (size_t at = 0; at < message.size(); ++at) {
    for (const unsigned char flip : {0x01, 0x80, 0xff}) {
      std::string bytes = message.str();
      bytes[at] = static_cast<char>(bytes[at] ^ flip);
      const Failure found = failure(Builder{}.raw(bytes));
      if (found.status != Status::kOk) CHECK(found.offset <= bytes.size());
    }
  }
}

TEST_CASE("pprof: limits and cancelling") {
  Builder message = head();
  for (int i = 0; i < 10; ++i) message.message(2, sample());
  DecodeOptions options;
  options.context.limits.max_samples = 9;
  CHECK(failure(message, options).status == Status::kLimit);
  options = {};
  options.context.limits.max_stack_depth = 1;
  CHECK(failure(message, options).status == Status::kLimit);
  options = {};
  options.context.limits.max_strings = 10;
  CHECK(failure(message, options).status == Status::kLimit);
  options = {};
  options.context.limits.max_result_bytes = 100;
  CHECK(failure(message, options).status == Status::kLimit);
  options = {};
  options.context.progress = [](uint64_t, uint64_t, void *) { return false; };
  CHECK(failure(message, options).status == Status::kCancelled);

  // Many short samples times many types must not be believed.
  Builder bomb;
  for (int i = 0; i < 3000; ++i) bomb.bytes(1, "");
  const uint64_t first = bomb.size();
  for (int i = 0; i < 3000; ++i) bomb.bytes(2, "");
  const Failure found = failure(bomb);
  CHECK(found.status == Status::kMalformed);
  CHECK(found.offset == first);
}

TEST_CASE("pprof: functions that all lack an id are numbered in their order, as .NET writes them") {
  const auto nameless = [](uint64_t name) { return Builder{}.varint(2, name).varint(4, kFile); };
  Builder message = strings().message(1, value_type(kSamples, kCount));
  message.message(5, nameless(kMain)).message(5, nameless(kLeaf));
  message.message(4, location(1, 1)).message(4, location(2, 2)).message(2, sample());
  const Profile profile = read(message);
  CHECK(leaf_first(profile, 0) == "leaf;main;");
  CHECK(profile.counter("pprof_functions_without_id") == 2);
  CHECK(profile.warnings().size() == 1);
  CHECK_THROWS_AS(read(message, true), Error);

  // A line that names no function is as wrong as ever.
  CHECK(failure(Builder{message}.message(4, location(3, 0))).status == Status::kMalformed);
  CHECK(failure(Builder{message}.message(4, location(3, 3))).status == Status::kMalformed);
  // Some with and some without: which is meant cannot be known.
  CHECK(failure(Builder{message}.message(5, function(3, kMain))).status == Status::kMalformed);
  CHECK(failure(head().message(5, nameless(kMain))).status == Status::kMalformed);
}

TEST_CASE("pprof: a cut among the strings loses names, nothing else") {
  Builder rest;
  rest.message(1, value_type(1, 2));
  rest.message(2, sample());
  rest.message(2, sample().message(3, Builder{}.varint(1, 5).varint(2, 6)));
  rest.message(4, location(1, 1)).message(4, location(2, 2));
  for (const uint64_t id : {1, 2})
    rest.message(5, Builder{}.varint(1, id).varint(2, id + 2).varint(4, 7));
  const std::vector<std::string> names = {"",     "samples", "count",  "main",
                                          "leaf", "thread",  "worker", "main.c"};
  Builder whole = rest;
  std::vector<size_t> ends;
  for (const std::string &name : names) {
    whole.bytes(6, name);
    ends.push_back(whole.size());
  }
  const Profile expected = read(whole);
  REQUIRE(leaf_first(expected, 0) == "leaf;main;");
  for (size_t size = ends[0] + 1; size < whole.size(); ++size) {
    CAPTURE(size);
    const Builder part = Builder{}.raw(std::string_view{whole.str()}.substr(0, size));
    const auto known = static_cast<size_t>(
        std::count_if(ends.begin(), ends.end(), [&](size_t end) { return end <= size; }));
    const bool between = std::find(ends.begin(), ends.end(), size) != ends.end();
    DecodeOptions strict;
    strict.strict = true;
    CHECK(failure(part, strict).status == Status::kMalformed);
    if (between || known < 3) { // nothing shows that it was cut, or the values have no name
      CHECK(failure(part).status == Status::kMalformed);
      continue;
    }
    const Profile profile = read(part);
    REQUIRE(profile.sample_count() == 2);
    CHECK(profile.values(0)[1] == 5);
    CHECK(profile.counter("pprof_truncated") == 1);
    CHECK(profile.counter("pprof_lost_strings") > 0);
    REQUIRE(profile.warnings().size() == 1);
    CHECK(profile.warnings()[0].offset == ends[known - 1]);
    const std::string leaf = known > 4 ? "leaf" : "[lost name 4]";
    const std::string main = known > 3 ? "main" : "[lost name 3]";
    CHECK(leaf_first(profile, 0) == leaf + ";" + main + ";");
    const LabelSetId labels = profile.sample_label_sets()[1];
    CHECK(profile.labels_of(labels).size() == (known > 6 ? 1 : 0));
  }
  // The same without samples, or with the strings in the middle, stays an error.
  CHECK(failure(Builder{}.raw(std::string_view{strings().str()}.substr(0, 20))).status ==
        Status::kMalformed);
  const Builder middle = Builder{whole}.message(2, sample());
  CHECK(
      failure(Builder{}.raw(std::string_view{middle.str()}.substr(0, middle.size() - 1))).status ==
      Status::kMalformed);
}

TEST_CASE("pprof: long texts that are referred to often cost their bytes once") {
  // Each would take gigabytes of copying or reading, were it per reference.
  const std::string endless(1 << 20, '/');
  Builder types;
  types.bytes(6, "").bytes(6, endless);
  for (int i = 0; i < 50'000; ++i) types.message(1, value_type(1, 1));
  CHECK(read(types).sample_types().size() == 50'000);

  Builder modules;
  modules.bytes(6, "").bytes(6, std::string(1 << 20, 'x'));
  modules.message(3, Builder{}.varint(1, 1).varint(5, 1));
  for (uint64_t i = 1; i <= 100'000; ++i)
    modules.message(4, Builder{}.varint(1, i).varint(2, 1).varint(3, i));
  CHECK(read(modules).locations().size() == 100'001);
}

TEST_CASE("pprof: what one message holds is bounded") {
  DecodeOptions options;
  options.context.limits.max_stack_depth = 100;
  Builder location_of_many = Builder{}.varint(1, 3);
  for (int i = 0; i < 101; ++i) location_of_many.message(4, line(1, 1));
  CHECK(failure(head().message(4, location_of_many), options).status == Status::kLimit);
  Builder labelled = sample();
  for (int i = 0; i < 101; ++i) labelled.message(3, Builder{}.varint(1, kThread).varint(3, 1));
  CHECK(failure(head().message(2, labelled), options).status == Status::kLimit);
  // One message: a batch of them may hold more.
  Builder several = head();
  for (uint64_t i = 0; i < 60; ++i) {
    Builder few = sample();
    for (uint64_t k = 1; k < 20; ++k) few.message(3, Builder{}.varint(1, kThread).varint(3, k + i));
    several.message(2, few);
  }
  CHECK(failure(several, options).status == Status::kOk);
  options = {};
  options.context.limits.max_result_bytes = 100'000;
  Builder types;
  for (int i = 0; i < 10'000; ++i) types.bytes(1, "");
  CHECK(failure(types, options).status == Status::kLimit);
  Builder comments = head();
  comments.bytes(13, std::string(20'000, '\1'));
  CHECK(failure(comments, options).status == Status::kLimit);
}
