// The samples of a profile.proto message.
//
// A large profile is its samples, and a sample is a list of location ids, the values and labels.
// Three things keep the cost of one near the cost of reading its bytes:
//
// - Lists repeat. The raw bytes of the location list, and of everything behind the values, are
//   fingerprinted and looked up in tables of what was decoded before (RawCache); a repeated sample
//   never has its ids decoded. Samples go through in batches, so that the misses overlap.
// - A new list is decoded without branches on varint lengths. The new ones of a batch are walked
//   into the trie side by side, again because of the misses; behind the first new node of a stack
//   everything is new and is appended without a look-up.
// - Values go straight into their columns.
//
// A sample whose fields stand in another order, or that fails any check, is read again field by
// field by `read_slowly`, which either finds it good or says what is wrong and where.
//
// Where hardly any list repeats (profiles aggregated by stack), remembering each would only cost
// memory: after a trial the table is given up.

#include "sources/decode/pprof/decoder.hpp"
#include "sources/decode/pprof/raw_cache.hpp"

#include <array>
#include <fmt/format.h>

namespace profcore::pprof {

class SampleDecoder {
public:
  explicit SampleDecoder(Decoder &decoder)
      : decoder_{decoder}, profile_{decoder.profile_}, origin_{decoder.input_.data()},
        end_{origin_ + decoder.input_.size()} {}

  void run();

private:
  static constexpr size_t kBatch = 64;
  static constexpr uint64_t kTrial = UINT64_C(1) << 17; ///< look-ups before a cache is judged

  struct Pending {
    const uint8_t *begin;
    const uint8_t *end;
    const uint8_t *stack; ///< from the first tag of the location ids
    const uint8_t *labels;
    uint32_t stack_size;
    uint32_t labels_size;
    Fingerprint stack_print;
    Fingerprint labels_print;
    bool slow;
  };
  struct NewStack {
    size_t sample; ///< of the batch
    size_t first_id;
    size_t depth;
  };
  struct NewLabels {
    size_t sample;
    size_t first_label;
    size_t size;
    uint64_t hash;
  };
  /// A cache and whether it earns its memory.
  struct Judged {
    uint64_t looked_up = 0;
    uint64_t found = 0;
    bool given_up = false;

    bool use(size_t size) const noexcept { return !given_up && size <= Fingerprinter::kMaxBytes; }
    void judge(RawCache &cache) noexcept {
      if (looked_up < kTrial || given_up || found * 32 >= looked_up) return;
      given_up = true;
      cache.release();
    }
  };

  bool split(Pending &sample, size_t row) noexcept;
  void resolve_batch(size_t first_row, size_t count);
  bool find_stack(const Pending &sample, StackId &stack);
  bool find_labels(Pending &sample, LabelSetId &set);
  bool parse_labels(const uint8_t *at, const uint8_t *end);
  void read_slowly(const Pending &sample, size_t row);
  bool decode_ids(const uint8_t *at, const uint8_t *end);
  void add_id(uint64_t id, uint64_t offset);
  void add_label(const WireField &message);
  [[noreturn]] void explain_short_samples();

