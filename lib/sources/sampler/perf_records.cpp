#include "sources/sampler/perf_records.hpp"

#include <bit>
#if defined(__x86_64__) || defined(__aarch64__)
#include <asm/perf_regs.h>
#endif

namespace profcore::sampler {
namespace {

struct SampleHead {
  perf_event_header header;
  uint32_t pid, tid;
  uint64_t time;
  uint64_t abi;
};

constexpr uint64_t bit(int number) {
  return UINT64_C(1) << number;
}

#if defined(__x86_64__)
constexpr uint64_t kRegisters = bit(PERF_REG_X86_BP) | bit(PERF_REG_X86_SP) | bit(PERF_REG_X86_IP);
#elif defined(__aarch64__)
constexpr uint64_t kRegisters = bit(PERF_REG_ARM64_X29) | bit(PERF_REG_ARM64_LR) |
                                bit(PERF_REG_ARM64_SP) | bit(PERF_REG_ARM64_PC);
#else
constexpr uint64_t kRegisters = 0;
#endif
constexpr size_t kRegisterCount = std::popcount(kRegisters);

/// They come in the order of their numbers.
void take_registers(const uint64_t *values, SampleRecord &sample) {
#if defined(__x86_64__)
  sample.bp = values[0];
  sample.sp = values[1];
  sample.pc = values[2];
#elif defined(__aarch64__)
  sample.bp = values[0];
  sample.lr = values[1];
  sample.sp = values[2];
  sample.pc = values[3];
#else
  (void)values;
  (void)sample;
#endif
}

bool take_word(std::span<const uint8_t> &left, uint64_t &word) {
  if (!read_as(left, word)) return false;
  left = left.subspan(sizeof word);
  return true;
}

} // namespace

uint64_t sampled_registers() noexcept {
  return kRegisters;
}

std::string_view text_behind(std::span<const uint8_t> bytes, size_t fixed) {
  if (bytes.size() < fixed + sizeof(RecordTrailer)) return {};
  const char *text = reinterpret_cast<const char *>(bytes.data() + fixed);
  return {text, strnlen(text, bytes.size() - fixed - sizeof(RecordTrailer))};
}

std::optional<SampleRecord> parse_sample(std::span<const uint8_t> record) noexcept {
  SampleHead head;
  if (!read_as(record, head) || head.header.type != PERF_RECORD_SAMPLE) return {};
  SampleRecord sample;
  sample.pid = head.pid;
  sample.tid = head.tid;
  sample.time = head.time;
  sample.abi = head.abi;
  std::span<const uint8_t> left = record.subspan(sizeof head);
  if (head.abi != PERF_SAMPLE_REGS_ABI_NONE) {
    uint64_t values[kRegisterCount + 1];
    for (size_t i = 0; i < kRegisterCount; ++i)
      if (!take_word(left, values[i])) return {};
    take_registers(values, sample);
  }
  uint64_t size = 0;
  if (!take_word(left, size)) return {};
  if (size == 0) return sample; // nothing was copied, and then that is not said
  if (size > left.size()) return {};
  const std::span<const uint8_t> copied = left.first(size);
  left = left.subspan(size);
  uint64_t filled = 0;
  if (!take_word(left, filled) || filled > size) return {};
  sample.stack = copied.first(filled);
  sample.is_cut = filled == size;
  return sample;
}

std::optional<uint64_t> time_of(std::span<const uint8_t> record) noexcept {
  perf_event_header header;
  if (!read_as(record, header)) return {};
  if (header.type == PERF_RECORD_SAMPLE) {
    SampleHead head;
    if (!read_as(record, head)) return {};
    return head.time;
  }
  RecordTrailer trailer;
  if (record.size() < sizeof header + sizeof trailer) return {};
  std::memcpy(&trailer, record.data() + record.size() - sizeof trailer, sizeof trailer);
  return trailer.time;
}

} // namespace profcore::sampler
