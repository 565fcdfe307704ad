#include "output/text.hpp"

#include <doctest/doctest.h>

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
