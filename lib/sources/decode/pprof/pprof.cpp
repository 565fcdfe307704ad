// profile.proto into the model.
//
// Two passes. The first hops over the top-level fields: it counts samples, locations, functions and
// strings, notes where each kind lies, and keeps the small fields; field order is free, so nothing
// can be resolved before its end. The second sizes every table once and reads strings, mappings,
// functions, locations, then samples (samples.cpp has the algorithm that matters for speed). A
// parser that builds a message object per field, which is what other readers do, spends its time in
// allocation: the columns here are touched once.
//
// What is an error and what is not follows google/pprof, so that both agree on which files are
// profiles. Errors, always with the byte offset: damage of the wire format anywhere (a group, a
// varint of more than ten bytes, a length past the end, a known field with another wire type), a
// string table that does not begin with "", string indices outside the table, a second time_nanos
// (concatenated profiles), samples without sample types or with another number of values, ids that
// are 0 or repeated, a sample's location or a line's function that is not there.
//
// A file cut short ends in such an error too, unless the cut is among the strings, which most
// writers put last: then all the rest is there, an index means what it meant, and only the names
// behind the cut are gone. Functions get "[lost name 123]", such labels are left out, all else is
// empty; pprof_lost_strings counts what referred to them and a warning tells of it and of what may
// have stood behind (time, period, comments). Strict, cut anywhere else, or cut before the names of
// the sample types, it is an error: what referred to what is gone, and no part could be trusted.
//
// Read with a warning and a counter: a location's mapping that is not there
// (pprof_missing_mappings), a label with text and number (pprof_double_labels; the text wins), and
// functions that all lack an id (pprof_functions_without_id; .NET's writer: lines count them from
// 1), all errors when strict; a label with neither (pprof_empty_labels; google/pprof drops it
// without a word). Label lists that are byte for byte the same are decoded, and counted, once.
// Taken as it is: unknown fields, text that is not UTF-8, negative values, label key 0, ids of any
// size, a singular field met twice (the last one wins). An index 0 into a string table that is
// missing altogether is the empty string, where google/pprof refuses.

#include "sources/decode/pprof/decoder.hpp"

#include <limits>

namespace profcore {
namespace pprof {

Profile Decoder::run() {
  options_.context.report(0, input_.size());
  scan();
  read_strings();
  set_metadata();
  add_sample_types();
  SampleReading samples{*this};
  samples.start();
  read_mappings();
  read_functions();
  read_locations();
  check_result_size();
  samples.finish();
  scale_columns();
  if (missing_mappings_ != 0) profile_.count("pprof_missing_mappings", missing_mappings_);
  if (scan_.cut) {
    profile_.warn(
        "the input is cut short in its strings: later names are not known, and what stood "
        "behind them is lost",
        scan_.cut_offset);
    profile_.count("pprof_truncated");
    if (lost_strings_ != 0) profile_.count("pprof_lost_strings", lost_strings_);
  }
  options_.context.report(input_.size(), input_.size());
  return std::move(profile_);
}

void Decoder::tell(const LabelOddities &oddities) {
  if (oddities.doubles.count != 0) {
    profile_.warn(kDoubleLabel, oddities.doubles.first_offset);
    profile_.count("pprof_double_labels", oddities.doubles.count);
  }
  if (oddities.valueless.count != 0) {
    profile_.warn("labels with neither text nor a number other than 0 are left out",
                  oddities.valueless.first_offset);
    profile_.count("pprof_empty_labels", oddities.valueless.count);
  }
  lost_strings_ += oddities.lost_strings;
}

void Decoder::set_metadata() {
  Metadata &meta = profile_.meta;
  meta.source_format = profile_.intern("pprof");
  meta.time_ns = scan_.time_ns;
  meta.duration_ns = scan_.duration_ns;
  meta.period = scan_.period;
  meta.period_type = string_at(scan_.period_type.type);
  meta.period_unit = string_at(scan_.period_type.unit);
  meta.default_type = string_at(scan_.default_type);
  meta.drop_frames = string_at(scan_.drop_frames);
  meta.keep_frames = string_at(scan_.keep_frames);
  meta.doc_url = string_at(scan_.doc_url);
  meta.comments.reserve(scan_.comments.size());
  for (const StringIndex &comment : scan_.comments) meta.comments.push_back(string_at(comment));
}

void Decoder::add_sample_types() {
  int64_t period = 0;
  const UnitConversion conversion = canonical_unit(profile_.text(profile_.meta.period_unit));
  if (__builtin_mul_overflow(profile_.meta.period, conversion.scale, &period)) period = 0;
  for (const RawValueType &raw : scan_.sample_types) {
    // Values that nobody can name or measure are no use.
    for (const StringIndex &index : {raw.type, raw.unit})
      if (is_lost(index))
        throw Error{Status::kMalformed, "the input is cut before the names of its values",
                    scan_.cut_offset};
    SampleType added;
    added.type = string_at(raw.type);
    added.source_unit = string_at(raw.unit);
    const std::string_view unit = profile_.text(added.source_unit);
    const UnitConversion column = canonical_unit(unit);
    added.unit =
        column.unit.data() == unit.data() ? added.source_unit : profile_.intern(column.unit);
    added.scale = column.scale;
    added.kind = guess_value_kind(profile_.text(added.type));
    added.period = period;
    profile_.add_sample_type(added);
  }
}

/// Columns are read in the file's units. One whose values would not fit in the canonical unit
/// stays.
void Decoder::scale_columns() {
  for (size_t column = 0; column < profile_.sample_types().size(); ++column) {
    SampleType &type = profile_.mutable_sample_types()[column];
    if (type.scale == 1) continue;
    const std::span<int64_t> values = profile_.values(column);
    int64_t low = 0;
    int64_t high = 0;
    for (const int64_t value : values) {
      low = value < low ? value : low;
      high = value > high ? value : high;
    }
    constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
    constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
    if (low < kMin / type.scale || high > kMax / type.scale) {
      type.unit = type.source_unit;
      type.scale = 1;
      profile_.warn("values too large for the canonical unit are kept in the file's unit");
      profile_.count("pprof_unscaled_columns");
      continue;
    }
    for (int64_t &value : values) value *= type.scale;
  }
}

} // namespace pprof

Profile decode_pprof(std::span<const uint8_t> bytes, const DecodeOptions &options) {
  if (bytes.empty()) throw Error{Status::kNoData, "the input is empty", 0};
  Profile profile = pprof::Decoder{bytes, options}.run();
  if (options.apply_drop_frames && profile.meta.drop_frames != 0)
    return pprof::without_dropped_frames(profile);
  return profile;
}

} // namespace profcore
