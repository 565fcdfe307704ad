#include "model/operations.hpp"
#include "output/output.hpp"
#include "sources/decode/decode.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <map>
#include <string>
#include <unistd.h>
#include <vector>

using namespace profcore;

namespace {

Profile decode_text(std::string_view text, DecodeOptions options = {}) {
  return decode_collapsed({reinterpret_cast<const uint8_t *>(text.data()), text.size()}, options);
}

std::string stack_text(const Profile &profile, StackId stack) {
  std::vector<std::string_view> names;
  for (; stack != 0; stack = profile.stacks[stack].parent) {
    const auto lines = profile.lines_of(profile.stacks[stack].location);
    REQUIRE(lines.size() == 1);
    const auto name = profile.text(profile.functions()[lines[0].function].name);
    names.push_back(name);
  }
  std::string text;
  for (size_t i = names.size(); i-- > 0;) text.append(names[i]).append(i == 0 ? "" : ";");
  return text;
}

using Rows = std::vector<std::pair<std::string, int64_t>>;

Rows rows_of(const Profile &profile, size_t column = 0) {
  Rows rows;
  for (size_t i = 0; i < profile.sample_count(); ++i)
    rows.emplace_back(stack_text(profile, profile.sample_stacks()[i]), profile.values(column)[i]);
  return rows;
}

Error error_of(std::string_view text, const DecodeOptions &options = {}) {
  try {
    decode_text(text, options);
  } catch (const Error &error) {
    return error;
  }
  return Error{Status::kOk, ""};
}

} // namespace

TEST_CASE("dtrace's module`function comes back as it was, also through merging") {
  const std::string text = "genunix`as_fault+0x36a;unix`trap 3\n"
                           "libc.so.1`read;genunix`read;read 4\n"
                           "unix`trap;List`1.Add;trap 2\n";
  const auto written = [](const Profile &profile) {
    Buffer out;
    write_collapsed(profile, {}, out);
    return std::string{out.data(), out.size()};
  };
  const Profile profile = decode_text(text);
  CHECK(written(profile) == text);
  const Profile *twice[] = {&profile, &profile};
  CHECK(written(merge(twice)) == "genunix`as_fault+0x36a;unix`trap 6\n"
                                 "libc.so.1`read;genunix`read;read 8\n"
                                 "unix`trap;List`1.Add;trap 4\n");
}

TEST_CASE("lines become rows; blanks, CRLF, tabs, BOM and comments are no part of them") {
  const Profile profile = decode_text("\xef\xbb\xbf"
                                      "main;read file;x 3\r\n"
                                      "# a comment\r\n"
                                      "\n"
                                      "#private;y 2\t\n"
                                      "main;tab\there\t 4 \n"
                                      " 5\n"
                                      "last 1");
  CHECK(
      rows_of(profile) ==
      Rows{
          {"main;read file;x", 3}, {"#private;y", 2}, {"main;tab\there", 4}, {"", 5}, {"last", 1}});
  CHECK(profile.warnings().empty());
  CHECK(profile.text(profile.sample_types()[0].type) == "samples");
  CHECK(profile.text(profile.sample_types()[0].unit) == "count");
  CHECK(profile.text(profile.meta.source_format) == "collapsed");
}

TEST_CASE("prefixes shared with the line before give the same stacks as any other order") {
  const Profile profile = decode_text("a;b;c 1\na;b;c 2\na;b;cd 1\na;b 1\na;b;c;d 1\na;bc;c 1\n"
                                      "a;b;c 5\nb;c 1\na 1\nab;b 1\na;b;c;d 7\n");
  CHECK(rows_of(profile) == Rows{{"a;b;c", 3},
                                 {"a;b;cd", 1},
                                 {"a;b", 1},
                                 {"a;b;c;d", 1},
                                 {"a;bc;c", 1},
                                 {"a;b;c", 5},
                                 {"b;c", 1},
                                 {"a", 1},
                                 {"ab;b", 1},
                                 {"a;b;c;d", 7}});
  // a, a;b, a;b;c, a;b;cd, a;b;c;d, a;bc, a;bc;c, b, b;c, ab, ab;b and the root
  CHECK(profile.stacks.size() == 12);
  CHECK(profile.sample_stacks()[0] == profile.sample_stacks()[5]);
}

