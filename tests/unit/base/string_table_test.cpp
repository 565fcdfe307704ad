#include "base/string_table.hpp"

#include <doctest/doctest.h>
#include <string>

using namespace profcore;

TEST_CASE("equal text gets one id, ids count up from the empty string") {
  StringTable table;
  CHECK(table.intern("") == 0);
  const StringId a = table.intern("a");
  CHECK(a == 1);
  CHECK(table.intern("b") == 2);
  CHECK(table.intern("a") == a);
  CHECK(table.find("b") == 2);
  CHECK(table.find("c") == UINT32_MAX);
  CHECK(table.size() == 3);
}

TEST_CASE("text keeps its address and its NUL while the table grows") {
  StringTable table;
  const StringId id = table.intern(std::string_view{"x\0y", 3});
  const char *address = table[id].data();
  for (int i = 0; i < 100'000; ++i) table.intern(std::to_string(i));
  CHECK(table[id].data() == address);
  CHECK(table[id].size() == 3);
  CHECK(address[3] == '\0');
  for (int i = 0; i < 100'000; ++i) REQUIRE(table[table.find(std::to_string(i))] == std::to_string(i));
}
