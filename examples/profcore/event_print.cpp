// A value is printed by walking its parts with a stack of our own: how deep values nest is the
// recording's to say. References can lead in circles and, circles aside, to exponentially many
// values; so a reference that is being printed already is not entered again, nor what is nested
// deeper than kMostDepth, nor anything once an event has given kMostValues (with a warning). JSON
// has null there.

#include "event_print.hpp"

#include "common.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <limits>
#include <vector>

namespace {

constexpr size_t kMostDepth = 100;
constexpr uint64_t kMostValues = 1'000'000;
constexpr int64_t kNotAvailable = std::numeric_limits<int64_t>::min();
constexpr int64_t kForEver = std::numeric_limits<int64_t>::max();

std::string_view type_name(const profcore_value &value) {
  return value.type == nullptr ? std::string_view{} : profcore::to_view(value.type->name);
}

bool is_time(const profcore_value &value) {
  return value.kind != PROFCORE_VALUE_FLOAT && (value.unit == PROFCORE_VALUE_UNIT_NANOSECONDS ||
                                                value.unit == PROFCORE_VALUE_UNIT_TIMESTAMP);
}

/// What gets the values of an event in the order of the file.
class Sink {
public:
  virtual ~Sink() = default;
  /// Whether the value is printed whole by leaf().
  virtual bool is_leaf(const profcore_value &value) = 0;
  virtual void begin(const profcore_value &container, bool is_first, size_t depth) = 0;
  virtual void end(const profcore_value &container, bool is_empty, size_t depth) = 0;
  virtual void leaf(const profcore_value &value, bool is_first, size_t depth) = 0;
  /// In place of what is not entered.
  virtual void cut(const profcore_value &value, bool is_first, size_t depth) = 0;
  /// How many elements of an array are shown.
  virtual uint64_t most(const profcore_value &) { return UINT64_MAX; }
};

/// `skipped` are fields of the event itself that are left out.
void walk(profcore::Events &events, const profcore_event &event, Sink &sink,
          const std::vector<const profcore_event_field *> &skipped) {
  struct Open {
    profcore_value value; ///< of the event itself nothing
    profcore_value part;
    uint64_t shown;
  };
  std::vector<Open> open(1);
  uint64_t seen = 0;
  while (!open.empty()) {
    Open &top = open.back();
    const profcore_value *const parent = open.size() == 1 ? nullptr : &top.value;
    const bool is_full =
        parent != nullptr && (seen > kMostValues || top.shown >= sink.most(top.value));
    if (is_full || !events.next_child(parent, top.part)) {
      const Open done = top;
      open.pop_back();
      if (!open.empty()) sink.end(done.value, done.shown == 0, open.size());
      continue;
    }
    if (parent == nullptr &&
        std::find(skipped.begin(), skipped.end(), top.part.field) != skipped.end())
      continue;
    const profcore_value part = top.part;
    const bool is_first = top.shown++ == 0;
    if (++seen == kMostValues)
      print_warning(fmt::format("the event at byte {} has more than {} values; not all are shown",
                                event.offset, kMostValues));
    const bool is_container =
        part.kind == PROFCORE_VALUE_STRUCT || part.kind == PROFCORE_VALUE_ARRAY;
    if (!is_container || sink.is_leaf(part)) {
      sink.leaf(part, is_first, open.size());
      continue;
    }
    const bool is_entered = (part.flags & PROFCORE_VALUE_IS_REFERENCE) != 0 &&
                            std::any_of(open.begin(), open.end(), [&part](const Open &outer) {
                              return outer.value.key == part.key && outer.value.type == part.type &&
                                     (outer.value.flags & PROFCORE_VALUE_IS_REFERENCE) != 0;
                            });
    if (is_entered || open.size() >= kMostDepth || seen > kMostValues) {
      sink.cut(part, is_first, open.size());
      continue;
    }
    sink.begin(part, is_first, open.size());
    open.push_back({part, {}, 0});
  }
}

/// "PT1H2M3.5S", as java.time.Duration has it.
std::string iso_duration(int64_t ns) {
  if (ns == 0) return "PT0S";
  if (ns == kForEver) return "PT2562047788015215H30M7S";
  const bool negative = ns < 0;
  const uint64_t all = negative ? 0 - static_cast<uint64_t>(ns) : static_cast<uint64_t>(ns);
  const uint64_t seconds = all / 1'000'000'000;
  const char *const sign = negative ? "-" : "";
  std::string text = "PT";
  if (seconds >= 3600) text += fmt::format("{}{}H", sign, seconds / 3600);
  if (seconds / 60 % 60 != 0) text += fmt::format("{}{}M", sign, seconds / 60 % 60);
  const uint64_t rest = all % 1'000'000'000;
  if (seconds % 60 != 0 || rest != 0) {
    text += fmt::format("{}{}", sign, seconds % 60);
    if (rest != 0) {
      text += fmt::format(".{:09}", rest);
      while (text.back() == '0') text.pop_back();
    }
    text += 'S';
  }
  return text;
}

std::string number_text(const profcore_value &value) {
  if (value.kind == PROFCORE_VALUE_UNSIGNED)
    return fmt::format("{}", static_cast<uint64_t>(value.integer));
  if (value.kind == PROFCORE_VALUE_FLOAT) {
    std::string text = type_name(value) == "float"
                           ? fmt::format("{}", static_cast<float>(value.number))
                           : fmt::format("{}", value.number);
    if (std::isfinite(value.number) && text.find_first_of(".e") == text.npos) text += ".0";
    return text;
  }
  return fmt::format("{}", value.integer);
}

class JsonSink : public Sink {
public:
  JsonSink(const EventPrintOptions &options, OutputText &out) : options_{options}, out_{out} {}

