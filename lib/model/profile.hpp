#pragma once

#include "base/pod_vector.hpp"
#include "base/string_table.hpp"
#include "model/sample_type.hpp"
#include "model/stack_trie.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace profcore {

struct JvmFacts;

// Ids are u32 and count up from 0. Id 0 of every table is "none": the empty string, no function, no
// module, no location, the empty stack, no labels.
using FunctionId = uint32_t;
using ModuleId = uint32_t;
using LocationId = uint32_t;
using LabelSetId = uint32_t;

struct Function {
  StringId name = 0;        ///< as shown to people
  StringId system_name = 0; ///< as the object file has it (mangled)
  StringId file = 0;
  uint32_t reserved = 0;
  int64_t start_line = 0;
};

enum ModuleFlag : uint32_t {
  kHasFunctions = 1,
  kHasFilenames = 2,
  kHasLineNumbers = 4,
  kHasInlineFrames = 8,
};

/// A mapped object: [start, end) is where it was mapped, `offset` where that begins in the file.
struct Module {
  StringId path = 0;
  StringId build_id = 0; ///< hexadecimal text
  uint64_t start = 0;
  uint64_t end = 0;
  uint64_t offset = 0;
  uint32_t flags = 0; ///< ModuleFlag
  uint32_t reserved = 0;
};

/// What a frame is. The numbers are part of the C ABI and of the HTML data format.
enum class FrameKind : uint8_t {
  kUnknown = 0,
  kUser = 1,
  kKernel = 2,
  kLibrary = 3,
  kJavaInterpreted = 4,
  kJavaCompiled = 5,
  kJavaInlined = 6,
  kPython = 7,
  kGpu = 8,
  kThread = 9,
  kProcess = 10,
  kInlined = 11,
  kManaged = 12, ///< another language's managed code, or any compiled at run time (perf maps)
  kLabel = 13,   ///< a grouping frame made from a label
};

/// Why a location has no name. kNone for locations that have lines, but for those named by bounds.
enum class UnnamedReason : uint8_t {
  kNone = 0,
  kNotAttempted = 1,  ///< nobody tried yet
  kNoModule = 2,      ///< the address lies in no known mapping
  kNoSymbols = 3,     ///< the module has no symbol table
  kNotCovered = 4,    ///< it has one, but no symbol covers the address
  kModuleMissing = 5, ///< the file was not found
  kModuleChanged = 6, ///< the file found has another build id
  kModuleDamaged = 7, ///< the file found could not be read
  kNotPermitted = 8,  ///< symbols exist but may not be read
  kTruncated = 9,     ///< the stack was cut here
  kProcessGone = 10,  ///< the process ended before its files could be read
  kNoPerfMap = 11,    ///< code made at run time, of which nobody wrote a map
  kKernelHidden = 12, ///< kptr_restrict hides the kernel's addresses
  kOverBudget = 13,   ///< its symbols take more memory than allowed
};

enum LocationFlag : uint8_t {
  kIsFolded = 1,      ///< several symbols share the address (pprof's is_folded)
  kModuleInName = 2,  ///< the source writes module`name for it (dtrace), and so does collapsed text
  kNamedByBounds = 4, ///< its function has no name but a place: module+fn_0xaddress; see `reason`
};

/// One line of a location. `file` is 0 when it is the function's own.
struct Line {
  FunctionId function = 0;
  StringId file = 0;
  int64_t line = 0;
  int64_t column = 0;
};

/// One physical frame. Lines are innermost first; none while unnamed, several when inlined.
struct Location {
  uint64_t address = 0;
  ModuleId module = 0;
  uint32_t first_line = 0; ///< index into Profile::lines()
  uint32_t line_count = 0;
  FrameKind kind = FrameKind::kUnknown;
  uint8_t flags = 0; ///< LocationFlag
  UnnamedReason reason = UnnamedReason::kNone;
  uint8_t reserved = 0;
};

/// A label: text, or a number with a unit. A label with `is_number` ignores `text`.
struct Label {
  StringId key = 0;
  StringId text = 0;
  StringId unit = 0;
  uint32_t is_number = 0;
  int64_t number = 0;
};

