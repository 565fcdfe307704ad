#include "sources/sampler/unwind_table.hpp"

// CFI gives rows function by function, mostly but not always in the order of addresses. Here they
// are put in order (sorting whole functions, 16 bytes each, and only when needed), what lies
// between functions becomes a gap, and neighbours that say the same become one: a third of all rows
// goes, since most functions end as the next begins.

#include "base/context.hpp"
#include "base/inflate.hpp"
#include "sources/sampler/cfi_reader.hpp"
#include "sources/sampler/plt_rows.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <elf.h>
#include <sys/auxv.h>
#include <unistd.h>

namespace profcore {

namespace {

/// Less than this between two functions is padding, in which no pc is ever seen.
constexpr uint32_t kLeastGap = 16;
constexpr uint64_t kMostFrameBytes = uint64_t{1} << 30;

constexpr unwind_row kGap{0, 0, UNWIND_RULE_GAP, 0};

bool same_rule(const unwind_row &a, const unwind_row &b) noexcept {
  return a.cfa == b.cfa && a.rule == b.rule && a.bp == b.bp;
}

class TableBuilder {
public:
  TableBuilder(CfiRows &source, size_t max_rows, UnwindTable &table)
      : source_{source}, max_rows_{max_rows}, table_{table} {}

  void build() {
    auto &functions = source_.functions;
    const auto by_start = [](const CfiFunction &a, const CfiFunction &b) {
      return a.start < b.start;
    };
    if (!std::is_sorted(functions.begin(), functions.end(), by_start))
      std::stable_sort(functions.begin(), functions.end(), by_start);
    table_.rows.reserve(std::min(max_rows_, source_.rows.size() + functions.size() / 4 + 2));
    uint32_t position = 0;
    if (functions.empty() || functions[0].start != 0) put(0, kGap);
    for (const CfiFunction &function : functions) {
      if (function.end <= position) continue; // a copy of what was there
      const uint32_t start = std::max(function.start, position);
      if (start - position >= kLeastGap) put(position, kGap);
      put_function(function, start);
      position = function.end;
      if (full_) break;
    }
    put(position, kGap);
    if (!full_) return;
    table_.complete = false;
    PodVector<unwind_row> &rows = table_.rows;
    const uint32_t cut = rows.back().pc; // the last row would reach too far
    rows.pop_back();
    if (rows.empty() || !same_rule(rows.back(), kGap))
      rows.push_back({cut, kGap.cfa, kGap.rule, kGap.bp});
  }

private:
  void put_function(const CfiFunction &function, uint32_t start) {
    const unwind_row *row = source_.rows.data() + function.first_row;
    const unwind_row *const end = row + function.row_count;
    while (end - row > 1 && row[1].pc <= start) ++row; // in force where the function before ended
    put(start, *row);
    for (++row; row != end; ++row) put(row->pc, *row);
  }

  void put(uint32_t pc, const unwind_row &rule) {
    PodVector<unwind_row> &rows = table_.rows;
    if (!rows.empty() && same_rule(rows.back(), rule)) return;
    if (rows.size() == max_rows_) {
      full_ = true;
      return;
    }
    rows.push_back({pc, rule.cfa, rule.rule, rule.bp});
  }

