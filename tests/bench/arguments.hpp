#pragma once

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>

namespace bench {

[[noreturn]] inline void usage(const char *text) {
  std::fputs(text, stderr);
  std::exit(2);
}

inline std::uint64_t parse_number(const char *text, const char *help,
                                  std::uint64_t most = std::numeric_limits<std::uint32_t>::max()) {
  char *end = nullptr;
  errno = 0;
  const unsigned long long value = std::strtoull(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || *text == '-' || value > most) {
    std::fprintf(stderr, "not a number in range: %s\n", text);
    usage(help);
  }
  return value;
}

// Buffered writing that cannot lose an error: a full disk must not give a shorter benchmark.
class OutputFile {
public:
  explicit OutputFile(const std::string &path)
      : path_(path), file_(std::fopen(path.c_str(), "wb")) {
    if (file_ == nullptr) fail();
  }
  OutputFile(const OutputFile &) = delete;
  OutputFile &operator=(const OutputFile &) = delete;
  ~OutputFile() {
    if (file_ != nullptr) std::fclose(file_);
  }

  void write(const std::string &bytes) {
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) fail();
    written_ += bytes.size();
  }

  void close() {
    std::FILE *file = file_;
    file_ = nullptr;
    if (std::fclose(file) != 0) fail();
  }

  std::uint64_t written() const { return written_; }

private:
  [[noreturn]] void fail() {
    std::perror(path_.c_str());
    std::exit(1);
  }

  std::string path_;
  std::FILE *file_;
  std::uint64_t written_ = 0;
};

} // namespace bench
