// Events become rows, in the order of the file, each with its time. A row has a value in the
// columns of its event's rule and 0 elsewhere; a chunk's rows are made at once, zeroed column by
// column, and filled in one pass over the noted events. Which columns there are is found out per
// chunk before that, so a recording of CPU samples has one column and not forty.
//
// What an event weighs (the sources are the README's): samplers say nothing, so their period from
// the settings counts; java-profiler says how many samples one stands for; allocation samples say
// the bytes they stand for; everything with a duration weighs that, in nanoseconds.

#include "sources/decode/jfr/event_mapper.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>

namespace profcore::jfr {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kJdkPeriod = 20 * kMillisecond;     // default.jfc
constexpr int64_t kAsyncInterval = 10 * kMillisecond; // DEFAULT_INTERVAL
constexpr int64_t kAsyncWallInterval = 50 * kMillisecond;
constexpr int64_t kDatadogCpuInterval = 10 * kMillisecond;
constexpr int64_t kDatadogWallInterval = 50 * kMillisecond;

constexpr size_t kMostText = size_t{1} << 20; ///< in an arena before it is emptied
constexpr size_t kMostCollections = size_t{1} << 16;
constexpr size_t kBlock = 32;        ///< events whose fields are read together
constexpr size_t kBlockFields = 256; ///< and how many those may have: more are read one by one
constexpr size_t kBetweenChecks = size_t{1} << 14;

int64_t multiply(int64_t a, int64_t b) noexcept {
  int64_t product = 0;
  if (!__builtin_mul_overflow(a, b, &product)) return product;
  return (a < 0) == (b < 0) ? INT64_MAX : INT64_MIN;
}

int64_t rounded(double value) noexcept {
  return value >= 9.2e18 ? INT64_MAX : value <= -9.2e18 ? INT64_MIN : std::llround(value);
}

} // namespace

/// What async-profiler's states tell about a sample.
enum class ThreadState : uint8_t { kDefault, kRunnable, kOther };

struct EventMapper::ChunkState {
  ThreadState state_of(TypeIndex type, uint64_t key) {
    for (const auto &[known, state] : states)
      if (known == key) return state;
    const std::string_view name = labels.state_name(type, key);
    const ThreadState state = name.empty() || name == "STATE_DEFAULT" ? ThreadState::kDefault
                              : name == "STATE_RUNNABLE"              ? ThreadState::kRunnable
                                                                      : ThreadState::kOther;
    if (states.size() < 16) states.emplace_back(key, state);
    return state;
  }

  const Chunk &chunk;
  StackReader &stacks;
  SampleLabels &labels;
  Arena arena;
  std::vector<FieldValue> values; ///< of the block's events
  std::array<Pending, kBlock> block{};
  std::unordered_map<uint64_t, std::string, SeededHash> gc_names; ///< by gcId
  std::vector<std::pair<uint64_t, ThreadState>> states{};         ///< of ExecutionSample
  std::vector<Label> more{};
  int64_t time = 0; ///< of the event that was mapped last
  TextIds ids{};
};

EventMapper::EventMapper(Profile &profile, const DecodeOptions &options)
    : profile_{profile}, options_{options}, pyroscope_{options.jfr.compat == JfrCompat::kPyroscope},
      context_labels_{options.jfr.context_labels, options.context} {
  columns_.fill(SIZE_MAX);
}

Wanted EventMapper::wanted() const {
  Wanted wanted;
  wanted.event = [compat = options_.jfr.compat](const Type &type) {
    return find_rule(type.name, compat) != nullptr || is_setting_event(type.name) ||
           type.name == "jdk.GarbageCollection";
  };
  wanted.pool = [](const Type &type) {
    constexpr std::string_view kNames[] = {"jdk.types.StackTrace",
                                           "jdk.types.Method",
                                           "jdk.types.Symbol",
                                           "jdk.types.FrameType",
                                           "jdk.types.ThreadState",
                                           "java.lang.Class",
                                           "java.lang.Thread",
                                           "java.lang.String",
                                           "jdk.types.GCName",
                                           "jdk.types.GCCause",
                                           "profiler.types.AttributeValue",
                                           "profiler.types.SpanName"};
    return std::find(std::begin(kNames), std::end(kNames), type.name) != std::end(kNames);
  };
  return wanted;
}

