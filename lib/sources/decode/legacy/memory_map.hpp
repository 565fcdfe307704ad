#pragma once

#include "sources/decode/legacy/scan.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace profcore::legacy {

class ProfileBuilder;

struct Mapping {
  uint64_t start = 0;
  uint64_t limit = 0;
  uint64_t offset = 0;
  std::string file;
  std::string build_id;
};

/// Reads mappings to the end of the text: the lines of /proc/PID/maps, the shorter forms that older
/// profilers write, and assignments `name=value` that later lines use as `$name`. Lines of any
/// other kind are skipped and counted. Then joins neighbours and puts the main program first, as
/// google/pprof does.
std::vector<Mapping> read_memory_map(LineReader &lines, ProfileBuilder &builder);

/// Which mapping each address lies in, by index; UINT32_MAX for none. Where mappings overlap the
/// first in the list wins. May move the start of a mapping down to where its file offset is 0 when
/// an address lies there: some profilers leave out the first part of a split mapping.
std::vector<uint32_t> place_addresses(std::vector<Mapping> &mappings,
                                      std::span<const uint64_t> addresses);

} // namespace profcore::legacy
