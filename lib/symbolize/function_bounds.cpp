#include "symbolize/function_bounds.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <cstring>
#include <elf.h>
#include <utility>
#include <vector>

namespace profcore {
namespace {

// Pointer encodings: the low four bits are the form, the next three what it is relative to.
constexpr uint8_t kFormMask = 0x0f;
constexpr uint8_t kRelativeMask = 0x70;
constexpr uint8_t kPcRelative = 0x10;
constexpr uint8_t kDataRelative = 0x30;
constexpr uint8_t kIndirect = 0x80;
constexpr uint8_t kUnknown = 0xff;

/// As much of an entry as is looked at: a header, an augmentation string, two pointers.
constexpr size_t kMostOfEntry = 256;

/// Nobody has more than some dozens; a file made to hurt has no other bound on them.
constexpr size_t kMostCies = size_t{1} << 20;

struct Section {
  uint64_t offset = 0;
  uint64_t address = 0;
  uint64_t size = 0;
  bool is_exact = true; ///< else an entry of length 0 is its end
};

/// Reads forward in a few bytes; past their end it gives 0 and has failed.
class Reader {
public:
  Reader(const ElfImage &image, const uint8_t *at, size_t size, uint64_t address)
      : image_{image}, begin_{at}, at_{at}, end_{at + size}, address_{address} {}

  bool failed() const noexcept { return failed_; }
  uint8_t u8() noexcept { return need(1) ? at_[-1] : 0; }
  uint32_t u32() noexcept { return need(4) ? image_.u32(at_ - 4) : 0; }
  uint64_t u64() noexcept { return need(8) ? image_.u64(at_ - 8) : 0; }
  uint64_t leb(bool is_signed) noexcept {
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      const uint8_t byte = u8();
      if (failed_) return 0;
      if (shift < 64) value |= uint64_t{byte & 0x7fU} << shift;
      if (byte >= 0x80) continue;
      if (is_signed && (byte & 0x40) != 0 && shift + 7 < 64) value |= ~uint64_t{0} << (shift + 7);
      return value;
    }
  }
  /// A NUL-terminated text.
  const char *text() noexcept {
    const void *nul = std::memchr(at_, '\0', static_cast<size_t>(end_ - at_));
    if (nul == nullptr) {
      failed_ = true;
      return "";
    }
    return reinterpret_cast<const char *>(
        std::exchange(at_, static_cast<const uint8_t *>(nul) + 1));
  }
  void skip(size_t size) noexcept { (void)need(size); }

  /// A pointer as `encoding` says; `as_size`: a length, which is relative to nothing.
  uint64_t pointer(uint8_t encoding, bool as_size, uint64_t data_base = 0) noexcept {
    const uint64_t here = address_ + static_cast<uint64_t>(at_ - begin_);
    uint64_t value = 0;
    switch (encoding & kFormMask) {
    case 0x00:
      value = image_.is_64() ? u64() : u32();
      break;
    case 0x01:
      value = leb(false);
      break;
    case 0x02:
      value = need(2) ? image_.u16(at_ - 2) : 0;
      break;
    case 0x03:
      value = u32();
      break;
    case 0x04:
    case 0x0c:
      value = u64();
      break;
    case 0x09:
      value = leb(true);
      break;
    case 0x0a:
      value = need(2) ? widened<int16_t>(image_.u16(at_ - 2)) : 0;
      if (as_size) value &= UINT16_MAX;
      break;
    case 0x0b:
      value = widened<int32_t>(u32());
      if (as_size) value &= UINT32_MAX;
      break;
    default:
      failed_ = true;
    }
    if (as_size) return value;
    switch (encoding & (kRelativeMask | kIndirect)) {
    case 0:
      break;
    case kPcRelative:
      value += here;
      break;
    case kDataRelative:
      value += data_base;
      break;
    default:
      failed_ = true;
    }
    return image_.is_64() ? value : value & UINT32_MAX;
  }

private:
  template <class Signed, class T> static uint64_t widened(T value) noexcept {
    return static_cast<uint64_t>(int64_t{static_cast<Signed>(value)});
  }
  bool need(size_t size) noexcept {
    if (static_cast<size_t>(end_ - at_) < size) {
      failed_ = true;
      return false;
    }
    at_ += size;
    return true;
  }

