// The samples of a profile.proto message.
//
// A large profile is its samples, and a sample is a list of location ids, the values and labels.
// Four things keep the cost of one near the cost of reading its bytes:
//
// - Lists repeat. The raw bytes of the location list, and of everything behind the values, are
//   fingerprinted and looked up in tables of what was decoded before (RawCache); a repeated sample
//   never has its ids decoded. Samples go through in batches, so that the misses overlap.
// - A new list is decoded without branches on varint lengths. The new ones of a batch are walked
//   into the trie side by side, again because of the misses; behind the first new node of a stack
//   everything is new and is appended without a look-up.
// - Values go straight into their columns.
// - Stacks need nothing of labels and values, and the other way round, so a second thread, where
//   the caller allows one, takes one half of the work: both threads hop over the same samples and
//   each does its part, StackPart or LabelPart, without a lock or a hand-over. Every id is the one
//   that a single thread gives. Cutting the samples in the middle instead, which would serve more
//   than two threads, costs a merge of two tries, which is as slow as what it saves here.
//
// A sample whose fields stand in another order, or that fails any check, is read again field by
// field by `read_slowly`, which either finds it good or says what is wrong and where.
//
// Where hardly any list repeats (profiles aggregated by stack), remembering each would only cost
// memory: after a trial the table is given up.

#include "sources/decode/pprof/sample_parts.hpp"

#include <algorithm>
#include <exception>
#include <fmt/format.h>
#include <iterator>
#include <pthread.h>
#include <signal.h>