size_t EventMapper::column(Column column) {
  size_t &index = columns_[static_cast<size_t>(column)];
  if (index == SIZE_MAX) {
    const ColumnText text = column_text(column);
    const std::string_view type =
        column == Column::kCounted && !settings_.event.empty() ? settings_.event : text.type;
    index = profile_.add_sample_type(type, text.unit);
    if (column == Column::kInuseObjects || column == Column::kInuseSpace ||
        column == Column::kOldObjects || column == Column::kOldSpace)
      profile_.mutable_sample_types()[index].kind = ValueKind::kInstant;
  }
  return index;
}

inline void EventMapper::put(Column column, size_t row, int64_t value) {
  if (column == Column::kNone) return;
  int64_t *&values = values_[static_cast<size_t>(column)];
  if (values == nullptr) [[unlikely]] // which one it is depends on the sample
    values = profile_.values(this->column(column)).data();
  values[row] = value;
}

EventMapper::Bound EventMapper::bind(const Chunk &chunk, TypeIndex index,
                                     const EventRule &rule) const {
  const Type &type = chunk.schema()[index];
  Bound bound;
  bound.rule = &rule;
  bound.type = &type;
  const auto field = [&](std::string_view name) {
    const uint32_t at = name.empty() ? kAbsent : type.find_field(name);
    if (at != kAbsent) bound.fields = std::max(bound.fields, at + 1);
    return at;
  };
  const auto measure = [&](std::string_view name) {
    const uint32_t at = field(name);
    return Measure{at, at == kAbsent ? Content::kPlain : type.fields[at].content};
  };
  bound.start = measure("startTime");
  bound.duration = measure("duration");
  bound.thread = field("eventThread");
  if (bound.thread == kAbsent) bound.thread = field("sampledThread");
  bound.stack = field("stackTrace");
  bound.state = field("state");
  if (bound.state != kAbsent && type.fields[bound.state].form == Form::kKey)
    bound.state_type = type.fields[bound.state].type;
  bound.of_class = field(rule.class_field);
  bound.text = field(rule.text_field);
  bound.bytes = measure(rule.bytes_field);
  bound.context = field("contextId");
  bound.span_id = field("spanId");
  bound.span_name = field("spanName");
  bound.root_span = field("localRootSpanId");
  for (uint32_t i = 0; i < type.fields.size(); ++i)
    if (type.fields[i].form == Form::kKey && type.fields[i].type != kNoType &&
        chunk.schema()[type.fields[i].type].name == "profiler.types.AttributeValue") {
      bound.attributes.push_back(i);
      bound.fields = std::max(bound.fields, i + 1);
    }
  bound.has_more = bound.text != kAbsent || bound.context != kAbsent || bound.span_id != kAbsent ||
                   bound.root_span != kAbsent || !bound.attributes.empty();
  switch (rule.kind) {
  case EventKind::kExecutionSample:
  case EventKind::kNativeSample: {
    const auto period = settings_.periods.find(std::string{rule.event});
    if (period != settings_.periods.end()) bound.interval = period->second;
    break;
  }
  case EventKind::kCpuTimeSample:
    bound.period = measure("samplingPeriod");
    bound.failed = field("failed");
    break;
  case EventKind::kDatadogCpu:
    bound.weight = measure("weight");
    bound.interval = settings_.cpu_interval > 0 ? settings_.cpu_interval : kDatadogCpuInterval;
    break;
  case EventKind::kDatadogWall:
    bound.weight = measure("weight");
    bound.interval =
        settings_.dd_wall_interval > 0 ? settings_.dd_wall_interval : kDatadogWallInterval;
    break;
  case EventKind::kWallClock:
    bound.samples = field("samples");
    bound.span = measure("timeSpan");
    bound.interval = settings_.wall_interval > 0 ? settings_.wall_interval
                     : settings_.driver == Driver::kWallClock && settings_.interval > 0
                         ? settings_.interval
                         : kAsyncWallInterval;
    break;
  case EventKind::kTlab:
    bound.weight = measure("tlabSize");
    bound.size = measure("allocationSize");
    break;
  case EventKind::kOutsideTlab:
  case EventKind::kLive:
    bound.size = measure("allocationSize");
    break;
  case EventKind::kAllocationSample:
    bound.weight = measure("weight");
    break;
  case EventKind::kDatadogAllocation:
  case EventKind::kDatadogLive:
    bound.size = measure("size");
    bound.weight = measure("weight");
    break;
  case EventKind::kOldObject:
    bound.size = measure("objectSize");
    break;
  case EventKind::kNativeSocket:
    bound.name = field("operation");
    bound.weight = measure("weight");
    break;
  case EventKind::kMalloc:
    bound.size = measure("size");
    bound.address = field("address");
    break;
  case EventKind::kFree:
    bound.address = field("address");
    break;
  case EventKind::kGcPause:
    bound.name = field("name");
    bound.gc = field("gcId");
    break;
  default:
    break;
  }
  bound.parts = SampleLabels::kThread;
  if (bound.state_type != kNoType) {
    bound.state_key = bound.state;
    bound.parts |= SampleLabels::kState;
  }
  if (bound.of_class != kAbsent && type.fields[bound.of_class].form == Form::kKey) {
    bound.class_key = bound.of_class;
    bound.class_frame = options_.jfr.class_frames;
    if (!bound.class_frame) bound.parts |= SampleLabels::kClass;
  }
  if (pyroscope_) bound.parts = 0;
  bound.only_numbers = bound.fields <= type.leading_numbers;
  return bound;
}

