#include "base/hash.hpp"
#include "sources/decode/legacy/cpu_words.hpp"
#include "sources/decode/legacy/readers.hpp"

#include <bit>
#include <cstring>
#include <fmt/format.h>

namespace profcore::legacy {
namespace {

template <class Word> uint64_t load(const char *at, bool big_endian) noexcept {
  Word word;
  std::memcpy(&word, at, sizeof word);
  if (big_endian != (std::endian::native == std::endian::big)) {
    if constexpr (sizeof word == 8)
      word = __builtin_bswap64(word);
    else
      word = __builtin_bswap32(word);
  }
  return word;
}

uint64_t load_word(std::string_view bytes, size_t at, WordFormat words) noexcept {
  const char *data = bytes.data() + at;
  return words.wide ? load<uint64_t>(data, words.big_endian)
                    : load<uint32_t>(data, words.big_endian);
}

/// The address that is the second frame of nearly all samples, if there is one.
///
/// 31/32 of all samples is a majority, so a vote (Boyer and Moore) finds the only candidate and a
/// second pass counts it, without a table of all addresses.
std::optional<uint64_t> common_second_frame(SampleBuffer &samples) {
  const size_t margin = samples.size() / 32;
  uint64_t candidate = 0;
  size_t lead = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    const auto frames = samples.frames_of(i);
    if (frames.size() < 2) continue;
    if (lead == 0) candidate = frames[1];
    if (frames[1] == candidate)
      ++lead;
    else
      --lead;
  }
  size_t count = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    const auto frames = samples.frames_of(i);
    if (frames.size() > 1 && frames[1] == candidate) ++count;
  }
  if (count == 0 || count < samples.size() - margin) return std::nullopt;
  return candidate;
}

/// Takes the second frame out of every sample for which `drop(frames)` holds.
template <class Drop> void drop_second_frames(SampleBuffer &samples, Drop &&drop) {
  size_t read = 0, written = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    const size_t end = samples.ends[i];
    const std::span<const uint64_t> frames = samples.frames.span().subspan(read, end - read);
    const bool dropped = frames.size() > 1 && drop(frames);
    for (size_t k = 0; k < end - read; ++k)
      if (k != 1 || !dropped) samples.frames[written++] = samples.frames[read + k];
    samples.ends[i] = written;
    read = end;
  }
  samples.frames.resize_uninitialized(written);
}

} // namespace

std::optional<CpuHeader> read_cpu_header(std::string_view bytes) noexcept {
  for (const bool wide : {false, true}) {
    for (const bool big_endian : {false, true}) {
      CpuHeader header;
      header.words = {wide, big_endian};
      if (bytes.size() < header.bytes()) continue;
      uint64_t word[5];
      for (size_t i = 0; i < 5; ++i)
        word[i] = load_word(bytes, i * header.words.bytes(), header.words);
      if (word[0] != 0 || word[1] != 3 || word[2] > 1 || word[3] == 0 || word[4] != 0) continue;
      header.java = word[2] == 1;
      header.period_us = word[3];
      return header;
    }
  }
  return std::nullopt;
}

size_t read_cpu_samples(std::string_view bytes, const CpuHeader &header, ProfileBuilder &builder,
                        SampleBuffer &samples) {
  const size_t word = header.words.bytes();
  if (header.period_us > INT64_MAX / 1000)
    throw Error{Status::kMalformed,
                fmt::format("a sampling period of {} microseconds", header.period_us), 3 * word};
  builder.set_period("cpu", "nanoseconds", static_cast<int64_t>(header.period_us) * 1000);
  builder.add_columns({{"samples", "count"}, {"cpu", "nanoseconds"}});
  size_t at = header.bytes();
  for (;;) {
    builder.tick(at);
    if (at == bytes.size()) {
      builder.damage_at("the mark at the end of the samples is missing", at);
      return at;
    }
    const size_t words_left = (bytes.size() - at) / word;
    if (words_left < 2) {
      builder.damage_at("the input ends inside a sample", at);
      return bytes.size();
    }
    const uint64_t count = load_word(bytes, at, header.words);
    const uint64_t depth = load_word(bytes, at + word, header.words);
    if (depth > words_left - 2) {
      builder.damage_at(
          fmt::format("a sample of {} frames, where {} words are left", depth, words_left - 2), at);
      return bytes.size();
    }
    const size_t first = at + 2 * word;
    at = first + static_cast<size_t>(depth) * word;
    if (count == 0 && depth == 1 && load_word(bytes, first, header.words) == 0) return at;
    if (count > INT64_MAX) {
      builder.damage_at(fmt::format("a sample that was met {} times", count), at);
      continue;
    }
    for (size_t i = first; i < at; i += word)
      samples.frames.push_back(load_word(bytes, i, header.words));
    samples.close(static_cast<int64_t>(count));
  }
}

Profile read_cpu(std::string_view bytes, const DecodeOptions &options) {
  const auto header = read_cpu_header(bytes);
  if (!header) throw Error{Status::kUnknownFormat, "no header of a binary CPU profile", 0};
  ProfileBuilder builder{options, bytes.size()};
  SampleBuffer samples;
  const size_t text = read_cpu_samples(bytes, *header, builder, samples);

  for (size_t i = 0; i < samples.size(); ++i) {
    // All but the leaf are return addresses: one less lies in the call.
    const auto frames = samples.frames_of(i);
    for (size_t k = 1; k < frames.size(); ++k) --frames[k];
  }
  // The signal handler pushes a frame or two of its own under the leaf, which comes from the
  // signal's context and so is always right.
  for (int round = 0; round < 2; ++round) {
    const auto address = common_second_frame(samples);
    if (!address) continue;
    drop_second_frames(samples,
                       [&](std::span<const uint64_t> frames) { return frames[1] == *address; });
  }
  // The leaf may be there twice, once from the context and once from unwinding.
  drop_second_frames(samples,
                     [](std::span<const uint64_t> frames) { return frames[0] == frames[1] + 1; });
  for (size_t i = 0; i < samples.size(); ++i) {
    builder.tick(bytes.size());
    const int64_t count = samples.counts[i];
    const int64_t values[] = {count, builder.multiply(count, builder.profile.meta.period)};
    builder.add_sample(samples.frames_of(i), 0, values);
  }
  samples = {};
  LineReader lines{bytes.substr(text), text};
  return builder.finish(read_memory_map(lines, builder));
}

} // namespace profcore::legacy
