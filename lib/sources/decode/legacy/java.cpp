#include "base/hash.hpp"
#include "sources/decode/legacy/cpu_words.hpp"
#include "sources/decode/legacy/readers.hpp"

#include <algorithm>
#include <fmt/format.h>

// Java's forms. Their addresses only number the frames; a table behind the samples names them:
// `0x0000004 com.example.f (source.java:4)`. A location is made of the name alone, so that profiles
// of two runs merge.

namespace profcore::legacy {
namespace {

constexpr int64_t kHeapSamplingRate = 512 << 10;

/// Frame numbers to places in the order of first use.
class FrameTable {
public:
  FrameTable() : seed_{random_hash_seed()} {}

  uint32_t intern(uint64_t frame) {
    return index_.find_or_insert(
        hash_u64(frame, seed_), [&](uint32_t at) { return frames_[at] == frame; },
        [&] {
          frames_.push_back(frame);
          locations_.push_back(0);
          return static_cast<uint32_t>(frames_.size() - 1);
        });
  }
  uint32_t find(uint64_t frame) const {
    return index_.find(hash_u64(frame, seed_), [&](uint32_t at) { return frames_[at] == frame; });
  }
  size_t size() const noexcept { return frames_.size(); }
  uint64_t frame(uint32_t at) const noexcept { return frames_[at]; }
  LocationId &location(uint32_t at) noexcept { return locations_[at]; }

private:
  PodVector<uint64_t> frames_;
  PodVector<LocationId> locations_;
  InternIndex index_;
  uint64_t seed_;
};

struct JavaName {
  std::string_view function, file;
  int64_t line = 0;
};

std::string_view base_name(std::string_view path) noexcept {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos || path.size() == 1 ? path : path.substr(slash + 1);
}

/// `function (file:line)`, `function (/path/lib.so)`, a stub, or a bare name such as "GC".
JavaName read_name(std::string_view text) {
  JavaName name;
  size_t open = text.rfind('(');
  while (open != std::string_view::npos && open > 0 && !is_blank(text[open - 1]))
    open = text.rfind('(', open - 1);
  if (text.ends_with(')') && open != std::string_view::npos && open > 0) {
    const std::string_view inner = text.substr(open + 1, text.size() - open - 2);
    name.function = trim(text.substr(0, open));
    const size_t colon = inner.rfind(':');
    if (colon != std::string_view::npos && colon > 0) {
      const std::string_view digits = inner.substr(colon + 1);
      const bool number =
          !digits.empty() && digits != "-" &&
          std::all_of(digits.begin() + (digits.front() == '-' ? 1 : 0), digits.end(), is_digit);
      if (number) {
        name.file = inner.substr(0, colon);
        name.line = std::max<int64_t>(parse_signed(digits).value_or(0), 0);
        return name;
      }
    }
    name.file = base_name(inner);
    return name;
  }
  name.function = text.find("generated stub/JIT") != std::string_view::npos ? "STUB" : text;
  return name;
}

/// Reads the table of names, from `line` on if there is `more`, and makes a location of every
/// frame.
void read_names(LineReader &lines, TextLine &line, bool more, ProfileBuilder &builder,
                FrameTable &frames) {
  Profile &profile = builder.profile;
  for (; more; more = lines.next(line)) {
    builder.tick(line.offset);
    Cursor cursor{trim(line.text)};
    if (cursor.done() || !cursor.take("0x")) continue;
    const std::string_view digits = cursor.hex_digits();
    if (digits.empty() || cursor.blanks().empty()) continue;
    const auto frame = parse_hex(digits);
    if (!frame) {
      builder.damage("a frame number that does not fit 64 bits", line);
      continue;
    }
    const uint32_t at = frames.find(*frame);
    if (at == InternIndex::kNotFound) continue;
    const JavaName name = read_name(cursor.rest());
    Function function;
    function.name = function.system_name = profile.intern(name.function);
    function.file = profile.intern(name.file);
    Line named;
    named.function = profile.add_function(function);
    named.line = name.line;
    Location location;
    location.kind = FrameKind::kManaged;
    frames.location(at) = profile.add_location(location, {&named, 1});
  }
  for (uint32_t at = 0; at < frames.size(); ++at) {
    if (frames.location(at) != 0) continue;
    Location location; // keeps its number: frames without a name are not all the same
    location.address = frames.frame(at);
    location.kind = FrameKind::kManaged;
    location.reason = UnnamedReason::kNoSymbols;
    frames.location(at) = profile.add_location(location, {});
    profile.count("frames_without_name");
  }
}

/// Numbers the frames of the samples in place.
void number_frames(SampleBuffer &samples, FrameTable &frames, const ProfileBuilder &builder) {
  for (uint64_t &frame : samples.frames) frame = frames.intern(frame);
  builder.check_table_size(frames.size(), "locations");
}

void stack_of(SampleBuffer &samples, size_t sample, FrameTable &frames,
              std::vector<LocationId> &out) {
  out.clear();
  for (const uint64_t frame : samples.frames_of(sample))
    out.push_back(frames.location(static_cast<uint32_t>(frame)));
}

struct JavaHead {
  std::string_view resolution;
  int64_t period = 0;
};

/// `name=value` lines before the samples. `more` says whether `line` is the first line behind them.
JavaHead read_attributes(LineReader &lines, TextLine &line, bool &more, bool contention,
                         ProfileBuilder &builder) {
  JavaHead head;
  for (more = lines.next(line); more; more = lines.next(line)) {
    const std::string_view content = trim(line.text);
    if (content.empty()) continue;
    const size_t equals = content.find('=');
    if (equals == std::string_view::npos) break;
    const std::string_view name = trim(content.substr(0, equals));
    const std::string_view value = trim(content.substr(equals + 1));
    if (name == "format") {
      if (value != "java")
        throw Error{Status::kUnsupported,
                    fmt::format("line {}: a contention or heap profile of the unknown format "
                                "\"{}\"",
                                line.number, value),
                    line.offset};
      continue;
    }
    if (name == "resolution") {
      head.resolution = value;
      continue;
    }
    const auto number = parse_signed(value);
    if (!contention || (name != "sampling period" && name != "ms since reset"))
      builder.damage("an attribute that this profile does not have", line);
    else if (!number)
      builder.damage("an attribute whose value is no number", line);
    else if (name == "ms since reset")
      builder.profile.meta.duration_ns = builder.multiply(*number, 1'000'000);
    else
      builder.set_period("contentions", "count", head.period = *number);
  }
  return head;
}

Profile read_java_cpu(std::string_view bytes, const DecodeOptions &options) {
  const auto header = read_cpu_header(bytes);
  if (!header) throw Error{Status::kUnknownFormat, "no header of a binary CPU profile", 0};
  ProfileBuilder builder{options, bytes.size()};
  SampleBuffer samples;
  const size_t text = read_cpu_samples(bytes, *header, builder, samples);
  FrameTable frames;
  number_frames(samples, frames, builder);
  LineReader lines{bytes.substr(text), text};
  TextLine line;
  const bool more = lines.next(line);
  read_names(lines, line, more, builder, frames);
  std::vector<LocationId> stack;
  for (size_t i = 0; i < samples.size(); ++i) {
    builder.tick(bytes.size());
    stack_of(samples, i, frames, stack);
    const int64_t values[] = {samples.counts[i],
                              builder.multiply(samples.counts[i], builder.profile.meta.period)};
    builder.add_sample_of_locations(stack, 0, values);
  }
  return builder.finish({});
}

} // namespace

Profile read_java(std::string_view text, Kind kind, const DecodeOptions &options) {
  if (kind == Kind::kJavaCpu) return read_java_cpu(text, options);
  const bool contention = kind == Kind::kJavaContention;
  ProfileBuilder builder{options, text.size()};
  LineReader lines{text};
  TextLine line;
  next_content_line(lines, line);
  bool more = false;
  const JavaHead head = read_attributes(lines, line, more, contention, builder);
  if (head.resolution.empty())
    throw Error{Status::kMalformed,
                "a Java profile without a \"resolution\" line: what its values mean is not known",
                0};
  if (contention)
    builder.add_columns({{"contentions", "count"}, {"delay", head.resolution}});
  else
    builder.add_columns({{"inuse_objects", "count"}, {"inuse_space", head.resolution}});

  SampleBuffer samples;
  PodVector<int64_t> sizes;
  std::vector<uint64_t> stack;
  for (; more; more = lines.next(line)) {
    builder.tick(line.offset);
    const std::string_view content = trim(line.text);
    if (content.empty()) continue;
    if (content.starts_with("0x")) break; // the table of names
    std::string_view size_text, count_text, addresses;
    if (!scan_pair(content, size_text, count_text, addresses)) {
      builder.damage("no sample (value count @ frames)", line);
      continue;
    }
    const auto size = parse_signed(size_text), count = parse_signed(count_text);
    if (!size || !count) {
      builder.damage("numbers of a sample that do not fit 64 bits", line);
      continue;
    }
    if (!contention && *count == 0) {
      builder.damage("a sample of no object", line);
      continue;
    }
    builder.read_stack(addresses, line, stack);
    samples.frames.append(stack);
    samples.close(*count);
    sizes.push_back(*size);
  }
  FrameTable frames;
  number_frames(samples, frames, builder);
  read_names(lines, line, more, builder, frames);

  std::vector<LocationId> locations;
  for (size_t i = 0; i < samples.size(); ++i) {
    builder.tick(text.size());
    stack_of(samples, i, frames, locations);
    int64_t values[] = {samples.counts[i], sizes[i]};
    LabelSetId labels = 0;
    if (!contention) {
      labels = builder.size_label(values[1] / values[0]);
      unsample_heap(builder, values[0], values[1], kHeapSamplingRate);
    } else if (head.period != 0) {
      values[0] = builder.multiply(values[0], head.period);
      values[1] = builder.multiply(values[1], head.period);
    }
    builder.add_sample_of_locations(locations, labels, values);
  }
  return builder.finish({});
}

} // namespace profcore::legacy
