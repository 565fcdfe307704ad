#pragma once

#include "sources/decode/pprof/decoder.hpp"
#include "sources/decode/pprof/raw_cache.hpp"

#include <array>
#include <span>
#include <vector>

namespace profcore::pprof {

/// Field numbers of a sample.
enum SampleField : uint32_t { kLocationIds = 1, kValues = 2, kLabels = 3 };

/// A sample whose parts are found, but not read.
struct SplitSample {
  /// As `stack_size`: laid out in an unusual way, or wrong, to be read field by field.
  static constexpr uint32_t kOdd = UINT32_MAX;

  const uint8_t *begin; ///< its location ids, from their first tag
  const uint8_t *end;
  uint32_t stack_size;
  uint32_t labels_size; ///< what stands behind the values, up to `end`
  Fingerprint stack_print;
  Fingerprint labels_print;

  bool is_odd() const noexcept { return stack_size == kOdd; }
  const uint8_t *labels() const noexcept { return end - labels_size; }
};

/// A sample left alone by the quick way.
struct SlowSample {
  const uint8_t *begin;
  const uint8_t *end;
  size_t row;

  bool operator<(const SlowSample &other) const noexcept { return row < other.row; }
};

/// Stage one: samples -> their parts, and values into their columns. Blocks need nothing of each
/// other and may be split in any order, by several threads.
class SampleSplitter {
public:
  explicit SampleSplitter(Decoder &decoder);

  /// Returns how many samples the block has; there is room for kBlock.
  size_t split(size_t block, SplitSample *samples) const;

private:
  void split(std::span<const uint8_t> bytes, SplitSample &sample, size_t row) const noexcept;
  const uint8_t *split_values(const uint8_t *at, const uint8_t *end, size_t row) const noexcept;

  const Decoder &decoder_;
  const uint8_t *end_; ///< of the input: how far a load may look ahead
  Fingerprinter prints_;
  std::vector<int64_t *> columns_;
};

/// A list of the block at hand whose bytes are not remembered.
struct NewList {
  uint32_t sample; ///< of the block
  uint32_t id;
  RawCache::Slot *slot; ///< nullptr when it will not be remembered either

  void settle(uint32_t given) noexcept {
    id = given;
    if (slot != nullptr) slot->set_id(given);
  }
};

/// Tells the lists of a block that were seen before from new ones. The same list met twice in a
/// block is new once: until its id is known, its place among the new ones stands for it.
class ListMemory {
public:
  static constexpr uint32_t kOdd = UINT32_MAX - 1; ///< for lists to be read field by field

  void reserve_more(size_t lists) { cache_.reserve_more(lists); }
  /// All ids given so far are below `next_id`. The new lists are then to be given their ids, in
  /// order.
  template <uint32_t SplitSample::*kSize, Fingerprint SplitSample::*kPrint>
  std::span<NewList> look_up(std::span<const SplitSample> samples, uint32_t next_id,
                             std::span<uint32_t> ids);
  /// When the new ones have got their ids: sets those of the samples that wait for them.
  void settle(std::span<const SplitSample> samples, size_t first_row, std::span<uint32_t> ids,
              std::vector<SlowSample> &slow);

  size_t bytes() const noexcept { return cache_.bytes(); }

private:
  void judge() noexcept;

  RawCache cache_;
  std::array<NewList, kBlock> new_;
  std::array<uint32_t, kBlock> waiting_; ///< samples without an id
  size_t waiting_count_ = 0;
  uint32_t next_id_ = 0;
  uint64_t looked_up_ = 0;
  bool given_up_ = false; ///< the cache did not earn its memory
};

template <uint32_t SplitSample::*kSize, Fingerprint SplitSample::*kPrint>
std::span<NewList> ListMemory::look_up(std::span<const SplitSample> samples, uint32_t next_id,
                                       std::span<uint32_t> ids) {
  constexpr size_t kAhead = 16; ///< look-ups under way
  if (next_id >= kOdd - kBlock)
    throw Error{Status::kLimit, "more distinct stacks or label sets than ids"};
  if (!given_up_) cache_.reserve_more(samples.size());
  next_id_ = next_id;
  size_t found_new = 0;
  size_t waiting = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    if (i + kAhead < samples.size() && !given_up_) cache_.prefetch(samples[i + kAhead].*kPrint);
    const SplitSample &sample = samples[i];
    const auto at = static_cast<uint32_t>(i);
    uint32_t id = 0;
    if (sample.is_odd()) [[unlikely]] {
      id = kOdd;
    } else if (sample.*kSize != 0) {
      const auto place = static_cast<uint32_t>(next_id + found_new);
      if (given_up_ || sample.*kSize > Fingerprinter::kMaxBytes) {
        new_[found_new++] = {at, 0, nullptr};
        id = place;
      } else {
        RawCache::Slot &slot = cache_.find_or_insert(sample.*kPrint, place);
        ++looked_up_;
        id = slot.id();
        if (id == place) new_[found_new++] = {at, 0, &slot};
      }
    }
    ids[i] = id;
    waiting_[waiting] = at;
    waiting += id >= next_id ? 1 : 0;
  }
  waiting_count_ = waiting;
  return {new_.data(), found_new};
}

