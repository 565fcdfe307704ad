// How fast the raw profile could be read if nothing were interned, checked or shared. From below:
//   bytes   add up all bytes, eight at a time: the memory
//   varints count the bytes that end a varint: what any decoder has to look at
//   scan    every field of every message into flat arrays that grow as they need to
//   reuse   the same into the arrays of the run before: without first-touch page faults
// A decoder that also interns strings, stacks and labels and checks ids does more than these.

#include "harness.hpp"

namespace {

class Reader {
public:
  explicit Reader(std::string_view bytes) : at_(bytes.data()), end_(at_ + bytes.size()) {}

  bool more() const { return at_ < end_; }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ == end_) break;
      const auto byte = static_cast<unsigned char>(*at_++);
      value |= std::uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    throw bench::Failure("damaged varint");
  }

  std::string_view bytes() {
    const std::uint64_t size = varint();
    if (size > static_cast<std::uint64_t>(end_ - at_)) throw bench::Failure("length past the end");
    const std::string_view view(at_, static_cast<std::size_t>(size));
    at_ += size;
    return view;
  }

private:
  const char *at_;
  const char *end_;
};

// Calls field(number, value, text) for each field; text is empty unless it is length-delimited.
template <class Field> void for_each_field(std::string_view message, Field field) {
  Reader reader(message);
  while (reader.more()) {
    const std::uint64_t key = reader.varint();
    switch (key & 7) {
    case 0:
      field(key >> 3, reader.varint(), std::string_view());
      break;
    case 2:
      field(key >> 3, std::uint64_t{0}, reader.bytes());
      break;
    default:
      throw bench::Failure("wire type not used by the format");
    }
  }
}

template <class T> void unpack(std::uint64_t value, std::string_view packed, std::vector<T> &out) {
  if (packed.data() == nullptr) {
    out.push_back(static_cast<T>(value));
    return;
  }
  Reader reader(packed);
  while (reader.more()) out.push_back(static_cast<T>(reader.varint()));
}

struct Label {
  std::uint64_t field[5];
};
struct Mapping {
  std::uint64_t field[11];
};
struct Location {
  std::uint64_t field[6];
  std::size_t lines_end;
};
struct Line {
  std::uint64_t field[4];
};
struct Function {
  std::uint64_t field[6];
};
struct Sample {
  std::size_t locations_end, values_end, labels_end;
};

struct Arrays {
  std::vector<Sample> samples;
  std::vector<std::uint64_t> references;
  std::vector<std::int64_t> values;
  std::vector<Label> labels;
  std::vector<Mapping> mappings;
  std::vector<Location> locations;
  std::vector<Line> lines;
  std::vector<Function> functions;
  std::vector<std::string_view> strings;

  void clear() {
    samples.clear();
    references.clear();
    values.clear();
    labels.clear();
    mappings.clear();
    locations.clear();
    lines.clear();
    functions.clear();
    strings.clear();
  }
};

template <class Record> Record plain_record(std::string_view message) {
  Record record{};
  for_each_field(message, [&](std::uint64_t number, std::uint64_t value, std::string_view) {
    if (number < std::size(record.field)) record.field[number] = value;
  });
  return record;
}

void scan_sample(std::string_view message, Arrays &out) {
  for_each_field(message, [&](std::uint64_t number, std::uint64_t value, std::string_view text) {
    if (number == 1)
      unpack(value, text, out.references);
    else if (number == 2)
      unpack(value, text, out.values);
    else if (number == 3)
      out.labels.push_back(plain_record<Label>(text));
  });
  out.samples.push_back({out.references.size(), out.values.size(), out.labels.size()});
}

void scan_location(std::string_view message, Arrays &out) {
  Location location{};
  for_each_field(message, [&](std::uint64_t number, std::uint64_t value, std::string_view text) {
    if (number == 4)
      out.lines.push_back(plain_record<Line>(text));
    else if (number < std::size(location.field))
      location.field[number] = value;
  });
  location.lines_end = out.lines.size();
  out.locations.push_back(location);
}

void scan(std::string_view bytes, Arrays &out) {
  for_each_field(bytes, [&](std::uint64_t number, std::uint64_t, std::string_view text) {
    switch (number) {
    case 2:
      scan_sample(text, out);
      break;
    case 3:
      out.mappings.push_back(plain_record<Mapping>(text));
      break;
    case 4:
      scan_location(text, out);
      break;
    case 5:
      out.functions.push_back(plain_record<Function>(text));
      break;
    case 6:
      out.strings.push_back(text);
      break;
    default:
      break;
    }
  });
}

bench::Outcome summarise_arrays(const Arrays &arrays) {
  bench::Outcome outcome;
  outcome.samples = arrays.samples.size();
  std::size_t first = 0;
  for (const Sample &sample : arrays.samples) {
    if (first < sample.values_end) outcome.checksum += arrays.values[first];
    first = sample.values_end;
  }
  return outcome;
}

std::uint64_t add_bytes(std::string_view bytes) {
  std::uint64_t sum = 0;
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, 8);
    sum += word;
  }
  for (; i < bytes.size(); ++i) sum += static_cast<unsigned char>(bytes[i]);
  return sum;
}

std::uint64_t count_varint_ends(std::string_view bytes) {
  std::uint64_t ends = 0;
  for (char byte : bytes) ends += static_cast<unsigned char>(byte) < 0x80;
  return ends;
}

} // namespace

int main(int argc, char **argv) {
  return bench::guarded_main(
      argc, argv, "bytes|varints|scan|reuse",
      [](const std::string &bytes, int runs, std::string_view mode) {
        const auto number = [](std::uint64_t value) {
          return bench::Outcome{0, static_cast<std::int64_t>(value)};
        };
        if (mode == "bytes") {
          bench::repeat("read bytes", bytes, runs, add_bytes, number);
        } else if (mode == "varints") {
          bench::repeat("count varint ends", bytes, runs, count_varint_ends, number);
        } else if (mode == "scan") {
          const auto fresh = [](std::string_view input) {
            Arrays arrays;
            scan(input, arrays);
            return arrays;
          };
          bench::repeat("scan, fresh memory", bytes, runs, fresh, summarise_arrays);
        } else if (mode == "reuse") {
          Arrays kept;
          scan(bytes, kept);
          const auto again = [&](std::string_view input) {
            kept.clear();
            scan(input, kept);
            return &kept;
          };
          bench::repeat("scan, reused memory", bytes, runs, again,
                        [](const Arrays *arrays) { return summarise_arrays(*arrays); });
        } else {
          throw bench::Failure("no such mode");
        }
      });
}
