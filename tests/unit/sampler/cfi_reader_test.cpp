#include "../support/cfi_builder.hpp"
#include "sources/sampler/cfi_reader.hpp"

#include <doctest/doctest.h>

using namespace profcore;
using profcore::test::CfiBuilder;

namespace {

constexpr uint64_t kCode = 0x401000;
constexpr uint64_t kSection = 0x500000;
// def_cfa rsp+8; rip at cfa-8
const std::vector<uint8_t> kX86Start{0x0c, 7, 8, 0x90, 1};

CfiRows read(const CfiBuilder &builder, Machine machine = Machine::kX86_64, bool eh_frame = true,
             bool big_endian = false, size_t max_rows = 1000) {
  CfiSection section;
  section.bytes = builder.bytes;
  section.address = kSection;
  section.machine = machine;
  section.is_eh_frame = eh_frame;
  section.big_endian = big_endian;
  CfiRows rows;
  read_cfi(section, kCode, kCode + 0x10000, max_rows, rows);
  return rows;
}

/// The rows of one function at kCode, 0x100 long.
CfiRows run(const std::vector<uint8_t> &program, std::string_view augmentation = "zR") {
  CfiBuilder builder{kSection};
  const size_t cie = builder.cie(augmentation, kX86Start);
  builder.fde(cie, kCode, 0x100, program);
  return read(builder);
}

void check_row(const CfiRows &rows, size_t index, uint32_t pc, int cfa, unsigned rule, int bp) {
  CAPTURE(index);
  REQUIRE(index < rows.rows.size());
  const unwind_row &row = rows.rows[index];
  CHECK(row.pc == pc);
  CHECK(row.cfa == cfa);
  CHECK(unsigned{row.rule} == rule);
  CHECK(row.bp == bp);
}

} // namespace

TEST_CASE("a usual prologue and epilogue") {
  for (const char *augmentation : {"zR", "zPLR", ""}) {
    CAPTURE(augmentation);
    const CfiRows rows = run({0x41, 0x0e, 16, 0x86, 2,            // push rbp
                              0x43, 0x0d, 6,                      // mov rbp, rsp
                              0x02, 0x50, 0x0a, 0x0c, 7, 8, 0xc6, // leave (remembered before)
                              0x41, 0x0b},                        // after ret: as it was
                             augmentation);
    CHECK(rows.bad_entries == 0);
    REQUIRE(rows.functions.size() == 1);
    CHECK(rows.functions[0].start == 0);
    CHECK(rows.functions[0].end == 0x100);
    REQUIRE(rows.rows.size() == 5);
    check_row(rows, 0, 0, 1, UNWIND_RULE_SP, 0);
    check_row(rows, 1, 1, 2, UNWIND_RULE_SP | UNWIND_SAVED_BP, -2);
    check_row(rows, 2, 4, 2, UNWIND_RULE_BP | UNWIND_SAVED_BP, -2);
    check_row(rows, 3, 0x54, 1, UNWIND_RULE_SP, 0);
    check_row(rows, 4, 0x55, 2, UNWIND_RULE_BP | UNWIND_SAVED_BP, -2);
  }
}

