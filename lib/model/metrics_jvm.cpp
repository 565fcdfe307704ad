// Each metric is a row: what events, what of them, over what time. DataKit's reading is the first
// source of a row; where it is mistaken, a remark says how, and `corrected` lists the sources of
// the right one: the first with events counts, else the first that the recording was to have and
// that never happened, which is a true 0.

#include "model/jvm_facts.hpp"
#include "model/metrics.hpp"

#include <array>
#include <fmt/format.h>

namespace profcore {
namespace {

using enum JvmFact;

enum class Of : uint8_t {
  kNothing,
  kCount,
  kSum,
  kMax,
  kMean,
  kFirst,
  kLast,
  kGained,      ///< of a counter; per second of the time that it was watched
  kUntilEnd,    ///< from then to the end of the range
  kTimesPeriod, ///< samples times java-profiler's CPU interval
  kShareOfCpus, ///< the mean, times the number of hardware threads, over the range
};

enum class Over : uint8_t {
  kAll,
  kSeconds,     ///< per second of the range
  kNanoseconds, ///< per nanosecond: cores, of CPU time
};

struct Source {
  Of of = Of::kNothing;
  JvmFact fact = kNone;
  JvmFact more = kNone; ///< to be added
};

constexpr size_t kMostSources = 5;

struct Formula {
  std::string_view name;
  std::string_view unit;
  MetricKind kind;
  Over over;
  Source datakit;
  std::array<Source, kMostSources> corrected = {}; ///< empty = the same as DataKit's
  std::string_view mistake = {};                   ///< DataKit's
};

constexpr MetricKind kWhole = MetricKind::kInteger;
constexpr MetricKind kReal = MetricKind::kFloat;
constexpr int64_t kDatakitInterval = 10'000'000;
constexpr int64_t kYear2020 = INT64_C(1'577'836'800'000'000'000);

constexpr Formula kFormulas[] = {
    {"prof_jvm_uptime_nanoseconds", "nanosecond", kWhole, Over::kAll, {Of::kUntilEnd, kJvmStart}},
    {"prof_jvm_cpu_cores",
     "core",
     kReal,
     Over::kNanoseconds,
     {Of::kTimesPeriod, kDatadogCpu},
     {{{Of::kTimesPeriod, kDatadogCpu},
       {Of::kSum, kCpuTimeSamples},
       {Of::kSum, kAsyncSamples},
       {Of::kShareOfCpus, kCpuLoad},
       {Of::kSum, kJdkSamples}}}},
    {"prof_jvm_alloc_bytes_total",
     "byte",
     kReal,
     Over::kAll,
     {Of::kSum, kObjectBytes},
     {{{Of::kSum, kObjectBytes},
       {Of::kSum, kAllocationSamples},
       {Of::kSum, kTlabs, kOutsideTlabs},
       {Of::kGained, kThreadAllocations}}}},
    {"prof_jvm_alloc_bytes_per_sec",
     "byte/s",
     kReal,
     Over::kSeconds,
     {Of::kSum, kObjectBytes},
     {{{Of::kSum, kObjectBytes},
       {Of::kSum, kAllocationSamples},
       {Of::kSum, kTlabs, kOutsideTlabs},
       {Of::kGained, kThreadAllocations}}}},
    {"prof_jvm_allocs_per_sec", "count/s", kReal, Over::kSeconds, {Of::kSum, kObjectWeight}},
    {"prof_jvm_direct_alloc_bytes_per_sec",
     "byte/s",
     kReal,
     Over::kSeconds,
     {Of::kSum, kDirectBytes}},
    {"prof_jvm_class_loads_per_sec",
     "count/s",
     kReal,
     Over::kSeconds,
     {Of::kCount, kClassLoaders},
     {{{Of::kGained, kLoadedClasses}, {Of::kCount, kClassLoads}}},
     "one event per class loader and chunk, not per class loaded"},
    {"prof_jvm_compilation_time",
     "nanosecond",
     kWhole,
     Over::kAll,
     {Of::kSum, kCompilations},
     {{{Of::kGained, kCompilerTime}, {Of::kSum, kCompilations}}},
     "short compilations, by the settings, have no event"},
    {"prof_jvm_context_switches_per_sec", "count/s", kReal, Over::kAll, {Of::kMean, kSwitchRate}},
    {"prof_jvm_throws_total",
     "count",
     kWhole,
     Over::kAll,
     {Of::kCount, kExceptionSamples},
     {{{Of::kGained, kThrowables}, {Of::kSum, kExceptionCount}, {Of::kCount, kExceptionSamples}}},
     "only a sample of what is thrown has such an event"},
    {"prof_jvm_throws_per_sec",
     "count/s",
     kReal,
     Over::kSeconds,
     {Of::kCount, kExceptionSamples},
     {{{Of::kGained, kThrowables}, {Of::kSum, kExceptionCount}, {Of::kCount, kExceptionSamples}}},
     "only a sample of what is thrown has such an event"},
    {"prof_jvm_file_io_max_read_time", "nanosecond", kWhole, Over::kAll, {Of::kMax, kFileReadTime}},
    {"prof_jvm_file_io_max_read_bytes", "byte", kWhole, Over::kAll, {Of::kMax, kFileReadBytes}},
    {"prof_jvm_file_io_read_time", "nanosecond", kWhole, Over::kAll, {Of::kSum, kFileReadTime}},
    {"prof_jvm_file_io_read_bytes", "byte", kWhole, Over::kAll, {Of::kSum, kFileReadBytes}},
    {"prof_jvm_file_io_max_write_time",
     "nanosecond",
     kWhole,
     Over::kAll,
     {Of::kMax, kFileWriteTime}},
    {"prof_jvm_file_io_max_write_bytes", "byte", kWhole, Over::kAll, {Of::kMax, kFileWriteBytes}},
    {"prof_jvm_file_io_write_time", "nanosecond", kWhole, Over::kAll, {Of::kSum, kFileWriteTime}},
    {"prof_jvm_file_io_write_bytes", "byte", kWhole, Over::kAll, {Of::kSum, kFileWriteBytes}},
    {"prof_jvm_file_io_time",
     "nanosecond",
     kWhole,
     Over::kAll,
     {Of::kSum, kFileReadTime, kFileWriteTime}},
    {"prof_jvm_avg_gc_pause_time",
     "nanosecond",
     kReal,
     Over::kAll,
     {Of::kMean, kCollections},
     {{{Of::kMean, kGcPauses}, {Of::kMean, kCollectionPauses}}},
     "whole collections, with what they do beside the program, not pauses"},
    {"prof_jvm_max_gc_pause_time",
     "nanosecond",
     kWhole,
     Over::kAll,
     {Of::kMax, kGcPauses},
     {{{Of::kMax, kGcPauses}, {Of::kMax, kLongestPauses}}}},
    {"prof_jvm_gc_pause_time",
     "nanosecond",
     kWhole,
     Over::kAll,
     {Of::kSum, kGcPauses},
     {{{Of::kSum, kGcPauses}, {Of::kSum, kCollectionPauses}}}},
    {"prof_jvm_gc_pauses_per_sec",
     "count/s",
     kReal,
     Over::kSeconds,
     {Of::kCount, kGcPauses},
     {{{Of::kCount, kGcPauses}, {Of::kCount, kCollectionPauses}}}},
    {"prof_jvm_lifetime_heap_objects",
     "count",
     kWhole,
     Over::kAll,
     {Of::kCount, kLiveObjects},
     {{{Of::kSum, kLiveWeight}}},
     "sampled objects, not what they stand for"},
    {"prof_jvm_lifetime_heap_bytes",
     "byte",
     kWhole,
     Over::kAll,
     {Of::kFirst, kHeapUsage},
     {{{Of::kLast, kHeapUsage}, {Of::kLast, kHeapAfterGc}}},
     "the first event, not the last"},
    {"prof_jvm_locks_max_wait_time", "nanosecond", kReal, Over::kAll, {Of::kMax, kMonitorWaits}},
    {"prof_jvm_locks_per_sec", "count/s", kReal, Over::kSeconds, {Of::kCount, kMonitorWaits}},
    {"prof_jvm_threads_created_per_sec",
     "count/s",
     kReal,
     Over::kSeconds,
     {Of::kCount, kThreadStarts},
     {{{Of::kCount, kThreadStarts}, {Of::kGained, kThreadsStarted}}}},
    {"prof_jvm_threads_deadlocked",
     "count",
     kWhole,
     Over::kAll,
     {Of::kCount, kDeadlocks},
     {{{Of::kSum, kDeadlockedThreads}}},
     "a thread counts as often as it was found"},
    {"prof_jvm_socket_io_max_read_time",
     "nanosecond",
     kWhole,
     Over::kAll,
     {Of::kMax, kSocketReadTime}},
    {"prof_jvm_socket_io_max_read_bytes", "byte", kWhole, Over::kAll, {Of::kMax, kSocketReadBytes}},
    {"prof_jvm_socket_io_read_time", "nanosecond", kWhole, Over::kAll, {Of::kSum, kSocketReadTime}},
    {"prof_jvm_socket_io_read_bytes", "byte", kWhole, Over::kAll, {Of::kSum, kSocketReadBytes}},
    {"prof_jvm_socket_io_max_write_time",
     "nanosecond",
     kWhole,
     Over::kAll,
     {Of::kMax, kSocketWriteTime}},
    {"prof_jvm_socket_io_max_write_bytes",
     "byte",
     kWhole,
     Over::kAll,
     {Of::kMax, kSocketWriteBytes}},
    {"prof_jvm_socket_io_write_time",
     "nanosecond",
     kWhole,
     Over::kAll,
     {Of::kSum, kSocketWriteTime}},
    {"prof_jvm_socket_io_write_bytes", "byte", kWhole, Over::kAll, {Of::kSum, kSocketWriteBytes}},
};

class Evaluation {
public:
  Evaluation(const JvmFacts &facts, MetricsVariant variant, const MetricsRange &range)
      : facts_{facts}, corrected_{variant == MetricsVariant::kCorrected}, range_{range} {}