/// Finds which event types the chunk has samples of and makes the columns that those need.
void EventMapper::make_columns(const Chunk &chunk, std::vector<Bound> &bounds) {
  const auto types = chunk.schema().types();
  std::vector<uint8_t> present(types.size());
  for (const EventAt &event : chunk.events()) present[event.type] = 1;
  bounds.assign(types.size(), {});
  for (TypeIndex i = 0; i < types.size(); ++i) {
    if (present[i] == 0) continue;
    const EventRule *const rule = find_rule(types[i].name, options_.jfr.compat);
    if (rule == nullptr) continue;
    bounds[i] = bind(chunk, i, *rule);
    if (rule->kind == EventKind::kExecutionSample) continue; // by the sample's state: see `put`
    for (const Column needed : {rule->count, rule->time, rule->bytes})
      if (needed != Column::kNone) column(needed);
  }
}

/// Of live objects each chunk has all that were alive at its end: only the last such chunk counts.
void EventMapper::forget_older_levels(const std::vector<Bound> &bounds, size_t first) {
  for (const Bound &bound : bounds) {
    if (bound.rule == nullptr) continue;
    if (bound.rule->kind != EventKind::kLive && bound.rule->kind != EventKind::kDatadogLive &&
        bound.rule->kind != EventKind::kOldObject)
      continue;
    for (const Column level : {bound.rule->count, bound.rule->bytes}) {
      size_t &from = levels_from_[static_cast<size_t>(level)];
      const auto values = profile_.values(column(level)).subspan(from, first - from);
      std::fill(values.begin(), values.end(), 0);
      from = first;
    }
  }
}

