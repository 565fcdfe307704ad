#include "sources/decode/legacy/builder.hpp"
#include "sources/decode/legacy/go_comments.hpp"
#include "sources/decode/legacy/readers.hpp"

#include <fmt/format.h>

namespace profcore::legacy {
namespace {

struct HeapHeader {
  int64_t period = 1;
  bool unsample = false;
  bool with_allocations = false;
};

/// `heap profile: n: bytes [ n: bytes ] @ heap_v2/524288`, with anything before it.
HeapHeader read_header(const TextLine &line) {
  const auto fail = [&](std::string_view why) {
    return Error{Status::kMalformed, fmt::format("line {}: {}", line.number, why), line.offset};
  };
  constexpr std::string_view kTitle = "heap profile:";
  const size_t title = line.text.find(kTitle);
  HeapNumbers numbers;
  if (title == std::string_view::npos ||
      !scan_heap_numbers(line.text.substr(title + kTitle.size()), numbers))
    throw fail("the heap profile's header has no totals");

  Cursor cursor{numbers.rest};
  cursor.spaces();
  const std::string_view name =
      cursor.take_while([](char c) { return c == '_' || is_digit(c) || (c >= 'a' && c <= 'z'); });
  HeapHeader header;
  if (name.starts_with("growth") || name.starts_with("fragmentation")) return header;

  header.with_allocations = (numbers.alloc_count != numbers.count && numbers.alloc_count != "0") ||
                            (numbers.alloc_size != numbers.size && numbers.alloc_size != "0");
  int64_t rate = 0;
  cursor.take('/');
  if (const std::string_view digits = cursor.digits(); !digits.empty()) {
    const auto value = parse_signed(digits);
    if (!value) throw fail("the heap profile's sampling rate does not fit 64 bits");
    rate = *value;
  }
  if (name == "heapprofile") return header;
  header.unsample = true;
  if (name == "heapz_v2" || name == "heap_v2")
    header.period = rate;
  else if (name == "heap") // Go writes twice the rate
    header.period = rate / 2;
  else
    throw fail(fmt::format("a heap profile of the unknown kind \"{}\"", name));
  return header;
}

/// Count and size of one side of a sample; the size of a block if there was one.
bool read_side(std::string_view count_text, std::string_view size_text, const HeapHeader &header,
               ProfileBuilder &builder, int64_t *out, int64_t &block) {
  const auto count = parse_signed(count_text), size = parse_signed(size_text);
  if (!count || !size || (*count == 0 && *size != 0)) return false;
  out[0] = *count;
  out[1] = *size;
  if (*count == 0) return true;
  block = *count == -1 ? builder.multiply(*size, -1) : *size / *count;
  if (header.unsample) unsample_heap(builder, out[0], out[1], header.period);
  return true;
}

} // namespace

Profile read_heap(std::string_view text, const DecodeOptions &options) {
  ProfileBuilder builder{options, text.size()};
  LineReader lines{text};
  TextLine line;
  next_content_line(lines, line);
  const HeapHeader header = read_header(line);
  builder.set_period("space", "bytes", header.period);
  if (header.with_allocations)
    builder.add_columns({{"alloc_objects", "count"},
                         {"alloc_space", "bytes"},
                         {"inuse_objects", "count"},
                         {"inuse_space", "bytes"}});
  else
    builder.add_columns({{"objects", "count"}, {"space", "bytes"}});

  GoComments comments{builder};
  std::vector<uint64_t> stack;
  while (lines.next(line)) {
    builder.tick(line.offset);
    const std::string_view content = trim(line.text);
    if (content.empty()) continue;
    if (content.front() == '#') {
      comments.add(line);
      continue;
    }
    comments.apply(stack);
    stack.clear();
    if (is_memory_map_title(content)) break;

    HeapNumbers numbers;
    if (!scan_heap_numbers(content, numbers)) {
      builder.damage("no heap sample (n: bytes [n: bytes] @ addresses)", line);
      continue;
    }
    int64_t values[4];
    int64_t block = 0;
    size_t used = 0;
    bool good = true;
    if (header.with_allocations) {
      good = read_side(numbers.alloc_count, numbers.alloc_size, header, builder, values, block);
      used = 2;
    }
    good = good && read_side(numbers.count, numbers.size, header, builder, values + used, block);
    used += 2;
    if (!good) {
      builder.damage("numbers of a heap sample that do not fit 64 bits, or bytes in no object",
                     line);
      continue;
    }
    builder.read_stack(numbers.rest, line, stack);
    for (uint64_t &address : stack) --address; // return addresses: one less lies in the call
    builder.add_sample(stack, builder.size_label(block), {values, used});
  }
  comments.apply(stack);
  return builder.finish(read_memory_map(lines, builder));
}

} // namespace profcore::legacy
