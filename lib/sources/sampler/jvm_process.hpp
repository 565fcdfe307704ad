#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace profcore::sampler {

/// Why a Java process has no names.
enum class JavaProblem : uint8_t {
  kNone,
  // These stay; the process is not asked again.
  kGone,
  kNotJvm,
  kOpenJ9,
  kTooOld,
  kDisabled,
  kNotPermitted,
  kWrongPeer,
  kBadMap,
  // These may pass.
  kStarting,
  kStopped,
  kNoHandler,
  kStaleSocket,
  kNoSocket,
  kNoAnswer,
  kRefused,
  kNoMap,
};

std::string_view problem_text(JavaProblem problem) noexcept;
constexpr bool is_final(JavaProblem problem) noexcept {
  return problem != JavaProblem::kNone && problem < JavaProblem::kStarting;
}

/// What a HotSpot JVM says of itself in the file it keeps for jps and jstat (hsperfdata).
struct JvmSelfDescription {
  std::optional<bool> is_attachable;
  std::optional<bool> is_started;
  int version = 0;       ///< 8, 11, 17 ...; 0 = not told
  std::string arguments; ///< of the JVM, also those from files and the environment; may be cut
};
/// Anything may be in the file: what is not understood is left out.
JvmSelfDescription parse_jvm_counters(std::span<const uint8_t> bytes);

/// A process that may be a JVM, as it looks from outside; nothing of it is touched.
struct JvmProcess {
  int32_t pid = 0;
  int32_t namespace_pid = 0;
  uint64_t start_ticks = 0; ///< since boot, /proc/PID/stat field 22
  int64_t age_ns = 0;
  uint32_t user = 0; ///< effective, as we see it
  uint32_t group = 0;
  bool catches_quit = false; ///< SIGQUIT has a handler: without one it would end the process
  bool is_stopped = false;
  /// We are nobody it knows (it lives in a user namespace without us), so that it must be spoken to
  /// under its own ids.
  bool wants_own_ids = false;
  bool is_started = false; ///< what follows is known for sure
  /// Methods that it compiles keep no frame pointer: the default. Walking through them misses
  /// frames.
  bool omits_frame_pointers = false;
  JavaProblem problem = JavaProblem::kNone; ///< a reason not to ask it
};

/// Looks at a process before it is asked for anything. JVMs that say that they cannot be attached
/// to, or are too old to write perf maps, are found out here, by reading alone.
JvmProcess inspect_jvm(const std::string &proc_root, int32_t pid);

/// Whether the process is there, and not ended; a start time of 0 is not compared.
bool is_running(const std::string &proc_root, int32_t pid, uint64_t start_ticks);

/// Whether the file at this path, as mappings name it, is a JVM.
bool is_jvm_library(std::string_view path) noexcept;

/// /tmp as the process sees it, for names in it (O_PATH), or -1. Links in it lead nowhere outside.
int open_tmp_of(const std::string &proc_root, int32_t pid);

} // namespace profcore::sampler
