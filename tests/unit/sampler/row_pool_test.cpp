#include "row_memory.hpp"
#include "sources/sampler/row_pool.hpp"

#include <algorithm>
#include <doctest/doctest.h>

using profcore::CodeSegment;
using profcore::UnwindTable;
using namespace profcore::sampler;

namespace {

uint32_t number_of(const unwind_row &row) {
  return static_cast<uint16_t>(row.cfa) | uint32_t{row.rule} << 16;
}

/// How many of `tries` places, the borders of rows among them, do not lead to the right row.
size_t wrong_rows(const HeapRows &memory, const FileRows &rows, const sampler_file &file,
                  size_t tries = 50000) {
  size_t wrong = 0;
  const auto check = [&](uint32_t offset) {
    const auto after =
        std::upper_bound(rows.rows.begin(), rows.rows.end(), offset,
                         [](uint32_t at, const unwind_row &row) { return at < row.pc; });
    const unwind_row *found = memory.find(file, offset);
    wrong += found == nullptr || number_of(*found) != number_of(*(after - 1)) ? 1 : 0;
  };
  const size_t stride = std::max<size_t>(rows.rows.size() / tries, 1);
  for (size_t i = 0; i < rows.rows.size(); i += stride) {
    check(rows.rows[i].pc);
    if (i != 0) check(rows.rows[i].pc - 1);
    check(std::min(rows.rows[i].pc + 3, rows.end - 1));
  }
  check(rows.end - 1);
  return wrong;
}

} // namespace

TEST_CASE("every place of a file leads to its row") {
  HeapRows memory;
  RowPool pool{memory, 8};
  for (const auto &[count, step] : {std::pair{1U, 40U},
                                    {2U, 5000U},
                                    {1000U, 40U},
                                    {1000U, 1U},
                                    {1000U, 30000U},
                                    {100000U, 40U},
                                    {700000U, 40U}}) {
    CAPTURE(count);
    CAPTURE(step);
    const FileRows rows = make_rows(count, 0x1234, step);
    sampler_file file{};
    std::vector<RowPool::Run> runs;
    REQUIRE(pool.place(rows, file, runs));
    CHECK(runs.size() == (count > SAMPLER_CHUNK_SLOTS ? 2 : 1));
    CHECK(wrong_rows(memory, rows, file) == 0);
    CHECK(memory.find(file, rows.end) == nullptr);
    pool.remove(runs);
  }
  CHECK(pool.rows_used() == 0);
  CHECK(pool.bytes() == 0);
  CHECK(memory.count() == 0);
}

TEST_CASE("few rows and far apart take little more than themselves") {
  HeapRows memory;
  RowPool pool{memory, 1};
  sampler_file file{};
  std::vector<RowPool::Run> runs;
  FileRows go; // sixty megabytes of code without information
  go.rows.push_back({0x1000, 0, UNWIND_RULE_GAP, 0});
  go.end = 60 << 20;
  REQUIRE(pool.place(go, file, runs));
  CHECK(runs[0].slots < 1000);
  CHECK(memory.find(file, 0x1000) != nullptr);
  CHECK(memory.find(file, go.end - 1) != nullptr);
  // One dense function in it makes the whole index fine, but not larger than it needs to be.
  pool.remove(runs);
  for (uint32_t i = 1; i < 1000; ++i)
    go.rows.push_back({0x100000 + i, static_cast<int16_t>(i), 0, 0});
  REQUIRE(pool.place(go, file, runs));
  CHECK(runs[0].slots < 125000);
  CHECK(wrong_rows(memory, go, file) == 0);
}

TEST_CASE("rooms that files leave are used again, also in pieces") {
  HeapRows memory;
  RowPool pool{memory, 2};
  std::vector<FileRows> given;
  std::vector<sampler_file> files(10);
  std::vector<std::vector<RowPool::Run>> runs(10);
  for (uint32_t i = 0; i < 10; ++i) {
    given.push_back(make_rows(90000 + 10 * i, 0x1000 * i));
    if (i < 9) REQUIRE(pool.place(given[i], files[i], runs[i]));
  }
  CHECK_FALSE(pool.place(make_rows(300000), files[9], runs[9])); // no room
  CHECK(runs[9].empty());
  // Two that do not lie side by side.
  pool.remove(runs[1]);
  pool.remove(runs[3]);
  const FileRows large = make_rows(170000);
  REQUIRE(pool.place(large, files[9], runs[9]));
  CHECK(runs[9].size() >= 2);
  CHECK(wrong_rows(memory, large, files[9]) == 0);
  for (const uint32_t i : {0U, 2U, 4U, 5U, 6U, 7U, 8U}) // nobody else's were touched
    CHECK(wrong_rows(memory, given[i], files[i], 2000) == 0);
  for (auto &each : runs) pool.remove(each);
  CHECK(pool.bytes() == 0);
  CHECK(pool.free_slots() == 2 * uint64_t{SAMPLER_CHUNK_SLOTS});
}

TEST_CASE("without memory nothing is placed and nothing is lost") {
  HeapRows memory;
  memory.most = 1;
  RowPool pool{memory, 4};
  sampler_file file{};
  std::vector<RowPool::Run> runs;
  CHECK_FALSE(pool.place(make_rows(700000), file, runs));
  CHECK(runs.empty());
  CHECK(pool.rows_used() == 0);
  CHECK(pool.place(make_rows(300000), file, runs));
  FileRows none;
  std::vector<RowPool::Run> no_runs;
  CHECK_FALSE(pool.place(none, file, no_runs));
}

TEST_CASE("rows by offsets in the file") {
  UnwindTable table;
  table.base = 0x401000;
  // Two segments whose distance in memory is not that in the file.
  table.code.push_back({0x401000, 0x1000, 0x800});
  table.code.push_back({0x500000, 0x2000, 0x1000});
  table.rows.push_back({0, 1, 0, 0});
  table.rows.push_back({0x700, 2, 0, 0});
  table.rows.push_back({0xfe000, 3, 0, 0}); // of the second segment, and already before it
  table.rows.push_back({0xfff00, 4, UNWIND_RULE_GAP, 0});
  const FileRows rows = rows_by_file_offset(table);
  std::vector<std::pair<uint32_t, int>> seen;
  for (const unwind_row &row : rows.rows)
    seen.emplace_back(row.pc, row.rule == UNWIND_RULE_GAP ? -1 : row.cfa);
  CHECK(seen == std::vector<std::pair<uint32_t, int>>{
                    {0x1000, 1}, {0x1700, 2}, {0x1800, -1}, {0x2000, 3}, {0x2f00, -1}});
  CHECK(rows.end == 0x3000);
  // Segments in another order in the file, or on top of each other, have no rows.
  table.code[1].file_offset = 0x1400;
  CHECK(rows_by_file_offset(table).end == 0x1800);
  table.code[1].file_offset = uint64_t{5} << 30;
  CHECK(rows_by_file_offset(table).end == 0x1800);
  table.code.clear();
  CHECK(rows_by_file_offset(table).rows.empty());
}
