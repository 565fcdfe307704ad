#include "sources/decode/legacy/builder.hpp"
#include "sources/decode/legacy/go_comments.hpp"
#include "sources/decode/legacy/readers.hpp"

#include <fmt/format.h>

// The text forms that count: Go's counted stacks, contention, threads.

namespace profcore::legacy {
namespace {

/// Moves on to the mappings; false when there are none.
bool skip_to_memory_map(LineReader &lines, TextLine &line, ProfileBuilder &builder) {
  do {
    builder.tick(line.offset);
    if (is_memory_map_title(line.text)) return true;
  } while (lines.next(line));
  return false;
}

void to_call_addresses(std::span<uint64_t> return_addresses) {
  for (uint64_t &address : return_addresses) --address;
}

/// A Go sample waits for the labels in the comments behind it.
struct PendingCount {
  bool waiting = false;
  int64_t count = 0;
  std::vector<uint64_t> stack;
  std::vector<Label> labels;

  void flush(ProfileBuilder &builder, GoComments &comments) {
    if (waiting) {
      const int64_t values[] = {count};
      builder.add_sample(stack, builder.profile.add_label_set(labels), values);
      comments.apply(stack);
    }
    comments.forget();
    stack.clear();
    labels.clear();
    waiting = false;
  }
};

/// `7 @ addresses`
bool read_count_line(std::string_view text, int64_t &count, std::string_view &addresses) {
  Cursor cursor{trim(text)};
  const auto value = parse_signed(cursor.digits());
  if (!value || cursor.spaces().empty() || !cursor.take('@')) return false;
  count = *value;
  addresses = cursor.rest();
  return true;
}

} // namespace

bool next_content_line(LineReader &lines, TextLine &line) noexcept {
  while (lines.next(line))
    if (!is_comment_or_blank(line.text)) return true;
  return false;
}

Profile read_go_count(std::string_view text, const DecodeOptions &options) {
  ProfileBuilder builder{options, text.size()};
  LineReader lines{text};
  TextLine line;
  next_content_line(lines, line);
  const std::string_view type = Cursor{line.text}.token();
  builder.set_period(type, "count", 1);
  builder.add_columns({{type, "count"}});

  GoComments comments{builder};
  PendingCount pending;
  bool mapped = false;
  while (!mapped && lines.next(line)) {
    builder.tick(line.offset);
    const std::string_view content = trim(line.text);
    if (content.empty()) continue;
    std::string_view labels;
    if (is_label_comment(content, labels)) {
      if (pending.waiting && !read_go_labels(labels, builder.profile, pending.labels)) {
        pending.labels.clear();
        builder.damage("labels that are no {\"key\":\"value\", ...}", line);
      }
      continue;
    }
    if (content.front() == '#') {
      comments.add(line);
      continue;
    }
    pending.flush(builder, comments);
    mapped = is_memory_map_title(content);
    if (mapped) break;
    if (content.starts_with("---")) {
      mapped = skip_to_memory_map(lines, line, builder);
      break;
    }
    std::string_view addresses;
    if (!read_count_line(content, pending.count, addresses)) {
      builder.damage("no counted stack (n @ addresses)", line);
      continue;
    }
    builder.read_stack(addresses, line, pending.stack);
    to_call_addresses(pending.stack);
    pending.waiting = true;
  }
  pending.flush(builder, comments);
  std::vector<Mapping> mappings;
  if (mapped) mappings = read_memory_map(lines, builder);
  return builder.finish(std::move(mappings));
}

Profile read_contention(std::string_view text, const DecodeOptions &options) {
  ProfileBuilder builder{options, text.size()};
  builder.set_period("contentions", "count", 1);
  builder.add_columns({{"contentions", "count"}, {"delay", "nanoseconds"}});
  LineReader lines{text};
  TextLine line;
  next_content_line(lines, line);

  int64_t cycles_per_second = 0;
  int64_t &period = builder.profile.meta.period;
  bool more = lines.next(line);
  for (; more; more = lines.next(line)) { // name = value
    const std::string_view content = trim(line.text);
    if (is_comment_or_blank(content)) continue;
    const size_t equals = content.find('=');
    if (content.starts_with("---") || equals == std::string_view::npos) break;
    const std::string_view name = trim(content.substr(0, equals));
    if (name == "discarded samples") continue;
    const auto value = parse_signed(trim(content.substr(equals + 1)));
    if (!value)
      builder.damage("an attribute whose value is no number", line);
    else if (name == "cycles/second")
      cycles_per_second = *value;
    else if (name == "sampling period")
      period = *value;
    else if (name == "ms since reset")
      builder.profile.meta.duration_ns = builder.multiply(*value, 1'000'000);
    else
      builder.damage("an attribute that contention profiles do not have", line);
  }

  GoComments comments{builder};
  std::vector<uint64_t> stack;
  for (; more; more = lines.next(line)) {
    builder.tick(line.offset);
    const std::string_view content = trim(line.text);
    if (content.empty()) continue;
    if (content.front() == '#') {
      comments.add(line);
      continue;
    }
    comments.apply(stack);
    stack.clear();
    if (content.starts_with("---") || is_memory_map_title(content)) break;
    std::string_view delay_text, count_text, addresses;
    if (!scan_pair(content, delay_text, count_text, addresses)) {
      builder.damage("no contention sample (delay count @ addresses)", line);
      continue;
    }
    const auto delay = parse_signed(delay_text), count = parse_signed(count_text);
    if (!delay || !count) {
      builder.damage("numbers of a contention sample that do not fit 64 bits", line);
      continue;
    }
    builder.read_stack(addresses, line, stack);
    to_call_addresses(stack);
    int64_t values[] = {*count, *delay};
    if (period > 0) {
      // The delay is in cycles of one sampled contention.
      if (cycles_per_second > 0)
        values[1] = builder.truncate(static_cast<double>(*delay) * static_cast<double>(period) /
                                     (static_cast<double>(cycles_per_second) / 1e9));
      values[0] = builder.multiply(*count, period);
    }
    builder.add_sample(stack, 0, values);
  }
  comments.apply(stack);
  std::vector<Mapping> mappings;
  if (more && skip_to_memory_map(lines, line, builder)) mappings = read_memory_map(lines, builder);
  return builder.finish(std::move(mappings));
}

namespace {

struct ThreadStack {
  struct Name {
    size_t frame;
    std::string_view text;
  };
  std::vector<uint64_t> frames;
  std::vector<Name> names;
  bool same_as_previous = false;

