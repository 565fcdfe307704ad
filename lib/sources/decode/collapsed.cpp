// Collapsed stacks: `root;...;leaf count` per line.
//
// Splitting text is cheap (over 10 GB/s); what costs is one look-up per frame in a trie of stacks
// that does not fit the cache. Three things are done about it:
// - the bytes that a line shares with the line before, up to a frame's end, give the frames and
//   stacks of that line's path again without any look-up (sorted files share most of their bytes);
// - a frame's text is parsed and interned once per distinct text, by one hash over its bytes. The
//   texts are kept packed, away from the input: spread over it they would miss the cache;
// - lines are taken 32 at a time and walked down the trie side by side, level by level. A look-up
//   depends on the one above it in its own line but on none in other lines, so prefetching a whole
//   level at once overlaps the cache misses. A frame that several lines of the batch share is one
//   task, made by the first of them.
//
// A file is decoded while it is read, through a window that stays in the cache: filling fresh
// memory with the whole of it takes longer than all the splitting. Nothing points into the window
// but the line before, which is copied when the window moves on.
//
// Cost: linear in bytes, for lines of any length and stacks of any depth.

#include "base/inflate.hpp"
#include "base/utf8.hpp"
#include "sources/decode/collapsed_frames.hpp"
#include "sources/decode/collapsed_text.hpp"
#include "sources/decode/decode.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace profcore {
namespace {

constexpr size_t kBatchLines = 32;
constexpr size_t kBatchTasks = 4096;
constexpr size_t kReportBytes = size_t{4} << 20;
constexpr uint64_t kMaxLineWarnings = 20;
constexpr uint32_t kNoTask = UINT32_MAX;

uint64_t load_u64(const char *at) noexcept {
  uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

/// Where the frame that begins at `at` ends. Frames are short: calling memchr costs more than the
/// search.
size_t frame_end(std::string_view stack, size_t at) noexcept {
#if defined(__SSE2__)
  const __m128i separators = _mm_set1_epi8(';');
  for (; at + 16 <= stack.size(); at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i *>(stack.data() + at));
    const auto hits = static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, separators)));
    if (hits != 0) return at + static_cast<size_t>(std::countr_zero(hits));
  }
#endif
  const void *found = std::memchr(stack.data() + at, ';', stack.size() - at);
  return found == nullptr ? stack.size()
                          : static_cast<size_t>(static_cast<const char *>(found) - stack.data());
}

size_t common_prefix(std::string_view a, std::string_view b) noexcept {
  const size_t size = std::min(a.size(), b.size());
  size_t at = 0;
  for (; at + 8 <= size; at += 8) {
    const uint64_t differ = load_u64(a.data() + at) ^ load_u64(b.data() + at);
    if (differ != 0) {
      if constexpr (std::endian::native == std::endian::little)
        return at + static_cast<size_t>(__builtin_ctzll(differ)) / 8;
      break;
    }
  }
  while (at < size && a[at] == b[at]) ++at;
  return at;
}

int64_t saturating_add(int64_t a, int64_t b, bool &saturated) noexcept {
  int64_t sum;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  saturated = true;
  return a < 0 ? INT64_MIN : INT64_MAX;
}

/// The start of a line for a message: printable, short.
std::string excerpt(std::string_view text) {
  constexpr size_t kLongest = 60;
  std::string shown;
  size_t at = 0;
  while (at < text.size() && shown.size() < kLongest) {
    const size_t length = utf8_sequence_length(text.substr(at));
    if (length == 0 || static_cast<unsigned char>(text[at]) < 0x20 || text[at] == 0x7f) {
      shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[at]));
      ++at;
    } else {
      shown.append(text.substr(at, length));
      at += length;
    }
  }
  if (at < text.size()) shown += "...";
  return shown;
}

struct Row {
  uint32_t task;
  int64_t value;
  int64_t base;
};

/// A line of the batch on its way down: its tasks are consecutive, one per frame that it has new.
struct Walk {
  uint32_t parent; ///< task whose result is the stack above the next one
  uint32_t next;   ///< task
  size_t depth;    ///< of the next task
  size_t end;      ///< depth behind the last one
  uint64_t hash;
};

class CollapsedReader {
public:
  CollapsedReader(std::span<const uint8_t> bytes, const DecodeOptions &options)
      : window_{reinterpret_cast<const char *>(bytes.data()), bytes.size()}, rest_{window_},
        expected_{bytes.size()}, options_{options} {}
  CollapsedReader(Bytes head, InputStream &input, const DecodeOptions &options)
      : input_{&input}, buffer_{std::move(head)}, expected_{input.expected()}, options_{options} {
    show_buffer(0);
  }