  bool is_leaf(const profcore_value &) override { return false; }
  void begin(const profcore_value &container, bool is_first, size_t) override {
    start(container, is_first);
    const bool is_struct = container.kind == PROFCORE_VALUE_STRUCT;
    out_.put(is_struct ? '{' : '[');
    closers_ += is_struct ? '}' : ']';
  }
  void end(const profcore_value &, bool, size_t) override {
    out_.put(closers_.back());
    closers_.pop_back();
  }
  /// Of an event that ends in an error in its middle.
  void end_all() {
    while (!closers_.empty()) {
      out_.put(closers_.back());
      closers_.pop_back();
    }
  }
  void leaf(const profcore_value &value, bool is_first, size_t) override {
    start(value, is_first);
    switch (value.kind) {
    case PROFCORE_VALUE_BOOLEAN:
      out_.put(value.integer != 0 ? "true" : "false");
      return;
    case PROFCORE_VALUE_STRING:
      put_json_string(profcore::to_view(value.text), out_);
      return;
    case PROFCORE_VALUE_FLOAT:
      out_.put(std::isfinite(value.number) ? number_text(value) : "null");
      return;
    case PROFCORE_VALUE_INTEGER:
    case PROFCORE_VALUE_UNSIGNED:
      if (is_time(value) && value.integer == kNotAvailable)
        out_.put("null");
      else if (value.unit == PROFCORE_VALUE_UNIT_TIMESTAMP)
        put_json_string(time_text(value.integer), out_);
      else if (value.unit == PROFCORE_VALUE_UNIT_NANOSECONDS)
        put_json_string(iso_duration(value.integer), out_);
      else
        out_.put(number_text(value));
      return;
    default:
      out_.put("null");
    }
  }
  void cut(const profcore_value &value, bool is_first, size_t) override {
    start(value, is_first);
    out_.put("null");
  }
  uint64_t most(const profcore_value &value) override {
    return value.kind == PROFCORE_VALUE_ARRAY && type_name(value) == "jdk.types.StackFrame"
               ? options_.stack_depth
               : UINT64_MAX;
  }

private:
  void start(const profcore_value &value, bool is_first) {
    if (!is_first) out_.put(',');
    if (value.field == nullptr) return;
    put_json_string(profcore::to_view(value.field->name), out_);
    out_.put(':');
  }