  void clear() {
    frames.clear();
    names.clear();
    same_as_previous = false;
  }
};

/// A line of a thread's stack: addresses, or one with its name behind (`0x40be31: main`).
bool read_thread_line(std::string_view content, ThreadStack &stack) {
  if (content.find("same as previous thread") != std::string_view::npos) {
    stack.same_as_previous = true;
    return true;
  }
  const size_t before = stack.frames.size();
  if (!scan_addresses(content, stack.frames)) {
    stack.frames.resize(before);
    return false;
  }
  Cursor cursor{content};
  if (cursor.take("PC:")) cursor.blanks();
  if (cursor.take("0x") && !cursor.hex_digits().empty() && cursor.take(':'))
    if (const std::string_view name = trim(cursor.rest()); !name.empty())
      stack.names.push_back({before, name});
  return true;
}

/// `--- Thread 7f01 (name: main/14) stack: ---`
bool is_thread_head(std::string_view line) {
  Cursor cursor{line};
  if (!cursor.take("--- Thread ") || cursor.hex_digits().empty() || !cursor.take(" (name: "))
    return false;
  const size_t end = cursor.rest().rfind(") stack: ---");
  if (end == std::string_view::npos) return false;
  const std::string_view name = cursor.rest().substr(0, end);
  const size_t slash = name.rfind('/');
  return slash != std::string_view::npos && parse_unsigned(name.substr(slash + 1)).has_value();
}

void add_thread(ThreadStack &stack, ProfileBuilder &builder) {
  if (stack.same_as_previous || stack.frames.empty()) {
    // google/pprof counts a thread without frames with the one before it too.
    const size_t samples = builder.profile.sample_count();
    if (samples == 0)
      builder.profile.count("threads_without_stack");
    else
      ++builder.profile.values(0)[samples - 1];
    return;
  }
  to_call_addresses(std::span{stack.frames}.subspan(1)); // the leaf is no call
  std::vector<uint64_t> frames = stack.frames;
  if (frames.size() > 1 && frames[0] == frames[1] + 1)
    frames.erase(frames.begin() + 1); // the leaf again, from unwinding
  const int64_t values[] = {1};
  builder.add_sample(frames, 0, values);
  for (const ThreadStack::Name &name : stack.names) {
    const uint64_t address = stack.frames[name.frame];
    if (builder.has_name(address)) continue;
    Function function;
    function.name = function.system_name = builder.profile.intern(name.text);
    Line named;
    named.function = builder.profile.add_function(function);
    builder.set_name(address, {&named, 1});
  }
}

} // namespace

Profile read_threads(std::string_view text, const DecodeOptions &options) {
  ProfileBuilder builder{options, text.size()};
  builder.set_period("thread", "count", 1);
  builder.add_columns({{"thread", "count"}});
  LineReader lines{text};
  TextLine line;
  next_content_line(lines, line);
  ThreadStack stack;
  bool inside = false, mapped = false;
  do {
    builder.tick(line.offset);
    const std::string_view content = trim(line.text);
    if (content.starts_with("---")) {
      if (inside) add_thread(stack, builder);
      stack.clear();
      inside = content.starts_with("--- Thread ");
      if (content.starts_with("---- no stack trace for") || is_memory_map_title(content)) {
        mapped = skip_to_memory_map(lines, line, builder);
        break;
      }
      const bool good =
          inside ? is_thread_head(content) : content.find("threadz") != std::string_view::npos;
      if (!good)
        builder.damage("no head of a thread (--- Thread id (name: n/id) stack: ---)", line);
    } else if (is_memory_map_title(content)) {
      mapped = true;
      break;
    } else if (inside && !content.empty() && !read_thread_line(content, stack)) {
      builder.damage("an address that does not fit 64 bits", line);
    }
  } while (lines.next(line));
  if (inside) add_thread(stack, builder);
  std::vector<Mapping> mappings;
  if (mapped) mappings = read_memory_map(lines, builder);
  return builder.finish(std::move(mappings));
}

} // namespace profcore::legacy
