#include "model/profile.hpp"

#include "base/error.hpp"
#include "model/jvm_facts.hpp"

#include <algorithm>
#include <array>

namespace profcore {
namespace {

constexpr size_t kMaxWarnings = 100;

uint64_t hash_line(uint64_t hash, const Line &line, uint64_t seed) {
  // One step per 64-bit field: folding two of them into one word first would let an input choose
  // pairs that collide under every seed.
  hash = hash_combine(hash, static_cast<uint64_t>(line.function) << 32 | line.file, seed);
  hash = hash_combine(hash, static_cast<uint64_t>(line.line), seed);
  return hash_combine(hash, static_cast<uint64_t>(line.column), seed);
}

bool equal_lines(std::span<const Line> a, std::span<const Line> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Line &x, const Line &y) {
    return x.function == y.function && x.file == y.file && x.line == y.line && x.column == y.column;
  });
}

bool equal_label(const Label &a, const Label &b) {
  return a.key == b.key && a.text == b.text && a.unit == b.unit && a.is_number == b.is_number &&
         a.number == b.number;
}

uint32_t next_id(size_t size, const char *what) {
  if (size >= UINT32_MAX - 1)
    throw Error{Status::kLimit, std::string{"more than 4294967294 distinct "} + what};
  return static_cast<uint32_t>(size);
}

} // namespace

Profile::Profile()
    : seed_{random_hash_seed()}, label_seeds_{random_hash_seed(), random_hash_seed()} {
  add_none_entries();
}

void Profile::add_none_entries() {
  functions_.push_back({});
  modules_.push_back({});
  locations_.push_back({});
  label_sets_.push_back(0);
  label_sets_.push_back(0);
}

FunctionId Profile::add_function(const Function &function) {
  if (function.name == 0 && function.system_name == 0 && function.file == 0 &&
      function.start_line == 0)
    return 0;
  uint64_t hash = hash_u64(static_cast<uint64_t>(function.name) << 32 | function.file, seed_);
  hash = hash_combine(hash, function.system_name, seed_);
  hash = hash_combine(hash, static_cast<uint64_t>(function.start_line), seed_);
  return function_index_.find_or_insert(
      hash,
      [&](uint32_t id) {
        const Function &other = functions_[id];
        return other.name == function.name && other.system_name == function.system_name &&
               other.file == function.file && other.start_line == function.start_line;
      },
      [&] {
        const uint32_t id = next_id(functions_.size(), "functions");
        functions_.push_back(function);
        return id;
      });
}

ModuleId Profile::add_module(const Module &module) {
  uint64_t hash = hash_u64(static_cast<uint64_t>(module.path) << 32 | module.build_id, seed_);
  hash = hash_combine(hash, module.start, seed_);
  hash = hash_combine(hash, module.end, seed_);
  hash = hash_combine(hash, module.offset, seed_);
  return module_index_.find_or_insert(
      hash,
      [&](uint32_t id) {
        const Module &other = modules_[id];
        return other.path == module.path && other.build_id == module.build_id &&
               other.start == module.start && other.end == module.end &&
               other.offset == module.offset && other.flags == module.flags;
      },
      [&] {
        const uint32_t id = next_id(modules_.size(), "modules");
        modules_.push_back(module);
        return id;
      });
}

LocationId Profile::add_location(const Location &location, std::span<const Line> lines) {
  uint64_t hash = hash_u64(location.address, seed_);
  hash = hash_combine(hash,
                      static_cast<uint64_t>(location.module) << 24 |
                          static_cast<uint64_t>(location.reason) << 16 |
                          static_cast<uint64_t>(location.kind) << 8 | location.flags,
                      seed_);
  for (const Line &line : lines) hash = hash_line(hash, line, seed_);
  return location_index_.find_or_insert(
      hash,
      [&](uint32_t id) {
        const Location &other = locations_[id];
        return other.address == location.address && other.module == location.module &&
               other.kind == location.kind && other.flags == location.flags &&
               other.reason == location.reason && equal_lines(lines_of(id), lines);
      },
      [&] {
        const uint32_t id = next_id(locations_.size(), "locations");
        Location added = location;
        added.first_line = next_id(lines_.size(), "lines");
        added.line_count = static_cast<uint32_t>(lines.size());
        next_id(lines_.size() + lines.size(), "lines");
        lines_.append(lines);
        locations_.push_back(added);
        return id;
      });
}

void Profile::set_lines(LocationId location, std::span<const Line> lines) {
  next_id(lines_.size() + lines.size(), "lines");
  const auto first = static_cast<uint32_t>(lines_.size());
  lines_.append(lines);
  Location &at = locations_[location];
  at.first_line = first;
  at.line_count = static_cast<uint32_t>(lines.size());
  if (!lines.empty()) at.reason = UnnamedReason::kNone;
}

