#include "../support/cfi_builder.hpp"
#include "base/error.hpp"
#include "base/inflate.hpp"
#include "base/mapped_file.hpp"
#include "sources/sampler/unwind_table.hpp"

#include <doctest/doctest.h>
#include <zlib.h>

using namespace profcore;
using profcore::test::CfiBuilder;
using profcore::test::ElfPart;
using profcore::test::make_elf;

namespace {

constexpr uint64_t kCode = 0x1000;
constexpr uint64_t kSection = 0x8000;
const std::vector<uint8_t> kStart{0x0c, 7, 8, 0x90, 1};

void check_sorted(const UnwindTable &table) {
  REQUIRE_FALSE(table.rows.empty());
  CHECK(table.rows[0].pc == 0);
  for (size_t i = 1; i < table.rows.size(); ++i) {
    const unwind_row &a = table.rows[i - 1];
    const unwind_row &b = table.rows[i];
    REQUIRE(a.pc < b.pc);
    REQUIRE_FALSE((a.cfa == b.cfa && a.rule == b.rule && a.bp == b.bp));
  }
}

UnwindTable build(const CfiBuilder &builder, std::vector<ElfPart> more = {},
                  size_t max_rows = 1000) {
  more.push_back({".eh_frame", builder.bytes, kSection});
  const UnwindTable table = build_unwind_table(make_elf(EM_X86_64, kCode, 0x4000, more), max_rows);
  check_sorted(table);
  return table;
}

} // namespace

TEST_CASE("functions out of order, gaps, padding and copies") {
  CfiBuilder builder{kSection};
  const size_t cie = builder.cie("zR", kStart);
  builder.fde(cie, kCode + 0x300, 0x20, {0x41, 0x0e, 16});
  builder.fde(cie, kCode + 0x100, 0x20, {0x41, 0x0e, 24});
  builder.fde(cie, kCode + 0x128, 0x08, {});                         // after padding of 8 bytes
  builder.fde(cie, kCode + 0x110, 0x10, {0x0e, 32});                 // inside another
  builder.fde(cie, kCode + 0x310, 0x30, {0x0e, 40, 0x60, 0x0e, 48}); // begins inside
  const UnwindTable table = build(builder);
  CHECK(table.base == kCode);
  CHECK(table.functions == 5);
  CHECK(table.complete);
  const std::vector<std::pair<uint32_t, unsigned>> expected{
      {0, UNWIND_RULE_GAP},     {0x100, 1 << 8},         {0x101, 3 << 8}, {0x128, 1 << 8},
      {0x130, UNWIND_RULE_GAP}, {0x300, 1 << 8},         {0x301, 2 << 8}, {0x320, 5 << 8},
      {0x330, 6 << 8},          {0x340, UNWIND_RULE_GAP}};
  REQUIRE(table.rows.size() == expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    CHECK(table.rows[i].pc == expected[i].first);
    CHECK((unsigned{table.rows[i].rule} | static_cast<unsigned>(table.rows[i].cfa) << 8) ==
          expected[i].second);
  }
  CHECK(table.gap_rows == 3);
}

TEST_CASE("a limit cuts the table and says so") {
  CfiBuilder builder{kSection};
  const size_t cie = builder.cie("zR", kStart);
  for (uint64_t i = 0; i < 20; ++i) builder.fde(cie, kCode + i * 0x40, 0x20, {0x41, 0x0e, 16});
  CHECK(build(builder).complete);
  for (size_t limit = 1; limit < 50; ++limit) {
    const UnwindTable table = build(builder, {}, limit);
    CHECK(table.rows.size() <= limit);
    CHECK_FALSE(table.complete);
    CHECK(unsigned{table.rows.back().rule} == UNWIND_RULE_GAP);
  }
}

