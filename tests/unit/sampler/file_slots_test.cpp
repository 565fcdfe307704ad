#include "row_memory.hpp"
#include "sources/sampler/file_slots.hpp"

#include <array>
#include <doctest/doctest.h>

using namespace profcore::sampler;

namespace {

/// Files that nobody can open, with as many slots and chunks as asked for.
struct World {
  explicit World(size_t slot_count = 64, uint32_t chunks = 1)
      : table(slot_count), pool{memory, chunks}, slots{table, pool, files,
                                                       [this] { return mapped; }} {}

  uint32_t add(uint64_t inode, bool is_mapped = true) {
    const uint32_t module = files.add({8, 1, inode}, "/none", 1 << 30, 0, 0x1000);
    mapped.resize(files.size());
    mapped[module] = is_mapped;
    return module;
  }
  /// As if a host prepared it.
  bool place(uint32_t module, const FileRows &rows) {
    slots.slot_of(module);
    std::erase(slots.waiting(), module);
    files[module].is_waiting = false;
    files[module].was_prepared = true;
    return slots.place(module, rows);
  }

  HeapRows memory;
  std::vector<sampler_file> table;
  ModuleFiles files;
  std::vector<bool> mapped;
  RowPool pool;
  FileSlots slots;
};

} // namespace

TEST_CASE("a file has one slot, and is wanted once") {
  World world;
  const uint32_t module = world.add(1);
  const uint32_t slot = world.slots.slot_of(module);
  CHECK(slot != SAMPLER_NO_FILE);
  CHECK(world.slots.slot_of(module) == slot);
  CHECK(world.slots.waiting() == std::deque<uint32_t>{module});
  CHECK(world.table[slot].module == module);
  CHECK(world.table[slot].end == 0);
  const FileRows rows = make_rows(100);
  CHECK(world.place(module, rows));
  CHECK(world.table[slot].end == rows.end);
  CHECK(world.memory.find(world.table[slot], rows.end - 1) != nullptr);
}

TEST_CASE("rows make room, those nobody maps, the oldest first") {
  World world;
  const FileRows rows = make_rows(150000);
  std::array<uint32_t, 5> modules{};
  for (uint32_t i = 0; i < 3; ++i) { // a chunk holds three such
    modules[i] = world.add(i);
    REQUIRE(world.place(modules[i], rows));
    world.files.age(world.mapped);
  }
  modules[3] = world.add(3);
  CHECK_FALSE(world.place(modules[3], rows)); // all are mapped
  CHECK(world.slots.without_room() == 1);
  CHECK(world.slots.evicted() == 0);
  world.slots.retry(world.mapped);
  CHECK(world.slots.waiting().empty()); // still no hope

  world.mapped[modules[0]] = false;
  world.files.age(world.mapped);
  world.mapped[modules[1]] = false;
  world.files.age(world.mapped);
  world.slots.retry(world.mapped);
  CHECK(world.slots.waiting() == std::deque<uint32_t>{modules[3]});
  CHECK(world.place(modules[3], rows));
  CHECK(world.slots.evicted() == 1);
  CHECK(world.files[modules[0]].slot == 0); // longest not mapped
  CHECK(world.files[modules[1]].slot != 0);
  CHECK_FALSE(world.files[modules[0]].has_kernel_rows);
  // Mapped again: it is to be prepared again, and takes the place of the other.
  world.mapped[modules[0]] = true;
  CHECK(world.slots.slot_of(modules[0]) != 0);
  CHECK(world.slots.waiting() == std::deque<uint32_t>{modules[0]});
  CHECK(world.place(modules[0], rows));
  CHECK(world.files[modules[1]].slot == 0);
  CHECK(world.memory.find(world.table[world.files[modules[2]].slot], rows.end - 1) != nullptr);
}

TEST_CASE("a file waits until its rows were tried") {
  World world;
  const uint32_t module = world.add(1);
  const uint32_t slot = world.slots.slot_of(module);
  CHECK(world.table[slot].waits == 1);
  REQUIRE(world.place(module, make_rows(10)));
  world.slots.no_longer_waits(module);
  CHECK(world.table[slot].waits == 0);
  world.slots.no_longer_waits(world.add(2)); // has no slot
}

TEST_CASE("slots are taken from files nobody maps") {
  World world{4};
  const uint32_t first = world.add(1);
  for (uint64_t inode = 1; inode <= 3; ++inode) world.place(world.add(inode), make_rows(10));
  const uint32_t last = world.add(9);
  CHECK(world.slots.slot_of(last) == SAMPLER_NO_FILE);
  world.mapped[first] = false;
  const uint32_t slot = world.slots.slot_of(last);
  CHECK(slot != SAMPLER_NO_FILE);
  CHECK(world.files[first].slot == SAMPLER_NO_FILE);
  CHECK(world.table[slot].module == last);
  CHECK(world.table[slot].end == 0); // not the other's rows
}

TEST_CASE("a file without room that goes away is forgotten") {
  World world;
  REQUIRE(world.place(world.add(1), make_rows(400000)));
  const uint32_t module = world.add(2);
  CHECK_FALSE(world.place(module, make_rows(400000)));
  world.mapped[module] = false;
  world.slots.retry(world.mapped);
  CHECK(world.slots.without_room() == 0);
  CHECK(world.files[module].slot == 0);
}

TEST_CASE("rows that do not fit are not made again and again") {
  World world;
  const uint32_t large = world.add(1);
  REQUIRE(world.place(large, make_rows(400000)));
  const uint32_t module = world.add(2);
  CHECK(world.slots.is_worth_preparing(module)); // not known yet
  CHECK_FALSE(world.place(module, make_rows(300000)));
  CHECK_FALSE(world.slots.is_worth_preparing(module));
  world.slots.retry(world.mapped);
  CHECK_FALSE(world.slots.is_worth_preparing(module)); // another window, but no room
  world.mapped[large] = false;
  CHECK(world.slots.is_worth_preparing(module));
  CHECK(world.place(module, make_rows(300000)));
  CHECK_FALSE(world.slots.is_worth_preparing(module)); // twice in a window
}
