#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <string>

namespace profcore {

/// Bounds on what an input may make us do. 0 in the C ABI means these defaults.
///
/// The two ratios make what an input can cost depend on its size: without them a megabyte could
/// take gigabytes and still be within the absolute limits. Of 139 files from the field none
/// inflates by more than 64, and no profile of those over 16 KiB takes more than 4.9 bytes per
/// inflated byte; so there is more than ten times of air in the second, and four in the first,
/// which a bomb (gzip reaches 1032) has to be told from. Below `kFreeBytes` nothing is refused for
/// its ratio.
struct Limits {
  uint64_t max_input_bytes = UINT64_C(8) << 30;
  uint64_t max_inflated_bytes = UINT64_C(4) << 30;
  uint64_t max_strings = UINT64_C(64) << 20; ///< distinct strings, functions or locations
  uint64_t max_samples = UINT64_C(1) << 31;
  uint64_t max_stack_depth = UINT64_C(1) << 20;   ///< frames of one stack
  uint64_t max_result_bytes = UINT64_C(16) << 30; ///< what the result may hold
  /// Of a compressed input: what it inflates to and the profile made of it, per byte.
  uint64_t max_inflate_ratio = 256;
  uint64_t max_result_ratio = 64; ///< bytes of a decoded profile per (inflated) byte of input
  /// Which limits the two byte bounds above come from, for messages.
  const char *inflated_limit = "max_inflated_bytes";
  const char *result_limit = "max_result_bytes";

  static constexpr uint64_t kFreeBytes = UINT64_C(64) << 20;

  /// Tightens the byte bounds for an input of that size: see decode.cpp.
  void tighten_inflated(uint64_t bytes, const char *by) {
    if (bytes >= max_inflated_bytes) return;
    max_inflated_bytes = bytes;
    inflated_limit = by;
  }
  void tighten_result(uint64_t bytes, const char *by) {
    if (bytes >= max_result_bytes) return;
    max_result_bytes = bytes;
    result_limit = by;
  }
  /// ratio * bytes + kFreeBytes, at most UINT64_MAX.
  static uint64_t scaled(uint64_t ratio, uint64_t bytes) {
    uint64_t product;
    uint64_t sum;
    if (__builtin_mul_overflow(ratio, bytes, &product) ||
        __builtin_add_overflow(product, kFreeBytes, &sum))
      return UINT64_MAX;
    return sum;
  }

  /// "1000 bytes (by max_result_bytes; raise it for input that you trust)"
  std::string inflated_text() const { return text_of(max_inflated_bytes, inflated_limit); }
  std::string result_text() const { return text_of(max_result_bytes, result_limit); }

private:
  static std::string text_of(uint64_t bytes, const char *by) {
    return std::to_string(bytes) + " bytes (by " + by + "; raise it for input that you trust)";
  }
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
      throw Error{Status::kLimit, "the result is larger than the limit of " + limits.result_text()};
  }
  void write_log(LogLevel level, const std::string &line) const {
    if (log != nullptr) log(level, line.data(), line.size(), log_user);
  }
};

} // namespace profcore