TEST_CASE("what a row cannot hold is said so, row by row") {
  SUBCASE("another register") {
    const CfiRows rows = run({0x41, 0x0c, 10, 0, 0x42, 0x0c, 7, 8});
    REQUIRE(rows.rows.size() == 3);
    check_row(rows, 1, 1, 0, UNWIND_RULE_UNSUPPORTED, 0);
    check_row(rows, 2, 3, 1, UNWIND_RULE_SP, 0);
  }
  SUBCASE("an odd offset") {
    check_row(run({0x0e, 12}), 0, 0, 0, UNWIND_RULE_UNSUPPORTED, 0);
  }
  SUBCASE("a frame of 256 KiB") {
    check_row(run({0x0e, 0x80, 0x80, 0x10}), 0, 0, 0, UNWIND_RULE_UNSUPPORTED, 0);
    check_row(run({0x0e, 0xf8, 0xff, 0x0f}), 0, 0, 32767, UNWIND_RULE_SP, 0);
  }
  SUBCASE("a frame pointer far from the CFA, but near the base") {
    check_row(run({0x0e, 0xd0, 0x0f, 0x86, 0xf9, 0x01}), 0, 0, 250,
              UNWIND_RULE_SP | UNWIND_SAVED_BP | UNWIND_SLOT_FROM_BASE, 1);
  }
  SUBCASE("a return address elsewhere") {
    check_row(run({0x90, 2}), 0, 0, 0, UNWIND_RULE_UNSUPPORTED, 0);
    check_row(run({0x09, 16, 3}), 0, 0, 0, UNWIND_RULE_UNSUPPORTED, 0);
  }
  SUBCASE("a frame pointer in a register, or computed") {
    check_row(run({0x09, 6, 3}), 0, 0, 0, UNWIND_RULE_UNSUPPORTED, 0);
    check_row(run({0x14, 6, 3}), 0, 0, 0, UNWIND_RULE_UNSUPPORTED, 0);
    check_row(run({0x16, 6, 2, 0x76, 0}), 0, 0, 0, UNWIND_RULE_UNSUPPORTED, 0);
  }
  SUBCASE("another expression") {
    check_row(run({0x0f, 2, 0x77, 8}), 0, 0, 0, UNWIND_RULE_UNSUPPORTED, 0);
    check_row(run({0x0f, 0}), 0, 0, 0, UNWIND_RULE_UNSUPPORTED, 0);
  }
}

TEST_CASE("expressions that are known") {
  check_row(run({0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22}), 0, 0, 11,
            UNWIND_RULE_PLT, 0);
  check_row(run({0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x39, 0x2a, 0x33, 0x24, 0x22}), 0, 0, 9,
            UNWIND_RULE_PLT, 0);
  // gcc's aligned frame: CFA = [rbp - 8], rbp at [rbp]
  check_row(run({0x10, 6, 2, 0x76, 0, 0x0f, 3, 0x76, 0x78, 0x06}), 0, 0, -1,
            UNWIND_RULE_BP_DEREF | UNWIND_SAVED_BP | UNWIND_SLOT_FROM_BASE, 0);
  // OpenSSL's: CFA = [rsp + 152] + 8
  check_row(run({0x0f, 6, 0x77, 0x98, 0x01, 0x06, 0x23, 8}), 0, 0, 19, UNWIND_RULE_SP_DEREF, 0);
}

TEST_CASE("every instruction is understood or skipped by its length") {
  const CfiRows rows = run(
      {0x02, 2,    0x03, 2,    0,    0x04, 2,    0,    0,    0, // advance without a change: no rows
       0x05, 3,    4,    0x11, 3,    4,    0x2f, 3,    4,    0x06, 3,    0x08, 3,
       0x09, 3,    4,    0x10, 3,    1,    0x50, 0x16, 3,    1,    0x50, 0x14, 3,
       1,    0x15, 3,    1,    0x07, 3,    0x2d, 0x2e, 16,   0x12, 7,    0x7e, // CFA rsp + -2 * -8
       0x1d, 1,    0,    0,    0,    0,    0,    0,    0,                      // advance by 1
       0x13, 0x7d,                                                             // CFA + 24
       0x41, 0x05, 6,    3,    0x41, 0x06, 6,    0x41, 0x11, 6,    3,    0x41, 0x08,
       6,    0x41, 0x2f, 6,    0x7d, 0x41, 0x07, 16});
  CHECK(rows.bad_entries == 0);
  REQUIRE(rows.rows.size() >= 7);
  check_row(rows, 0, 0, 1, UNWIND_RULE_SP, 0);
  check_row(rows, 1, 6, 2, UNWIND_RULE_SP, 0);
  check_row(rows, 2, 7, 3, UNWIND_RULE_SP, 0);
  check_row(rows, 3, 8, 3, UNWIND_RULE_SP | UNWIND_SAVED_BP, -3);
  check_row(rows, 4, 9, 3, UNWIND_RULE_SP, 0);
  check_row(rows, 5, 10, 3, UNWIND_RULE_SP | UNWIND_SAVED_BP, -3);
  check_row(rows, 6, 11, 3, UNWIND_RULE_SP, 0);
  CHECK(unsigned{rows.rows[rows.rows.size() - 1].rule} == UNWIND_RULE_END);
}

