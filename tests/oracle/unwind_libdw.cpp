// Every border of our rows, and the places right before and after it, against libdw's reading of
// the same file: unwind_libdw [FILE...], and the files that this program is made of. Compared: the
// CFA's register and offset (or expression), where the frame pointer was saved, and whether the
// return address is where a row says. A row that gives up must be one that libdw, too, describes in
// a form that no row can hold.

#include "base/error.hpp"
#include "base/mapped_file.hpp"
#include "sources/sampler/unwind_table.hpp"

#include <cstdio>
#include <cstdlib>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <fstream>
#include <gelf.h>
#include <set>
#include <string>
#include <unistd.h>

using namespace profcore;

namespace {

constexpr int kSp = 7, kBp = 6, kPc = 16;

/// What libdw says at one place, as a row would.
struct Expected {
  uint8_t kind = UNWIND_RULE_GAP;
  int64_t cfa = 0;
  bool bp_saved = false;
  bool bp_from_base = false;
  int64_t bp = 0;
  bool back_usual = false;
};

bool is(const Dwarf_Op &op, uint8_t atom, int64_t number = 0) {
  return op.atom == atom && static_cast<int64_t>(op.number) == number;
}

void read_cfa(Dwarf_Frame *frame, Expected &result) {
  Dwarf_Op *ops = nullptr;
  size_t count = 0;
  result.kind = UNWIND_RULE_UNSUPPORTED;
  if (dwarf_frame_cfa(frame, &ops, &count) != 0 || count == 0) return;
  const bool whole = (ops[0].number & 7) == 0;
  const auto offset = static_cast<int64_t>(ops[0].number);
  // Plain rules come as DW_OP_bregx REGISTER, OFFSET.
  if (count == 1 && ops[0].atom == DW_OP_bregx) {
    const auto plain = static_cast<int64_t>(ops[0].number2);
    if ((plain & 7) != 0) return;
    result.cfa = plain;
    if (ops[0].number == kSp) result.kind = UNWIND_RULE_SP;
    if (ops[0].number == kBp) result.kind = UNWIND_RULE_BP;
    return;
  }
  if (count == 2 && ops[0].atom == DW_OP_breg6 && ops[1].atom == DW_OP_deref && whole) {
    result.kind = UNWIND_RULE_BP_DEREF;
    result.cfa = offset;
  } else if (count == 3 && ops[0].atom == DW_OP_breg7 && ops[1].atom == DW_OP_deref &&
             is(ops[2], DW_OP_plus_uconst, 8) && whole) {
    result.kind = UNWIND_RULE_SP_DEREF;
    result.cfa = offset;
  } else if (count == 9 && is(ops[0], DW_OP_breg7, 8) && is(ops[1], DW_OP_breg16) &&
             ops[2].atom == DW_OP_lit15 && ops[3].atom == DW_OP_and && ops[4].atom >= DW_OP_lit0 &&
             ops[4].atom <= DW_OP_lit15 && ops[5].atom == DW_OP_ge) {
    result.kind = UNWIND_RULE_PLT;
    result.cfa = ops[4].atom - DW_OP_lit0;
  }
}

Expected expected_at(Dwarf_CFI *cfi, uint64_t address) {
  Expected result;
  Dwarf_Frame *frame = nullptr;
  if (dwarf_cfi_addrframe(cfi, address, &frame) != 0) return result;
  Dwarf_Addr start = 0, end = 0;
  bool signal = false;
  dwarf_frame_info(frame, &start, &end, &signal);
  read_cfa(frame, result);

  Dwarf_Op space[3];
  Dwarf_Op *ops = nullptr;
  size_t count = 0;
  bool undefined = false, fine = true;
  if (dwarf_frame_register(frame, kPc, space, &ops, &count) == 0) {
    undefined = count == 0 && ops == space;
    result.back_usual =
        count == 2 && ops[0].atom == DW_OP_call_frame_cfa && is(ops[1], DW_OP_plus_uconst, -8);
  }
  if (dwarf_frame_register(frame, kBp, space, &ops, &count) == 0 && count != 0) {
    // CFA alone stands for offset 0
    if (ops[0].atom == DW_OP_call_frame_cfa &&
        (count == 1 || (count == 2 && ops[1].atom == DW_OP_plus_uconst))) {
      result.bp_saved = true;
      result.bp = count == 1 ? 0 : static_cast<int64_t>(ops[1].number);
    } else if (count == 2 && ops[0].atom == DW_OP_call_frame_cfa && ops[1].atom == DW_OP_breg6) {
      // an expression, which starts with the CFA on the stack
      result.bp_saved = result.bp_from_base = true;
      result.bp = static_cast<int64_t>(ops[1].number);
    } else {
      fine = false;
    }
  }
  if (signal)
    result.kind = UNWIND_RULE_SIGNAL;
  else if (undefined)
    result.kind = UNWIND_RULE_END;
  else if (!fine || !result.back_usual ||
           (result.bp_from_base && result.kind != UNWIND_RULE_BP &&
            result.kind != UNWIND_RULE_BP_DEREF))
    result.kind = UNWIND_RULE_UNSUPPORTED;
  free(frame);
  return result;
}

/// Rows reach over less than 16 bytes between two functions.
bool known_before(Dwarf_CFI *cfi, uint64_t address) {
  for (uint64_t back = 1; back < 16; ++back)
    if (expected_at(cfi, address - back).kind != UNWIND_RULE_GAP) return true;
  return false;
}
/// Linkage tables get rows that the linker did not write: a few places a file.
constexpr uint64_t kMostLinkage = 8;

bool agrees(const unwind_row &row, const Expected &expected) {
  const unsigned kind = row.rule & UNWIND_RULE_KIND;
  if (kind != expected.kind) return false;
  if (kind == UNWIND_RULE_PLT) return row.cfa == expected.cfa;
  if (kind > UNWIND_RULE_BP_DEREF) return true;
  if (row.cfa * 8 != expected.cfa) return false;
  if (((row.rule & UNWIND_SAVED_BP) != 0) != expected.bp_saved) return false;
  if (!expected.bp_saved) return true;
  int64_t slot = row.bp * 8;
  const bool from_base = (row.rule & UNWIND_SLOT_FROM_BASE) != 0;
  if (from_base && !expected.bp_from_base)
    slot -= expected.cfa; // said from the base, meant from the CFA
  else if (from_base != expected.bp_from_base)
    return false;
  return slot == expected.bp;
}

int compare(const char *path) {
  const auto file = MappedFile::open(path, {});
  const UnwindTable table = build_unwind_table(file.bytes(), 1 << 22);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  elf_version(EV_CURRENT);
  Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, nullptr);
  Dwarf_CFI *cfi = elf == nullptr ? nullptr : dwarf_getcfi_elf(elf);
  if (cfi == nullptr) {
    std::fprintf(stderr, "%s: libdw finds no call frame information\n", path);
    return 1;
  }
  uint64_t compared = 0, equal = 0, unsupported = 0, padding = 0, linkage = 0;
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const unwind_row &row = table.rows[i];
    const uint64_t from = table.base + row.pc;
    const uint64_t to = i + 1 < table.rows.size() ? table.base + table.rows[i + 1].pc : from + 1;
    for (const uint64_t address : {from, to - 1}) {
      ++compared;
      const Expected expected = expected_at(cfi, address);
      if (agrees(row, expected)) {
        ++equal;
        unsupported += (row.rule & UNWIND_RULE_KIND) == UNWIND_RULE_UNSUPPORTED;
      } else if (expected.kind == UNWIND_RULE_GAP && known_before(cfi, address)) {
        ++padding;
      } else if (expected.kind == UNWIND_RULE_GAP &&
                 (row.rule & UNWIND_RULE_KIND) != UNWIND_RULE_GAP && linkage < kMostLinkage) {
        ++linkage;
      } else if (compared - equal - padding - linkage <= 20) {
        std::fprintf(stderr, "%s: %#lx: row {%d, %#x, %d}, libdw {kind %d, cfa %ld, bp %d%s %ld}\n",
                     path, static_cast<unsigned long>(address), row.cfa, row.rule, row.bp,
                     expected.kind, static_cast<long>(expected.cfa), expected.bp_saved,
                     expected.bp_from_base ? " from base" : "", static_cast<long>(expected.bp));
      }
    }
  }
  dwarf_cfi_end(cfi);
  elf_end(elf);
  close(fd);
  const uint64_t wrong = compared - equal - padding - linkage;
  std::printf("%s: %zu rows, %lu places, %lu equal (%lu of them unsupported by both), %lu padding, "
              "%lu linkage, %lu differ\n",
              path, table.rows.size(), static_cast<unsigned long>(compared),
              static_cast<unsigned long>(equal), static_cast<unsigned long>(unsupported),
              static_cast<unsigned long>(padding), static_cast<unsigned long>(linkage),
              static_cast<unsigned long>(wrong));
  return wrong == 0 && equal * 10 > compared * 9 ? 0 : 1;
}

} // namespace

int main(int argc, char **argv) {
  std::set<std::string> files{argv + 1, argv + argc};
  std::ifstream maps{"/proc/self/maps"};
  for (std::string line; std::getline(maps, line);) {
    const size_t path = line.find('/');
    if (path != std::string::npos && line.find("r-xp") < path) files.insert(line.substr(path));
  }
  int failed = 0;
  for (const std::string &file : files) {
    try {
      failed += compare(file.c_str());
    } catch (const Error &error) {
      std::fprintf(stderr, "%s: %s\n", file.c_str(), error.what());
      ++failed;
    }
  }
  return failed == 0 ? 0 : 1;
}
