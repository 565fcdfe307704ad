#include "sources/decode/jfr/events.hpp"

#include "capi/event_tables.hpp"
#include "capi/guard.hpp"
#include "sources/decode/jfr/frames.hpp"

#include <fmt/format.h>

using namespace profcore;
using namespace profcore::capi;

static_assert(sizeof(profcore_event_field) == size_t{13} * 8 &&
                  sizeof(profcore_event_type) == size_t{16} * 8 &&
                  sizeof(profcore_events_chunk) == size_t{15} * 8 &&
                  sizeof(profcore_event) == size_t{13} * 8 &&
                  sizeof(profcore_value) == size_t{15} * 8 &&
                  sizeof(profcore_event_frame) == size_t{8} * 8 &&
                  sizeof(profcore_event_thread) == size_t{14} * 8 &&
                  sizeof(profcore_events_options) == size_t{9} * 8,
              "no implicit padding");

/// What the current chunk is shown with; goes when it goes.
struct ChunkView {
  explicit ChunkView(const jfr::EventReader &reader)
      : tables{*reader.chunk()}, frames{*reader.chunk(), reader.most_text(),
                                        reader.context().limits.max_stack_depth} {}

  profcore_events_chunk chunk{};
  EventTables tables;
  jfr::FrameReader frames;
};

struct profcore_events {
  explicit profcore_events(const profcore_context *given) : context{given} {}

  void enter_chunk();
  void enter_event();
  void leave_event();
  void tell_log();
  jfr::Value event_value() const;
  jfr::Value from_abi(const profcore_value *value) const;
  void to_abi(const jfr::Value &value, const profcore_event_field *field, jfr::Step step,
              profcore_value &out);
  profcore_str text(std::string_view text);

  const jfr::Chunk &chunk() const { return *reader->chunk(); }
  jfr::ValueReader values() { return {chunk(), texts}; }

  ContextAdapter context;
  std::unique_ptr<jfr::EventReader> reader;
  std::unique_ptr<ChunkView> view;
  uint64_t chunk_number = UINT64_MAX; ///< of `view`
  profcore_event event{};
  bool has_event = false;
  uint64_t serial = 0; ///< of the event, for values that outlive theirs
  Arena texts;         ///< of the event
  jfr::StackText stack;
  std::vector<profcore_event_frame> frames;
  size_t told_warnings = 0;
};

void profcore_events::leave_event() {
  has_event = false;
  ++serial;
  texts.clear();
}

/// After the reader went on, to its new chunk if it is one.
void profcore_events::enter_chunk() {
  if (reader->chunk() == nullptr) {
    view.reset();
    chunk_number = UINT64_MAX;
  } else if (view == nullptr || chunk_number != reader->chunk_number()) {
    view.reset();
    view = std::make_unique<ChunkView>(*reader);
    chunk_number = reader->chunk_number();
    const jfr::ChunkHeader &header = chunk().header();
    const jfr::ChunkBytes &bytes = reader->chunk_bytes();
    profcore_events_chunk &shown = view->chunk;
    shown.size = sizeof shown;
    shown.number = chunk_number;
    shown.offset = bytes.offset;
    shown.bytes = bytes.bytes.size();
    shown.start_ns = header.start_ns;
    shown.duration_ns = header.duration_ns;
    shown.start_ticks = header.start_ticks;
    shown.ticks_per_second = header.ticks_per_second;
    shown.event_count = chunk().event_count();
    shown.version_major = header.major;
    shown.version_minor = header.minor;
    shown.is_finished = bytes.is_whole ? 1 : 0;
  }
  tell_log();
}

void profcore_events::enter_event() {
  const jfr::EventAt &at = *reader->event();
  const jfr::EventBody body = chunk().body(at);
  const jfr::EventFields &fields = view->tables.event_fields(at.type);
  const jfr::Type &type = chunk().schema()[at.type];
  event = {};
  event.size = sizeof event;
  event.type = view->tables.type(at.type);
  event.chunk = chunk_number;
  event.offset = chunk().offset() + at.at;
  event.bytes = static_cast<uint64_t>(body.end - chunk().begin()) - at.at;
  event.has_thread = fields.thread != UINT32_MAX ? 1 : 0;
  event.has_stack = fields.stack != UINT32_MAX ? 1 : 0;
  const uint8_t *position = body.at;
  for (uint32_t i = 0; position != nullptr && i < type.fields.size(); ++i) {
    const bool has_more = (fields.start != UINT32_MAX && i <= fields.start) ||
                          (fields.duration != UINT32_MAX && i <= fields.duration);
    if (!has_more) break;
    jfr::FieldValue value;
    position = chunk().read_field(type.fields[i], position, body.end, value);
    if (position == nullptr) break;
    if (i == fields.start) {
      event.start_ns = chunk().canonical(type.fields[i], value.number);
      event.has_start = 1;
    } else if (i == fields.duration) {
      event.duration_ns = chunk().canonical(type.fields[i], value.number);
      event.has_duration = 1;
    }
  }
  has_event = true;
}