void EventMapper::read_gc_names(ChunkState &state) {
  const Chunk &chunk = state.chunk;
  const TypeIndex index = chunk.schema().find_name("jdk.GarbageCollection");
  if (index == kNoType) return;
  const Type &type = chunk.schema()[index];
  const uint32_t id = type.find_field("gcId");
  const uint32_t name = type.find_field("name");
  const uint32_t cause = type.find_field("cause");
  if (id == kAbsent || name == kAbsent) return;
  std::vector<FieldValue> values(type.fields.size());
  const auto text = [&](uint32_t field) -> std::string_view {
    if (field == kAbsent) return {};
    return chunk.text_of(type.fields[field], values[field], state.arena).substr(0, 200);
  };
  for (const EventAt &event : chunk.events()) {
    if (event.type != index) continue;
    const EventBody body = chunk.body(event);
    chunk.read_fields(index, body.at, body.end, values);
    if (state.gc_names.size() > kMostCollections) break;
    if (state.arena.bytes() > kMostText) state.arena = {};
    std::string &text_of_gc = state.gc_names[values[id].number];
    text_of_gc = fmt::format("{} ({})", text(name), text(cause));
  }
}

void EventMapper::add(const Chunk &chunk) {
  settings_.read(chunk);
  std::vector<Bound> bounds;
  make_columns(chunk, bounds);
  size_t rows = 0;
  size_t fields = 0;
  bool has_pauses = false;
  for (const EventAt &event : chunk.events()) rows += bounds[event.type].rule != nullptr;
  for (const Bound &bound : bounds) {
    fields = std::max<size_t>(fields, bound.fields);
    has_pauses = has_pauses || (bound.rule != nullptr && bound.rule->kind == EventKind::kGcPause);
  }
  const ChunkHeader &header = chunk.header();
  if (start_ns_ == 0 || header.start_ns < start_ns_) start_ns_ = header.start_ns;
  int64_t chunk_end = header.start_ns;
  if (header.duration_ns > 0 &&
      __builtin_add_overflow(header.start_ns, header.duration_ns, &chunk_end))
    chunk_end = header.start_ns;
  end_ns_ = std::max(end_ns_, chunk_end);
  if (rows == 0) return;
  const Limits &limits = options_.context.limits;
  if (rows > limits.max_samples || profile_.sample_count() > limits.max_samples - rows)
    throw Error{Status::kLimit, fmt::format("more than {} samples", limits.max_samples),
                chunk.offset()};

  const uint64_t row_bytes =
      sizeof(int64_t) * (profile_.sample_types().size() + 1) + sizeof(StackId) + sizeof(LabelSetId);
  options_.context.check_result(held_bytes(chunk) + rows * row_bytes);
  const size_t first = profile_.append_rows_of_zeros(rows);
  profile_.add_timestamps();
  forget_older_levels(bounds, first);
  for (size_t i = 0; i < kColumns; ++i)
    values_[i] = columns_[i] == SIZE_MAX ? nullptr : profile_.values(columns_[i]).data();
  int64_t *const times = profile_.add_timestamps().data();

  const Normalize normalize = pyroscope_                     ? Normalize::kPyroscope
                              : options_.jfr.normalize_names ? Normalize::kAll
                                                             : Normalize::kNone;
  StackReader stacks{profile_, chunk, options_.context, NameForm{pyroscope_, normalize}};
  SampleLabels labels{profile_, chunk, stacks};
  ChunkState state{
      chunk, stacks, labels, {}, std::vector<FieldValue>(std::max(fields + 1, kBlockFields)),
      {},    {},     {},     {}};
  if (has_pauses) read_gc_names(state);
  size_t row = first;
  size_t mapped = 0;
  const std::span<const EventAt> events = chunk.events();
  for (size_t at = 0; at < events.size();) {
    const size_t count = read_block(state, bounds, events, at);
    if (state.arena.bytes() > kMostText) state.arena = {};
    for (size_t i = 0; i < count; ++i) {
      if (!map(state, state.block[i], row)) continue;
      end_ns_ = std::max(end_ns_, times[row] = state.time);
      ++row;
    }
    mapped += count;
    if (mapped < kBetweenChecks) continue;
    mapped = 0;
    options_.context.check_result(held_bytes(chunk));
  }
  profile_.truncate_rows(row);
  options_.context.check_result(held_bytes(chunk));
}

/// The profile, and beside it what is kept to make it.
uint64_t EventMapper::held_bytes(const Chunk &chunk) const {
  constexpr uint64_t kPerAllocation = 64;
  return profile_.bytes() + chunk.memory_bytes() + allocated_.size() * kPerAllocation;
}

