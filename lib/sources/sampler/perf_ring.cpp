#include "sources/sampler/perf_ring.hpp"

#include "base/error.hpp"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace profcore::sampler {

int open_perf_event(const perf_event_attr &attr, int32_t pid, int cpu) {
  return static_cast<int>(syscall(SYS_perf_event_open, &attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC));
}

PerfRing::PerfRing(Descriptor event, size_t pages) : event_{std::move(event)} {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  size_ = pages * page;
  void *mapped = mmap(nullptr, size_ + page, PROT_READ | PROT_WRITE, MAP_SHARED, event_.get(), 0);
  if (mapped == MAP_FAILED)
    throw Error{errno == EPERM || errno == EACCES ? Status::kPermission : Status::kIo,
                fmt::format("a perf ring of {} KiB cannot be mapped ({}): perf_event_mlock_kb and "
                            "RLIMIT_MEMLOCK bound all rings of this user",
                            size_ >> 10, strerrordesc_np(errno))};
  control_ = static_cast<perf_event_mmap_page *>(mapped);
  data_ = static_cast<const uint8_t *>(mapped) + page;
}

PerfRing::PerfRing(PerfRing &&other) noexcept
    : event_{std::move(other.event_)}, control_{other.control_}, data_{other.data_},
      size_{other.size_}, was_full_{other.was_full_}, damage_{other.damage_}, joined_{std::move(
                                                                                  other.joined_)} {
  other.control_ = nullptr;
}

PerfRing &PerfRing::operator=(PerfRing &&other) noexcept {
  event_ = std::exchange(other.event_, Descriptor{});
  std::swap(control_, other.control_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(was_full_, other.was_full_);
  std::swap(damage_, other.damage_);
  std::swap(joined_, other.joined_);
  return *this;
}

PerfRing::~PerfRing() {
  if (control_ != nullptr) munmap(control_, size_ + static_cast<size_t>(sysconf(_SC_PAGESIZE)));
}

std::span<const uint8_t> PerfRing::front(uint64_t head) {
  const uint64_t tail = control_->data_tail;
  if (tail >= head) return {};
  const std::span<const uint8_t> record = record_at(tail, head - tail);
  if (record.empty()) { // nothing that can be told apart
    note_damage();
    pop(head - tail);
  }
  return record;
}

std::span<const uint8_t> PerfRing::record_at(uint64_t tail, uint64_t most) {
  const size_t at = tail & (size_ - 1);
  perf_event_header header;
  if (most > size_ || most < sizeof header || at % sizeof header != 0) return {};
  std::memcpy(&header, data_ + at, sizeof header); // aligned to its size: it never wraps
  if (header.size < sizeof header || header.size % sizeof header != 0 || header.size > most)
    return {};
  if (at + header.size <= size_) return {data_ + at, header.size};
  joined_.resize((header.size + 7U) / 8);
  auto *to = reinterpret_cast<uint8_t *>(joined_.data());
  const size_t before_end = size_ - at;
  std::memcpy(to, data_ + at, before_end);
  std::memcpy(to + before_end, data_, header.size - before_end);
  return {to, header.size};
}

} // namespace profcore::sampler