  const EventPrintOptions &options_;
  OutputText &out_;
  std::string closers_; ///< of what is open, innermost last
};

/// "[Ljava/lang/String;" and "java/lang/String" as people write them. Moves `at` past the type.
std::string java_type(std::string_view text, size_t &at, bool short_names) {
  size_t dimensions = 0;
  while (at < text.size() && text[at] == '[') {
    ++at;
    ++dimensions;
  }
  std::string name;
  constexpr std::pair<char, const char *> kPrimitives[] = {
      {'B', "byte"}, {'C', "char"},  {'D', "double"},  {'F', "float"}, {'I', "int"},
      {'J', "long"}, {'S', "short"}, {'Z', "boolean"}, {'V', "void"}};
  const char letter = at < text.size() ? text[at] : '\0';
  if (letter == 'L') {
    const size_t end = std::min(text.find(';', at), text.size());
    name = text.substr(at + 1, end - at - 1);
    at = end + 1;
  } else {
    for (const auto &[known, word] : kPrimitives)
      if (letter == known) name = word;
    ++at;
  }
  std::replace(name.begin(), name.end(), '/', '.');
  if (short_names && name.find('.') != name.npos) name.erase(0, name.rfind('.') + 1);
  for (size_t i = 0; i < std::min<size_t>(dimensions, 255); ++i) name += "[]";
  return name;
}

std::string class_name(std::string_view name) {
  size_t at = 0;
  if (name.starts_with('[')) return java_type(name, at, false);
  std::string dotted{name};
  std::replace(dotted.begin(), dotted.end(), '/', '.');
  return dotted;
}

/// "(byte[], int)" of "([BI)V"; "" of what is none.
std::string parameters(std::string_view descriptor) {
  if (!descriptor.starts_with('(')) return {};
  std::string text = "(";
  for (size_t at = 1; at < descriptor.size() && descriptor[at] != ')';) {
    if (text.size() > 1) text += ", ";
    text += java_type(descriptor, at, true);
  }
  return text + ')';
}

class TextSink : public Sink {
public:
  TextSink(profcore::Events &events, const EventPrintOptions &options, OutputText &out)
      : events_{events}, options_{options}, out_{out} {}

  bool is_leaf(const profcore_value &value) override {
    if (value.kind != PROFCORE_VALUE_STRUCT) return value.count == 0;
    const std::string_view name = type_name(value);
    return name == "java.lang.Class" || name == "java.lang.Thread" ||
           name == "jdk.types.ClassLoader" || name == "jdk.types.StackTrace" ||
           name == "jdk.types.Method";
  }
  void begin(const profcore_value &container, bool, size_t depth) override {
    start(container, depth);
    out_.put(container.kind == PROFCORE_VALUE_STRUCT ? "{\n" : "[\n");
  }
  void end(const profcore_value &container, bool, size_t depth) override {
    out_.put(std::string(2 * depth, ' '));
    out_.put(container.kind == PROFCORE_VALUE_STRUCT ? "}\n" : "]\n");
  }
  void leaf(const profcore_value &value, bool, size_t depth) override {
    start(value, depth);
    if (value.kind == PROFCORE_VALUE_STRUCT && type_name(value) == "jdk.types.StackTrace")
      put_stack(value, depth);
    else
      out_.put(one_line(text_of(value)) + '\n');
  }
  void cut(const profcore_value &value, bool, size_t depth) override {
    start(value, depth);
    out_.put("...\n");
  }

private:
  void start(const profcore_value &value, size_t depth) {
    out_.put(std::string(2 * depth, ' '));
    if (value.field == nullptr) return;
    out_.put(one_line(profcore::to_view(value.field->name)));
    out_.put(" = ");
  }

  std::string_view part(const profcore_value &of, const std::string &name) {
    return profcore::to_view(events_.child(&of, name).text);
  }

  std::string loader_text(const profcore_value &loader) {
    if (loader.kind == PROFCORE_VALUE_NULL) return "null";
    const profcore_value type = events_.child(&loader, "type");
    const std::string_view own = part(loader, "name");
    if (type.kind == PROFCORE_VALUE_STRUCT)
      return fmt::format("{} (id = {})", class_name(part(type, "name")), loader.key);
    return own.empty() ? "N/A" : std::string{own};
  }

