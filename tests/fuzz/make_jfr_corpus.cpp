// Writes the recordings of tests/unit/decode/jfr/jfr_*samples.hpp into a folder: what corpus/jfr
// holds, beside inputs that the fuzzer found.

#include "../unit/decode/jfr/jfr_event_samples.hpp"
#include "../unit/decode/jfr/jfr_metrics_samples.hpp"
#include "../unit/decode/jfr/jfr_samples.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>

int main(int argc, char **argv) {
  if (argc != 2) {
    std::fputs("usage: make_jfr_corpus FOLDER\n", stderr);
    return 2;
  }
  const std::filesystem::path folder{argv[1]};
  std::filesystem::create_directories(folder);
  const auto write = [&](const jfr_test::Sample &sample) {
    std::ofstream file{folder / sample.name, std::ios::binary};
    file << sample.bytes;
    return static_cast<bool>(file.flush());
  };
  for (const jfr_test::Sample &sample : jfr_test::valid_samples())
    if (!write(sample)) return 1;
  for (const jfr_test::Sample &sample : jfr_test::damaged_samples())
    if (!write(sample)) return 1;
  for (const jfr_test::Sample &sample : jfr_test::every_event_samples())
    if (!write(sample)) return 1;
  const bool all = write({"metrics_datadog", jfr_test::datadog_metrics_recording()}) &&
                   write({"metrics_jdk", jfr_test::jdk_metrics_recording()});
  return all ? 0 : 1;
}
