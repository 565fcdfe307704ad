#include "child.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

Child::Child(const std::vector<std::string> &command) {
  int gate[2];
  if (pipe(gate) != 0) throw std::runtime_error{"no pipe for the command"};
  std::vector<char *> words;
  for (const std::string &word : command) words.push_back(const_cast<char *>(word.c_str()));
  words.push_back(nullptr);
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error{"the command cannot be started"};
  if (pid_ == 0) {
    close(gate[1]);
    char byte = 0;
    const ssize_t got = read(gate[0], &byte, 1);
    if (got != 1) _exit(1); // whoever started us is gone
    close(gate[0]);
    std::signal(SIGINT, SIG_DFL);
    std::signal(SIGTERM, SIG_DFL);
    std::signal(SIGHUP, SIG_DFL);
    execvp(words[0], words.data());
    const char *reason = strerrordesc_np(errno);
    const std::string text = command.front() + ": " + (reason == nullptr ? "?" : reason) + "\n";
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
    _exit(errno == ENOENT ? 127 : 126);
  }
  close(gate[0]);
  gate_ = gate[1];
}

Child::~Child() {
  if (gate_ >= 0) close(gate_); // it ends without having run
  if (!has_ended_ && gate_ >= 0) waitpid(pid_, nullptr, 0);
}

void Child::go() {
  const char byte = 1;
  [[maybe_unused]] const ssize_t written = write(gate_, &byte, 1);
  close(gate_);
  gate_ = -1;
}

bool Child::has_ended() {
  if (has_ended_) return true;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return false;
  has_ended_ = true;
  code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return true;
}