  std::string struct_text(const profcore_value &value) {
    const std::string_view name = type_name(value);
    if (name == "jdk.types.ClassLoader") return loader_text(value);
    if (name == "jdk.types.Method") {
      const profcore_value type = events_.child(&value, "type");
      return fmt::format("{}.{}{}", class_name(part(type, "name")), part(value, "name"),
                         parameters(part(value, "descriptor")));
    }
    if (name == "java.lang.Class") {
      const profcore_value loader = events_.child(&value, "classLoader");
      std::string text = class_name(part(value, "name"));
      if (loader.kind == PROFCORE_VALUE_STRUCT)
        text += fmt::format(" (classLoader = {})", part(loader, "name").empty()
                                                       ? loader_text(loader)
                                                       : std::string{part(loader, "name")});
      return text;
    }
    const profcore_value id = events_.child(&value, "javaThreadId");
    const std::string_view java_name = part(value, "javaName");
    if (!java_name.empty()) return fmt::format("\"{}\" (javaThreadId = {})", java_name, id.integer);
    return fmt::format("\"{}\" (osThreadId = {})", part(value, "osName"),
                       events_.child(&value, "osThreadId").integer);
  }

  std::string text_of(const profcore_value &value) {
    switch (value.kind) {
    case PROFCORE_VALUE_BOOLEAN:
      return value.integer != 0 ? "true" : "false";
    case PROFCORE_VALUE_STRING:
      return fmt::format("\"{}\"", profcore::to_view(value.text));
    case PROFCORE_VALUE_STRUCT:
      return struct_text(value);
    case PROFCORE_VALUE_ARRAY:
      return "[]";
    case PROFCORE_VALUE_INTEGER:
    case PROFCORE_VALUE_UNSIGNED:
    case PROFCORE_VALUE_FLOAT:
      break;
    default:
      return "N/A";
    }
    // The other units are of whole numbers.
    if (value.kind == PROFCORE_VALUE_FLOAT && value.unit != PROFCORE_VALUE_UNIT_BYTES &&
        value.unit != PROFCORE_VALUE_UNIT_PERCENTAGE)
      return number_text(value) + (value.unit == PROFCORE_VALUE_UNIT_HERTZ ? " Hz" : "");
    if (is_time(value) && value.integer == kNotAvailable) return "N/A";
    if (value.unit == PROFCORE_VALUE_UNIT_NANOSECONDS && value.integer == kForEver)
      return "forever";
    switch (value.unit) {
    case PROFCORE_VALUE_UNIT_NANOSECONDS:
      return duration_text(value.integer);
    case PROFCORE_VALUE_UNIT_TIMESTAMP:
      return time_text(value.integer);
    case PROFCORE_VALUE_UNIT_BYTES:
      return bytes_text(value.number);
    case PROFCORE_VALUE_UNIT_PERCENTAGE:
      return fmt::format("{:.2f}%", 100 * value.number);
    case PROFCORE_VALUE_UNIT_ADDRESS:
      return fmt::format("0x{:08X}", static_cast<uint64_t>(value.integer));
    case PROFCORE_VALUE_UNIT_HERTZ:
      return number_text(value) + " Hz";
    default:
      return number_text(value);
    }
  }

  void put_stack(const profcore_value &trace, size_t depth) {
    const auto stack = options_.stack_depth == 0 ? profcore::Events::Stack{}
                                                 : events_.stack(options_.stack_depth, &trace);
    out_.put("[\n");
    const std::string indent(2 * depth + 2, ' ');
    for (const profcore_event_frame &frame : stack.frames) {
      std::string text{profcore::to_view(frame.method)};
      text += parameters(profcore::to_view(frame.descriptor));
      if (frame.line > 0) text += fmt::format(" line: {}", frame.line);
      out_.put(indent + one_line(text) + '\n');
    }
    if (stack.frames.size() < stack.depth || stack.is_truncated) out_.put(indent + "...\n");
    out_.put(std::string(2 * depth, ' ') + "]\n");
  }

  profcore::Events &events_;
  const EventPrintOptions &options_;
  OutputText &out_;
};

} // namespace

void OutputText::flush() {
  errno = 0;
  const bool written = std::fwrite(text_.data(), 1, text_.size(), stdout) == text_.size();
  text_.clear();
  if (written) return;
  if (errno == EPIPE) throw ReaderGone{};
  throw std::runtime_error{fmt::format("cannot write to stdout: {}", std::strerror(errno))};
}