  Decoder &decoder_;
  Profile &profile_;
  const uint8_t *origin_;
  const uint8_t *end_; ///< of the input: how far a load may look ahead
  Fingerprinter prints_;
  RawCache stack_cache_, label_cache_;
  Judged stack_trial_, label_trial_;
  std::array<Pending, kBatch> pending_;
  std::vector<int64_t *> columns_;
  std::vector<int64_t> values_;
  std::vector<Label> labels_;
  PodVector<LocationId> ids_; ///< the new lists of a batch, each leaf first
  PodVector<LocationId> slow_ids_;
  std::array<NewStack, kBatch> new_stacks_;
  std::array<NewLabels, kBatch> new_labels_;
  std::array<StackTrie::Walk, kBatch> walks_;
};

/// Finds the parts of a sample that is laid out as writers do it: ids, values, labels. The values
/// are stored at once. False: let `read_slowly` see.
bool SampleDecoder::split(Pending &sample, size_t row) noexcept {
  const uint8_t *at = sample.begin;
  const uint8_t *const end = sample.end;
  uint64_t number = 0;

  sample.stack = at;
  if (at != end && *at == 0x0a) {
    at = wire::read_varint(at + 1, end_, number);
    if (at == nullptr || at > end || number > static_cast<uint64_t>(end - at)) return false;
    at += number;
  } else {
    while (at != end && *at == 0x08) { // unpacked
      at = wire::read_varint(at + 1, end_, number);
      if (at == nullptr || at > end) return false;
    }
  }
  if (at - sample.stack > INT32_MAX || end - at > INT32_MAX) return false;
  sample.stack_size = static_cast<uint32_t>(at - sample.stack);

  if (at != end && *at == 0x12) {
    at = wire::read_varint(at + 1, end_, number);
    if (at == nullptr || at > end || number > static_cast<uint64_t>(end - at)) return false;
    const uint8_t *const values_end = at + number;
    for (int64_t *column : columns_) {
      if (at >= values_end) return false;
      at = wire::read_varint(at, end_, number);
      if (at == nullptr) return false;
      column[row] = static_cast<int64_t>(number);
    }
    if (at != values_end) return false;
  } else {
    for (int64_t *column : columns_) {
      if (at >= end || *at != 0x10) return false;
      at = wire::read_varint(at + 1, end_, number);
      if (at == nullptr || at > end) return false;
      column[row] = static_cast<int64_t>(number);
    }
  }
  sample.labels = at;
  sample.labels_size = static_cast<uint32_t>(end - at);
  return true;
}

void SampleDecoder::run() {
  const Scan &scan = decoder_.scan_;
  if (scan.samples.count == 0) return;
  const size_t types = profile_.sample_types().size();
  if (types == 0)
    throw Error{Status::kMalformed, "there are samples but no sample types",
                decoder_.offset_of(scan.samples.begin)};
  // A value takes a byte at least: what the columns take is bounded by the input.
  if (scan.sample_bytes / types < scan.samples.count) explain_short_samples();
  decoder_.check_result_size(scan.samples.count * (sizeof(StackId) + sizeof(LabelSetId)) +
                             scan.samples.count * types * sizeof(int64_t));
  profile_.append_rows_uninitialized(scan.samples.count);
  for (size_t i = 0; i < types; ++i) columns_.push_back(profile_.values(i).data());

  size_t row = 0;
  size_t filled = 0;
  uint64_t next_report = decoder_.offset_of(scan.samples.begin) + (UINT64_C(1) << 20);
  const auto flush = [&] {
    resolve_batch(row, filled);
    row += filled;
    filled = 0;
  };
  const auto add = [&](std::span<const uint8_t> bytes) {
    Pending &sample = pending_[filled];
    sample.begin = bytes.data();
    sample.end = bytes.data() + bytes.size();
    sample.slow = !split(sample, row + filled);
    if (!sample.slow) {
      if (stack_trial_.use(sample.stack_size)) {
        sample.stack_print = prints_.of(sample.stack, sample.stack_size, end_);
        stack_cache_.prefetch(sample.stack_print);
      }
      if (label_trial_.use(sample.labels_size)) {
        sample.labels_print = prints_.of(sample.labels, sample.labels_size, end_);
        label_cache_.prefetch(sample.labels_print);
      }
    }
    if (++filled == kBatch) {
      flush();
      const uint64_t offset = decoder_.offset_of(sample.end);
      if (offset >= next_report) {
        decoder_.options_.context.report(offset, decoder_.input_.size());
        decoder_.check_result_size(stack_cache_.bytes() + label_cache_.bytes());
        next_report = offset + (UINT64_C(1) << 20);
      }
    }
  };

  WireReader reader{{scan.samples.begin, scan.samples.end}, origin_};
  WireField field;
  std::span<const uint8_t> bytes;
  while (!reader.at_end()) {
    while (reader.next_message(kSampleTag, bytes)) add(bytes);
    if (reader.next(field) && field.number == kSample) add(field.bytes);
  }
  flush();
}

void SampleDecoder::resolve_batch(size_t first_row, size_t count) {
  const std::span<StackId> stacks = profile_.sample_stacks().subspan(first_row, count);
  const std::span<LabelSetId> labels = profile_.sample_label_sets().subspan(first_row, count);
  size_t walking = 0;
  size_t labelled = 0;
  ids_.clear();
  labels_.clear();
  for (size_t i = 0; i < count; ++i) {
    Pending &sample = pending_[i];
    if (!sample.slow) {
      const size_t first = labels_.size();
      if (!find_labels(sample, labels[i])) {
        const size_t size = labels_.size() - first;
        new_labels_[labelled++] = {i, first, size,
                                   profile_.prepare_label_set({labels_.data() + first, size})};
      }
    }
    if (!sample.slow && !find_stack(sample, stacks[i])) {
      const size_t first = ids_.size();
      sample.slow = !decode_ids(sample.stack, sample.stack + sample.stack_size);
      if (!sample.slow) new_stacks_[walking++] = {i, first, ids_.size() - first};
    }
    if (sample.slow) read_slowly(sample, first_row + i);
  }
  for (size_t i = 0; i < labelled; ++i) {
    const NewLabels &added = new_labels_[i];
    const Pending &sample = pending_[added.sample];
    if (sample.slow) continue;
    const LabelSetId set = profile_.add_prepared_label_set(
        {labels_.data() + added.first_label, added.size}, added.hash);
    labels[added.sample] = set;
    if (label_trial_.use(sample.labels_size)) label_cache_.insert(sample.labels_print, set);
  }
  for (size_t i = 0; i < walking; ++i)
    walks_[i] = {ids_.data() + new_stacks_[i].first_id, new_stacks_[i].depth, 0};
  profile_.stacks.find_prefixes({walks_.data(), walking});
  for (size_t i = 0; i < walking; ++i) {
    const Pending &sample = pending_[new_stacks_[i].sample];
    const StackId stack = profile_.stacks.finish(walks_[i]);
    stacks[new_stacks_[i].sample] = stack;
    if (stack_trial_.use(sample.stack_size)) stack_cache_.insert(sample.stack_print, stack);
  }
  stack_trial_.judge(stack_cache_);
  label_trial_.judge(label_cache_);
}

bool SampleDecoder::find_stack(const Pending &sample, StackId &stack) {
  stack = 0;
  if (sample.stack_size == 0) return true;
  if (!stack_trial_.use(sample.stack_size)) return false;
  ++stack_trial_.looked_up;
  const uint32_t known = stack_cache_.find(sample.stack_print);
  if (known == RawCache::kNotFound) return false;
  ++stack_trial_.found;
  stack = known;
  return true;
}

/// A list from its first tag to its end, behind what is in `ids_`. False for any damage.
bool SampleDecoder::decode_ids(const uint8_t *at, const uint8_t *end) {
  const bool packed = *at == 0x0a;
  uint64_t id = 0;
  if (packed) at = wire::read_varint(at + 1, end_, id);
  const size_t first = ids_.size();
  ids_.resize_uninitialized(first + static_cast<size_t>(end - at)); // an id takes a byte at least
  const uint32_t *const dense = decoder_.locations_.dense().data();
  const size_t dense_size = decoder_.locations_.dense().size();
  LocationId *out = ids_.data() + first;
  while (at < end) {
    at = wire::read_id(packed ? at : at + 1, end_, id);
    const LocationId location = at == nullptr     ? IdMap::kAbsent
                                : id < dense_size ? dense[id]
                                                  : decoder_.locations_.find(id);
    if (location == IdMap::kAbsent) {
      ids_.resize_uninitialized(first);
      return false;
    }
    *out++ = location;
  }
  ids_.resize_uninitialized(static_cast<size_t>(out - ids_.data()));
  return at == end && ids_.size() - first <= decoder_.options_.context.limits.max_stack_depth;
}

void SampleDecoder::add_id(uint64_t id, uint64_t offset) {
  const LocationId location = decoder_.locations_.find(id);
  if (location == IdMap::kAbsent)
    throw Error{Status::kMalformed,
                fmt::format("a sample refers to location {}, which is not there", id), offset};
  if (slow_ids_.size() >= decoder_.options_.context.limits.max_stack_depth)
    throw Error{Status::kLimit, "a stack is deeper than the limit", offset};
  slow_ids_.push_back(location);
}

/// False when the labels are not known yet; then they are parsed behind what is in `labels_`. Marks
/// the sample as one for `read_slowly` when its tail is more than labels.
bool SampleDecoder::find_labels(Pending &sample, LabelSetId &set) {
  set = 0;
  if (sample.labels_size == 0) return true;
  if (label_trial_.use(sample.labels_size)) {
    ++label_trial_.looked_up;
    const uint32_t known = label_cache_.find(sample.labels_print);
    if (known != RawCache::kNotFound) {
      ++label_trial_.found;
      set = known;
      return true;
    }
  }
  const size_t first = labels_.size();
  if (parse_labels(sample.labels, sample.labels + sample.labels_size)) return false;
  labels_.resize(first);
  WireReader reader{{sample.labels, sample.labels_size}, origin_};
  WireField field;
  while (reader.next(field)) {
    if (field.number == 3) {
      add_label(field);
    } else if (field.number == 1 || field.number == 2) {
      labels_.resize(first);
      sample.slow = true;
      return true;
    }
  }
  return false;
}

/// Labels as writers lay them out: short messages of a key and a text, or a number and a unit.
/// False for all else, errors too.
bool SampleDecoder::parse_labels(const uint8_t *at, const uint8_t *end) {
  const std::span<const StringId> strings = decoder_.strings_.span();
  while (at < end) {
    if (*at != 0x1a || end - at < 2 || at[1] >= 0x80 || at[1] > end - at - 2) return false;
    const uint8_t *const label_end = at + 2 + at[1];
    at += 2;
    uint64_t fields[4] = {};
    while (at < label_end) {
      const unsigned tag = *at;
      if ((tag & 7) != 0 || tag < 0x08 || tag > 0x20) return false;
      at = wire::read_varint(at + 1, end_, fields[tag / 8 - 1]);
      if (at == nullptr) return false;
    }
    const auto [key, text, number, unit] = fields;
    if (at != label_end || (text != 0) == ((number | unit) != 0)) return false;
    if (key >= strings.size() || text >= strings.size() || unit >= strings.size()) return false;
    labels_.push_back({strings[key], text != 0 ? strings[text] : 0, strings[unit],
                       text != 0 ? 0U : 1U, static_cast<int64_t>(number)});
  }
  return true;
}

void SampleDecoder::add_label(const WireField &message) {
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
    ++decoder_.lost_strings_;
    return;
  }
  label.key = decoder_.string_at(key);
  if (text.index != 0) {
    label.text = decoder_.string_at(text);
    if (label.number != 0 || unit.index != 0)
      decoder_.odd(decoder_.double_labels_, "a label has both text and a number; the text is kept",
                   message.offset);
    label.number = 0;
  } else if (label.number != 0 || unit.index != 0) {
    label.is_number = 1;
    label.unit = decoder_.string_at(unit);
  } else {
    // What is left of a label with the number 0 and no unit, or of an empty text.
    if (decoder_.valueless_labels_++ == 0)
      profile_.warn("labels with neither text nor a number other than 0 are left out",
                    message.offset);
    return;
  }
  labels_.push_back(label);
}

