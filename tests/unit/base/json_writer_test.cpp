#include "base/json_writer.hpp"

#include <doctest/doctest.h>
#include <limits>
#include <string>

using namespace profcore;

namespace {
std::string text(const Buffer &buffer) { return {buffer.data(), buffer.size()}; }
} // namespace

TEST_CASE("commas, nesting and numbers") {
  Buffer out;
  JsonWriter json{out};
  json.begin_object();
  json.member("a", int64_t{-1});
  json.key("b");
  json.begin_array();
  json.number(uint64_t{18446744073709551615u});
  json.number(0.5);
  json.number(std::numeric_limits<double>::infinity());
  json.begin_object();
  json.end_object();
  json.end_array();
  json.member("c", true);
  json.end_object();
  CHECK(text(out) == R"({"a":-1,"b":[18446744073709551615,0.5,null,{}],"c":true})");
}

TEST_CASE("hostile text stays inside its string") {
  Buffer out;
  JsonWriter json{out};
  json.string("\"\\\n\x01</script>\xff\xc3\xa9\xed\xa0\x80");
  CHECK(text(out) == "\"\\\"\\\\\\n\\u0001\\u003c/script>\xef\xbf\xbd\xc3\xa9"
                     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}
