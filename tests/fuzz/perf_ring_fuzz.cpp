// Any bytes as what the kernel's rings hold: records are whole and inside the ring, what is none is
// counted and the reader goes on behind it; news of processes leave the table in order, and copied
// stacks are walked within their copies. An input is two bytes that say how it is read, and then
// the contents of two rings, side by side.
#include "check_profile.hpp"
#include "sampler.h"
#include "sources/sampler/perf_records.hpp"
#include "sources/sampler/process_table.hpp"
#include "sources/sampler/ring_order.hpp"
#include "sources/sampler/side_band.hpp"
#include "sources/sampler/user_unwinder.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

using namespace profcore;
using namespace profcore::sampler;

namespace {

constexpr size_t kPages = 4;

/// A ring, and the kernel's side of it.
class Ring {
public:
  Ring() {
    page_ = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    Descriptor file{memfd_create("ring", MFD_CLOEXEC)};
    require(file.is_open() && ftruncate(file.get(), static_cast<off_t>(page_ + size())) == 0);
    void *mapped = mmap(nullptr, page_ + size(), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    require(mapped != MAP_FAILED);
    memory_ = static_cast<uint8_t *>(mapped);
    rings_.emplace_back(std::move(file), kPages);
  }
  size_t size() const { return kPages * page_; }
  PerfRing &reader() { return rings_[0]; }

  /// Writes from `tail` on, around the end; the head is told `more` bytes further.
  void fill(std::span<const uint8_t> bytes, uint64_t tail, uint64_t more) {
    for (size_t i = 0; i < bytes.size(); ++i)
      memory_[page_ + ((tail + i) & (size() - 1))] = bytes[i];
    auto *control = reinterpret_cast<perf_event_mmap_page *>(memory_);
    control->data_tail = tail;
    control->data_head = tail + bytes.size() + more;
    reader().take_damage();
  }
  void check_read() const {
    const auto *control = reinterpret_cast<const perf_event_mmap_page *>(memory_);
    require(control->data_tail == control->data_head);
  }
  std::vector<PerfRing> rings_;

private:
  size_t page_ = 0;
  uint8_t *memory_ = nullptr;
};

/// What the two ways of reading have in common.
class Reader {
public:
  void take(uint64_t time, std::span<const uint8_t> record) {
    perf_event_header header;
    require(read_as(record, header) && header.size == record.size());
    bytes_ += record.size();
    copy_.assign(record.begin(), record.end()); // of exactly that size, for the sanitizer
    move_processes(header.type);
    if (header.type != PERF_RECORD_SAMPLE) {
      apply_record(copy_, time, processes_);
      return;
    }
    const std::optional<SampleRecord> sample = parse_sample(copy_);
    if (!sample) return;
    require(sample->stack.empty() ||
            (sample->stack.data() >= copy_.data() &&
             sample->stack.data() + sample->stack.size() <= copy_.data() + copy_.size()));
    const Process *process = processes_.find(static_cast<int32_t>(sample->pid));
    const UserUnwinder::Walk walk = unwinder_.walk(process, *sample, frames_);
    require(walk.frames <= frames_.size());
  }

  void check() {
    for (const auto &[pid, process] : processes_.all()) {
      require(process.mappings.size() <= ProcessTable::kMostMappings && process.pid == pid);
      for (size_t i = 0; i < process.mappings.size(); ++i) {
        const Mapping &mapping = process.mappings[i];
        require(mapping.start < mapping.end);
        require(i == 0 || process.mappings[i - 1].end <= mapping.start);
      }
    }
    for (const int32_t pid : processes_.take_changed())
      if (const Process *process = processes_.find(pid)) {
        std::vector<const Mapping *> chosen;
        const size_t cut = choose_mappings(*process, files_, SAMPLER_MAX_MAPPINGS, chosen);
        require(chosen.size() <= SAMPLER_MAX_MAPPINGS);
        require(chosen.size() + cut <= process->mappings.size());
      }
    files_.age(processes_.mapped_modules(true));
    unwinder_.age(processes_.mapped_modules(true));
    std::vector<int32_t> forgotten;
    processes_.forget_exited(forgotten);
  }
  size_t bytes() const { return bytes_; }

private:
  /// To where no process is, that this machine's do not matter.
  void move_processes(uint32_t type) {
    const bool is_task = type == PERF_RECORD_FORK || type == PERF_RECORD_EXIT;
    for (size_t at = 8; at + 4 <= copy_.size() && at < (is_task ? 24 : 16); at += 4)
      copy_[at + 3] |= 0x40;
  }

  ModuleFiles files_;
  ProcessTable processes_{files_};
  UserUnwinder unwinder_{files_, 1 << 20};
  std::array<uint64_t, SAMPLER_MAX_FRAMES> frames_{};
  std::vector<uint8_t> copy_;
  size_t bytes_ = 0;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static std::array<Ring, 2> rings;
  if (size < 2) return 0;
  const uint64_t tail = rings[0].size() - 8 * (data[0] & 127); // wraps soon
  const uint64_t more = (data[1] & 1) != 0 ? data[1] * UINT64_C(0x10001) : 0;
  const bool in_order = (data[1] & 2) != 0;
  const std::span<const uint8_t> all{data + 2, std::min(size - 2, 2 * rings[0].size())};
  const size_t first = all.size() / 2 & ~size_t{7};
  const std::span<const uint8_t> second =
      all.subspan(first).first(std::min(all.size() - first, rings[1].size()));
  rings[0].fill(all.first(first), tail, 0);
  rings[1].fill(second, tail, more);

  Reader reader;
  uint64_t damage = 0;
  if (in_order) {
    std::vector<PerfRing> both;
    for (Ring &ring : rings) both.push_back(std::move(ring.reader()));
    read_in_order(both, UINT64_MAX,
                  [&](size_t ring, uint64_t time, std::span<const uint8_t> record) {
                    require(ring < 2);
                    reader.take(time, record);
                  });
    for (size_t i = 0; i < rings.size(); ++i) {
      damage += both[i].take_damage();
      rings[i].rings_.clear();
      rings[i].rings_.push_back(std::move(both[i]));
    }
  } else {
    for (Ring &ring : rings) {
      ring.reader().read([&](const perf_event_header &, std::span<const uint8_t> record) {
        if (const std::optional<uint64_t> time = time_of(record))
          reader.take(*time, record);
        else
          ring.reader().note_damage();
      });
      damage += ring.reader().take_damage();
    }
  }
  for (const Ring &ring : rings) ring.check_read();
  const size_t filled = first + second.size();
  if (more == 0) require(reader.bytes() == filled || (reader.bytes() < filled && damage != 0));
  reader.check();
  return 0;
}