TEST_CASE(".debug_frame where only that exists, packed or not, but not for Go") {
  CfiBuilder builder{kSection, false};
  const size_t cie = builder.cie("", kStart);
  builder.fde(cie, kCode, 0x40, {0x41, 0x0e, 16});
  const auto table = [&](std::vector<ElfPart> parts) {
    return build_unwind_table(make_elf(EM_X86_64, kCode, 0x4000, parts), 1000);
  };
  CHECK(table({{".debug_frame", builder.bytes}}).functions == 1);

  std::vector<uint8_t> packed(sizeof(Elf64_Chdr) + compressBound(builder.bytes.size()));
  const Elf64_Chdr header{ELFCOMPRESS_ZLIB, 0, builder.bytes.size(), 1};
  std::memcpy(packed.data(), &header, sizeof header);
  uLongf size = packed.size() - sizeof header;
  REQUIRE(compress(packed.data() + sizeof header, &size, builder.bytes.data(),
                   builder.bytes.size()) == Z_OK);
  packed.resize(sizeof header + size);
  CHECK(table({{".debug_frame", packed, 0, SHF_COMPRESSED}}).functions == 1);
  packed.resize(sizeof header + 3);
  CHECK(table({{".debug_frame", packed, 0, SHF_COMPRESSED}}).functions == 0);
  packed.resize(5);
  CHECK(table({{".debug_frame", packed, 0, SHF_COMPRESSED}}).functions == 0);

  const UnwindTable go = table({{".debug_frame", builder.bytes}, {".gopclntab", {1}}});
  CHECK(go.functions == 0);
  REQUIRE(go.rows.size() == 1);
  CHECK(unsigned{go.rows[0].rule} == UNWIND_RULE_GAP);
  CHECK(go.rows[0].cfa == 1);

  CfiBuilder eh{kSection};
  eh.fde(eh.cie("zR", kStart), kCode + 0x100, 0x40, {});
  const UnwindTable both =
      table({{".debug_frame", builder.bytes}, {".eh_frame", eh.bytes, kSection}});
  CHECK(both.functions == 1);
  CHECK(both.rows[0].rule == UNWIND_RULE_GAP);
}

TEST_CASE("linkage tables that no information describes") {
  const CfiBuilder none{kSection};
  std::vector<uint8_t> plt(48, 0xcc);
  plt[0] = 0xff, plt[1] = 0x35;
  UnwindTable table =
      build(none, {{".plt", plt, kCode + 0x20}, {".plt.got", {0xff, 0x25}, kCode + 0x100}});
  REQUIRE(table.rows.size() == 7);
  CHECK(table.rows[1].pc == 0x20);
  CHECK(table.rows[1].cfa == 2);
  CHECK(table.rows[2].pc == 0x26);
  CHECK(table.rows[2].cfa == 3);
  CHECK(table.rows[3].pc == 0x30);
  CHECK(table.rows[3].rule == UNWIND_RULE_PLT);
  CHECK(table.rows[3].cfa == 11);
  CHECK(table.rows[5].pc == 0x100);
  CHECK(table.rows[5].cfa == 1);
  std::memcpy(plt.data() + 16, "\xf3\x0f\x1e\xfa", 4);
  table = build(none, {{".plt", plt, kCode + 0x20}});
  CHECK(table.rows[3].cfa == 9);

  std::memcpy(plt.data(), "\x5f\x24\x03\xd5\xf0\x7b\xbf\xa9", 8); // bti c; stp x16, x30, [sp, -16]!
  table = build_unwind_table(make_elf(EM_AARCH64, kCode, 0x4000, {{".plt", plt, kCode}}), 100);
  check_sorted(table);
  REQUIRE(table.rows.size() == 4);
  CHECK(table.rows[0].rule == UNWIND_RULE_SP);
  CHECK(table.rows[1].pc == 8);
  CHECK(unsigned{table.rows[1].rule} == (UNWIND_RULE_SP | UNWIND_SAVED_LR));
  CHECK(table.rows[1].cfa == 2);
  CHECK(table.rows[1].bp == -1);
  CHECK(table.rows[2].pc == 32);
}

TEST_CASE("files that are none") {
  const std::vector<uint8_t> elf = make_elf(EM_X86_64, kCode, 0x4000, {});
  const auto status_of = [](std::vector<uint8_t> bytes) {
    try {
      build_unwind_table(bytes, 100);
    } catch (const Error &error) {
      return error.status();
    }
    return Status::kOk;
  };
  CHECK(status_of(elf) == Status::kOk);
  CHECK(status_of({}) == Status::kMalformed);
  for (size_t size = 0; size < sizeof(Elf64_Ehdr); ++size)
    CHECK(status_of({elf.begin(), elf.begin() + static_cast<std::ptrdiff_t>(size)}) ==
          Status::kMalformed);
  auto changed = elf;
  changed[EI_CLASS] = ELFCLASS32;
  CHECK(status_of(changed) == Status::kUnsupported);
  changed = elf;
  changed[18] = EM_386;
  CHECK(status_of(changed) == Status::kUnsupported);
  changed = elf;
  changed[16] = ET_REL;
  CHECK(status_of(changed) == Status::kUnsupported);
}

TEST_CASE("the vDSO of this machine") {
  if (vdso_image().empty()) return;
  const UnwindTable table = build_vdso_unwind_table();
  check_sorted(table);
  CHECK(table.functions > 0);
  CHECK(table.bad_entries == 0);
}

TEST_CASE("this program") {
  const auto file = MappedFile::open("/proc/self/exe", {});
  const UnwindTable table = build_unwind_table(file.bytes(), 1 << 22);
  check_sorted(table);
  CHECK(table.functions > 100);
  CHECK(table.end_rows == 1); // _start
  CHECK(table.bad_entries == 0);
  CHECK(table.complete);
}
