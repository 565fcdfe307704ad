#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <string>

namespace profcore {

/// Bounds on what an input may make us do. 0 in the C ABI means these defaults.
struct Limits {
  uint64_t max_input_bytes = UINT64_C(8) << 30;
  uint64_t max_inflated_bytes = UINT64_C(4) << 30;
  uint64_t max_strings = UINT64_C(64) << 20; ///< distinct strings, functions or locations
  uint64_t max_samples = UINT64_C(1) << 31;
  uint64_t max_stack_depth = UINT64_C(1) << 20;   ///< frames of one stack
  uint64_t max_result_bytes = UINT64_C(16) << 30; ///< what the result may hold
};

enum class LogLevel : int32_t { kDebug = 0, kInfo = 1, kWarning = 2, kError = 3 };

/// What the caller of long work gives along; every member may be left out. The callbacks run on the
/// calling thread. A progress callback that returns false cancels: the work ends with kCancelled.
struct Context {
  Limits limits;
  bool (*progress)(uint64_t done, uint64_t total, void *user) = nullptr;
  void *progress_user = nullptr;
  void (*log)(LogLevel level, const char *line, size_t size, void *user) = nullptr;
  void *log_user = nullptr;

  void report(uint64_t done, uint64_t total) const {
    if (progress != nullptr && !progress(done, total, progress_user))
      throw Error{Status::kCancelled, "cancelled by the progress callback"};
  }
  /// For what is being made: `bytes` so far.
  void check_result(uint64_t bytes) const {
    if (bytes > limits.max_result_bytes)
      throw Error{Status::kLimit, "the result is larger than the limit of " +
                                      std::to_string(limits.max_result_bytes) + " bytes"};
  }
  void write_log(LogLevel level, const std::string &line) const {
    if (log != nullptr) log(level, line.data(), line.size(), log_user);
  }
};

} // namespace profcore
