#include "base/error.hpp"
#include "build_features.hpp"
#include "sources/sampler/check.hpp"
#include "sources/sampler/sampler.hpp"

#include <fmt/format.h>

namespace profcore::sampler {
namespace {

std::unique_ptr<Sampler> start_bpf([[maybe_unused]] const Options &options) {
#if PROFCORE_HAVE_BPF
  return start_bpf_sampler(options);
#else
  throw Error{Status::kUnsupported, "this library was built without BPF"};
#endif
}

bool is_for_perf_ring(const Options &options) {
  return !options.pids.empty() && options.name_pattern.empty() && options.cgroup.empty();
}

} // namespace

Started start_sampler(const Options &options) {
  switch (options.back_end) {
  case BackEnd::kBpf:
    return {start_bpf(options), BackEnd::kBpf, "as asked for"};
  case BackEnd::kPerfRing:
    return {start_ring_sampler(options), BackEnd::kPerfRing, "as asked for"};
  case BackEnd::kAutomatic:
    break;
  }
  std::string refused = why_not_bpf();
  Status status = Status::kPermission;
  if (refused.empty()) {
    try {
      return {start_bpf(options), BackEnd::kBpf, "it is permitted here"};
    } catch (const Error &error) {
      if (error.status() != Status::kPermission && error.status() != Status::kUnsupported) throw;
      refused = error.message();
      status = error.status();
    }
  }
  if (!is_for_perf_ring(options))
    throw Error{status,
                fmt::format("every process, a name or a cgroup can be sampled by BPF only ({}); "
                            "one's own processes, given by their ids, or a command can without",
                            refused)};
  return {start_ring_sampler(options), BackEnd::kPerfRing, std::move(refused)};
}

} // namespace profcore::sampler
