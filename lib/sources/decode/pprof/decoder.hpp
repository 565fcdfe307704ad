#pragma once

#include "base/wire.hpp"
#include "model/profile.hpp"
#include "sources/decode/decode.hpp"
#include "sources/decode/pprof/id_map.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace profcore::pprof {

/// Field numbers of profile.proto.
enum ProfileField : uint32_t {
  kSampleType = 1,
  kSample = 2,
  kMapping = 3,
  kLocation = 4,
  kFunction = 5,
  kStringTable = 6,
  kDropFrames = 7,
  kKeepFrames = 8,
  kTimeNanos = 9,
  kDurationNanos = 10,
  kPeriodType = 11,
  kPeriod = 12,
  kComment = 13,
  kDefaultSampleType = 14,
  kDocUrl = 15,
};

/// The tag of a sample as every writer encodes it; a padded one is found by its number.
constexpr uint8_t kSampleTag = kSample << 3 | static_cast<uint8_t>(WireType::kBytes);

/// Where the messages of one kind lie: other fields may stand between them.
struct Extent {
  const uint8_t *begin = nullptr;
  const uint8_t *end = nullptr;
  uint64_t count = 0;

  void add(const uint8_t *from, const uint8_t *to, uint64_t messages = 1) noexcept {
    if (count == 0) begin = from;
    count += messages;
    end = to;
  }
};

/// A string index as the file has it; checked when the table is known.
struct StringIndex {
  uint64_t index = 0;
  uint64_t offset = 0;
};
struct RawValueType {
  StringIndex type;
  StringIndex unit;
};

constexpr size_t kBlock = 512; ///< samples that go from one stage to the next together

/// What the first pass finds: how many of everything, where, and the small fields.
struct Scan {
  Extent samples, mappings, locations, functions, strings;
  uint64_t sample_bytes = 0;
  uint64_t string_bytes = 0;
  PodVector<const uint8_t *> blocks; ///< where every kBlock-th sample begins, from the first on
  std::vector<RawValueType> sample_types;
  RawValueType period_type;
  std::vector<StringIndex> comments;
  StringIndex drop_frames, keep_frames, default_type, doc_url;
  int64_t time_ns = 0;
  int64_t duration_ns = 0;
  int64_t period = 0;
  bool cut = false; ///< the input ends inside its strings
  uint64_t cut_offset = 0;
};

/// The number of a field known to the schema; throws kMalformed when the wire type is another.
void expect_type(const WireField &field, WireType type);

/// How often something odd was met, and where first.
struct Oddity {
  uint64_t count = 0;
  uint64_t first_offset = UINT64_MAX;

  void note(uint64_t offset) noexcept { add({1, offset}); }
  void add(const Oddity &other) noexcept {
    count += other.count;
    first_offset = std::min(first_offset, other.first_offset);
  }
};

/// What was odd about labels: label lists that are byte for byte the same are counted once.
struct LabelOddities {
  Oddity doubles;   ///< with text and number
  Oddity valueless; ///< with neither
  uint64_t lost_strings = 0;

  void add(const LabelOddities &other) noexcept {
    doubles.add(other.doubles);
    valueless.add(other.valueless);
    lost_strings += other.lost_strings;
  }
};
constexpr const char *kDoubleLabel = "a label has both text and a number; the text is kept";

class Decoder;

/// Decodes all samples into the columns (samples.cpp): what it can begin when the strings are read,
/// and the rest when every table is.
class SampleReading {
public:
  explicit SampleReading(Decoder &decoder);
  ~SampleReading();
  SampleReading(const SampleReading &) = delete;
  SampleReading &operator=(const SampleReading &) = delete;

  void start();
  void finish();

private:
  struct Work;

  Decoder &decoder_;
  std::unique_ptr<Work> work_;
};

class Decoder {
public:
  Decoder(std::span<const uint8_t> input, const DecodeOptions &options)
      : input_{input}, options_{options} {}

  Profile run();

private:
  friend class SampleReading;
  friend class SampleSplitter;
  friend class SlowReader;
  friend class StackPart;
  friend class LabelPart;

  void scan();
  void scan_small_field(const WireField &field);
  bool is_cut_in_strings(uint64_t offset, uint64_t last_field) const;
  RawValueType read_value_type(const WireField &field) const;

  void read_strings();
  void read_mappings();
  void read_functions();
  void read_locations();
  void read_location(const WireField &field);
  void tell(const LabelOddities &oddities);
  void set_metadata();
  void add_sample_types();
  void scale_columns();

  StringId string_at(const StringIndex &index);
  /// Whether the string stood behind the end of an input that was cut.
  bool is_lost(const StringIndex &index) const noexcept {
    return scan_.cut && index.index >= strings_.size() && index.index <= UINT32_MAX;
  }
  /// Something odd that google/pprof lets pass: an error when strict, else counted and warned of.
  void odd(uint64_t &count, const char *text, uint64_t offset);
  /// Two threads may be at work: the calling one, and one that makes labels and their sets.
  void check_result_size(uint64_t more = 0) const;
  void check_label_size(uint64_t more) const;
  void check_size(uint64_t bytes, uint64_t more) const;
  void publish_label_bytes(uint64_t bytes) noexcept {
    label_bytes_.store(bytes, std::memory_order_relaxed);
  }
  /// Bounds what one message may hold.
  void check_depth(size_t size, const char *what, uint64_t offset) const;
  uint64_t offset_of(const uint8_t *at) const noexcept {
    return static_cast<uint64_t>(at - input_.data());
  }
  template <class Visit> void for_each(const Extent &extent, uint64_t number, Visit &&visit);

  std::span<const uint8_t> input_;
  const DecodeOptions &options_;
  Profile profile_;
  Scan scan_;
  PodVector<StringId> strings_;
  IdMap mappings_, functions_, locations_;
  std::vector<Line> lines_;
  PodVector<FrameKind> module_kinds_; ///< per module of the profile
  uint64_t missing_mappings_ = 0;
  uint64_t lost_strings_ = 0;
  mutable std::atomic<uint64_t> label_bytes_{0}, other_bytes_{0};
};

template <class Visit>
void Decoder::for_each(const Extent &extent, uint64_t number, Visit &&visit) {
  if (extent.count == 0) return;
  WireReader reader{{extent.begin, extent.end}, input_.data()};
  WireField field;
  uint64_t next_report = reader.offset() + (UINT64_C(1) << 20);
  while (reader.next(field)) {
    if (field.number == number) visit(field);
    if (reader.offset() >= next_report) {
      options_.context.report(reader.offset(), input_.size());
      check_result_size();
      next_report = reader.offset() + (UINT64_C(1) << 20);
    }
  }
}

/// The call of model/operations.hpp, apart from the rest.
Profile without_dropped_frames(const Profile &profile);

} // namespace profcore::pprof
