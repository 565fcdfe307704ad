#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace profcore::test {

/// The file that a JVM keeps for jps and jstat, with these entries: texts, and one number.
inline std::string jvm_counters(const std::vector<std::pair<std::string, std::string>> &texts,
                                uint64_t end_time) {
  const auto word = [](std::string &to, uint32_t value) {
    for (int i = 0; i < 4; ++i) to += static_cast<char>(value >> (8 * i));
  };
  std::string entries;
  uint32_t count = 0;
  const auto entry = [&](const std::string &name, const std::string &data, char type) {
    const auto data_at = static_cast<uint32_t>(20 + (name.size() + 1 + 7) / 8 * 8);
    const auto size = static_cast<uint32_t>((data_at + data.size() + 7) / 8 * 8);
    std::string one;
    word(one, size);
    word(one, 20);
    word(one, type == 'J' ? 0 : static_cast<uint32_t>(data.size()));
    one += type;
    one += std::string(3, '\0');
    word(one, data_at);
    one += name;
    one.resize(data_at);
    one += data;
    one.resize(size);
    entries += one;
    ++count;
  };
  for (const auto &[name, text] : texts) entry(name, text + '\0', 'B');
  std::string number;
  word(number, static_cast<uint32_t>(end_time));
  word(number, static_cast<uint32_t>(end_time >> 32));
  entry("sun.rt.createVmEndTime", number, 'J');
  std::string bytes{"\xca\xfe\xc0\xc0\x01\x02\x00\x01", 8};
  word(bytes, static_cast<uint32_t>(32 + entries.size()));
  bytes += std::string(12, '\0');
  word(bytes, 32);
  word(bytes, count);
  return bytes + entries;
}

} // namespace profcore::test
