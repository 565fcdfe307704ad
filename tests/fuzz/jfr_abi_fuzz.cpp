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

/// Whether `call`, which gets a place for its error, succeeded; else it failed as it may.
template <class Call> bool ended_well(std::initializer_list<profcore_status> allowed, Call &&call) {
  profcore_error *err = nullptr;
  const profcore_status status = call(&err);
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

  /// False when it ended in an error.
  bool run(bool by_chunks) {
    const auto ends = {PROFCORE_ERR_MALFORMED, PROFCORE_ERR_UNSUPPORTED, PROFCORE_ERR_LIMIT};
    for (;;) {
      if (by_chunks) {
        const profcore_events_chunk *chunk = nullptr;
        if (!ended_well(ends, [&](profcore_error **err) {
              return profcore_events_next_chunk(events_, &chunk, err);
            }))
          return false;
        if (chunk == nullptr) return true;
        require(chunk->offset + chunk->bytes <= bytes_ && chunk->ticks_per_second > 0);
        check_types();
      }
      const profcore_event *event = nullptr;
      if (!ended_well(ends, [&](profcore_error **err) {
            return profcore_events_next(events_, &event, err);
          }))
        return false;
      if (event == nullptr) return true;
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
    walk_values();
    auto thread = PROFCORE_INIT(profcore_event_thread);
    if (ended_well({PROFCORE_ERR_LIMIT}, [&](profcore_error **err) {
          return profcore_events_get_thread(events_, &thread, err);
        }))
      for (const profcore_str &text : {thread.os_name, thread.java_name, thread.group})
        check_text(text);
    const profcore_event_frame *frames = nullptr;
    size_t count = 0;
    uint64_t depth = 0;
    if (!ended_well({PROFCORE_ERR_LIMIT}, [&](profcore_error **err) {
          return profcore_events_view_frames(events_, nullptr, 50, &frames, &count, &depth, nullptr,
                                             err);
        }))
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
      const bool read = ended_well({PROFCORE_ERR_LIMIT}, [&](profcore_error **err) {
        return profcore_events_next_child(events_, parent, &top.child, err);
      });
      if (!read || top.child.kind == PROFCORE_VALUE_NONE) {
        open.pop_back();
        continue;
      }
      ++values_;
      const profcore_value child = top.child;
      check_text(child.text);
      if (const size_t index = top.index++; index < 4) {
        profcore_value again{};
        if (ended_well({PROFCORE_ERR_LIMIT}, [&](profcore_error **err) {
              return profcore_events_get_child(events_, parent, index, &again, err);
            }))
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
  const auto refusals = {PROFCORE_ERR_UNKNOWN_FORMAT, PROFCORE_ERR_NO_DATA, PROFCORE_ERR_MALFORMED,
                         PROFCORE_ERR_UNSUPPORTED, PROFCORE_ERR_LIMIT};
  if (!ended_well(refusals, [&](profcore_error **err) {
        return fd < 0 ? profcore_events_open_bytes(data, size, &options, &events, err)
                      : profcore_events_open_fd(fd, &options, &events, err);
      })) {
    require(events == nullptr);
    return -1;
  }
  Walk walk{events, uint64_t{64} << 20};
  const bool is_read = walk.run((how & 1) != 0);
  for (size_t i = 0; i < profcore_events_get_warning_count(events); ++i) {
    uint64_t offset = 0;
    require(profcore_events_get_warning(events, i, &offset)[0] != '\0');
    require(offset == PROFCORE_NO_OFFSET || offset <= uint64_t{64} << 20);
  }
  require(!is_read || walk.seen_events > 0 || options.only_counts != 0 ||
          profcore_events_get_warning_count(events) > 0 ||
          profcore_events_get_chunk(events) == nullptr);
  profcore_events_free(events);
  return is_read ? static_cast<int64_t>(walk.seen_events) : -1;
}

void write_metrics(const profcore_profile *profile, uint8_t how) {
  auto options = PROFCORE_INIT(profcore_metrics_options);
  options.variant = how & 1;
  const profcore_metrics_tag tag{"service", "a, b=c\\"};
  options.tags = &tag;
  options.tag_count = 1;
  profcore_metrics *metrics = nullptr;
  if (!ended_well({PROFCORE_ERR_NO_DATA}, [&](profcore_error **err) {
        return profcore_metrics_compute(profile, &options, &metrics, err);
      }))
    return;
  for (const profcore_metrics_format format :
       {PROFCORE_METRICS_LINE, PROFCORE_METRICS_JSON, PROFCORE_METRICS_TABLE}) {
    profcore_buffer *buffer = nullptr;
    if (ended_well({PROFCORE_ERR_NO_DATA}, [&](profcore_error **err) {
          return profcore_metrics_write(metrics, format, &buffer, err);
        }))
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
  if (!ended_well({PROFCORE_ERR_UNKNOWN_FORMAT, PROFCORE_ERR_NO_DATA, PROFCORE_ERR_MALFORMED,
                   PROFCORE_ERR_UNSUPPORTED, PROFCORE_ERR_LIMIT},
                  [&](profcore_error **err) {
                    return profcore_decode_bytes(data, size, &options, &profile, err);
                  })) {
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
