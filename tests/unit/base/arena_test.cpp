#include "base/arena.hpp"

#include <doctest/doctest.h>
#include <string>

using namespace profcore;

TEST_CASE("a cleared arena uses its newest block again") {
  Arena arena;
  arena.clear();
  CHECK(arena.bytes() == 0);
  const std::string text(1000, 'x');
  for (int i = 0; i < 100; ++i) CHECK(arena.copy(text) == text);
  const size_t before = arena.bytes();
  CHECK(before > 100'000);
  arena.clear();
  const size_t kept = arena.bytes();
  CHECK(kept > 0);
  CHECK(kept < before);
  for (int round = 0; round < 3; ++round) {
    for (size_t used = 0; used + 1001 <= kept; used += 1001) CHECK(arena.copy(text) == text);
    CHECK(arena.bytes() == kept);
    arena.clear();
  }
}
