#include "sources/sampler/frame_rule.hpp"

namespace profcore {

namespace {

constexpr unwind_row kUnsupported{0, 0, UNWIND_RULE_UNSUPPORTED, 0};

bool whole_words(int64_t bytes, int64_t least, int64_t most) noexcept {
  return (bytes & 7) == 0 && bytes >= least * 8 && bytes <= most * 8;
}
bool fits_slot(int64_t bytes) noexcept {
  return whole_words(bytes, INT8_MIN, INT8_MAX);
}

/// Puts a slot into the row, by its distance from the CFA or else from the base register.
bool pack_slot(const FrameRule &rule, const SavedRegister &saved, unwind_row &row) noexcept {
  int64_t offset = saved.offset;
  if (saved.form == SavedForm::kAtBaseOffset) {
    if (rule.cfa != CfaForm::kFramePointer && rule.cfa != CfaForm::kFramePointerLoad) return false;
    row.rule |= UNWIND_SLOT_FROM_BASE;
  } else if (!fits_slot(offset)) {
    if (rule.cfa != CfaForm::kFramePointer && rule.cfa != CfaForm::kStackPointer) return false;
    if (offset < INT32_MIN || offset > INT32_MAX) return false;
    offset += rule.cfa_offset; // within the 18 bits of a row: checked before
    row.rule |= UNWIND_SLOT_FROM_BASE;
  }
  if (!fits_slot(offset)) return false;
  row.bp = static_cast<int8_t>(offset / 8);
  return true;
}

} // namespace

unwind_row pack_row(const FrameRule &rule, Machine machine) noexcept {
  unwind_row row{0, 0, 0, 0};
  if (rule.cfa == CfaForm::kSignalFrame) {
    row.rule = UNWIND_RULE_SIGNAL;
    return row;
  }
  const SavedRegister &back = rule.return_address;
  const SavedRegister &frame = rule.frame_pointer;
  if (back.form == SavedForm::kUndefined) {
    row.rule = UNWIND_RULE_END;
    return row;
  }
  switch (rule.cfa) {
  case CfaForm::kStackPointer:
    row.rule = UNWIND_RULE_SP;
    break;
  case CfaForm::kFramePointer:
    row.rule = UNWIND_RULE_BP;
    break;
  case CfaForm::kStackPointerLoad:
    row.rule = UNWIND_RULE_SP_DEREF;
    break;
  case CfaForm::kFramePointerLoad:
    row.rule = UNWIND_RULE_BP_DEREF;
    break;
  case CfaForm::kPlt:
    row.rule = UNWIND_RULE_PLT;
    break;
  case CfaForm::kSignalFrame:
  case CfaForm::kOther:
    return kUnsupported;
  }
  if (rule.cfa == CfaForm::kPlt) {
    row.cfa = static_cast<int16_t>(rule.cfa_offset);
  } else {
    if (!whole_words(rule.cfa_offset, INT16_MIN, INT16_MAX)) return kUnsupported;
    row.cfa = static_cast<int16_t>(rule.cfa_offset / 8);
  }

  // An undefined frame pointer is nobody's: as good unchanged as lost.
  const bool frame_saved =
      frame.form == SavedForm::kAtOffset || frame.form == SavedForm::kAtBaseOffset;
  if (frame.form == SavedForm::kOther) return kUnsupported;
  if (frame_saved) {
    row.rule |= UNWIND_SAVED_BP;
    if (!pack_slot(rule, frame, row)) return kUnsupported;
  }
  if (machine == Machine::kX86_64)
    return back.form == SavedForm::kAtOffset && back.offset == -8 ? row : kUnsupported;

  if (back.form == SavedForm::kUnchanged) return row;
  if (back.form != SavedForm::kAtOffset) return kUnsupported;
  row.rule |= UNWIND_SAVED_LR;
  if (frame_saved) { // as a pair, or not at all
    return frame.form == SavedForm::kAtOffset && back.offset - 8 == frame.offset ? row
                                                                                 : kUnsupported;
  }
  return pack_slot(rule, back, row) ? row : kUnsupported;
}

} // namespace profcore
