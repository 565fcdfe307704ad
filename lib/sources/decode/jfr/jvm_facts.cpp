// One pass over a chunk's events. Rules are bound to the chunk's own types first, by name; an event
// is read once however many rules look at it, up to the last field that one of them needs.

#include "sources/decode/jfr/jvm_facts.hpp"

#include <algorithm>
#include <cmath>

namespace profcore::jfr {
namespace {

constexpr uint32_t kAbsent = UINT32_MAX;
constexpr size_t kMostText = size_t{1} << 20;

bool is_real(Primitive primitive) noexcept {
  return primitive == Primitive::kFloat || primitive == Primitive::kDouble;
}

} // namespace

struct JvmFactReader::ChunkState {
  struct Number {
    bool is_there = false;
    bool is_real = false;
    int64_t whole = 0;
    double real = 0;

    /// All facts are counts, sizes and times. The largest number stands for "for ever" and for what
    /// does not fit, the smallest for "not available".
    bool can_be() const noexcept {
      return is_real ? std::isfinite(real) && real >= 0 : whole >= 0 && whole != INT64_MAX;
    }
  };

  /// Whole numbers in canonical units; what is of no type of numbers is not there.
  Number number(const Type &type, uint32_t field) const {
    if (field == kAbsent || values[field].at == nullptr) return {};
    const Field &of = type.fields[field];
    const FieldValue &value = values[field];
    if (of.form == Form::kKey || of.form >= Form::kLong) {
      const int64_t whole = of.form == Form::kKey ? static_cast<int64_t>(value.number)
                                                  : chunk.canonical(of, value.number);
      return {true, false, whole, static_cast<double>(whole)};
    }
    if (of.type == kNoType || of.is_array || of.in_pool) return {};
    const Primitive primitive = chunk.schema()[of.type].primitive;
    if (!is_real(primitive)) return {};
    const double real = load_real(value.at, primitive == Primitive::kDouble);
    return {true, true, 0, real};
  }
  std::string_view text(const Type &type, uint32_t field) {
    if (field == kAbsent) return {};
    if (arena.bytes() > kMostText) arena = {};
    return chunk.text_of(type.fields[field], values[field], arena);
  }
  /// Whether a field says `wanted`. Of constants each is looked at once.
  bool says(const Type &type, uint32_t field, std::string_view wanted) {
    if (field == kAbsent || type.fields[field].form != Form::kKey)
      return text(type, field) == wanted;
    const uint64_t key = values[field].number;
    for (const auto &[known, does] : said)
      if (known == key) return does;
    const bool does = text(type, field) == wanted;
    if (said.size() < 16) said.emplace_back(key, does);
    return does;
  }

