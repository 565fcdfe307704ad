// Writes a recording to stdout: what `profcore metrics` is tested with. metrics_sample datadog|jdk
#include "../unit/decode/jfr/jfr_metrics_samples.hpp"

#include <cstdio>
#include <cstring>

int main(int count, char **words) {
  const bool is_jdk = count > 1 && std::strcmp(words[1], "jdk") == 0;
  const std::string bytes =
      is_jdk ? jfr_test::jdk_metrics_recording() : jfr_test::datadog_metrics_recording();
  return std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size() ? 0 : 1;
}
