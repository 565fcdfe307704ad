#include "base/json_writer.hpp"
#include "model/expansion.hpp"
#include "model/frame_name.hpp"
#include "output/output.hpp"
#include "output/units.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>

namespace profcore {
namespace {

constexpr size_t kReportEvery = 1 << 14;
constexpr uint32_t kNone = UINT32_MAX;

/// One entry per function and per unnamed location. Their indexes are given in order of first use
/// while the table is written, before the profiles that refer to it.
class Frames {
public:
  explicit Frames(const Profile &profile) : profile_{profile} {
    function_frame_.resize(profile.functions().size(), kNone);
    location_frame_.resize(profile.locations().size(), kNone);
  }

  void write_used(JsonWriter &json) {
    PodVector<uint8_t> used;
    const auto nodes = profile_.stacks.nodes();
    used.resize(nodes.size());
    for (const StackId stack : profile_.sample_stacks()) used[stack] = 1;
    for (size_t node = nodes.size(); node-- > 1;)
      if (used[node] != 0) used[nodes[node].parent] = 1;
    for (size_t node = 1; node < nodes.size(); ++node)
      if (used[node] != 0) write_location(nodes[node].location, json);
  }

  /// The frames of a stack, root first.
  void append_stack(StackId stack, std::vector<uint32_t> &frames) const {
    const size_t first = frames.size();
    for (; stack != 0; stack = profile_.stacks[stack].parent) {
      const LocationId location = profile_.stacks[stack].location;
      const auto lines = profile_.lines_of(location);
      for (const Line &line : lines) frames.push_back(frame_of(location, line.function));
      if (lines.empty()) frames.push_back(location_frame_[location]);
    }
    std::reverse(frames.begin() + static_cast<ptrdiff_t>(first), frames.end());
  }

private:
  uint32_t frame_of(LocationId location, FunctionId function) const {
    return function_name(profile_, function).empty() ? location_frame_[location]
                                                     : function_frame_[function];
  }

  void write_location(LocationId location, JsonWriter &json) {
    const auto lines = profile_.lines_of(location);
    for (size_t i = lines.size(); i-- > 0;) {
      const FunctionId id = lines[i].function;
      if (function_name(profile_, id).empty()) {
        write_unnamed(location, json);
      } else if (function_frame_[id] == kNone) {
        const Function &function = profile_.functions()[id];
        function_frame_[id] = count_++;
        json.begin_object();
        json.member("name", function_name(profile_, id));
        if (function.file != 0) json.member("file", profile_.text(function.file));
        if (function.start_line > 0) json.member("line", function.start_line);
        json.end_object();
      }
    }
    if (lines.empty()) write_unnamed(location, json);
  }

  void write_unnamed(LocationId location, JsonWriter &json) {
    if (location_frame_[location] != kNone) return;
    location_frame_[location] = count_++;
    const Location &at = profile_.locations()[location];
    std::string name;
    append_location_name(profile_, at, name);
    json.begin_object();
    json.member("name", name);
    if (at.module != 0) {
      constexpr size_t kLongestPath = 4096; // no system has longer ones, and every address has it
      json.member("file",
                  profile_.text(profile_.modules()[at.module].path).substr(0, kLongestPath));
    }
    json.end_object();
  }

  const Profile &profile_;
  PodVector<uint32_t> function_frame_;
  PodVector<uint32_t> location_frame_;
  uint32_t count_ = 0;
};

struct Sample {
  StackId stack;
  int64_t weight;
};

/// With timestamps every row, in order of time; without, one sample per distinct stack.
std::vector<Sample> collect_samples(const Profile &profile, size_t type) {
  const auto stacks = profile.sample_stacks();
  const auto values = profile.values(type);
  std::vector<Sample> samples;
  if (profile.has_timestamps()) {
    const auto times = profile.timestamps();
    std::vector<uint32_t> rows(stacks.size());
    std::iota(rows.begin(), rows.end(), 0U);
    std::stable_sort(rows.begin(), rows.end(),
                     [&](uint32_t a, uint32_t b) { return times[a] < times[b]; });
    for (const uint32_t row : rows)
      if (values[row] != 0) samples.push_back({stacks[row], values[row]});
    return samples;
  }
  // By row, not by stack: there can be as many columns as the input has bytes.
  for (size_t row = 0; row < stacks.size(); ++row)
    if (values[row] != 0) samples.push_back({stacks[row], values[row]});
  std::stable_sort(samples.begin(), samples.end(),
                   [](const Sample &a, const Sample &b) { return a.stack < b.stack; });
  size_t kept = 0;
  for (const Sample &sample : samples) {
    if (kept != 0 && samples[kept - 1].stack == sample.stack)
      samples[kept - 1].weight = saturating_sum(samples[kept - 1].weight, sample.weight);
    else
      samples[kept++] = sample;
  }
  samples.resize(kept);
  std::erase_if(samples, [](const Sample &sample) { return sample.weight == 0; });
  return samples;
}

std::string_view unit_word(std::string_view unit) {
  return unit == "nanoseconds" || unit == "microseconds" || unit == "bytes" ? unit : "none";
}

} // namespace

void write_speedscope(const Profile &profile, std::string_view name, const Context &context,
                      Buffer &output) {
  check_expansion(profile, Expansion::kStacks);
  const size_t start = output.size();
  const size_t types = profile.sample_types().size();
  JsonWriter json{output};
  json.begin_object();
  json.member("$schema", "https://www.speedscope.app/file-format-schema.json");
  json.member("exporter", "profcore");
  json.member("name", name);
  if (types != 0) json.member("activeProfileIndex", uint64_t{profile.default_type()});
  json.key("shared");
  json.begin_object();
  json.key("frames");
  json.begin_array();
  Frames frames{profile};
  frames.write_used(json);
  json.end_array();
  json.end_object();

  json.key("profiles");
  json.begin_array();
  uint64_t left_out = 0;
  std::vector<uint32_t> path;
  for (size_t type = 0; type < types; ++type) {
    std::vector<Sample> samples = collect_samples(profile, type);
    // The viewer refuses a file with a negative weight.
    left_out += std::erase_if(samples, [](const Sample &sample) { return sample.weight < 0; });
    int64_t total = 0;
    for (const Sample &sample : samples) total = saturating_sum(total, sample.weight);
    json.begin_object();
    json.member("type", "sampled");
    json.member("name", profile.text(profile.sample_types()[type].type));
    json.member("unit", unit_word(profile.text(profile.sample_types()[type].unit)));
    json.member("startValue", 0);
    json.member("endValue", total);
    json.key("samples");
    json.begin_array();
    for (size_t i = 0; i < samples.size(); ++i) {
      if (i % kReportEvery == 0) context.report(type * samples.size() + i, types * samples.size());
      path.clear();
      frames.append_stack(samples[i].stack, path);
      json.begin_array();
      for (const uint32_t frame : path) json.number(uint64_t{frame});
      json.end_array();
      if (output.size() - start > context.limits.max_result_bytes)
        throw Error{Status::kLimit, "speedscope: the output is over its limit"};
    }
    json.end_array();
    json.key("weights");
    json.begin_array();
    for (const Sample &sample : samples) json.number(sample.weight);
    json.end_array();
    json.end_object();
  }
  json.end_array();
  json.end_object();
  json.newline();
  if (left_out != 0)
    context.write_log(
        LogLevel::kWarning,
        fmt::format("speedscope: {} samples with negative values left out", left_out));
}

} // namespace profcore
