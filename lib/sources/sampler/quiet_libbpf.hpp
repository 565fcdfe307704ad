#pragma once

#include <bpf/libbpf.h>
#include <cstdarg>
#include <mutex>

namespace profcore::sampler {

/// libbpf says what it does on stderr unless it is told not to, and is told for the whole process:
/// so only while it is at work for us.
class QuietLibbpf {
public:
  QuietLibbpf() {
    const std::lock_guard lock{mutex_};
    if (count_++ == 0) before_ = libbpf_set_print(say_nothing);
  }
  QuietLibbpf(const QuietLibbpf &) = delete;
  QuietLibbpf &operator=(const QuietLibbpf &) = delete;
  ~QuietLibbpf() {
    const std::lock_guard lock{mutex_};
    if (--count_ == 0) libbpf_set_print(before_);
  }

private:
  static int say_nothing(libbpf_print_level, const char *, va_list) { return 0; }
  static inline std::mutex mutex_; ///< several threads may be at it
  static inline int count_ = 0;
  static inline libbpf_print_fn_t before_ = nullptr;
};

} // namespace profcore::sampler
