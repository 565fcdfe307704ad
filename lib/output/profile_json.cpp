#include "base/json_writer.hpp"
#include "model/frame_name.hpp"
#include "output/output.hpp"

#include <fmt/format.h>

namespace profcore {
namespace {

constexpr size_t kReportEvery = 1 << 16;

class ProfileWriter {
public:
  ProfileWriter(const Profile &profile, const Context &context, Buffer &output)
      : profile_{profile}, context_{context}, json_{output}, output_{output}, start_{
                                                                                  output.size()} {
    total_ = profile.functions().size() + profile.locations().size() + profile.stacks.size() * 2 +
             profile.sample_count() * (profile.sample_types().size() + 3);
  }

  void write() {
    json_.begin_object();
    json_.member("format", "profcore-profile");
    json_.member("version", 1);
    write_meta();
    write_sample_types();
    write_modules();
    write_functions();
    write_locations();
    write_stacks();
    write_label_sets();
    write_samples();
    write_notes();
    json_.end_object();
    json_.newline();
  }

private:
  void step() {
    if (done_++ % kReportEvery != 0) return;
    context_.report(std::min(done_, total_), total_);
    if (output_.size() - start_ > context_.limits.max_result_bytes)
      throw Error{Status::kLimit, "profile JSON: the output is over its limit"};
  }
  void text(std::string_view key, StringId id) {
    if (id != 0) json_.member(key, profile_.text(id));
  }
  void number(std::string_view key, int64_t value) {
    if (value != 0) json_.member(key, value);
  }
  /// As text: a JSON number is a double to most readers, and addresses use all 64 bits.
  void address(std::string_view key, uint64_t value) {
    json_.member(key, std::string_view{fmt::format("{:#x}", value)});
  }
  template <class T> void column(std::string_view key, std::span<const T> values) {
    table(key);
    column_values(values);
  }
  template <class T> void column_values(std::span<const T> values) {
    for (const T value : values) {
      if constexpr (std::is_signed_v<T>)
        json_.number(int64_t{value});
      else
        json_.number(uint64_t{value});
      step();
    }
    json_.end_array();
  }
  void table(std::string_view key) {
    json_.key(key);
    json_.begin_array();
  }

  void write_meta() {
    const Metadata &meta = profile_.meta;
    json_.key("meta");
    json_.begin_object();
    number("time_ns", meta.time_ns);
    number("duration_ns", meta.duration_ns);
    text("period_type", meta.period_type);
    text("period_unit", meta.period_unit);
    number("period", meta.period);
    text("drop_frames", meta.drop_frames);
    text("keep_frames", meta.keep_frames);
    text("doc_url", meta.doc_url);
    text("host", meta.host);
    text("command", meta.command);
    text("source_format", meta.source_format);
    if (meta.frequency_hz != 0) json_.member("frequency_hz", meta.frequency_hz);
    json_.member("lost_samples", meta.lost_samples);
    table("comments");
    for (const StringId comment : meta.comments) json_.string(profile_.text(comment));
    json_.end_array();
    json_.end_object();
  }

  void write_sample_types() {
    table("sample_types");
    for (const SampleType &type : profile_.sample_types()) {
      json_.begin_object();
      json_.member("type", profile_.text(type.type));
      json_.member("unit", profile_.text(type.unit));
      json_.member("source_unit", profile_.text(type.source_unit));
      json_.member("scale", type.scale);
      json_.member("kind", type.kind == ValueKind::kInstant ? "instant" : "delta");
      number("period", type.period);
      json_.end_object();
    }
    json_.end_array();
    json_.key("default_type");
    if (profile_.sample_types().empty())
      json_.null();
    else
      json_.number(uint64_t{profile_.default_type()});
  }

  void write_modules() {
    table("modules");
    json_.null();
    for (const Module &module : profile_.modules().subspan(1)) {
      step();
      json_.begin_object();
      json_.member("path", profile_.text(module.path));
      text("build_id", module.build_id);
      address("start", module.start);
      address("end", module.end);
      address("offset", module.offset);
      json_.end_object();
    }
    json_.end_array();
  }

