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

/// The row with pc 0. What a row cannot hold becomes UNWIND_RULE_UNSUPPORTED.
unwind_row pack_row(const FrameRule &rule, Machine machine) noexcept;

} // namespace profcore
