// Any bytes as a profile.proto message: decoding ends in a profile or in an Error, and what was
// decoded is written and read back with the same totals; views of it are whole.

#include "check_metrics.hpp"
#include "check_profile.hpp"
#include "model/operations.hpp"
#include "output/output.hpp"
#include "sources/decode/decode.hpp"

#include <cstdint>
#include <cstdlib>

namespace {

profcore::DecodeOptions small_limits() {
  profcore::DecodeOptions options;
  options.context.limits.max_result_bytes = uint64_t{256} << 20;
  options.context.limits.max_stack_depth = 1 << 16;
  return options;
}

uint64_t total(const profcore::Profile &profile, size_t column) {
  uint64_t sum = 0; // wraps, on both sides alike
  for (const int64_t value : profile.values(column)) sum += static_cast<uint64_t>(value);
  return sum;
}

void check_views(const profcore::Profile &profile) {
  const profcore::Context context = small_limits().context;
  try {
    const profcore::Profile view = profcore::deepflow_view(profile, context);
    require_consistent(view);
    require(view.sample_count() == profile.sample_count());
    require(profcore::deepflow_view(view, context).stacks.size() == view.stacks.size());
  } catch (const profcore::Error &error) {
    require(error.status() == profcore::Status::kLimit);
  }
  try {
    const profcore::Profile view = profcore::host_view(profile, context);
    require_consistent(view);
    for (const profcore::StackId stack : view.sample_stacks())
      require(view.stacks.depth(stack) <= 2);
  } catch (const profcore::Error &error) {
    require(error.status() == profcore::Status::kLimit ||
            error.status() == profcore::Status::kNotFound);
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::span<const uint8_t> input{data, size};
  (void)profcore::looks_like_pprof(input);
  profcore::Profile profile;
  try {
    profile = profcore::decode_pprof(input, small_limits());
  } catch (const profcore::Error &error) {
    require(!error.message().empty());
    require(error.offset() == profcore::kNoOffset || error.offset() <= size);
    return 0;
  }
  check_metrics(profile);
  profcore::PprofOptions plain;
  plain.gzip_level = 0;
  profcore::Buffer written;
  profcore::write_pprof(profile, plain, written);
  if (written.empty()) return 0;
  const profcore::Profile again = profcore::decode_pprof(
      {reinterpret_cast<const uint8_t *>(written.data()), written.size()}, small_limits());
  require(again.sample_count() == profile.sample_count());
  require(again.stacks.size() == profile.stacks.size());
  require(again.sample_types().size() == profile.sample_types().size());
  for (size_t column = 0; column < profile.sample_types().size(); ++column)
    require(total(again, column) == total(profile, column));
  for (size_t row = 0; row < profile.sample_count(); ++row) {
    const auto stack = profile.sample_stacks()[row];
    require(again.stacks.depth(again.sample_stacks()[row]) == profile.stacks.depth(stack));
    require(again.labels_of(again.sample_label_sets()[row]).size() ==
            profile.labels_of(profile.sample_label_sets()[row]).size());
  }
  check_views(profile);
  return 0;
}
