#include "sources/decode/decode.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <string>
#include <vector>

using namespace profcore;

namespace {

std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}
Profile read(std::string_view text, bool strict = false) {
  DecodeOptions options;
  options.strict = strict;
  return decode_pprof_legacy(bytes_of(text), options);
}
Error error_of(std::string_view text, const DecodeOptions &options) {
  try {
    decode_pprof_legacy(bytes_of(text), options);
  } catch (const Error &error) {
    return error;
  }
  return Error{Status::kOk, "no error"};
}
Error strict_error_of(std::string_view text) {
  DecodeOptions options;
  options.strict = true;
  return error_of(text, options);
}

/// Leaf first.
std::vector<LocationId> stack_of(const Profile &profile, size_t row) {
  std::vector<LocationId> stack;
  for (StackId at = profile.sample_stacks()[row]; at != 0; at = profile.stacks[at].parent)
    stack.push_back(profile.stacks[at].location);
  return stack;
}
std::vector<uint64_t> addresses_of(const Profile &profile, size_t row) {
  std::vector<uint64_t> addresses;
  for (const LocationId id : stack_of(profile, row))
    addresses.push_back(profile.locations()[id].address);
  return addresses;
}
std::vector<std::string> names_of(const Profile &profile, LocationId id) {
  std::vector<std::string> names;
  for (const Line &line : profile.lines_of(id)) {
    const Function &function = profile.functions()[line.function];
    names.push_back(std::string{profile.text(function.name)} + "@" +
                    std::string{profile.text(function.file)} + ":" + std::to_string(line.line));
  }
  return names;
}
std::string label_text(const Profile &profile, size_t row, std::string_view key) {
  for (const Label &label : profile.labels_of(profile.sample_label_sets()[row]))
    if (profile.text(label.key) == key)
      return label.is_number != 0 ? std::to_string(label.number)
                                  : std::string{profile.text(label.text)};
  return "none";
}
std::vector<int64_t> values_of(const Profile &profile, size_t row) {
  std::vector<int64_t> values;
  for (size_t i = 0; i < profile.sample_types().size(); ++i)
    values.push_back(profile.values(i)[row]);
  return values;
}
std::string type_names(const Profile &profile) {
  std::string names;
  for (const SampleType &type : profile.sample_types())
    names += std::string{profile.text(type.type)} + "/" +
             std::string{profile.text(type.source_unit)} + " ";
  return names;
}
std::string period_text(const Profile &profile) {
  return std::to_string(profile.meta.period) + " " +
         std::string{profile.text(profile.meta.period_type)} + "/" +
         std::string{profile.text(profile.meta.period_unit)};
}
std::string module_path(const Profile &profile, LocationId id) {
  return std::string{profile.text(profile.modules()[profile.locations()[id].module].path)};
}

using Values = std::vector<int64_t>;
using Addresses = std::vector<uint64_t>;
using Names = std::vector<std::string>;

std::string words(const std::vector<uint64_t> &values, size_t bytes, bool big_endian) {
  std::string out;
  for (const uint64_t value : values)
    for (size_t i = 0; i < bytes; ++i)
      out.push_back(static_cast<char>(value >> 8 * (big_endian ? bytes - 1 - i : i)));
  return out;
}

const std::vector<uint64_t> kCpuHead = {0, 3, 0, 10000, 0};

std::string cpu(std::vector<uint64_t> samples, std::string_view tail, size_t bytes = 8,
                bool big_endian = false) {
  std::vector<uint64_t> all = kCpuHead;
  all.insert(all.end(), samples.begin(), samples.end());
  all.insert(all.end(), {0, 1, 0});
  return words(all, bytes, big_endian) + std::string{tail};
}

} // namespace