  CfiRows &source_;
  size_t max_rows_;
  UnwindTable &table_;
  bool full_ = false;
};

/// The section's bytes, inflated into `buffer` when they have to be; empty when they cannot be
/// read.
std::span<const uint8_t> section_bytes(const FrameSection &section, bool big_endian,
                                       PodVector<uint8_t> &buffer) {
  if (!section.compressed) return section.bytes;
  Elf64_Chdr header{};
  if (section.bytes.size() < sizeof header) return {};
  std::memcpy(&header, section.bytes.data(), sizeof header);
  if (big_endian != (std::endian::native == std::endian::big)) {
    header.ch_type = __builtin_bswap32(header.ch_type);
    header.ch_size = __builtin_bswap64(header.ch_size);
  }
  if (header.ch_size > kMostFrameBytes) return {};
  Context context;
  context.limits.max_inflated_bytes = header.ch_size;
  const auto packed = section.bytes.subspan(sizeof header);
  try {
    if (header.ch_type == ELFCOMPRESS_ZLIB)
      buffer.append(inflate_zlib_lossy(packed, context).data.span());
    else if (header.ch_type == 2) // ELFCOMPRESS_ZSTD
      buffer.append(inflate_zstd_lossy(packed, context).data.span());
  } catch (const Error &) {
    return {};
  }
  return buffer.span();
}

void count_rows(UnwindTable &table) noexcept {
  uint64_t counts[16] = {};
  for (const unwind_row &row : table.rows) ++counts[row.rule & UNWIND_RULE_KIND];
  table.unsupported_rows = counts[UNWIND_RULE_UNSUPPORTED];
  table.gap_rows = counts[UNWIND_RULE_GAP];
  table.end_rows = counts[UNWIND_RULE_END];
  table.signal_rows = counts[UNWIND_RULE_SIGNAL];
}

} // namespace

UnwindTable build_unwind_table(std::span<const uint8_t> elf, size_t max_rows) {
  CfiRows scratch;
  UnwindTable table;
  build_unwind_table(elf, max_rows, scratch, table);
  table.rows.shrink_to_fit();
  return table;
}

void build_unwind_table(std::span<const uint8_t> elf, size_t max_rows, CfiRows &rows,
                        UnwindTable &table) {
  ElfSections sections = read_elf_sections(elf);
  PodVector<unwind_row> memory = std::move(table.rows);
  memory.clear();
  table = {};
  table.rows = std::move(memory);
  table.machine = sections.machine;
  max_rows = std::max<size_t>(max_rows, 1);
  if (sections.code.empty()) {
    table.rows.push_back(kGap);
    table.gap_rows = 1;
    return;
  }
  uint64_t begin = UINT64_MAX;
  uint64_t end = 0;
  for (const CodeSegment &segment : sections.code) {
    begin = std::min(begin, segment.address);
    end = std::max(end, segment.address + segment.size);
  }
  end = std::min(end, begin + std::min<uint64_t>(UINT32_MAX, UINT64_MAX - begin));
  table.base = begin;
  table.code = std::move(sections.code);

  CfiSection section;
  section.big_endian = sections.big_endian;
  section.machine = sections.machine;
  PodVector<uint8_t> inflated;
  rows.rows.clear();
  rows.functions.clear();
  rows.complete = true;
  const auto read = [&](const FrameSection &from, bool is_eh_frame) {
    section.bytes = section_bytes(from, sections.big_endian, inflated);
    section.address = from.address;
    section.is_eh_frame = is_eh_frame;
    read_cfi(section, begin, end, max_rows, rows);
    table.bad_entries += rows.bad_entries;
    table.outside_entries += rows.outside_entries;
  };
  if (sections.eh_frame.found()) read(sections.eh_frame, true);
  if (rows.functions.empty() && sections.debug_frame.found() && !sections.is_go)
    read(sections.debug_frame, false);
  table.functions = rows.functions.size();
  for (size_t i = 0; i < sections.plt_count; ++i)
    add_plt_rows(sections.plt[i], sections.machine, begin, end, rows);
  table.complete = rows.complete;
  TableBuilder{rows, max_rows, table}.build();
  // Go's runtime calls on other stacks and keeps the chain of frame pointers whole across them.
  if (sections.is_go)
    for (unwind_row &row : table.rows)
      if (row.rule == UNWIND_RULE_GAP) row.cfa = 1;
  count_rows(table);
}

std::span<const uint8_t> vdso_image() noexcept {
  const auto address = static_cast<uintptr_t>(getauxval(AT_SYSINFO_EHDR));
  if (address == 0) return {};
  const auto *begin = reinterpret_cast<const uint8_t *>(address); // the kernel gave it as a number
  Elf64_Ehdr header{};
  std::memcpy(&header, begin, sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_phentsize != sizeof(Elf64_Phdr))
    return {};
  uint64_t size = 0;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    std::memcpy(&segment, begin + header.e_phoff + i * sizeof segment, sizeof segment);
    if (segment.p_type == PT_LOAD) size = std::max(size, segment.p_offset + segment.p_filesz);
  }
  // What follows the segment (section headers) is in memory as far as its last page goes.
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return {begin, (size + page - 1) / page * page};
}

UnwindTable build_vdso_unwind_table() {
  const auto image = vdso_image();
  if (image.empty()) return {};
  return build_unwind_table(image, size_t{1} << 16);
}

} // namespace profcore
