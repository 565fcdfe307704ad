// The attach protocol against processes that behave like a JVM, or not: children of the test that
// have a file named libjvm.so mapped and listen for SIGQUIT.
#include "../symbolize/temporary_folder.hpp"
#include "jvm_counters.hpp"
#include "sources/sampler/jvm_attach.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <functional>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace profcore::sampler;
using profcore::test::jvm_counters;
using profcore::test::TemporaryFolder;

namespace {

int64_t now_ns() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

int listen_at(const std::string &path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  unlink(path.c_str());
  if (bind(fd, reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0 ||
      listen(fd, 5) != 0)
    return -1;
  return fd;
}

/// What the child has done.
struct Seen {
  std::atomic<int> ready;
  std::atomic<int> signals;
  std::atomic<int> had_trigger;
  std::atomic<int> connections;
  char command[64];
};
Seen *g_seen;
void on_quit(int) {
  ++g_seen->signals;
}

struct FakeJvm {
  TemporaryFolder folder;
  Seen *seen;
  pid_t pid = 0;
  std::string counters_folder;

  struct Options {
    bool catches = true;
    bool opens = true; ///< the socket, when signalled
    std::string capabilities = "11000000";
    std::function<void(int)> serve; ///< a connection; then it is closed
  };

  explicit FakeJvm(const Options &options) {
    seen = static_cast<Seen *>(
        mmap(nullptr, sizeof(Seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    REQUIRE(seen != MAP_FAILED);
    folder.write("libjvm.so", std::string(4096, 'x'));
    const pid_t parent = getpid();
    pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) _exit(1);
      live(options);
    }
    // What an earlier process of this id, and perhaps of another user, left behind.
    unlink(path(".java_pid").c_str());
    unlink(path(".attach_pid").c_str());
    unlink(("/tmp/perf-" + std::to_string(pid) + ".map").c_str());
    while (seen->ready == 0) usleep(1000);
  }
  FakeJvm(const FakeJvm &) = delete;
  FakeJvm &operator=(const FakeJvm &) = delete;
  ~FakeJvm() {
    end();
    unlink(path(".java_pid").c_str());
    unlink(path(".attach_pid").c_str());
    const std::string folder_of_counters = "/tmp/hsperfdata_profcore" + std::to_string(pid);
    unlink((folder_of_counters + "/" + std::to_string(pid)).c_str());
    rmdir(folder_of_counters.c_str());
    munmap(seen, sizeof(Seen));
  }
  void end() {
    if (is_alive()) kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  bool is_alive() const { return waitpid(pid, nullptr, WNOHANG) == 0; }
  std::string path(const std::string &name) const { return "/tmp/" + name + std::to_string(pid); }

  [[noreturn]] void live(const Options &options) const {
    g_seen = seen;
    const pid_t self = getpid();
    const std::string name = std::to_string(self);
    const std::string own = "/tmp/hsperfdata_profcore" + name;
    mkdir(own.c_str(), 0700);
    const std::string text = jvm_counters({{"sun.rt.jvmCapabilities", options.capabilities}}, 1);
    for (const std::string &file : {folder.file("libjvm.so"), own + "/" + name}) {
      const int fd = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
      if (file.starts_with(own) && write(fd, text.data(), text.size()) < 0) _exit(1);
      if (mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED) _exit(1);
      close(fd);
    }
    if (options.catches) {
      struct sigaction action {};
      action.sa_handler = on_quit;
      sigaction(SIGQUIT, &action, nullptr);
    }
    seen->ready = 1;
    while (seen->signals == 0) usleep(1000);
    seen->had_trigger = access(("/tmp/.attach_pid" + name).c_str(), F_OK) == 0 ? 1 : 0;
    const int listener = options.opens ? listen_at("/tmp/.java_pid" + name) : -1;
    for (;;) {
      if (listener < 0) {
        usleep(10000);
        continue;
      }
      const int fd = accept(listener, nullptr, nullptr);
      if (fd < 0) continue;
      ++seen->connections;
      options.serve(fd);
      close(fd);
    }
  }
};

void read_command(int fd) {
  size_t filled = 0;
  for (int zeros = 0; zeros < 5 && filled < sizeof(Seen::command);) {
    if (read(fd, g_seen->command + filled, 1) != 1) return;
    zeros += g_seen->command[filled++] == '\0' ? 1 : 0;
  }
}

void say(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    text.remove_prefix(static_cast<size_t>(sent));
  }
}

constexpr AttachLimits kShort{400'000'000, 400'000'000, 8192};

MapRequest::State finish(JvmAttach &attach) {
  const int64_t began = now_ns();
  for (;;) {
    const int64_t before = now_ns();
    const MapRequest::State state = attach.step(before);
    CHECK(now_ns() - before < 300'000'000); // never waits
    if (state != MapRequest::State::kRunning) return state;
    REQUIRE(now_ns() - began < 10'000'000'000);
    CHECK(attach.wake_at() > 0);
    pollfd event{attach.fd(), POLLIN, 0};
    poll(&event, 1, 2);
  }
}

JavaProblem problem_with(FakeJvm &jvm) {
  JvmAttach attach{"/proc", jvm.pid, now_ns(), kShort};
  finish(attach);
  return attach.problem();
}

} // namespace

TEST_CASE("answers are told apart") {
  CHECK(parse_attach_answer("0\n") == JavaProblem::kNone);
  CHECK(parse_attach_answer("0\nCommand executed successfully\n") == JavaProblem::kNone);
  CHECK(
      parse_attach_answer("-1\njava.lang.IllegalArgumentException: Unknown diagnostic command\n") ==
      JavaProblem::kTooOld);
  CHECK(parse_attach_answer("0\nUnknown diagnostic command\n") == JavaProblem::kTooOld);
  CHECK(parse_attach_answer("101\n") == JavaProblem::kRefused);
  CHECK(parse_attach_answer("") == JavaProblem::kNotPermitted);
  for (const char *garbage :
       {"0", "x\n", "\n", "0 \n", "99999999999999999999\n", "HTTP/1.1 200 OK\r\n"})
    CHECK(parse_attach_answer(garbage) == JavaProblem::kRefused);
}

TEST_CASE("a JVM is asked for its map") {
  FakeJvm jvm{{true, true, "11000000", [](int fd) {
                 read_command(fd);
                 say(fd, "0\n");
               }}};
  {
    JvmAttach attach{"/proc", jvm.pid, now_ns(), kShort};
    CHECK(finish(attach) == MapRequest::State::kWritten);
    CHECK(attach.process().namespace_pid == jvm.pid);
    // What was there before stays; what came by asking goes.
    const std::string map = "/tmp/perf-" + std::to_string(jvm.pid) + ".map";
    close(open(map.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    {
      JvmAttach again{"/proc", jvm.pid, now_ns(), kShort};
      CHECK(finish(again) == MapRequest::State::kWritten);
      again.discard_map();
      CHECK(access(map.c_str(), F_OK) == 0);
    }
    attach.discard_map();
    CHECK(access(map.c_str(), F_OK) != 0);
  }
  CHECK(jvm.seen->signals == 1); // the second found it listening
  CHECK(jvm.seen->had_trigger == 1);
  CHECK(jvm.seen->connections == 2);
  CHECK(std::string_view{jvm.seen->command, 25} ==
        std::string_view{"1\0jcmd\0Compiler.perfmap\0\0\0", 26}.substr(0, 25));
  CHECK(access(jvm.path(".attach_pid").c_str(), F_OK) != 0);
}

TEST_CASE("a socket left by an earlier process of the same id") {
  FakeJvm jvm{{true, true, "11000000", [](int fd) {
                 read_command(fd);
                 say(fd, "0\n");
               }}};
  close(listen_at(jvm.path(".java_pid"))); // nobody listens any more
  CHECK(problem_with(jvm) == JavaProblem::kNone);
  CHECK(jvm.seen->signals == 1);
}

TEST_CASE("one that answers nonsense, or more than anybody would") {
  FakeJvm garbage{{true, true, "11000000", [](int fd) {
                     read_command(fd);
                     say(fd, "hello\n\xff\xfe");
                   }}};
  CHECK(problem_with(garbage) == JavaProblem::kRefused);
  FakeJvm endless{{true, true, "11000000", [](int fd) {
                     const std::string text(65536, '0');
                     for (int i = 0; i < 1000; ++i) say(fd, text);
                   }}};
  JvmAttach attach{"/proc", endless.pid, now_ns(), kShort};
  CHECK(finish(attach) == MapRequest::State::kFailed);
  CHECK(attach.problem() == JavaProblem::kRefused);
  CHECK(attach.answer().size() <= 256);
}

TEST_CASE("one that hangs up, or never says anything, or never opens its socket") {
  FakeJvm stranger{{true, true, "11000000", [](int) {}}};
  const JavaProblem hung_up = problem_with(stranger);
  CHECK((hung_up == JavaProblem::kNotPermitted || hung_up == JavaProblem::kRefused));
  FakeJvm silent{{true, true, "11000000", [](int) { usleep(5'000'000); }}};
  CHECK(problem_with(silent) == JavaProblem::kNoAnswer);
  FakeJvm deaf{{true, false, "11000000", {}}};
  CHECK(problem_with(deaf) == JavaProblem::kNoSocket);
  CHECK(deaf.seen->signals == 1);
  CHECK(access(deaf.path(".attach_pid").c_str(), F_OK) != 0);
}

TEST_CASE("nobody is signalled who would die of it, or does not want it") {
  FakeJvm mortal{{false, true, "11000000", {}}};
  CHECK(problem_with(mortal) == JavaProblem::kNoHandler);
  CHECK(mortal.is_alive());
  FakeJvm disabled{{true, true, "01000000", {}}};
  CHECK(problem_with(disabled) == JavaProblem::kDisabled);
  CHECK(disabled.seen->signals == 0);
  FakeJvm stopped{{true, true, "11000000", {}}};
  kill(stopped.pid, SIGSTOP);
  waitpid(stopped.pid, nullptr, WUNTRACED);
  CHECK(problem_with(stopped) == JavaProblem::kStopped);
  kill(stopped.pid, SIGCONT);
  usleep(20000);
  CHECK(stopped.seen->signals == 0);
  JvmAttach self{"/proc", getpid(), now_ns(), kShort};
  CHECK(self.step(now_ns()) == MapRequest::State::kFailed);
  CHECK(self.problem() == JavaProblem::kNotJvm);
}

TEST_CASE("a socket of somebody else") {
  FakeJvm jvm{{true, true, "11000000", {}}};
  const int ours = listen_at(jvm.path(".java_pid"));
  REQUIRE(ours >= 0);
  CHECK(problem_with(jvm) == JavaProblem::kWrongPeer);
  CHECK(jvm.seen->signals == 0);
  close(ours);
  unlink(jvm.path(".java_pid").c_str());
  // A plain file, and a link to a socket that is the right one.
  close(open(jvm.path(".java_pid").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  CHECK(problem_with(jvm) == JavaProblem::kStaleSocket);
  unlink(jvm.path(".java_pid").c_str());
  REQUIRE(symlink("/dev/null", jvm.path(".java_pid").c_str()) == 0);
  CHECK(problem_with(jvm) == JavaProblem::kStaleSocket);
  CHECK(jvm.seen->signals == 0);
}

TEST_CASE("another user's stale socket is told with its place and its owner") {
  if (geteuid() != 0) return;
  FakeJvm jvm{{true, true, "11000000", {}}};
  const std::string place = jvm.path(".java_pid");
  close(listen_at(place));
  REQUIRE(chown(place.c_str(), 4321, 4321) == 0);
  JvmAttach attach{"/proc", jvm.pid, now_ns(), kShort};
  CHECK(attach.step(now_ns()) == MapRequest::State::kFailed);
  CHECK(attach.problem() == JavaProblem::kStaleSocket);
  CHECK(attach.answer() == "0\n" + place + " of user 4321");
  CHECK(jvm.seen->signals == 0);
}

TEST_CASE("nobody is made to write through a link") {
  FakeJvm jvm{{true, true, "11000000", {}}};
  const std::string map = "/tmp/perf-" + std::to_string(jvm.pid) + ".map";
  REQUIRE(symlink(jvm.folder.file("libjvm.so").c_str(), map.c_str()) == 0);
  CHECK(problem_with(jvm) == JavaProblem::kBadMap);
  unlink(map.c_str());
  close(open(map.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  REQUIRE(link(map.c_str(), (map + ".2").c_str()) == 0);
  CHECK(problem_with(jvm) == JavaProblem::kBadMap);
  unlink((map + ".2").c_str());
  unlink(map.c_str());
  CHECK(jvm.seen->signals == 0);
}

TEST_CASE("one that ends meanwhile") {
  FakeJvm jvm{{true, false, "11000000", {}}};
  JvmAttach attach{"/proc", jvm.pid, now_ns(), kShort};
  CHECK(attach.step(now_ns()) == MapRequest::State::kRunning);
  jvm.end();
  CHECK(attach.step(now_ns()) == MapRequest::State::kFailed);
  CHECK(attach.problem() == JavaProblem::kGone);
  JvmAttach late{"/proc", jvm.pid, now_ns(), kShort};
  CHECK(late.step(now_ns()) == MapRequest::State::kFailed);
  CHECK(late.problem() == JavaProblem::kGone);
}
