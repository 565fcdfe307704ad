#pragma once

// Records of perf rings whose events have sample_id_all and PERF_SAMPLE_TID | PERF_SAMPLE_TIME, as
// all of ours. Whatever a record says of its own sizes is checked against the bytes that there are.

#include <cstdint>
#include <cstring>
#include <linux/perf_event.h>
#include <optional>
#include <span>
#include <string_view>

namespace profcore::sampler {

/// At the end of every record but samples.
struct RecordTrailer {
  uint32_t pid;
  uint32_t tid;
  uint64_t time;
};
struct MmapRecord {
  perf_event_header header;
  uint32_t pid, tid;
  uint64_t start, size, offset;
  uint32_t major, minor;
  uint64_t inode, inode_generation;
  uint32_t protection, flags;
};
struct CommRecord {
  perf_event_header header;
  uint32_t pid, tid;
};
struct TaskRecord {
  perf_event_header header;
  uint32_t pid, parent_pid, tid, parent_tid;
  uint64_t time;
};
struct LostRecord {
  perf_event_header header;
  uint64_t id, lost;
};

/// False when the record is too short to be one.
template <class Record> bool read_as(std::span<const uint8_t> bytes, Record &record) {
  if (bytes.size() < sizeof record) return false;
  std::memcpy(&record, bytes.data(), sizeof record);
  return true;
}

/// The text behind the fixed part; NUL-padded.
std::string_view text_behind(std::span<const uint8_t> bytes, size_t fixed);

/// PERF_RECORD_SAMPLE with PERF_SAMPLE_TID | TIME | REGS_USER | STACK_USER.
struct SampleRecord {
  uint32_t pid = 0;
  uint32_t tid = 0;
  uint64_t time = 0;
  uint64_t abi = 0; ///< PERF_SAMPLE_REGS_ABI_...; without registers all of the rest is 0
  uint64_t pc = 0;
  uint64_t sp = 0;
  uint64_t bp = 0;
  uint64_t lr = 0;                ///< 0 where there is none
  std::span<const uint8_t> stack; ///< from `sp` on
  bool is_cut = false;            ///< as much as was asked for: the stack may go on
};

/// The registers that a sample has to have for this, for perf_event_attr; 0: not on this machine.
uint64_t sampled_registers() noexcept;

/// Nothing when the record is not one.
std::optional<SampleRecord> parse_sample(std::span<const uint8_t> record) noexcept;

/// When any record was made; nothing when it is too short.
std::optional<uint64_t> time_of(std::span<const uint8_t> record) noexcept;

} // namespace profcore::sampler