void put_json_string(std::string_view text, OutputText &out) {
  out.put('"');
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '"' || c == '\\') {
      out.put('\\');
      out.put(c);
      ++at;
    } else if (const Character found = first_character(text.substr(at)); found.length != 0) {
      if (breaks_lines(found.code))
        out.put(fmt::format("\\u{:04x}", found.code));
      else
        out.put(text.substr(at, found.length));
      at += found.length;
    } else {
      out.put("\xef\xbf\xbd");
      ++at;
    }
  }
  out.put('"');
}

std::string one_line(std::string_view text) {
  std::string shown;
  for (const char c : printable(text)) {
    if (c == '\n')
      shown += "\\n";
    else
      shown += c;
  }
  return shown;
}

std::string time_text(int64_t ns_since_1970) {
  int64_t seconds = ns_since_1970 / 1'000'000'000;
  int64_t rest = ns_since_1970 % 1'000'000'000;
  if (rest < 0) {
    rest += 1'000'000'000;
    --seconds;
  }
  const time_t moment = seconds;
  tm parts{};
  gmtime_r(&moment, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     rest);
}

std::string bytes_text(double bytes) {
  if (!(std::abs(bytes) >= 1024)) return fmt::format("{:.0f} bytes", bytes);
  constexpr const char *kUnits[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
  size_t unit = 0;
  bytes /= 1024;
  for (; std::abs(bytes) >= 1024 && unit + 1 < std::size(kUnits); ++unit) bytes /= 1024;
  return fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

std::string duration_text(int64_t ns) {
  const auto value = static_cast<double>(ns);
  const double size = std::abs(value);
  const auto shown = [](double number, const char *unit) {
    // Three digits, as many as mean something.
    const double whole = std::abs(number);
    return fmt::format("{:.{}f} {}", number, whole < 10 ? 2 : whole < 100 ? 1 : 0, unit);
  };
  if (size < 1e3) return fmt::format("{} ns", ns);
  if (size < 1e6) return shown(value / 1e3, "us");
  if (size < 1e9) return shown(value / 1e6, "ms");
  if (size < 60e9) return shown(value / 1e9, "s");
  const int64_t seconds = ns / 1'000'000'000;
  if (size < 3600e9) return fmt::format("{} m {} s", seconds / 60, std::abs(seconds % 60));
  return fmt::format("{} h {} m", seconds / 3600, std::abs(seconds / 60 % 60));
}

void print_event_json(profcore::Events &events, const profcore_event &event,
                      const EventPrintOptions &options, OutputText &out) {
  out.put("{\"type\":");
  put_json_string(profcore::to_view(event.type->name), out);
  out.put(",\"values\":{");
  JsonSink sink{options, out};
  try {
    walk(events, event, sink, {});
  } catch (const profcore::Exception &) {
    sink.end_all();
    out.put("}}");
    throw;
  }
  out.put("}}");
}

void print_event_text(profcore::Events &events, const profcore_event &event,
                      const EventPrintOptions &options, OutputText &out) {
  out.put(one_line(profcore::to_view(event.type->name)) + " {\n");
  // As `jfr print` has it: when first, who and where last.
  std::vector<const profcore_event_field *> first;
  std::vector<const profcore_event_field *> last;
  for (size_t i = 0; i < event.type->field_count; ++i) {
    const profcore_event_field &field = event.type->fields[i];
    const std::string_view name = profcore::to_view(field.name);
    if (name == "startTime" || name == "duration") first.push_back(&field);
    if (name == "eventThread" || name == "stackTrace") last.push_back(&field);
  }
  TextSink sink{events, options, out};
  const auto put_field = [&](const profcore_event_field *field) {
    const profcore_value value =
        events.child(nullptr, static_cast<size_t>(field - event.type->fields));
    if (value.kind == PROFCORE_VALUE_NULL && field->is_reference != 0) return;
    sink.leaf(value, false, 1);
  };
  std::for_each(first.begin(), first.end(), put_field);
  std::vector<const profcore_event_field *> skipped = first;
  skipped.insert(skipped.end(), last.begin(), last.end());
  walk(events, event, sink, skipped);
  std::for_each(last.begin(), last.end(), put_field);
  out.put("}\n\n");
}
