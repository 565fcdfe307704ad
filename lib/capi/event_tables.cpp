#include "capi/event_tables.hpp"

#include "capi/guard.hpp"

namespace profcore::capi {
namespace {

std::string_view source_unit_of(jfr::Content content) {
  using jfr::Content;
  switch (content) {
  case Content::kPlain:
  case Content::kPercentage:
  case Content::kMemoryAddress:
    break;
  case Content::kTimestampTicks:
  case Content::kTimespanTicks:
    return "ticks";
  case Content::kTimestampMillis:
  case Content::kTimespanMillis:
    return "milliseconds";
  case Content::kTimestampNanos:
  case Content::kTimespanNanos:
    return "nanoseconds";
  case Content::kTimespanMicros:
    return "microseconds";
  case Content::kTimespanSeconds:
    return "seconds";
  case Content::kBytes:
    return "bytes";
  case Content::kBits:
    return "bits";
  case Content::kFrequency:
    return "hertz";
  }
  return "";
}

} // namespace

EventTables::EventTables(const jfr::Chunk &chunk) {
  const auto types = chunk.schema().types();
  size_t field_count = 0;
  for (const jfr::Type &type : types) field_count += type.fields.size();
  fields_.reserve(field_count); // types point into it
  types_.reserve(types.size());
  event_fields_.resize(types.size());
  for (jfr::TypeIndex i = 0; i < types.size(); ++i) {
    const jfr::Type &type = types[i];
    profcore_event_type &shown = types_.emplace_back();
    shown.name = kept(type.name);
    shown.super = kept(type.super);
    shown.label = kept(type.label);
    shown.category = kept(type.category);
    shown.id = type.id;
    shown.fields = fields_.data() + fields_.size();
    shown.field_count = type.fields.size();
    shown.event_count = chunk.tallies()[i].count;
    shown.event_bytes = chunk.tallies()[i].bytes;
    shown.is_event = type.is_event ? 1 : 0;
    shown.is_readable = type.is_readable ? 1 : 0;
    for (const jfr::Field &field : type.fields) {
      profcore_event_field &part = fields_.emplace_back();
      part.name = kept(field.name);
      part.label = kept(field.label);
      part.description = kept(field.description);
      part.type_name = kept(field.type == jfr::kNoType ? "" : types[field.type].name);
      part.source_unit = to_str(source_unit_of(field.content));
      part.type = field.type;
      part.unit = static_cast<profcore_value_unit>(jfr::unit_of(field.content));
      part.is_array = field.is_array ? 1 : 0;
      part.is_reference = field.in_pool ? 1 : 0;
      part.is_unsigned = field.is_unsigned ? 1 : 0;
    }
    if (type.is_event) event_fields_[i] = jfr::event_fields_of(chunk.schema(), i);
  }
  known_ = {};
}

profcore_str EventTables::kept(std::string_view text) {
  if (text.empty()) return to_str("");
  const auto [found, fresh] = known_.try_emplace(text.data());
  // Texts that begin at one place are one text: both are whole strings of the metadata.
  if (fresh || found->second.size != text.size()) found->second = to_str(names_.copy(text));
  return found->second;
}

} // namespace profcore::capi
