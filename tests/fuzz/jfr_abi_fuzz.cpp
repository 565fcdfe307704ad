// Any bytes as a recording through the C ABI, as a host reads it: from memory and from a file
// descriptor, with options that the last byte chooses, event after event with values, threads and
// stacks, and as a profile with its metrics. Every call ends in a status that its header names,
// with an error when it is none, and what was damaged is told.

#include "require.hpp"

#include <profcore/profcore.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace {

constexpr size_t kMostValues = 5'000; ///< of an input
constexpr size_t kMostOpen = 20;

/// Frees the error of a call that failed as it may.
bool ended_well(profcore_status status, profcore_error *err,
                std::initializer_list<profcore_status> allowed) {
  require((err == nullptr) == (status == PROFCORE_OK));
  if (status == PROFCORE_OK) return true;
  require(profcore_error_get_status(err) == status && profcore_error_get_message(err)[0] != '\0');
  profcore_error_free(err);
  require(std::find(allowed.begin(), allowed.end(), status) != allowed.end());
  return false;
}

void check_text(const profcore_str &text) {
  require(text.data != nullptr && text.data[text.size] == '\0');
}

class Walk {
public:
  Walk(profcore_events *events, uint64_t input_bytes) : events_{events}, bytes_{input_bytes} {}

  /// How the last call ended.
  profcore_status run(bool by_chunks) {
    profcore_error *err = nullptr;
    const auto ends = {PROFCORE_ERR_MALFORMED, PROFCORE_ERR_UNSUPPORTED, PROFCORE_ERR_LIMIT};
    for (;;) {
      if (by_chunks) {
        const profcore_events_chunk *chunk = nullptr;
        const profcore_status status = profcore_events_next_chunk(events_, &chunk, &err);
        if (!ended_well(status, err, ends) || chunk == nullptr) return status;
        require(chunk->offset + chunk->bytes <= bytes_ && chunk->ticks_per_second > 0);
        check_types();
      }
      const profcore_event *event = nullptr;
      const profcore_status status = profcore_events_next(events_, &event, &err);
      if (!ended_well(status, err, ends) || event == nullptr) return status;
      ++seen_events;
      require(event->offset + event->bytes <= bytes_ && event->type != nullptr);
      if (values_ < kMostValues) read_event(*event);
    }
  }
  uint64_t seen_events = 0;

private:
  void check_types() {
    size_t count = 0;
    const profcore_event_type *const types = profcore_events_view_types(events_, &count);
    for (size_t i = 0; i < count; ++i) {
      check_text(types[i].name);
      check_text(types[i].label);
      for (size_t f = 0; f < types[i].field_count; ++f) {
        check_text(types[i].fields[f].name);
        check_text(types[i].fields[f].type_name);
        require(types[i].fields[f].type < count || types[i].fields[f].type == UINT32_MAX);
      }
    }
  }

  void read_event(const profcore_event &event) {
    profcore_error *err = nullptr;
    walk_values();
    auto thread = PROFCORE_INIT(profcore_event_thread);
    if (ended_well(profcore_events_get_thread(events_, &thread, &err), err, {PROFCORE_ERR_LIMIT}))
      for (const profcore_str &text : {thread.os_name, thread.java_name, thread.group})
        check_text(text);
    const profcore_event_frame *frames = nullptr;
    size_t count = 0;
    uint64_t depth = 0;
    err = nullptr;
    if (!ended_well(profcore_events_view_frames(events_, nullptr, 50, &frames, &count, &depth,
                                                nullptr, &err),
                    err, {PROFCORE_ERR_LIMIT}))
      return;
    require(count <= 50 && count <= depth && (event.has_stack != 0 || count == 0));
    for (size_t i = 0; i < count; ++i) {
      check_text(frames[i].method);
      check_text(frames[i].descriptor);
      check_text(frames[i].kind_text);
    }
  }

  void walk_values() {
    struct Open {
      profcore_value value, child;
      size_t index;
    };
    std::vector<Open> open{{{}, {}, 0}};
    while (!open.empty() && values_ < kMostValues) {
      Open &top = open.back();
      const profcore_value *const parent = open.size() == 1 ? nullptr : &top.value;
      profcore_error *err = nullptr;
      const bool read = ended_well(profcore_events_next_child(events_, parent, &top.child, &err),
                                   err, {PROFCORE_ERR_LIMIT});
      if (!read || top.child.kind == PROFCORE_VALUE_NONE) {
        open.pop_back();
        continue;
      }
      ++values_;
      const profcore_value child = top.child;
      check_text(child.text);
      if (const size_t index = top.index++; index < 4) {
        profcore_value again{};
        err = nullptr;
        if (ended_well(profcore_events_get_child(events_, parent, index, &again, &err), err,
                       {PROFCORE_ERR_LIMIT}))
          require(again.kind == child.kind && again.integer == child.integer &&
                  again.key == child.key && again.field == child.field);
      }
      if (child.kind >= PROFCORE_VALUE_STRUCT && open.size() < kMostOpen)
        open.push_back({child, {}, 0});
    }
  }