namespace profcore::pprof {
namespace {

constexpr uint64_t kReportEvery = UINT64_C(1) << 20;  ///< bytes
constexpr uint64_t kWorthAThread = UINT64_C(1) << 20; ///< bytes of samples

} // namespace

/// kStacks, kLabels (and values) or both: what this reader does of each sample.
enum Parts : unsigned { kStacks = 1, kLabels = 2, kWhole = 3 };

template <unsigned kParts> class SampleReader {
public:
  explicit SampleReader(Decoder &decoder)
      : decoder_{decoder}, profile_{decoder.profile_}, origin_{decoder.input_.data()},
        end_{origin_ + decoder.input_.size()}, stacks_{decoder}, labels_{decoder} {
    for (size_t i = 0; i < profile_.sample_types().size(); ++i)
      columns_.push_back(profile_.values(i).data());
  }

  void run();
  /// Of `run`, in order: not read yet.
  std::vector<SlowSample> take_slow() noexcept { return std::move(slow_); }
  /// Fields in any order, lists in any number of pieces; every error in a sample is found here.
  void read_slowly(const SlowSample &sample);
  const LabelOddities &oddities() const noexcept { return labels_.oddities(); }

private:
  static constexpr bool kDoesStacks = (kParts & kStacks) != 0;
  static constexpr bool kDoesLabels = (kParts & kLabels) != 0;

  bool split(PendingSample &sample, size_t row) noexcept;
  const uint8_t *split_values(const uint8_t *at, const uint8_t *end, size_t row) noexcept;
  void resolve_batch(size_t first_row, size_t count);
  void check_bytes() const;

  Decoder &decoder_;
  Profile &profile_;
  const uint8_t *origin_;
  const uint8_t *end_; ///< of the input: how far a load may look ahead
  StackPart stacks_;
  LabelPart labels_;
  std::array<PendingSample, kBatch> pending_;
  std::vector<SlowSample> slow_;
  std::vector<int64_t *> columns_;
  std::vector<int64_t> values_;
};

/// Finds the parts of a sample that is laid out as writers do it: ids, values, labels. The values
/// are stored at once. False: let `read_slowly` see.
template <unsigned kParts>
bool SampleReader<kParts>::split(PendingSample &sample, size_t row) noexcept {
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

  at = split_values(at, end, row);
  if (at == nullptr) return false;
  sample.labels = at;
  sample.labels_size = static_cast<uint32_t>(end - at);
  // Nothing but labels may follow: another list of ids would belong to the stack.
  while (at != end) {
    if (end - at < 2 || at[0] != 0x1a || at[1] >= 0x80 || at[1] > end - at - 2) return false;
    at += 2 + at[1];
  }
  return true;
}

template <unsigned kParts>
const uint8_t *SampleReader<kParts>::split_values(const uint8_t *at, const uint8_t *end,
                                                  size_t row) noexcept {
  uint64_t number = 0;
  if (at != end && *at == 0x12) {
    at = wire::read_varint(at + 1, end_, number);
    if (at == nullptr || at > end || number > static_cast<uint64_t>(end - at)) return nullptr;
    const uint8_t *const values_end = at + number;
    if constexpr (!kDoesLabels) return values_end; // the other thread checks
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
    if constexpr (kDoesLabels) column[row] = static_cast<int64_t>(number);
  }
  return at;
}

template <unsigned kParts> void SampleReader<kParts>::run() {
  const Scan &scan = decoder_.scan_;
  size_t row = 0;
  size_t filled = 0;
  uint64_t next_report = decoder_.offset_of(scan.samples.begin) + kReportEvery;
  if constexpr (kDoesStacks) stacks_.expect(scan.samples.count);
  const auto flush = [&] {
    resolve_batch(row, filled);
    row += filled;
    filled = 0;
  };
  const auto add = [&](std::span<const uint8_t> bytes) {
    PendingSample &sample = pending_[filled];
    sample.begin = bytes.data();
    sample.end = bytes.data() + bytes.size();
    sample.slow = !split(sample, row + filled);
    if (!sample.slow) {
      if constexpr (kDoesStacks) stacks_.announce(sample);
      if constexpr (kDoesLabels) labels_.announce(sample);
    }
    if (++filled < kBatch) return true;
    flush();
    const uint64_t offset = decoder_.offset_of(sample.end);
    if (offset >= next_report) {
      if (decoder_.stop_.load(std::memory_order_relaxed)) return false;
      check_bytes();
      if constexpr (kDoesStacks) decoder_.options_.context.report(offset, decoder_.input_.size());
      next_report = offset + kReportEvery;
    }
    return true;
  };

  WireReader reader{{scan.samples.begin, scan.samples.end}, origin_};
  WireField field;
  std::span<const uint8_t> bytes;
  while (!reader.at_end()) {
    while (reader.next_message(kSampleTag, bytes))
      if (!add(bytes)) return;
    if (reader.next(field) && field.number == kSample && !add(field.bytes)) return;
  }
  flush();
  check_bytes();
}

template <unsigned kParts> void SampleReader<kParts>::check_bytes() const {
  const uint64_t own = slow_.capacity() * sizeof(SlowSample);
  if constexpr (kDoesLabels) decoder_.publish_label_bytes(labels_.bytes());
  if constexpr (kDoesStacks)
    decoder_.check_result_size(own + stacks_.cache_bytes());
  else
    decoder_.check_label_size(own);
}

template <unsigned kParts>
void SampleReader<kParts>::resolve_batch(size_t first_row, size_t count) {
  const std::span<PendingSample> samples{pending_.data(), count};
  if constexpr (kDoesLabels)
    labels_.resolve(samples, profile_.sample_label_sets().subspan(first_row, count));
  if constexpr (kDoesStacks)
    stacks_.resolve(samples, profile_.sample_stacks().subspan(first_row, count));
  for (size_t i = 0; i < count; ++i)
    if (samples[i].slow) [[unlikely]]
      slow_.push_back({samples[i].begin, samples[i].end, first_row + i});
}

template <unsigned kParts> void SampleReader<kParts>::read_slowly(const SlowSample &sample) {
  stacks_.begin_slowly();
  labels_.begin_slowly();
  values_.clear();
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
      each([&](uint64_t id, uint64_t offset) { stacks_.add_slowly(id, offset); });
      break;
    case 2:
      each([&](uint64_t value, uint64_t) { values_.push_back(static_cast<int64_t>(value)); });
      break;
    case 3:
      labels_.add_slowly(field);
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
  for (size_t i = 0; i < columns_.size(); ++i) columns_[i][sample.row] = values_[i];
  profile_.sample_stacks()[sample.row] = stacks_.finish_slowly();
  profile_.sample_label_sets()[sample.row] = labels_.finish_slowly();
}

namespace {

/// Called when there are fewer bytes than values due: one of the samples must be short.
[[noreturn]] void explain_short_samples(const Scan &scan, size_t types, const uint8_t *origin) {
  WireReader samples{{scan.samples.begin, scan.samples.end}, origin};
  WireField message;
  while (samples.next(message)) {
    if (message.number != kSample) continue;
    uint64_t values = 0;
    WireReader reader{message.bytes, origin};
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
  }
  throw Error{Status::kInternal, "samples are shorter than their values"};
}

/// A thread of the host's process that gets none of its signals. Not std::thread, which may end the
/// process.
class HelperThread {
public:
  HelperThread() = default;
  HelperThread(const HelperThread &) = delete;
  HelperThread &operator=(const HelperThread &) = delete;
  ~HelperThread() { join(); }

