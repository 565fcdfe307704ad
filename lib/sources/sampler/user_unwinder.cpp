#include "sources/sampler/user_unwinder.hpp"

#include "base/error.hpp"
#include "sampler.h"
#include "sources/sampler/clock.hpp"
#include "sources/sampler/trampolines.hpp"
#include "sources/sampler/unwind_table.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace profcore::sampler {
namespace {

/// The copy of a stack, which begins at the stack pointer.
class StackCopy {
public:
  explicit StackCopy(const SampleRecord &sample) : sample_{sample} {}

  /// 0 when all of it is there.
  int read(uint64_t address, void *to, size_t size) {
    auto *bytes = static_cast<uint8_t *>(to);
    // Where a function returns, the frame pointer may have been popped although the row still says
    // where it was saved: below the stack pointer, which is not copied, but then the register has
    // it. Return addresses are never looked for there.
    for (; is_popped(address) && size >= sizeof(uint64_t); address += 8, size -= 8, bytes += 8)
      std::memcpy(bytes, &sample_.bp, sizeof sample_.bp);
    if (size == 0) return 0;
    const uint64_t at = address - sample_.sp;
    const size_t filled = sample_.stack.size();
    if (address < sample_.sp || at > filled || size > filled - at) {
      missed_behind_ = address >= sample_.sp;
      return -1;
    }
    std::memcpy(bytes, sample_.stack.data() + at, size);
    return 0;
  }
  /// Whether the last thing that could not be read may have been cut off.
  bool was_cut() const { return missed_behind_ && sample_.is_cut; }

private:
  bool is_popped(uint64_t address) const {
    constexpr uint64_t kRedZone = 128;
    return address < sample_.sp && sample_.sp - address <= kRedZone;
  }

  const SampleRecord &sample_;
  bool missed_behind_ = false;
};

} // namespace
} // namespace profcore::sampler

#define UNWIND_READ(context, address, destination)                                                 \
  static_cast<profcore::sampler::StackCopy *>(context)->read((address), (destination),             \
                                                             sizeof *(destination))
#include "unwind_step.h"