/// Reads the fields of the next events that are mapped, so that their stacks are on their way into
/// the cache when they are asked for. Returns how many; `at` moves past them.
size_t EventMapper::read_block(ChunkState &state, std::span<const Bound> bounds,
                               std::span<const EventAt> events, size_t &at) const {
  const Chunk &chunk = state.chunk;
  size_t count = 0;
  FieldValue *values = state.values.data();
  const FieldValue *const values_end = values + state.values.size();
  for (; at < events.size() && count < kBlock; ++at) {
    const EventAt &event = events[at];
    const Bound &bound = bounds[event.type];
    if (bound.rule == nullptr) continue;
    if (static_cast<size_t>(values_end - values) <= bound.fields) break;
    *values = {};
    const std::span<FieldValue> fields{values + 1, bound.fields};
    const EventBody body = chunk.body(event);
    const uint8_t *from = body.at;
    if (!bound.only_numbers ||
        chunk.read_numbers(*bound.type, from, body.end, fields) < bound.fields)
      chunk.read_fields(event.type, body.at, body.end, fields);
    state.block[count] = {&bound, values};
    state.stacks.prefetch(state.block[count][bound.stack].number);
    ++count;
    values += bound.fields + 1;
  }
  for (size_t i = 0; i < count; ++i)
    state.stacks.prefetch_trace(state.block[i][state.block[i].bound->stack].number);
  return count;
}

