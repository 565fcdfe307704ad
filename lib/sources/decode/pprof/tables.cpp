// Strings, mappings, functions and locations of a profile.proto message, in that order, whatever
// their order in the file: each is read when all that it refers to is known.

#include "model/frame_name.hpp"
#include "sources/decode/pprof/decoder.hpp"

#include <fmt/format.h>
#include <string>

namespace profcore::pprof {
namespace {

[[noreturn]] void repeated_id(const char *what, uint64_t id, uint64_t offset) {
  throw Error{Status::kMalformed, fmt::format("there are several {}s with id {}", what, id),
              offset};
}
[[noreturn]] void zero_id(const char *what, uint64_t offset) {
  throw Error{Status::kMalformed, fmt::format("a {} has id 0, which means none", what), offset};
}

} // namespace

StringId Decoder::string_at(const StringIndex &index) {
  if (index.index < strings_.size()) return strings_[index.index];
  if (index.index == 0) return 0; // no string table at all: a message that names nothing
  if (is_lost(index)) {
    ++lost_strings_;
    return 0;
  }
  throw Error{Status::kMalformed,
              fmt::format("string index {} is outside the table of {} strings",
                          static_cast<int64_t>(index.index), strings_.size()),
              index.offset};
}

void Decoder::odd(uint64_t &count, const char *text, uint64_t offset) {
  if (options_.strict) throw Error{Status::kMalformed, text, offset};
  if (count++ == 0) profile_.warn(text, offset);
}

void Decoder::check_result_size(uint64_t more) const {
  const uint64_t others = profile_.bytes_without_labels();
  other_bytes_.store(others, std::memory_order_relaxed);
  check_size(others + label_bytes_.load(std::memory_order_relaxed), more);
}

void Decoder::check_label_size(uint64_t more) const {
  check_size(other_bytes_.load(std::memory_order_relaxed) +
                 label_bytes_.load(std::memory_order_relaxed),
             more);
}

void Decoder::check_size(uint64_t bytes, uint64_t more) const {
  const uint64_t limit = options_.context.limits.max_result_bytes;
  if (bytes > limit || more > limit - bytes)
    throw Error{Status::kLimit, fmt::format("the profile needs more than the limit of {}",
                                            options_.context.limits.result_text())};
}

void Decoder::check_depth(size_t size, const char *what, uint64_t offset) const {
  const uint64_t limit = options_.context.limits.max_stack_depth;
  if (size >= limit)
    throw Error{Status::kLimit, fmt::format("{} are more than the limit of {}", what, limit),
                offset};
}

void Decoder::read_strings() {
  check_result_size(scan_.strings.count * (sizeof(StringRef) + sizeof(StringId)));
  strings_.reserve(scan_.strings.count);
  profile_.strings.reserve(scan_.strings.count, scan_.string_bytes + scan_.strings.count);
  for_each(scan_.strings, kStringTable, [&](const WireField &field) {
    strings_.push_back(
        profile_.intern({reinterpret_cast<const char *>(field.bytes.data()), field.bytes.size()}));
  });
}

void Decoder::read_mappings() {
  mappings_.reserve(scan_.mappings.count);
  for_each(scan_.mappings, kMapping, [&](const WireField &message) {
    Module module;
    uint64_t id = 0;
    StringIndex path{0, message.offset};
    StringIndex build_id{0, message.offset};
    WireReader reader{message.bytes, input_.data()};
    WireField field;
    while (reader.next(field)) {
      if (field.number == 0 || field.number > 10) continue;
      expect_type(field, WireType::kVarint);
      const auto flag = [&](uint32_t bit) {
        module.flags = field.value != 0 ? module.flags | bit : module.flags & ~bit;
      };
      switch (field.number) {
      case 1:
        id = field.value;
        break;
      case 2:
        module.start = field.value;
        break;
      case 3:
        module.end = field.value;
        break;
      case 4:
        module.offset = field.value;
        break;
      case 5:
        path = {field.value, field.offset};
        break;
      case 6:
        build_id = {field.value, field.offset};
        break;
      case 7:
        flag(kHasFunctions);
        break;
      case 8:
        flag(kHasFilenames);
        break;
      case 9:
        flag(kHasLineNumbers);
        break;
      default:
        flag(kHasInlineFrames);
        break;
      }
    }
    module.path = string_at(path);
    module.build_id = string_at(build_id);
    if (id == 0) zero_id("mapping", message.offset);
    if (!mappings_.insert(id, profile_.add_module(module)))
      repeated_id("mapping", id, message.offset);
  });
  for (const Module &module : profile_.modules())
    module_kinds_.push_back(kind_of_module(profile_.text(module.path)));
}

void Decoder::read_functions() {
  functions_.reserve(scan_.functions.count);
  check_result_size(scan_.functions.count * sizeof(Function));
  profile_.expect_functions(scan_.functions.count);
  uint64_t read = 0;
  uint64_t without_id = 0;
  for_each(scan_.functions, kFunction, [&](const WireField &message) {
    Function function;
    uint64_t id = 0;
    StringIndex name{0, message.offset};
    StringIndex system_name{0, message.offset};
    StringIndex file{0, message.offset};
    WireReader reader{message.bytes, input_.data()};
    WireField field;
    while (reader.next(field)) {
      if (field.number == 0 || field.number > 5) continue;
      expect_type(field, WireType::kVarint);
      switch (field.number) {
      case 1:
        id = field.value;
        break;
      case 2:
        name = {field.value, field.offset};
        break;
      case 3:
        system_name = {field.value, field.offset};
        break;
      case 4:
        file = {field.value, field.offset};
        break;
      default:
        function.start_line = static_cast<int64_t>(field.value);
        break;
      }
    }
    function.name = string_at(name);
    // Functions whose names are lost must not all become one.
    if (is_lost(name)) function.name = profile_.intern(fmt::format("[lost name {}]", name.index));
    function.system_name = string_at(system_name);
    function.file = string_at(file);
    // No function of some .NET profiles has an id, and lines count them from 1. Where some have one
    // and some do not, a position would be a guess.
    ++read;
    if (id == 0) {
      if (options_.strict || ++without_id != read) zero_id("function", message.offset);
      if (without_id == 1)
        profile_.warn("functions without an id are numbered in their order", message.offset);
      id = read;
    } else if (without_id != 0) {
      throw Error{Status::kMalformed, "functions before this one have no id", message.offset};
    }
    if (!functions_.insert(id, profile_.add_function(function)))
      repeated_id("function", id, message.offset);
  });
  if (without_id != 0) profile_.count("pprof_functions_without_id", without_id);
}

void Decoder::read_locations() {
  locations_.reserve(scan_.locations.count);
  check_result_size(scan_.locations.count * sizeof(Location));
  profile_.expect_locations(scan_.locations.count);
  for_each(scan_.locations, kLocation, [&](const WireField &field) { read_location(field); });
}

void Decoder::read_location(const WireField &message) {
  Location location;
  uint64_t id = 0;
  uint64_t mapping = 0;
  lines_.clear();
  WireReader reader{message.bytes, input_.data()};
  WireField field;
  while (reader.next(field)) {
    if (field.number == 0 || field.number > 5) continue;
    expect_type(field, field.number == 4 ? WireType::kBytes : WireType::kVarint);
    switch (field.number) {
    case 1:
      id = field.value;
      break;
    case 2:
      mapping = field.value;
      break;
    case 3:
      location.address = field.value;
      break;
    case 5:
      location.flags = field.value != 0 ? kIsFolded : 0;
      break;
    default: {
      check_depth(lines_.size(), "the lines of a location", field.offset);
      uint64_t function = 0;
      Line line;
      WireReader inner = reader.inside(field);
      WireField part;
      while (inner.next(part)) {
        if (part.number == 0 || part.number > 3) continue;
        expect_type(part, WireType::kVarint);
        if (part.number == 1) function = part.value;
        if (part.number == 2) line.line = static_cast<int64_t>(part.value);
        if (part.number == 3) line.column = static_cast<int64_t>(part.value);
      }
      line.function = functions_.find(function);
      if (line.function == IdMap::kAbsent)
        throw Error{Status::kMalformed,
                    fmt::format("a line refers to function {}, which is not there", function),
                    field.offset};
      lines_.push_back(line);
    }
    }
  }
  if (id == 0) zero_id("location", message.offset);
  if (mapping != 0) {
    location.module = mappings_.find(mapping);
    if (location.module == IdMap::kAbsent) {
      location.module = 0;
      odd(missing_mappings_, "a location refers to a mapping that is not there", message.offset);
    }
  }
  location.kind = module_kinds_[location.module];
  if (lines_.empty())
    location.reason = location.module == 0 && location.address != 0 ? UnnamedReason::kNoModule
                                                                    : UnnamedReason::kNotAttempted;
  if (!locations_.insert(id, profile_.add_location(location, lines_)))
    repeated_id("location", id, message.offset);
}

} // namespace profcore::pprof
