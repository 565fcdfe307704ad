#include "sources/sampler/file_slots.hpp"

#include <algorithm>

namespace profcore::sampler {

FileSlots::FileSlots(std::span<sampler_file> table, RowPool &rows, ModuleFiles &files,
                     Mapped mapped)
    : table_{table}, rows_{rows}, files_{files}, mapped_{std::move(mapped)}, slots_(1) {}

uint32_t FileSlots::number_in_frames(uint32_t module) const {
  return files_[module].trampolines.stride != 0 ? SAMPLER_NO_MODULE : module;
}

uint32_t FileSlots::slot_of(uint32_t module) {
  ModuleFile &file = files_[module];
  if (file.slot != 0) return file.slot;
  if (free_.empty() && slots_.size() >= table_.size()) {
    const size_t most = std::max<size_t>(table_.size() / 8, 1);
    make_room([&] { return free_.size() >= most; });
  }
  uint32_t slot = 0;
  if (!free_.empty()) {
    slot = free_.back();
    free_.pop_back();
  } else if (slots_.size() < table_.size()) {
    slot = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    return 0;
  }
  slots_[slot].module = module;
  table_[slot] = {};
  table_[slot].module = number_in_frames(module);
  file.slot = slot;
  want(module);
  table_[slot].waits = 1;
  return slot;
}

void FileSlots::want(uint32_t module) {
  ModuleFile &file = files_[module];
  if (file.is_waiting) return;
  file.is_waiting = true;
  waiting_.push_back(module);
}

void FileSlots::no_longer_waits(uint32_t module) {
  if (files_[module].slot != 0) table_[files_[module].slot].waits = 0;
}

void FileSlots::clear(uint32_t number) {
  Slot &slot = slots_[number];
  ModuleFile &file = files_[slot.module];
  table_[number] = {};
  if (!slot.runs.empty()) ++evicted_;
  rows_.remove(slot.runs);
  file.slot = 0;
  file.has_kernel_rows = false;
  slot.module = ModuleFiles::kNone;
  free_.push_back(number);
}

bool FileSlots::make_room(const std::function<bool()> &enough) {
  const std::vector<bool> mapped = mapped_();
  std::vector<uint32_t> candidates;
  for (uint32_t i = 1; i < slots_.size(); ++i) {
    const uint32_t module = slots_[i].module;
    if (module == ModuleFiles::kNone || files_[module].is_vdso ||
        files_[module].trampolines.stride != 0 || files_[module].is_waiting ||
        (module < mapped.size() && mapped[module]))
      continue;
    candidates.push_back(i);
  }
  std::sort(candidates.begin(), candidates.end(), [&](uint32_t a, uint32_t b) {
    return files_[slots_[a].module].last_mapped < files_[slots_[b].module].last_mapped;
  });
  for (const uint32_t slot : candidates) {
    if (enough()) return true;
    clear(slot);
  }
  return enough();
}

/// What is free, and what could be taken from files that nobody maps.
uint64_t FileSlots::possible_room(const std::vector<bool> &mapped) const {
  uint64_t room = rows_.free_slots();
  for (const Slot &slot : slots_)
    if (slot.module != ModuleFiles::kNone && (slot.module >= mapped.size() || !mapped[slot.module]))
      for (const RowPool::Run &run : slot.runs) room += run.slots;
  return room;
}

bool FileSlots::is_worth_preparing(uint32_t module) {
  const ModuleFile &file = files_[module];
  if (file.row_slots == 0 || file.slot == 0) return true;
  if (file.placed_in != window_ && file.row_slots <= possible_room(mapped_())) return true;
  without_room_.emplace_back(module, file.row_slots);
  return false;
}

bool FileSlots::place(uint32_t module, const FileRows &rows) {
  const uint32_t number = slot_of(module);
  if (number == 0) return false;
  Slot &slot = slots_[number];
  rows_.remove(slot.runs);
  sampler_file file{};
  file.module = number_in_frames(module);
  bool placed = false;
  const uint64_t wanted = rows.rows.size() + rows.rows.size() / 16;
  files_[module].row_slots = static_cast<uint32_t>(wanted);
  files_[module].placed_in = window_;
  if (!rows.rows.empty() &&
      !(placed = rows_.place(rows, file, slot.runs))) // in pieces, it may take more than it wants
    make_room([&] {
      return rows_.free_slots() >= wanted && (placed = rows_.place(rows, file, slot.runs));
    });
  if (!placed)
    file = sampler_file{.from = {},
                        .place = {},
                        .end = 0,
                        .module = number_in_frames(module),
                        .waits = 0,
                        .zero = 0};
  // The end says that there are rows: last in, first out.
  sampler_file &kernel = table_[number];
  __atomic_store_n(&kernel.end, 0, __ATOMIC_RELEASE);
  std::copy(std::begin(file.from), std::end(file.from), std::begin(kernel.from));
  std::copy(std::begin(file.place), std::end(file.place), std::begin(kernel.place));
  kernel.module = file.module;
  __atomic_store_n(&kernel.end, file.end, __ATOMIC_RELEASE);
  files_[module].has_kernel_rows = placed;
  if (!placed && !rows.rows.empty()) without_room_.emplace_back(module, wanted);
  return placed;
}

void FileSlots::retry(const std::vector<bool> &mapped) {
  ++window_;
  const auto is_mapped = [&](uint32_t module) { return module < mapped.size() && mapped[module]; };
  uint64_t room = possible_room(mapped);
  std::erase_if(without_room_, [&](const auto &each) {
    const auto [module, wanted] = each;
    if (files_[module].slot == 0) return true;
    if (!is_mapped(module)) { // when it is mapped again it begins anew
      if (!files_[module].is_waiting) clear(files_[module].slot);
      return true;
    }
    if (wanted > room) return false;
    room -= wanted;
    want(module);
    return true;
  });
}

} // namespace profcore::sampler
