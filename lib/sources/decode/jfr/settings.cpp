#include "sources/decode/jfr/settings.hpp"

#include <algorithm>
#include <charconv>

namespace profcore::jfr {
namespace {

constexpr size_t kMostText = size_t{1} << 20;

/// Where the fields of a setting event are. Looked for once per type: it may have very many.
struct Bound {
  bool is_setting = false;
  uint32_t id = UINT32_MAX, name = UINT32_MAX, value = UINT32_MAX;
  uint32_t cpu_interval = UINT32_MAX, wall_interval = UINT32_MAX;
  uint32_t jvm_name = UINT32_MAX, jvm_version = UINT32_MAX, java_arguments = UINT32_MAX;
  uint32_t os_version = UINT32_MAX;
  uint32_t fields = 0; ///< up to the last of them
};

Bound bind(const Type &type) {
  Bound bound;
  bound.is_setting = is_setting_event(type.name);
  if (!bound.is_setting) return bound;
  const auto field = [&](std::string_view name) {
    const uint32_t at = type.find_field(name);
    if (at != UINT32_MAX) bound.fields = std::max(bound.fields, at + 1);
    return at;
  };
  bound.id = field("id");
  bound.name = field("name");
  bound.value = field("value");
  bound.cpu_interval = field("cpuInterval");
  bound.wall_interval = field("wallInterval");
  bound.jvm_name = field("jvmName");
  bound.jvm_version = field("jvmVersion");
  bound.java_arguments = field("javaArguments");
  bound.os_version = field("osVersion");
  return bound;
}

/// Of whose samples the period is asked for.
bool has_period(std::string_view event) noexcept {
  return event == "jdk.ExecutionSample" || event == "jdk.NativeMethodSample";
}

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
  std::vector<Bound> bounds(schema.types().size());
  for (size_t i = 0; i < bounds.size(); ++i) bounds[i] = bind(schema.types()[i]);
  for (const EventAt &event : chunk.events()) {
    const Bound &bound = bounds[event.type];
    if (!bound.is_setting) continue;
    const Type &type = schema[event.type];
    if (arena.bytes() > kMostText) arena = {};
    const EventBody body = chunk.body(event);
    values.resize(bound.fields);
    chunk.read_fields(event.type, body.at, body.end, values);
    // What is of interest here is short.
    const auto text = [&](uint32_t field, size_t most = 200) -> std::string_view {
      if (field == UINT32_MAX) return {};
      return chunk.text_of(type.fields[field], values[field], arena).substr(0, most);
    };
    const auto number = [&](uint32_t field) -> int64_t {
      if (field == UINT32_MAX || values[field].at == nullptr) return 0;
      return chunk.canonical(type.fields[field], values[field].number);
    };
    if (type.name == "jdk.JVMInformation") {
      origin.add_jvm(text(bound.jvm_name), text(bound.jvm_version));
      origin.add_command(text(bound.java_arguments, Origin::kLongestCommand));
      continue;
    }
    if (type.name == "jdk.OSInformation") {
      origin.add_system(text(bound.os_version));
      continue;
    }
    if (type.name == "jdk.ActiveRecording") {
      if (text(bound.name).starts_with("async-profiler")) producer = Producer::kAsyncProfiler;
      origin.add_recording(text(bound.name));
      continue;
    }
    if (type.name == "datadog.DatadogProfilerConfig") {
      producer = Producer::kDatadog;
      cpu_interval = number(bound.cpu_interval);
      dd_wall_interval = number(bound.wall_interval);
      continue;
    }
    const std::string_view name = text(bound.name);
    const std::string_view value = text(bound.value);
    const auto id = static_cast<uint64_t>(number(bound.id));
    if (name == "period") {
      const TypeIndex of = schema.find_id(id);
      if (of != kNoType && has_period(schema[of].name))
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