  const ElfImage &image_;
  const uint8_t *begin_;
  const uint8_t *at_;
  const uint8_t *end_;
  uint64_t address_; ///< of `begin_`
  bool failed_ = false;
};

/// By its section, or where the sections were stripped, by the segment of its look-up table, whose
/// header has the address; what follows it in its segment then ends by an entry of length 0.
Section find_section(const ElfImage &image) {
  for (const ElfSection &section : image.sections())
    if ((section.flags & SHF_ALLOC) != 0 && section.type != SHT_NOBITS &&
        image.section_name(section) == ".eh_frame")
      return {section.offset, section.address, section.size};
  for (const ElfSegment &segment : image.segments()) {
    if (segment.type != PT_GNU_EH_FRAME) continue;
    uint8_t header[24] = {};
    const auto size = static_cast<size_t>(std::min<uint64_t>(sizeof header, segment.file_size));
    if (size < 8 || !image.bytes().read(segment.offset, header, size) || header[0] != 1) continue;
    Reader reader{image, header, size, segment.address};
    reader.skip(4);
    const uint64_t address = reader.pointer(header[1], false, segment.address);
    const auto offset = image.offset_of(address);
    if (reader.failed() || !offset) continue;
    for (const ElfSegment &load : image.segments())
      if (load.type == PT_LOAD && address >= load.address &&
          address - load.address < load.file_size)
        return {*offset, address, load.file_size - (address - load.address), false};
  }
  return {};
}

class Parser {
public:
  Parser(const ElfImage &image, const Section &section, uint64_t base, uint64_t max_bytes)
      : image_{image}, section_{section}, window_{image.bytes()}, base_{base}, max_bytes_{
                                                                                   max_bytes} {}

  PodVector<AddressRange> run() {
    constexpr uint64_t kMostGaps = uint64_t{1} << 20; // a sparse file is nothing else
    uint64_t gaps = 0;
    for (uint64_t at = 0; section_.size - at >= 8;) {
      const uint8_t *head = window_.get(section_.offset + at, 4);
      if (head == nullptr) break;
      uint64_t length = image_.u32(head);
      uint64_t header = 4;
      if (length == UINT32_MAX) {
        head = section_.size - at >= 12 ? window_.get(section_.offset + at, 12) : nullptr;
        if (head == nullptr) break;
        length = image_.u64(head + 4);
        header = 12;
      }
      if (length == 0) { // the end, or where two files were glued together
        if (!section_.is_exact) break;
        if (++gaps > kMostGaps) break;
        at += 4;
        continue;
      }
      if (length > section_.size - at - header) break;
      if (length >= 4) entry(at, at + header, length);
      at += header + length;
    }
    return std::move(ranges_);
  }
  uint64_t bad_entries() const noexcept { return bad_; }

private:
  struct Cie {
    uint64_t offset;
    uint8_t encoding; ///< kUnknown: of no use
  };