inline bool EventMapper::map(ChunkState &state, const Pending &event, size_t row) {
  const Chunk &chunk = state.chunk;
  const Bound &bound = *event.bound;
  const Type &type = *bound.type;
  const auto raw = [&](uint32_t field) { return event[field].number; };
  const auto number = [&](const Measure &measure) {
    return chunk.canonical(measure.content, event[measure.field].number);
  };
  const auto real = [&](const Measure &measure) -> double {
    const FieldValue &value = event[measure.field];
    if (value.at == nullptr) return 0;
    const Field &of = type.fields[measure.field];
    if (of.form != Form::kOther) return static_cast<double>(static_cast<int64_t>(value.number));
    const Primitive primitive =
        of.is_array || of.type == kNoType ? Primitive::kNone : chunk.schema()[of.type].primitive;
    const bool is_double = primitive == Primitive::kDouble;
    return is_double || primitive == Primitive::kFloat ? load_real(value.at, is_double) : 0;
  };
  // How many a sample stands for: 1 when it does not say, none when it says what cannot be.
  const auto weight_of = [&](const Measure &measure) -> double {
    const double weight = measure.field == kAbsent ? 1 : real(measure);
    if (std::isfinite(weight) && weight >= 0) return weight;
    profile_.count("unusable_weights");
    return 0;
  };
  const EventRule &rule = *bound.rule;

  if (pyroscope_ && (bound.stack == kAbsent || !state.stacks.has_stack(raw(bound.stack))))
    return false; // a sample without a stack is dropped there
  StackId stack = state.stacks.stack(raw(bound.stack));
  switch (rule.kind) {
  case EventKind::kExecutionSample:
    if (pyroscope_ ? !map_as_pyroscope(state, event, row) : !map_execution(state, event, row))
      return false;
    break;
  case EventKind::kNativeSample:
    put(rule.count, row, bound.interval > 0 ? bound.interval : kJdkPeriod);
    break;
  case EventKind::kCpuTimeSample:
    put(rule.count, row, number(bound.period));
    if (raw(bound.failed) != 0) {
      profile_.count("failed_samples");
      stack = profile_.stacks.child(
          0,
          state.stacks.pseudo_location("(no stack: the JVM could not walk it)", FrameKind::kLabel));
    }
    break;
  case EventKind::kDatadogCpu:
  case EventKind::kDatadogWall: {
    put(rule.count, row, multiply(rounded(weight_of(bound.weight)), bound.interval));
    break;
  }
  case EventKind::kWallClock: {
    if (pyroscope_) {
      if (!map_as_pyroscope(state, event, row)) return false;
      break;
    }
    const int64_t span = number(bound.span);
    const int64_t samples = bound.samples == kAbsent ? 1 : static_cast<int64_t>(raw(bound.samples));
    put(rule.count, row, span > 0 ? span : multiply(samples, bound.interval));
    break;
  }
  case EventKind::kTlab: {
    const int64_t tlab = number(bound.weight);
    put(rule.count, row, 1);
    put(rule.bytes, row, tlab > 0 || pyroscope_ ? tlab : number(bound.size));
    break;
  }
  case EventKind::kOutsideTlab:
  case EventKind::kLive:
  case EventKind::kOldObject:
    put(rule.count, row, 1);
    put(rule.bytes, row, number(bound.size));
    break;
  case EventKind::kAllocationSample:
    put(rule.count, row, 1);
    put(rule.bytes, row, number(bound.weight));
    break;
  case EventKind::kDatadogAllocation:
  case EventKind::kDatadogLive: {
    const double weight = weight_of(bound.weight);
    put(rule.count, row, rounded(weight));
    put(rule.bytes, row, rounded(weight * static_cast<double>(number(bound.size))));
    break;
  }
  case EventKind::kMalloc: {
    const int64_t size = number(bound.size);
    put(rule.count, row, 1);
    put(rule.bytes, row, size);
    if (!pyroscope_) allocated_.insert_or_assign(raw(bound.address), Allocation{row, size});
    break;
  }
  case EventKind::kFree:
    saw_free_ = true;
    allocated_.erase(raw(bound.address));
    return false;
  case EventKind::kGcPause: {
    put(rule.time, row, number(bound.duration));
    const auto gc = state.gc_names.find(raw(bound.gc));
    stack = profile_.stacks.child(0, state.stacks.pseudo_location("GC", FrameKind::kLabel));
    if (gc != state.gc_names.end())
      stack =
          profile_.stacks.child(stack, state.stacks.pseudo_location(gc->second, FrameKind::kLabel));
    if (bound.name != kAbsent && event[bound.name].at != nullptr)
      stack = profile_.stacks.child(
          stack, state.stacks.pseudo_location(
                     chunk.text_of(type.fields[bound.name], event[bound.name], state.arena),
                     FrameKind::kLabel));
    break;
  }
  case EventKind::kNativeSocket: {
    const std::string_view operation =
        bound.name == kAbsent
            ? std::string_view{}
            : chunk.text_of(type.fields[bound.name], event[bound.name], state.arena);
    const bool is_read = operation == "READ" || operation == "RECV";
    const double weight = weight_of(bound.weight);
    put(is_read ? Column::kNativeReadTime : Column::kNativeWriteTime, row,
        rounded(weight * static_cast<double>(number(bound.duration))));
    put(is_read ? Column::kNativeReadBytes : Column::kNativeWriteBytes, row,
        rounded(weight * static_cast<double>(number(bound.bytes))));
    break;
  }
  case EventKind::kCounted:
    if (rule.count != Column::kNone) put(rule.count, row, 1);
    // Pyroscope takes the ticks of a duration for nanoseconds.
    put(rule.time, row,
        pyroscope_ ? static_cast<int64_t>(raw(bound.duration.field)) : number(bound.duration));
    if (rule.bytes != Column::kNone)
      put(rule.bytes, row, std::max<int64_t>(0, number(bound.bytes)));
    break;
  }

  const FieldValue &thread = event[bound.thread];
  SampleLabels::Parts parts{thread.number, event[bound.state_key].number,
                            event[bound.class_key].number, bound.parts, bound.state_type};
  if (thread.at == nullptr) parts.has &= ~uint32_t{SampleLabels::kThread};
  if (bound.class_frame) {
    const std::string_view name = state.stacks.class_name(parts.of_class);
    if (!name.empty())
      stack = profile_.stacks.child(stack, state.stacks.pseudo_location(name, FrameKind::kLabel));
  }
  profile_.sample_stacks()[row] = stack;
  LabelSetId &labels = profile_.sample_label_sets()[row];
  if (bound.has_more) [[unlikely]] {
    read_more_labels(state, event);
    labels = state.more.empty() ? state.labels.find(parts) : state.labels.make(parts, state.more);
  } else {
    labels = state.labels.find(parts);
  }
  state.time = number(bound.start);
  return true;
}

