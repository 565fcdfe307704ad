#pragma once

#include "sources/sampler/jvm_process.hpp"
#include "sources/sampler/module_files.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace profcore::sampler {

/// One process being asked for its perf map.
class MapRequest {
public:
  enum class State : uint8_t { kRunning, kWritten, kFailed };

  virtual ~MapRequest() = default;
  /// Goes on without waiting. Times are of CLOCK_MONOTONIC, in nanoseconds.
  virtual State step(int64_t now) = 0;
  /// To be watched for reading and errors while it runs; -1 = nothing.
  virtual int fd() const noexcept = 0;
  /// When `step` wants to be called although nothing was to read.
  virtual int64_t wake_at() const noexcept = 0;
  virtual const JvmProcess &process() const noexcept = 0;
  virtual JavaProblem problem() const noexcept = 0;
  virtual std::string_view answer() const noexcept = 0; ///< what it said, when it refused
  /// The map was read: away with it, unless it had been there before.
  virtual void discard_map() = 0;
};

struct AttachLimits {
  int64_t socket_wait_ns = INT64_C(15'000'000'000);
  int64_t answer_wait_ns = INT64_C(20'000'000'000);
  size_t most_answer = size_t{64} << 10;
};

/// "0\n..." is done; other numbers, and what is no number, are failures. `answer` is what a JVM
/// sent until it hung up.
JavaProblem parse_attach_answer(std::string_view answer);

/// Speaks HotSpot's attach protocol, which opens with how, one step at a time.
class JvmAttach final : public MapRequest {
public:
  JvmAttach(std::string proc_root, int32_t pid, int64_t now, const AttachLimits &limits = {});
  JvmAttach(const JvmAttach &) = delete;
  JvmAttach &operator=(const JvmAttach &) = delete;
  ~JvmAttach() override;

  State step(int64_t now) override;
  int fd() const noexcept override { return socket_.get(); }
  int64_t wake_at() const noexcept override { return wake_at_; }
  const JvmProcess &process() const noexcept override { return process_; }
  JavaProblem problem() const noexcept override { return problem_; }
  std::string_view answer() const noexcept override { return answer_; }
  void discard_map() override;

private:
  enum class Stage : uint8_t { kSocket, kConnect, kSend, kAnswer, kWritten, kFailed };

  void begin(int64_t now);
  void find_socket(int64_t now);
  void trigger();
  void connect_socket(int64_t now);
  void send_command(int64_t now);
  void receive(int64_t now);
  void fail(JavaProblem problem) noexcept;
  void later(int64_t now);
  bool has_ended() const;
  int connect_as(uint32_t user, uint32_t group) const;
  int connect_now() const;

  std::string proc_root_;
  AttachLimits limits_;
  JvmProcess process_;
  Stage stage_ = Stage::kSocket;
  JavaProblem problem_ = JavaProblem::kNone;
  Descriptor pidfd_;
  Descriptor tmp_; ///< the process's /tmp
  Descriptor socket_;
  std::string answer_;
  size_t sent_ = 0;
  int64_t deadline_ = 0;
  int64_t wake_at_ = 0;
  int64_t pause_ns_ = 0;
  ino_t trigger_inode_ = 0; ///< of the file that we made; 0 = none
  bool had_map_ = false;
  bool was_signalled_ = false;
};

} // namespace profcore::sampler
