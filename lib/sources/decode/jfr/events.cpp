#include "sources/decode/jfr/events.hpp"

#include "base/mapped_file.hpp"
#include "sources/decode/layers.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace profcore::jfr {
namespace {

bool has_magic(std::span<const uint8_t> bytes) noexcept {
  constexpr uint8_t kMagic[] = {'F', 'L', 'R', 0};
  return bytes.size() >= sizeof kMagic &&
         std::equal(std::begin(kMagic), std::end(kMagic), bytes.begin());
}

void check_magic(std::span<const uint8_t> bytes, uint64_t size, bool inflated) {
  if (has_magic(bytes)) return;
  const SniffResult seen = sniff_plain(bytes.first(std::min(bytes.size(), kSniffBytes)), size);
  throw Error{size == 0 ? Status::kNoData : Status::kUnknownFormat,
              fmt::format("{} {}, not a JFR recording", inflated ? "inflated, this is" : "this is",
                          seen.saw)};
}

Wanted wanted_by(const EventOptions &options) {
  Wanted wanted;
  if (options.only_counts) {
    wanted.event = [](const Type &) { return false; };
    wanted.pool = [](const Type &) { return false; };
  } else if (!options.types.empty()) {
    wanted.event = [&types = options.types](const Type &type) {
      return std::find(types.begin(), types.end(), type.name) != types.end();
    };
  }
  return wanted;
}

} // namespace

EventFields event_fields_of(const Schema &schema, TypeIndex type) noexcept {
  const Type &of = schema[type];
  EventFields found;
  const auto is_plain = [&](const Field &field) { return !field.is_array && !field.in_pool; };
  const auto is_a = [&](const Field &field, std::string_view name) {
    return field.type != kNoType && schema[field.type].name == name && !field.is_array;
  };
  for (uint32_t i = 0; i < of.fields.size(); ++i) {
    const Field &field = of.fields[i];
    const ValueUnit unit = unit_of(field.content);
    if (field.name == "startTime" && is_plain(field) && unit == ValueUnit::kTimestamp)
      found.start = i;
    else if (field.name == "duration" && is_plain(field) && unit == ValueUnit::kNanoseconds)
      found.duration = i;
    else if (is_a(field, "java.lang.Thread") &&
             (field.name == "eventThread" ||
              (field.name == "sampledThread" && found.thread == UINT32_MAX)))
      found.thread = i;
    else if (is_a(field, "jdk.types.StackTrace") &&
             (field.name == "stackTrace" || found.stack == UINT32_MAX))
      found.stack = i;
  }
  return found;
}

EventReader::EventReader(std::span<const uint8_t> bytes, EventOptions options)
    : options_{std::move(options)}, wanted_{wanted_by(options_)}, findings_{options_.strict} {
  const Limits &limits = options_.context.limits;
  if (bytes.size() > limits.max_input_bytes)
    throw Error{Status::kLimit, fmt::format("the input has {} bytes, more than the limit of {}",
                                            bytes.size(), limits.max_input_bytes)};
  start(bytes);
}

EventReader::EventReader(InputStream input, EventOptions options)
    : options_{std::move(options)}, wanted_{wanted_by(options_)}, findings_{options_.strict},
      input_{std::move(input)} {
  const Context &context = options_.context;
  Bytes head;
  head.resize_uninitialized(kSniffBytes);
  size_t filled = 0;
  bool ended = false;
  while (filled < kSniffBytes && !ended) {
    const size_t got = input_->read_some(head.data() + filled, kSniffBytes - filled);
    ended = got == 0;
    filled += got;
    context.report(0, input_->expected());
  }
  head.resize_uninitialized(filled);
  if (has_magic(head.span())) {
    stream_.emplace(std::move(head), *input_, context, findings_);
    return;
  }
  const bool is_compressed = detect_compression(head.span()) != Compression::kNone;
  if (!is_compressed)
    check_magic(head.span(), std::max<uint64_t>(filled, input_->expected()), false);
  if (!ended) {
    head.reserve(static_cast<size_t>(input_->expected()) + 1);
    read_rest(*input_, head, context);
  }
  start(head.span());
}

/// `bytes` are no longer needed after this when they are compressed.
void EventReader::start(std::span<const uint8_t> bytes) {
  DecodeOptions options;
  options.context = options_.context;
  options.format = Format::kJfr;
  options.strict = options_.strict;
  std::vector<LayerNote> notes;
  // What is no recording need not be inflated to be refused.
  if (detect_compression(bytes) != Compression::kNone) {
    const Bytes prefix = inflate_prefix(bytes, kSniffBytes);
    if (!prefix.empty() && detect_compression(prefix.span()) == Compression::kNone)
      check_magic(prefix.span(), prefix.size(), true);
  }
  const std::span<const uint8_t> plain = inflate_all(bytes, options, inflated_, notes);
  check_magic(plain, plain.size(), plain.data() != bytes.data());
  for (const LayerNote &note : notes) findings_.warn(note.text, note.offset, note.counter);
  total_bytes_ = plain.size();
  splitter_.emplace(plain, 0, findings_);
}

const EventAt *EventReader::event() const noexcept {
  return chunk_ && next_event_ > 0 && next_event_ <= chunk_->events().size()
             ? &chunk_->events()[next_event_ - 1]
             : nullptr;
}

bool EventReader::next_chunk() {
  chunk_.reset();
  next_event_ = 0;
  while (!has_ended_) {
    if (stream_ ? !stream_->next(buffer_, chunk_bytes_) : !splitter_->next(chunk_bytes_)) {
      has_ended_ = true;
      break;
    }
    ++chunks_seen_;
    const Context &context = options_.context;
    if (!stream_) context.report(chunk_bytes_.offset, total_bytes_);
    most_bytes_ =
        std::min(Limits::scaled(context.limits.max_result_ratio, chunk_bytes_.bytes.size()),
                 context.limits.max_result_bytes);
    wanted_.most_bytes = most_bytes_;
    try {
      chunk_.emplace(Chunk::load(chunk_bytes_.bytes, chunk_bytes_.offset, chunk_bytes_.is_whole,
                                 wanted_, options_.strict));
    } catch (const Error &error) {
      const bool is_of_input =
          error.status() == Status::kMalformed || error.status() == Status::kUnsupported;
      if (options_.strict || !is_of_input) throw;
      if (!first_failure_) first_failure_ = error;
      findings_.warn(fmt::format("a chunk of {} bytes cannot be read: {}",
                                 chunk_bytes_.bytes.size(), error.message()),
                     error.offset(), "lost_chunks");
      continue;
    }
    findings_.add(chunk_->findings());
    has_loaded_ = true;
    return true;
  }
  if (!has_loaded_ && first_failure_) throw *first_failure_;
  return false;
}

bool EventReader::next() {
  for (;;) {
    if (chunk_ && next_event_ < chunk_->events().size()) {
      ++next_event_;
      return true;
    }
    if (!next_chunk()) return false;
  }
}

} // namespace profcore::jfr