void profcore_events::tell_log() {
  const auto &warnings = reader->findings().warnings();
  for (; told_warnings < warnings.size(); ++told_warnings) {
    const auto &found = warnings[told_warnings];
    context.get().write_log(LogLevel::kWarning,
                            found.offset == kNoOffset
                                ? found.text
                                : fmt::format("at byte {}: {}", found.offset, found.text));
  }
}

jfr::Value profcore_events::event_value() const {
  if (!has_event) invalid("there is no current event");
  const jfr::EventAt &at = *reader->event();
  const jfr::EventBody body = chunk().body(at);
  jfr::Value value;
  value.kind = jfr::ValueKind::kStruct;
  value.type = at.type;
  value.count = chunk().schema()[at.type].fields.size();
  value.at = body.at;
  value.end = body.end;
  return value;
}

// A value's place: the event's serial number; where its parts begin and end in the chunk; how far
// its parent was stepped through; the type (of a struct) or the field (of an array) of its parts.
namespace {

uint64_t pack(uint64_t high, uint64_t low) {
  return high << 32 | (low & UINT32_MAX);
}
uint32_t high(uint64_t word) {
  return static_cast<uint32_t>(word >> 32);
}
uint32_t low(uint64_t word) {
  return static_cast<uint32_t>(word);
}

} // namespace

/// `value` comes from the caller: whatever is in it, nothing outside the chunk is read.
jfr::Value profcore_events::from_abi(const profcore_value *value) const {
  if (value == nullptr) return event_value();
  if (!has_event || value->place[0] != serial) invalid("the value is not of the current event");
  jfr::Value inside;
  if (value->kind != PROFCORE_VALUE_STRUCT && value->kind != PROFCORE_VALUE_ARRAY) return inside;
  const uint64_t size = static_cast<uint64_t>(chunk().end() - chunk().begin());
  const auto types = chunk().schema().types();
  const uint32_t type = high(value->place[3]);
  const uint32_t field = low(value->place[3]);
  const bool is_struct = value->kind == PROFCORE_VALUE_STRUCT;
  if (low(value->place[1]) > size || high(value->place[1]) > low(value->place[1]) ||
      type >= types.size() || (!is_struct && field >= types[type].fields.size()))
    invalid("the value was changed");
  inside.kind = static_cast<jfr::ValueKind>(value->kind);
  inside.at = chunk().begin() + high(value->place[1]);
  inside.end = chunk().begin() + low(value->place[1]);
  if (is_struct) {
    inside.type = type;
    inside.count = types[type].fields.size();
  } else {
    inside.owner = type;
    inside.field = field;
    inside.type = types[type].fields[field].type;
    inside.count = value->count;
  }
  return inside;
}

profcore_str profcore_events::text(std::string_view text) {
  const uint64_t most = reader->most_text();
  if (text.size() > most || texts.bytes() > most)
    throw Error{Status::kLimit,
                fmt::format("the texts asked of one event take more than {} bytes", most)};
  return to_str(text.empty() ? std::string_view{""} : texts.copy(text));
}

void profcore_events::to_abi(const jfr::Value &value, const profcore_event_field *field,
                             jfr::Step step, profcore_value &out) {
  out = {};
  out.kind = static_cast<profcore_value_kind>(value.kind);
  out.unit = static_cast<profcore_value_unit>(value.unit);
  out.flags = (value.is_reference ? PROFCORE_VALUE_IS_REFERENCE : 0) |
              (value.is_absent ? PROFCORE_VALUE_IS_ABSENT : 0);
  out.count = value.count;
  out.integer = value.integer;
  out.number = value.real;
  out.raw = value.raw;
  out.key = value.key;
  out.text = text(value.text);
  out.field = field;
  out.type = view->tables.type(value.type);
  const auto position = [this](const uint8_t *at) -> uint64_t {
    return at == nullptr ? 0 : static_cast<uint64_t>(at - chunk().begin());
  };
  out.place[0] = serial;
  out.place[1] = pack(position(value.at), position(value.end));
  out.place[2] = pack(position(step.at), step.index);
  out.place[3] =
      value.kind == jfr::ValueKind::kArray ? pack(value.owner, value.field) : pack(value.type, 0);
}