TEST_CASE("binary CPU profiles in both word sizes and byte orders") {
  for (const size_t bytes : {size_t{4}, size_t{8}}) {
    for (const bool big_endian : {false, true}) {
      CAPTURE(bytes);
      CAPTURE(big_endian);
      const std::string input =
          cpu({2, 3, 0x1000, 0x2001, 0x3001, 1, 2, 0x1000, 0x4001},
              "00001000-00003000 r-xp 00000000 fd:01 77 /bin/program\n", bytes, big_endian);
      CHECK(looks_like_pprof_legacy(bytes_of(input)));
      const Profile profile = read(input, true);
      CHECK(type_names(profile) == "samples/count cpu/nanoseconds ");
      CHECK(period_text(profile) == "10000000 cpu/nanoseconds");
      REQUIRE(profile.sample_count() == 2);
      CHECK(values_of(profile, 0) == Values{2, 20'000'000});
      CHECK(values_of(profile, 1) == Values{1, 10'000'000});
      CHECK(addresses_of(profile, 0) == Addresses{0x1000, 0x2000, 0x3000});
      CHECK(addresses_of(profile, 1) == Addresses{0x1000, 0x4000});
      const auto stack = stack_of(profile, 0);
      CHECK(module_path(profile, stack[0]) == "/bin/program");
      CHECK(profile.locations()[stack[0]].reason == UnnamedReason::kNotAttempted);
      CHECK(profile.locations()[stack[2]].reason == UnnamedReason::kNoModule);
      CHECK(profile.text(profile.meta.drop_frames).starts_with("ProfileData::Add|"));
      CHECK(profile.meta.keep_frames == 0);
      CHECK(profile.text(profile.meta.source_format) == "pprof-legacy");
    }
  }
}

TEST_CASE("a CPU profile loses the signal handler's frames and the doubled leaf") {
  const Profile common = read(cpu({1, 4, 0x10, 0x901, 0x902, 0x31, //
                                   1, 3, 0x20, 0x901, 0x902,       //
                                   5, 4, 0x30, 0x901, 0x902, 0x41},
                                  ""));
  CHECK(addresses_of(common, 0) == Addresses{0x10, 0x30});
  CHECK(addresses_of(common, 1) == Addresses{0x20});
  CHECK(addresses_of(common, 2) == Addresses{0x30, 0x40});

  const Profile doubled = read(cpu({1, 3, 0x10, 0x10, 0x21, 1, 2, 0x50, 0x61}, ""));
  CHECK(addresses_of(doubled, 0) == Addresses{0x10, 0x20});
  CHECK(addresses_of(doubled, 1) == Addresses{0x50, 0x60});
}

TEST_CASE("a common frame may be missing in one of 32 samples only") {
  std::vector<uint64_t> samples;
  for (uint64_t i = 0; i < 64; ++i)
    samples.insert(samples.end(), {1, 3, 0x10 + i, i < 2 ? uint64_t{0x500} : 0x901, 0x1001 + i});
  const Profile profile = read(cpu(samples, ""));
  CHECK(addresses_of(profile, 0) == Addresses{0x10, 0x4ff, 0x1000});
  CHECK(addresses_of(profile, 5) == Addresses{0x15, 0x1005});
  samples[2 * 5 + 3] = 0x500;
  CHECK(addresses_of(read(cpu(samples, "")), 5) == Addresses{0x15, 0x900, 0x1005});
}

TEST_CASE("damaged CPU profiles keep what came before, with an offset") {
  const std::string whole = cpu({2, 2, 0x1000, 0x2001, 1, 2, 0x5000, 0x6001}, "");
  const std::string cut = whole.substr(0, 5 * 8 + 4 * 8 + 20);
  const Profile profile = read(cut);
  CHECK(profile.sample_count() == 1);
  REQUIRE(profile.warnings().size() == 1);
  CHECK(profile.warnings()[0].offset == 9 * 8);
  CHECK(strict_error_of(cut).status() == Status::kMalformed);
  CHECK(strict_error_of(cut).offset() == 9 * 8);

  const std::string no_mark = whole.substr(0, whole.size() - 3 * 8);
  CHECK(read(no_mark).sample_count() == 2);
  CHECK(strict_error_of(no_mark).offset() == no_mark.size());

  const std::string huge = words({0, 3, 0, 10000, 0, 1, UINT64_MAX, 7}, 8, false);
  CHECK(error_of(huge, {}).status() == Status::kMalformed); // nothing was read
  const std::string period = words({0, 3, 0, UINT64_MAX, 0, 0, 1, 0}, 8, false);
  CHECK(error_of(period, {}).status() == Status::kMalformed);
  const Profile cut_value = read(cpu({INT64_MAX, 1, 0x1000}, ""));
  CHECK(values_of(cut_value, 0) == Values{INT64_MAX, INT64_MAX});
  CHECK(cut_value.counter("values_cut") == 1);
}

