#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

// What every timed C++ program here shares: read the file, decode it RUNS times, print one line per
// run. Only decode() is on the clock; adding up the checksum and freeing the result are not.
namespace bench {

struct Outcome {
  std::uint64_t samples = 0;
  std::int64_t checksum = 0;
};

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline std::string read_file(const char *path) {
  std::FILE *file = std::fopen(path, "rb");
  if (file == nullptr) throw Failure(std::string(path) + ": " + std::strerror(errno));
  std::string bytes;
  if (std::fseek(file, 0, SEEK_END) == 0) {
    const long size = std::ftell(file);
    std::rewind(file);
    if (size > 0) bytes.resize(static_cast<std::size_t>(size));
  }
  const bool whole = std::fread(bytes.data(), 1, bytes.size(), file) == bytes.size();
  std::fclose(file);
  if (!whole || bytes.empty()) throw Failure(std::string(path) + ": cannot be read or is empty");
  return bytes;
}

// VmHWM and not ru_maxrss: the latter keeps the peak of the process that called exec.
inline long peak_rss_kib() {
  std::FILE *status = std::fopen("/proc/self/status", "r");
  if (status == nullptr) return 0;
  char line[256];
  long kib = 0;
  while (std::fgets(line, sizeof line, status) != nullptr)
    if (std::sscanf(line, "VmHWM: %ld", &kib) == 1) break;
  std::fclose(status);
  return kib;
}

// Of all threads of the process.
inline double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// decode(bytes) gives anything that summarise() can turn into an Outcome.
template <class Decode, class Summarise>
void repeat(std::string_view name, const std::string &bytes, int runs, Decode decode,
            Summarise summarise) {
  using Clock = std::chrono::steady_clock;
  for (int run = 0; run < runs; ++run) {
    const double cpu_before = cpu_seconds();
    const auto start = Clock::now();
    auto result = decode(std::string_view(bytes));
    const std::chrono::duration<double> took = Clock::now() - start;
    const double cpu = cpu_seconds() - cpu_before;
    const Outcome outcome = summarise(result);
    std::printf("%.*s\t%zu\t%.6f\t%ld\t%llu\t%lld\t%.6f\n", static_cast<int>(name.size()),
                name.data(), bytes.size(), took.count(), peak_rss_kib(),
                static_cast<unsigned long long>(outcome.samples),
                static_cast<long long>(outcome.checksum), cpu);
    std::fflush(stdout);
  }
}

// `least` is 0 for a program that counts, besides or only, what is in the file.
template <class Body>
int guarded_main(int argc, char **argv, const char *modes, Body body, int least = 1) {
  const bool needs_mode = modes != nullptr;
  const int runs = argc > 2 ? std::atoi(argv[2]) : -1;
  if (argc != (needs_mode ? 4 : 3) || runs < least) {
    std::fprintf(stderr, "usage: %s FILE RUNS%s%s\n", argv[0], needs_mode ? " " : "",
                 needs_mode ? modes : "");
    return 2;
  }
  try {
    const std::string bytes = read_file(argv[1]);
    body(bytes, runs, std::string_view(needs_mode ? argv[3] : ""));
    return 0;
  } catch (const std::exception &error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
}

} // namespace bench
