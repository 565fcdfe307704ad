#include "model/remap.hpp"

namespace profcore {
namespace {

constexpr uint32_t kUnmapped = UINT32_MAX;

// Id 0 of every table is "none" everywhere.
void start(PodVector<uint32_t> &map, size_t size) {
  map.resize(size, kUnmapped);
  map[0] = 0;
}

} // namespace

Remap::Remap(const Profile &from, Profile &to, std::span<const uint8_t> keep_lines)
    : from_{from}, to_{to}, keep_lines_{keep_lines} {
  start(strings_, from.strings.size());
  start(functions_, from.functions().size());
  start(modules_, from.modules().size());
  start(locations_, from.locations().size());
  start(label_sets_, from.label_set_count());
}

StringId Remap::string(StringId id) {
  if (strings_[id] == kUnmapped) strings_[id] = to_.intern(from_.text(id));
  return strings_[id];
}

FunctionId Remap::function(FunctionId id) {
  if (functions_[id] == kUnmapped) {
    Function function = from_.functions()[id];
    function.name = string(function.name);
    function.system_name = string(function.system_name);
    function.file = string(function.file);
    functions_[id] = to_.add_function(function);
  }
  return functions_[id];
}

ModuleId Remap::module(ModuleId id) {
  if (modules_[id] == kUnmapped) {
    Module module = from_.modules()[id];
    module.path = string(module.path);
    module.build_id = string(module.build_id);
    modules_[id] = to_.add_module(module);
  }
  return modules_[id];
}

void Remap::set_module(ModuleId id, ModuleId there, uint64_t shift) {
  modules_[id] = there;
  if (shift == 0) return;
  shifts_.resize(modules_.size());
  shifts_[id] = shift;
}

LocationId Remap::location(LocationId id) {
  if (locations_[id] != kUnmapped) return locations_[id];
  Location location = from_.locations()[id];
  lines_.clear();
  for (uint32_t i = 0; i < location.line_count; ++i) {
    const uint32_t at = location.first_line + i;
    if (!keep_lines_.empty() && keep_lines_[at] == 0) continue;
    Line line = from_.lines()[at];
    line.function = function(line.function);
    line.file = string(line.file);
    lines_.push_back(line);
  }
  // Address 0 is none (interpreted frames have no other): it does not move.
  if (!shifts_.empty() && location.address != 0) location.address += shifts_[location.module];
  location.module = module(location.module);
  locations_[id] = to_.add_location(location, lines_.span());
  return locations_[id];
}

LabelSetId Remap::label_set(LabelSetId id) {
  if (label_sets_[id] != kUnmapped) return label_sets_[id];
  labels_.clear();
  for (Label label : from_.labels_of(id)) {
    label.key = string(label.key);
    label.text = string(label.text);
    label.unit = string(label.unit);
    labels_.push_back(label);
  }
  label_sets_[id] = to_.add_label_set(labels_.span());
  return label_sets_[id];
}

SampleType Remap::sample_type(const SampleType &type) {
  SampleType mapped = type;
  mapped.type = string(type.type);
  mapped.unit = string(type.unit);
  mapped.source_unit = string(type.source_unit);
  return mapped;
}

Metadata Remap::metadata() {
  Metadata meta = from_.meta;
  for (StringId *id :
       {&meta.period_type, &meta.period_unit, &meta.default_type, &meta.drop_frames,
        &meta.keep_frames, &meta.doc_url, &meta.host, &meta.command, &meta.source_format})
    *id = string(*id);
  for (StringId &comment : meta.comments) comment = string(comment);
  return meta;
}

void carry_findings(const Profile &from, Profile &to) {
  for (const Warning &warning : from.warnings())
    to.warn(warning.text, warning.offset, warning.line);
  for (const Counter &counter : from.counters()) to.count(counter.name, counter.value);
}

void mark_callers(const StackTrie &stacks, std::span<uint8_t> used, uint8_t bit) {
  const std::span<const StackNode> nodes = stacks.nodes();
  for (size_t id = nodes.size(); id-- > 1;) used[nodes[id].parent] |= used[id] & bit;
}

} // namespace profcore
