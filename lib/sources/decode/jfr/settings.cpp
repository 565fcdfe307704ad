#include "sources/decode/jfr/settings.hpp"

#include <algorithm>
#include <charconv>

namespace profcore::jfr {
namespace {

constexpr size_t kMostText = size_t{1} << 20;

int64_t parse_number(std::string_view text) noexcept {
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

} // namespace

int64_t parse_timespan(std::string_view text) noexcept {
  uint64_t number = 0;
  const char *const end = text.data() + text.size();
  const auto [rest, problem] = std::from_chars(text.data(), end, number);
  if (problem != std::errc{}) return 0;
  std::string_view unit{rest, static_cast<size_t>(end - rest)};
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  constexpr std::pair<std::string_view, uint64_t> kUnits[] = {{"ns", 1},
                                                              {"us", 1000},
                                                              {"ms", 1'000'000},
                                                              {"s", 1'000'000'000},
                                                              {"m", UINT64_C(60'000'000'000)},
                                                              {"h", UINT64_C(3'600'000'000'000)},
                                                              {"d", UINT64_C(86'400'000'000'000)}};
  for (const auto &[word, factor] : kUnits)
    if (unit == word)
      return number > INT64_MAX / factor ? 0 : static_cast<int64_t>(number * factor);
  return 0;
}

bool is_setting_event(std::string_view name) noexcept {
  return name == "jdk.ActiveSetting" || name == "jdk.ActiveRecording" ||
         name == "datadog.DatadogProfilerConfig" || Origin::is_told_by(name);
}

void Settings::find_driver() noexcept {
  constexpr std::string_view kTimes[] = {"", "cpu", "itimer", "ctimer", "cpu-clock", "task-clock"};
  driver = event == "wall" ? Driver::kWallClock
           : std::find(std::begin(kTimes), std::end(kTimes), event) != std::end(kTimes)
               ? Driver::kCpuTime
               : Driver::kCounter;
}

void Settings::read(const Chunk &chunk) {
  const Schema &schema = chunk.schema();
  Arena arena;
  std::vector<FieldValue> values;
  std::vector<uint8_t> is_setting(schema.types().size());
  for (size_t i = 0; i < is_setting.size(); ++i)
    is_setting[i] = is_setting_event(schema.types()[i].name);
  for (const EventAt &event : chunk.events()) {
    if (is_setting[event.type] == 0) continue;
    const Type &type = schema[event.type];
    if (arena.bytes() > kMostText) arena = {};
    const EventBody body = chunk.body(event);
    values.resize(type.fields.size());
    chunk.read_fields(event.type, body.at, body.end, values);
    // What is of interest here is short.
    const auto text = [&](std::string_view name, size_t most = 200) -> std::string_view {
      const uint32_t field = type.find_field(name);
      if (field == UINT32_MAX) return {};
      return chunk.text_of(type.fields[field], values[field], arena).substr(0, most);
    };
    const auto number = [&](std::string_view name) -> int64_t {
      const uint32_t field = type.find_field(name);
      if (field == UINT32_MAX || values[field].at == nullptr) return 0;
      return chunk.canonical(type.fields[field], values[field].number);
    };
    if (type.name == "jdk.JVMInformation") {
      origin.add_jvm(text("jvmName"), text("jvmVersion"));
      origin.add_command(text("javaArguments", Origin::kLongestCommand));
      continue;
    }
    if (type.name == "jdk.OSInformation") {
      origin.add_system(text("osVersion"));
      continue;
    }
    if (type.name == "jdk.ActiveRecording") {
      if (text("name").starts_with("async-profiler")) producer = Producer::kAsyncProfiler;
      origin.add_recording(text("name"));
      continue;
    }
    if (type.name == "datadog.DatadogProfilerConfig") {
      producer = Producer::kDatadog;
      cpu_interval = number("cpuInterval");
      dd_wall_interval = number("wallInterval");
      continue;
    }
    const std::string_view name = text("name");
    const std::string_view value = text("value");
    const auto id = static_cast<uint64_t>(number("id"));
    if (name == "period") {
      const TypeIndex of = schema.find_id(id);
      if (of != kNoType)
        periods.insert_or_assign(std::string{schema[of].name}, parse_timespan(value));
    } else if (name == "engine") {
      producer = Producer::kAsyncProfiler;
    } else if (name == "event") {
      this->event = value;
    } else if (name == "interval") {
      interval = parse_number(value);
    } else if (name == "wall") {
      wall_interval = parse_number(value);
    }
  }
  find_driver();
}

} // namespace profcore::jfr
