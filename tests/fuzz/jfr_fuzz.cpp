// Any bytes as a recording: split in memory and as a stream (which must agree), every chunk loaded,
// every event walked field by field, numbers, strings and keys followed; nothing may stand outside
// of its event, and each damage has its place. Then as a profile, with options that the last byte
// chooses, and its metrics in all forms.

#include "base/input_stream.hpp"
#include "check_metrics.hpp"
#include "check_profile.hpp"
#include "sources/decode/decode.hpp"
#include "sources/decode/jfr/chunk.hpp"
#include "sources/decode/jfr/recording.hpp"

#include <algorithm>
#include <cstdint>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

using namespace profcore;
using namespace profcore::jfr;

namespace {

constexpr size_t kMostFields = 64;
constexpr size_t kMostEvents = 20'000;

void check_findings(const Findings &findings, uint64_t size) {
  for (const Findings::Found &found : findings.warnings())
    require(found.offset <= size && !found.text.empty());
}

class Walk {
public:
  Walk(const Chunk &chunk, uint64_t chunk_bytes) : chunk_{chunk}, bytes_{chunk_bytes} {}

  void run() {
    uint64_t last = 0;
    size_t events = 0;
    for (const EventAt &event : chunk_.events()) {
      require(event.at >= kHeaderBytes && event.at < bytes_ && event.at > last);
      require(event.type < chunk_.schema().types().size());
      last = event.at;
      if (++events > kMostEvents) continue;
      const EventBody body = chunk_.body(event);
      require(body.at <= body.end && body.end <= chunk_.end());
      value(event.type, body.at, body.end);
      arena_ = {};
    }
    for (TypeIndex type = 0; type < chunk_.schema().types().size(); ++type) pool(type);
  }

private:
  void value(TypeIndex type, const uint8_t *at, const uint8_t *end) {
    const std::vector<Field> &fields = chunk_.schema()[type].fields;
    FieldValue values[kMostFields];
    const std::span<FieldValue> some{values, std::min(fields.size(), kMostFields)};
    const size_t read = chunk_.read_fields(type, at, end, some);
    require(read <= some.size());
    const uint8_t *last = at;
    for (size_t i = 0; i < some.size(); ++i) {
      const FieldValue &field = some[i];
      require((field.at != nullptr) == (i < read));
      if (field.at == nullptr) continue;
      require(field.at >= last && field.at <= end);
      last = field.at;
      follow(fields[i], field, end);
    }
  }

  void follow(const Field &field, const FieldValue &value, const uint8_t *end) {
    (void)chunk_.canonical(field, value.number);
    if (field.form == Form::kKey) (void)chunk_.text_of(field.type, value.number, arena_);
    if (field.is_array || field.in_pool || field.type == kNoType) return;
    if (chunk_.schema()[field.type].primitive != Primitive::kString) return;
    const uint8_t *const after = skip_string(value.at, end, chunk_.header().compressed());
    require(after != nullptr && after <= end);
    (void)chunk_.string_at(value.at, arena_);
  }

  void pool(TypeIndex type) {
    const Pool &pool = chunk_.pool(type);
    const std::span<const Type> types = chunk_.schema().types();
    for (size_t i = 0; i < std::min(pool.size(), kMostEvents); ++i) {
      const uint8_t *const at = chunk_.find(type, pool.key(i));
      require(at != nullptr && at > chunk_.begin() && at <= chunk_.end());
      require(chunk_.schema().skip(type, at, chunk_.end()) != nullptr);
      if (!types[type].fields.empty()) value(type, at, chunk_.end());
      (void)chunk_.text_of(type, pool.key(i), arena_);
      arena_ = {};
    }
  }

