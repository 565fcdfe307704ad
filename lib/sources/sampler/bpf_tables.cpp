#include "sources/sampler/bpf_tables.hpp"

#include <algorithm>
#include <cstring>

namespace profcore::sampler {
namespace {

/// What the ELF address of a place in the file is above its offset; false outside all code.
bool address_bias(const ModuleFile &module, uint64_t offset, uint64_t size, uint64_t &bias) {
  // Neighbouring parts may share a page, and so a mapping: only code is meant.
  for (const CodeSegment &part : module.code)
    if (offset + size > part.file_offset && offset < part.file_offset + part.size) {
      bias = part.address - part.file_offset;
      return true;
    }
  return false;
}

} // namespace

bool make_bpf_process(const Process &process, const ModuleFiles &files, sampler_process &to) {
  std::memset(&to, 0, sizeof to);
  for (sampler_mapping &mapping : to.mappings) mapping.start = UINT64_MAX >> 1;
  size_t count = 0;
  const auto add = [&](const sampler_mapping &mapping) {
    if (count < SAMPLER_MAX_MAPPINGS) to.mappings[count] = mapping;
    ++count;
  };
  for (const Mapping &mapping : process.mappings) {
    if (mapping.module == ModuleFiles::kNone) continue; // walked as if it were not mapped
    sampler_mapping entry{};
    entry.start = mapping.start;
    entry.end = mapping.end;
    entry.module = mapping.module;
    entry.offset_bias = mapping.start - mapping.offset;
    uint64_t bias = 0;
    if (files[mapping.module].rows.empty() ||
        !address_bias(files[mapping.module], mapping.offset, mapping.end - mapping.start, bias)) {
      add(entry);
      continue;
    }
    // address = elf address + load, for this mapping
    const ModuleFile &file = files[mapping.module];
    const uint64_t load = entry.offset_bias - bias;
    entry.row_bias = load + file.row_base;
    for (size_t i = 0; i < file.rows.size(); ++i) {
      const RowsPlace &place = file.rows[i];
      const uint64_t from = i == 0 ? mapping.start : std::max(mapping.start, load + place.from);
      const uint64_t to_address = i + 1 == file.rows.size()
                                      ? mapping.end
                                      : std::min(mapping.end, load + file.rows[i + 1].from);
      if (from >= to_address) continue;
      entry.start = from;
      entry.end = to_address;
      entry.chunk = place.chunk;
      entry.first_row = place.first;
      entry.row_count = place.count;
      add(entry);
    }
  }
  return count <= SAMPLER_MAX_MAPPINGS;
}

} // namespace profcore::sampler
