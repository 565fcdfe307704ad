// libprofcore in the benchmarks, through the C ABI as a host would use it: pprof bytes to the model
// (`ours_pprof`; `ours_pprof_threads` lets a second thread help, as the tool does), collapsed bytes
// to a flame tree (`ours_collapsed`).
#include "peers/harness.hpp"

#include <profcore/profcore.hpp>

#include <memory>

#ifndef BENCH_THREADS
#define BENCH_THREADS 1
#endif

namespace {

struct Decoded {
  std::unique_ptr<profcore::Profile> profile;
  std::unique_ptr<profcore::Flame> flame;
};

Decoded decode(std::string_view bytes) {
  auto options = profcore::init<profcore_decode_options>();
  options.threads = BENCH_THREADS;
  Decoded decoded;
  decoded.profile = std::make_unique<profcore::Profile>(
      profcore::Profile::from_bytes(std::as_bytes(std::span{bytes}), &options));
#if BENCH_FLAME
  decoded.flame = std::make_unique<profcore::Flame>(decoded.profile->flame());
#endif
  return decoded;
}

bench::Outcome summarise(const Decoded &decoded) {
  bench::Outcome outcome;
  outcome.samples = decoded.profile->sample_count();
  for (const int64_t value : decoded.profile->values(0)) outcome.checksum += value;
  if (decoded.flame && decoded.flame->info().total != outcome.checksum)
    throw bench::Failure("the flame tree's total is not the sum of the samples");
  return outcome;
}

} // namespace

int main(int argc, char **argv) {
  return bench::guarded_main(argc, argv, nullptr,
                             [](const std::string &bytes, int runs, std::string_view) {
                               bench::repeat(BENCH_NAME, bytes, runs, decode, summarise);
                             });
}