  /// False when there is no thread to be had: the caller does the work alone. `Work` is called with
  /// `work`, which outlives the thread, and does not throw.
  template <class Work> bool start(Work &work) noexcept {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) return false;
    const auto run = [](void *given) -> void * {
      (*static_cast<Work *>(given))();
      return nullptr;
    };
    running_ = pthread_create(&thread_, nullptr, run, &work) == 0;
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return running_;
  }
  void join() noexcept {
    if (running_) pthread_join(thread_, nullptr);
    running_ = false;
  }

private:
  pthread_t thread_{};
  bool running_ = false;
};

} // namespace

/// One reader on its own: what it found, or what ended it.
struct SampleReading::Outcome {
  std::vector<SlowSample> slow;
  LabelOddities oddities;
  std::exception_ptr error;

  template <unsigned kParts> void read(Decoder &decoder) noexcept {
    try {
      SampleReader<kParts> reader{decoder};
      reader.run();
      slow = reader.take_slow();
      oddities = reader.oddities();
    } catch (...) {
      error = std::current_exception();
      decoder.stop_.store(true, std::memory_order_relaxed);
    }
  }
};

struct SampleReading::Helper {
  explicit Helper(Decoder &decoder) : decoder_{decoder} {}
  void operator()() noexcept { labels.read<kLabels>(decoder_); }

  Decoder &decoder_;
  Outcome labels;
  HelperThread thread; // joined before what it writes to is gone
};

SampleReading::SampleReading(Decoder &decoder) : decoder_{decoder} {}

SampleReading::~SampleReading() {
  if (helper_) decoder_.stop_.store(true, std::memory_order_relaxed);
}

void SampleReading::start() {
  const Scan &scan = decoder_.scan_;
  const size_t types = decoder_.profile_.sample_types().size();
  // A value takes a byte at least: what the columns take is bounded by the input.
  if (types == 0 || scan.samples.count == 0 || scan.sample_bytes / types < scan.samples.count)
    return;
  decoder_.check_result_size(scan.samples.count * (sizeof(StackId) + sizeof(LabelSetId)) +
                             scan.samples.count * types * sizeof(int64_t));
  decoder_.profile_.append_rows_uninitialized(scan.samples.count);
  if (decoder_.options_.threads < 2 || scan.sample_bytes < kWorthAThread) return;
  decoder_.publish_label_bytes(decoder_.profile_.label_bytes());
  auto helper = std::make_unique<Helper>(decoder_);
  if (helper->thread.start(*helper)) helper_ = std::move(helper);
}

void SampleReading::finish() {
  const Scan &scan = decoder_.scan_;
  const size_t types = decoder_.profile_.sample_types().size();
  if (scan.samples.count == 0) return;
  if (types == 0)
    throw Error{Status::kMalformed, "there are samples but no sample types",
                decoder_.offset_of(scan.samples.begin)};
  if (scan.sample_bytes / types < scan.samples.count)
    explain_short_samples(scan, types, decoder_.input_.data());

  Outcome outcome;
  if (helper_) {
    outcome.read<kStacks>(decoder_);
    helper_->thread.join();
    const std::unique_ptr<Helper> helper = std::move(helper_);
    if (!outcome.error) outcome.error = helper->labels.error;
    if (outcome.error) std::rethrow_exception(outcome.error);
    outcome.oddities = helper->labels.oddities;
    std::vector<SlowSample> both;
    both.reserve(outcome.slow.size() + helper->labels.slow.size());
    std::set_union(outcome.slow.begin(), outcome.slow.end(), helper->labels.slow.begin(),
                   helper->labels.slow.end(), std::back_inserter(both));
    outcome.slow = std::move(both);
  } else {
    outcome.read<kWhole>(decoder_);
    if (outcome.error) std::rethrow_exception(outcome.error);
  }
  if (!outcome.slow.empty()) {
    SampleReader<kWhole> reader{decoder_};
    uint64_t read = 0;
    for (const SlowSample &sample : outcome.slow) {
      reader.read_slowly(sample);
      if ((++read & 0xffff) != 0) continue;
      decoder_.options_.context.report(decoder_.offset_of(sample.begin), decoder_.input_.size());
      decoder_.check_result_size();
    }
    outcome.oddities.add(reader.oddities());
  }
  decoder_.tell(outcome.oddities);
}

} // namespace profcore::pprof
