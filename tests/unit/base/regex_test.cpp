#include "base/error.hpp"
#include "base/regex.hpp"

#include <doctest/doctest.h>
#include <string>

using namespace profcore;

namespace {

Error failure_of(std::string_view pattern) {
  try {
    const Regex regex{pattern, "focus"};
  } catch (const Error &error) {
    return error;
  }
  return {Status::kOk, ""};
}

} // namespace

TEST_CASE("without RE2 a pattern is refused as unsupported") {
  if (Regex::is_available()) return;
  CHECK(failure_of("a").status() == Status::kUnsupported);
}

TEST_SUITE("regex" * doctest::skip(!Regex::is_available())) {
  TEST_CASE("search is unanchored, full match is not") {
    const Regex regex{"b+", "focus"};
    CHECK(regex.search("abbc"));
    CHECK_FALSE(regex.search("ac"));
    CHECK_FALSE(regex.full_match("abbc"));
    CHECK(regex.full_match("bb"));
    CHECK(Regex{"", "x"}.search(""));
    CHECK(Regex{"", "x"}.full_match(""));
    CHECK_FALSE(Regex{"^a$", "x"}.search("a\n"));
    CHECK(Regex{"a.c", "x"}.search(std::string_view{"a\0c", 3}));
  }

  TEST_CASE("damaged UTF-8 in the text counts as U+FFFD, byte by byte") {
    const Regex regex{"^a.{2}b$", "focus"};
    CHECK(regex.search("a\xff\xfe"
                       "b"));
    CHECK_FALSE(regex.search("a\xff"
                             "b"));
    CHECK(Regex{"\xef\xbf\xbd", "x"}.search("\x80"));
  }

  TEST_CASE("bad patterns tell the option, the reason and the place") {
    const Error escape = failure_of("abc\\yd");
    CHECK(escape.status() == Status::kInvalidArgument);
    CHECK(escape.message().starts_with("focus: bad regular expression at position 3: "));
    CHECK(escape.offset() == 3);
    CHECK(failure_of("ab[c").offset() == 2);
    CHECK(failure_of("ab\\").offset() == 2);
    CHECK(failure_of("a(b").offset() == kNoOffset);
    CHECK(failure_of("a(b").message().find("missing )") != std::string::npos);
    CHECK(failure_of("\xff").status() == Status::kInvalidArgument);
    CHECK(failure_of("*").offset() == 0);
    std::string problem;
    CHECK_FALSE(Regex::try_compile("a(", problem));
    CHECK_FALSE(problem.empty());
    CHECK(Regex::try_compile("a", problem));
    CHECK(problem.empty());
  }

  TEST_CASE("hostile patterns are refused or run in linear time") {
    CHECK(failure_of(std::string(100'000, 'a')).message().find("longer") != std::string::npos);
    CHECK(failure_of("((((x{1000}){1000}){1000}){1000})").status() == Status::kInvalidArgument);
    CHECK(Regex{std::string(5000, '(') + std::string(5000, ')'), "x"}.search(""));
    const std::string text(300'000, 'a');
    CHECK_FALSE(Regex{"(a*)*b", "x"}.search(text));
    CHECK(Regex{"^(a|a)*$", "x"}.search(text));
    CHECK_FALSE(Regex{"(x+x+)+y", "x"}.search(std::string(300'000, 'x')));
    CHECK_FALSE(Regex{"(.*)(.*)(.*)(.*)(.*)[a-z]{200}\\d", "x"}.search(text));
  }
}
