#pragma once

#include "sources/decode/pprof/decoder.hpp"
#include "sources/decode/pprof/raw_cache.hpp"

#include <array>
#include <span>
#include <vector>

namespace profcore::pprof {

constexpr size_t kBatch = 64; ///< samples that go through side by side

/// A sample of the batch at hand.
struct PendingSample {
  const uint8_t *begin;
  const uint8_t *end;
  const uint8_t *stack; ///< from the first tag of the location ids
  const uint8_t *labels;
  uint32_t stack_size;
  uint32_t labels_size;
  Fingerprint stack_print;
  Fingerprint labels_print;
  bool slow; ///< laid out in an unusual way, or wrong: to be read field by field
};

/// One that `split` and the parts left alone.
struct SlowSample {
  const uint8_t *begin;
  const uint8_t *end;
  size_t row;

  bool operator<(const SlowSample &other) const noexcept { return row < other.row; }
};

/// A cache that is given up when it does not earn its memory.
class JudgedCache {
public:
  bool takes(size_t size) const noexcept { return !given_up_ && size <= Fingerprinter::kMaxBytes; }
  void prefetch(Fingerprint print) const noexcept { cache_.prefetch(print); }
  uint32_t find(Fingerprint print) noexcept {
    ++looked_up_;
    const uint32_t known = cache_.find(print);
    found_ += known != RawCache::kNotFound ? 1 : 0;
    return known;
  }
  void reserve(size_t entries) { cache_.reserve(entries); }
  void insert(Fingerprint print, uint32_t id) { cache_.insert(print, id); }
  void judge() noexcept {
    constexpr uint64_t kTrial = UINT64_C(1) << 17; // look-ups before the verdict
    if (looked_up_ < kTrial || given_up_ || found_ * 32 >= looked_up_) return;
    given_up_ = true;
    cache_.release();
  }
  size_t bytes() const noexcept { return cache_.bytes(); }

private:
  RawCache cache_;
  uint64_t looked_up_ = 0;
  uint64_t found_ = 0;
  bool given_up_ = false;
};

/// The location ids of samples -> stacks of the trie. Touches nothing else of the profile.
class StackPart {
public:
  explicit StackPart(Decoder &decoder)
      : decoder_{decoder}, stacks_{decoder.profile_.stacks}, end_{decoder.input_.data() +
                                                                  decoder.input_.size()} {}

  /// `samples` are due: rather a little too much at once than growing step by step.
  void expect(uint64_t samples) {
    cache_.reserve(samples / 4);
    stacks_.reserve_index(samples / 8);
  }
  /// Starts the look-up of a sample, which `resolve` ends.
  void announce(PendingSample &sample) noexcept {
    if (!cache_.takes(sample.stack_size)) return;
    sample.stack_print = prints_.of(sample.stack, sample.stack_size, end_);
    cache_.prefetch(sample.stack_print);
  }
  /// Finds or makes the stack of every sample that is not slow; one whose ids are not right becomes
  /// slow.
  void resolve(std::span<PendingSample> samples, std::span<StackId> stacks);

  /// For samples read field by field: one id after the other, leaf first, every error thrown.
  void begin_slowly() noexcept { slow_ids_.clear(); }
  void add_slowly(uint64_t id, uint64_t offset);
  StackId finish_slowly() { return stacks_.add_leaf_first(slow_ids_.span()); }

  size_t cache_bytes() const noexcept { return cache_.bytes(); }

private:
  struct NewStack {
    size_t sample; ///< of the batch
    size_t first_id;
    size_t depth;
  };

  bool decode_ids(const uint8_t *at, const uint8_t *end);

  Decoder &decoder_;
  StackTrie &stacks_;
  const uint8_t *end_; ///< of the input: how far a load may look ahead
  Fingerprinter prints_;
  JudgedCache cache_;
  PodVector<LocationId> ids_; ///< the new lists of a batch, each leaf first
  PodVector<LocationId> slow_ids_;
  std::array<NewStack, kBatch> new_stacks_;
  std::array<StackTrie::Walk, kBatch> walks_;
};

/// The labels of samples -> label sets. Touches nothing else of the profile.
class LabelPart {
public:
  explicit LabelPart(Decoder &decoder)
      : decoder_{decoder}, profile_{decoder.profile_}, origin_{decoder.input_.data()},
        end_{origin_ + decoder.input_.size()} {}

  void announce(PendingSample &sample) noexcept {
    if (!cache_.takes(sample.labels_size)) return;
    sample.labels_print = prints_.of(sample.labels, sample.labels_size, end_);
    cache_.prefetch(sample.labels_print);
  }
  void resolve(std::span<PendingSample> samples, std::span<LabelSetId> sets);

  void begin_slowly() noexcept { labels_.clear(); }
  void add_slowly(const WireField &label) { add_label(label, 0); }
  LabelSetId finish_slowly() { return profile_.add_label_set(labels_); }

  size_t bytes() const noexcept { return profile_.label_bytes() + cache_.bytes(); }
  const LabelOddities &oddities() const noexcept { return oddities_; }

private:
  struct NewLabels {
    size_t sample;
    size_t first_label;
    size_t size;
    uint64_t hash;
  };

  bool parse(const uint8_t *at, const uint8_t *end);
  bool parse_odd(const PendingSample &sample);
  void add_label(const WireField &message, size_t first_label);

  Decoder &decoder_;
  Profile &profile_;
  const uint8_t *origin_;
  const uint8_t *end_;
  Fingerprinter prints_;
  JudgedCache cache_;
  std::vector<Label> labels_; ///< the new lists of a batch
  LabelOddities oddities_;
  std::array<NewLabels, kBatch> new_labels_;
};

} // namespace profcore::pprof