/// Where in a request a sample was: Pyroscope's context ids (by its sidecar) and spans, Datadog's
/// spans and attributes, and the text that the rule names.
void EventMapper::read_more_labels(ChunkState &state, const Pending &event) {
  const Chunk &chunk = state.chunk;
  const Bound &bound = *event.bound;
  const Type &type = *bound.type;
  state.more.clear();
  const auto add_text = [&](std::string_view key, std::string_view text) {
    if (text.empty()) return;
    Label label;
    label.key = profile_.intern(key);
    label.text = state.ids.id_of(profile_, text);
    state.more.push_back(label);
  };
  const auto add_number = [&](std::string_view key, uint64_t value) {
    Label label;
    label.key = profile_.intern(key);
    label.is_number = 1;
    label.number = static_cast<int64_t>(value);
    state.more.push_back(label);
  };
  const auto number = [&](uint32_t field) { return field == kAbsent ? 0 : event[field].number; };
  const auto text = [&](uint32_t field) -> std::string_view {
    if (event[field].at == nullptr) return {};
    const Field &of = type.fields[field];
    return of.form == Form::kKey || of.form == Form::kOther
               ? chunk.text_of(of, event[field], state.arena)
               : context_labels_.text(event[field].number);
  };
  if (bound.text != kAbsent) add_text(bound.rule->text_label, text(bound.text));
  if (const uint64_t context = number(bound.context); context != 0)
    for (const ContextLabels::Pair &pair : context_labels_.find(context))
      add_text(pair.key, pair.value);
  const uint64_t span = number(bound.span_id);
  if (settings_.producer == Producer::kDatadog || bound.root_span != kAbsent) {
    if (span != 0) add_number("span id", span);
    if (const uint64_t root = number(bound.root_span); root != 0)
      add_number("local root span id", root);
  } else if (span != 0) {
    add_text("profile_id", fmt::format("{:016x}", span));
  }
  if (bound.span_name != kAbsent) add_text("span_name", text(bound.span_name));
  for (const uint32_t attribute : bound.attributes)
    add_text(type.fields[attribute].name, text(attribute));
}