  Profile read();

private:
  void show_buffer(uint64_t offset);
  bool read_more();
  bool take_line(std::string_view &line);
  bool has_two_counts();
  void add_columns();
  void reserve();
  void read_line(std::string_view line);
  void read_stack(std::string_view stack, int64_t value, int64_t base);
  int64_t value_of(const CollapsedCount &count, std::string_view line);
  LocationId add_frame(std::string_view text);
  uint32_t task_of_path(size_t depth);
  void merge_into_last(int64_t value, int64_t base);
  void flush();
  void walk_batch();
  void check_limits() const;
  void line_problem(std::string_view what, std::string_view line);
  uint64_t offset_of(std::string_view part) const {
    return window_offset_ + static_cast<uint64_t>(part.data() - window_.data());
  }

  struct PathEntry {
    size_t end;    ///< of the frame, in bytes from the stack's start
    uint32_t task; ///< kNoTask: `stack` is known
    StackId stack;
  };

  // What of the text is in memory, and what of that is not read yet. Without an input the window is
  // the whole text.
  InputStream *input_ = nullptr;
  Bytes buffer_;
  std::string_view window_;
  std::string_view rest_;
  uint64_t window_offset_ = 0;
  uint64_t expected_; ///< size of the text, a hint

  const DecodeOptions &options_;
  Profile profile_;
  bool differential_ = false;
  int64_t scale_ = 1;

  CollapsedFrames frames_;

  std::string_view last_stack_;     ///< of the line before, as text
  PodVector<char> last_stack_copy_; ///< where it is once the window has moved on
  bool has_last_ = false;
  PodVector<PathEntry> path_; ///< of the line before

  // The batch. Task 0 is the root.
  PodVector<LocationId> task_locations_;
  PodVector<StackId> task_stacks_;
  PodVector<Walk> walks_;
  PodVector<Row> rows_;

  uint64_t line_number_ = 0;
  uint64_t good_lines_ = 0;
  uint64_t skipped_ = 0;
  uint64_t rounded_ = 0;
  uint64_t too_large_ = 0;
  uint64_t without_base_ = 0;
  uint64_t empty_frames_ = 0;
  uint64_t problems_told_ = 0;
  uint64_t reported_at_ = 0;
};

void CollapsedReader::show_buffer(uint64_t offset) {
  window_ = {reinterpret_cast<const char *>(buffer_.data()), buffer_.size()};
  rest_ = window_;
  window_offset_ = offset;
}

/// Moves the window on: what is left of it goes to its front and the input fills it up. When that
/// is more than half of it, it grows, so that a line of any length is moved and searched a number
/// of times that does not grow with its length. False at the end of the text.
bool CollapsedReader::read_more() {
  if (input_ == nullptr) return false;
  if (last_stack_.data() != last_stack_copy_.data()) {
    last_stack_copy_.clear();
    last_stack_copy_.append({last_stack_.data(), last_stack_.size()});
    last_stack_ = {last_stack_copy_.data(), last_stack_copy_.size()};
  }
  const uint64_t offset = offset_of(rest_);
  const size_t kept = rest_.size();
  std::memmove(buffer_.data(), rest_.data(), kept);
  if (kept > buffer_.capacity() / 2) buffer_.reserve(buffer_.capacity() * 2);
  buffer_.resize_uninitialized(buffer_.capacity());
  size_t filled = kept;
  while (filled < buffer_.size()) {
    const size_t got = input_->read_some(buffer_.data() + filled, buffer_.size() - filled);
    if (got == 0) {
      input_ = nullptr;
      break;
    }
    filled += got;
    options_.context.report(reported_at_, std::max(expected_, reported_at_));
  }
  buffer_.resize_uninitialized(filled);
  show_buffer(offset);
  return filled > kept;
}

/// The next line, without its end. False at the end of the text.
bool CollapsedReader::take_line(std::string_view &line) {
  for (;;) {
    const void *found = rest_.empty() ? nullptr : std::memchr(rest_.data(), '\n', rest_.size());
    if (found == nullptr && read_more()) continue;
    if (rest_.empty()) return false;
    const size_t end = found == nullptr
                           ? rest_.size()
                           : static_cast<size_t>(static_cast<const char *>(found) - rest_.data());
    line = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    return true;
  }
}