/// Fields in any order, lists in any number of pieces; every error is found here.
void SampleDecoder::read_slowly(const Pending &sample, size_t row) {
  slow_ids_.clear();
  values_.clear();
  const size_t first_label = labels_.size();
  WireReader reader{{sample.begin, sample.end}, origin_};
  WireField field;
  const auto each = [&](auto &&take) {
    if (field.type != WireType::kBytes) {
      expect_type(field, WireType::kVarint);
      return take(field.value, field.offset);
    }
    WireReader packed = reader.inside(field);
    while (!packed.at_end()) {
      const uint64_t offset = packed.offset();
      take(packed.varint(), offset);
    }
  };
  while (reader.next(field)) {
    switch (field.number) {
    case 1:
      each([&](uint64_t id, uint64_t offset) { add_id(id, offset); });
      break;
    case 2:
      each([&](uint64_t value, uint64_t) { values_.push_back(static_cast<int64_t>(value)); });
      break;
    case 3:
      add_label(field);
      break;
    default:
      break;
    }
  }
  if (values_.size() != columns_.size())
    throw Error{Status::kMalformed,
                fmt::format("a sample has {} values where there are {} sample types",
                            values_.size(), columns_.size()),
                decoder_.offset_of(sample.begin)};
  for (size_t i = 0; i < columns_.size(); ++i) columns_[i][row] = values_[i];
  profile_.sample_stacks()[row] = profile_.stacks.add_leaf_first(slow_ids_.span());
  profile_.sample_label_sets()[row] =
      profile_.add_label_set(std::span<const Label>{labels_}.subspan(first_label));
  labels_.resize(first_label);
}

/// Called when there are fewer bytes than values due: one of the samples must be short.
void SampleDecoder::explain_short_samples() {
  const size_t types = profile_.sample_types().size();
  decoder_.for_each(decoder_.scan_.samples, kSample, [&](const WireField &message) {
    uint64_t values = 0;
    WireReader reader{message.bytes, origin_};
    WireField field;
    while (reader.next(field)) {
      if (field.number != 2) continue;
      if (field.type != WireType::kBytes) {
        expect_type(field, WireType::kVarint);
        ++values;
        continue;
      }
      WireReader packed = reader.inside(field);
      for (; !packed.at_end(); ++values) packed.varint();
    }
    if (values != types)
      throw Error{
          Status::kMalformed,
          fmt::format("a sample has {} values where there are {} sample types", values, types),
          message.offset};
  });
  throw Error{Status::kInternal, "samples are shorter than their values"};
}

void read_samples(Decoder &decoder) {
  SampleDecoder{decoder}.run();
}

} // namespace profcore::pprof
