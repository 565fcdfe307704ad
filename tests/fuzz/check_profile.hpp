#pragma once

#include "model/profile.hpp"
#include "require.hpp"

/// Every id of a profile points somewhere, and callers come before callees.
inline void require_consistent(const profcore::Profile &profile) {
  const auto locations = profile.locations();
  for (const profcore::Location &location : locations) {
    require(location.module < profile.modules().size());
    require(location.first_line + uint64_t{location.line_count} <= profile.lines().size());
  }
  for (const profcore::Line &line : profile.lines()) {
    require(line.function < profile.functions().size());
    require(line.file < profile.strings.size());
  }
  for (profcore::StackId id = 1; id < profile.stacks.size(); ++id) {
    require(profile.stacks[id].parent < id);
    require(profile.stacks[id].location < locations.size());
  }
  for (size_t row = 0; row < profile.sample_count(); ++row) {
    require(profile.sample_stacks()[row] < profile.stacks.size());
    require(profile.sample_label_sets()[row] < profile.label_set_count());
  }
  require(profile.sample_count() == 0 || !profile.sample_types().empty());
}
