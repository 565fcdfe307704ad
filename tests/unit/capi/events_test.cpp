#include "../decode/jfr/events_sample.hpp"

#include <profcore/profcore.hpp>

#include <cstring>
#include <doctest/doctest.h>
#include <string>
#include <unistd.h>
#include <vector>

using profcore::Events;
using profcore::to_view;

namespace {

std::span<const std::byte> bytes_of(const std::string &text) {
  return {reinterpret_cast<const std::byte *>(text.data()), text.size()};
}

profcore_status status_of(auto &&call) {
  try {
    call();
    return PROFCORE_OK;
  } catch (const profcore::Exception &error) {
    return error.status();
  }
}

} // namespace

TEST_CASE("events come out front to back with their chunks, times, threads and stacks") {
  const std::string file = jfr_test::sample_recording();
  Events events = Events::from_bytes(bytes_of(file));
  CHECK(events.chunk() == nullptr);
  CHECK(events.types().empty());
  std::vector<std::string> names;
  uint64_t last_offset = 0;
  while (const profcore_event *event = events.next()) {
    names.emplace_back(to_view(event->type->name));
    CHECK(event->offset > last_offset);
    last_offset = event->offset;
    CHECK(event->chunk == (names.size() > 7 ? 1 : 0));
    CHECK(events.chunk()->number == event->chunk);
    CHECK(event->has_start == 1);
    if (names.back() == "test.Values") {
      CHECK(event->has_duration == 1);
      CHECK(event->duration_ns == 1500);
      CHECK(event->has_stack == 0);
    }
    if (names.back() != "jdk.ExecutionSample") continue;
    CHECK(event->bytes == 4 + (event->chunk == 0 ? 2 + 2 + 1 + 1 + 1 : 8 + 8 + 8 + 8 + 8));
    REQUIRE(event->has_thread == 1);
    const profcore_event_thread thread = events.thread();
    CHECK(thread.os_id == 4321);
    CHECK(thread.java_id == 1);
    CHECK(to_view(thread.java_name) == "main");
    CHECK(to_view(thread.os_name) == "java");
    CHECK(to_view(thread.group) == "main");
    const Events::Stack stack = events.stack(3);
    CHECK(stack.depth == 7);
    CHECK(stack.is_truncated);
    REQUIRE(stack.frames.size() == 3);
    CHECK(to_view(stack.frames[0].method) ==
          (event->chunk == 0 ? "com.example.Main.run" : "com.example.Main.walk"));
    CHECK(stack.frames[0].kind == PROFCORE_FRAME_JAVA_COMPILED);
    CHECK(to_view(stack.frames[1].kind_text) == "Interpreted");
    CHECK(stack.frames[2].line == 12);
    CHECK(events.stack().frames.size() == 7);
  }
  CHECK(names.size() == 14);
  CHECK(events.next() == nullptr);
  CHECK(events.chunk() == nullptr);
  CHECK(events.warnings().empty());
}

TEST_CASE("children by index, by name and in a row are the same") {
  const std::string file = jfr_test::sample_recording();
  Events events = Events::from_bytes(bytes_of(file));
  while (const profcore_event *event = events.next()) {
    size_t index = 0;
    for (profcore_value child{}; events.next_child(nullptr, child); ++index) {
      REQUIRE(index < event->type->field_count);
      CHECK(child.field == &event->type->fields[index]);
      const profcore_value by_index = events.child(nullptr, index);
      const profcore_value by_name = events.child(nullptr, std::string{to_view(child.field->name)});
      for (const profcore_value &other : {by_index, by_name}) {
        CHECK(other.kind == child.kind);
        CHECK(other.integer == child.integer);
        CHECK(other.key == child.key);
        CHECK(other.count == child.count);
        CHECK(to_view(other.text) == to_view(child.text));
        CHECK(other.field == child.field);
        CHECK(other.text.data[other.text.size] == '\0');
      }
      uint64_t parts = 0;
      for (profcore_value part{}; events.next_child(&child, part); ++parts)
        CHECK(events.child(&child, parts).integer == part.integer);
      CHECK(parts == child.count);
    }
    CHECK(index == event->type->field_count);
    CHECK(events.child(nullptr, index).kind == PROFCORE_VALUE_NONE);
    CHECK(events.child(nullptr, "no such field").kind == PROFCORE_VALUE_NONE);
  }
}

