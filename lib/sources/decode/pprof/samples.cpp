// The samples of a profile.proto message.
//
// A large profile is its samples, and a sample is a list of location ids, the values and labels.
// Five things keep the cost of one near the cost of reading its bytes:
//
// - Samples go through in blocks, in stages. SampleSplitter finds the parts of each, stores the
//   values in their columns and fingerprints the raw bytes of the location list and of the labels;
//   StackPart and LabelPart turn these into ids. A stage does one thing for many samples, so that
//   the misses of its table overlap.
// - Lists repeat: each part looks the fingerprints up in a table of what was decoded before
//   (ListMemory), and a repeated list is never decoded.
// - The ends of the ids of a new list are found 64 bytes at a time, not one behind the other. The
//   new lists of a block are walked into the trie side by side, again because of the misses; behind
//   the first new node of a stack everything is new and is appended without a look-up.
// - Nothing is done without need: what stands behind the values is only looked at when it is new.
// - A second thread, where the caller allows one, takes the labels, which need nothing of the
//   stacks. Blocks need nothing of each other before StackPart and LabelPart, so whichever thread
//   waits for a block splits one (BlockWindow): that evens out what the two have to do. Every id is
//   the one that a single thread gives, since each part gets the blocks in order. Cutting the
//   samples in the middle instead costs a merge of two tries, which is as slow as what it saves.
//
// Tried and dropped: leading new stacks over their outer 4 or 8 locations by a table of their own
// (the walk gets shorter by what the table costs), buckets of a cache line for the fingerprints.
//
// A sample whose fields stand in another order, or that fails any check, is read again field by
// field by SlowReader, which either finds it good or says what is wrong and where.
//
// Where hardly any list repeats (profiles aggregated by stack), remembering each would only cost
// memory: after a trial the table is given up.

#include "sources/decode/pprof/sample_blocks.hpp"

#include <exception>
#include <fmt/format.h>
#include <iterator>
#include <memory>
#include <pthread.h>
#include <signal.h>

namespace profcore::pprof {

/// Fields in any order, lists in any number of pieces; every error in a sample is found here.
class SlowReader {
public:
  explicit SlowReader(Decoder &decoder)
      : decoder_{decoder}, profile_{decoder.profile_}, origin_{decoder.input_.data()},
        labels_{decoder} {}

  void read(const SlowSample &sample);
  const LabelOddities &oddities() const noexcept { return labels_.oddities(); }

private:
  void add_id(uint64_t id, uint64_t offset);

  Decoder &decoder_;
  Profile &profile_;
  const uint8_t *origin_;
  LabelPart labels_;
  PodVector<LocationId> ids_; ///< leaf first
  std::vector<int64_t> values_;
};

void SlowReader::read(const SlowSample &sample) {
  ids_.clear();
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
    case kLocationIds:
      each([&](uint64_t id, uint64_t offset) { add_id(id, offset); });
      break;
    case kValues:
      each([&](uint64_t value, uint64_t) { values_.push_back(static_cast<int64_t>(value)); });
      break;
    case kLabels:
      labels_.add_slowly(field);
      break;
    default:
      break;
    }
  }
  const size_t types = profile_.sample_types().size();
  if (values_.size() != types)
    throw Error{Status::kMalformed,
                fmt::format("a sample has {} values where there are {} sample types",
                            values_.size(), types),
                decoder_.offset_of(sample.begin)};
  for (size_t i = 0; i < types; ++i) profile_.values(i)[sample.row] = values_[i];
  profile_.sample_stacks()[sample.row] = profile_.stacks.add_leaf_first(ids_.span());
  profile_.sample_label_sets()[sample.row] = labels_.finish_slowly();
}

void SlowReader::add_id(uint64_t id, uint64_t offset) {
  const LocationId location = decoder_.locations_.find(id);
  if (location == IdMap::kAbsent)
    throw Error{Status::kMalformed,
                fmt::format("a sample refers to location {}, which is not there", id), offset};
  if (ids_.size() >= decoder_.options_.context.limits.max_stack_depth)
    throw Error{Status::kLimit, "a stack is deeper than the limit", offset};
  ids_.push_back(location);
}

namespace {

constexpr uint64_t kReportEvery = UINT64_C(1) << 20;  ///< bytes
constexpr uint64_t kWorthAThread = UINT64_C(1) << 20; ///< bytes of samples

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

/// What the two threads have in common, or the one that does all has.
struct SampleReading::Work {
  explicit Work(Decoder &given) : decoder{given}, splitter{given}, stacks{given}, labels{given} {}
  ~Work() {
    if (window) window->stop(); // when another table failed
  }

