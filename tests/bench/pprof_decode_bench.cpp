// Time and memory of decode_pprof over a file in memory: pprof_decode_bench FILE [ROUNDS
// [THREADS]]. Every round builds a whole profile from nothing and frees it. The file is read
// before, so peak memory includes the input once.

#include "model/profile.hpp"
#include "sources/decode/decode.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <sys/resource.h>
#include <vector>

namespace {

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double resident_megabytes(const char *what) {
  std::unique_ptr<FILE, int (*)(FILE *)> file{std::fopen("/proc/self/status", "r"), std::fclose};
  char line[256];
  while (file && std::fgets(line, sizeof line, file.get()) != nullptr)
    if (std::strncmp(line, what, std::strlen(what)) == 0)
      return std::strtod(line + std::strlen(what) + 1, nullptr) / 1024;
  return 0;
}

double cpu_seconds(const rusage &usage) {
  const auto seconds_of = [](const timeval &time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

bool read_file(const char *path, profcore::PodVector<uint8_t> &bytes) {
  std::unique_ptr<FILE, int (*)(FILE *)> file{std::fopen(path, "rb"), std::fclose};
  if (!file || std::fseek(file.get(), 0, SEEK_END) != 0) return false;
  const long size = std::ftell(file.get());
  if (size < 0 || std::fseek(file.get(), 0, SEEK_SET) != 0) return false;
  bytes.resize_uninitialized(static_cast<size_t>(size));
  return std::fread(bytes.data(), 1, bytes.size(), file.get()) == bytes.size();
}

} // namespace

int main(int argc, char **argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s FILE [ROUNDS [THREADS]]\n", argv[0]);
    return 2;
  }
  const int rounds = argc > 2 ? std::max(1, std::atoi(argv[2])) : 5;
  profcore::DecodeOptions options;
  if (argc > 3) options.threads = std::strtoul(argv[3], nullptr, 10);
  profcore::PodVector<uint8_t> input;
  if (!read_file(argv[1], input)) {
    std::fprintf(stderr, "%s: cannot be read\n", argv[1]);
    return 1;
  }
  const double input_mb = static_cast<double>(input.size()) / 1e6;
  const double before = resident_megabytes("VmRSS:");
  std::vector<double> times;
  double least_cpu = 1e9;
  for (int round = 0; round < rounds; ++round) {
    rusage start{};
    rusage end{};
    getrusage(RUSAGE_SELF, &start);
    const double begin = seconds();
    try {
      const profcore::Profile profile = profcore::decode_pprof(input.span(), options);
      times.push_back(seconds() - begin);
      getrusage(RUSAGE_SELF, &end);
      if (round == 0)
        std::printf("samples %zu  trie nodes %zu  locations %zu  label sets %zu  result %.1f MB\n",
                    profile.sample_count(), profile.stacks.size(), profile.locations().size(),
                    profile.label_set_count(), static_cast<double>(profile.bytes()) / 1e6);
    } catch (const profcore::Error &error) {
      std::fprintf(stderr, "%s: %s (offset %llu)\n", argv[1], error.what(),
                   static_cast<unsigned long long>(error.offset()));
      return 1;
    }
    const double cpu = cpu_seconds(end) - cpu_seconds(start);
    least_cpu = std::min(least_cpu, cpu);
    std::printf("round %d: %.1f ms  %.0f MB/s  %.1f ms of CPU  %ld page faults\n", round,
                times.back() * 1e3, input_mb / times.back(), cpu * 1e3,
                end.ru_minflt - start.ru_minflt);
  }
  const double peak = resident_megabytes("VmHWM:");
  std::printf("input %.1f MB  first %.0f MB/s  ", input_mb, input_mb / times.front());
  std::sort(times.begin(), times.end());
  std::printf("median %.0f MB/s  best %.0f MB/s  least CPU %.1f ms  peak above input %.1f MB "
              "(%.2fx the input)\n",
              input_mb / times[times.size() / 2], input_mb / times.front(), least_cpu * 1e3,
              peak - before, (peak - before) * 1.048576 / input_mb);
  return 0;
}
