#include "sources/sampler/bpf_tables.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <bpf/bpf.h>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>

namespace profcore::sampler {
namespace {

constexpr size_t kChunkBytes = size_t{SAMPLER_CHUNK_SLOTS} * sizeof(unwind_row);
constexpr size_t kFileBytes = size_t{SAMPLER_MAX_FILES} * sizeof(sampler_file);
constexpr uint64_t kAboveAll = UINT64_MAX >> 1;

void fill(std::span<sampler_mapping> to, const std::vector<const Mapping *> &chosen,
          FileSlots &slots) {
  size_t filled = 0;
  for (const Mapping *mapping : chosen) {
    sampler_mapping &entry = to[filled++];
    entry.start = mapping->start;
    entry.offset_bias =
        mapping->start - (mapping->module != ModuleFiles::kNone ? mapping->offset : 0);
    entry.pages = static_cast<uint32_t>(
        std::min<uint64_t>((mapping->end - mapping->start) >> 12, UINT32_MAX));
    entry.file = slots.slot_of(mapping->known_as());
  }
  for (sampler_mapping &entry : to.subspan(filled)) entry = {kAboveAll, 0, 0, 0};
}

} // namespace

void fail_bpf(int error, std::string_view what) {
  throw Error{error == EPERM || error == EACCES    ? Status::kPermission
              : error == ENOMEM                    ? Status::kNoMemory
              : error == EMFILE || error == ENFILE ? Status::kLimit
                                                   : Status::kUnsupported,
              fmt::format("{}: {}", what, strerrordesc_np(error))};
}

bool BpfProcesses::put(const Process &process, const ModuleFiles &files, FileSlots &slots) {
  std::vector<const Mapping *> chosen;
  const auto pid = static_cast<uint32_t>(process.pid);
  size_t cut = choose_mappings(process, files, SAMPLER_MAX_MAPPINGS, chosen);
  process_.count = static_cast<uint32_t>(chosen.size());
  if (chosen.size() > SAMPLER_FEW_MAPPINGS) {
    fill(large_process_.mappings, chosen, slots);
    if (bpf_map_update_elem(large_, &pid, &large_process_, BPF_ANY) == 0) {
      are_large_.insert(process.pid);
      chosen.clear();
    } else { // no room: the few that matter most, then
      cut = choose_mappings(process, files, SAMPLER_FEW_MAPPINGS, chosen);
      process_.count = SAMPLER_FEW_MAPPINGS;
    }
  }
  cut_ += cut;
  fill(process_.mappings, chosen, slots);
  process_.started = SAMPLER_STARTED(process.start_time);
  return bpf_map_update_elem(small_, &pid, &process_, BPF_ANY) == 0;
}

void BpfProcesses::remove(int32_t pid) {
  const auto key = static_cast<uint32_t>(pid);
  bpf_map_delete_elem(small_, &key);
  if (are_large_.erase(pid) != 0) bpf_map_delete_elem(large_, &key);
}

uint64_t memory_of_map(int map) {
  const Descriptor info{
      open(fmt::format("/proc/self/fdinfo/{}", map).c_str(), O_RDONLY | O_CLOEXEC)};
  char text[1024];
  const ssize_t size = info.is_open() ? read(info.get(), text, sizeof text) : -1;
  if (size <= 0) return 0;
  constexpr std::string_view kKey = "\nmemlock:\t";
  const std::string_view all{text, static_cast<size_t>(size)};
  const size_t at = all.find(kKey);
  uint64_t bytes = 0;
  if (at != std::string_view::npos) std::from_chars(text + at + kKey.size(), text + size, bytes);
  return bytes;
}

BpfRowMemory::~BpfRowMemory() {
  for (const Chunk &chunk : chunks_)
    if (chunk.mapped != nullptr) munmap(chunk.mapped, kChunkBytes);
}

unwind_row *BpfRowMemory::add(uint32_t number) {
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
  Chunk chunk;
  chunk.map = Descriptor{bpf_map_create(BPF_MAP_TYPE_ARRAY, "unwind_rows", sizeof(uint32_t),
                                        kChunkBytes, 1, &options)};
  if (!chunk.map.is_open()) return nullptr;
  void *mapped = mmap(nullptr, kChunkBytes, PROT_READ | PROT_WRITE, MAP_SHARED, chunk.map.get(), 0);
  if (mapped == MAP_FAILED) return nullptr;
  const int fd = chunk.map.get();
  if (bpf_map_update_elem(outer_, &number, &fd, BPF_ANY) != 0) {
    munmap(mapped, kChunkBytes);
    return nullptr;
  }
  chunk.mapped = mapped;
  if (chunks_.size() <= number) chunks_.resize(size_t{number} + 1);
  chunks_[number] = std::move(chunk);
  return static_cast<unwind_row *>(mapped);
}

void BpfRowMemory::remove(uint32_t number) {
  bpf_map_delete_elem(outer_, &number);
  munmap(chunks_[number].mapped, kChunkBytes);
  chunks_[number] = {};
}

BpfFileTable::BpfFileTable(int map) {
  void *mapped = mmap(nullptr, kFileBytes, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
  if (mapped == MAP_FAILED)
    throw Error{Status::kUnsupported,
                fmt::format("the table of files cannot be mapped: {}", strerrordesc_np(errno))};
  files_ = static_cast<sampler_file *>(mapped);
}

BpfFileTable::~BpfFileTable() {
  munmap(files_, kFileBytes);
}

RunningPrograms::RunningPrograms() {
  inner_ = Descriptor{
      bpf_map_create(BPF_MAP_TYPE_ARRAY, "profcore_inner", sizeof(uint32_t), 8, 1, nullptr)};
  LIBBPF_OPTS(bpf_map_create_opts, options, .inner_map_fd = static_cast<uint32_t>(inner_.get()));
  if (inner_.is_open())
    outer_ = Descriptor{bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "profcore_wait",
                                       sizeof(uint32_t), sizeof(uint32_t), 1, &options)};
  if (!outer_.is_open())
    throw Error{Status::kUnsupported,
                fmt::format("a map of maps cannot be made: {}", strerrordesc_np(errno))};
}

bool RunningPrograms::wait_for_end() {
  const uint32_t zero = 0;
  const int inner = inner_.get();
  return bpf_map_update_elem(outer_.get(), &zero, &inner, BPF_ANY) == 0;
}

} // namespace profcore::sampler
