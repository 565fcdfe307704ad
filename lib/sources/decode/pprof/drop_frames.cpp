#include "model/operations.hpp"
#include "sources/decode/pprof/decoder.hpp"

namespace profcore::pprof {

Profile without_dropped_frames(const Profile &profile) {
  return apply_drop_frames(profile);
}

} // namespace profcore::pprof