bool CollapsedReader::has_two_counts() {
  constexpr int kLinesToSee = 1000;
  std::string_view rest = rest_;
  int seen = 0;
  while (seen < kLinesToSee) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    if (end == rest.size() && read_more()) {
      rest = rest_;
      seen = 0;
      continue;
    }
    if (rest.empty()) break;
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with('#') || take_collapsed_count(line).kind == CollapsedCount::Kind::kNone)
      continue;
    if (take_collapsed_count(line).kind == CollapsedCount::Kind::kNone) return false;
    ++seen;
  }
  return seen > 0;
}

void CollapsedReader::add_columns() {
  const std::string_view type =
      options_.collapsed_type.empty() ? "samples" : options_.collapsed_type;
  const std::string_view unit = options_.collapsed_unit.empty() ? "count" : options_.collapsed_unit;
  differential_ = !options_.collapsed_lines && has_two_counts();
  if (differential_) profile_.add_sample_type(std::string{type} + "_base", unit);
  const size_t column = profile_.add_sample_type(type, unit);
  scale_ = profile_.sample_types()[column].scale;
  profile_.meta.default_type = profile_.sample_types()[column].type;
  profile_.meta.source_format = profile_.intern(format_name(Format::kCollapsed));
}

void CollapsedReader::reserve() {
  constexpr size_t kLook = 1 << 16;
  constexpr size_t kMostReserved = 1 << 18; // 4 MB of slots
  if (expected_ < 16 * kLook) return;
  const auto head = rest_.substr(0, kLook);
  const auto newlines = static_cast<size_t>(std::count(head.begin(), head.end(), '\n'));
  const uint64_t rows = expected_ / kLook * (newlines + 1);
  const auto bounded = static_cast<size_t>(std::min<uint64_t>(rows, expected_ / 8));
  profile_.reserve_samples(bounded);
  // Most lines of most files branch off once; but the size is a hint and a line may be a repeat.
  profile_.stacks.reserve_index(std::min(bounded / 2, kMostReserved));
}

Profile CollapsedReader::read() {
  add_columns();
  reserve();
  if (rest_.starts_with("\xef\xbb\xbf")) rest_.remove_prefix(3);
  task_locations_.push_back(0);
  task_stacks_.push_back(0);
  std::string_view line;
  while (take_line(line)) {
    ++line_number_;
    read_line(line);
    const uint64_t done = offset_of(rest_);
    if (done - reported_at_ >= kReportBytes) {
      reported_at_ = done;
      check_limits();
      options_.context.report(done, std::max(expected_, done));
    }
  }
  flush();
  check_limits();
  if (good_lines_ == 0) {
    if (skipped_ == 0)
      throw Error{Status::kNoData, "no stacks: the text has no lines with a count"};
    throw Error{
        Status::kMalformed,
        fmt::format("not collapsed stacks: none of the {} lines ends in a count", skipped_)};
  }
  if (skipped_ > 0) profile_.count("skipped_lines", skipped_);
  if (too_large_ > 0) profile_.count("saturated_values", too_large_);
  if (without_base_ > 0) profile_.count("lines_without_base", without_base_);
  if (empty_frames_ > 0) profile_.count("empty_frames", empty_frames_);
  if (rounded_ > 0) {
    profile_.count("rounded_values", rounded_);
    profile_.warn("fractions were rounded to whole numbers; a unit of time keeps them");
  }
  if (skipped_ > kMaxLineWarnings)
    profile_.warn(fmt::format("{} lines in all do not end in a count and were left out", skipped_));
  return std::move(profile_);
}

void CollapsedReader::check_limits() const {
  const Limits &limits = options_.context.limits;
  const uint64_t at = reported_at_;
  if (frames_.size() > limits.max_strings)
    throw Error{Status::kLimit,
                fmt::format("more than the limit of {} distinct frames", limits.max_strings), at};
  if (profile_.sample_count() > limits.max_samples)
    throw Error{Status::kLimit, fmt::format("more than the limit of {} stacks", limits.max_samples),
                at};
  if (profile_.bytes() > limits.max_result_bytes)
    throw Error{Status::kLimit,
                fmt::format("the profile needs more than the limit of {}", limits.result_text()),
                at};
}

void CollapsedReader::line_problem(std::string_view what, std::string_view line) {
  if (!options_.strict && problems_told_ >= kMaxLineWarnings) return;
  ++problems_told_;
  const std::string message = fmt::format("{}: '{}'", what, excerpt(line));
  if (options_.strict)
    throw Error{Status::kMalformed, fmt::format("line {}: {}", line_number_, message),
                offset_of(line)};
  profile_.warn(message, offset_of(line), line_number_);
}