namespace {

/// `open` makes the reader.
template <class Open>
void open_events(const profcore_events_options *options, profcore_events **out, Open &&open) {
  required(out, "out") = nullptr;
  const profcore_events_options given = read_options(options);
  jfr::EventOptions wanted;
  wanted.strict = flag(given.strict, "strict");
  wanted.only_counts = flag(given.only_counts, "only_counts");
  if (given.type_count > 0) required(given.types, "types");
  for (size_t i = 0; i < given.type_count; ++i)
    wanted.types.emplace_back(&required(given.types[i], "a name in types"));
  auto events = std::make_unique<profcore_events>(given.context);
  wanted.context = events->context.get();
  events->reader = open(wanted, events->context.get());
  events->tell_log();
  *out = events.release();
}

const profcore_event_field *field_of(const profcore_events &events, const jfr::Value &parent,
                                     uint64_t index) {
  if (parent.kind != jfr::ValueKind::kStruct) return nullptr;
  const profcore_event_type *const type = events.view->tables.type(parent.type);
  return type == nullptr || index >= type->field_count ? nullptr : type->fields + index;
}

/// Of kind NONE.
profcore_value no_value() {
  profcore_value none{};
  none.text = to_str("");
  return none;
}

void find_part(profcore_events &events, const jfr::Value &parent, uint64_t index,
               profcore_value &out) {
  if (index >= parent.count) return;
  events.to_abi(events.values().part(parent, index), field_of(events, parent, index), {}, out);
}

} // namespace

