#include "../support/proto_builder.hpp"
#include "base/inflate.hpp"
#include "model/profile.hpp"
#include "output/output.hpp"
#include "sources/decode/decode.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

using namespace profcore;
namespace fs = std::filesystem;

namespace {

std::span<const uint8_t> bytes_of(const Buffer &buffer) {
  return {reinterpret_cast<const uint8_t *>(buffer.data()), buffer.size()};
}
std::span<const uint8_t> bytes_of(const std::string &text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

Buffer written(const Profile &profile, int gzip_level = 0) {
  PprofOptions options;
  options.gzip_level = gzip_level;
  Buffer output;
  write_pprof(profile, options, output);
  return output;
}
Profile again(const Profile &profile) {
  return decode_pprof(bytes_of(written(profile)), {});
}

std::string text_of(const Profile &profile, StringId id) {
  return std::string{profile.text(id)};
}

std::string describe_location(const Profile &profile, LocationId id) {
  const Location &location = profile.locations()[id];
  const Module &module = profile.modules()[location.module];
  std::string text = std::to_string(location.address) + "/" + std::to_string(location.flags) + "@" +
                     text_of(profile, module.path) + "," + text_of(profile, module.build_id);
  for (const uint64_t number : {module.start, module.end, module.offset, uint64_t{module.flags}})
    text += "," + std::to_string(number);
  for (const Line &line : profile.lines_of(id)) {
    const Function &function = profile.functions()[line.function];
    text += "[" + text_of(profile, function.name) + "|" + text_of(profile, function.system_name) +
            "|" + text_of(profile, line.file != 0 ? line.file : function.file) + "|" +
            std::to_string(function.start_line) + "|" + std::to_string(line.line) + "|" +
            std::to_string(line.column) + "]";
  }
  return text;
}

std::string describe_sample(const Profile &profile, size_t row) {
  std::string text;
  for (StackId at = profile.sample_stacks()[row]; at != 0; at = profile.stacks[at].parent)
    text += describe_location(profile, profile.stacks[at].location) + ";";
  for (const Label &label : profile.labels_of(profile.sample_label_sets()[row]))
    text += " " + text_of(profile, label.key) + "=" +
            (label.is_number != 0 ? std::to_string(label.number) + text_of(profile, label.unit)
                                  : "'" + text_of(profile, label.text) + "'");
  for (size_t type = 0; type < profile.sample_types().size(); ++type)
    text += " " + std::to_string(profile.values(type)[row]);
  return text;
}

std::vector<std::string> describe_head(const Profile &profile) {
  std::vector<std::string> lines;
  for (const SampleType &type : profile.sample_types())
    lines.push_back(text_of(profile, type.type) + "/" + text_of(profile, type.unit) + "/" +
                    text_of(profile, type.source_unit) + "*" + std::to_string(type.scale) + "+" +
                    std::to_string(type.period));
  const Metadata &meta = profile.meta;
  for (const int64_t number : {meta.time_ns, meta.duration_ns, meta.period})
    lines.push_back(std::to_string(number));
  for (const StringId id : {meta.period_type, meta.period_unit, meta.default_type, meta.drop_frames,
                            meta.keep_frames, meta.doc_url})
    lines.push_back(text_of(profile, id));
  for (const StringId id : meta.comments) lines.push_back("#" + text_of(profile, id));
  return lines;
}

void check_equal(const Profile &a, const Profile &b) {
  CHECK(describe_head(a) == describe_head(b));
  REQUIRE(a.sample_count() == b.sample_count());
  // Whole stacks of every sample as text would take minutes for large files.
  const size_t step = a.sample_count() / 500 + 1;
  for (size_t row = 0; row < a.sample_count(); row += step)
    REQUIRE(describe_sample(a, row) == describe_sample(b, row));
  for (size_t type = 0; type < a.sample_types().size(); ++type)
    REQUIRE(std::equal(a.values(type).begin(), a.values(type).end(), b.values(type).begin()));
}

/// For a profile that was read from pprof: ids are given in the order of the file, so all agree.
void check_identical(const Profile &a, const Profile &b) {
  check_equal(a, b);
  CHECK(a.strings.size() == b.strings.size());
  CHECK(a.functions().size() == b.functions().size());
  CHECK(a.modules().size() == b.modules().size());
  REQUIRE(a.locations().size() == b.locations().size());
  REQUIRE(a.stacks.size() == b.stacks.size());
  for (LocationId id = 0; id < a.locations().size(); ++id) {
    const Location &left = a.locations()[id];
    const Location &right = b.locations()[id];
    REQUIRE((left.address == right.address && left.module == right.module &&
             left.kind == right.kind && left.flags == right.flags && left.reason == right.reason &&
             left.first_line == right.first_line && left.line_count == right.line_count));
  }
  for (StackId id = 0; id < a.stacks.size(); ++id)
    REQUIRE((a.stacks[id].parent == b.stacks[id].parent &&
             a.stacks[id].location == b.stacks[id].location));
  const auto same = [](auto x, auto y) {
    return std::equal(x.begin(), x.end(), y.begin(), y.end());
  };
  CHECK(same(a.sample_stacks(), b.sample_stacks()));
  CHECK(same(a.sample_label_sets(), b.sample_label_sets()));
}

std::string read_file(const fs::path &path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

const char *test_data() {
  return std::getenv("PROFCORE_TESTDATA");
}

Profile everything() {
  Profile profile;
  profile.add_sample_type("samples", "count");
  profile.add_sample_type("wall", "milliseconds");
  Module module;
  module.path = profile.intern("/lib/libc.so");
  module.build_id = profile.intern("0123");
  module.start = UINT64_MAX - 4096;
  module.end = UINT64_MAX;
  module.flags = kHasFilenames | kHasLineNumbers;
  Function function;
  function.name = profile.intern("operator new");
  function.system_name = profile.intern("_Znwm");
  function.file = profile.intern("new.cc");
  function.start_line = -3;
  Location location;
  location.address = UINT64_MAX - 1;
  location.module = profile.add_module(module);
  location.kind = FrameKind::kUser;
  location.flags = kIsFolded;
  const FunctionId id = profile.add_function(function);
  const StringId header = profile.intern("new.h");
  const std::vector<Line> lines = {
      {id, 0, 1, 2}, {id, header, INT64_MIN, 0}, {0, 0, 5, 0}, {0, header, 6, 0}};
  const LocationId named = profile.add_location(location, lines);
  const LocationId bare = profile.add_location({}, {});
  const StringId key = profile.intern("key");
  const std::vector<Label> labels = {{key, profile.intern("\xff\xc3"), 0, 0, 0},
                                     {key, 0, 0, 0, 0},
                                     {key, 0, 0, 1, 0},
                                     {key, 0, profile.intern("bytes"), 1, INT64_MIN},
                                     {0, 0, 0, 1, 7}};
  const LabelSetId set = profile.add_label_set(labels);
  const std::vector<uint32_t> stack = {bare, named, 0, named};
  const std::vector<std::vector<int64_t>> rows = {{1, 2'000'000}, {-5, -3'000'000}, {0, 0}};
  profile.add_sample(profile.stacks.add_root_first(stack), set, rows[0]);
  profile.add_sample(0, 0, rows[1]);
  profile.add_sample(profile.stacks.add_root_first({stack.data(), 1}), 0, rows[2]);
  profile.meta.time_ns = 1;
  profile.meta.duration_ns = -2;
  profile.meta.period = 3;
  profile.meta.period_type = profile.intern("cpu");
  profile.meta.period_unit = profile.intern("nanoseconds");
  for (auto &type : profile.mutable_sample_types()) type.period = 3;
  profile.meta.default_type = profile.intern("wall");
  profile.meta.drop_frames = profile.intern("malloc|free");
  profile.meta.keep_frames = profile.intern("main");
  profile.meta.doc_url = profile.intern("https://example.org/");
  profile.meta.comments = {profile.intern("one"), 0, profile.intern("two"), profile.intern("one")};
  return profile;
}

} // namespace

TEST_CASE("pprof out: everything it can hold reads back equal") {
  const Profile profile = everything();
  const Profile read = again(profile);
  check_equal(profile, read);
  CHECK(read.warnings().empty());
  check_identical(read, again(read));
  const Buffer one = written(profile);
  const Buffer two = written(profile);
  CHECK(std::equal(one.begin(), one.end(), two.begin(), two.end()));
}

TEST_CASE("pprof out: gzip") {
  const Profile profile = everything();
  const Buffer zipped = written(profile, 6);
  REQUIRE(is_gzip(bytes_of(zipped)));
  const Bytes plain = inflate_gzip(bytes_of(zipped), {});
  const Buffer expected = written(profile);
  CHECK(
      std::equal(plain.begin(), plain.end(), bytes_of(expected).begin(), bytes_of(expected).end()));
  check_equal(profile, decode(bytes_of(zipped), {}));
  PprofOptions options;
  options.gzip_level = 13;
  Buffer output;
  CHECK_THROWS_AS(write_pprof(profile, options, output), Error);
}

TEST_CASE("pprof out: values that the scale does not divide are not rounded") {
  Profile profile;
  profile.add_sample_type("wall", "milliseconds");
  for (const int64_t value : {int64_t{1'000'000}, int64_t{1'500'000}, INT64_MAX})
    profile.add_sample(0, 0, {&value, 1});
  const Profile read = again(profile);
  CHECK(read.text(read.sample_types()[0].source_unit) == "nanoseconds");
  CHECK(read.values(0)[0] == 1'000'000);
  CHECK(read.values(0)[1] == 1'500'000);
  CHECK(read.values(0)[2] == INT64_MAX);
}

TEST_CASE("pprof out: an empty profile") {
  const Profile read = again(Profile{});
  CHECK(read.sample_count() == 0);
  CHECK(read.strings.size() == 2); // "" and the name of the format
}

TEST_CASE("pprof: the files at hand read back equal" * doctest::skip(test_data() == nullptr)) {
  size_t files = 0;
  for (const auto &entry : fs::directory_iterator{fs::path{test_data()} / "pprof"}) {
    if (!entry.is_regular_file()) continue;
    const std::string bytes = read_file(entry.path());
    const SniffResult sniffed = sniff(bytes_of(bytes));
    if (sniffed.format != Format::kPprof) continue;
    const std::string name = entry.path().filename().string();
    CAPTURE(name);
    if (name.starts_with("pyroscope--dotnet")) { // functions without ids: google/pprof refuses them
      DecodeOptions strict;
      strict.strict = true;
      CHECK_THROWS_AS(decode(bytes_of(bytes), strict), Error);
    }
    const Profile profile = decode(bytes_of(bytes), {});
    check_identical(profile, again(profile));
    ++files;
  }
  CHECK(files > 30);
}

TEST_CASE("pprof: damaged files are refused where google/pprof refuses them" *
          doctest::skip(test_data() == nullptr)) {
  const std::map<std::string, bool> accepted = {{"bad_utf8", true},
                                                {"concat", false},
                                                {"dup_fn", false},
                                                {"dup_loc", false},
                                                {"empty_msg", true},
                                                {"group_wire", false},
                                                {"huge_loc_id", true},
                                                {"label_key0", true},
                                                {"label_str_and_num", true},
                                                {"last_wins_period", true},
                                                {"len_past", false},
                                                {"loc_id0", false},
                                                {"loc_missing_fn", false},
                                                {"loc_missing_map", true},
                                                {"missing_loc", false},
                                                {"no_string0", false},
                                                {"ok", true},
                                                {"only_strings_no_types", false},
                                                {"string_idx_neg", false},
                                                {"string_idx_oob", false},
                                                {"unknown_fields", true},
                                                {"unpacked", true},
                                                {"value_count", false},
                                                {"varint11", false}};
  for (const auto &[name, good] : accepted) {
    CAPTURE(name);
    const std::string bytes =
        read_file(fs::path{test_data()} / "pprof" / "malformed-own" / (name + ".pb"));
    REQUIRE(!bytes.empty());
    if (good) {
      const Profile profile = decode_pprof(bytes_of(bytes), {});
      check_identical(profile, again(profile));
      continue;
    }
    try {
      (void)decode_pprof(bytes_of(bytes), {});
      FAIL_CHECK("accepted");
    } catch (const Error &error) {
      CHECK(error.status() == Status::kMalformed);
      CHECK(error.offset() <= bytes.size());
    }
  }
}