TEST_CASE("thousands of stacks over many batches, against a plain map") {
  std::string text;
  std::map<std::string, int64_t> expected;
  uint32_t state = 7;
  const auto next = [&](uint32_t bound) {
    state = state * 1664525 + 1013904223;
    return (state >> 8) % bound;
  };
  std::string stack;
  for (int i = 0; i < 20'000; ++i) {
    // Keep a random part of the stack before, so that sharing is met at every depth.
    for (uint32_t cut = next(6); cut > 0 && !stack.empty(); --cut)
      stack.resize(stack.rfind(';') == std::string::npos ? 0 : stack.rfind(';'));
    for (uint32_t more = next(5) + (stack.empty() ? 1 : 0); more > 0; --more)
      stack += (stack.empty() ? "f" : ";f") + std::string(next(20), 'x') + std::to_string(next(9));
    const int64_t count = next(100);
    expected[stack] += count;
    text += stack + " " + std::to_string(count) + "\n";
  }
  const Profile profile = decode_text(text);
  std::map<std::string, int64_t> got;
  for (const auto &[name, value] : rows_of(profile)) got[name] += value;
  CHECK(got == expected);
  std::map<std::string, StackId> ids;
  for (size_t i = 0; i < profile.sample_count(); ++i) {
    const StackId id = profile.sample_stacks()[i];
    REQUIRE(ids.emplace(stack_text(profile, id), id).first->second == id);
  }
  for (StackId id = 1; id < profile.stacks.size(); ++id) REQUIRE(profile.stacks[id].parent < id);
}