  void start_helper() {
    window = std::make_unique<BlockWindow>(splitter, decoder.scan_.blocks.size());
    if (!helper.start(*this)) window.reset();
  }
  /// What the helper thread does.
  void operator()() noexcept {
    try {
      labels.expect(decoder.scan_.samples.count);
      window->read(kLabelsReader, [&](std::span<const SplitSample> samples, size_t block) {
        read_labels(samples, block);
      });
    } catch (...) {
      label_error = std::current_exception();
      window->stop();
    }
  }
  void read_beside_helper() {
    window->read(kStacksReader, [&](std::span<const SplitSample> samples, size_t block) {
      read_stacks(samples, block);
    });
    helper.join();
    if (label_error) std::rethrow_exception(label_error);
  }
  void read_alone() {
    labels.expect(decoder.scan_.samples.count);
    PodVector<SplitSample> split;
    split.resize_uninitialized(kBlock);
    for (size_t block = 0; block < decoder.scan_.blocks.size(); ++block) {
      const std::span samples{split.data(), splitter.split(block, split.data())};
      read_labels(samples, block);
      read_stacks(samples, block);
    }
  }

  void read_labels(std::span<const SplitSample> samples, size_t block) {
    labels.resolve(samples, block * kBlock, rows(decoder.profile_.sample_label_sets(), block));
    const uint64_t offset = decoder.offset_of(samples.back().end);
    if (offset < next_label_check) return;
    next_label_check = offset + kReportEvery;
    decoder.publish_label_bytes(labels.bytes());
    decoder.check_label_size(0);
  }
  void read_stacks(std::span<const SplitSample> samples, size_t block) {
    stacks.resolve(samples, block * kBlock, rows(decoder.profile_.sample_stacks(), block));
    const uint64_t offset = decoder.offset_of(samples.back().end);
    if (offset < next_stack_check) return;
    next_stack_check = offset + kReportEvery;
    decoder.check_result_size(stacks.own_bytes());
    decoder.options_.context.report(offset, decoder.input_.size());
  }
  static std::span<uint32_t> rows(std::span<uint32_t> all, size_t block) noexcept {
    return all.subspan(block * kBlock, std::min(kBlock, all.size() - block * kBlock));
  }

  enum Reader : size_t { kStacksReader, kLabelsReader };

  Decoder &decoder;
  SampleSplitter splitter;
  StackPart stacks;
  LabelPart labels;
  uint64_t next_stack_check = 0;
  uint64_t next_label_check = 0;
  std::unique_ptr<BlockWindow> window; ///< only with a helper
  std::exception_ptr label_error;
  HelperThread helper; // joined before what it works on is gone
};

SampleReading::SampleReading(Decoder &decoder) : decoder_{decoder} {}
SampleReading::~SampleReading() = default;

void SampleReading::start() {
  const Scan &scan = decoder_.scan_;
  const size_t types = decoder_.profile_.sample_types().size();
  // A value takes a byte at least: what the columns take is bounded by the input.
  if (types == 0 || scan.samples.count == 0 || scan.sample_bytes / types < scan.samples.count)
    return;
  decoder_.check_result_size(scan.samples.count * (sizeof(StackId) + sizeof(LabelSetId)) +
                             scan.samples.count * types * sizeof(int64_t));
  decoder_.profile_.append_rows_uninitialized(scan.samples.count);
  decoder_.publish_label_bytes(decoder_.profile_.label_bytes());
  work_ = std::make_unique<Work>(decoder_);
  if (decoder_.options_.threads >= 2 && scan.sample_bytes >= kWorthAThread) work_->start_helper();
}

void SampleReading::finish() {
  const Scan &scan = decoder_.scan_;
  const size_t types = decoder_.profile_.sample_types().size();
  if (scan.samples.count == 0) return;
  if (types == 0)
    throw Error{Status::kMalformed, "there are samples but no sample types",
                decoder_.offset_of(scan.samples.begin)};
  if (!work_) explain_short_samples(scan, types, decoder_.input_.data());

  Work &work = *work_;
  work.stacks.expect(scan.samples.count);
  if (work.window)
    work.read_beside_helper();
  else
    work.read_alone();
  decoder_.publish_label_bytes(work.labels.bytes());
  decoder_.check_result_size(work.stacks.own_bytes());
  LabelOddities oddities = work.labels.oddities();
  std::vector<SlowSample> slow;
  slow.reserve(work.stacks.slow().size() + work.labels.slow().size());
  std::set_union(work.stacks.slow().begin(), work.stacks.slow().end(), work.labels.slow().begin(),
                 work.labels.slow().end(), std::back_inserter(slow));
  work_.reset();
  if (!slow.empty()) {
    SlowReader reader{decoder_};
    uint64_t read = 0;
    for (const SlowSample &sample : slow) {
      reader.read(sample);
      if ((++read & 0xffff) != 0) continue;
      decoder_.options_.context.report(decoder_.offset_of(sample.begin), decoder_.input_.size());
      decoder_.check_result_size();
    }
    oddities.add(reader.oddities());
  }
  decoder_.tell(oddities);
}

} // namespace profcore::pprof