  void write_functions() {
    table("functions");
    json_.null();
    for (const Function &function : profile_.functions().subspan(1)) {
      step();
      json_.begin_object();
      json_.member("name", profile_.text(function.name));
      if (function.system_name != function.name) text("system_name", function.system_name);
      text("file", function.file);
      number("start_line", function.start_line);
      json_.end_object();
    }
    json_.end_array();
  }

  void write_locations() {
    table("locations");
    json_.null();
    const auto locations = profile_.locations();
    for (LocationId id = 1; id < locations.size(); ++id) {
      step();
      const Location &location = locations[id];
      json_.begin_object();
      address("address", location.address);
      json_.member("module", location.module);
      json_.member("kind", frame_kind_name(location.kind));
      if ((location.flags & kIsFolded) != 0) json_.member("folded", true);
      const bool by_bounds = (location.flags & kNamedByBounds) != 0;
      if (by_bounds) json_.member("by_bounds", true);
      if (location.line_count == 0 || by_bounds)
        json_.member("reason", unnamed_reason_name(location.reason));
      table("lines");
      for (const Line &line : profile_.lines_of(id)) {
        json_.begin_object();
        json_.member("function", line.function);
        text("file", line.file);
        number("line", line.line);
        number("column", line.column);
        json_.end_object();
      }
      json_.end_array();
      json_.end_object();
    }
    json_.end_array();
  }

  void write_stacks() {
    const auto nodes = profile_.stacks.nodes();
    json_.key("stacks");
    json_.begin_object();
    table("parent");
    for (const StackNode &node : nodes) {
      json_.number(uint64_t{node.parent});
      step();
    }
    json_.end_array();
    table("location");
    for (const StackNode &node : nodes) {
      json_.number(uint64_t{node.location});
      step();
    }
    json_.end_array();
    json_.end_object();
  }

  void write_label_sets() {
    table("label_sets");
    for (LabelSetId set = 0; set < profile_.label_set_count(); ++set) {
      step();
      json_.begin_array();
      for (const Label &label : profile_.labels_of(set)) {
        json_.begin_object();
        json_.member("key", profile_.text(label.key));
        if (label.is_number != 0) {
          json_.member("number", label.number);
          text("unit", label.unit);
        } else {
          json_.member("text", profile_.text(label.text));
        }
        json_.end_object();
      }
      json_.end_array();
    }
    json_.end_array();
  }

  void write_samples() {
    json_.key("samples");
    json_.begin_object();
    json_.member("count", uint64_t{profile_.sample_count()});
    column("stack", profile_.sample_stacks());
    column("label_set", profile_.sample_label_sets());
    if (profile_.has_timestamps()) column("time_ns", profile_.timestamps());
    table("values");
    for (size_t type = 0; type < profile_.sample_types().size(); ++type) {
      json_.begin_array();
      column_values(profile_.values(type));
    }
    json_.end_array();
    json_.end_object();
  }

  void write_notes() {
    table("warnings");
    for (const Warning &warning : profile_.warnings()) {
      json_.begin_object();
      json_.member("text", std::string_view{warning.text});
      if (warning.offset != kNoOffset) json_.member("offset", warning.offset);
      if (warning.line != 0) json_.member("line", warning.line);
      json_.end_object();
    }
    json_.end_array();
    json_.key("counters");
    json_.begin_object();
    for (const Counter &counter : profile_.counters()) json_.member(counter.name, counter.value);
    json_.end_object();
  }

  const Profile &profile_;
  const Context &context_;
  JsonWriter json_;
  Buffer &output_;
  size_t start_;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
};

} // namespace

void write_profile_json(const Profile &profile, const Context &context, Buffer &output) {
  ProfileWriter{profile, context, output}.write();
}

} // namespace profcore
