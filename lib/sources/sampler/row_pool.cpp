#include "sources/sampler/row_pool.hpp"

#include "row_index.h"

#include <algorithm>
#include <cstring>

namespace profcore::sampler {
namespace {

constexpr size_t kChunkBytes = size_t{SAMPLER_CHUNK_SLOTS} * sizeof(unwind_row);
/// Where a page has more rows on average, or at most, a finer index pays.
constexpr uint64_t kGoodAverage = 8;
constexpr uint32_t kGoodMost = 64; // below SAMPLER_PAGE_ROWS; the finest pages cannot have more

/// The coarsest pages that leave few rows to search in each.
uint32_t choose_page_shift(std::span<const unwind_row> rows, uint32_t end) {
  const uint32_t begin = rows.front().pc;
  uint32_t shift = SAMPLER_LEAST_PAGE_SHIFT;
  std::vector<uint32_t> counts(((uint64_t{end} - begin) >> shift) + 1);
  for (const unwind_row &row : rows) ++counts[(row.pc - begin) >> shift];
  while (shift + 1 < SAMPLER_LEAST_PAGE_SHIFT + SAMPLER_PAGE_SHIFTS) {
    const size_t pages = (counts.size() + 1) / 2;
    if (rows.size() > kGoodAverage * pages) break;
    uint32_t most = 0;
    for (size_t i = 0; i < pages; ++i) {
      const uint32_t second = 2 * i + 1 < counts.size() ? counts[2 * i + 1] : 0;
      counts[i] = counts[2 * i] + second;
      most = std::max(most, counts[i]);
    }
    if (most > kGoodMost) break;
    counts.resize(pages);
    ++shift;
  }
  return shift;
}

} // namespace

FileRows rows_by_file_offset(const UnwindTable &table) {
  FileRows result;
  rows_by_file_offset(table, result);
  return result;
}

void rows_by_file_offset(const UnwindTable &table, FileRows &result) {
  result.rows.clear();
  result.end = 0;
  std::vector<CodeSegment> code{table.code.begin(), table.code.end()};
  std::sort(code.begin(), code.end(),
            [](const CodeSegment &a, const CodeSegment &b) { return a.address < b.address; });
  const std::span<const unwind_row> rows = table.rows.span();
  constexpr unwind_row kGap{0, 0, UNWIND_RULE_GAP, 0};
  result.rows.reserve(rows.size() + 2 * code.size());
  size_t next = 0;
  for (const CodeSegment &part : code) {
    const uint64_t begin = part.file_offset;
    const uint64_t end = begin + part.size;
    if (part.size == 0 || begin < result.end || end > UINT32_MAX || part.address < table.base)
      continue; // overlaps, or does not rise as addresses do: no linker writes that
    if (result.end != begin && !result.rows.empty())
      result.rows.push_back({result.end, kGap.cfa, kGap.rule, kGap.bp});
    const uint64_t from = part.address - table.base;
    while (next < rows.size() && rows[next].pc <= from) ++next;
    unwind_row in_force = next == 0 ? kGap : rows[next - 1];
    in_force.pc = static_cast<uint32_t>(begin);
    result.rows.push_back(in_force);
    for (; next < rows.size() && rows[next].pc - from < part.size; ++next) {
      unwind_row row = rows[next];
      row.pc = static_cast<uint32_t>(row.pc - from + begin);
      result.rows.push_back(row);
    }
    result.end = static_cast<uint32_t>(end);
  }
}

RowPool::RowPool(RowMemory &memory, uint32_t most_chunks)
    : memory_{memory}, chunks_(std::min<uint32_t>(most_chunks, SAMPLER_MOST_CHUNKS)),
      free_slots_{uint64_t{chunks_.size()} * SAMPLER_CHUNK_SLOTS} {}

bool RowPool::add_chunk() {
  for (Chunk &chunk : chunks_) {
    if (chunk.slots != nullptr) continue;
    chunk.slots = memory_.add(static_cast<uint32_t>(&chunk - chunks_.data()));
    if (chunk.slots == nullptr) return false;
    chunk.free = {{0, SAMPLER_CHUNK_SLOTS}};
    return true;
  }
  return false;
}

/// The smallest room that is large enough; else a new chunk, else the largest there is.
RowPool::Room RowPool::find_room(uint64_t wanted) {
  for (bool may_add = true;; may_add = false) {
    Room best{0, 0, 0};
    Room largest{0, 0, 0};
    for (uint32_t i = 0; i < chunks_.size(); ++i)
      for (const auto &[first, slots] : chunks_[i].free) {
        if (slots >= wanted && (best.slots == 0 || slots < best.slots)) best = {i, first, slots};
        if (slots > largest.slots) largest = {i, first, slots};
      }
    if (best.slots != 0) return best;
    if (!may_add || !add_chunk()) return largest;
  }
}

void RowPool::take(const Room &room, uint32_t slots) {
  auto &free = chunks_[room.chunk].free;
  free.erase(room.first);
  if (slots < room.slots) free.emplace(room.first + slots, room.slots - slots);
  free_slots_ -= slots;
}

void RowPool::give_back(const Run &run) {
  Chunk &chunk = chunks_[run.chunk];
  auto at = chunk.free.emplace(run.first, run.slots).first;
  const auto after = std::next(at);
  if (after != chunk.free.end() && at->first + at->second == after->first) {
    at->second += after->second;
    chunk.free.erase(after);
  }
  if (at != chunk.free.begin()) {
    const auto before = std::prev(at);
    if (before->first + before->second == at->first) {
      before->second += at->second;
      chunk.free.erase(at);
      at = before;
    }
  }
  free_slots_ += run.slots;
  rows_used_ -= run.rows;
  if (at->second != SAMPLER_CHUNK_SLOTS) return;
  memory_.remove(run.chunk);
  chunk.slots = nullptr;
  chunk.free.clear();
}

bool RowPool::place(const FileRows &given, sampler_file &file, std::vector<Run> &runs) {
  const std::span<const unwind_row> rows = given.rows.span();
  runs.clear();
  if (rows.empty() || given.end <= rows.back().pc) return false;
  const uint32_t shift = choose_page_shift(rows, given.end);
  const uint32_t page = uint32_t{1} << shift;
  const uint64_t whole = rows.size() + ((given.end - rows.front().pc) >> shift) / 2 + 2;
  if (whole > free_slots_) return false;
  std::fill(std::begin(file.from), std::end(file.from), UINT32_MAX);

  size_t next = 0; // the first row that is not placed
  uint64_t from = rows.front().pc;
  while (from < given.end) {
    const uint64_t left = rows.size() - next + ((given.end - from) >> shift) / 2 + 3;
    const Room room = runs.size() < SAMPLER_RUNS ? find_room(left) : Room{0, 0, 0};
    if (room.slots < std::min<uint64_t>(left, 64)) { // nothing, or crumbs
      remove(runs);
      return false;
    }
    unwind_row *const slots = chunks_[room.chunk].slots + room.first;
    uint32_t used = 0;
    words_.clear();
    uint64_t at = from;
    while (at < given.end) {
      // In force where the page begins: the last row before, unless one begins right there.
      const bool begins = next < rows.size() && rows[next].pc <= at;
      const bool carries = !begins && used == 0;
      size_t last = next;
      while (last < rows.size() && rows[last].pc < at + page) ++last;
      const uint64_t wanted = used + (carries ? 1 : 0) + (last - next) + words_.size() / 2 + 1;
      if (wanted > room.slots) break;
      if (carries) {
        slots[used] = rows[next - 1];
        slots[used++].pc = static_cast<uint32_t>(at);
      }
      const uint32_t first = begins ? used : used - 1;
      std::memcpy(slots + used, rows.data() + next, (last - next) * sizeof(unwind_row));
      used += static_cast<uint32_t>(last - next);
      next = last;
      words_.push_back((room.first + first) | std::min<uint32_t>(used - first, SAMPLER_PAGE_ROWS)
                                                  << 19);
      at += page;
    }
    if (words_.empty()) { // not one page fits
      remove(runs);
      return false;
    }
    std::memcpy(slots + used, words_.data(), words_.size() * sizeof(uint32_t));
    file.from[runs.size()] = static_cast<uint32_t>(from);
    file.place[runs.size()] = sampler_place(room.chunk, shift, room.first + used);
    const auto taken = used + static_cast<uint32_t>((words_.size() + 1) / 2);
    take(room, taken);
    runs.push_back({room.chunk, room.first, taken, used});
    rows_used_ += used;
    from = at;
  }
  file.end = given.end;
  return true;
}

void RowPool::remove(std::vector<Run> &runs) {
  for (const Run &run : runs) give_back(run);
  runs.clear();
}

uint64_t RowPool::bytes() const noexcept {
  return kChunkBytes * static_cast<uint64_t>(
                           std::count_if(chunks_.begin(), chunks_.end(), [](const Chunk &chunk) {
                             return chunk.slots != nullptr;
                           }));
}

} // namespace profcore::sampler