extern "C" {

profcore_status profcore_events_open_bytes(const void *data, size_t size,
                                           const profcore_events_options *options,
                                           profcore_events **out, profcore_error **err) {
  return guard(err, [&] {
    open_events(options, out, [&](const jfr::EventOptions &wanted, const Context &) {
      if (size != 0) required(static_cast<const char *>(data), "data");
      const std::span<const uint8_t> bytes{static_cast<const uint8_t *>(data), size};
      return std::make_unique<jfr::EventReader>(bytes, wanted);
    });
  });
}

profcore_status profcore_events_open_file(const char *path, const profcore_events_options *options,
                                          profcore_events **out, profcore_error **err) {
  return guard(err, [&] {
    open_events(options, out, [&](const jfr::EventOptions &wanted, const Context &context) {
      const std::string file{&required(path, "path")};
      try {
        return std::make_unique<jfr::EventReader>(InputStream::open(file, context), wanted);
      } catch (Error &error) {
        if (error.context().empty()) error.set_context(file);
        throw;
      }
    });
  });
}

profcore_status profcore_events_open_fd(int32_t fd, const profcore_events_options *options,
                                        profcore_events **out, profcore_error **err) {
  return guard(err, [&] {
    open_events(options, out, [&](const jfr::EventOptions &wanted, const Context &context) {
      return std::make_unique<jfr::EventReader>(InputStream::borrow(fd, "file descriptor", context),
                                                wanted);
    });
  });
}

void profcore_events_free(profcore_events *events) {
  delete events;
}

profcore_status profcore_events_next(profcore_events *events, const profcore_event **event,
                                     profcore_error **err) {
  return guard(err, [&] {
    required(event, "event") = nullptr;
    required(events, "events").leave_event();
    const bool has_next = events->reader->next();
    events->enter_chunk();
    if (!has_next) return;
    events->enter_event();
    *event = &events->event;
  });
}

profcore_status profcore_events_next_chunk(profcore_events *events,
                                           const profcore_events_chunk **chunk,
                                           profcore_error **err) {
  return guard(err, [&] {
    required(chunk, "chunk") = nullptr;
    required(events, "events").leave_event();
    const bool has_next = events->reader->next_chunk();
    events->enter_chunk();
    if (has_next) *chunk = &events->view->chunk;
  });
}

const profcore_events_chunk *profcore_events_get_chunk(const profcore_events *events) {
  return events == nullptr || events->view == nullptr ? nullptr : &events->view->chunk;
}

const profcore_event_type *profcore_events_view_types(const profcore_events *events,
                                                      size_t *count) {
  const bool there = events != nullptr && events->view != nullptr;
  if (count != nullptr) *count = there ? events->view->tables.types().size() : 0;
  return there ? events->view->tables.types().data() : nullptr;
}

profcore_status profcore_events_get_child(profcore_events *events, const profcore_value *parent,
                                          size_t index, profcore_value *out, profcore_error **err) {
  return guard(err, [&] {
    const jfr::Value of = required(events, "events").from_abi(parent); // may be `out`
    required(out, "out") = no_value();
    find_part(*events, of, index, *out);
  });
}

profcore_status profcore_events_find_child(profcore_events *events, const profcore_value *parent,
                                           const char *name, profcore_value *out,
                                           profcore_error **err) {
  return guard(err, [&] {
    const jfr::Value of = required(events, "events").from_abi(parent);
    required(out, "out") = no_value();
    const std::string_view wanted{&required(name, "name")};
    if (of.kind != jfr::ValueKind::kStruct) return;
    const uint32_t index = events->chunk().schema()[of.type].find_field(wanted);
    if (index != UINT32_MAX) find_part(*events, of, index, *out);
  });
}

profcore_status profcore_events_next_child(profcore_events *events, const profcore_value *parent,
                                           profcore_value *child, profcore_error **err) {
  return guard(err, [&] {
    const jfr::Value of = required(events, "events").from_abi(parent);
    jfr::Step step;
    if (required(child, "child").kind != PROFCORE_VALUE_NONE) {
      if (child->place[0] != events->serial) invalid("the child is not of the current event");
      step.index = low(child->place[2]);
      const uint32_t at = high(child->place[2]);
      if (at != 0) step.at = events->chunk().begin() + at;
      if (step.at != nullptr && (step.at < of.at || step.at > of.end))
        invalid("the child is not of this parent");
    }
    *child = no_value();
    const uint64_t index = step.index;
    jfr::Value value;
    if (!events->values().next(of, step, value)) return;
    events->to_abi(value, field_of(*events, of, index), step, *child);
  });
}

profcore_status profcore_events_get_thread(profcore_events *events, profcore_event_thread *out,
                                           profcore_error **err) {
  return guard(err, [&] {
    start_info(out);
    const jfr::Value event = required(events, "events").event_value();
    const uint32_t field = events->view->tables.event_fields(event.type).thread;
    const jfr::ValueReader values = events->values();
    const jfr::Value thread =
        field == UINT32_MAX ? jfr::Value{} : values.part(event, uint64_t{field});
    profcore_event_thread info{};
    const auto text_of = [&](const jfr::Value &of, std::string_view name) {
      return events->text(values.part(of, name).text);
    };
    info.os_id = static_cast<uint64_t>(values.part(thread, "osThreadId").integer);
    info.java_id = static_cast<uint64_t>(values.part(thread, "javaThreadId").integer);
    info.os_name = text_of(thread, "osName");
    info.java_name = text_of(thread, "javaName");
    info.group = text_of(values.part(thread, "group"), "name");
    info.is_virtual = values.part(thread, "virtual").integer != 0 ? 1 : 0;
    write_info(out, info);
  });
}

profcore_status profcore_events_view_frames(profcore_events *events, const profcore_value *trace,
                                            size_t most, const profcore_event_frame **frames,
                                            size_t *count, uint64_t *depth, int32_t *is_truncated,
                                            profcore_error **err) {
  return guard(err, [&] {
    required(frames, "frames") = nullptr;
    if (count != nullptr) *count = 0;
    if (depth != nullptr) *depth = 0;
    if (is_truncated != nullptr) *is_truncated = 0;
    jfr::Value stack = required(events, "events").from_abi(trace);
    if (trace == nullptr) {
      const uint32_t field = events->view->tables.event_fields(stack.type).stack;
      if (field == UINT32_MAX) return;
      stack = events->values().part(stack, uint64_t{field});
    }
    events->view->frames.read(stack, most == 0 ? UINT64_MAX : most, events->stack);
    events->frames.clear();
    for (const jfr::FrameText &from : events->stack.frames) {
      profcore_event_frame &frame = events->frames.emplace_back();
      frame.method = to_str(from.method.empty() ? "" : from.method);
      frame.descriptor = to_str(from.descriptor.empty() ? "" : from.descriptor);
      frame.kind_text = to_str(from.kind_text.empty() ? "" : from.kind_text);
      frame.line = from.line;
      frame.bytecode_index = from.bytecode_index;
      frame.kind = static_cast<profcore_frame_kind>(from.kind);
    }
    if (!events->frames.empty()) *frames = events->frames.data();
    if (count != nullptr) *count = events->frames.size();
    if (depth != nullptr) *depth = events->stack.depth;
    if (is_truncated != nullptr) *is_truncated = events->stack.is_truncated ? 1 : 0;
  });
}

size_t profcore_events_get_warning_count(const profcore_events *events) {
  return events == nullptr ? 0 : events->reader->findings().warnings().size();
}

const char *profcore_events_get_warning(const profcore_events *events, size_t index,
                                        uint64_t *offset) {
  const bool there = index < profcore_events_get_warning_count(events);
  if (offset != nullptr)
    *offset = there ? events->reader->findings().warnings()[index].offset : kNoOffset;
  return there ? events->reader->findings().warnings()[index].text.c_str() : "";
}

size_t profcore_events_get_counter_count(const profcore_events *events) {
  return events == nullptr ? 0 : events->reader->findings().counters().size();
}

const char *profcore_events_get_counter(const profcore_events *events, size_t index,
                                        uint64_t *value) {
  const bool there = index < profcore_events_get_counter_count(events);
  if (value != nullptr) *value = there ? events->reader->findings().counters()[index].value : 0;
  return there ? events->reader->findings().counters()[index].name.c_str() : "";
}

} // extern "C"
