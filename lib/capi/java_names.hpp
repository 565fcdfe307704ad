#pragma once

#include "model/profile.hpp"
#include "sources/sampler/java_maps.hpp"
#include "sources/sampler/sampler.hpp"
#include "symbolize/symbolizer.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace profcore::capi {

/// Brings the three together: which JVMs were sampled, which are asked for maps, and who reads
/// them.
class JavaNames {
public:
  JavaNames(sampler::Sampler &from, Symbolizer &symbolizer, uint32_t interval_seconds);

  /// Readable when the sampler's `process` or `process` here has something to do.
  int fd() const noexcept { return epoll_.get(); }
  /// Never waits.
  void process();
  /// Waits until every JVM that was sampled since its last map has given one, or the time is over.
  void refresh(int64_t timeout_ns);
  /// Says in warnings why frames of JVMs stayed without names.
  void after_symbolizing(Profile &profile, const std::vector<sampler::ModuleOrigin> &origins);

  /// For the symbolizer: a map is the process's, not that of whoever gets its id.
  uint64_t start_of(int32_t pid) const { return maps_.start_of(pid); }
  const sampler::JavaMapStats &stats() const noexcept { return maps_.stats(); }
  const std::string &last_reason() const noexcept { return maps_.last_reason(); }

private:
  sampler::Sampler &from_;
  Symbolizer &symbolizer_;
  sampler::JavaMaps maps_;
  sampler::Descriptor epoll_;
};

/// Labels samples whose stacks lead through compiled methods that keep no frame pointer:
/// `incomplete` with the reason, since their callers are missed without a trace. To be called when
/// frames have names; where they have none, the interpreter's count too.
void mark_omitted_frame_pointers(Profile &profile,
                                 const std::vector<sampler::ModuleOrigin> &origins);

} // namespace profcore::capi