  void evaluate(const Formula &formula, Metric &metric) const;

private:
  bool tells(const Source &source) const;
  bool was_recorded(const Source &source) const;
  const Source *choose(const Formula &formula) const;
  int64_t interval() const;
  double real_value(const Source &source) const;
  int64_t whole_value(const Source &source) const;
  std::string describe(const Source &source) const;

  const JvmFacts &facts_;
  bool corrected_;
  const MetricsRange &range_;
};

int64_t add_saturating(int64_t a, int64_t b) noexcept {
  int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return a < 0 ? INT64_MIN : INT64_MAX;
}

int64_t Evaluation::interval() const {
  const int64_t said = facts_[kDatadogCpuInterval].first;
  return said > 0 ? said : kDatakitInterval;
}

bool Evaluation::tells(const Source &source) const {
  const FactValue &fact = facts_[source.fact];
  switch (source.of) {
  case Of::kGained:
    return fact.covered_ns > 0;
  case Of::kCount:
    return fact.events > 0;
  case Of::kShareOfCpus:
    return fact.values > 0 && facts_[kHardwareThreads].first > 0;
  case Of::kUntilEnd:
    return fact.first > 0 && range_.end_ns > fact.first;
  default:
    return fact.values > 0 || (source.more != kNone && facts_[source.more].values > 0);
  }
}

/// That there were none is then known, and is 0.
bool Evaluation::was_recorded(const Source &source) const {
  if (source.of != Of::kCount && source.of != Of::kSum && source.of != Of::kMax &&
      source.of != Of::kMean)
    return false;
  return facts_[source.fact].was_recorded &&
         (source.more == kNone || facts_[source.more].was_recorded);
}

const Source *Evaluation::choose(const Formula &formula) const {
  if (!corrected_) {
    const Source &source = formula.datakit;
    if (source.of != Of::kUntilEnd) return &source;
    return tells(source) && facts_[source.fact].first > kYear2020 ? &source : nullptr;
  }
  if (formula.corrected[0].of == Of::kNothing)
    return tells(formula.datakit) || was_recorded(formula.datakit) ? &formula.datakit : nullptr;
  for (const Source &source : formula.corrected)
    if (source.of != Of::kNothing && tells(source)) return &source;
  for (const Source &source : formula.corrected)
    if (source.of != Of::kNothing && was_recorded(source)) return &source;
  return nullptr;
}

int64_t Evaluation::whole_value(const Source &source) const {
  const FactValue &fact = facts_[source.fact];
  switch (source.of) {
  case Of::kCount:
    return fact.events;
  case Of::kMax:
    return fact.max;
  case Of::kFirst:
    return fact.first;
  case Of::kLast:
    return fact.last;
  case Of::kGained:
    return fact.gained;
  case Of::kUntilEnd:
    return range_.end_ns - fact.first;
  default:
    return add_saturating(fact.sum, source.more == kNone ? 0 : facts_[source.more].sum);
  }
}

double Evaluation::real_value(const Source &source) const {
  const FactValue &fact = facts_[source.fact];
  switch (source.of) {
  case Of::kMean:
    return fact.values == 0 ? 0 : fact.real_sum / static_cast<double>(fact.values);
  case Of::kTimesPeriod:
    return fact.real_sum * static_cast<double>(interval());
  case Of::kShareOfCpus:
    return fact.real_sum / static_cast<double>(fact.values) *
           static_cast<double>(facts_[kHardwareThreads].first) *
           static_cast<double>(range_.length_ns);
  case Of::kSum:
    return fact.real_sum + (source.more == kNone ? 0 : facts_[source.more].real_sum);
  default:
    return static_cast<double>(whole_value(source));
  }
}

std::string Evaluation::describe(const Source &source) const {
  constexpr std::string_view kWords[] = {"",       "number of ", "sum of ", "largest ",
                                         "mean ",  "first ",     "last ",   "growth of ",
                                         "since ", "",           "mean "};
  const auto name = [](JvmFact fact) {
    const JvmFactRule &rule = jvm_fact_rules()[static_cast<size_t>(fact)];
    std::string text{rule.event};
    if (rule.take == JvmTake::kDistinct) return fmt::format("different {} of {}", rule.field, text);
    if (rule.take == JvmTake::kColumn) return fmt::format("periods of {}", text);
    if (!rule.only.empty()) text += fmt::format(" ({})", rule.only);
    if (!rule.field.empty()) text += fmt::format(".{}", rule.field);
    if (rule.operation != 0) text += fmt::format(" {} {}", rule.operation, rule.second);
    return text;
  };
  std::string text{kWords[static_cast<size_t>(source.of)]};
  if (source.of == Of::kCount) {
    text += jvm_fact_rules()[static_cast<size_t>(source.fact)].event;
  } else {
    text += name(source.fact);
  }
  if (source.more != kNone) text += " and " + name(source.more);
  if (source.of == Of::kTimesPeriod)
    text += fmt::format(" * {} ms{}", static_cast<double>(interval()) / 1e6,
                        facts_[kDatadogCpuInterval].first > 0 ? "" : " (assumed)");
  if (source.of == Of::kShareOfCpus)
    text += fmt::format(" of {} hardware threads", facts_[kHardwareThreads].first);
  if (source.of != Of::kUntilEnd && !tells(source)) text += ": none";
  return text;
}

void Evaluation::evaluate(const Formula &formula, Metric &metric) const {
  metric.name = formula.name;
  metric.unit = formula.unit;
  const Source *const source = choose(formula);
  if (source == nullptr) {
    metric.note = "not recorded";
    return;
  }
  metric.note = describe(*source);
  if (!corrected_ && !formula.mistake.empty()) metric.note += fmt::format(" ({})", formula.mistake);
  // A counter has its own time: from when it was first seen to when it was last seen.
  const int64_t length =
      source->of == Of::kGained ? facts_[source->fact].covered_ns : range_.length_ns;
  if (formula.over != Over::kAll && length <= 0) {
    metric.note = "the length of the recording is not known";
    return;
  }
  if (formula.over == Over::kSeconds) {
    set_real(metric, real_value(*source) / (static_cast<double>(length) / 1e9));
  } else if (formula.over == Over::kNanoseconds) {
    set_real(metric, real_value(*source) / static_cast<double>(length));
  } else if (formula.kind == kReal) {
    set_real(metric, real_value(*source));
  } else if (source->fact == kLiveWeight) { // a sum of fractions, of whole objects
    set_real(metric, real_value(*source));
    metric.kind = kWhole;
    metric.real = static_cast<double>(metric.integer);
  } else {
    set_integer(metric, whole_value(*source));
  }
  if (metric.kind == MetricKind::kNone) metric.note += ": too large for a number";
}

} // namespace

std::vector<Metric> jvm_metrics(const JvmFacts &facts, MetricsVariant variant,
                                const MetricsRange &range) {
  const Evaluation evaluation{facts, variant, range};
  std::vector<Metric> metrics;
  metrics.reserve(std::size(kFormulas));
  for (const Formula &formula : kFormulas) {
    Metric metric;
    evaluation.evaluate(formula, metric);
    // DataKit has no such field then.
    if (variant == MetricsVariant::kDatakit && metric.kind == MetricKind::kNone &&
        formula.datakit.of == Of::kUntilEnd)
      continue;
    metrics.push_back(std::move(metric));
  }
  return metrics;
}

} // namespace profcore