TEST_CASE("a value may be asked into itself, and is refused after its event") {
  const std::string file = jfr_test::sample_recording();
  Events events = Events::from_bytes(bytes_of(file));
  REQUIRE(events.next() != nullptr);
  profcore_value value = events.child(nullptr, "stackTrace");
  REQUIRE(profcore_events_find_child(events.get(), &value, "frames", &value, nullptr) ==
          PROFCORE_OK);
  CHECK(value.kind == PROFCORE_VALUE_ARRAY);
  CHECK(value.count == 7);
  REQUIRE(profcore_events_get_child(events.get(), &value, 6, &value, nullptr) == PROFCORE_OK);
  CHECK(to_view(value.type->name) == "jdk.types.StackFrame");
  CHECK(events.child(&value, "lineNumber").integer == -1);

  profcore_value damaged = value; // whatever a caller writes into it, nothing else is read
  for (size_t i = 1; i < 4; ++i) {
    damaged = value;
    damaged.place[i] = UINT64_MAX;
    (void)status_of([&] { events.child(&damaged, size_t{0}); });
    (void)status_of([&] { events.next_child(&value, damaged); });
    (void)status_of([&] { events.next_child(nullptr, damaged); });
    (void)status_of([&] { events.stack(0, &damaged); });
  }
  damaged = value;
  damaged.kind = PROFCORE_VALUE_ARRAY;
  (void)status_of([&] { events.child(&damaged, size_t{1}); });

  REQUIRE(events.next() != nullptr);
  CHECK(status_of([&] { events.child(&value, size_t{0}); }) == PROFCORE_ERR_INVALID_ARGUMENT);
  CHECK(status_of([&] { events.next_child(nullptr, value); }) == PROFCORE_ERR_INVALID_ARGUMENT);
  while (events.next() != nullptr) {
  }
  CHECK(status_of([&] { events.child(nullptr, size_t{0}); }) == PROFCORE_ERR_INVALID_ARGUMENT);
  CHECK(status_of([&] { events.thread(); }) == PROFCORE_ERR_INVALID_ARGUMENT);
}

TEST_CASE("types have their fields, units and numbers of events, with and without events") {
  const std::string file = jfr_test::sample_recording();
  auto options = profcore::init<profcore_events_options>();
  options.only_counts = 1;
  Events events = Events::from_bytes(bytes_of(file), &options);
  size_t chunks = 0;
  while (const profcore_events_chunk *chunk = events.next_chunk()) {
    CHECK(chunk->number == chunks++);
    CHECK(chunk->event_count == 7);
    CHECK(chunk->version_major == 2);
    CHECK(chunk->is_finished == 1);
    bool seen = false;
    for (const profcore_event_type &type : events.types()) {
      if (to_view(type.name) == "jdk.ExecutionSample") {
        CHECK(to_view(type.label) == "Method Profiling Sample");
        CHECK(to_view(type.category) == "Java Virtual Machine");
      }
      if (to_view(type.name) != "test.Values") continue;
      seen = true;
      CHECK(type.event_count == 2);
      CHECK(type.is_event == 1);
      CHECK(type.is_readable == 1);
      const profcore_event_field &bits = type.fields[14];
      CHECK(to_view(bits.name) == "bits");
      CHECK(bits.unit == PROFCORE_VALUE_UNIT_BYTES);
      CHECK(to_view(bits.source_unit) == "bits");
      CHECK(to_view(bits.type_name) == "long");
      CHECK(type.fields[20].is_unsigned == 1);
      CHECK(type.fields[21].is_array == 1);
      CHECK(type.fields[2].is_reference == 1);
      CHECK(to_view(type.fields[19].label) == "Address");
    }
    CHECK(seen);
  }
  CHECK(chunks == 2);
  CHECK(events.next() == nullptr);
}

TEST_CASE("only the types asked for, from bytes, a file and a pipe alike") {
  const std::string file = jfr_test::sample_recording();
  const char *const names[] = {"jdk.CPULoad"};
  auto options = profcore::init<profcore_events_options>();
  options.types = names;
  options.type_count = 1;
  const auto count = [](Events events) {
    size_t seen = 0;
    while (events.next() != nullptr) ++seen;
    return seen;
  };
  CHECK(count(Events::from_bytes(bytes_of(file), &options)) == 8);
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  REQUIRE(write(ends[1], file.data(), file.size()) == static_cast<ssize_t>(file.size()));
  close(ends[1]);
  CHECK(count(Events::from_fd(ends[0], &options)) == 8);
  close(ends[0]);
  options.type_count = 2; // the second name is not there
  const char *const two[] = {"jdk.CPULoad", nullptr};
  options.types = two;
  CHECK(status_of([&] { Events::from_bytes(bytes_of(file), &options); }) ==
        PROFCORE_ERR_INVALID_ARGUMENT);
}