struct Warning {
  std::string text;
  uint64_t offset; ///< byte offset, or kNoOffset
  uint64_t line;   ///< 1-based line number of text formats, 0 = none
};

struct Counter {
  std::string name;
  uint64_t value;
};

/// What is known of a profile as a whole. Strings are ids of the profile's table.
struct Metadata {
  int64_t time_ns = 0; ///< start, since 1970; 0 = not known
  int64_t duration_ns = 0;
  StringId period_type = 0;
  StringId period_unit = 0; ///< as the source has it
  int64_t period = 0;       ///< in period_unit
  StringId default_type = 0;
  StringId drop_frames = 0; ///< regex, not applied
  StringId keep_frames = 0;
  StringId doc_url = 0;
  StringId host = 0;
  StringId command = 0;
  StringId source_format = 0;
  double frequency_hz = 0;
  uint64_t lost_samples = 0;
  std::vector<StringId> comments;
};

/// The one model every decoder fills and every output reads.
///
/// Strings, functions, modules, locations and label sets are interned once; stacks are nodes of a
/// prefix trie over locations; samples are columns. Building is single-threaded; a profile that
/// nobody changes may be read from any number of threads.
class Profile {
public:
  Profile();
  Profile(Profile &&) noexcept = default;
  Profile &operator=(Profile &&) noexcept = default;

  StringTable strings;
  Metadata meta;
  StackTrie stacks;
  /// What the metrics of a JVM are computed from; null when nobody asked for it, or when this was
  /// made from another profile by other means than merging.
  std::shared_ptr<const JvmFacts> jvm_facts;

  StringId intern(std::string_view text) { return strings.intern(text); }
  std::string_view text(StringId id) const noexcept { return strings[id]; }

  // Interning. Equal content gets the same id.
  FunctionId add_function(const Function &function);
  ModuleId add_module(const Module &module);
  /// `location.first_line` and `line_count` are ignored: `lines` says.
  LocationId add_location(const Location &location, std::span<const Line> lines);
  /// Labels are put in canonical order (by key; equal keys keep their order).
  LabelSetId add_label_set(std::span<const Label> labels);
  /// `add_label_set` in two steps, for callers with many sets at hand: the first puts the labels in
  /// canonical order and begins to fetch what the second needs, so that the misses overlap.
  uint64_t prepare_label_set(std::span<Label> labels) const;
  LabelSetId add_prepared_label_set(std::span<const Label> labels, uint64_t hash);
  /// Where `count` labels may be written that are then given to the two above: sets that are added
  /// from there, in order, are not copied. Holds until labels are added or this is called again,
  /// which keeps what was written.
  Label *spare_labels(size_t count) {
    labels_.reserve_more(count);
    return labels_.end();
  }
  /// So many will come, about.
  void expect_functions(size_t functions);
  void expect_locations(size_t locations);
  void expect_label_sets(size_t sets);
  /// ModuleFlag that came to hold after the fact.
  void add_module_flags(ModuleId module, uint32_t flags) noexcept {
    modules_[module].flags |= flags;
  }
  /// Names a location after the fact; stacks stay as they are.
  void set_lines(LocationId location, std::span<const Line> lines);

  /// Adds a column; existing samples get 0 there. Returns its index.
  size_t add_sample_type(std::string_view type, std::string_view source_unit);
  size_t add_sample_type(const SampleType &type);
  /// Adds a row; `values` has one value per sample type, in canonical units.
  void add_sample(StackId stack, LabelSetId labels, std::span<const int64_t> values);
  void add_sample(StackId stack, LabelSetId labels, std::span<const int64_t> values,
                  int64_t timestamp_ns);
  void reserve_samples(size_t rows);
  /// Appends `rows` rows whose stack, labels and values are not yet set (their timestamps are 0,
  /// when there are timestamps), and returns the index of the first: for those who fill columns.
  size_t append_rows_uninitialized(size_t rows);
  /// The same with values of 0, whose memory is not touched: for many columns that few rows use.
  size_t append_rows_of_zeros(size_t rows);
  void truncate_rows(size_t rows);

