#pragma once

#include <string>
#include <vector>

namespace profcore::sampler {

/// Something that sampling wants of this machine and user.
struct Need {
  std::string need;
  std::string have;
  std::string consequence;
  std::string fix;
  bool is_met = false;
  bool is_hard = false; ///< without it the BPF sampler does not start
};

/// All needs, met or not; starts nothing. The last one says which back end a recording would use.
std::vector<Need> check_needs();

/// Which hard needs are not met, in a few words; empty when BPF should work.
std::string why_not_bpf();

} // namespace profcore::sampler