TEST_CASE("Java CPU profiles name their frames in text") {
  const std::string input = words({0, 3, 1, 10000, 0, 4, 3, 7, 8, 9, 1, 1, 10, 0, 1, 0}, 4, false) +
                            " 0x0000007 com.example.Work.run (Work.java:42)\n"
                            " 0x8 write (/usr/lib/libnative.so)\r\n"
                            " 0x9 GC\n"
                            " 0xff not.used (X.java:1)\n";
  const Profile profile = read(input, true);
  REQUIRE(profile.sample_count() == 2);
  CHECK(values_of(profile, 0) == Values{4, 40'000'000});
  const auto stack = stack_of(profile, 0);
  CHECK(addresses_of(profile, 0) == Addresses{0, 0, 0});
  CHECK(names_of(profile, stack[0]) == Names{"com.example.Work.run@Work.java:42"});
  CHECK(names_of(profile, stack[1]) == Names{"write@libnative.so:0"});
  CHECK(names_of(profile, stack[2]) == Names{"GC@:0"});
  CHECK(profile.locations()[stack[0]].kind == FrameKind::kManaged);
  CHECK(addresses_of(profile, 1) == Addresses{10}); // unnamed: the number is all there is
  CHECK(profile.counter("frames_without_name") == 1);
}

TEST_CASE("heap_v2 samples are unsampled by their chance to be seen") {
  const std::string input = "heap profile: 3: 3072 [ 3: 3072] @ heap_v2/524288\n"
                            "  2:  2048 [ 2:  2048] @ 0x1001 0x2001\n"
                            "  1:  1024 [ 1:  1024] @ 0x1001\n"
                            "\n"
                            "MAPPED_LIBRARIES:\n"
                            "1000-1800 r-xp 00000000 08:01 5 /bin/a\n"
                            "2000-2800 r--p 00001000 08:01 5 /bin/data\n";
  const Profile profile = read(input, true);
  CHECK(type_names(profile) == "objects/count space/bytes ");
  CHECK(period_text(profile) == "524288 space/bytes");
  const double scale = 1 / (1 - std::exp(-1024.0 / 524288.0));
  CHECK(values_of(profile, 0) ==
        Values{static_cast<int64_t>(2 * scale), static_cast<int64_t>(2048 * scale)});
  CHECK(values_of(profile, 1)[0] == 512);
  CHECK(addresses_of(profile, 0) == Addresses{0x1000, 0x2000});
  CHECK(label_text(profile, 0, "bytes") == "1024");
  CHECK(profile.modules().size() == 2); // what is not executable is left out
  CHECK(profile.text(profile.meta.drop_frames).starts_with("calloc|"));
  CHECK(profile.text(profile.meta.keep_frames).starts_with("runtime\\.panic|"));
  CHECK(profile.sample_types()[0].period == 524288);
}

TEST_CASE("heap headers: kinds, rates, allocations") {
  struct Case {
    const char *kind;
    int64_t period;
    bool scaled;
  };
  for (const Case &c :
       {Case{"heapz_v2/1000", 1000, true}, Case{"heap_v2/1", 1, false},
        Case{"heap/2000", 1000, true}, Case{"heapprofile", 1, false}, Case{"growthz", 1, false},
        Case{"fragmentationz", 1, false}, Case{"heap_v2", 0, false}}) {
    CAPTURE(c.kind);
    const std::string input = std::string{"I0101 main.cc:5] heap profile: 1: 100 [1: 100] @ "} +
                              c.kind + "\n1: 100 [1: 100] @ 0x11\n";
    CHECK(looks_like_pprof_legacy(bytes_of(input)));
    const Profile profile = read(input, true);
    CHECK(profile.meta.period == c.period);
    CHECK((values_of(profile, 0) != Values{1, 100}) == c.scaled);
  }
  const Profile both = read("heap profile: 1: 10 [5: 50] @ heapprofile\n"
                            "1: 10 [5: 50] @ 0x11\n0: 0 [2: 64] @\n",
                            true);
  CHECK(type_names(both) ==
        "alloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes ");
  CHECK(values_of(both, 0) == Values{5, 50, 1, 10});
  CHECK(values_of(both, 1) == Values{2, 64, 0, 0});
  CHECK(label_text(both, 1, "bytes") == "32");
  CHECK(stack_of(both, 1).empty());
  CHECK(error_of("heap profile: 1: 1 [1: 1] @ heap_v9/5\n", {}).status() == Status::kMalformed);
  CHECK(read("heap profile: 0: 0 [0: 0] @ heap/1048576\n", true).sample_count() == 0);
}

