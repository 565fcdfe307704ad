#include "sources/sampler/cfi_reader.hpp"

// Call frame information is a list of entries: CIEs, which hold what many functions have in common,
// and FDEs, one a function, which name an earlier CIE and hold a program. Run from the function's
// start, the program says how the rules change from place to place; a table row is written where
// what a step needs has changed.
//
// One pass over the section. A CIE's program runs once, when the CIE is met, and its outcome is
// kept; an FDE starts from a copy. So no entry can make another one's bytes be read again, and the
// cost is linear in the section for any input. Most FDEs name the CIE that the last one named; the
// others are found by binary search, since CIEs are met in the order of their offsets. Going
// through .eh_frame_hdr instead would jump about in the section for the same result, and libdw
// builds a search tree and allocates for every entry, which takes many times as long.

#include "sources/sampler/frame_rule.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace profcore {

namespace {

constexpr size_t kMostRemembered = 16;

// Pointer encodings: the low four bits are the form, the next three what it is relative to.
enum : uint8_t {
  kPointerAbsolute = 0x00,
  kPointerUleb = 0x01,
  kPointerU2 = 0x02,
  kPointerU4 = 0x03,
  kPointerU8 = 0x04,
  kPointerSleb = 0x09,
  kPointerS2 = 0x0a,
  kPointerS4 = 0x0b,
  kPointerS8 = 0x0c,
  kPointerPcRelative = 0x10,
  kPointerOmitted = 0xff,
};

/// Reads forward in [at, end); a read past the end gives 0 and is remembered.
template <bool kSwap> struct Cursor {
  const uint8_t *at;
  const uint8_t *end;
  bool failed = false;

  size_t left() const noexcept { return static_cast<size_t>(end - at); }
  uint8_t u8() noexcept {
    if (at == end) {
      failed = true;
      return 0;
    }
    return *at++;
  }
  template <class T> T fixed() noexcept {
    T value = 0;
    if (left() < sizeof(T)) {
      at = end;
      failed = true;
      return 0;
    }
    std::memcpy(&value, at, sizeof(T));
    at += sizeof(T);
    if constexpr (kSwap && sizeof(T) == 2) value = __builtin_bswap16(value);
    if constexpr (kSwap && sizeof(T) == 4) value = __builtin_bswap32(value);
    if constexpr (kSwap && sizeof(T) == 8) value = __builtin_bswap64(value);
    return value;
  }
  uint64_t uleb() noexcept {
    if (at != end && *at < 0x80) [[likely]]
      return *at++;
    uint64_t value = 0;
    for (unsigned shift = 0; at != end; shift += 7) {
      const uint8_t byte = *at++;
      if (shift < 64) value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    failed = true;
    return 0;
  }
  int64_t sleb() noexcept {
    uint64_t value = 0;
    for (unsigned shift = 0; at != end;) {
      const uint8_t byte = *at++;
      if (shift < 64) value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      shift += 7;
      if (byte < 0x80) {
        if (shift < 64 && (byte & 0x40) != 0) value |= ~UINT64_C(0) << shift;
        return static_cast<int64_t>(value);
      }
    }
    failed = true;
    return 0;
  }
  std::span<const uint8_t> block(uint64_t size) noexcept {
    if (size > left()) {
      at = end;
      failed = true;
      return {};
    }
    const std::span<const uint8_t> result{at, static_cast<size_t>(size)};
    at += size;
    return result;
  }
};

struct Cie {
  uint64_t offset = 0;
  bool usable = false;
  bool signal_frame = false;
  bool has_augmentation_size = false;
  uint8_t pointer_encoding = kPointerAbsolute;
  uint64_t code_factor = 1;
  int64_t data_factor = 1;
  FrameRule start;
};

/// The product of two untrusted numbers: wraps instead of overflowing.
int64_t scaled(int64_t a, int64_t b) noexcept {
  return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}

template <bool kSwap> class CfiReader {
public:
  CfiReader(const CfiSection &section, uint64_t base, uint64_t code_end, size_t max_rows,
            CfiRows &result)
      : section_{section}, base_{base}, code_end_{code_end}, max_rows_{max_rows},
        numbers_{registers_of(section.machine)}, result_{result} {}

  void read() {
    const uint8_t *const begin = section_.bytes.data();
    const uint8_t *const end = begin + section_.bytes.size();
    // Most functions take 20 to 30 bytes and every row at least two.
    result_.rows.reserve(std::min(max_rows_, section_.bytes.size() / 8));
    result_.functions.reserve(section_.bytes.size() / 64);
    for (const uint8_t *at = begin; end - at >= 4 && result_.complete;) {
      Cursor<kSwap> cursor{at, end};
      uint64_t length = cursor.template fixed<uint32_t>();
      const bool wide = length == 0xffffffff;
      if (wide) length = cursor.template fixed<uint64_t>();
      if (cursor.failed || length > cursor.left()) {
        ++result_.bad_entries;
        break;
      }
      // An empty entry ends the list of one object file; linkers may leave some in the middle.
      if (length != 0) {
        cursor.end = cursor.at + length;
        if (!read_entry(static_cast<uint64_t>(at - begin), cursor, wide)) ++result_.bad_entries;
      }
      at = cursor.at > at ? begin + (cursor.at - begin) : end;
      at = length != 0 ? cursor.end : cursor.at;
    }
  }

private:
  bool read_entry(uint64_t offset, Cursor<kSwap> cursor, bool wide) {
    const bool wide_id = wide && !section_.is_eh_frame;
    const auto id_at = static_cast<uint64_t>(cursor.at - section_.bytes.data());
    const uint64_t id =
        wide_id ? cursor.template fixed<uint64_t>() : cursor.template fixed<uint32_t>();
    if (cursor.failed) return false;
    if (section_.is_eh_frame) {
      if (id == 0) return read_cie(offset, cursor);
      return id <= id_at && read_fde(id_at - id, cursor); // the distance back from here
    }
    if (id == (wide_id ? UINT64_MAX : UINT32_MAX)) return read_cie(offset, cursor);
    return read_fde(id, cursor);
  }

  // --- CIE

  bool read_cie(uint64_t offset, Cursor<kSwap> cursor) {
    Cie cie;
    cie.offset = offset;
    cie.usable = read_cie_fields(cursor, cie);
    cies_.push_back(cie);
    return cie.usable;
  }

  bool read_cie_fields(Cursor<kSwap> &cursor, Cie &cie) {
    const uint8_t version = cursor.u8();
    if (version != 1 && version != 3 && version != 4) return false;
    const auto *augmentation = cursor.at;
    const auto *terminator = static_cast<const uint8_t *>(std::memchr(cursor.at, 0, cursor.left()));
    if (terminator == nullptr) return false;
    cursor.at = terminator + 1;
    if (terminator - augmentation == 2 && augmentation[0] == 'e' && augmentation[1] == 'h') {
      (void)cursor.template fixed<uint64_t>(); // of gcc 2
      ++augmentation;
      ++augmentation;
    }
    if (version == 4 && (cursor.u8() != 8 || cursor.u8() != 0)) return false; // address, segment
    cie.code_factor = cursor.uleb();
    cie.data_factor = cursor.sleb();
    const uint64_t return_register = version == 1 ? cursor.u8() : cursor.uleb();
    if (cursor.failed || return_register != numbers_.return_address) return false;
    if (*augmentation == 'z') {
      cie.has_augmentation_size = true;
      const auto data = cursor.block(cursor.uleb());
      if (cursor.failed) return false;
      if (!read_augmentation(augmentation + 1, {data.data(), data.data() + data.size()}, cie))
        return false;
    } else if (*augmentation != 0) {
      return false; // how much there is to skip cannot be known
    }
    // x86-64's CIEs say that the return address is at CFA - 8; on aarch64 it starts out in lr.
    Sink none{*this, 0, 0};
    return run(cursor, cie, cie.start, nullptr, none);
  }

  bool read_augmentation(const uint8_t *letters, Cursor<kSwap> data, Cie &cie) {
    for (; *letters != 0; ++letters) {
      switch (*letters) {
      case 'R':
        cie.pointer_encoding = data.u8();
        break;
      case 'S':
        cie.signal_frame = true;
        break;
      case 'L':
        (void)data.u8();
        break;
      case 'P': {
        const uint8_t encoding = data.u8();
        uint64_t personality = 0;
        if (encoding != kPointerOmitted && !read_pointer_form(data, encoding, personality))
          return false;
        break;
      }
      case 'B': // aarch64: which key signs return addresses
      case 'G': // aarch64: tagged stack memory
        break;
      default: // its data has no known size, so nothing after it can be read
        return !data.failed;
      }
    }
    return !data.failed;
  }

  // --- FDE

  const Cie *find_cie(uint64_t offset) noexcept {
    if (last_cie_ < cies_.size() && cies_[last_cie_].offset == offset) return &cies_[last_cie_];
    const auto *found =
        std::lower_bound(cies_.begin(), cies_.end(), offset,
                         [](const Cie &cie, uint64_t wanted) { return cie.offset < wanted; });
    if (found == cies_.end() || found->offset != offset) return nullptr;
    last_cie_ = static_cast<size_t>(found - cies_.begin());
    return found;
  }

  bool read_fde(uint64_t cie_offset, Cursor<kSwap> cursor) {
    const Cie *cie = find_cie(cie_offset);
    if (cie == nullptr || !cie->usable) return false;
    uint64_t start = 0;
    uint64_t size = 0;
    if (!read_pointer(cursor, cie->pointer_encoding, start)) return false;
    if (!read_pointer_form(cursor, cie->pointer_encoding & 0x0f, size)) return false;
    if (cie->has_augmentation_size) (void)cursor.block(cursor.uleb());
    if (cursor.failed) return false;
    if (start < base_ || start >= code_end_ || size == 0 || size > code_end_ - start) {
      ++result_.outside_entries;
      return true;
    }
    const auto first_row = result_.rows.size();
    Sink sink{*this, static_cast<uint32_t>(start - base_), first_row};
    FrameRule now = cie->start;
    if (cie->signal_frame) {
      now.cfa = CfaForm::kSignalFrame;
      sink.put(0, now);
    } else if (!run(cursor, *cie, now, &cie->start, sink)) {
      // Half a program says nothing reliable about the rest of the function.
      ++result_.bad_entries;
      result_.rows.resize_uninitialized(first_row);
      now.cfa = CfaForm::kOther;
      now.return_address.form = SavedForm::kOther;
      sink.put(0, now);
    }
    if (result_.rows.size() > max_rows_) {
      result_.rows.resize_uninitialized(first_row);
      result_.complete = false;
      return true;
    }
    uint64_t end = size;
    // Rows past the function's end belong to nobody.
    while (result_.rows.size() > first_row + 1 &&
           result_.rows.back().pc - static_cast<uint32_t>(start - base_) >= end)
      result_.rows.pop_back();
    result_.functions.push_back(
        {static_cast<uint32_t>(start - base_), static_cast<uint32_t>(start - base_ + size),
         static_cast<uint32_t>(first_row), static_cast<uint32_t>(result_.rows.size() - first_row)});
    return true;
  }

  // --- pointers

  bool read_pointer_form(Cursor<kSwap> &cursor, uint8_t encoding, uint64_t &value) noexcept {
    switch (encoding & 0x0f) {
    case kPointerAbsolute:
    case kPointerU8:
    case kPointerS8:
      value = cursor.template fixed<uint64_t>();
      break;
    case kPointerUleb:
      value = cursor.uleb();
      break;
    case kPointerU2:
      value = cursor.template fixed<uint16_t>();
      break;
    case kPointerU4:
      value = cursor.template fixed<uint32_t>();
      break;
    case kPointerSleb:
      value = static_cast<uint64_t>(cursor.sleb());
      break;
    case kPointerS2:
      value =
          static_cast<uint64_t>(int64_t{static_cast<int16_t>(cursor.template fixed<uint16_t>())});
      break;
    case kPointerS4:
      value =
          static_cast<uint64_t>(int64_t{static_cast<int32_t>(cursor.template fixed<uint32_t>())});
      break;
    default:
      return false;
    }
    return !cursor.failed;
  }

  bool read_pointer(Cursor<kSwap> &cursor, uint8_t encoding, uint64_t &value) noexcept {
    const uint64_t here =
        section_.address + static_cast<uint64_t>(cursor.at - section_.bytes.data());
    if (!read_pointer_form(cursor, encoding, value)) return false;
    switch (encoding & 0xf0) {
    case kPointerAbsolute:
      return true;
    case kPointerPcRelative:
      value += here;
      return true;
    default: // relative to text or data, or through memory: no linker writes these for code
      return false;
    }
  }

  // --- the program

  /// Where rows go. Writes one only where what a row can say differs from the row before.
  struct Sink {
    CfiReader &reader;
    uint32_t start;
    size_t first_row;

    void put(uint64_t location, const FrameRule &now) {
      unwind_row row;
      if (!pack_common_row(now, reader.section_.machine, row))
        row = pack_row(now, reader.section_.machine);
      PodVector<unwind_row> &rows = reader.result_.rows;
      if (rows.size() > first_row) {
        const unwind_row &last = rows.back();
        if (last.cfa == row.cfa && last.rule == row.rule && last.bp == row.bp) return;
      }
      row.pc = start + static_cast<uint32_t>(location);
      rows.push_back(row);
    }
  };

  void set_register(FrameRule &now, uint64_t number, SavedRegister saved) noexcept {
    if (number == numbers_.frame_pointer) now.frame_pointer = saved;
    if (number == numbers_.return_address) now.return_address = saved;
  }
  CfaForm form_of(uint64_t number) const noexcept {
    return number == numbers_.stack_pointer   ? CfaForm::kStackPointer
           : number == numbers_.frame_pointer ? CfaForm::kFramePointer
                                              : CfaForm::kOther;
  }

  void set_cfa_expression(FrameRule &now, std::span<const uint8_t> code) const noexcept;
  SavedRegister saved_by_expression(std::span<const uint8_t> code) const noexcept;
  bool run(Cursor<kSwap> cursor, const Cie &cie, FrameRule &now, const FrameRule *start,
           Sink &sink);

  const CfiSection section_;
  const uint64_t base_;
  const uint64_t code_end_;
  const size_t max_rows_;
  const MachineRegisters numbers_;
  CfiRows &result_;
  PodVector<Cie> cies_;
  size_t last_cie_ = 0;
  FrameRule remembered_[kMostRemembered]; ///< of the program that runs
};

enum : uint8_t {
  kOpLoad = 0x06,
  kOpAnd = 0x1a,
  kOpPlus = 0x22,
  kOpPlusConstant = 0x23,
  kOpShiftLeft = 0x24,
  kOpGreaterEqual = 0x2a,
  kOpLiteral0 = 0x30,
  kOpRegister0 = 0x70,
  kOpX86Pc = kOpRegister0 + 16,
};

/// Three forms are known; everything else is kOther.
template <bool kSwap>
void CfiReader<kSwap>::set_cfa_expression(FrameRule &now,
                                          std::span<const uint8_t> code) const noexcept {
  now.cfa = CfaForm::kOther;
  now.cfa_offset = 0;
  if (code.size() < 3) return;
  const auto sp_op = static_cast<uint8_t>(kOpRegister0 + numbers_.stack_pointer);
  const auto fp_op = static_cast<uint8_t>(kOpRegister0 + numbers_.frame_pointer);
  if (code.size() == 11) {
    // sp + 8 + (((pc & 15) >= N) << 3): a PLT entry that has pushed its index after N bytes
    const uint8_t plt[11] = {sp_op,
                             8,
                             kOpX86Pc,
                             0,
                             kOpLiteral0 + 15,
                             kOpAnd,
                             code[6],
                             kOpGreaterEqual,
                             kOpLiteral0 + 3,
                             kOpShiftLeft,
                             kOpPlus};
    if (section_.machine == Machine::kX86_64 && std::equal(code.begin(), code.end(), plt) &&
        code[6] >= kOpLiteral0 && code[6] < kOpLiteral0 + 16) {
      now.cfa = CfaForm::kPlt;
      now.cfa_offset = code[6] - kOpLiteral0;
    }
    return;
  }
  Cursor<kSwap> cursor{code.data(), code.data() + code.size()};
  const uint8_t base = cursor.u8();
  const int64_t offset = cursor.sleb();
  if (cursor.u8() != kOpLoad || cursor.failed) return;
  if (base == fp_op && cursor.left() == 0) {
    now.cfa = CfaForm::kFramePointerLoad;
    now.cfa_offset = offset;
  } else if (base == sp_op && cursor.u8() == kOpPlusConstant && cursor.uleb() == 8 &&
             !cursor.failed && cursor.left() == 0) {
    now.cfa = CfaForm::kStackPointerLoad;
    now.cfa_offset = offset;
  }
}

template <bool kSwap>
SavedRegister CfiReader<kSwap>::saved_by_expression(std::span<const uint8_t> code) const noexcept {
  if (code.empty() || code[0] != kOpRegister0 + numbers_.frame_pointer)
    return {SavedForm::kOther, 0};
  Cursor<kSwap> cursor{code.data() + 1, code.data() + code.size()};
  const int64_t offset = cursor.sleb();
  if (cursor.failed || cursor.left() != 0) return {SavedForm::kOther, 0};
  return {SavedForm::kAtBaseOffset, offset};
}

/// Runs one program from `now` on. `start` is what restoring goes back to, NULL in a CIE, which has
/// no places either. False when it is cut off or has an instruction of unknown length.
template <bool kSwap>
bool CfiReader<kSwap>::run(Cursor<kSwap> cursor, const Cie &cie, FrameRule &now,
                           const FrameRule *start, Sink &sink) {
  size_t depth = 0;
  uint64_t location = 0;
  const auto advance = [&](uint64_t units) {
    const uint64_t bytes = units * cie.code_factor;
    if (bytes == 0 || start == nullptr) return true;
    if (bytes > UINT32_MAX) return false;
    sink.put(location, now);
    location += bytes;
    return location <= UINT32_MAX;
  };
  const auto at_offset = [](int64_t offset) { return SavedRegister{SavedForm::kAtOffset, offset}; };
  const auto restored = [&](uint64_t number) {
    if (start == nullptr) return;
    if (number == numbers_.frame_pointer) now.frame_pointer = start->frame_pointer;
    if (number == numbers_.return_address) now.return_address = start->return_address;
  };

  while (cursor.at != cursor.end) {
    const uint8_t op = *cursor.at++;
    const uint64_t low = op & 0x3f;
    switch (op >> 6) {
    case 1: // advance_loc
      if (!advance(low)) return false;
      continue;
    case 2: // offset
      set_register(now, low,
                   at_offset(scaled(static_cast<int64_t>(cursor.uleb()), cie.data_factor)));
      continue;
    case 3: // restore
      restored(low);
      continue;
    default:
      break;
    }
    switch (op) {
    case 0x00: // nop: padding, often to the end
      break;
    case 0x01: { // set_loc
      uint64_t target = 0;
      if (!read_pointer(cursor, cie.pointer_encoding, target)) return false;
      if (start == nullptr) break;
      const uint64_t distance = target - base_ - sink.start;
      if (distance < location || distance > UINT32_MAX) return false;
      if (distance != location) sink.put(location, now);
      location = distance;
      break;
    }
    case 0x02: // advance_loc1
      if (!advance(cursor.u8())) return false;
      break;
    case 0x03: // advance_loc2
      if (!advance(cursor.template fixed<uint16_t>())) return false;
      break;
    case 0x04: // advance_loc4
      if (!advance(cursor.template fixed<uint32_t>())) return false;
      break;
    case 0x1d: // MIPS_advance_loc8
      if (!advance(cursor.template fixed<uint64_t>())) return false;
      break;
    case 0x05: { // offset_extended
      const uint64_t number = cursor.uleb();
      set_register(now, number,
                   at_offset(scaled(static_cast<int64_t>(cursor.uleb()), cie.data_factor)));
      break;
    }
    case 0x11: { // offset_extended_sf
      const uint64_t number = cursor.uleb();
      set_register(now, number, at_offset(scaled(cursor.sleb(), cie.data_factor)));
      break;
    }
    case 0x2f: { // GNU_negative_offset_extended
      const uint64_t number = cursor.uleb();
      set_register(
          now, number,
          at_offset(scaled(scaled(static_cast<int64_t>(cursor.uleb()), cie.data_factor), -1)));
      break;
    }
    case 0x06: // restore_extended
      restored(cursor.uleb());
      break;
    case 0x07: // undefined
      set_register(now, cursor.uleb(), {SavedForm::kUndefined, 0});
      break;
    case 0x08: // same_value
      set_register(now, cursor.uleb(), {SavedForm::kUnchanged, 0});
      break;
    case 0x09: { // register
      const uint64_t number = cursor.uleb();
      (void)cursor.uleb();
      set_register(now, number, {SavedForm::kOther, 0});
      break;
    }
    case 0x0a: // remember_state
      if (depth == kMostRemembered) return false;
      remembered_[depth++] = now;
      break;
    case 0x0b: // restore_state
      if (depth == 0) return false;
      now = remembered_[--depth];
      break;
    case 0x0c: { // def_cfa
      now.cfa = form_of(cursor.uleb());
      now.cfa_offset = static_cast<int64_t>(cursor.uleb());
      break;
    }
    case 0x12: // def_cfa_sf
      now.cfa = form_of(cursor.uleb());
      now.cfa_offset = scaled(cursor.sleb(), cie.data_factor);
      break;
    case 0x0d: // def_cfa_register
      now.cfa = form_of(cursor.uleb());
      break;
    case 0x0e: // def_cfa_offset
      now.cfa_offset = static_cast<int64_t>(cursor.uleb());
      break;
    case 0x13: // def_cfa_offset_sf
      now.cfa_offset = scaled(cursor.sleb(), cie.data_factor);
      break;
    case 0x0f: // def_cfa_expression
      set_cfa_expression(now, cursor.block(cursor.uleb()));
      break;
    case 0x10: { // expression
      const uint64_t number = cursor.uleb();
      set_register(now, number, saved_by_expression(cursor.block(cursor.uleb())));
      break;
    }
    case 0x14:   // val_offset
    case 0x15: { // val_offset_sf
      const uint64_t number = cursor.uleb();
      (void)cursor.uleb(); // as long in either form
      set_register(now, number, {SavedForm::kOther, 0});
      break;
    }
    case 0x16: { // val_expression
      const uint64_t number = cursor.uleb();
      (void)cursor.block(cursor.uleb());
      set_register(now, number, {SavedForm::kOther, 0});
      break;
    }
    case 0x2d: // GNU_window_save; AARCH64_negate_ra_state: a step drops signatures anyway
      break;
    case 0x2e: // GNU_args_size: matters to landing pads only
      (void)cursor.uleb();
      break;
    default:
      return false;
    }
  }
  if (cursor.failed) return false;
  if (start != nullptr) sink.put(location, now);
  return true;
}

} // namespace

void read_cfi(const CfiSection &section, uint64_t base, uint64_t code_end, size_t max_rows,
              CfiRows &rows) {
  rows.rows.clear();
  rows.functions.clear();
  rows.bad_entries = rows.outside_entries = 0;
  rows.complete = true;
  // Row addresses and indexes have 32 bits.
  if (code_end < base) code_end = base;
  if (code_end - base > UINT32_MAX) code_end = base + UINT32_MAX;
  max_rows = std::min<size_t>(max_rows, UINT32_MAX / 2);
  const bool swap = section.big_endian != (std::endian::native == std::endian::big);
  if (swap)
    CfiReader<true>{section, base, code_end, max_rows, rows}.read();
  else
    CfiReader<false>{section, base, code_end, max_rows, rows}.read();
}

} // namespace profcore