void CollapsedReader::read_line(std::string_view line) {
  while (!line.empty() && (line.back() == '\r' || line.back() == '\t' || line.back() == ' '))
    line.remove_suffix(1);
  if (line.empty()) return;
  std::string_view stack = line;
  if (options_.collapsed_lines) {
    read_stack(stack, scale_, 0);
    ++good_lines_;
    return;
  }
  // A frame may begin with '#', so only what reads as prose is a comment.
  if (line[0] == '#' && (line.size() == 1 || line[1] == ' ' || line[1] == '!' || line[1] == '#'))
    return;

  // The usual end of a line: a blank and up to 18 digits.
  CollapsedCount count;
  size_t at = line.size();
  int64_t power = 1;
  while (at > 0 && line.size() - at < 18 && line[at - 1] >= '0' && line[at - 1] <= '9') {
    count.integer += power * (line[at - 1] - '0');
    power *= 10;
    --at;
  }
  if (at > 1 && at < line.size() && line[at - 1] == ' ' && line[at - 2] != ' ' &&
      line[at - 2] != '\t') {
    count.kind = CollapsedCount::Kind::kInteger;
    stack = line.substr(0, at - 1);
  } else {
    count = take_collapsed_count(stack);
    if (count.kind == CollapsedCount::Kind::kNone) {
      if (line[0] == '#') return;
      ++skipped_;
      return line_problem("no count at its end", line);
    }
  }
  ++good_lines_;
  int64_t base = 0;
  if (differential_) {
    const CollapsedCount before = take_collapsed_count(stack);
    if (before.kind == CollapsedCount::Kind::kNone) {
      ++without_base_;
      line_problem("one count where the other lines have two", line);
    } else {
      base = value_of(before, line);
    }
  }
  const int64_t value = value_of(count, line);
  read_stack(stack, value, base);
}

int64_t CollapsedReader::value_of(const CollapsedCount &count, std::string_view line) {
  if (count.kind == CollapsedCount::Kind::kInteger) {
    int64_t value;
    if (!__builtin_mul_overflow(count.integer, scale_, &value)) [[likely]]
      return value;
    ++too_large_;
    line_problem("its count does not fit 64 bits", line);
    return count.integer < 0 ? INT64_MIN : INT64_MAX;
  }
  if (count.kind == CollapsedCount::Kind::kFraction) {
    const double scaled = count.fraction * static_cast<double>(scale_);
    if (scale_ == 1) ++rounded_;
    if (scaled > -0x1p63 && scaled < 0x1p63) return std::llround(scaled);
    ++too_large_;
    line_problem("its count does not fit 64 bits", line);
    return scaled < 0 ? INT64_MIN : INT64_MAX;
  }
  ++too_large_;
  line_problem("its count does not fit 64 bits", line);
  return count.integer;
}

LocationId CollapsedReader::add_frame(std::string_view text) {
  const CollapsedFrame frame = parse_collapsed_frame(text);
  Function function;
  function.name = profile_.intern(frame.name);
  function.file = profile_.intern(frame.file);
  const Line line{profile_.add_function(function), 0, frame.line, 0};
  Location location;
  location.kind = frame.kind;
  if (!frame.module.empty()) {
    Module module;
    module.path = profile_.intern(frame.module);
    location.module = profile_.add_module(module);
    location.flags = kModuleInName;
  }
  return profile_.add_location(location, {&line, 1});
}

/// The task that gives the stack of the first `depth` frames of the path.
uint32_t CollapsedReader::task_of_path(size_t depth) {
  if (depth == 0) return 0;
  PathEntry &entry = path_[depth - 1];
  if (entry.task == kNoTask) {
    task_locations_.push_back(0);
    task_stacks_.push_back(entry.stack);
    entry.task = static_cast<uint32_t>(task_stacks_.size() - 1);
  }
  return entry.task;
}

void CollapsedReader::merge_into_last(int64_t value, int64_t base) {
  bool saturated = false;
  if (!rows_.empty()) {
    rows_.back().value = saturating_add(rows_.back().value, value, saturated);
    rows_.back().base = saturating_add(rows_.back().base, base, saturated);
  } else {
    const size_t row = profile_.sample_count() - 1;
    const size_t column = differential_ ? 1 : 0;
    int64_t &last = profile_.values(column)[row];
    last = saturating_add(last, value, saturated);
    if (differential_) {
      int64_t &last_base = profile_.values(0)[row];
      last_base = saturating_add(last_base, base, saturated);
    }
  }
  if (saturated) ++too_large_;
}