TEST_CASE("damaged heap lines are warned of with their number, or an error in strict mode") {
  const std::string input = "heap profile: 1: 10 [1: 10] @ heapprofile\r\n"
                            "1: 10 [1: 10] @ 0x11 0x21\r\n"
                            "this is no sample\r\n"
                            "99999999999999999999: 1 [1: 1] @ 0x31\r\n"
                            "0: 7 [0: 0] @ 0x31\r\n"
                            "3: 9 [1: 1] @ 0x31 0x11112222333344445 0x51\r\n"
                            "2: 20 [2: 20] @ 0x41\r\n";
  const Profile profile = read(input);
  REQUIRE(profile.sample_count() == 3);
  CHECK(addresses_of(profile, 0) == Addresses{0x10, 0x20});
  CHECK(addresses_of(profile, 1) == Addresses{0x30}); // cut, its values still count
  CHECK(values_of(profile, 1) == Values{3, 9});
  CHECK(profile.counter("damaged_lines") == 4);
  REQUIRE(profile.warnings().size() == 4);
  CHECK(profile.warnings()[0].line == 3);
  CHECK(profile.warnings()[0].offset == input.find("this"));
  const Error error = strict_error_of(input);
  CHECK(error.status() == Status::kMalformed);
  CHECK(error.offset() == input.find("this"));
  CHECK(error.message().starts_with("line 3: "));
  CHECK(error_of("heap profile: 1: 10 [1: 10] @ heapprofile\njunk\n", {}).status() ==
        Status::kMalformed);
}

TEST_CASE("Go's counted stacks: names, labels, recursion and inlined callers") {
  const std::string input = "# a comment\n"
                            "goroutine profile: total 9\n"
                            "4 @ 0x11 0x21 0x21 0x31 0x41\n"
                            "# labels: {\"key\":\"caf\\u00e9 \\\"q\\\"\", \"other\":\"\\x00b\"}\n"
                            "#\t0x20\tmain.recurse+0x10\t\t/src/dir with space/a.go:7\n"
                            "#\t0x20\tmain.recurse+0x10\t\t/src/dir with space/a.go:7\n"
                            "#\t0x30\tmain.inner[...]+0x5\t/src/a.go:20\n"
                            "#\t0x30\tmain.outer+0x5\t/src/a.go:30\n"
                            "\n"
                            "3 @ 0x11 0x51\n"
                            "#\t0x10\truntime.gopark+0x1\t/go/proc.go:1\n"
                            "#\t0x99\tmain.elsewhere+0x1\t/src/a.go:2\n"
                            "\n"
                            "2 @\n"
                            "#\t0x0\n";
  const Profile profile = read(input, true);
  CHECK(type_names(profile) == "goroutine/count ");
  CHECK(period_text(profile) == "1 goroutine/count");
  CHECK(profile.sample_types()[0].kind == ValueKind::kInstant);
  REQUIRE(profile.sample_count() == 3);
  CHECK(addresses_of(profile, 0) == Addresses{0x10, 0x20, 0x20, 0x30, 0x40});
  const auto stack = stack_of(profile, 0);
  CHECK(names_of(profile, stack[0]) == Names{"runtime.gopark@/go/proc.go:1"});
  CHECK(names_of(profile, stack[1]) == Names{"main.recurse@/src/dir with space/a.go:7"});
  CHECK(names_of(profile, stack[3]) ==
        Names{"main.inner[...]@/src/a.go:20", "main.outer@/src/a.go:30"});
  CHECK(names_of(profile, stack[4]).empty());
  CHECK(label_text(profile, 0, "key") == "caf\xc3\xa9 \"q\"");
  CHECK(label_text(profile, 0, "other") == std::string_view{"\0b", 2});
  CHECK(label_text(profile, 1, "key") == "none");
  CHECK(profile.counter("unmatched_comment_frames") == 1);
  CHECK(values_of(profile, 2) == Values{2});
  CHECK(stack_of(profile, 2).empty());
}

