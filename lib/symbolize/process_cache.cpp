#include "symbolize/process_cache.hpp"

#include <algorithm>
#include <utility>

namespace profcore {
namespace {

constexpr size_t kEntryBytes = 256;

bool same_place(const CodeMapping &a, const CodeMapping &b) noexcept {
  return a.start == b.start && a.end == b.end && a.offset == b.offset && a.device == b.device &&
         a.inode == b.inode && a.path == b.path;
}

auto position(std::vector<ProcessSlot::Known> &mappings, uint64_t address) {
  return std::lower_bound(
      mappings.begin(), mappings.end(), address,
      [](const ProcessSlot::Known &known, uint64_t at) { return known.mapping.end <= at; });
}

} // namespace

ProcessSlot::Known *ProcessSlot::find(uint64_t address) {
  const auto at = position(mappings, address);
  return at != mappings.end() && at->mapping.start <= address ? &*at : nullptr;
}

ProcessMaps::Result ProcessSlot::refresh(const std::string &proc_root, int32_t pid,
                                         const std::vector<uint64_t> &addresses,
                                         std::chrono::milliseconds fresh) {
  const Clock::time_point now = Clock::now();
  std::vector<Known> before;
  if (is_read && now - read_at > fresh) {
    before = std::exchange(mappings, {});
    is_read = false;
  }
  std::vector<uint64_t> unknown;
  constexpr uint64_t kUserEnd = uint64_t{1} << 63; // the kernel's half, and [vsyscall], is nobody's
  for (const uint64_t address : addresses)
    if (address < kUserEnd && find(address) == nullptr) unknown.push_back(address);
  if (is_read && unknown.empty()) return ProcessMaps::Result::kDone;
  std::vector<CodeMapping> found;
  const ProcessMaps::Result result = ProcessMaps::find(proc_root, pid, unknown, found);
  if (result != ProcessMaps::Result::kDone) return result;
  if (!is_read) read_at = now;
  is_read = true;
  for (CodeMapping &mapping : found) {
    const auto same = position(before, mapping.start);
    std::weak_ptr<ModuleIndex> index;
    if (same != before.end() && same_place(same->mapping, mapping)) index = same->index;
    // What it overlaps was there before it.
    const auto from = position(mappings, mapping.start);
    auto to = from;
    while (to != mappings.end() && to->mapping.start < mapping.end) ++to;
    const auto at = mappings.erase(from, to);
    mappings.insert(at, {std::move(mapping), std::move(index)});
  }
  return result;
}

std::shared_ptr<ProcessSlot> ProcessCache::slot_of(int32_t pid, uint64_t start_time) {
  const std::lock_guard lock{mutex_};
  Entry &entry = entries_[{pid, start_time}];
  if (!entry.slot) {
    entry.slot = std::make_shared<ProcessSlot>();
    entry.bytes = kEntryBytes;
    bytes_ += kEntryBytes;
  }
  entry.last_use = ++clock_;
  return entry.slot;
}

void ProcessCache::forget(int32_t pid, uint64_t start_time) {
  const std::lock_guard lock{mutex_};
  const auto found = entries_.find({pid, start_time});
  if (found == entries_.end()) return;
  bytes_ -= found->second.bytes;
  entries_.erase(found);
}

void ProcessCache::settle(int32_t pid, uint64_t start_time, size_t bytes) {
  const std::lock_guard lock{mutex_};
  const auto found = entries_.find({pid, start_time});
  if (found == entries_.end()) return;
  bytes_ += bytes + kEntryBytes - found->second.bytes;
  found->second.bytes = bytes + kEntryBytes;
  if (bytes_ <= max_bytes_) return;
  // Half of them at once, so that it is done seldom.
  std::vector<std::pair<uint64_t, Key>> by_use;
  for (const auto &[key, entry] : entries_) by_use.emplace_back(entry.last_use, key);
  std::sort(by_use.begin(), by_use.end());
  for (const auto &[use, key] : by_use) {
    if (bytes_ <= max_bytes_ / 2) break;
    const auto at = entries_.find(key);
    bytes_ -= at->second.bytes;
    entries_.erase(at);
  }
}

void ProcessCache::clear() {
  const std::lock_guard lock{mutex_};
  entries_.clear();
  bytes_ = 0;
}

uint64_t ProcessCache::bytes() const {
  const std::lock_guard lock{mutex_};
  return bytes_;
}

size_t ProcessCache::size() const {
  const std::lock_guard lock{mutex_};
  return entries_.size();
}

} // namespace profcore
