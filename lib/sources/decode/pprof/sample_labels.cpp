#include "sources/decode/pprof/sample_parts.hpp"

namespace profcore::pprof {

void LabelPart::resolve(std::span<const SplitSample> samples, size_t first_row,
                        std::span<LabelSetId> sets) {
  std::span<NewList> lists = memory_.look_up<&SplitSample::labels_size, &SplitSample::labels_print>(
      samples, static_cast<uint32_t>(profile_.label_set_count()), sets);
  for (; lists.size() > kSideBySide; lists = lists.subspan(kSideBySide))
    add(lists.first(kSideBySide), samples);
  add(lists, samples);
  memory_.settle(samples, first_row, sets, slow_);
}

void LabelPart::add(std::span<NewList> lists, std::span<const SplitSample> samples) {
  if (!is_expected_ && profile_.label_set_count() >= kManySets) {
    profile_.expect_label_sets(expected_sets_);
    is_expected_ = true;
  }
  // Written where they stay when they are new, which nearly all of them are.
  size_t written = 0;
  for (size_t i = 0; i < lists.size(); ++i) {
    const SplitSample &sample = samples[lists[i].sample];
    NewSet &set = new_sets_[i];
    set.first_label = written;
    const size_t most = sample.labels_size / kSmallestLabel;
    Label *out = nullptr;
    const Label *last = nullptr;
    if (most <= decoder_.options_.context.limits.max_stack_depth) {
      out = profile_.spare_labels(written + most) + written;
      last = parse(sample.labels(), sample.end, out);
    }
    if (last == nullptr) {
      const bool good = parse_odd(sample.labels(), sample.end);
      lists[i].id = good ? 0 : ListMemory::kOdd;
      out = profile_.spare_labels(written + labels_.size()) + written;
      last = std::copy(labels_.begin(), labels_.end(), out);
    }
    set.size = static_cast<size_t>(last - out);
    set.hash = profile_.prepare_label_set({out, set.size});
    written += set.size;
  }
  const Label *const spare = profile_.spare_labels(written);
  for (size_t i = 0; i < lists.size(); ++i) {
    NewList &list = lists[i];
    const NewSet &set = new_sets_[i];
    list.settle(list.id != ListMemory::kOdd
                    ? profile_.add_prepared_label_set({spare + set.first_label, set.size}, set.hash)
                    : ListMemory::kOdd);
  }
}

/// Labels as writers lay them out: short messages of a key and a text, or a number and a unit.
/// Returns where they end; nullptr for all else, errors too.
Label *LabelPart::parse(const uint8_t *at, const uint8_t *end, Label *out) const {
  const std::span<const StringId> strings = decoder_.strings_.span();
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
    *out++ = {strings[key], text != 0 ? strings[text] : 0, strings[unit], text != 0 ? 0U : 1U,
              static_cast<int64_t>(number)};
    if (at == end) return out;
  }
  return nullptr;
}

/// Labels that are right but laid out otherwise, or such as are counted. False for errors, which
/// are told when all samples before have been seen, and when there is anything but labels.
bool LabelPart::parse_odd(const uint8_t *at, const uint8_t *end) {
  labels_.clear();
  const LabelOddities before = oddities_;
  try {
    WireReader reader{{at, static_cast<size_t>(end - at)}, origin_};
    WireField field;
    bool only_labels = true;
    while (only_labels && reader.next(field)) {
      only_labels = field.number == kLabels;
      if (only_labels) add_label(field);
    }
    if (only_labels) return true;
  } catch (const Error &) {
    // told by the slow way
  }
  labels_.clear();
  oddities_ = before;
  return false;
}

void LabelPart::add_label(const WireField &message) {
  expect_type(message, WireType::kBytes);
  decoder_.check_depth(labels_.size(), "the labels of a sample", message.offset);
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