LabelSetId Profile::add_label_set(std::span<const Label> labels) {
  std::array<Label, 16> few;
  if (labels.size() <= few.size()) {
    std::copy(labels.begin(), labels.end(), few.begin());
    const std::span<Label> copy{few.data(), labels.size()};
    return add_prepared_label_set(copy, prepare_label_set(copy));
  }
  std::vector<Label> copy{labels.begin(), labels.end()};
  const uint64_t hash = prepare_label_set(copy);
  return add_prepared_label_set(copy, hash);
}

void Profile::expect_functions(size_t functions) {
  functions_.reserve_more(functions);
  function_index_.reserve(function_index_.size() + functions);
}

void Profile::expect_locations(size_t locations) {
  locations_.reserve_more(locations);
  lines_.reserve_more(locations);
  location_index_.reserve(location_index_.size() + locations);
}

void Profile::expect_label_sets(size_t sets) {
  label_sets_.reserve_more(sets);
  label_set_index_.reserve(label_set_index_.size() + sets);
}

uint64_t Profile::prepare_label_set(std::span<Label> labels) const {
  bool sorted = true;
  StringId last_key = 0;
  for (Label &label : labels) {
    label.is_number = label.is_number != 0 ? 1 : 0;
    if (label.is_number != 0)
      label.text = 0;
    else
      label.number = 0;
    sorted = sorted && last_key <= label.key;
    last_key = label.key;
  }
  if (!sorted)
    std::stable_sort(labels.begin(), labels.end(),
                     [](const Label &a, const Label &b) { return a.key < b.key; });
  // The labels' own hashes do not wait for each other.
  uint64_t hash = seed_;
  for (const Label &label : labels) {
    const uint64_t words[] = {
        hash_u64(static_cast<uint64_t>(label.key) << 32 | label.text, seed_),
        hash_u64(static_cast<uint64_t>(label.is_number) << 32 | label.unit, label_seeds_[0]),
        hash_u64(static_cast<uint64_t>(label.number), label_seeds_[1])};
    hash = hash_combine(hash, words[0] + words[1] + words[2], seed_);
  }
  label_set_index_.prefetch(hash);
  return hash;
}

LabelSetId Profile::add_prepared_label_set(std::span<const Label> labels, uint64_t hash) {
  if (labels.empty()) return 0;
  return label_set_index_.find_or_insert(
      hash,
      [&](uint32_t other) {
        const auto existing = labels_of(other);
        return std::equal(existing.begin(), existing.end(), labels.begin(), labels.end(),
                          equal_label);
      },
      [&] {
        next_id(labels_.size() + labels.size(), "labels");
        const uint32_t added = next_id(label_sets_.size() - 1, "label sets");
        label_sets_.reserve_more(1);
        labels_.append(labels);
        label_sets_.push_back(static_cast<uint32_t>(labels_.size()));
        return added;
      });
}

size_t Profile::add_sample_type(std::string_view type, std::string_view source_unit) {
  const UnitConversion conversion = canonical_unit(source_unit);
  SampleType added;
  added.type = intern(type);
  added.unit = intern(conversion.unit);
  added.source_unit = intern(source_unit);
  added.scale = conversion.scale;
  added.kind = guess_value_kind(type);
  return add_sample_type(added);
}

size_t Profile::add_sample_type(const SampleType &type) {
  values_.emplace_back();
  try {
    values_.back().resize_zeroed(sample_count());
    sample_types_.push_back(type);
  } catch (...) {
    values_.pop_back();
    throw;
  }
  return sample_types_.size() - 1;
}

size_t Profile::append_rows_uninitialized(size_t rows) {
  const size_t first = make_rows(rows);
  for (auto &column : values_) column.resize_uninitialized(first + rows);
  return first;
}

size_t Profile::append_rows_of_zeros(size_t rows) {
  const size_t first = make_rows(rows);
  for (auto &column : values_) column.resize_zeroed(first + rows);
  return first;
}

/// All of rows but their values, for which there is room then.
size_t Profile::make_rows(size_t rows) {
  const size_t first = sample_count();
  if (rows > UINT32_MAX - 1 - first) throw Error{Status::kLimit, "more than 4294967294 samples"};
  // Nothing may grow before everything has room: columns of unequal length would outlive the throw.
  reserve_more_samples(rows);
  sample_labels_.resize_uninitialized(first + rows);
  sample_stacks_.resize_uninitialized(first + rows);
  if (has_timestamps()) timestamps_.resize(first + rows);
  return first;
}

void Profile::truncate_rows(size_t rows) {
  for (auto &column : values_) column.resize_uninitialized(rows);
  sample_labels_.resize_uninitialized(rows);
  sample_stacks_.resize_uninitialized(rows);
  if (has_timestamps()) timestamps_.resize_uninitialized(rows);
}

