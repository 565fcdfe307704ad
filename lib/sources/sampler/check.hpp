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

/// All needs, met or not; starts nothing.
std::vector<Need> check_needs();

} // namespace profcore::sampler
