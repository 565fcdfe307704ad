#include "sources/decode/decode.hpp"
#include "sources/decode/jfr/event_mapper.hpp"
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
      : options_{options}, mapper_{profile_, options} {}

  void add(const jfr::ChunkBytes &bytes) {
    try {
      jfr::Wanted wanted = mapper_.wanted();
      const uint64_t most = options_.context.limits.max_result_bytes;
      wanted.most_bytes = most - std::min<uint64_t>(most, profile_.bytes());
      wanted.limit_name = options_.context.limits.result_limit;
      const jfr::Chunk chunk =
          jfr::Chunk::load(bytes.bytes, bytes.offset, bytes.is_whole, wanted, options_.strict);
      mapper_.add(chunk);
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
    return std::move(profile_);
  }

private:
  const DecodeOptions &options_;
  Profile profile_;
  jfr::EventMapper mapper_;
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