void Profile::add_sample(StackId stack, LabelSetId labels, std::span<const int64_t> values) {
  if (values.size() != values_.size())
    throw Error{Status::kInvalidArgument, "a sample needs one value per sample type"};
  next_id(sample_count() + 1, "samples");
  reserve_more_samples(1);
  if (has_timestamps()) timestamps_.push_back(0);
  for (size_t i = 0; i < values.size(); ++i) values_[i].push_back(values[i]);
  sample_labels_.push_back(labels);
  sample_stacks_.push_back(stack);
}

void Profile::add_sample(StackId stack, LabelSetId labels, std::span<const int64_t> values,
                         int64_t timestamp_ns) {
  const size_t row = sample_count();
  timestamps_.reserve_more(row + 1 - timestamps_.size());
  add_sample(stack, labels, values);
  timestamps_.resize(row + 1);
  timestamps_[row] = timestamp_ns;
}

std::span<int64_t> Profile::add_timestamps() {
  timestamps_.resize(sample_count());
  return timestamps_.span();
}

void Profile::reserve_more_samples(size_t rows) {
  for (auto &column : values_) column.reserve_more(rows);
  sample_labels_.reserve_more(rows);
  sample_stacks_.reserve_more(rows);
  if (has_timestamps()) timestamps_.reserve_more(rows);
}

void Profile::reserve_samples(size_t rows) {
  for (auto &column : values_) column.reserve(rows);
  sample_labels_.reserve(rows);
  sample_stacks_.reserve(rows);
}

size_t Profile::default_type() const noexcept {
  if (meta.default_type != 0)
    for (size_t i = 0; i < sample_types_.size(); ++i)
      if (sample_types_[i].type == meta.default_type) return i;
  for (size_t i = sample_types_.size(); i-- > 0;)
    if (std::any_of(values_[i].begin(), values_[i].end(), [](int64_t value) { return value != 0; }))
      return i;
  return sample_types_.empty() ? 0 : sample_types_.size() - 1;
}

size_t Profile::find_type(std::string_view name) const noexcept {
  for (size_t i = 0; i < sample_types_.size(); ++i) {
    const std::string_view type = text(sample_types_[i].type);
    if (name == type) return i;
    if (name.size() > type.size() && name.starts_with(type) && name[type.size()] == '/') {
      const std::string_view unit = name.substr(type.size() + 1);
      if (unit == text(sample_types_[i].unit) || unit == text(sample_types_[i].source_unit))
        return i;
    }
  }
  return SIZE_MAX;
}

void Profile::warn(std::string_view text, uint64_t offset, uint64_t line) {
  for (const Warning &warning : warnings_)
    if (warning.text == text && (warning.line != 0) == (line != 0) && warning.line == line) return;
  if (warnings_.size() >= kMaxWarnings) return count("warnings_suppressed");
  warnings_.push_back({std::string{text}, offset, line});
}

void Profile::count(std::string_view name, uint64_t add) {
  for (Counter &counter : counters_) {
    if (counter.name == name) {
      counter.value = add > UINT64_MAX - counter.value ? UINT64_MAX : counter.value + add;
      return;
    }
  }
  counters_.push_back({std::string{name}, add});
}

uint64_t Profile::counter(std::string_view name) const noexcept {
  for (const Counter &counter : counters_)
    if (counter.name == name) return counter.value;
  return 0;
}

size_t Profile::bytes() const noexcept {
  return bytes_without_labels() + label_bytes();
}

size_t Profile::bytes_without_labels() const noexcept {
  size_t bytes = sizeof *this + strings.bytes() + stacks.bytes() + functions_.bytes() +
                 modules_.bytes() + locations_.bytes() + lines_.bytes() + function_index_.bytes() +
                 module_index_.bytes() + location_index_.bytes() + sample_stacks_.bytes() +
                 sample_labels_.bytes() + timestamps_.bytes();
  bytes +=
      sample_types_.capacity() * sizeof(SampleType) + meta.comments.capacity() * sizeof(StringId);
  if (jvm_facts != nullptr) bytes += sizeof(JvmFacts);
  bytes += values_.capacity() * sizeof(PodVector<int64_t>);
  for (const auto &column : values_) bytes += column.bytes();
  bytes += warnings_.capacity() * sizeof(Warning) + counters_.capacity() * sizeof(Counter);
  for (const Warning &warning : warnings_) bytes += warning.text.capacity();
  for (const Counter &counter : counters_) bytes += counter.name.capacity();
  return bytes;
}

void Profile::shrink_to_fit() {
  functions_.shrink_to_fit();
  modules_.shrink_to_fit();
  locations_.shrink_to_fit();
  lines_.shrink_to_fit();
  labels_.shrink_to_fit();
  label_sets_.shrink_to_fit();
  sample_stacks_.shrink_to_fit();
  sample_labels_.shrink_to_fit();
  timestamps_.shrink_to_fit();
  for (auto &column : values_) column.shrink_to_fit();
  stacks.shrink_to_fit();
}

} // namespace profcore
