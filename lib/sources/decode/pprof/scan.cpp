// The first pass over a profile.proto message: hops over the top-level fields, counts them and
// keeps the small ones. Nothing is allocated for what is only counted.

#include "sources/decode/pprof/decoder.hpp"

#include <fmt/format.h>

namespace profcore::pprof {

void expect_type(const WireField &field, WireType type) {
  if (field.type != type)
    throw Error{Status::kMalformed,
                fmt::format("field {} has wire type {} where {} is due", field.number,
                            static_cast<uint32_t>(field.type), static_cast<uint32_t>(type)),
                field.offset};
}

void Decoder::scan() {
  WireReader reader{input_, input_.data()};
  WireField field;
  uint64_t next_report = UINT64_C(1) << 24;
  const auto next = [&] {
    const uint64_t last_field = field.number;
    try {
      return reader.next(field);
    } catch (const Error &) {
      if (options_.strict || !is_cut_in_strings(field.offset, last_field)) throw;
      scan_.cut = true;
      scan_.cut_offset = field.offset;
      return false;
    }
  };
  std::span<const uint8_t> sample;
  while (!reader.at_end()) {
    const uint8_t *const before = input_.data() + reader.offset();
    const uint64_t to_block_end = kBlock - scan_.samples.count % kBlock;
    uint64_t run = 0;
    uint64_t run_bytes = 0;
    for (; run < to_block_end && reader.next_message(kSampleTag, sample); ++run)
      run_bytes += sample.size();
    if (run > 0) {
      if (to_block_end == kBlock) scan_.blocks.push_back(before);
      scan_.samples.add(before, sample.data() + sample.size(), run);
      scan_.sample_bytes += run_bytes;
      field.number = kSample;
      if (reader.offset() < next_report) continue;
      options_.context.report(0, input_.size());
      next_report = reader.offset() + (UINT64_C(1) << 24);
      continue;
    }
    if (!next()) break;
    const uint8_t *from = input_.data() + field.offset;
    const uint8_t *to = field.bytes.data() + field.bytes.size();
    switch (field.number) {
    case kSample:
      expect_type(field, WireType::kBytes);
      if (to_block_end == kBlock) scan_.blocks.push_back(from);
      scan_.samples.add(from, to);
      scan_.sample_bytes += field.bytes.size();
      break;
    case kMapping:
      expect_type(field, WireType::kBytes);
      scan_.mappings.add(from, to);
      break;
    case kLocation:
      expect_type(field, WireType::kBytes);
      scan_.locations.add(from, to);
      break;
    case kFunction:
      expect_type(field, WireType::kBytes);
      scan_.functions.add(from, to);
      break;
    case kStringTable:
      expect_type(field, WireType::kBytes);
      if (scan_.strings.count == 0 && !field.bytes.empty())
        throw Error{Status::kMalformed, "the first string of the table is not empty", field.offset};
      scan_.strings.add(from, to);
      scan_.string_bytes += field.bytes.size();
      break;
    default:
      scan_small_field(field);
    }
    if (reader.offset() >= next_report) {
      options_.context.report(0, input_.size());
      next_report = reader.offset() + (UINT64_C(1) << 24);
    }
  }

  const Limits &limits = options_.context.limits;
  const auto within = [](uint64_t count, uint64_t limit, const char *what) {
    if (count > limit)
      throw Error{Status::kLimit,
                  fmt::format("{} {} are more than the limit of {}", count, what, limit)};
  };
  within(scan_.samples.count, limits.max_samples, "samples");
  within(scan_.strings.count, limits.max_strings, "strings");
  within(scan_.functions.count, limits.max_strings, "functions");
  within(scan_.locations.count, limits.max_strings, "locations");
  within(scan_.mappings.count, limits.max_strings, "mappings");
}

/// Whether the message at `offset` goes past the end of the input, and is a string after a string:
/// then all that was read is whole, and what is lost is the names behind.
bool Decoder::is_cut_in_strings(uint64_t offset, uint64_t last_field) const {
  if (last_field != kStringTable || scan_.samples.count == 0) return false;
  const uint8_t *const end = input_.data() + input_.size();
  const uint8_t *at = input_.data() + offset;
  constexpr uint8_t kStringTag = kStringTable << 3 | static_cast<uint8_t>(WireType::kBytes);
  if (*at++ != kStringTag) return false;
  uint64_t length = 0;
  const uint8_t *const text = wire::read_varint_slowly(at, end, length);
  return text == nullptr ? end - at < 10 : length > static_cast<uint64_t>(end - text);
}

void Decoder::scan_small_field(const WireField &field) {
  const auto number = [&]() -> int64_t {
    expect_type(field, WireType::kVarint);
    return static_cast<int64_t>(field.value);
  };
  const auto index = [&]() -> StringIndex {
    expect_type(field, WireType::kVarint);
    return {field.value, field.offset};
  };
  // A byte or two of input each: not bounded by anything else. A list that is full is about to be
  // copied into one of twice its size.
  const auto check_size = [&](const auto &list) {
    if (list.size() == list.capacity()) check_result_size(list.capacity() * 3 * sizeof list[0]);
  };
  switch (field.number) {
  case kSampleType:
    check_size(scan_.sample_types);
    scan_.sample_types.push_back(read_value_type(field));
    break;
  case kDropFrames:
    scan_.drop_frames = index();
    break;
  case kKeepFrames:
    scan_.keep_frames = index();
    break;
  case kTimeNanos:
    if (scan_.time_ns != 0)
      throw Error{Status::kMalformed, "several profiles stand one after the other", field.offset};
    scan_.time_ns = number();
    break;
  case kDurationNanos:
    scan_.duration_ns = number();
    break;
  case kPeriodType:
    scan_.period_type = read_value_type(field);
    break;
  case kPeriod:
    scan_.period = number();
    break;
  case kComment:
    if (field.type == WireType::kBytes) {
      WireReader packed{field.bytes, input_.data()};
      while (!packed.at_end()) {
        const uint64_t offset = packed.offset();
        check_size(scan_.comments);
        scan_.comments.push_back({packed.varint(), offset});
      }
    } else {
      check_size(scan_.comments);
      scan_.comments.push_back(index());
    }
    break;
  case kDefaultSampleType:
    scan_.default_type = index();
    break;
  case kDocUrl:
    scan_.doc_url = index();
    break;
  default:
    break;
  }
}

RawValueType Decoder::read_value_type(const WireField &message) const {
  expect_type(message, WireType::kBytes);
  RawValueType result;
  result.type.offset = result.unit.offset = message.offset;
  WireReader reader{message.bytes, input_.data()};
  WireField field;
  while (reader.next(field)) {
    if (field.number != 1 && field.number != 2) continue;
    expect_type(field, WireType::kVarint);
    (field.number == 1 ? result.type : result.unit) = {field.value, field.offset};
  }
  return result;
}

} // namespace profcore::pprof
