#pragma once

#include "elf_builder.hpp"
#include "symbolize/symbolizer.hpp"

#include <map>
#include <string>
#include <string_view>

namespace profcore::test {

struct Provider : ModuleProvider {
  std::map<uint32_t, ModuleFile> files;
  std::map<uint32_t, ProcessView> processes;
  ModuleFile file_of(uint32_t module) override { return files[module]; }
  ProcessView process_of(uint32_t module) override { return processes[module]; }
};

struct Recording {
  Profile profile;
  Provider provider;

  ModuleId module(std::string_view path, uint64_t start = 0x10000, uint64_t end = 0x20000,
                  uint64_t offset = 0, std::string_view build_id = {}) {
    Module added;
    added.path = profile.intern(path);
    added.build_id = profile.intern(build_id);
    added.start = start;
    added.end = end;
    added.offset = offset;
    return profile.add_module(added);
  }
  ModuleId file(const std::string &path, std::string_view build_id = {}) {
    const ModuleId id = module(path, 0x10000, 0x20000, 0, build_id);
    provider.files[id].path = path;
    return id;
  }
  LocationId at(ModuleId module, uint64_t address, FrameKind kind = FrameKind::kUser) {
    Location location;
    location.address = address;
    location.module = module;
    location.kind = kind;
    location.reason = UnnamedReason::kNotAttempted;
    return profile.add_location(location, {});
  }
  std::string name(LocationId location) const {
    const auto lines = profile.lines_of(location);
    if (lines.empty()) return "-";
    return std::string{profile.text(profile.functions()[lines[0].function].name)};
  }
  bool by_bounds(LocationId location) const {
    return (profile.locations()[location].flags & kNamedByBounds) != 0;
  }
  UnnamedReason reason(LocationId location) const { return profile.locations()[location].reason; }
};

inline std::string bytes_of(const ElfBuilder &builder) {
  const auto bytes = builder.build();
  return {bytes.begin(), bytes.end()};
}

inline ElfBuilder little_elf() {
  ElfBuilder builder;
  builder.symtab = {{"main", 0x401100, 0x20}, {"_ZN3foo3barEi", 0x401200, 0x20}};
  builder.build_id = {0xab, 0xcd};
  return builder;
}

} // namespace profcore::test
