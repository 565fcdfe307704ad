// protobuf-lite, all messages on an arena with large blocks (the library's default of 8 KiB blocks
// is slower, and a peer should be at its best).

#include "harness.hpp"
#include "peer_profile.pb.h"

#include <google/protobuf/arena.h>
#include <limits>
#include <memory>

namespace {

struct Parsed {
  std::unique_ptr<google::protobuf::Arena> arena;
  profcore_bench_peer::PeerProfile *profile;
};

Parsed parse(std::string_view bytes) {
  google::protobuf::ArenaOptions options;
  options.max_block_size = std::size_t{1} << 20;
  Parsed parsed{std::make_unique<google::protobuf::Arena>(options), nullptr};
  using profcore_bench_peer::PeerProfile;
  parsed.profile = google::protobuf::Arena::CreateMessage<PeerProfile>(parsed.arena.get());
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !parsed.profile->ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    throw bench::Failure("protobuf-lite cannot parse the file");
  return parsed;
}

bench::Outcome summarise(const Parsed &parsed) {
  bench::Outcome outcome;
  outcome.samples = static_cast<std::uint64_t>(parsed.profile->sample_size());
  for (const auto &sample : parsed.profile->sample())
    if (sample.value_size() > 0) outcome.checksum += sample.value(0);
  return outcome;
}

} // namespace

int main(int argc, char **argv) {
  return bench::guarded_main(argc, argv, nullptr,
                             [](const std::string &bytes, int runs, std::string_view) {
                               bench::repeat("protobuf-lite", bytes, runs, parse, summarise);
                             });
}
