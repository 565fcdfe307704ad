#pragma once

// What call frame information says at one place of a function, cut down to what a step can use, and
// its packing into a row.

#include "sources/sampler/elf_sections.hpp"
#include "unwind_row.h"

#include <cstdint>

namespace profcore {

/// DWARF register numbers of one machine.
struct MachineRegisters {
  uint32_t stack_pointer;
  uint32_t frame_pointer;
  uint32_t return_address;
};
constexpr MachineRegisters registers_of(Machine machine) noexcept {
  return machine == Machine::kX86_64 ? MachineRegisters{7, 6, 16} : MachineRegisters{31, 29, 30};
}

enum class CfaForm : uint8_t {
  kStackPointer,
  kFramePointer,
  kStackPointerLoad, ///< [sp + offset] + 8
  kFramePointerLoad, ///< [fp + offset]
  kPlt,              ///< offset: the first pc & 15 with another word pushed
  kSignalFrame,
  kOther,
};

enum class SavedForm : uint8_t {
  kUnchanged,
  kAtOffset,     ///< from the CFA
  kAtBaseOffset, ///< from the frame pointer
  kUndefined,
  kOther,
};

struct SavedRegister {
  SavedForm form = SavedForm::kUnchanged;
  int64_t offset = 0;
};

struct FrameRule {
  CfaForm cfa = CfaForm::kOther;
  int64_t cfa_offset = 0;
  SavedRegister frame_pointer;
  SavedRegister return_address;
};

/// The row with pc 0 of nearly every place of compiled x86-64 code: the CFA from a register, the
/// frame pointer kept or in a slot. False where it is another, of which `row` says nothing.
inline bool pack_common_row(const FrameRule &rule, Machine machine, unwind_row &row) noexcept {
  const auto in_words = [](int64_t bytes, int64_t least, int64_t most) {
    return (bytes & 7) == 0 && bytes >= least * 8 && bytes <= most * 8;
  };
  const SavedRegister &frame = rule.frame_pointer;
  const bool is_saved = frame.form == SavedForm::kAtOffset;
  if (machine != Machine::kX86_64 || rule.cfa > CfaForm::kFramePointer ||
      rule.return_address.form != SavedForm::kAtOffset || rule.return_address.offset != -8 ||
      !in_words(rule.cfa_offset, INT16_MIN, INT16_MAX) || frame.form > SavedForm::kAtOffset ||
      (is_saved && !in_words(frame.offset, INT8_MIN, INT8_MAX)))
    return false;
  const unsigned base = rule.cfa == CfaForm::kStackPointer ? UNWIND_RULE_SP : UNWIND_RULE_BP;
  row.pc = 0;
  row.cfa = static_cast<int16_t>(rule.cfa_offset / 8);
  row.rule = static_cast<uint8_t>(base | (is_saved ? UNWIND_SAVED_BP : 0U));
  row.bp = static_cast<int8_t>(is_saved ? frame.offset / 8 : 0);
  return true;
}

/// The row with pc 0. What a row cannot hold becomes UNWIND_RULE_UNSUPPORTED.
unwind_row pack_row(const FrameRule &rule, Machine machine) noexcept;

} // namespace profcore
