// Any bytes through the legacy readers: an Error or a profile whose ids all point somewhere.
#include "sources/decode/decode.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

using namespace profcore;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const Profile &profile) {
  const auto locations = profile.locations();
  for (const Location &location : locations) {
    require(location.module < profile.modules().size());
    require(location.first_line + uint64_t{location.line_count} <= profile.lines().size());
  }
  for (const Line &line : profile.lines()) {
    require(line.function < profile.functions().size());
    require(line.file < profile.strings.size());
  }
  for (StackId id = 1; id < profile.stacks.size(); ++id) {
    require(profile.stacks[id].parent < id);
    require(profile.stacks[id].location != 0 && profile.stacks[id].location < locations.size());
  }
  for (size_t row = 0; row < profile.sample_count(); ++row) {
    require(profile.sample_stacks()[row] < profile.stacks.size());
    require(profile.sample_label_sets()[row] < profile.label_set_count());
  }
  require(profile.sample_count() == 0 || !profile.sample_types().empty());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  DecodeOptions options;
  options.context.limits.max_result_bytes = 256 << 20;
  bool read = false;
  try {
    check(decode_pprof_legacy({data, size}, options));
    read = true;
  } catch (const Error &error) {
    require(error.offset() == kNoOffset || error.offset() <= size);
    if (looks_like_pprof_legacy({data, size})) require(error.status() != Status::kUnknownFormat);
  }
  options.strict = true;
  try {
    check(decode_pprof_legacy({data, size}, options));
    require(read); // what strict mode takes, the other mode takes as well
  } catch (const Error &) {
  }
  return 0;
}
