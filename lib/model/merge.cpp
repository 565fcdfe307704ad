// Merging by arrays: every table of a profile is carried into the result once (Remap), stacks by
// one forward pass over its trie, and what is left per row is a look-up of (stack, labels,
// timestamp) that says which row of the result it adds to. Values are added afterwards, column by
// column.

#include "base/error.hpp"
#include "model/jvm_facts.hpp"
#include "model/operations.hpp"
#include "model/remap.hpp"

#include <algorithm>
#include <limits>

namespace profcore {
namespace {

int64_t add_saturating(int64_t a, int64_t b, bool &saturated) {
  int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  saturated = true;
  return a < 0 ? INT64_MIN : INT64_MAX;
}

uint64_t add_saturating(uint64_t a, uint64_t b) {
  return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

constexpr size_t kReportEvery = size_t{1} << 16;

class Merger {
public:
  explicit Merger(const Context &context) : context_{context} {}
  Profile run(std::span<const Profile *const> profiles);

private:
  struct Source {
    const Profile *profile;
    PodVector<uint32_t> columns; ///< of the result, per column
    PodVector<uint32_t> rows;    ///< of the result, per row
  };
  struct ColumnKey {
    StringId type;
    StringId unit;
    uint32_t nth; ///< of those with this type and unit in its profile
  };

  void merge_columns(Source &source, Remap &remap);
  uint32_t find_column(const SampleType &type, uint32_t nth);
  void merge_modules(const Profile &profile, Remap &remap);
  void merge_rows(Source &source, Remap &remap);
  void merge_metadata(const Profile &profile, Remap &remap, bool is_first);
  void merge_period(const Metadata &meta);
  void merge_jvm_facts(std::span<const Profile *const> profiles);
  void agree(StringId &kept, StringId next, bool &differs);
  void fill();
  void report(uint64_t rows);

  const Context &context_;
  uint64_t done_ = 0; ///< rows, counted once when looked up and once when added
  uint64_t all_ = 0;
  Profile result_;
  std::vector<Source> sources_;
  uint64_t seed_ = random_hash_seed();
  bool has_timestamps_ = false;
  bool saturated_ = false;

  PodVector<ColumnKey> column_keys_;
  InternIndex column_index_;
  InternIndex module_index_; ///< of the result's modules, by what identifies their file

  PodVector<StackId> stacks_; ///< per row of the result
  PodVector<LabelSetId> label_sets_;
  PodVector<int64_t> timestamps_;
  InternIndex row_index_;

  PodVector<uint8_t> seen_comments_; ///< per string of the result
  bool hosts_differ_ = false;
  bool commands_differ_ = false;
  bool formats_differ_ = false;
};

uint32_t Merger::find_column(const SampleType &type, uint32_t nth) {
  const ColumnKey key{type.type, type.unit, nth};
  const uint64_t hash =
      hash_combine(hash_u64(uint64_t{key.type} << 32 | key.unit, seed_), nth, seed_);
  return column_index_.find_or_insert(
      hash,
      [&](uint32_t id) {
        const ColumnKey &other = column_keys_[id];
        return other.type == key.type && other.unit == key.unit && other.nth == key.nth;
      },
      [&] {
        column_keys_.push_back(key);
        return static_cast<uint32_t>(result_.add_sample_type(type));
      });
}

void Merger::merge_columns(Source &source, Remap &remap) {
  struct Numbered {
    SampleType type; // in the result's strings
    uint32_t index;
    uint32_t nth;
  };
  std::vector<Numbered> types;
  for (const SampleType &type : source.profile->sample_types())
    types.push_back({remap.sample_type(type), static_cast<uint32_t>(types.size()), 0});
  // Columns of one name within a profile are different columns: the second goes with the second.
  const auto key = [](const Numbered &at) { return uint64_t{at.type.type} << 32 | at.type.unit; };
  std::stable_sort(types.begin(), types.end(),
                   [&](const Numbered &a, const Numbered &b) { return key(a) < key(b); });
  for (size_t i = 1; i < types.size(); ++i)
    if (key(types[i]) == key(types[i - 1])) types[i].nth = types[i - 1].nth + 1;
  std::sort(types.begin(), types.end(),
            [](const Numbered &a, const Numbered &b) { return a.index < b.index; });

  source.columns.resize(types.size());
  for (const Numbered &numbered : types) {
    const uint32_t column = find_column(numbered.type, numbered.nth);
    source.columns[numbered.index] = column;
    SampleType &kept = result_.mutable_sample_types()[column];
    if (kept.scale != numbered.type.scale) {
      kept.source_unit = kept.unit;
      kept.scale = 1;
    }
    kept.period = std::max(kept.period, numbered.type.period);
  }
}

// Two mappings are the same file when build id (or else path), size in pages and offset agree,
// wherever they were loaded; addresses then move to where the first was. What is no file (no path,
// "[heap]", "//anon") tells nothing of its content, so there only equal mappings are one.
void Merger::merge_modules(const Profile &profile, Remap &remap) {
  const std::span<const Module> modules = profile.modules();
  for (ModuleId id = 1; id < modules.size(); ++id) {
    const Module &module = modules[id];
    const std::string_view path = profile.text(module.path);
    const bool is_file = !path.empty() && path[0] != '[' && !path.starts_with("//");
    if (module.build_id == 0 && !is_file) {
      remap.module(id);
      continue;
    }
    const auto pages = [](const Module &of) {
      const uint64_t size = of.end - of.start;
      return size / 4096 + (size % 4096 != 0 ? 1 : 0);
    };
    const auto name = [](const Module &of) { return of.build_id != 0 ? of.build_id : of.path; };
    Module wanted = module;
    wanted.path = remap.string(module.path);
    wanted.build_id = remap.string(module.build_id);
    uint64_t hash = hash_u64(name(wanted), seed_);
    hash = hash_combine(hash, pages(wanted), seed_);
    hash = hash_combine(hash, wanted.offset, seed_);
    const ModuleId there = module_index_.find_or_insert(
        hash,
        [&](ModuleId other_id) {
          const Module &other = result_.modules()[other_id];
          return name(other) == name(wanted) && pages(other) == pages(wanted) &&
                 other.offset == wanted.offset;
        },
        [&] { return result_.add_module(wanted); });
    remap.set_module(id, there, result_.modules()[there].start - module.start);
  }
}

void Merger::merge_rows(Source &source, Remap &remap) {
  const Profile &profile = *source.profile;
  const std::span<const StackNode> nodes = profile.stacks.nodes();
  const std::span<const StackId> stacks = profile.sample_stacks();

  PodVector<uint8_t> used;
  used.resize(nodes.size());
  for (const StackId stack : stacks) used[stack] = 1;
  mark_callers(profile.stacks, used.span(), 1);
  PodVector<StackId> mapped;
  mapped.resize_uninitialized(nodes.size());
  mapped[0] = 0;
  for (StackId id = 1; id < nodes.size(); ++id)
    if (used[id] != 0)
      mapped[id] =
          result_.stacks.child(mapped[nodes[id].parent], remap.location(nodes[id].location));

  const std::span<const LabelSetId> label_sets = profile.sample_label_sets();
  const std::span<const int64_t> times = profile.timestamps();
  source.rows.resize_uninitialized(stacks.size());
  for (size_t row = 0; row < stacks.size(); ++row) {
    if (row % kReportEvery == 0) report(row == 0 ? 0 : kReportEvery);
    const StackId stack = mapped[stacks[row]];
    const LabelSetId labels = remap.label_set(label_sets[row]);
    const int64_t time = times.empty() ? 0 : times[row];
    uint64_t hash = hash_u64(uint64_t{stack} << 32 | labels, seed_);
    if (has_timestamps_) hash = hash_combine(hash, static_cast<uint64_t>(time), seed_);
    source.rows[row] = row_index_.find_or_insert(
        hash,
        [&](uint32_t id) {
          return stacks_[id] == stack && label_sets_[id] == labels &&
                 (!has_timestamps_ || timestamps_[id] == time);
        },
        [&] {
          if (stacks_.size() >= UINT32_MAX - 1)
            throw Error{Status::kLimit, "more than 4294967294 samples"};
          if (stacks_.size() >= context_.limits.max_samples)
            throw Error{Status::kLimit, "more than the limit of " +
                                            std::to_string(context_.limits.max_samples) +
                                            " samples"};
          if (has_timestamps_) timestamps_.push_back(time);
          label_sets_.push_back(labels);
          stacks_.push_back(stack);
          return static_cast<uint32_t>(stacks_.size() - 1);
        });
  }
}

void Merger::report(uint64_t rows) {
  done_ += rows;
  context_.report(done_, all_);
  context_.check_result(result_.bytes() + stacks_.bytes() + label_sets_.bytes() +
                        timestamps_.bytes() + row_index_.bytes());
}

void Merger::agree(StringId &kept, StringId next, bool &differs) {
  if (next == 0) return;
  if (kept != 0 && kept != next) differs = true;
  if (kept == 0) kept = next;
}

void Merger::merge_period(const Metadata &meta) {
  Metadata &kept = result_.meta;
  if (meta.period == 0 && meta.period_type == 0) return;
  if (kept.period == 0 && kept.period_type == 0) {
    kept.period_type = meta.period_type;
    kept.period_unit = meta.period_unit;
    kept.period = meta.period;
    return;
  }
  if (kept.period_type != meta.period_type)
    result_.warn("The merged profiles have different period types; the first is kept");
  const UnitConversion kept_unit = canonical_unit(result_.text(kept.period_unit));
  const UnitConversion next_unit = canonical_unit(result_.text(meta.period_unit));
  if (kept_unit.unit != next_unit.unit) return;
  const auto kept_period = static_cast<int128_t>(kept.period) * kept_unit.scale;
  const auto next_period = static_cast<int128_t>(meta.period) * next_unit.scale;
  if (kept_period == next_period) return;
  result_.warn("The merged profiles have different periods; the largest is kept");
  if (next_period < kept_period) return;
  kept.period = meta.period;
  kept.period_unit = meta.period_unit;
}

void Merger::merge_metadata(const Profile &profile, Remap &remap, bool is_first) {
  const Metadata meta = remap.metadata();
  Metadata &kept = result_.meta;
  if (meta.time_ns != 0 && (kept.time_ns == 0 || meta.time_ns < kept.time_ns))
    kept.time_ns = meta.time_ns;
  kept.duration_ns = add_saturating(kept.duration_ns, meta.duration_ns, saturated_);
  kept.lost_samples = add_saturating(kept.lost_samples, meta.lost_samples);
  merge_period(meta);
  // The lowest frequency goes with the largest period.
  if (meta.frequency_hz > 0 && (!(kept.frequency_hz > 0) || meta.frequency_hz < kept.frequency_hz))
    kept.frequency_hz = meta.frequency_hz;
  if (kept.default_type == 0) kept.default_type = meta.default_type;
  if (kept.doc_url == 0) kept.doc_url = meta.doc_url;
  if (kept.drop_frames == 0) {
    kept.drop_frames = meta.drop_frames;
    kept.keep_frames = meta.keep_frames;
  } else if (!is_first && meta.drop_frames != 0 &&
             (meta.drop_frames != kept.drop_frames || meta.keep_frames != kept.keep_frames)) {
    result_.warn("The merged profiles have different drop_frames; the first is kept");
  }
  agree(kept.host, meta.host, hosts_differ_);
  agree(kept.command, meta.command, commands_differ_);
  agree(kept.source_format, meta.source_format, formats_differ_);
  seen_comments_.resize(result_.strings.size());
  for (const StringId comment : meta.comments) {
    if (seen_comments_[comment] != 0) continue;
    seen_comments_[comment] = 1;
    kept.comments.push_back(comment);
  }
  for (const Warning &warning : profile.warnings())
    result_.warn(warning.text, warning.offset, warning.line);
  for (const Counter &counter : profile.counters()) result_.count(counter.name, counter.value);
}

/// Of recordings one after the other the sum is that of one long one; of several JVMs it is what
/// all did together in the sum of their times, so rates are means.
void Merger::merge_jvm_facts(std::span<const Profile *const> profiles) {
  std::vector<const Profile *> in_time;
  for (const Profile *profile : profiles)
    if (profile->jvm_facts != nullptr) in_time.push_back(profile);
  if (in_time.empty()) return;
  if (in_time.size() < profiles.size()) {
    result_.warn("Not all of the merged profiles have what the metrics of a JVM are computed from; "
                 "the merged one has not");
    return;
  }
  std::stable_sort(in_time.begin(), in_time.end(), [](const Profile *a, const Profile *b) {
    return a->meta.time_ns < b->meta.time_ns;
  });
  auto facts = std::make_shared<JvmFacts>(*in_time.front()->jvm_facts);
  for (size_t i = 1; i < in_time.size(); ++i) facts->merge(*in_time[i]->jvm_facts);
  result_.jvm_facts = std::move(facts);
}

void Merger::fill() {
  const size_t rows = stacks_.size();
  result_.append_rows_uninitialized(rows);
  std::copy(stacks_.begin(), stacks_.end(), result_.sample_stacks().begin());
  std::copy(label_sets_.begin(), label_sets_.end(), result_.sample_label_sets().begin());
  if (has_timestamps_)
    std::copy(timestamps_.begin(), timestamps_.end(), result_.add_timestamps().begin());
  for (size_t column = 0; column < result_.sample_types().size(); ++column) {
    const std::span<int64_t> values = result_.values(column);
    std::fill(values.begin(), values.end(), 0);
  }
  for (const Source &source : sources_) {
    for (size_t column = 0; column < source.columns.size(); ++column) {
      const std::span<const int64_t> from = source.profile->values(column);
      const std::span<int64_t> to = result_.values(source.columns[column]);
      for (size_t row = 0; row < from.size(); ++row) {
        int64_t &sum = to[source.rows[row]];
        sum = add_saturating(sum, from[row], saturated_);
      }
    }
    report(source.rows.size());
  }
}

Profile Merger::run(std::span<const Profile *const> profiles) {
  for (const Profile *profile : profiles) {
    if (profile == nullptr) throw Error{Status::kInvalidArgument, "a profile to merge is null"};
    has_timestamps_ = has_timestamps_ || profile->has_timestamps();
    all_ += 2 * uint64_t{profile->sample_count()};
  }
  sources_.reserve(profiles.size());
  for (const Profile *profile : profiles) {
    sources_.push_back({profile, {}, {}});
    Source &source = sources_.back();
    Remap remap{*profile, result_};
    merge_columns(source, remap);
    merge_modules(*profile, remap);
    merge_rows(source, remap);
    merge_metadata(*profile, remap, sources_.size() == 1);
  }
  merge_jvm_facts(profiles);
  row_index_.clear();
  done_ = all_ / 2;
  fill();
  if (hosts_differ_) result_.meta.host = 0;
  if (commands_differ_) result_.meta.command = 0;
  if (formats_differ_) result_.meta.source_format = 0;
  if (saturated_) result_.warn("Sums past 64 bits were kept at the largest value");
  return std::move(result_);
}

} // namespace

Profile merge(std::span<const Profile *const> profiles, const Context &context) {
  return Merger{context}.run(profiles);
}

} // namespace profcore