  std::span<const Function> functions() const noexcept { return functions_.span(); }
  std::span<const Module> modules() const noexcept { return modules_.span(); }
  std::span<const Location> locations() const noexcept { return locations_.span(); }
  std::span<Location> mutable_locations() noexcept { return locations_.span(); }
  std::span<const Line> lines() const noexcept { return lines_.span(); }
  std::span<const Line> lines_of(LocationId location) const noexcept {
    const Location &at = locations_[location];
    return {lines_.data() + at.first_line, at.line_count};
  }
  std::span<const Label> labels_of(LabelSetId set) const noexcept {
    return {labels_.data() + label_sets_[set], label_sets_[set + 1] - label_sets_[set]};
  }
  /// Label set i is labels()[offsets[i] .. offsets[i + 1]).
  std::span<const uint32_t> label_set_offsets() const noexcept { return label_sets_.span(); }
  std::span<const Label> labels() const noexcept { return labels_.span(); }
  /// What labels and label sets hold, and all else: the parts of `bytes`.
  size_t bytes_without_labels() const noexcept;
  size_t label_bytes() const noexcept {
    return labels_.bytes() + label_sets_.bytes() + label_set_index_.bytes();
  }
  size_t label_set_count() const noexcept { return label_sets_.size() - 1; }

  size_t sample_count() const noexcept { return sample_stacks_.size(); }
  const std::vector<SampleType> &sample_types() const noexcept { return sample_types_; }
  std::vector<SampleType> &mutable_sample_types() noexcept { return sample_types_; }
  std::span<const StackId> sample_stacks() const noexcept { return sample_stacks_.span(); }
  std::span<StackId> sample_stacks() noexcept { return sample_stacks_.span(); }
  std::span<const LabelSetId> sample_label_sets() const noexcept { return sample_labels_.span(); }
  std::span<LabelSetId> sample_label_sets() noexcept { return sample_labels_.span(); }
  std::span<const int64_t> values(size_t type) const noexcept { return values_[type].span(); }
  std::span<int64_t> values(size_t type) noexcept { return values_[type].span(); }
  /// Empty, or one per sample.
  std::span<const int64_t> timestamps() const noexcept { return timestamps_.span(); }
  bool has_timestamps() const noexcept { return !timestamps_.empty(); }
  /// Gives every row a timestamp (0 where it has none), to be written; nothing without rows.
  std::span<int64_t> add_timestamps();

  /// The column named by `meta.default_type`, else the last one with any value but 0, else the last
  /// (pprof's rule is the last, which in profiles with many columns often has nothing to show).
  size_t default_type() const noexcept;
  /// The column with that type name ("cpu", or "cpu/nanoseconds"), or SIZE_MAX.
  size_t find_type(std::string_view name) const noexcept;

  /// Equal texts are kept once; past a bound only the counter "warnings_suppressed" grows.
  void warn(std::string_view text, uint64_t offset = UINT64_MAX, uint64_t line = 0);
  void count(std::string_view name, uint64_t add = 1);
  const std::vector<Warning> &warnings() const noexcept { return warnings_; }
  const std::vector<Counter> &counters() const noexcept { return counters_; }
  uint64_t counter(std::string_view name) const noexcept;

  /// Bytes of memory held, indexes included.
  size_t bytes() const noexcept;
  /// Gives back spare capacity.
  void shrink_to_fit();

private:
  void add_none_entries();
  void reserve_more_samples(size_t rows);
  size_t make_rows(size_t rows);

  PodVector<Function> functions_;
  PodVector<Module> modules_;
  PodVector<Location> locations_;
  PodVector<Line> lines_;
  PodVector<Label> labels_;
  PodVector<uint32_t> label_sets_; ///< offsets into labels_, one more than there are sets
  InternIndex function_index_, module_index_, location_index_, label_set_index_;
  std::vector<SampleType> sample_types_;
  PodVector<StackId> sample_stacks_;
  PodVector<LabelSetId> sample_labels_;
  std::vector<PodVector<int64_t>> values_;
  PodVector<int64_t> timestamps_;
  std::vector<Warning> warnings_;
  std::vector<Counter> counters_;
  uint64_t seed_;
  std::array<uint64_t, 2> label_seeds_;
};

} // namespace profcore
