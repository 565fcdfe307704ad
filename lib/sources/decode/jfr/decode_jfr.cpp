#include "sources/decode/decode.hpp"
#include "sources/decode/jfr/event_mapper.hpp"
#include "sources/decode/jfr/jvm_facts.hpp"
#include "sources/decode/jfr/recording.hpp"

#include <algorithm>
#include <optional>

namespace profcore {
namespace {

/// Chunks come and are gone again; the profile stays. A chunk that cannot be read is a warning when
/// there are others that can, else the error.
class RecordingDecoder {
public:
  explicit RecordingDecoder(const DecodeOptions &options)
      : options_{options}, mapper_{profile_, options} {
    if (options.jfr.metrics) facts_.emplace();
  }

  void add(const jfr::ChunkBytes &bytes) {
    try {
      jfr::Wanted wanted = this->wanted();
      const uint64_t most = options_.context.limits.max_result_bytes;
      wanted.most_bytes = most - std::min<uint64_t>(most, profile_.bytes());
      wanted.limit_name = options_.context.limits.result_limit;
      const jfr::Chunk chunk =
          jfr::Chunk::load(bytes.bytes, bytes.offset, bytes.is_whole, wanted, options_.strict);
      mapper_.add(chunk);
      if (facts_) facts_->add(chunk);
      chunk.findings().tell(profile_);
      ++read_;
    } catch (const Error &error) {
      const bool damaged =
          error.status() == Status::kMalformed || error.status() == Status::kUnsupported;
      if (!damaged || options_.strict) throw;
      profile_.warn(error.message(), error.offset());
      profile_.count("lost_chunks");
      if (!failed_) failed_ = error;
    }
  }
  Profile finish(const jfr::Findings &findings) {
    if (read_ == 0) {
      if (failed_) throw *failed_;
      throw Error{Status::kMalformed,
                  findings.warnings().empty() ? "a recording without a chunk"
                                              : findings.warnings().front().text,
                  findings.warnings().empty() ? 0 : findings.warnings().front().offset};
    }
    findings.tell(profile_);
    mapper_.finish();
    if (facts_) finish_facts();
    return std::move(profile_);
  }

private:
  jfr::Wanted wanted() const {
    jfr::Wanted wanted = mapper_.wanted();
    if (!facts_) return wanted;
    wanted.event = [this, of_samples = std::move(wanted.event)](const jfr::Type &type) {
      return of_samples(type) || facts_->wants_event(type);
    };
    wanted.pool = [this, of_samples = std::move(wanted.pool)](const jfr::Type &type) {
      return of_samples(type) || facts_->wants_pool(type);
    };
    return wanted;
  }
  /// CPU time as the samples have it, which is of no use in Pyroscope's reading.
  void add_cpu_time(JvmFact fact, jfr::Column column) {
    const size_t index = mapper_.index_of(column);
    if (index == SIZE_MAX || options_.jfr.compat != JfrCompat::kNone) return;
    int64_t rows = 0;
    int64_t sum = 0;
    for (const int64_t value : profile_.values(index)) {
      if (value <= 0) continue;
      ++rows;
      if (__builtin_add_overflow(sum, value, &sum)) sum = INT64_MAX;
    }
    if (rows > 0) facts_->add_column(fact, rows, sum);
  }
  void finish_facts() {
    const bool is_async = mapper_.settings().producer == jfr::Producer::kAsyncProfiler;
    add_cpu_time(JvmFact::kCpuTimeSamples, jfr::Column::kCpuTime);
    add_cpu_time(is_async ? JvmFact::kAsyncSamples : JvmFact::kJdkSamples, jfr::Column::kCpu);
    profile_.jvm_facts = std::make_shared<const JvmFacts>(facts_->finish());
    if (facts_->lost_threads() > 0) profile_.count("metrics_threads_lost", facts_->lost_threads());
    if (facts_->unusable_values() > 0)
      profile_.count("metrics_unusable_values", facts_->unusable_values());
  }

  const DecodeOptions &options_;
  Profile profile_;
  jfr::EventMapper mapper_;
  std::optional<jfr::JvmFactReader> facts_;
  std::optional<Error> failed_;
  size_t read_ = 0;
};

} // namespace

Profile decode_jfr(std::span<const uint8_t> bytes, const DecodeOptions &options) {
  jfr::Findings findings{options.strict};
  RecordingDecoder decoder{options};
  jfr::ChunkSplitter splitter{bytes, 0, findings};
  jfr::ChunkBytes chunk;
  while (splitter.next(chunk)) {
    options.context.report(chunk.offset, bytes.size());
    decoder.add(chunk);
  }
  return decoder.finish(findings);
}

Profile decode_jfr(PodVector<uint8_t> head, InputStream &input, const DecodeOptions &options) {
  jfr::Findings findings{options.strict};
  RecordingDecoder decoder{options};
  jfr::ChunkStream stream{std::move(head), input, options.context, findings};
  PodVector<uint8_t> buffer;
  jfr::ChunkBytes chunk;
  while (stream.next(buffer, chunk)) decoder.add(chunk);
  return decoder.finish(findings);
}

bool looks_like_jfr(std::span<const uint8_t> prefix) noexcept {
  constexpr uint8_t kMagic[] = {'F', 'L', 'R', 0};
  return prefix.size() >= sizeof kMagic &&
         std::equal(std::begin(kMagic), std::end(kMagic), prefix.begin());
}

} // namespace profcore