/// Stage two of the location ids: -> stacks of the trie. Touches nothing else of the profile.
/// Blocks come in their order.
class StackPart {
public:
  explicit StackPart(Decoder &decoder)
      : decoder_{decoder}, stacks_{decoder.profile_.stacks}, end_{decoder.input_.data() +
                                                                  decoder.input_.size()} {}

  /// `samples` are due: rather a little too much at once than growing step by step.
  void expect(uint64_t samples) {
    memory_.reserve_more(samples / 4);
    stacks_.reserve_index(samples / 8);
  }
  /// Finds or makes the stack of every sample that is not odd; one whose ids are not right is slow
  /// too.
  void resolve(std::span<const SplitSample> samples, size_t first_row, std::span<StackId> stacks);

  const std::vector<SlowSample> &slow() const noexcept { return slow_; }
  size_t own_bytes() const noexcept {
    return memory_.bytes() + slow_.capacity() * sizeof(SlowSample);
  }

private:
  static constexpr size_t kSideBySide = 128;  ///< new stacks that are walked together
  static constexpr size_t kManyIds = 1 << 14; ///< and so many ids at most, but for one stack

  bool decode_ids(const uint8_t *at, const uint8_t *end);
  void add(std::span<NewList> lists);

  Decoder &decoder_;
  StackTrie &stacks_;
  const uint8_t *end_; ///< of the input: how far a load may look ahead
  ListMemory memory_;
  PodVector<LocationId> ids_; ///< the lists that are walked together, each leaf first
  std::array<size_t, kSideBySide> id_ends_;
  std::array<StackTrie::Walk, kSideBySide> walks_;
  std::vector<SlowSample> slow_;
};

/// Stage two of the labels: -> label sets. Touches nothing else of the profile. Blocks come in
/// their order.
class LabelPart {
public:
  explicit LabelPart(Decoder &decoder)
      : decoder_{decoder}, profile_{decoder.profile_}, origin_{decoder.input_.data()},
        end_{origin_ + decoder.input_.size()} {}

  /// As for stacks; but for the sets only when there are many, since their memory is the profile's.
  void expect(uint64_t samples) {
    memory_.reserve_more(samples / 4);
    expected_sets_ = samples / 4;
  }
  void resolve(std::span<const SplitSample> samples, size_t first_row, std::span<LabelSetId> sets);

  /// For samples read field by field: every error is thrown.
  void begin_slowly() noexcept { labels_.clear(); }
  void add_slowly(const WireField &label) { add_label(label); }
  LabelSetId finish_slowly() { return profile_.add_label_set(labels_); }

  const std::vector<SlowSample> &slow() const noexcept { return slow_; }
  /// With what the profile holds of labels.
  size_t bytes() const noexcept {
    return profile_.label_bytes() + memory_.bytes() + slow_.capacity() * sizeof(SlowSample);
  }
  const LabelOddities &oddities() const noexcept { return oddities_; }

private:
  static constexpr size_t kSideBySide = 64; ///< new lists whose sets are looked up together
  static constexpr size_t kManySets = 4096;
  static constexpr size_t kSmallestLabel = 4; ///< bytes, of those that `parse` takes

  Label *parse(const uint8_t *at, const uint8_t *end, Label *out) const;
  bool parse_odd(const uint8_t *at, const uint8_t *end);
  void add_label(const WireField &message);
  void add(std::span<NewList> lists, std::span<const SplitSample> samples);

  struct NewSet {
    size_t first_label;
    size_t size;
    uint64_t hash;
  };

  Decoder &decoder_;
  Profile &profile_;
  const uint8_t *origin_;
  const uint8_t *end_;
  ListMemory memory_;
  std::vector<Label> labels_; ///< of a list that `parse` does not take
  size_t expected_sets_ = 0;
  bool is_expected_ = false;
  std::array<NewSet, kSideBySide> new_sets_;
  LabelOddities oddities_;
  std::vector<SlowSample> slow_;
};

} // namespace profcore::pprof