TEST_CASE("lines without a count are warned about by number, or an error when strict") {
  const std::string text = "a;b 1\nTHIS IS BAD\na 2\nworse 12V.4\n";
  const Profile profile = decode_text(text);
  CHECK(rows_of(profile) == Rows{{"a;b", 1}, {"a", 2}});
  CHECK(profile.counter("skipped_lines") == 2);
  REQUIRE(profile.warnings().size() == 2);
  CHECK(profile.warnings()[0].line == 2);
  CHECK(profile.warnings()[0].offset == 6);
  CHECK(profile.warnings()[0].text.find("THIS IS BAD") != std::string::npos);
  CHECK(profile.warnings()[1].line == 4);

  DecodeOptions strict;
  strict.strict = true;
  const Error error = error_of(text, strict);
  CHECK(error.status() == Status::kMalformed);
  CHECK(error.offset() == 6);
  CHECK(error.message().find("line 2") != std::string::npos);

  std::string many = "a 1\n";
  for (int i = 0; i < 100'000; ++i) many += "bad" + std::to_string(i) + "\n";
  const Profile most_bad = decode_text(many);
  CHECK(most_bad.counter("skipped_lines") == 100'000);
  CHECK(most_bad.warnings().size() < 30);

  CHECK(error_of("no counts\nat all\n").status() == Status::kMalformed);
  CHECK(error_of("").status() == Status::kNoData);
  CHECK(error_of("# only\n\n").status() == Status::kNoData);
}

TEST_CASE("fractions: exact in a unit that has room, else rounded and told") {
  const std::string text = "a;b 1.5\na 0.25\nb 2\nc -1.5\n";
  const Profile rounded = decode_text(text);
  CHECK(rows_of(rounded) == Rows{{"a;b", 2}, {"a", 0}, {"b", 2}, {"c", -2}});
  CHECK(rounded.counter("rounded_values") == 3);
  CHECK(rounded.warnings().size() == 1);

  DecodeOptions options;
  options.collapsed_type = "cpu";
  options.collapsed_unit = "seconds";
  const Profile exact = decode_text(text, options);
  CHECK(rows_of(exact) == Rows{{"a;b", 1'500'000'000},
                               {"a", 250'000'000},
                               {"b", 2'000'000'000},
                               {"c", -1'500'000'000}});
  CHECK(exact.warnings().empty());
  CHECK(exact.text(exact.sample_types()[0].type) == "cpu");
  CHECK(exact.text(exact.sample_types()[0].unit) == "nanoseconds");
}

TEST_CASE("counts beyond 64 bits are cut off and told") {
  const Profile profile = decode_text("a 99999999999999999999\nb 9223372036854775807\nb 1\n");
  CHECK(rows_of(profile) == Rows{{"a", INT64_MAX}, {"b", INT64_MAX}});
  CHECK(profile.counter("saturated_values") == 2);
}

TEST_CASE("two counts on every line make a baseline column") {
  const Profile profile = decode_text("a;b 1 5\na;c 3 0\na;c 1 1\n");
  REQUIRE(profile.sample_types().size() == 2);
  CHECK(profile.text(profile.sample_types()[0].type) == "samples_base");
  CHECK(profile.default_type() == 1);
  CHECK(rows_of(profile, 0) == Rows{{"a;b", 1}, {"a;c", 4}});
  CHECK(rows_of(profile, 1) == Rows{{"a;b", 5}, {"a;c", 1}});
  // One line with one count among the first: then a number before the count belongs to the frame.
  CHECK(rows_of(decode_text("a;Thread 12 5\na;c 3\n")) == Rows{{"a;Thread 12", 5}, {"a;c", 3}});
}

TEST_CASE("empty frames") {
  const Profile profile = decode_text("a;;b 1\n;c 2\nd;; 3\n;;; 4\n");
  CHECK(rows_of(profile) == Rows{{"a;[empty];b", 1}, {"[empty];c", 2}, {"d", 3}, {"", 4}});
  CHECK(profile.counter("empty_frames") == 2);
}

TEST_CASE("kinds, files and modules reach the model; equal names of other kinds stay apart") {
  const Profile profile = decode_text("f (x.py:3);lib`g;read_[k];read 1\n");
  const auto locations = profile.locations();
  REQUIRE(locations.size() == 5);
  CHECK(locations[1].kind == FrameKind::kPython);
  CHECK(profile.lines_of(1)[0].line == 3);
  CHECK(profile.text(profile.functions()[profile.lines_of(1)[0].function].file) == "x.py");
  CHECK(profile.text(profile.modules()[locations[2].module].path) == "lib");
  CHECK(locations[3].kind == FrameKind::kKernel);
  CHECK(locations[4].kind == FrameKind::kUnknown);
  CHECK(rows_of(profile) == Rows{{"f;g;read;read", 1}});
}

TEST_CASE("lines mode: every line is one sample") {
  DecodeOptions options;
  options.collapsed_lines = true;
  std::string text;
  for (int i = 0; i < 100; ++i) text += "a;b 7\nc;\n";
  const Profile profile = decode_text(text + "c\n", options);
  CHECK(profile.sample_count() == 200);
  CHECK(rows_of(profile)[0] == Rows::value_type{"a;b 7", 1});
  CHECK(rows_of(profile)[199] == Rows::value_type{"c", 2});
}

TEST_CASE("lines and stacks of any length, within the limits") {
  std::string deep = "x";
  for (int i = 0; i < 300'000; ++i) deep += ";x";
  const std::string wide(3'000'000, 'w');
  const std::string text = deep + " 1\n" + deep + ";y 2\n" + wide + ";z 3\n" + deep + " 4\n";
  const Profile profile = decode_text(text);
  CHECK(profile.sample_count() == 4);
  CHECK(profile.stacks.depth(profile.sample_stacks()[1]) == 300'002);
  CHECK(profile.stacks[profile.sample_stacks()[1]].parent == profile.sample_stacks()[0]);
  CHECK(profile.stacks.size() == 300'005);

  DecodeOptions options;
  options.context.limits.max_stack_depth = 300'001;
  CHECK(error_of(text, options).status() == Status::kLimit);
  options = {};
  options.context.limits.max_strings = 2;
  CHECK(error_of(text, options).status() == Status::kLimit);
  options = {};
  options.context.limits.max_result_bytes = 1000;
  CHECK(error_of(text, options).status() == Status::kLimit);
  options = {};
  options.context.progress = [](uint64_t, uint64_t, void *) { return false; };
  CHECK(error_of(std::string(5 << 20, 'x') + "\na 1\n", options).status() == Status::kCancelled);
}

namespace {

/// Text in a file that has no name any more.
struct UnnamedFile {
  explicit UnnamedFile(std::string_view text) {
    char name[] = "/tmp/profcore-test-XXXXXX";
    fd = ::mkstemp(name);
    REQUIRE(fd >= 0);
    ::unlink(name);
    REQUIRE(::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    REQUIRE(::lseek(fd, 0, SEEK_SET) == 0);
  }
  ~UnnamedFile() { ::close(fd); }
  int fd;
};

/// Decoded through windows that begin as `window` bytes.
Profile decode_in_windows(std::string_view text, size_t window, DecodeOptions options = {}) {
  const UnnamedFile file{text};
  InputStream input = InputStream::borrow(file.fd, "test", options.context);
  PodVector<uint8_t> head;
  head.reserve(window);
  const size_t got = input.read_some(head.data(), head.capacity());
  head.resize_uninitialized(got);
  return decode_collapsed(std::move(head), input, options);
}

void check_same(const Profile &a, const Profile &b) {
  CHECK(a.sample_types().size() == b.sample_types().size());
  REQUIRE(a.sample_types().size() == b.sample_types().size());
  for (size_t column = 0; column < a.sample_types().size(); ++column)
    CHECK(rows_of(a, column) == rows_of(b, column));
  CHECK(a.stacks.size() == b.stacks.size());
  REQUIRE(a.strings.size() == b.strings.size());
  for (StringId id = 0; id < a.strings.size(); ++id) CHECK(a.text(id) == b.text(id));
  REQUIRE(a.warnings().size() == b.warnings().size());
  for (size_t i = 0; i < a.warnings().size(); ++i) {
    CHECK(a.warnings()[i].text == b.warnings()[i].text);
    CHECK(a.warnings()[i].offset == b.warnings()[i].offset);
    CHECK(a.warnings()[i].line == b.warnings()[i].line);
  }
  for (const Counter &counter : a.counters()) CHECK(b.counter(counter.name) == counter.value);
  CHECK(a.counters().size() == b.counters().size());
}

/// Lines of many lengths that share fronts, repeat, are comments, blank or damaged.
std::string mixed_lines(size_t lines, bool two_counts) {
  std::string text;
  uint32_t random = 1;
  const auto next = [&](uint32_t below) {
    random = random * 1664525 + 1013904223;
    return (random >> 8) % below;
  };
  for (size_t i = 0; i < lines; ++i) {
    const uint32_t what = next(40);
    if (what == 0) text += "# a comment\n";
    if (what == 1) text += "\r\n";
    if (what == 2 && i % 7 == 0) text += "no count here\n";
    std::string line = "main";
    const uint32_t depth = next(12);
    for (uint32_t level = 0; level < depth; ++level)
      line += fmt::format(";frame_{}{}", next(30), next(50) == 0 ? std::string(300, 'x') : "");
    line += two_counts ? fmt::format(" {} {}", next(9), next(9)) : fmt::format(" {}", next(99));
    line += what == 3 ? "\r\n" : "\n";
    text += line;
    if (what == 4) text += line;
  }
  return text;
}

} // namespace

TEST_CASE("a stream gives what its bytes give, wherever its windows end") {
  for (const bool two_counts : {false, true}) {
    const std::string text = "\xef\xbb\xbf" + mixed_lines(3000, two_counts) + "main;cut short 7";
    const Profile whole = decode_text(text);
    CHECK(whole.sample_types().size() == (two_counts ? 2 : 1));
    CHECK_FALSE(whole.warnings().empty());
    for (const size_t window : {16, 100, 1000, 4099, 1 << 16, 1 << 20})
      check_same(whole, decode_in_windows(text, window));
  }
}

TEST_CASE("a line longer than the window widens it") {
  std::string line = "main";
  for (int i = 0; i < 20'000; ++i) line += fmt::format(";f{}", i % 1000);
  const std::string text = "a 1\n" + line + " 2\n" + line + " 3\n" + line + ";leaf 4\nb 5";
  const Profile whole = decode_text(text);
  CHECK(whole.sample_count() == 4);
  CHECK(whole.values(0)[1] == 5);
  check_same(whole, decode_in_windows(text, 32));
}

TEST_CASE("a stream's errors have their place in the whole of it") {
  const std::string good = mixed_lines(500, false);
  std::string text;
  for (size_t at = 0; at < good.size();) { // without the damaged lines
    const size_t end = good.find('\n', at) + 1;
    const std::string line = good.substr(at, end - at);
    if (line.find("no count") == line.npos) text += line;
    at = end;
  }
  const size_t place = text.size();
  text += "here is none\n" + good;
  DecodeOptions options;
  options.strict = true;
  const Error whole = error_of(text, options);
  REQUIRE(whole.status() == Status::kMalformed);
  CHECK(whole.offset() == place);
  try {
    decode_in_windows(text, 64, options);
    FAIL("no error");
  } catch (const Error &error) {
    CHECK(error.status() == Status::kMalformed);
    CHECK(error.offset() == place);
    CHECK(error.message() == whole.message());
  }
  DecodeOptions small;
  small.context.limits.max_input_bytes = 100;
  CHECK_THROWS_AS(decode_in_windows(text, 64, small), Error);
  CHECK_THROWS_AS(decode_in_windows("# nothing\n# at all\n", 8), Error);
}

TEST_CASE("an input is decoded in windows when it is large and plain") {
  const std::string text = mixed_lines(20'000, false);
  REQUIRE(text.size() > size_t{1} << 20);
  const UnnamedFile file{text};
  InputStream input = InputStream::borrow(file.fd, "test", {});
  check_same(decode_text(text), decode(input, DecodeOptions{}));
  const std::string few = "a;b 1\n";
  const UnnamedFile small{few};
  InputStream all = InputStream::borrow(small.fd, "test", {});
  check_same(decode_text(few), decode(all, DecodeOptions{}));
}
