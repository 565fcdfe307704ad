#include "symbolize/module_cache.hpp"

#include <algorithm>
#include <set>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <vector>

namespace profcore {
namespace {

/// The bookkeeping of an entry, about.
constexpr size_t kEntryBytes = 256;

int64_t nanoseconds(const timespec &time) noexcept {
  return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

/// The kernel's code that is mapped into us: an ELF image that ends with its table of sections.
std::span<const uint8_t> vdso_image() {
  const auto *image = reinterpret_cast<const uint8_t *>(::getauxval(AT_SYSINFO_EHDR));
  if (image == nullptr) return {};
  constexpr size_t kHeader = sizeof(void *) == 8 ? 64 : 52;
  uint64_t end = kHeader;
  try {
    const ElfImage header{ByteSource{{image, kHeader}}};
    constexpr size_t kOffset = sizeof(void *) == 8 ? 0x28 : 0x20; // e_shoff
    constexpr size_t kCounts = sizeof(void *) == 8 ? 0x3a : 0x2e; // e_shentsize, e_shnum
    end = header.word(image + kOffset) +
          uint64_t{header.u16(image + kCounts)} * header.u16(image + kCounts + 2);
  } catch (const Error &) {
    return {};
  }
  constexpr uint64_t kMostBytes = uint64_t{1} << 20;
  return {image, static_cast<size_t>(end > kMostBytes ? 0 : end)};
}

} // namespace

ModuleCache::FileKey ModuleCache::key_of(const struct stat &status) noexcept {
  return {status.st_dev, status.st_ino, static_cast<uint64_t>(status.st_size),
          nanoseconds(status.st_mtim), nanoseconds(status.st_ctim)};
}

std::shared_ptr<ModuleIndex> ModuleCache::module_at(const std::string &path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return nullptr;
  const std::lock_guard lock{mutex_};
  const auto found = files_.find(key_of(status));
  if (found == files_.end() || !found->second->is_built.load(std::memory_order_acquire))
    return nullptr;
  found->second->last_use = ++clock_;
  ++stats_.modules_found;
  return found->second->index;
}

ModuleCache::Opened ModuleCache::module_of(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size <= 0)
    return {std::make_shared<ModuleIndex>(UnnamedReason::kModuleMissing), {}};
  const FileKey key = key_of(status);
  const ByteSource bytes{fd, key.size};
  std::shared_ptr<Slot> slot;
  {
    const std::lock_guard lock{mutex_};
    std::shared_ptr<Slot> &at = files_[key];
    if (!at) at = std::make_shared<Slot>();
    slot = at;
    slot->last_use = ++clock_;
  }
  if (!slot->is_built.load(std::memory_order_acquire)) {
    const std::lock_guard building{slot->building};
    if (!slot->index) {
      slot->index = build(key, fd);
      slot->is_built.store(true, std::memory_order_release);
      return {slot->index, bytes, true};
    }
  }
  const std::lock_guard lock{mutex_};
  ++stats_.modules_found;
  return {slot->index, bytes};
}

std::shared_ptr<ModuleIndex> ModuleCache::build(const FileKey &key, int fd) {
  const ByteSource bytes{fd, key.size};
  // The same file somewhere else?
  std::string build_id;
  try {
    build_id = ElfImage{bytes}.build_id_text();
  } catch (const Error &) {
    // Told by what is built.
  }
  if (!build_id.empty()) {
    const std::lock_guard lock{mutex_};
    const auto found = builds_.find({build_id, key.size});
    if (found != builds_.end())
      if (std::shared_ptr<ModuleIndex> index = found->second.lock()) {
        ++stats_.modules_found;
        return index;
      }
  }
  std::shared_ptr<ModuleIndex> index =
      ModuleIndex::build(bytes, {options_.max_bytes, options_.line_sources, options_.debug_folder});
  const std::lock_guard lock{mutex_};
  ++stats_.modules_built;
  if (!build_id.empty() && index->problem() == UnnamedReason::kNone)
    builds_[{build_id, key.size}] = index;
  return index;
}

ModuleCache::Opened ModuleCache::vdso() {
  const ByteSource bytes{vdso_image()};
  const std::lock_guard lock{mutex_};
  if (!vdso_) vdso_ = ModuleIndex::build(bytes, {options_.max_bytes, nullptr, {}});
  return {vdso_, bytes};
}

std::shared_ptr<PerfMapSlot> ModuleCache::perf_map_of(const ProcessView &process) {
  const std::lock_guard lock{mutex_};
  std::shared_ptr<PerfMapSlot> &slot =
      perf_maps_[{process.pid, process.start_time != 0 ? process.start_time : process.identity}];
  if (!slot) slot = std::make_shared<PerfMapSlot>();
  slot->last_use = ++clock_;
  return slot;
}

size_t ModuleCache::bytes_of(const Slot &slot) const {
  return slot.is_built.load(std::memory_order_acquire) ? slot.index->bytes() : 0;
}

void ModuleCache::trim(uint64_t other_bytes) {
  // Given back after the lock: unmapping and freeing megabytes takes its time.
  std::vector<std::shared_ptr<void>> dropped;
  const std::lock_guard lock{mutex_};
  struct Candidate {
    uint64_t last_use;
    uint64_t bytes;
    const FileKey *file;
    const ProcessKey *process;
  };
  std::vector<Candidate> candidates;
  std::set<const ModuleIndex *> counted; // copies share
  uint64_t total = other_bytes + process_bytes_.load(std::memory_order_relaxed);
  for (const auto &[key, slot] : files_) {
    const bool is_first =
        slot->is_built.load(std::memory_order_acquire) && counted.insert(slot->index.get()).second;
    const uint64_t bytes = kEntryBytes + (is_first ? bytes_of(*slot) : 0);
    candidates.push_back({slot->last_use, bytes, &key, nullptr});
    total += bytes;
  }
  for (const auto &[key, slot] : perf_maps_) {
    const uint64_t bytes = kEntryBytes + slot->bytes.load(std::memory_order_relaxed);
    candidates.push_back({slot->last_use, bytes, nullptr, &key});
    total += bytes;
  }
  stats_.bytes = total;
  if (total <= options_.max_bytes) return;
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate &a, const Candidate &b) { return a.last_use < b.last_use; });
  for (const Candidate &candidate : candidates) {
    if (total <= options_.max_bytes) break;
    total -= candidate.bytes;
    ++stats_.modules_evicted;
    if (candidate.file != nullptr)
      dropped.push_back(std::move(files_.extract(*candidate.file).mapped()));
    else
      dropped.push_back(std::move(perf_maps_.extract(*candidate.process).mapped()));
  }
  std::erase_if(builds_, [](const auto &entry) { return entry.second.expired(); });
  stats_.bytes = total;
}

void ModuleCache::clear() {
  const std::lock_guard lock{mutex_};
  files_.clear();
  builds_.clear();
  perf_maps_.clear();
  vdso_.reset();
  stats_.bytes = 0;
}

void ModuleCache::add(const NameCounts &counts) {
  const std::lock_guard lock{mutex_};
  stats_.named += counts.named;
  stats_.named_by_bounds += counts.named_by_bounds;
  for (size_t i = 0; i < counts.unnamed.size(); ++i) stats_.unnamed[i] += counts.unnamed[i];
}

SymbolizerStats ModuleCache::stats() const {
  const std::lock_guard lock{mutex_};
  SymbolizerStats stats = stats_;
  stats.modules = files_.size();
  stats.perf_maps = perf_maps_.size();
  for (const auto &[key, slot] : perf_maps_)
    stats.bad_lines += slot->bad_lines.load(std::memory_order_relaxed);
  return stats;
}

} // namespace profcore
