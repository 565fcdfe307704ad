#pragma once

#include <cstdint>
#include <string>
#include <vector>

/// A command that is started and waits until it is told to go, so that its first instruction is
/// sampled already. Killed when it never went.
class Child {
public:
  explicit Child(const std::vector<std::string> &command);
  Child(const Child &) = delete;
  Child &operator=(const Child &) = delete;
  ~Child();

  int32_t pid() const { return pid_; }
  void go();
  bool has_ended();
  /// As a shell reports it; waits for nothing: -1 + 1 = 0 while it runs.
  int exit_code() const { return code_; }

private:
  int32_t pid_ = -1;
  int gate_ = -1;
  bool has_ended_ = false;
  int code_ = 0;
};