  void entry(uint64_t begin, uint64_t at, uint64_t length) {
    const auto size = static_cast<size_t>(std::min<uint64_t>(length, kMostOfEntry));
    const uint8_t *bytes = window_.get(section_.offset + at, size);
    if (bytes == nullptr) {
      ++bad_;
      return;
    }
    Reader reader{image_, bytes, size, section_.address + at};
    const uint32_t back = reader.u32();
    if (back == 0) {
      if (cies_.size() >= kMostCies)
        throw Error{Status::kLimit, "more kinds of call frame information than anybody needs"};
      cies_.push_back({begin, encoding_of(reader)});
      if (cies_.back().encoding == kUnknown) ++bad_;
      return;
    }
    // They are met in the order of their offsets, and mostly the last one is meant.
    const uint64_t wanted = back <= at ? at - back : UINT64_MAX;
    if (last_ >= cies_.size() || cies_[last_].offset != wanted) {
      const auto found = std::lower_bound(cies_.begin(), cies_.end(), wanted,
                                          [](const Cie &a, uint64_t b) { return a.offset < b; });
      if (found == cies_.end() || found->offset != wanted) {
        ++bad_;
        return;
      }
      last_ = static_cast<size_t>(found - cies_.begin());
    }
    const uint8_t encoding = cies_[last_].encoding;
    if (encoding == kUnknown) {
      ++bad_;
      return;
    }
    const uint64_t start = reader.pointer(encoding, false);
    const uint64_t count = reader.pointer(encoding, true);
    const ElfSegment *code = reader.failed() ? nullptr : executable_at(start);
    if (code == nullptr || count == 0 || start < base_ || start - base_ >= UINT32_MAX ||
        count > code->memory_size - (start - code->address) || count > UINT32_MAX) {
      ++bad_; // the linker leaves entries of functions that it dropped
      return;
    }
    // Of nested ones the shortest wins.
    ranges_.push_back({start, static_cast<uint32_t>(count), static_cast<uint32_t>(start - base_),
                       UINT32_MAX - static_cast<uint32_t>(count)});
    if (ranges_.bytes() > max_bytes_ / 3)
      throw Error{Status::kLimit, "its functions take more memory than the budget allows"};
  }

  /// How the pointers of a CIE's functions are written.
  uint8_t encoding_of(Reader &reader) {
    const uint8_t version = reader.u8();
    const char *augmentation = reader.text();
    if (version != 1 && version != 3 && version != 4) return kUnknown;
    if (version == 4) reader.skip(2); // sizes of an address and of a segment's selector
    if (std::strncmp(augmentation, "eh", 2) == 0) return kUnknown; // of gcc 2
    (void)reader.leb(false);
    (void)reader.leb(true);
    if (version == 1)
      reader.skip(1);
    else
      (void)reader.leb(false);
    uint8_t encoding = 0;
    if (*augmentation == 'z') (void)reader.leb(false);
    for (const char *at = augmentation; *at != '\0' && !reader.failed(); ++at) {
      switch (*at) {
      case 'R':
        encoding = reader.u8();
        break;
      case 'L':
        reader.skip(1);
        break;
      case 'P': {
        const uint8_t form = reader.u8();
        (void)reader.pointer(form & kFormMask, false);
        break;
      }
      case 'z':
      case 'S':
      case 'B':
      case 'G':
        break;
      default:
        return kUnknown; // what follows it may mean anything
      }
    }
    return reader.failed() ? kUnknown : encoding;
  }

  const ElfSegment *executable_at(uint64_t address) {
    if (code_ == nullptr || address < code_->address ||
        address - code_->address >= code_->memory_size)
      code_ = image_.executable_at(address);
    return code_;
  }

  const ElfImage &image_;
  const Section &section_;
  ByteWindow window_;
  uint64_t base_;
  uint64_t max_bytes_;
  std::vector<Cie> cies_;
  size_t last_ = SIZE_MAX;
  const ElfSegment *code_ = nullptr;
  PodVector<AddressRange> ranges_;
  uint64_t bad_ = 0;
};

} // namespace

FunctionBounds FunctionBounds::build(const ElfImage &image, uint64_t max_bytes) {
  FunctionBounds result;
  const Section section = find_section(image);
  if (section.size == 0 || !image.bytes().holds(section.offset, section.size)) return result;
  result.base_ = UINT64_MAX;
  for (const ElfSegment &segment : image.segments())
    if (segment.type == PT_LOAD && (segment.flags & PF_X) != 0)
      result.base_ = std::min(result.base_, segment.address);
  Parser parser{image, section, result.base_, max_bytes};
  result.table_ = RangeTable::build(parser.run());
  result.bad_entries_ = parser.bad_entries();
  return result;
}

} // namespace profcore
