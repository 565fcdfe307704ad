#pragma once

#include "sampler.h"
#include "sources/sampler/process_table.hpp"
#include "sources/sampler/sampler.hpp"

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace profcore::sampler {

/// Finds JVMs among the processes in whose stacks there is code of no file.
class JavaFinder {
public:
  /// `collects`: what they ran is kept for `take`.
  explicit JavaFinder(bool collects) : collects_{collects} {}

  /// A stack that is new in its window; it was taken by a StackStore.
  void saw(const sampler_stack &stack);
  /// Looks at what was seen. To be called soon: at the end of the window a JVM may have gone.
  void look(ProcessTable &processes, const ModuleFiles &files);
  std::vector<JavaCode> take();

private:
  using CodeByProcess = std::unordered_map<int32_t, std::vector<uint64_t>>;

  bool collects_;
  CodeByProcess code_of_no_file_; ///< since it was looked through
  CodeByProcess java_;            ///< of JVMs, since take
  std::vector<uint64_t> found_;
};

} // namespace profcore::sampler
