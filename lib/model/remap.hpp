#pragma once

#include "model/profile.hpp"

#include <cstdint>
#include <span>

namespace profcore {

/// Carries entries of one profile over into another, each once and only when asked for: an array
/// per table says what has which id over there. Linear in the tables plus what is carried.
class Remap {
public:
  /// `keep_lines`, when given, has a byte for every line of `from`; lines with 0 are left out.
  Remap(const Profile &from, Profile &to, std::span<const uint8_t> keep_lines = {});

  StringId string(StringId id);
  FunctionId function(FunctionId id);
  ModuleId module(ModuleId id);
  LocationId location(LocationId id);
  LabelSetId label_set(LabelSetId id);
  /// Makes `id` stand for the module `there`, whose addresses are higher by `shift` (modulo 2^64).
  void set_module(ModuleId id, ModuleId there, uint64_t shift);
  SampleType sample_type(const SampleType &type);
  Metadata metadata();

private:
  const Profile &from_;
  Profile &to_;
  std::span<const uint8_t> keep_lines_;
  PodVector<uint32_t> strings_, functions_, modules_, locations_, label_sets_;
  PodVector<uint64_t> shifts_; ///< per module; empty while all are 0
  PodVector<Line> lines_;      ///< scratch
  PodVector<Label> labels_;    ///< scratch
};

/// Adds the warnings and counters of one profile to another's.
void carry_findings(const Profile &from, Profile &to);

/// Sets `used[id]` for every stack whose id leads to a used one: callers of used stacks.
void mark_callers(const StackTrie &stacks, std::span<uint8_t> used, uint8_t bit);

} // namespace profcore