TEST_CASE("errors of events say what was wrong") {
  CHECK(status_of([] { Events::from_file("/no/such/file.jfr"); }) == PROFCORE_ERR_NOT_FOUND);
  CHECK(status_of([] { Events::from_bytes({}); }) == PROFCORE_ERR_NO_DATA);
  CHECK(status_of([] { Events::from_bytes(bytes_of("a;b 3\n")); }) == PROFCORE_ERR_UNKNOWN_FORMAT);
  CHECK(profcore_events_open_bytes(nullptr, 0, nullptr, nullptr, nullptr) ==
        PROFCORE_ERR_INVALID_ARGUMENT);
  const profcore_event *event = nullptr;
  CHECK(profcore_events_next(nullptr, &event, nullptr) == PROFCORE_ERR_INVALID_ARGUMENT);
  CHECK(profcore_events_get_warning_count(nullptr) == 0);
  CHECK(std::strcmp(profcore_events_get_counter(nullptr, 0, nullptr), "") == 0);
  profcore_events_free(nullptr);

  std::string cut = jfr_test::sample_recording();
  cut.resize(cut.size() - 10);
  Events events = Events::from_bytes(bytes_of(cut));
  while (events.next() != nullptr) {
  }
  CHECK_FALSE(events.warnings().empty());
  CHECK_FALSE(events.counters().empty());
}

TEST_CASE("texts of what is not there are empty, and no NULL") {
  jfr_test::Chunk chunk;
  chunk.add_jdk_types();
  chunk.type(1000, "test.Number", {{"number", jfr_test::kInt}}, "jdk.jfr.Event");
  chunk.event(1000, [](jfr_test::Writer &out) { out.i32(7); });
  const std::string file = chunk.finish();
  auto events = profcore::Events::from_bytes(std::as_bytes(std::span{file}));
  REQUIRE(events.next() != nullptr);
  const profcore_event_thread thread = events.thread();
  CHECK(thread.os_id == 0);
  profcore_value past{};
  CHECK(events.next_child(nullptr, past));
  CHECK(past.integer == 7);
  CHECK_FALSE(events.next_child(nullptr, past));
  for (const profcore_str &text :
       {thread.os_name, thread.java_name, thread.group, past.text,
        events.child(nullptr, size_t{9}).text, events.child(nullptr, "none").text}) {
    REQUIRE(text.data != nullptr);
    CHECK(text.data[0] == '\0');
    CHECK(text.size == 0);
  }
}

TEST_CASE("the functions themselves, without the wrapper") {
  std::string file = jfr_test::sample_recording();
  file.resize(file.size() - 10);
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  REQUIRE(write(ends[1], file.data(), file.size()) == static_cast<ssize_t>(file.size()));
  close(ends[1]);
  profcore_events *events = nullptr;
  profcore_error *err = nullptr;
  REQUIRE(profcore_events_open_fd(ends[0], nullptr, &events, &err) == PROFCORE_OK);
  CHECK(profcore_events_get_chunk(events) == nullptr);
  size_t count = 1;
  CHECK(profcore_events_view_types(events, &count) == nullptr);
  CHECK(count == 0);
  const profcore_events_chunk *chunk = nullptr;
  REQUIRE(profcore_events_next_chunk(events, &chunk, &err) == PROFCORE_OK);
  REQUIRE(chunk != nullptr);
  CHECK(profcore_events_get_chunk(events) == chunk);
  CHECK(profcore_events_view_types(events, &count) != nullptr);
  CHECK(count > 20);
  const profcore_event *event = nullptr;
  REQUIRE(profcore_events_next(events, &event, &err) == PROFCORE_OK);
  REQUIRE(event != nullptr);
  profcore_value child{};
  CHECK(profcore_events_next_child(events, nullptr, &child, &err) == PROFCORE_OK);
  CHECK(child.integer == event->start_ns);
  auto thread = profcore::init<profcore_event_thread>();
  CHECK(profcore_events_get_thread(events, &thread, &err) == PROFCORE_OK);
  CHECK(thread.os_id == 4321);
  const profcore_event_frame *frames = nullptr;
  CHECK(profcore_events_view_frames(events, nullptr, 0, &frames, &count, nullptr, nullptr, &err) ==
        PROFCORE_OK);
  CHECK(count == 7);
  while (profcore_events_next(events, &event, &err) == PROFCORE_OK && event != nullptr) {
  }
  CHECK(err == nullptr);
  REQUIRE(profcore_events_get_warning_count(events) > 0);
  uint64_t offset = 0;
  CHECK(std::strlen(profcore_events_get_warning(events, 0, &offset)) > 0);
  CHECK(offset != PROFCORE_NO_OFFSET);
  REQUIRE(profcore_events_get_counter_count(events) > 0);
  uint64_t value = 0;
  CHECK(std::strlen(profcore_events_get_counter(events, 0, &value)) > 0);
  CHECK(value > 0);
  profcore_events_free(events);
  close(ends[0]);
  CHECK(profcore_events_open_file("/no/such/file.jfr", nullptr, &events, nullptr) ==
        PROFCORE_ERR_NOT_FOUND);
  CHECK(events == nullptr);
}