void CollapsedReader::read_stack(std::string_view stack, int64_t value, int64_t base) {
  if (rows_.size() >= kBatchLines || task_locations_.size() >= kBatchTasks) flush();
  while (stack.ends_with(';')) stack.remove_suffix(1); // as flamegraph.pl: no frames there
  const size_t common = common_prefix(stack, last_stack_);
  if (has_last_ && common == stack.size() && common == last_stack_.size())
    return merge_into_last(value, base);

  // A frame is shared when it ends at the same place in both stacks.
  size_t shared = path_.size();
  const bool frame_ends = common == stack.size() || stack[common] == ';';
  while (shared > 0 &&
         !(path_[shared - 1].end < common || (path_[shared - 1].end == common && frame_ends)))
    --shared;

  const uint32_t parent = task_of_path(shared);
  const auto first = static_cast<uint32_t>(task_locations_.size());
  size_t at = shared == 0 ? 0 : path_[shared - 1].end + 1;
  path_.resize_uninitialized(shared);
  const uint64_t max_depth = options_.context.limits.max_stack_depth;
  while (at < stack.size()) {
    const size_t end = frame_end(stack, at);
    if (end == at) ++empty_frames_;
    if (path_.size() >= max_depth)
      throw Error{Status::kLimit,
                  fmt::format("line {}: more than the limit of {} frames", line_number_, max_depth),
                  offset_of(stack)};
    const auto task = static_cast<uint32_t>(task_locations_.size());
    const std::string_view text = stack.substr(at, end - at);
    path_.push_back({end, task, 0});
    task_locations_.push_back(frames_.find_or_add(text, [&] { return add_frame(text); }));
    at = end + 1;
  }
  task_stacks_.resize_uninitialized(task_locations_.size());
  const auto added = static_cast<uint32_t>(task_locations_.size()) - first;
  if (added > 0) walks_.push_back({parent, first, shared, shared + added, 0});
  rows_.push_back({added > 0 ? first + added - 1 : parent, value, base});
  last_stack_ = stack;
  has_last_ = true;
}

void CollapsedReader::walk_batch() {
  StackTrie &stacks = profile_.stacks;
  size_t active = walks_.size();
  size_t first = SIZE_MAX;
  for (const Walk &walk : walks_) first = std::min(first, walk.depth);
  for (size_t depth = first; active > 0; ++depth) {
    for (size_t i = 0; i < active; ++i) {
      Walk &walk = walks_[i];
      if (walk.depth != depth) continue;
      walk.hash = stacks.hash_of(task_stacks_[walk.parent], task_locations_[walk.next]);
      stacks.prefetch_slot(task_stacks_[walk.parent], walk.hash);
    }
    for (size_t i = 0; i < active; ++i)
      if (walks_[i].depth == depth) stacks.prefetch_node(walks_[i].hash);
    size_t kept = 0;
    for (size_t i = 0; i < active; ++i) {
      Walk walk = walks_[i];
      if (walk.depth == depth) {
        task_stacks_[walk.next] =
            stacks.child(task_stacks_[walk.parent], task_locations_[walk.next], walk.hash);
        walk.parent = walk.next++;
        ++walk.depth;
      }
      if (walk.depth < walk.end) walks_[kept++] = walk;
    }
    active = kept;
  }
  walks_.clear();
}

void CollapsedReader::flush() {
  if (rows_.empty()) return;
  walk_batch();
  const size_t first = profile_.append_rows_uninitialized(rows_.size());
  const auto stacks = profile_.sample_stacks().subspan(first);
  const auto labels = profile_.sample_label_sets().subspan(first);
  const auto values = profile_.values(differential_ ? 1 : 0).subspan(first);
  for (size_t i = 0; i < rows_.size(); ++i) {
    stacks[i] = task_stacks_[rows_[i].task];
    labels[i] = 0;
    values[i] = rows_[i].value;
  }
  if (differential_) {
    const auto bases = profile_.values(0).subspan(first);
    for (size_t i = 0; i < rows_.size(); ++i) bases[i] = rows_[i].base;
  }
  for (PathEntry &entry : path_) {
    if (entry.task == kNoTask) continue;
    entry.stack = task_stacks_[entry.task];
    entry.task = kNoTask;
  }
  rows_.clear();
  task_locations_.resize_uninitialized(1);
  task_stacks_.resize_uninitialized(1);
}

} // namespace

Profile decode_collapsed(std::span<const uint8_t> bytes, const DecodeOptions &options) {
  return CollapsedReader{bytes, options}.read();
}

Profile decode_collapsed(Bytes head, InputStream &input, const DecodeOptions &options) {
  return CollapsedReader{std::move(head), input, options}.read();
}

} // namespace profcore
