// Feeds files to a fuzz target without libFuzzer, in the normal test suite:
//   replay [--testdata ROOT FOLDER]... FILE-OR-FOLDER...
// Gzip files are given as they are and inflated. $PROFCORE_TESTDATA takes the place of ROOT. A file
// fails by a crash, by more than a second of CPU time, or by taking more memory than its share:
// 64 MiB over its size when damaged on purpose, some multiple of its size otherwise.

#include "../sanitized.hpp"
#include "base/inflate.hpp"
#include "base/mapped_file.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

namespace fs = std::filesystem;

constexpr double kMostSeconds = kSanitized ? 20 : 1;
constexpr uint64_t kSpareBytes = uint64_t{64} << 20;
constexpr uint64_t kMostTimesSize = 40;

char current_file[4096];

extern "C" void on_crash(int signal) {
  const char text[] = "crash at: ";
  (void)!::write(2, text, sizeof text - 1);
  (void)!::write(2, current_file, std::strlen(current_file));
  (void)!::write(2, "\n", 1);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// A figure of /proc/self/status in bytes, or 0.
uint64_t status_bytes(const char *name) {
  std::ifstream status{"/proc/self/status"};
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(name))
      return std::strtoull(line.c_str() + std::strlen(name) + 1, nullptr, 10) * 1024;
  return 0;
}

void reset_peak() {
  std::ofstream{"/proc/self/clear_refs"} << "5";
}

bool feed(const std::string &name, std::span<const uint8_t> bytes, uint64_t most_growth) {
  std::snprintf(current_file, sizeof current_file, "%s", name.c_str());
  // A copy of exactly that size, so that a sanitizer sees a read past the end.
  const std::vector<uint8_t> copy{bytes.begin(), bytes.end()};
  reset_peak();
  const uint64_t before = status_bytes("VmRSS:");
  const double start = cpu_seconds();
  LLVMFuzzerTestOneInput(copy.data(), copy.size());
  const double seconds = cpu_seconds() - start;
  const uint64_t peak = status_bytes("VmHWM:");
  const uint64_t growth = peak > before ? peak - before : 0;
  bool fine = true;
  if (seconds > kMostSeconds) {
    std::fprintf(stderr, "%s: took %.2f s of CPU time\n", name.c_str(), seconds);
    fine = false;
  }
  if (!kSanitized && growth > most_growth) {
    std::fprintf(stderr, "%s: took %.1f MiB, more than %.1f MiB\n", name.c_str(),
                 static_cast<double>(growth) / 1048576, static_cast<double>(most_growth) / 1048576);
    fine = false;
  }
  return fine;
}

void collect(const fs::path &path, std::vector<std::string> &files) {
  std::error_code error;
  if (fs::is_directory(path, error)) {
    for (const auto &entry : fs::recursive_directory_iterator{path, error})
      if (entry.is_regular_file(error)) files.push_back(entry.path().string());
  } else if (fs::exists(path, error)) {
    files.push_back(path.string());
  }
}

} // namespace

int main(int argc, char **argv) {
  std::vector<std::string> files;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--testdata") == 0 && i + 2 < argc) {
      const char *root = std::getenv("PROFCORE_TESTDATA");
      collect(fs::path{root != nullptr ? root : argv[i + 1]} / argv[i + 2], files);
      i += 2;
    } else if (!fs::exists(argv[i])) {
      std::fprintf(stderr, "no such file or folder: %s\n", argv[i]);
      return 2;
    } else {
      collect(argv[i], files);
    }
  }
  if (files.empty()) {
    std::fprintf(stderr, "nothing to replay\n");
    return 77;
  }
  std::sort(files.begin(), files.end());
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) std::signal(signal, on_crash);

  size_t failed = 0;
  size_t fed = 0;
  for (const std::string &name : files) {
    const auto file = profcore::MappedFile::open(name, {});
    const bool hostile =
        name.find("malformed") != std::string::npos || name.find("corpus") != std::string::npos;
    const uint64_t size = file.bytes().size();
    const uint64_t most = kSpareBytes + size * (hostile ? 1 : kMostTimesSize);
    ++fed;
    failed += feed(name, file.bytes(), most) ? 0 : 1;
    if (!profcore::is_gzip(file.bytes())) continue;
    profcore::Context context;
    context.limits.max_inflated_bytes = uint64_t{64} << 20;
    try {
      const auto inflated = profcore::inflate_gzip(file.bytes(), context);
      ++fed;
      failed += feed(name + " (inflated)", inflated.span(),
                     kSpareBytes + inflated.size() * kMostTimesSize)
                    ? 0
                    : 1;
    } catch (const profcore::Error &) {
      // Damaged on purpose; it was fed as it is.
    }
  }
  std::printf("%zu files, %zu inputs, %zu failed\n", files.size(), fed, failed);
  return failed == 0 ? 0 : 1;
}