TEST_CASE("Go counts: damage, sections, long lines") {
  const std::string input = "threadcreate profile: total 3\n"
                            "1 @ 0x11 junk\n"
                            "2 @ 0x21\n"
                            "# labels: {broken\n"
                            "--- Memory map: ---\n"
                            "source=/opt/my app\n"
                            "  0-100: $source/program (@40) abcdef12\n";
  const Profile profile = read(input);
  REQUIRE(profile.sample_count() == 2);
  CHECK(addresses_of(profile, 0) == Addresses{0x10});
  CHECK(profile.counter("damaged_lines") == 2);
  CHECK(strict_error_of(input).message().starts_with("line 2: "));
  REQUIRE(profile.modules().size() == 2);
  CHECK(profile.modules()[1].end == 0x100);

  std::string deep = "goroutine profile: total 1\n1 @";
  for (int i = 0; i < 200000; ++i) deep += " 0x51";
  const Profile one = read(deep + "\n", true);
  CHECK(stack_of(one, 0).size() == 200000);
  CHECK(one.locations().size() == 2);
  DecodeOptions options;
  options.context.limits.max_stack_depth = 1000;
  CHECK(error_of(deep, options).status() == Status::kLimit);
}

TEST_CASE("contention: cycles to nanoseconds, period, duration") {
  const std::string input = "--- contentionz 1 ---\n"
                            "cycles/second = 2000000000\n"
                            "sampling period = 100\n"
                            "ms since reset = 1500\n"
                            "discarded samples = 0\n"
                            "  300  7 @ 0x11 0x21\n"
                            "--- Memory map: ---\n"
                            "  00000010-00001000: program\n";
  const Profile profile = read(input, true);
  CHECK(type_names(profile) == "contentions/count delay/nanoseconds ");
  CHECK(period_text(profile) == "100 contentions/count");
  CHECK(profile.meta.duration_ns == 1'500'000'000);
  CHECK(values_of(profile, 0) == Values{700, 15000});
  CHECK(addresses_of(profile, 0) == Addresses{0x10, 0x20});
  CHECK(module_path(profile, stack_of(profile, 0)[0]) == "program");
  CHECK(profile.text(profile.meta.drop_frames).starts_with("RecordLockProfileData|"));

  for (const char *head : {"--- mutex:\n", "--- contention:\n"}) {
    const Profile go =
        read(std::string{head} + "cycles/second=1000000000\nsampling period=1\n"
                                 "5 2 @ 0x11\n"
                                 "#\t0x10\tsync.(*Mutex).Unlock+0x3\t/go/mutex.go:9\n",
             true);
    CHECK(values_of(go, 0) == Values{2, 5});
    CHECK(names_of(go, stack_of(go, 0)[0]) == Names{"sync.(*Mutex).Unlock@/go/mutex.go:9"});
  }
  const std::string odd = "--- contention:\ncolour = 5\nsampling period = x\n5 2 @ 0x11\nbad\n";
  CHECK(read(odd).counter("damaged_lines") == 3);
  CHECK(strict_error_of(odd).message().starts_with("line 2: "));
}

TEST_CASE("threads: leaf, names, repeats") {
  const std::string input = "--- threadz 1 ---\n\n"
                            "--- Thread 7f01 (name: main/14) stack: ---\n"
                            "  PC:  0x00000010: helper(arg *)\n"
                            "  0x00000021: main\n"
                            "--- Thread 7f02 (name: a/15) stack: ---\n"
                            "  [same as previous thread]\n"
                            "--- Thread 7f03 (name: b/16) stack: ---\n"
                            "  PC: 0x30 0x30 0x41\n"
                            "      creator: 0x51\n"
                            "--- Memory map: ---\n"
                            "  00000001-00001000: program\n";
  CHECK(looks_like_pprof_legacy(bytes_of(input)));
  const Profile profile = read(input, true);
  CHECK(type_names(profile) == "thread/count ");
  REQUIRE(profile.sample_count() == 2);
  CHECK(values_of(profile, 0) == Values{2});
  CHECK(addresses_of(profile, 0) == Addresses{0x10, 0x20});
  CHECK(names_of(profile, stack_of(profile, 0)[0]) == Names{"helper(arg *)@:0"});
  CHECK(names_of(profile, stack_of(profile, 0)[1]) == Names{"main@:0"});
  CHECK(addresses_of(profile, 1) == Addresses{0x30, 0x40, 0x50});
  CHECK(module_path(profile, stack_of(profile, 1)[0]) == "program");

  const std::string odd = "--- Thread 7f01 (name: main/14) stack: ---\n 0x30\n"
                          "--- Thread here\n 0x50\n";
  CHECK(read(odd).sample_count() == 2);
  CHECK(strict_error_of(odd).message().starts_with("line 3: "));
}

TEST_CASE("Java heap and contention") {
  const Profile heap = read("--- heapz 1 ---\nformat = java\nresolution = bytes\n\n"
                            "  4096 2 @ 0x1 0x2\n"
                            "  0x1 a.b (A.java:3)\n  0x2 a.b (A.java:3)\n",
                            true);
  CHECK(type_names(heap) == "inuse_objects/count inuse_space/bytes ");
  CHECK(label_text(heap, 0, "bytes") == "2048");
  const double scale = 1 / (1 - std::exp(-2048.0 / 524288.0));
  CHECK(values_of(heap, 0) ==
        Values{static_cast<int64_t>(2 * scale), static_cast<int64_t>(4096 * scale)});
  CHECK(heap.locations().size() == 2); // equal names are one location
  CHECK(stack_of(heap, 0).size() == 2);

  const Profile contention = read("--- contentionz 1 ---\nformat = java\n"
                                  "resolution = microseconds\nsampling period = 100\n"
                                  "ms since reset = 2\n"
                                  "   14  1 @ 0x3\n"
                                  "junk\n"
                                  "  0x3 f (dir) (F.java:-1)\n");
  CHECK(type_names(contention) == "contentions/count delay/microseconds ");
  CHECK(period_text(contention) == "100 contentions/count");
  CHECK(contention.meta.duration_ns == 2'000'000);
  CHECK(values_of(contention, 0) == Values{100, 1'400'000}); // in nanoseconds here
  CHECK(names_of(contention, 1) == Names{"f (dir)@F.java:0"});
  CHECK(contention.counter("damaged_lines") == 1);
  CHECK(error_of("--- heapz 1 ---\n0 0 @ 0\n", {}).status() == Status::kMalformed);
}

TEST_CASE("memory maps: joined, main program first, starts repaired") {
  const std::string head = "heap profile: 1: 1 [1: 1] @ heapprofile\n"
                           "1: 1 [1: 1] @ 0x400101 0x7001 0x90001 0x500001\n"
                           "--- Memory map: ---\n";
  const Profile profile =
      read(head + "00007000-00008000 r-xp 00000000 fd:01 1 /lib/libc.so.6\n"
                  "00008000-00009000 r-xp 00001000 fd:01 1 /lib/libc.so.6\n"
                  "I0102 a.cc:7] 00401000-00402000 r-xp 00001000 fd:01 2 /bin/my app (deleted)\n"
                  "00095000-00099000 r-xp 00005000 fd:01 3 /lib/split.so\n"
                  "0009a000-0009a000 r-xp 00005000 fd:01 3 /lib/empty.so\n"
                  "ffffffffff600000-ffffffffff601000 r-xp 00000000 00:00 0 [vsyscall]\n"
                  "00400000-00z00000 r-xp 00000000 fd:01 2 /bin/damaged\n"
                  "not a mapping\n");
  REQUIRE(profile.modules().size() == 5);
  const Module &main = profile.modules()[1];
  CHECK(profile.text(main.path) == "/bin/my app");
  CHECK(main.start == 0x400000);
  CHECK(main.offset == 0);
  const auto stack = stack_of(profile, 0);
  CHECK(module_path(profile, stack[0]) == "/bin/my app");
  CHECK(module_path(profile, stack[1]) == "/lib/libc.so.6");
  CHECK(profile.modules()[profile.locations()[stack[1]].module].end == 0x9000);
  CHECK(module_path(profile, stack[2]) == "/lib/split.so"); // below it, where its offset is 0
  CHECK(profile.modules()[profile.locations()[stack[2]].module].start == 0x90000);
  CHECK(profile.locations()[stack[3]].module == 0);
  CHECK(profile.counter("memory_map_lines_skipped") == 1);
  CHECK(profile.counter("damaged_lines") == 2);

  std::string bomb = head + "a=xxxxxxxxxx\n";
  for (char c = 'b'; c <= 'z'; ++c)
    bomb += std::string{c} + "=$" + char(c - 1) + "$" + char(c - 1) + "$" + char(c - 1) + "\n";
  CHECK(read(bomb).counter("damaged_lines") > 0);

  // A long assignment used by many lines: a kilobyte of lines must not stand for a megabyte each.
  std::string many = head + "build=" + std::string(60'000, 'x') + "\n";
  constexpr int kLines = 20'000;
  for (int i = 0; i < kLines; ++i)
    many += fmt::format("{:x}-{:x} r-xp $build{}\n", i * 2, i * 2 + 1, i);
  const Profile bounded = read(many);
  CHECK(bounded.bytes() < 64 << 20);
  CHECK(bounded.counter("damaged_lines") > kLines - 500);
}

TEST_CASE("overlapping mappings: the first in the list wins") {
  const Profile profile = read("heap profile: 1: 1 [1: 1] @ heapprofile\n"
                               "1: 1 [1: 1] @ 0x1501 0x2501 0x3501\n"
                               "MAPPED_LIBRARIES:\n"
                               "2000-3000: /bin/first\n"
                               "1000-4000: /bin/second\n",
                               true);
  const auto stack = stack_of(profile, 0);
  CHECK(module_path(profile, stack[0]) == "/bin/second");
  CHECK(module_path(profile, stack[1]) == "/bin/first");
  CHECK(module_path(profile, stack[2]) == "/bin/second");
}

TEST_CASE("what is no legacy profile") {
  for (const std::string_view text :
       {std::string_view{}, std::string_view{"\n\n"}, std::string_view{"main;foo 3\n"},
        std::string_view{"\x0a\x04\x08\x01\x10\x02", 6}, std::string_view{"heap profile of me\n"},
        std::string_view{"--- other 1 ---\n"}}) {
    CHECK_FALSE(looks_like_pprof_legacy(bytes_of(text)));
    CHECK(error_of(text, {}).status() == Status::kUnknownFormat);
  }
  const std::string whole = cpu({1, 1, 5}, "");
  CHECK_FALSE(looks_like_pprof_legacy(bytes_of(whole).first(39)));
  CHECK(looks_like_pprof_legacy(bytes_of(whole).first(40)));
}

TEST_CASE("limits and cancelling") {
  std::string text = "goroutine profile: total 5000\n";
  for (int i = 1; i <= 5000; ++i) text += "1 @ 0x" + std::to_string(i) + "\n";
  DecodeOptions options;
  options.context.limits.max_samples = 100;
  CHECK(error_of(text, options).status() == Status::kLimit);
  options = {};
  options.context.limits.max_strings = 1000;
  CHECK(error_of(text, options).status() == Status::kLimit);
  options = {};
  options.context.limits.max_result_bytes = 20000;
  CHECK(error_of(text, options).status() == Status::kLimit);
  options = {};
  options.context.progress = [](uint64_t, uint64_t, void *) { return false; };
  CHECK(error_of(text, options).status() == Status::kCancelled);
}
