#include "output/text.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <limits>

using namespace profcore;

namespace {

std::string clean(std::string_view text) {
  std::string result;
  append_clean(text, result);
  return result;
}

std::string xml(std::string_view text) {
  Buffer result;
  append_xml(text, result);
  return {result.data(), result.size()};
}

std::string cut(std::string_view text, size_t width) {
  std::string storage;
  return std::string{cut_to_width(text, width, storage)};
}

} // namespace

TEST_CASE("clean text cannot drive a terminal") {
  CHECK(clean("plain \xc3\xa9 \xe6\xbc\xa2") == "plain \xc3\xa9 \xe6\xbc\xa2");
  CHECK(clean("\x1b[2Jx\n") == "\xef\xbf\xbd[2Jx\xef\xbf\xbd");
  CHECK(clean("a\x7f\xc2\x9b"
              "b") == "a\xef\xbf\xbd\xef\xbf\xbd"
                      "b");
  CHECK(clean("\xff\xc3") == "\xef\xbf\xbd\xef\xbf\xbd");
  CHECK(clean("x\xe2\x80\xaey") == "x\xef\xbf\xbdy");
  CHECK(clean("\xef\xbf\xbf") == "\xef\xbf\xbd");
  CHECK(clean("") == "");
}

TEST_CASE("markup stays text") {
  CHECK(xml("</script>&\"'\x01") == "&lt;/script&gt;&amp;&quot;&#39;\xef\xbf\xbd");
}

TEST_CASE("width counts columns") {
  CHECK(display_width("abc") == 3);
  CHECK(display_width("\xe6\xbc\xa2\xe5\xad\x97") == 4);
  CHECK(display_width("e\xcc\x81") == 1);
  CHECK(cut("abcdef", 6) == "abcdef");
  CHECK(cut("abcdef", 4) == "abc\xe2\x80\xa6");
  CHECK(cut("\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2", 4) == "\xe6\xbc\xa2\xe2\x80\xa6");
  CHECK(cut("abc", 0) == "");
  CHECK(cut("abc", 1) == "\xe2\x80\xa6");
}

TEST_CASE("hundredths are written as fmt writes them") {
  const auto written = [](double value) {
    Buffer output;
    append_hundredths(value, output);
    return std::string{output.data(), output.size()};
  };
  const auto check = [&](double value) { CHECK(written(value) == fmt::format("{:.2f}", value)); };
  for (int i = 0; i < 4000; ++i) {
    check(i / 8.0); // halves of hundredths among them
    check(i * 0.005);
    check(std::nextafter(i * 0.005, 1e9));
    check(std::nextafter(i * 0.005, -1e9));
    check(i * 1.2345e7 + 0.125);
  }
  for (const double value : {0.0, -0.0, -1.005, 0.994999, 0.995, 99.995, 1e9 + 0.005, 9.99e9, 1e10,
                             1.5e15, 1e300, 5e-324})
    check(value);
  check(std::numeric_limits<double>::infinity());
  CHECK(written(12.346) == "12.35");
}
