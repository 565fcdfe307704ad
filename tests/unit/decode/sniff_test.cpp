#include "base/inflate.hpp"
#include "sources/decode/decode.hpp"

#include <doctest/doctest.h>
#include <string>

using namespace profcore;
using namespace std::string_literals;

namespace {

std::span<const uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}
std::string gzip(std::string_view text) {
  Buffer out;
  deflate_gzip({text.data(), text.size()}, 6, out);
  return {out.data(), out.size()};
}
/// A length-delimited protobuf field.
std::string field(int number, std::string_view body) {
  return std::string(1, static_cast<char>(number << 3 | 2)) + static_cast<char>(body.size()) +
         std::string{body};
}
Error decode_error(std::string_view text, const DecodeOptions &options = {}) {
  try {
    decode(as_bytes(text), options);
  } catch (const Error &error) {
    return error;
  }
  return Error{Status::kOk, ""};
}
Format format_of(std::string_view text) {
  return sniff(as_bytes(text)).format;
}

const std::string kPprof = field(1, "\x08\x01\x10\x02"s) + field(2, "\x08\x01\x10\x05"s) +
                           field(4, "\x08\x01"s) + field(6, ""s) + field(6, "samples"s);

} // namespace

TEST_CASE("what is readable") {
  CHECK(format_of(kPprof) == Format::kPprof);
  CHECK(sniff(as_bytes(kPprof)).readable);
  CHECK(format_of("a;b;c 12\na;d 3\n") == Format::kCollapsed);
  CHECK(format_of("main 12\n") == Format::kCollapsed);
  CHECK(format_of("[kernel];read 12\n") == Format::kCollapsed);
  CHECK(format_of("java/lang/Thread.run;xx 1\n") == Format::kCollapsed); // 'j' passes for a tag
  CHECK(format_of("a;bad\na;good 1\n") == Format::kCollapsed);
  CHECK(format_of(std::string(2'000'000, 'x') + ";y 3") == Format::kUnknown);
  CHECK(format_of("x;" + std::string(2'000'000, 'x') + " 3") == Format::kCollapsed);
}