  const Chunk &chunk_;
  uint64_t bytes_;
  Arena arena_;
};

struct Piece {
  uint64_t offset;
  uint64_t size;
  bool is_whole;
  bool operator==(const Piece &) const = default;
};

void load(const ChunkBytes &bytes, uint64_t size, bool strict) {
  try {
    const Chunk chunk = Chunk::load(bytes.bytes, bytes.offset, bytes.is_whole, {}, strict);
    check_findings(chunk.findings(), size);
    require(!strict || chunk.findings().warnings().empty());
    Walk{chunk, bytes.bytes.size()}.run();
  } catch (const Error &error) {
    require(error.status() == Status::kMalformed || error.status() == Status::kUnsupported);
    require(!error.message().empty() && error.offset() <= size);
  }
}

std::vector<Piece> split(std::span<const uint8_t> input) {
  std::vector<Piece> pieces;
  Findings findings;
  ChunkSplitter splitter{input, 0, findings};
  ChunkBytes chunk;
  while (splitter.next(chunk)) {
    require(!chunk.bytes.empty() && chunk.offset + chunk.bytes.size() <= input.size());
    require(pieces.empty() || chunk.offset >= pieces.back().offset + pieces.back().size);
    pieces.push_back({chunk.offset, chunk.bytes.size(), chunk.is_whole});
    load(chunk, input.size(), false);
    load(chunk, input.size(), true);
  }
  check_findings(findings, input.size());
  return pieces;
}

std::vector<Piece> stream(std::span<const uint8_t> input, size_t head) {
  const int fd = ::memfd_create("jfr", MFD_CLOEXEC);
  require(fd >= 0 && ::write(fd, input.data(), input.size()) == std::ssize(input));
  ::lseek(fd, static_cast<off_t>(head), SEEK_SET);
  std::vector<Piece> pieces;
  {
    const Context context;
    InputStream file = InputStream::borrow(fd, "jfr", context);
    Findings findings;
    PodVector<uint8_t> start;
    start.append(input.first(head));
    ChunkStream chunks{std::move(start), file, context, findings};
    PodVector<uint8_t> buffer;
    ChunkBytes chunk;
    while (chunks.next(buffer, chunk)) {
      require(std::ranges::equal(chunk.bytes, input.subspan(chunk.offset, chunk.bytes.size())));
      pieces.push_back({chunk.offset, chunk.bytes.size(), chunk.is_whole});
    }
    check_findings(findings, input.size());
  }
  ::close(fd);
  return pieces;
}

/// A sidecar of Pyroscope's: contexts 1 and 2 have the labels region=eu and region=us.
constexpr uint8_t kContextLabels[] = {
    0x0a, 0x0a, 0x08, 0x01, 0x12, 0x06, 0x0a, 0x04, 0x08, 0x01, 0x10, 0x02, // context 1
    0x0a, 0x0a, 0x08, 0x02, 0x12, 0x06, 0x0a, 0x04, 0x08, 0x01, 0x10, 0x03, // context 2
    0x12, 0x0a, 0x08, 0x01, 0x12, 0x06, 'r',  'e',  'g',  'i',  'o',  'n',  // strings
    0x12, 0x06, 0x08, 0x02, 0x12, 0x02, 'e',  'u',                          //
    0x12, 0x06, 0x08, 0x03, 0x12, 0x02, 'u',  's'};

DecodeOptions options_of(std::span<const uint8_t> input, uint8_t how) {
  DecodeOptions options;
  // What it takes is in proportion to the input, or refused.
  options.context.limits.tighten_result(Limits::scaled(64, input.size()), "max_result_ratio");
  options.jfr.compat = (how & 1) != 0 ? JfrCompat::kPyroscope : JfrCompat::kNone;
  options.jfr.normalize_names = (how & 2) != 0;
  options.jfr.class_frames = (how & 4) != 0;
  options.jfr.metrics = (how & 8) == 0;
  options.strict = (how & 0x70) == 0x70;
  if ((how & 0x10) != 0) options.jfr.context_labels = kContextLabels;
  if ((how & 0x30) == 0x30) options.jfr.context_labels = input.last(input.size() / 2);
  if ((how & 0x80) != 0) options.jfr.sample_rate = uint64_t{1} << (how >> 1 & 63);
  return options;
}

void check_profile(std::span<const uint8_t> input, const DecodeOptions &options) {
  try {
    const Profile profile = decode_jfr(input, options);
    require_consistent(profile);
    for (const Warning &warning : profile.warnings())
      require(warning.offset == kNoOffset || warning.offset <= input.size());
    require(!options.strict || profile.warnings().empty() ||
            profile.counter("lost_bytes") + profile.counter("lost_chunks") == 0);
    require((profile.jvm_facts != nullptr) == options.jfr.metrics);
    if (options.jfr.metrics) check_metrics(profile);
  } catch (const Error &error) {
    require(error.status() == Status::kMalformed || error.status() == Status::kUnsupported ||
            error.status() == Status::kLimit);
    require(!error.message().empty());
    require(error.offset() == kNoOffset || error.offset() <= input.size());
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::span<const uint8_t> input{data, size};
  const std::vector<Piece> pieces = split(input);
  require(stream(input, std::min<size_t>(size, size % 200)) == pieces);
  const uint8_t how = size == 0 ? 0 : data[size - 1];
  check_profile(input, options_of(input, 2));
  check_profile(input, options_of(input, how));
  return 0;
}