namespace profcore::sampler {
namespace {

const Mapping *find_mapping(const std::vector<Mapping> &mappings, uint64_t address,
                            const Mapping *last) {
  if (last != nullptr && address >= last->start && address < last->end) return last;
  const auto after =
      std::upper_bound(mappings.begin(), mappings.end(), address,
                       [](uint64_t wanted, const Mapping &each) { return wanted < each.start; });
  if (after == mappings.begin()) return nullptr;
  const Mapping &found = *(after - 1);
  return address < found.end ? &found : nullptr;
}

} // namespace

void UserUnwinder::prepare(int32_t pid, const Mapping &mapping) {
  const uint32_t number = mapping.known_as();
  if (number == ModuleFiles::kNone || files_[number].was_prepared) return;
  if (tables_.size() <= number) tables_.resize(files_.size());
  const CpuClock clock{preparing_};
  Table &table = tables_[number];
  ModuleFile &module = files_[number];
  if (module.trampolines.stride != 0) {
    module.was_prepared = true;
    FileRows made = make_trampoline_rows(module.trampolines);
    module.code.assign(1, {0, 0, made.end});
    take(table, std::move(made.rows), 0);
    return;
  }
  if (!module.is_vdso && !module.file.is_open()) { // too many were open, or it could not be
    if (table.failures >= ModuleFiles::kMaxTries) return;
    if (!files_.reopen(number, pid, mapping.start, mapping.end)) {
      ++table.failures;
      return;
    }
  }
  module.was_prepared = true;
  drop(table);
  const ModuleBytes bytes{module};
  module.build_id = read_build_id(bytes.data(), bytes.size());
  UnwindTable made;
  try {
    const uint64_t most = std::min<uint64_t>((budget_ - used_) / sizeof(unwind_row), UINT32_MAX);
    made = build_unwind_table({bytes.data(), bytes.size()}, static_cast<size_t>(most));
  } catch (const Error &) { // not an ELF file of this machine, or damaged
    return;
  }
  module.code.assign(made.code.begin(), made.code.end());
  if (made.complete)
    take(table, std::move(made.rows), made.base);
  else // half a table would end walks where they need not
    table.found_no_room = true;
}

void UserUnwinder::take(Table &table, PodVector<unwind_row> rows, uint64_t base) {
  const uint64_t size = rows.size() * sizeof(unwind_row);
  table.found_no_room = size > budget_ - used_;
  if (table.found_no_room) return;
  rows.shrink_to_fit();
  used_ += size;
  table.rows = std::move(rows);
  table.base = base;
}

void UserUnwinder::drop(Table &table) {
  used_ -= table.rows.size() * sizeof(unwind_row);
  table = {};
}

void UserUnwinder::age(const std::vector<bool> &mapped) {
  bool has_room = false;
  const bool is_tight = used_ > budget_ / 2;
  for (uint32_t i = 0; i < tables_.size(); ++i) {
    const bool is_mapped = i < mapped.size() && mapped[i];
    tables_[i].failures = 0;
    if (tables_[i].rows.size() == 0) continue;
    if (files_[i].was_prepared && (is_mapped || !is_tight)) continue;
    if (files_[i].was_prepared) ++evicted_;
    files_[i].was_prepared = false;
    drop(tables_[i]);
    has_room = true;
  }
  if (!has_room) return;
  for (uint32_t i = 0; i < tables_.size(); ++i)
    if (std::exchange(tables_[i].found_no_room, false)) files_[i].was_prepared = false;
}

uint64_t UserUnwinder::files_without_rows() const noexcept {
  uint64_t count = 0;
  for (uint32_t i = 0; i < files_.size(); ++i)
    if (files_[i].was_prepared && (i >= tables_.size() || tables_[i].rows.size() == 0)) ++count;
  return count;
}

const unwind_row *UserUnwinder::find_row(int32_t pid, const Mapping &mapping, uint64_t pc) {
  prepare(pid, mapping);
  const uint32_t number = mapping.known_as();
  if (number >= tables_.size()) return nullptr;
  const Table &table = tables_[number];
  if (table.rows.size() == 0) return nullptr;
  const bool is_file = mapping.module != ModuleFiles::kNone; // else the offset means nothing
  const uint64_t offset = pc - mapping.start + (is_file ? mapping.offset : 0);
  for (const CodeSegment &part : files_[number].code) {
    if (offset < part.file_offset || offset - part.file_offset >= part.size) continue;
    const uint64_t at = offset - part.file_offset + part.address - table.base;
    if (at > UINT32_MAX) return nullptr;
    const auto after =
        std::upper_bound(table.rows.begin(), table.rows.end(), at,
                         [](uint64_t wanted, const unwind_row &each) { return wanted < each.pc; });
    return after == table.rows.begin() ? nullptr : after - 1;
  }
  return nullptr;
}

UserUnwinder::Walk UserUnwinder::walk(const Process *process, const SampleRecord &sample,
                                      std::span<uint64_t> frames) {
  Walk walk;
  if (sample.abi == PERF_SAMPLE_REGS_ABI_NONE) return walk;
  StackCopy stack{sample};
  unwind_state state{};
  state.pc = sample.pc;
  state.sp = sample.sp;
  state.bp = sample.bp;
  state.lr = sample.lr;
  state.exact = 1;
  const Mapping *mapping = nullptr;
  for (;;) {
    if (walk.frames == frames.size()) {
      walk.stop = UNWIND_DEPTH;
      break;
    }
    const uint64_t pc = unwind_lookup_pc(&state);
    uint64_t frame = pc;
    const unwind_row *row = nullptr;
    if (process != nullptr) mapping = find_mapping(process->mappings, pc, mapping);
    if (mapping != nullptr && mapping->module != ModuleFiles::kNone)
      frame = SAMPLER_FRAME_IN_MODULE |
              static_cast<uint64_t>(mapping->module) << SAMPLER_FRAME_OFFSET_BITS |
              ((pc - mapping->start + mapping->offset) & SAMPLER_FRAME_OFFSET_MASK);
    if (mapping != nullptr && mapping->known_as() != ModuleFiles::kNone)
      row = find_row(process->pid, *mapping, pc);
    frames[walk.frames++] = frame;
    if (sample.abi != PERF_SAMPLE_REGS_ABI_64) { // of a program for 32 bits
      walk.stop = UNWIND_OTHER;
      break;
    }
    walk.stop = static_cast<uint8_t>(unwind_step(&state, row, &stack));
    if (walk.stop != UNWIND_OK) break;
  }
  if (walk.stop == UNWIND_UNREADABLE && stack.was_cut()) walk.stop = UNWIND_CUT;
  return walk;
}

} // namespace profcore::sampler
