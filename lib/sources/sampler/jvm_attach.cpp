// HotSpot's attach protocol. A JVM listens on /tmp/.java_pidN, N its pid in its own namespace, but
// only once it was asked to: a file /tmp/.attach_pidN, then SIGQUIT. Without that file SIGQUIT
// makes it print a dump of its threads, and where it has no handler it ends the process; so the
// signal goes only to a process that is a JVM, has a handler for it, says nothing against being
// attached to, and is not stopped (it would find the file gone when it wakes). It goes through a
// pidfd: a pid may be given to another process at any time.
//
// The command is "1", the verb and three arguments, each ended by a NUL; the answer a number, a
// newline and text until the JVM hangs up. It answers who has its own effective user and group, and
// root, as its user namespace sees them: where that knows no root of ours, the thread takes the
// JVM's ids for the moment of connect(), when the kernel notes them.
//
// /tmp is the process's own (/proc/PID/root/tmp), which may be another container's, and anybody may
// write there. So it is opened without following links out of that root, all names are relative to
// it, and the one who listens must be the very process: the kernel says who (SO_PEERCRED).
//
// Nothing waits: what is not ready is tried again at `wake_at`, until a deadline.

#include "sources/sampler/jvm_attach.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

namespace profcore::sampler {
namespace {

constexpr char kCommandText[] = "1\0jcmd\0Compiler.perfmap\0\0"; // one more NUL ends the literal
constexpr std::string_view kCommand{kCommandText, sizeof kCommandText};
constexpr int64_t kFirstPause = 5'000'000;
constexpr int64_t kLongestPause = 200'000'000;
constexpr size_t kMostKept = 256; ///< of what a JVM says when it refuses

} // namespace

JavaProblem parse_attach_answer(std::string_view answer) {
  if (answer.empty()) return JavaProblem::kNotPermitted; // so does HotSpot turn strangers away
  int code = 0;
  const char *end = answer.data() + answer.size();
  const auto [at, error] = std::from_chars(answer.data(), end, code);
  if (error != std::errc{} || at == end || *at != '\n') return JavaProblem::kRefused;
  if (answer.find("Unknown diagnostic command") != answer.npos) return JavaProblem::kTooOld;
  return code == 0 ? JavaProblem::kNone : JavaProblem::kRefused;
}

JvmAttach::JvmAttach(std::string proc_root, int32_t pid, int64_t now, const AttachLimits &limits)
    : proc_root_{std::move(proc_root)}, limits_{limits} {
  process_.pid = pid;
  begin(now);
}

JvmAttach::~JvmAttach() {
  struct stat status {};
  const std::string name = fmt::format(".attach_pid{}", process_.namespace_pid);
  if (trigger_inode_ != 0 && fstatat(tmp_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
      status.st_ino == trigger_inode_)
    unlinkat(tmp_.get(), name.c_str(), 0);
}

void JvmAttach::fail(JavaProblem problem) noexcept {
  problem_ = problem;
  stage_ = Stage::kFailed;
  socket_ = Descriptor{};
}

void JvmAttach::later(int64_t now) {
  pause_ns_ = std::clamp(pause_ns_ * 2, kFirstPause, kLongestPause);
  wake_at_ = std::min(now + pause_ns_, deadline_);
}

bool JvmAttach::has_ended() const {
  pollfd event{pidfd_.get(), POLLIN, 0};
  return poll(&event, 1, 0) != 0;
}

void JvmAttach::begin(int64_t now) {
  deadline_ = now + limits_.socket_wait_ns;
  pidfd_ = Descriptor{static_cast<int>(syscall(SYS_pidfd_open, pid_t{process_.pid}, 0))};
  if (!pidfd_.is_open()) return fail(JavaProblem::kGone);
  // Looked at behind the pidfd: so it is the process that the signal would go to, or that has
  // ended.
  process_ = inspect_jvm(proc_root_, process_.pid);
  if (has_ended()) return fail(JavaProblem::kGone);
  if (process_.problem != JavaProblem::kNone) return fail(process_.problem);
  tmp_ = Descriptor{open_tmp_of(proc_root_, process_.pid)};
  if (!tmp_.is_open())
    return fail(errno == EACCES || errno == EPERM ? JavaProblem::kNotPermitted
                                                  : JavaProblem::kNoMap);
  struct stat status {};
  const std::string map = fmt::format("perf-{}.map", process_.namespace_pid);
  had_map_ = fstatat(tmp_.get(), map.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
  // The JVM would follow a link, with its own rights.
  const bool is_its_own = S_ISREG(status.st_mode) && status.st_nlink == 1 &&
                          (status.st_uid == process_.user || status.st_uid == 0);
  if (had_map_ && !is_its_own) fail(JavaProblem::kBadMap);
}

MapRequest::State JvmAttach::step(int64_t now) {
  if (stage_ < Stage::kWritten && now >= deadline_)
    fail(stage_ < Stage::kSend ? JavaProblem::kNoSocket : JavaProblem::kNoAnswer);
  if (stage_ < Stage::kWritten && has_ended()) fail(JavaProblem::kGone);
  if (stage_ == Stage::kSocket) find_socket(now);
  if (stage_ == Stage::kConnect) connect_socket(now);
  if (stage_ == Stage::kSend) send_command(now);
  if (stage_ == Stage::kAnswer) receive(now);
  if (stage_ == Stage::kWritten) return State::kWritten;
  return stage_ == Stage::kFailed ? State::kFailed : State::kRunning;
}

void JvmAttach::find_socket(int64_t now) {
  struct stat status {};
  const std::string name = fmt::format(".java_pid{}", process_.namespace_pid);
  if (fstatat(tmp_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
    if (!S_ISSOCK(status.st_mode) || (status.st_uid != process_.user && status.st_uid != 0)) {
      // Where users may not remove each other's files, as in /tmp, the JVM cannot either.
      answer_ = fmt::format("0\n/tmp/{} of user {}", name, status.st_uid);
      return fail(JavaProblem::kStaleSocket);
    }
    stage_ = Stage::kConnect;
    return;
  }
  if (!was_signalled_) trigger();
  if (stage_ == Stage::kSocket) later(now);
}

void JvmAttach::trigger() {
  if (!process_.catches_quit) return fail(JavaProblem::kNoHandler);
  if (process_.is_stopped) return fail(JavaProblem::kStopped);
  const std::string name = fmt::format(".attach_pid{}", process_.namespace_pid);
  const Descriptor file{
      openat(tmp_.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
  struct stat status {};
  if (file.is_open()) {
    if (fstat(file.get(), &status) == 0) trigger_inode_ = status.st_ino;
    // The JVM wants it to be its user's or root's, whom its user namespace may not know.
    if (geteuid() != process_.user && fchown(file.get(), process_.user, process_.group) != 0 &&
        process_.wants_own_ids)
      return fail(JavaProblem::kNotPermitted);
  } else if (errno != EEXIST || // somebody else attaches, or has left it
             fstatat(tmp_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
             (status.st_uid != process_.user && status.st_uid != 0)) {
    return fail(JavaProblem::kNotPermitted);
  }
  if (syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGQUIT, nullptr, 0) != 0)
    return fail(errno == ESRCH ? JavaProblem::kGone : JavaProblem::kNotPermitted);
  was_signalled_ = true;
}

/// Paths of sockets are short: the folder is named by its descriptor.
int JvmAttach::connect_now() const {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path =
      fmt::format("/proc/self/fd/{}/.java_pid{}", tmp_.get(), process_.namespace_pid);
  std::copy_n(path.data(), std::min(path.size(), sizeof address.sun_path - 1), address.sun_path);
  return connect(socket_.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) == 0
             ? 0
             : errno;
}

/// By system calls, which change this thread's ids; libc's functions would change all threads'. The
/// change also marks the host's memory as not to be dumped, which is taken back.
int JvmAttach::connect_as(uint32_t user, uint32_t group) const {
  constexpr auto kKeep = static_cast<uint32_t>(-1);
  const uint32_t own_user = geteuid();
  const uint32_t own_group = getegid();
  const int dumpable = prctl(PR_GET_DUMPABLE);
  int error = EPERM;
  if (syscall(SYS_setresgid, kKeep, group, kKeep) == 0) {
    if (syscall(SYS_setresuid, kKeep, user, kKeep) == 0) {
      error = connect_now();
      syscall(SYS_setresuid, kKeep, own_user, kKeep);
    }
    syscall(SYS_setresgid, kKeep, own_group, kKeep);
  }
  if (dumpable >= 0 && dumpable <= 1) prctl(PR_SET_DUMPABLE, dumpable);
  return error;
}

void JvmAttach::connect_socket(int64_t now) {
  socket_ = Descriptor{socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!socket_.is_open()) return fail(JavaProblem::kNoSocket);
  const int error =
      process_.wants_own_ids ? connect_as(process_.user, process_.group) : connect_now();
  if (error == 0) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (getsockopt(socket_.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
        peer.pid != process_.pid)
      return fail(JavaProblem::kWrongPeer);
    stage_ = Stage::kSend;
    deadline_ = now + limits_.answer_wait_ns;
    wake_at_ = deadline_;
    return;
  }
  socket_ = Descriptor{};
  if (error == EACCES || error == EPERM) return fail(JavaProblem::kNotPermitted);
  if (error != ECONNREFUSED && error != ENOENT && error != EAGAIN)
    return fail(JavaProblem::kNoSocket);
  // Left by an earlier process of that id: the JVM puts its own in its place. Or many ask at once.
  if (error != EAGAIN && !was_signalled_) trigger();
  if (stage_ != Stage::kConnect) return;
  if (error != EAGAIN) stage_ = Stage::kSocket;
  later(now);
}

void JvmAttach::send_command(int64_t now) {
  while (sent_ < kCommand.size()) {
    const ssize_t sent = send(socket_.get(), kCommand.data() + sent_, kCommand.size() - sent_,
                              MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return later(now);
    if (sent <= 0) return fail(JavaProblem::kRefused);
    sent_ += static_cast<size_t>(sent);
  }
  stage_ = Stage::kAnswer;
  wake_at_ = deadline_;
}

void JvmAttach::receive(int64_t) {
  char part[4096];
  for (;;) {
    const ssize_t got = recv(socket_.get(), part, sizeof part, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) break; // also a reset: it did not read all that was sent
    answer_.append(part, static_cast<size_t>(got));
    if (answer_.size() > limits_.most_answer) {
      answer_.resize(kMostKept);
      return fail(JavaProblem::kRefused);
    }
  }
  const JavaProblem problem = parse_attach_answer(answer_);
  answer_.resize(std::min(answer_.size(), kMostKept));
  if (problem != JavaProblem::kNone) return fail(problem);
  socket_ = Descriptor{};
  stage_ = Stage::kWritten;
}

void JvmAttach::discard_map() {
  if (had_map_ || !tmp_.is_open()) return;
  struct stat status {};
  const std::string name = fmt::format("perf-{}.map", process_.namespace_pid);
  if (fstatat(tmp_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
      S_ISREG(status.st_mode))
    unlinkat(tmp_.get(), name.c_str(), 0);
}

} // namespace profcore::sampler