TEST_CASE("what is known but not read") {
  CHECK(format_of("FLR\0\0\x02\0\x01rest"s) == Format::kJfr);
  CHECK(sniff(as_bytes("FLR\0\0\x02\0\x01rest"s)).saw == "a JFR recording (version 2.1)");
  CHECK(format_of(R"({"$schema":"https://www.speedscope.app/file-format-schema.json"})") ==
        Format::kSpeedscope);
  CHECK(format_of(R"({"version":1,"flamebearer":{"names":[]}})") == Format::kFlamebearer);
  CHECK(format_of(R"([{"ph":"X","ts":1}])") == Format::kChromeTrace);
  CHECK(format_of(R"({"traceEvents":[]})") == Format::kChromeTrace);
  CHECK(format_of(R"({"resourceProfiles":[]})") == Format::kOtlp);
  CHECK(format_of(field(1, field(1, field(1, "k"s)) + field(2, "x"s)) + field(2, "y"s)) ==
        Format::kOtlp);
  CHECK(format_of("prog  10 198.7:  1001 cpu-clock:\n\t  643 f (/bin/x)\n\n") ==
        Format::kPerfScript);
  // root, two children, one of them a leaf of a name with ';' in the trie
  CHECK(format_of("\0\x00\x02\x01"s + "a\x05\x00\x01"s + "b\x07\x00"s) == Format::kPyroscopeTree);
  CHECK(format_of("\0\x00\x02\x03"s + "a;b\x05\x00\x01"s + "b\x07\x00"s) == Format::kPyroscopeTrie);
  const auto saw = [](std::string_view text) { return sniff(as_bytes(text)).saw; };
  CHECK(saw("PERFILE2"s + std::string(100, '\1')).find("perf.data") == 0);
  CHECK(saw("\x7f"s + "ELF\2\1\1\0\0\0\0\0\0\0\0\0\4\0"s) == "an ELF core dump");
  CHECK(saw("go 1.22 trace\0\0\0"s) == "a Go execution trace (go 1.22)");
  CHECK(saw("JAVA PROFILE 1.0.2\0"s).find("hprof") != std::string::npos);
  CHECK(saw("\n <!DOCTYPE HTML><html>") == "an HTML page");
  CHECK(saw("<?xml version='1.0'?>\n<svg>").find("SVG") != std::string::npos);
  CHECK(saw("") == "an empty file");
  CHECK(saw(std::string(10, '\0')) == "nothing but 10 zero bytes");
  CHECK(saw("Dear all,\nthis is prose.\n") == "text of no known form");
  CHECK(saw("\x01\x02\x03\xff"s).find("01 02 03 ff") != std::string::npos);
  CHECK(sniff(as_bytes("PK\3\4"s + std::string(40, 'x'))).compression == Compression::kZip);
  CHECK(format_of("MZ;gmon 3\n") == Format::kCollapsed);
}

TEST_CASE("through compression, three deep") {
  const SniffResult once = sniff(as_bytes(gzip(kPprof)));
  CHECK(once.format == Format::kPprof);
  CHECK(once.compression == Compression::kGzip);
  CHECK(once.saw.find("gzip data holding pprof") == 0);
  CHECK(format_of(gzip(gzip(gzip("a;b 1\n")))) == Format::kCollapsed);
  CHECK(format_of(gzip(gzip(gzip(gzip("a;b 1\n"))))) == Format::kUnknown);
  CHECK(sniff(as_bytes("\x1f\x8b\x08 broken")).saw.find("nothing that could be inflated") !=
        std::string::npos);
  CHECK(format_of("x^2;y 3\n") == Format::kCollapsed); // the bytes of a zlib header
  CHECK(decode(as_bytes(gzip(gzip("a;b 1\n"))), {}).sample_count() == 1);
  CHECK(decode_error(gzip(gzip(gzip(gzip("a;b 1\n"))))).status() == Status::kUnsupported);
}

TEST_CASE("decode says what it saw") {
  CHECK(decode_error("FLR\0\0\x02\0\x01rest"s).status() == Status::kMalformed);
  const Error scope =
      decode_error(R"({"$schema": "https://www.speedscope.app/file-format-schema.json"})");
  CHECK(scope.status() == Status::kUnsupported);
  CHECK(scope.message().find("a speedscope profile") != std::string::npos);
  const Error prose = decode_error(gzip("some prose"));
  CHECK(prose.status() == Status::kUnknownFormat);
  CHECK(prose.message().find("inflated, this is text") == 0);
  CHECK(decode_error("").status() == Status::kNoData);
  CHECK(decode_error("\x1f\x8b\x08 broken").status() == Status::kMalformed);
  DecodeOptions forced;
  forced.format = Format::kSpeedscope;
  CHECK(decode_error("{}", forced).status() == Status::kUnsupported);
  DecodeOptions small;
  small.context.limits.max_input_bytes = 3;
  CHECK(decode_error("a 1\n", small).status() == Status::kLimit);
}

TEST_CASE("damage to the compression is a warning, or an error when strict") {
  std::string text;
  for (uint32_t i = 0; i < 50'000; ++i) text += "a;f" + std::to_string(i * 2654435761u) + " 1\n";
  const std::string whole = gzip(text);
  const Profile cut = decode(as_bytes(std::string_view{whole}.substr(0, whole.size() / 2)), {});
  CHECK(cut.sample_count() > 10'000);
  CHECK(cut.sample_count() < 50'000);
  CHECK(cut.counter("damaged_compression") == 1);
  bool told = false;
  for (const Warning &warning : cut.warnings())
    told |=
        warning.text.find("cut short") != std::string::npos && warning.offset == whole.size() / 2;
  CHECK(told);
  CHECK(decode(as_bytes(whole + "garbage"), {}).warnings().size() == 1);
  DecodeOptions strict;
  strict.strict = true;
  CHECK(decode_error(std::string_view{whole}.substr(0, whole.size() / 2), strict).status() ==
        Status::kMalformed);
  CHECK(decode_error(whole + "garbage", strict).status() == Status::kMalformed);
}

TEST_CASE("a bomb of what is no profile is refused by its start") {
  const std::string bomb = gzip(std::string(100 << 20, '\0'));
  REQUIRE(bomb.size() > 64 << 10);
  DecodeOptions options;
  options.context.limits.max_inflated_bytes = 1 << 20; // inflating all of it would be the error
  CHECK(decode_error(bomb, options).status() == Status::kUnknownFormat);
  CHECK(decode_error(gzip(bomb), options).status() == Status::kUnknownFormat);
  // What may be one is inflated, and what is damaged is told by its inflater.
  std::string lines = "a;b 1\n";
  while (lines.size() < 80 << 20) lines += lines;
  CHECK(decode_error(gzip(lines), options).status() == Status::kLimit);
  std::string damaged = bomb;
  damaged[10] = '\xff';
  CHECK(decode_error(damaged, {}).status() == Status::kMalformed);
}
