// Any text as collapsed stacks: an Error or a consistent profile. What is written of it reads back,
// and strict mode, where it does not refuse, reads the same.
#include "check_profile.hpp"
#include "output/output.hpp"
#include "sources/decode/decode.hpp"

#include <cstdint>
#include <string>
#include <string_view>

using namespace profcore;

namespace {

uint64_t total(const Profile &profile, size_t column) {
  uint64_t sum = 0; // wraps, on both sides alike
  for (const int64_t value : profile.values(column)) sum += static_cast<uint64_t>(value);
  return sum;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  (void)looks_like_collapsed({data, size});
  DecodeOptions options;
  options.context.limits.max_result_bytes = 256 << 20;
  if (size > 0 && data[0] % 4 == 1) options.collapsed_unit = "seconds";
  if (size > 0 && data[0] % 4 == 2) options.collapsed_lines = true;
  Profile profile;
  try {
    profile = decode_collapsed({data, size}, options);
  } catch (const Error &error) {
    require(!error.message().empty());
    require(error.offset() == kNoOffset || error.offset() <= size);
    return 0;
  }
  require_consistent(profile);
  require(profile.sample_count() <= size);
  for (const Warning &warning : profile.warnings())
    require(warning.offset == kNoOffset || warning.offset <= size);

  if (profile.counter("saturated_values") == 0) {
    const size_t column = profile.default_type();
    Buffer written;
    CollapsedOptions plain;
    plain.type = column;
    write_collapsed(profile, plain, written);
    if (!written.empty()) {
      const Profile again =
          decode_collapsed({reinterpret_cast<const uint8_t *>(written.data()), written.size()}, {});
      if (again.counter("saturated_values") == 0 && again.sample_types().size() == 1 &&
          again.counter("skipped_lines") == 0)
        require(again.sample_count() <= profile.sample_count());
    }
  }

  options.strict = true;
  try {
    const Profile strict = decode_collapsed({data, size}, options);
    require(strict.sample_count() == profile.sample_count());
    for (size_t column = 0; column < strict.sample_types().size(); ++column)
      require(total(strict, column) == total(profile, column));
  } catch (const Error &error) {
    require(error.status() == Status::kMalformed);
  }
  return 0;
}
