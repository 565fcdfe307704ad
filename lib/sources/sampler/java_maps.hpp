#pragma once

#include "sources/sampler/jvm_attach.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace profcore::sampler {

struct JavaMapOptions {
  int64_t interval_ns = INT64_C(60'000'000'000);
  size_t at_once = 4; ///< JVMs that are asked at the same time
  /// What asks one, and whether it is still there (start time 0: not known); tests put theirs here.
  std::function<std::unique_ptr<MapRequest>(int32_t pid, int64_t now)> ask;
  std::function<bool(int32_t pid, uint64_t start_ticks)> is_alive;
};

struct JavaMapStats {
  uint64_t processes = 0; ///< JVMs seen
  uint64_t requested = 0; ///< maps asked for, and read or failed
  uint64_t read = 0;
  uint64_t failed = 0;
  uint64_t skipped = 0; ///< JVMs beyond what is kept track of
};

/// A map that was written and is to be read now.
struct WrittenMap {
  int32_t pid = 0;
  int32_t namespace_pid = 0;
  uint64_t start_ticks = 0;
};

/// Decides which JVM is asked for its perf map when. Opens with the rules. Not thread-safe; times
/// are of CLOCK_MONOTONIC, in nanoseconds.
class JavaMaps {
public:
  static constexpr size_t kMostProcesses = 4096;
  static constexpr int kMostFailures = 5;

  explicit JavaMaps(JavaMapOptions options);

  /// Readable when `step` has something to do.
  int fd() const noexcept { return epoll_.get(); }

  /// Code without a name was seen in a JVM.
  void saw(int32_t pid, int64_t now);
  /// Asks those of which such code was seen since their last map, whenever that was.
  void hurry(int64_t now);
  /// Whether something is under way, or due until then.
  bool is_busy(int64_t until) const;

  /// Moves everything on, without waiting. Each map is told once, and wants `took`.
  std::vector<WrittenMap> step(int64_t now);
  void took(int32_t pid, bool was_read, int64_t now);

  /// The start time of a JVM whose map was read; 0 for others.
  uint64_t start_of(int32_t pid) const;
  /// Why it has no map, in words; empty when nothing is wrong.
  std::string reason_of(int32_t pid) const;
  const std::string &last_reason() const noexcept { return last_reason_; }
  const JavaMapStats &stats() const noexcept { return stats_; }

  /// At the end of a window: processes that have gone are forgotten, one window later.
  void end_window(int64_t now);

private:
  struct Jvm {
    std::unique_ptr<MapRequest> request; ///< while it runs, and until its map was taken
    bool is_watched = false;
    bool is_wanted = false;
    bool is_settled = false; ///< never ask again
    bool is_written = false; ///< told, and not taken yet
    bool has_map = false;
    bool is_gone = false;
    uint64_t start_ticks = 0;
    int64_t age_ns = 0; ///< when it was asked last
    int64_t not_before = 0;
    int failures = 0;
    JavaProblem problem = JavaProblem::kNone;
    std::string answer;
  };

  void start(int32_t pid, Jvm &jvm, int64_t now);
  void finish(int32_t pid, Jvm &jvm, JavaProblem problem, int64_t now);
  void set_timer(int64_t now);
  bool is_due(const Jvm &jvm, int64_t now) const {
    return jvm.is_wanted && !jvm.is_settled && !jvm.request && now >= jvm.not_before;
  }

  JavaMapOptions options_;
  Descriptor epoll_;
  Descriptor timer_;
  bool is_armed_ = false; ///< the timer; it may have gone off
  std::map<int32_t, Jvm> jvms_;
  size_t running_ = 0;
  JavaMapStats stats_;
  std::string last_reason_;
};

} // namespace profcore::sampler