  const Chunk &chunk;
  Arena arena;
  std::vector<FieldValue> values;
  std::vector<std::pair<uint64_t, bool>> said{}; ///< of the one rule that asks, by key
};

void JvmFactReader::Counter::add(int64_t time_ns, int64_t value) noexcept {
  if (!is_known || time_ns < first_ns) {
    first_ns = time_ns;
    first = value;
  }
  if (!is_known || time_ns >= last_ns) {
    last_ns = time_ns;
    last = value;
  }
  is_known = true;
}

int64_t JvmFactReader::Counter::gained() const noexcept {
  int64_t difference = 0;
  return last <= first || __builtin_sub_overflow(last, first, &difference) ? 0 : difference;
}

bool JvmFactReader::wants_event(const Type &type) const noexcept {
  const auto &rules = jvm_fact_rules();
  return std::any_of(rules.begin(), rules.end(), [&](const JvmFactRule &rule) {
    return rule.take != JvmTake::kColumn && rule.event == type.name;
  });
}

bool JvmFactReader::wants_pool(const Type &type) const noexcept {
  return type.name == "jdk.types.GCWhen";
}

/// The events that a recording was to have are told by jdk.ActiveSetting: that there are none of
/// them means something then.
void JvmFactReader::read_settings(const Chunk &chunk) {
  const Schema &schema = chunk.schema();
  const TypeIndex index = schema.find_name("jdk.ActiveSetting");
  if (index == kNoType) return;
  const Type &type = schema[index];
  const uint32_t id = type.find_field("id");
  const uint32_t name = type.find_field("name");
  const uint32_t value = type.find_field("value");
  if (id == kAbsent || name == kAbsent || value == kAbsent) return;
  ChunkState state{chunk, {}, std::vector<FieldValue>(std::max({id, name, value}) + 1), {}};
  for (const EventAt &event : chunk.events()) {
    if (event.type != index) continue;
    const EventBody body = chunk.body(event);
    chunk.read_fields(index, body.at, body.end, state.values);
    if (state.text(type, name) != "enabled" || state.text(type, value) != "true") continue;
    const TypeIndex of = schema.find_id(state.values[id].number);
    if (of == kNoType) continue;
    for (const JvmFactRule &rule : jvm_fact_rules())
      if (rule.take != JvmTake::kColumn && rule.event == schema[of].name)
        facts_[rule.fact].was_recorded = true;
  }
}

void JvmFactReader::add(const Chunk &chunk) {
  read_settings(chunk);
  const Schema &schema = chunk.schema();
  std::vector<std::vector<Bound>> bounds(schema.types().size());
  size_t most_fields = 0;
  std::vector<size_t> fields(bounds.size());
  std::vector<uint8_t> present(bounds.size());
  for (const EventAt &event : chunk.events()) present[event.type] = 1;
  for (TypeIndex index = 0; index < bounds.size(); ++index) {
    if (present[index] == 0) continue;
    const Type &type = schema[index];
    for (const JvmFactRule &rule : jvm_fact_rules()) {
      if (rule.take == JvmTake::kColumn || rule.event != type.name) continue;
      const auto find = [&](std::string_view name) {
        const uint32_t at = name.empty() ? kAbsent : type.find_field(name);
        if (at != kAbsent) fields[index] = std::max<size_t>(fields[index], at + 1);
        return at;
      };
      const bool is_counter =
          rule.take == JvmTake::kCounter || rule.take == JvmTake::kThreadCounter;
      bounds[index].push_back({&rule, find(rule.field), find(rule.second), find(rule.only_field),
                               find(is_counter ? "startTime" : ""),
                               find(rule.take == JvmTake::kThreadCounter ? "thread" : "")});
      FactValue &fact = facts_[rule.fact];
      fact.was_recorded = true;
      if (rule.take == JvmTake::kLevel) {
        fact = {};
        fact.was_recorded = true;
      }
    }
    most_fields = std::max(most_fields, fields[index]);
  }
  ChunkState state{chunk, {}, {}, {}};
  state.values.reserve(most_fields);
  for (const EventAt &event : chunk.events()) {
    if (bounds[event.type].empty()) continue;
    const EventBody body = chunk.body(event);
    state.values.resize(fields[event.type]);
    chunk.read_fields(event.type, body.at, body.end, state.values);
    read_event(state, event.type, bounds[event.type]);
  }
}

void JvmFactReader::read_event(ChunkState &state, TypeIndex index,
                               const std::vector<Bound> &bounds) {
  const Type &type = state.chunk.schema()[index];
  for (const Bound &bound : bounds) {
    const JvmFactRule &rule = *bound.rule;
    if (!rule.only.empty() && !state.says(type, bound.only, rule.only)) continue;
    FactValue &fact = facts_[rule.fact];
    ++fact.events;
    if (rule.field.empty()) continue;
    ChunkState::Number value = state.number(type, bound.field);
    if (!value.is_there) continue;
    bool can_be = value.can_be();
    if (rule.operation != 0) {
      const ChunkState::Number second = state.number(type, bound.second);
      if (!second.is_there) continue;
      value.real = rule.operation == '*' ? value.real * second.real : value.real + second.real;
      value.is_real = true;
      can_be = can_be && second.can_be() && value.can_be();
    }
    if (!can_be && rule.take != JvmTake::kDistinct) {
      ++unusable_;
      continue;
    }
    switch (rule.take) {
    case JvmTake::kCounter:
    case JvmTake::kThreadCounter: {
      const ChunkState::Number time = state.number(type, bound.start);
      if (!time.is_there || value.is_real) continue;
      counters_[static_cast<size_t>(rule.fact)].add(time.whole, value.whole);
      if (rule.take == JvmTake::kThreadCounter) {
        const ChunkState::Number thread = state.number(type, bound.thread);
        const auto key = static_cast<uint64_t>(thread.whole);
        if (!thread.is_there) continue;
        if (by_thread_.size() < kMostKeys || by_thread_.contains(key))
          by_thread_[key].add(time.whole, value.whole);
        else
          ++lost_;
      }
      ++fact.values;
      continue;
    }
    case JvmTake::kDistinct:
      if (const auto key = static_cast<uint64_t>(value.whole); distinct_.size() < kMostKeys)
        distinct_.insert(key);
      else if (!distinct_.contains(key))
        ++lost_;
      ++fact.values;
      fact.sum = static_cast<int64_t>(distinct_.size());
      fact.real_sum = static_cast<double>(fact.sum);
      continue;
    default:
      if (value.is_real)
        fact.add_real(value.real);
      else
        fact.add(value.whole);
    }
  }
}

void JvmFactReader::add_column(JvmFact which, int64_t rows, int64_t sum) noexcept {
  FactValue &fact = facts_[which];
  fact.was_recorded = true;
  fact.events = rows;
  fact.values = rows;
  fact.sum = sum;
  fact.real_sum = static_cast<double>(sum);
}

JvmFacts JvmFactReader::finish() {
  for (size_t i = 0; i < kJvmFacts; ++i) {
    const Counter &counter = counters_[i];
    if (!counter.is_known) continue;
    FactValue &fact = facts_.values[i];
    if (__builtin_sub_overflow(counter.last_ns, counter.first_ns, &fact.covered_ns))
      fact.covered_ns = 0;
    fact.gained = counter.gained();
    if (jvm_fact_rules()[i].take != JvmTake::kThreadCounter) continue;
    // All threads are looked at at one time; one that was not there the first time began since, and
    // all that it has allocated counts.
    fact.gained = 0;
    for (const auto &[thread, own] : by_thread_) {
      const int64_t gained =
          own.first_ns > counter.first_ns ? std::max<int64_t>(0, own.last) : own.gained();
      if (__builtin_add_overflow(fact.gained, gained, &fact.gained)) fact.gained = INT64_MAX;
    }
  }
  return facts_;
}

} // namespace profcore::jfr
