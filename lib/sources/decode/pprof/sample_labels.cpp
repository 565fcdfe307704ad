#include "sources/decode/pprof/sample_parts.hpp"

namespace profcore::pprof {

void LabelPart::resolve(std::span<PendingSample> samples, std::span<LabelSetId> sets) {
  size_t fresh = 0;
  labels_.clear();
  for (size_t i = 0; i < samples.size(); ++i) {
    PendingSample &sample = samples[i];
    if (sample.slow) continue;
    sets[i] = 0;
    if (sample.labels_size == 0) continue;
    if (cache_.takes(sample.labels_size)) {
      const uint32_t known = cache_.find(sample.labels_print);
      if (known != RawCache::kNotFound) {
        sets[i] = known;
        continue;
      }
    }
    const size_t first = labels_.size();
    if (!parse(sample.labels, sample.labels + sample.labels_size) && !parse_odd(sample)) {
      sample.slow = true;
      continue;
    }
    const size_t size = labels_.size() - first;
    new_labels_[fresh++] = {i, first, size,
                            profile_.prepare_label_set({labels_.data() + first, size})};
  }
  for (size_t i = 0; i < fresh; ++i) {
    const NewLabels &added = new_labels_[i];
    const PendingSample &sample = samples[added.sample];
    sets[added.sample] = profile_.add_prepared_label_set(
        {labels_.data() + added.first_label, added.size}, added.hash);
    if (cache_.takes(sample.labels_size)) cache_.insert(sample.labels_print, sets[added.sample]);
  }
  cache_.judge();
}

/// Labels as writers lay them out: short messages of a key and a text, or a number and a unit.
/// False for all else, errors too.
bool LabelPart::parse(const uint8_t *at, const uint8_t *end) {
  const std::span<const StringId> strings = decoder_.strings_.span();
  constexpr size_t kSmallest = 4; // bytes of a label here: the other path checks what may be many
  if (static_cast<size_t>(end - at) / kSmallest > decoder_.options_.context.limits.max_stack_depth)
    return false;
  const size_t first = labels_.size();
  while (at < end) {
    if (*at != 0x1a || end - at < 2 || at[1] >= 0x80 || at[1] > end - at - 2) break;
    const uint8_t *const label_end = at + 2 + at[1];
    at += 2;
    uint64_t fields[4] = {};
    while (at != nullptr && at < label_end) {
      const unsigned tag = *at;
      if ((tag & 7) != 0 || tag < 0x08 || tag > 0x20) break;
      at = wire::read_varint(at + 1, end_, fields[tag / 8 - 1]);
    }
    const auto [key, text, number, unit] = fields;
    if (at != label_end || (text != 0) == ((number | unit) != 0)) break;
    if (key >= strings.size() || text >= strings.size() || unit >= strings.size()) break;
    labels_.push_back({strings[key], text != 0 ? strings[text] : 0, strings[unit],
                       text != 0 ? 0U : 1U, static_cast<int64_t>(number)});
    if (at == end) return true;
  }
  labels_.resize(first);
  return false;
}

/// Labels that are right but laid out otherwise, or such as are counted. False for errors, which
/// are told when all samples before have been seen.
bool LabelPart::parse_odd(const PendingSample &sample) {
  const size_t first = labels_.size();
  const LabelOddities before = oddities_;
  try {
    WireReader reader{{sample.labels, sample.labels_size}, origin_};
    WireField field;
    while (reader.next(field)) add_label(field, first);
    return true;
  } catch (const Error &) {
    labels_.resize(first);
    oddities_ = before;
    return false;
  }
}

void LabelPart::add_label(const WireField &message, size_t first_label) {
  expect_type(message, WireType::kBytes);
  decoder_.check_depth(labels_.size() - first_label, "the labels of a sample", message.offset);
  StringIndex key{0, message.offset};
  StringIndex text{0, message.offset};
  StringIndex unit{0, message.offset};
  Label label;
  WireReader reader{message.bytes, origin_};
  WireField field;
  while (reader.next(field)) {
    if (field.number == 0 || field.number > 4) continue;
    expect_type(field, WireType::kVarint);
    switch (field.number) {
    case 1:
      key = {field.value, field.offset};
      break;
    case 2:
      text = {field.value, field.offset};
      break;
    case 3:
      label.number = static_cast<int64_t>(field.value);
      break;
    default:
      unit = {field.value, field.offset};
      break;
    }
  }
  if (decoder_.is_lost(key) || decoder_.is_lost(text) || decoder_.is_lost(unit)) {
    ++oddities_.lost_strings;
    return;
  }
  label.key = decoder_.string_at(key);
  if (text.index != 0) {
    label.text = decoder_.string_at(text);
    if (label.number != 0 || unit.index != 0) {
      if (decoder_.options_.strict) throw Error{Status::kMalformed, kDoubleLabel, message.offset};
      oddities_.doubles.note(message.offset);
    }
    label.number = 0;
  } else if (label.number != 0 || unit.index != 0) {
    label.is_number = 1;
    label.unit = decoder_.string_at(unit);
  } else {
    // What is left of a label with the number 0 and no unit, or of an empty text.
    oddities_.valueless.note(message.offset);
    return;
  }
  labels_.push_back(label);
}

} // namespace profcore::pprof
