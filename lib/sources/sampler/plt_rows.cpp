#include "sources/sampler/plt_rows.hpp"

#include <cstring>
#include <initializer_list>
#include <span>

namespace profcore {

namespace {

constexpr size_t kX86Entry = 16;

bool starts_with(std::span<const uint8_t> bytes, std::initializer_list<uint8_t> wanted) noexcept {
  return bytes.size() >= wanted.size() &&
         std::memcmp(bytes.data(), wanted.begin(), wanted.size()) == 0;
}

/// The common part pushes two words in all: the index that its entry pushed comes first. Entries
/// jump to the function, or push their index and jump to the common part.
void add_x86(const PltSection &section, uint32_t start, PodVector<unwind_row> &rows) {
  const auto bytes = section.bytes;
  if (!section.is_lazy || !starts_with(bytes, {0xff, 0x35})) { // push [rip + ...]
    rows.push_back({start, 1, UNWIND_RULE_SP, 0});
    return;
  }
  rows.push_back({start, 2, UNWIND_RULE_SP, 0});
  rows.push_back({start + 6, 3, UNWIND_RULE_SP, 0});
  if (bytes.size() <= kX86Entry) return;
  const auto entry = bytes.subspan(kX86Entry);
  const bool has_landing_mark = starts_with(entry, {0xf3, 0x0f, 0x1e, 0xfa}); // endbr64, push
  rows.push_back({start + static_cast<uint32_t>(kX86Entry),
                  static_cast<int16_t>(has_landing_mark ? 9 : 11), UNWIND_RULE_PLT, 0});
}

/// Entries change neither sp nor lr; the common part saves x16 and lr by its first instruction,
/// which a branch target mark may precede.
void add_aarch64(const PltSection &section, uint32_t start, PodVector<unwind_row> &rows) {
  constexpr uint32_t kCommonPart = 32;
  rows.push_back({start, 0, UNWIND_RULE_SP, 0});
  const auto bytes = section.bytes;
  if (!section.is_lazy || bytes.size() < kCommonPart) return;
  for (uint32_t at = 0; at <= 4; at += 4) {
    if (!starts_with(bytes.subspan(at), {0xf0, 0x7b, 0xbf, 0xa9}))
      continue; // stp x16, x30, [sp, -16]!
    rows.push_back({start + at + 4, 2, UNWIND_RULE_SP | UNWIND_SAVED_LR, -1});
    rows.push_back({start + kCommonPart, 0, UNWIND_RULE_SP, 0});
    return;
  }
}

} // namespace

void add_plt_rows(const PltSection &section, Machine machine, uint64_t base, uint64_t code_end,
                  CfiRows &rows) {
  const uint64_t size = section.bytes.size();
  if (section.address < base || section.address >= code_end || size == 0 ||
      size > code_end - section.address)
    return;
  const auto start = static_cast<uint32_t>(section.address - base);
  const auto first_row = static_cast<uint32_t>(rows.rows.size());
  if (machine == Machine::kX86_64)
    add_x86(section, start, rows.rows);
  else
    add_aarch64(section, start, rows.rows);
  rows.functions.push_back({start, start + static_cast<uint32_t>(size), first_row,
                            static_cast<uint32_t>(rows.rows.size()) - first_row});
}

} // namespace profcore