  profcore_events *events_;
  uint64_t bytes_;
  size_t values_ = 0;
};

/// As events; returns how many there were, or -1 when that failed.
int64_t read_events(const uint8_t *data, size_t size, int32_t fd, uint8_t how) {
  auto options = PROFCORE_INIT(profcore_events_options);
  auto context = PROFCORE_INIT(profcore_context);
  context.max_inflated_bytes = uint64_t{64} << 20;
  context.max_result_bytes = uint64_t{256} << 20;
  options.context = &context;
  options.only_counts = (how & 0x0f) == 0x0f ? 1 : 0;
  options.strict = (how & 0x70) == 0x70 ? 1 : 0;
  profcore_events *events = nullptr;
  profcore_error *err = nullptr;
  const auto refusals = {PROFCORE_ERR_UNKNOWN_FORMAT, PROFCORE_ERR_NO_DATA, PROFCORE_ERR_MALFORMED,
                         PROFCORE_ERR_UNSUPPORTED, PROFCORE_ERR_LIMIT};
  const profcore_status opened =
      fd < 0 ? profcore_events_open_bytes(data, size, &options, &events, &err)
             : profcore_events_open_fd(fd, &options, &events, &err);
  if (!ended_well(opened, err, refusals)) {
    require(events == nullptr);
    return -1;
  }
  Walk walk{events, uint64_t{64} << 20};
  const profcore_status status = walk.run((how & 1) != 0);
  for (size_t i = 0; i < profcore_events_get_warning_count(events); ++i) {
    uint64_t offset = 0;
    require(profcore_events_get_warning(events, i, &offset)[0] != '\0');
    require(offset == PROFCORE_NO_OFFSET || offset <= uint64_t{64} << 20);
  }
  require(status != PROFCORE_OK || walk.seen_events > 0 || options.only_counts != 0 ||
          profcore_events_get_warning_count(events) > 0 ||
          profcore_events_get_chunk(events) == nullptr);
  profcore_events_free(events);
  return status == PROFCORE_OK ? static_cast<int64_t>(walk.seen_events) : -1;
}

void write_metrics(const profcore_profile *profile, uint8_t how) {
  auto options = PROFCORE_INIT(profcore_metrics_options);
  options.variant = how & 1;
  const profcore_metrics_tag tag{"service", "a, b=c\\"};
  options.tags = &tag;
  options.tag_count = 1;
  profcore_metrics *metrics = nullptr;
  profcore_error *err = nullptr;
  if (!ended_well(profcore_metrics_compute(profile, &options, &metrics, &err), err,
                  {PROFCORE_ERR_NO_DATA}))
    return;
  for (const profcore_metrics_format format :
       {PROFCORE_METRICS_LINE, PROFCORE_METRICS_JSON, PROFCORE_METRICS_TABLE}) {
    profcore_buffer *buffer = nullptr;
    err = nullptr;
    if (ended_well(profcore_metrics_write(metrics, format, &buffer, &err), err,
                   {PROFCORE_ERR_NO_DATA}))
      require(profcore_buffer_get_size(buffer) > 0);
    profcore_buffer_free(buffer);
  }
  profcore_metrics_free(metrics);
}

void decode(const uint8_t *data, size_t size, uint8_t how) {
  auto options = PROFCORE_INIT(profcore_decode_options);
  auto context = PROFCORE_INIT(profcore_context);
  context.max_inflated_bytes = uint64_t{64} << 20;
  context.max_result_bytes = uint64_t{256} << 20;
  options.context = &context;
  options.format = PROFCORE_FORMAT_JFR;
  options.jfr_metrics = 1;
  options.jfr_compat = (how & 2) != 0 ? PROFCORE_JFR_COMPAT_PYROSCOPE : PROFCORE_JFR_COMPAT_NONE;
  options.jfr_normalize_names = (how & 4) != 0 ? 1 : 0;
  options.jfr_class_frames = (how & 8) != 0 ? 1 : 0;
  profcore_profile *profile = nullptr;
  profcore_error *err = nullptr;
  if (!ended_well(profcore_decode_bytes(data, size, &options, &profile, &err), err,
                  {PROFCORE_ERR_UNKNOWN_FORMAT, PROFCORE_ERR_NO_DATA, PROFCORE_ERR_MALFORMED,
                   PROFCORE_ERR_UNSUPPORTED, PROFCORE_ERR_LIMIT})) {
    require(profile == nullptr);
    return;
  }
  write_metrics(profile, how);
  profcore_profile_free(profile);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t how = size == 0 ? 0 : data[size - 1];
  const int64_t events = read_events(data, size, -1, how);
  if ((how & 0x80) != 0) {
    const int fd = ::memfd_create("jfr", MFD_CLOEXEC);
    require(fd >= 0 && ::write(fd, data, size) == static_cast<ssize_t>(size));
    ::lseek(fd, 0, SEEK_SET);
    require(read_events(data, size, fd, how) == events);
    ::close(fd);
  }
  decode(data, size, how);
  return 0;
}
