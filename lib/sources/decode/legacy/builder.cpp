#include "sources/decode/legacy/builder.hpp"

#include "base/hash.hpp"

#include <cmath>
#include <fmt/format.h>

namespace profcore::legacy {
namespace {

constexpr uint64_t kMaxWarnedLines = 1000;

} // namespace

ProfileBuilder::ProfileBuilder(const DecodeOptions &options, uint64_t input_bytes)
    : options_{options}, input_bytes_{input_bytes}, seed_{random_hash_seed()} {
  profile.meta.source_format = profile.intern(format_name(Format::kPprofLegacy));
}

void ProfileBuilder::set_period(std::string_view type, std::string_view unit, int64_t period) {
  profile.meta.period_type = profile.intern(type);
  profile.meta.period_unit = profile.intern(unit);
  profile.meta.period = period;
}

void ProfileBuilder::add_columns(std::initializer_list<Column> columns) {
  for (const Column &column : columns) profile.add_sample_type(column.type, column.unit);
}

void ProfileBuilder::damage(std::string_view what, const TextLine &line) {
  if (options_.strict || !first_damage_) {
    Error error{Status::kMalformed, fmt::format("line {}: {}", line.number, what), line.offset};
    if (options_.strict) throw error;
    first_damage_.emplace(std::move(error));
  }
  profile.count("damaged_lines");
  // The profile compares a warning with those that it has: not for each of a million lines.
  if (++damaged_lines_ <= kMaxWarnedLines)
    profile.warn(what, line.offset, line.number);
  else
    profile.count("warnings_suppressed");
}

void ProfileBuilder::damage_at(std::string_view what, uint64_t offset) {
  if (options_.strict) throw Error{Status::kMalformed, std::string{what}, offset};
  if (!first_damage_) first_damage_.emplace(Status::kMalformed, std::string{what}, offset);
  profile.warn(what, offset);
  profile.count("damaged_parts");
}

void ProfileBuilder::read_stack(std::string_view text, const TextLine &line,
                                std::vector<uint64_t> &out) {
  out.clear();
  if (!read_addresses(text, out))
    damage(fmt::format("the stack is cut after {} frames: what follows is no 64-bit address",
                       out.size()),
           line);
}

void ProfileBuilder::checkpoint(uint64_t offset) const {
  options_.context.report(offset, input_bytes_);
  const Limits &limits = options_.context.limits;
  if (profile.bytes() + addresses_.bytes() + address_index_.bytes() + name_lines_.bytes() >
      limits.max_result_bytes)
    throw Error{Status::kLimit,
                fmt::format("the profile needs more than the limit of {}", limits.result_text()),
                offset};
  check_table_size(profile.strings.size(), "strings");
  check_table_size(profile.functions().size(), "functions");
}

void ProfileBuilder::check_table_size(size_t size, std::string_view what) const {
  if (size > options_.context.limits.max_strings)
    throw Error{Status::kLimit,
                fmt::format("more than {} distinct {}", options_.context.limits.max_strings, what)};
}

uint32_t ProfileBuilder::find_address(uint64_t address) const {
  return address_index_.find(hash_u64(address, seed_),
                             [&](uint32_t at) { return addresses_[at] == address; });
}

uint32_t ProfileBuilder::intern_address(uint64_t address) {
  return address_index_.find_or_insert(
      hash_u64(address, seed_), [&](uint32_t at) { return addresses_[at] == address; },
      [&] {
        check_table_size(addresses_.size() + 1, "locations");
        if (addresses_.size() >= UINT32_MAX - 2)
          throw Error{Status::kLimit, "more than 4294967293 distinct locations"};
        addresses_.push_back(address);
        return static_cast<uint32_t>(addresses_.size() - 1);
      });
}

void ProfileBuilder::add_sample(std::span<const uint64_t> addresses, LabelSetId labels,
                                std::span<const int64_t> values) {
  if (addresses.size() > options_.context.limits.max_stack_depth)
    throw Error{Status::kLimit, fmt::format("a stack of {} frames", addresses.size())};
  scratch_stack_.clear();
  // Location 0 is "none", so the locations that `finish` adds start at 1.
  for (const uint64_t address : addresses) scratch_stack_.push_back(intern_address(address) + 1);
  add_row(profile.stacks.add_leaf_first(scratch_stack_), labels, values);
}

void ProfileBuilder::add_sample_of_locations(std::span<const LocationId> locations,
                                             LabelSetId labels, std::span<const int64_t> values) {
  if (locations.size() > options_.context.limits.max_stack_depth)
    throw Error{Status::kLimit, fmt::format("a stack of {} frames", locations.size())};
  add_row(profile.stacks.add_leaf_first(locations), labels, values);
}

void ProfileBuilder::add_row(StackId stack, LabelSetId labels, std::span<const int64_t> values) {
  if (profile.sample_count() >= options_.context.limits.max_samples)
    throw Error{Status::kLimit,
                fmt::format("more than {} samples", options_.context.limits.max_samples)};
  scratch_values_.assign(values.begin(), values.end());
  const auto &types = profile.sample_types();
  for (size_t i = 0; i < scratch_values_.size() && i < types.size(); ++i)
    if (types[i].scale != 1) scratch_values_[i] = multiply(scratch_values_[i], types[i].scale);
  profile.add_sample(stack, labels, scratch_values_);
}

bool ProfileBuilder::has_name(uint64_t address) const {
  const uint32_t at = find_address(address);
  return at != InternIndex::kNotFound && at < names_.size() && names_[at].count != 0;
}

void ProfileBuilder::set_name(uint64_t address, std::span<const Line> lines) {
  const uint32_t at = find_address(address);
  if (at == InternIndex::kNotFound || lines.empty()) return;
  if (at >= names_.size()) names_.resize(addresses_.size());
  if (names_[at].count != 0) return;
  if (name_lines_.size() + lines.size() > UINT32_MAX - 1)
    throw Error{Status::kLimit, "more than 4294967294 lines"};
  names_[at] = {static_cast<uint32_t>(name_lines_.size()), static_cast<uint32_t>(lines.size())};
  name_lines_.append(lines);
}

int64_t ProfileBuilder::multiply(int64_t a, int64_t b) {
  int64_t product = 0;
  if (!__builtin_mul_overflow(a, b, &product)) return product;
  profile.warn("values that do not fit 64 bits were cut");
  profile.count("values_cut");
  return (a < 0) == (b < 0) ? INT64_MAX : INT64_MIN;
}

int64_t ProfileBuilder::truncate(double value) {
  constexpr double kBound = 9223372036854775808.0; // 2^63
  if (value > -kBound && value < kBound) return static_cast<int64_t>(value);
  if (value == -kBound) return INT64_MIN;
  profile.warn("values that do not fit 64 bits were cut");
  profile.count("values_cut");
  if (std::isnan(value)) return 0;
  return value < 0 ? INT64_MIN : INT64_MAX;
}

LabelSetId ProfileBuilder::size_label(int64_t bytes) {
  Label label;
  label.key = profile.intern("bytes");
  label.is_number = 1;
  label.number = bytes;
  return profile.add_label_set({&label, 1});
}

void ProfileBuilder::add_locations(std::vector<Mapping> mappings) {
  const std::vector<uint32_t> placed = place_addresses(mappings, addresses_.span());
  std::vector<ModuleId> modules;
  modules.reserve(mappings.size());
  for (const Mapping &mapping : mappings) {
    Module module;
    module.path = profile.intern(mapping.file);
    module.build_id = profile.intern(mapping.build_id);
    module.start = mapping.start;
    module.end = mapping.limit;
    module.offset = mapping.offset;
    modules.push_back(profile.add_module(module));
  }
  for (size_t i = 0; i < addresses_.size(); ++i) {
    Location location;
    location.address = addresses_[i];
    location.module = placed[i] == UINT32_MAX ? 0 : modules[placed[i]];
    std::span<const Line> lines;
    if (i < names_.size()) lines = name_lines_.span().subspan(names_[i].first, names_[i].count);
    if (lines.empty())
      location.reason =
          location.module == 0 ? UnnamedReason::kNoModule : UnnamedReason::kNotAttempted;
    profile.add_location(location, lines);
  }
}

Profile ProfileBuilder::finish(std::vector<Mapping> mappings) {
  if (profile.sample_count() == 0 && first_damage_) throw *first_damage_;
  add_locations(std::move(mappings));
  const FrameFilters filters = frame_filters(profile);
  profile.meta.drop_frames = profile.intern(filters.drop);
  profile.meta.keep_frames = profile.intern(filters.keep);
  const UnitConversion unit = canonical_unit(profile.text(profile.meta.period_unit));
  const int64_t period = multiply(profile.meta.period, unit.scale);
  for (SampleType &type : profile.mutable_sample_types()) type.period = period;
  checkpoint(input_bytes_);
  return std::move(profile);
}

void unsample_heap(ProfileBuilder &builder, int64_t &count, int64_t &size, int64_t rate) {
  if (count == 0 || size == 0) {
    count = size = 0;
    return;
  }
  if (rate <= 1) return; // 1: everything was sampled; less: not known
  const double average = static_cast<double>(size) / static_cast<double>(count);
  const double scale = 1 / (1 - std::exp(-average / static_cast<double>(rate)));
  count = builder.truncate(static_cast<double>(count) * scale);
  size = builder.truncate(static_cast<double>(size) * scale);
}

} // namespace profcore::legacy
