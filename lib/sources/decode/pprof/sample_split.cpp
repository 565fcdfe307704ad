#include "sources/decode/pprof/sample_parts.hpp"

namespace profcore::pprof {

SampleSplitter::SampleSplitter(Decoder &decoder)
    : decoder_{decoder}, end_{decoder.input_.data() + decoder.input_.size()} {
  for (size_t i = 0; i < decoder.profile_.sample_types().size(); ++i)
    columns_.push_back(decoder.profile_.values(i).data());
}

size_t SampleSplitter::split(size_t block, SplitSample *samples) const {
  const Scan &scan = decoder_.scan_;
  const size_t first_row = block * kBlock;
  const size_t count = std::min(kBlock, static_cast<size_t>(scan.samples.count) - first_row);
  WireReader reader{{scan.blocks[block], scan.samples.end}, decoder_.input_.data()};
  WireField field;
  std::span<const uint8_t> bytes;
  size_t filled = 0;
  const auto add = [&] {
    split(bytes, samples[filled], first_row + filled);
    ++filled;
  };
  while (filled < count) {
    while (filled < count && reader.next_message(kSampleTag, bytes)) add();
    if (filled == count || !reader.next(field)) break;
    if (field.number != kSample) continue;
    bytes = field.bytes;
    add();
  }
  return filled;
}

/// Finds the parts of a sample that is laid out as writers do it: ids, values, labels. The values
/// are stored at once. What stands behind the values is looked at where it is read: anything but
/// labels, a second list of ids say, makes the sample a slow one there.
void SampleSplitter::split(std::span<const uint8_t> bytes, SplitSample &sample,
                           size_t row) const noexcept {
  const uint8_t *at = bytes.data();
  const uint8_t *const end = at + bytes.size();
  uint64_t number = 0;
  sample.begin = at;
  sample.end = end;
  sample.stack_size = SplitSample::kOdd;
  sample.labels_size = 0;
  if (at != end && *at == 0x0a) {
    at = wire::read_varint(at + 1, end_, number);
    if (at == nullptr || at > end || number > static_cast<uint64_t>(end - at)) return;
    at += number;
  } else {
    while (at != end && *at == 0x08) { // unpacked
      at = wire::read_varint(at + 1, end_, number);
      if (at == nullptr || at > end) return;
    }
  }
  if (at - sample.begin > INT32_MAX || end - at > INT32_MAX) return;
  const auto stack_size = static_cast<uint32_t>(at - sample.begin);
  at = split_values(at, end, row);
  if (at == nullptr) return;
  sample.stack_size = stack_size;
  sample.labels_size = static_cast<uint32_t>(end - at);
  if (stack_size <= Fingerprinter::kMaxBytes)
    sample.stack_print = prints_.of<48>(sample.begin, stack_size, end_);
  if (sample.labels_size <= Fingerprinter::kMaxBytes)
    sample.labels_print = prints_.of<32>(at, sample.labels_size, end_);
}

/// The end of the values; nullptr when they are not as they should be.
const uint8_t *SampleSplitter::split_values(const uint8_t *at, const uint8_t *end,
                                            size_t row) const noexcept {
  uint64_t number = 0;
  if (at != end && *at == 0x12) {
    at = wire::read_varint(at + 1, end_, number);
    if (at == nullptr || at > end || number > static_cast<uint64_t>(end - at)) return nullptr;
    const uint8_t *const values_end = at + number;
    for (int64_t *column : columns_) {
      if (at >= values_end) return nullptr;
      at = wire::read_varint(at, end_, number);
      if (at == nullptr) return nullptr;
      column[row] = static_cast<int64_t>(number);
    }
    return at == values_end ? at : nullptr;
  }
  for (int64_t *column : columns_) {
    if (at >= end || *at != 0x10) return nullptr;
    at = wire::read_varint(at + 1, end_, number);
    if (at == nullptr || at > end) return nullptr;
    column[row] = static_cast<int64_t>(number);
  }
  return at;
}

} // namespace profcore::pprof