/// What Pyroscope makes of ExecutionSample and WallClockSample: a period of its own per sample.
bool EventMapper::map_as_pyroscope(ChunkState &state, const Pending &event, size_t row) {
  const Bound &bound = *event.bound;
  constexpr uint64_t kItsRate = 100;
  const uint64_t rate = options_.jfr.sample_rate > 0 ? options_.jfr.sample_rate : kItsRate;
  const auto period = static_cast<int64_t>(UINT64_C(1'000'000'000) / rate);
  const std::string_view thread_state =
      bound.state_type == kNoType
          ? std::string_view{}
          : state.labels.state_name(bound.state_type, event[bound.state].number);
  const bool by_wall = settings_.driver == Driver::kWallClock;
  if (bound.rule->kind == EventKind::kWallClock) {
    const int64_t samples =
        bound.samples == kAbsent ? 1 : static_cast<int64_t>(event[bound.samples].number);
    put(Column::kWall, row, multiply(samples, period));
    if (by_wall && thread_state == "STATE_RUNNABLE")
      put(Column::kCpu, row, multiply(samples, period));
    return true;
  }
  const bool on_cpu = !thread_state.empty() && thread_state != "STATE_SLEEPING";
  if (on_cpu) put(Column::kCpu, row, period);
  if (by_wall) put(Column::kWall, row, period);
  return on_cpu || by_wall;
}

/// The JDK's samples are of running threads. async-profiler's before 3.0 are too, or, driven by
/// wall clock, of threads in any state; since 3.0 a CPU sample has STATE_DEFAULT and a wall clock
/// sample one of the others, so that a recording may hold both.
bool EventMapper::map_execution(ChunkState &state, const Pending &event, size_t row) {
  const Bound &bound = *event.bound;
  if (settings_.producer != Producer::kAsyncProfiler) {
    int64_t period = bound.interval;
    if (period <= 0) {
      period = kJdkPeriod;
      if (!warned_period_)
        profile_.warn(
            "the recording does not say how often it sampled; 20 ms, the JDK's default, is "
            "assumed",
            state.chunk.offset());
      warned_period_ = true;
    }
    put(Column::kCpu, row, period);
    return true;
  }
  const auto interval = [](int64_t said, int64_t otherwise) { return said > 0 ? said : otherwise; };
  const ThreadState thread_state =
      bound.state_type == kNoType ? ThreadState::kDefault
                                  : state.state_of(bound.state_type, event[bound.state].number);
  if (settings_.driver == Driver::kCounter) {
    put(Column::kCounted, row, std::max<int64_t>(1, settings_.interval));
  } else if (settings_.driver == Driver::kWallClock) {
    put(Column::kWall, row, interval(settings_.interval, kAsyncWallInterval));
  } else if (thread_state == ThreadState::kDefault ||
             (thread_state == ThreadState::kRunnable && settings_.wall_interval <= 0)) {
    put(Column::kCpu, row, interval(settings_.interval, kAsyncInterval));
  } else {
    put(Column::kWall, row, interval(settings_.wall_interval, kAsyncWallInterval));
  }
  return true;
}

void EventMapper::name_cpu_columns() {
  // The first has its name; what another is called beside one before it.
  constexpr std::pair<Column, std::string_view> kInOrder[] = {{Column::kDatadogCpu, {}},
                                                              {Column::kCpuTime, "cpu_time_sample"},
                                                              {Column::kCpu, "execution_sample"}};
  bool taken = false;
  for (const auto &[which, otherwise] : kInOrder) {
    const size_t index = columns_[static_cast<size_t>(which)];
    if (index == SIZE_MAX) continue;
    if (taken) profile_.mutable_sample_types()[index].type = profile_.intern(otherwise);
    taken = true;
  }
}

void EventMapper::finish() {
  if (context_labels_.lost() > 0) profile_.count("context_labels_lost", context_labels_.lost());
  int64_t duration = 0;
  if (__builtin_sub_overflow(end_ns_, start_ns_, &duration)) duration = INT64_MAX;
  if (saw_free_ && !allocated_.empty()) {
    // What was allocated in the last tenth may well be freed yet, as async-profiler has it too.
    const int64_t until = end_ns_ - duration / 10;
    const size_t objects = column(Column::kLeakObjects);
    const size_t space = column(Column::kLeakSpace);
    for (const auto &[address, allocation] : allocated_) {
      if (profile_.timestamps()[allocation.row] > until) continue;
      profile_.values(objects)[allocation.row] = 1;
      profile_.values(space)[allocation.row] = allocation.size;
    }
  }
  name_cpu_columns();
  Metadata &meta = profile_.meta;
  meta.time_ns = start_ns_;
  meta.duration_ns = std::max<int64_t>(0, duration);
  meta.source_format = profile_.intern("jfr");
  settings_.origin.tell(profile_);
  constexpr Column kFirst[] = {Column::kDatadogCpu, Column::kCpuTime,     Column::kCpu,
                               Column::kCounted,    Column::kWall,        Column::kAllocSpace,
                               Column::kMutexDelay, Column::kMallocSpace, Column::kInuseSpace};
  for (const Column candidate : kFirst) {
    const size_t index = columns_[static_cast<size_t>(candidate)];
    if (index == SIZE_MAX) continue;
    const auto values = profile_.values(index);
    if (std::all_of(values.begin(), values.end(), [](int64_t v) { return v == 0; })) continue;
    meta.default_type = profile_.sample_types()[index].type;
    break;
  }
}

} // namespace profcore::jfr