TEST_CASE("signal frames and the outermost frame") {
  check_row(run({0x0f, 2, 0x77, 8}, "zRS"), 0, 0, 0, UNWIND_RULE_SIGNAL, 0);
  check_row(run({0x07, 16}), 0, 0, 0, UNWIND_RULE_END, 0);
}

TEST_CASE("damaged programs make one row that says so, and the next function is read") {
  std::vector<uint8_t> deep(17, 0x0a);
  for (const auto &program : std::vector<std::vector<uint8_t>>{
           {0x3f},                                           // unknown
           {0x0b},                                           // nothing was remembered
           deep,                                             // too much was
           {0x0e, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80}, // cut off
           {0x0f, 0x7f, 0x77},                               // a block past the end
           {0x41, 0x1d, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}) {
    CfiBuilder builder{kSection};
    const size_t cie = builder.cie("zR", kX86Start);
    builder.fde(cie, kCode, 0x10, program);
    builder.fde(cie, kCode + 0x10, 0x10, {0x41, 0x0e, 16});
    // padding bytes are nops, so cut-off needs its last byte to be the entry's last
    const CfiRows rows = read(builder);
    REQUIRE(rows.functions.size() == 2);
    CHECK(rows.functions[1].start == 0x10);
    const auto first = rows.functions[1].first_row;
    check_row(rows, first, 0x10, 1, UNWIND_RULE_SP, 0);
    check_row(rows, first + 1, 0x11, 2, UNWIND_RULE_SP, 0);
  }
  const CfiRows rows = run({0x3f});
  CHECK(rows.bad_entries == 1);
  check_row(rows, 0, 0, 0, UNWIND_RULE_UNSUPPORTED, 0);
}

TEST_CASE("damaged entries are counted and passed over") {
  CfiBuilder builder{kSection};
  const size_t unknown = builder.cie("q", kX86Start);
  builder.fde(unknown, kCode, 0x10, {});
  const size_t other_back = builder.cie("zR", kX86Start, 17);
  builder.fde(other_back, kCode, 0x10, {});
  builder.terminator();
  const size_t cie = builder.cie("zR", kX86Start);
  builder.fde(cie + 4, kCode, 0x10, {});       // no CIE there
  builder.fde(cie, kCode - 0x10, 0x10, {});    // not in the code
  builder.fde(cie, kCode, 0, {});              // nothing
  builder.fde(cie, kCode + 0xff00, 0x200, {}); // past its end
  builder.fde(cie, kCode + 0x20, 0x10, {});
  CfiRows rows = read(builder);
  CHECK(rows.bad_entries == 5);
  CHECK(rows.outside_entries == 3);
  REQUIRE(rows.functions.size() == 1);
  CHECK(rows.functions[0].start == 0x20);

  builder.number(0x1000, 4); // longer than what is left
  builder.number(0, 4);
  rows = read(builder);
  CHECK(rows.bad_entries == 6);
  CHECK(rows.functions.size() == 1);
}

TEST_CASE("rows stop at their limit, at a whole function") {
  CfiBuilder builder{kSection};
  const size_t cie = builder.cie("zR", kX86Start);
  for (uint64_t i = 0; i < 10; ++i)
    builder.fde(cie, kCode + i * 0x10, 0x10, {0x41, 0x0e, 16, 0x41, 0x0e, 24});
  const CfiRows rows = read(builder, Machine::kX86_64, true, false, 10);
  CHECK_FALSE(rows.complete);
  CHECK(rows.functions.size() == 3);
  CHECK(rows.rows.size() == 9);
  CHECK(read(builder).complete);
}

TEST_CASE("rows past the function's end are dropped") {
  CfiBuilder builder{kSection};
  const size_t cie = builder.cie("zR", kX86Start);
  builder.fde(cie, kCode, 4, {0x41, 0x0e, 16, 0x43, 0x0e, 24, 0x41, 0x0e, 32});
  CHECK(read(builder).rows.size() == 2);
}

TEST_CASE(".debug_frame, of each version, and big-endian") {
  for (const uint8_t version : {1, 3, 4}) {
    for (const bool big_endian : {false, true}) {
      CfiBuilder builder{kSection, false, big_endian};
      const size_t cie = builder.cie("", kX86Start, 16, 1, version);
      builder.fde(cie, kCode, 0x100,
                  {0x41, 0x0e, 16, 0x03, big_endian ? uint8_t{0} : uint8_t{2},
                   big_endian ? uint8_t{2} : uint8_t{0}, 0x0e, 24});
      const CfiRows rows = read(builder, Machine::kX86_64, false, big_endian);
      CHECK(rows.bad_entries == 0);
      REQUIRE(rows.rows.size() == 3);
      check_row(rows, 1, 1, 2, UNWIND_RULE_SP, 0);
      check_row(rows, 2, 3, 3, UNWIND_RULE_SP, 0);
    }
  }
}

TEST_CASE("aarch64") {
  CfiBuilder builder{kSection};
  const size_t cie = builder.cie("zR", {0x0c, 31, 0}, 30, 4);
  builder.fde(cie, kCode, 0x100,
              {0x2d,                                  // the return address gets signed
               0x41, 0x0e, 32,   0x9d, 4,    0x9e, 3, // stp x29, x30, [sp, -32]!
               0x41, 0x0d, 29,                        // mov x29, sp
               0x41, 0x0c, 31,   0,    0xdd, 0xde,    // ldp, ret
               0x41, 0x0e, 16,   0x9e, 2,             // str x30, [sp, -16]!
               0x41, 0x0c, 31,   0x80, 0x20, 0x9d, 0x80, 4, 0x9e, 0xff, 3, // a record below 4 KiB
               0x41, 0x9e, 0xfe, 3,                                        // not side by side
               0x41, 0x07, 30});
  const CfiRows rows = read(builder, Machine::kAarch64);
  CHECK(rows.bad_entries == 0);
  REQUIRE(rows.rows.size() == 8);
  constexpr unsigned kPair = UNWIND_SAVED_BP | UNWIND_SAVED_LR;
  check_row(rows, 0, 0, 0, UNWIND_RULE_SP, 0);
  check_row(rows, 1, 4, 4, UNWIND_RULE_SP | kPair, -4);
  check_row(rows, 2, 8, 4, UNWIND_RULE_BP | kPair, -4);
  check_row(rows, 3, 12, 0, UNWIND_RULE_SP, 0);
  check_row(rows, 4, 16, 2, UNWIND_RULE_SP | UNWIND_SAVED_LR, -2);
  check_row(rows, 5, 20, 512, UNWIND_RULE_SP | kPair | UNWIND_SLOT_FROM_BASE, 0);
  check_row(rows, 6, 24, 0, UNWIND_RULE_UNSUPPORTED, 0);
  check_row(rows, 7, 28, 0, UNWIND_RULE_END, 0);
}

TEST_CASE("every prefix of a section is safe to read") {
  CfiBuilder builder{kSection};
  const size_t cie = builder.cie("zPLR", kX86Start);
  builder.fde(cie, kCode, 0x100, {0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x10, 6, 2, 0x76, 0});
  const std::vector<uint8_t> whole = builder.bytes;
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::vector<uint8_t> cut{whole.begin(),
                                   whole.begin() + static_cast<std::ptrdiff_t>(size)};
    CfiSection section;
    section.bytes = cut;
    section.address = kSection;
    CfiRows rows;
    read_cfi(section, kCode, kCode + 0x1000, 100, rows);
    CHECK(rows.functions.empty());
  }
}
