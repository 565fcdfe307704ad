// The model as profile.proto.
//
// Ids are the model's own, strings stand in the model's order, fields in the order of their
// numbers: the same profile gives the same bytes. What the model's ids leave out gets an entry of
// its own behind the others: location 0 or function 0 in a stack (an empty message), a line whose
// file is not its function's (a copy of the function with that file), and an empty label text or
// unit, for which readers take index 0 as "not there" (a second "" at the end of the string table).
//
// Values go back to the column's source unit. Should a column hold a value that its scale does not
// divide (after scaling, say), that column is written in canonical units: no value is ever rounded.
// Bytes that are not UTF-8 are written as they are, as google/pprof does: that is what reads back
// equal. What profile.proto has no field for is left out; README.md lists it.

#include "base/hash.hpp"
#include "base/inflate.hpp"
#include "base/intern_index.hpp"
#include "base/wire.hpp"
#include "output/output.hpp"

#include <vector>

namespace profcore {
namespace {

class PprofWriter {
public:
  PprofWriter(const Profile &profile, const Context &context, Buffer &output)
      : profile_{profile}, context_{context}, output_{output}, start_{output.size()}, writer_{
                                                                                          output} {}

  void write() {
    gather_extra_functions();
    write_sample_types();
    write_samples();
    write_mappings();
    write_locations();
    write_functions();
    write_strings();
    write_metadata();
  }

private:
  struct ExtraFunction {
    FunctionId function;
    StringId file;
  };

  void emit(uint32_t number, const Buffer &message) { writer_.message_field(number, message); }

  void value_type(uint32_t number, StringId type, StringId unit) {
    message_.clear();
    WireWriter writer{message_};
    writer.optional_field(1, type);
    writer.optional_field(2, unit);
    emit(number, message_);
  }

  uint64_t function_id(const Line &line) const {
    const auto functions = profile_.functions();
    if (line.function != 0 && (line.file == 0 || line.file == functions[line.function].file))
      return line.function;
    const uint32_t extra = extra_index_.find(hash_of(line), [&](uint32_t at) {
      return extra_functions_[at].function == line.function &&
             extra_functions_[at].file == line.file;
    });
    return functions.size() + extra;
  }

  uint64_t hash_of(const Line &line) const noexcept {
    return hash_u64(static_cast<uint64_t>(line.function) << 32 | line.file, seed_);
  }

  void gather_extra_functions() {
    for (const Line &line : profile_.lines()) {
      if (line.function != 0 &&
          (line.file == 0 || line.file == profile_.functions()[line.function].file))
        continue;
      extra_index_.find_or_insert(
          hash_of(line),
          [&](uint32_t at) {
            return extra_functions_[at].function == line.function &&
                   extra_functions_[at].file == line.file;
          },
          [&] {
            extra_functions_.push_back({line.function, line.file});
            return static_cast<uint32_t>(extra_functions_.size() - 1);
          });
    }
  }

  void write_sample_types() {
    for (size_t column = 0; column < profile_.sample_types().size(); ++column) {
      const SampleType &type = profile_.sample_types()[column];
      int64_t scale = type.scale > 0 ? type.scale : 1;
      if (scale != 1) {
        for (const int64_t value : profile_.values(column)) {
          if (value % scale == 0) continue;
          scale = 1;
          break;
        }
      }
      scales_.push_back(scale);
      const bool canonical = scale == 1 && type.scale > 1;
      value_type(1, type.type, canonical ? type.unit : type.source_unit);
    }
  }

  void write_samples() {
    const auto stacks = profile_.sample_stacks();
    const auto labels = profile_.sample_label_sets();
    const size_t columns = scales_.size();
    const uint64_t empty_location = profile_.locations().size();
    Buffer packed;
    for (size_t row = 0; row < stacks.size(); ++row) {
      message_.clear();
      WireWriter message{message_};
      packed.clear();
      WireWriter list{packed};
      for (StackId stack = stacks[row]; stack != 0; stack = profile_.stacks[stack].parent) {
        const LocationId location = profile_.stacks[stack].location;
        needs_empty_location_ |= location == 0;
        list.varint(location != 0 ? location : empty_location);
      }
      if (!packed.empty()) message.message_field(1, packed);
      packed.clear();
      for (size_t column = 0; column < columns; ++column)
        list.varint(static_cast<uint64_t>(profile_.values(column)[row] / scales_[column]));
      if (!packed.empty()) message.message_field(2, packed);
      for (const Label &label : profile_.labels_of(labels[row]))
        write_label(label, message, packed);
      emit(2, message_);
      if ((row & 0xffff) != 0) continue;
      context_.report(row, stacks.size());
      context_.check_result(output_.size() - start_);
    }
  }

  void write_label(const Label &label, WireWriter &message, Buffer &scratch) {
    scratch.clear();
    WireWriter writer{scratch};
    writer.optional_field(1, label.key);
    if (label.is_number != 0) {
      if (label.number != 0) writer.signed_field(3, label.number);
      if (label.unit != 0)
        writer.varint_field(4, label.unit);
      else if (label.number == 0)
        writer.varint_field(4, second_empty_string());
    } else {
      writer.varint_field(2, label.text != 0 ? label.text : second_empty_string());
    }
    message.message_field(3, scratch);
  }

  uint64_t second_empty_string() {
    needs_second_empty_ = true;
    return profile_.strings.size();
  }

  void write_mappings() {
    const auto modules = profile_.modules();
    for (size_t id = 1; id < modules.size(); ++id) {
      const Module &module = modules[id];
      message_.clear();
      WireWriter writer{message_};
      writer.varint_field(1, id);
      writer.optional_field(2, module.start);
      writer.optional_field(3, module.end);
      writer.optional_field(4, module.offset);
      writer.optional_field(5, module.path);
      writer.optional_field(6, module.build_id);
      writer.optional_field(7, (module.flags & kHasFunctions) != 0);
      writer.optional_field(8, (module.flags & kHasFilenames) != 0);
      writer.optional_field(9, (module.flags & kHasLineNumbers) != 0);
      writer.optional_field(10, (module.flags & kHasInlineFrames) != 0);
      emit(3, message_);
    }
  }

  void write_locations() {
    const auto locations = profile_.locations();
    Buffer nested;
    const auto write_one = [&](uint64_t id, const Location &location, std::span<const Line> lines) {
      message_.clear();
      WireWriter writer{message_};
      writer.varint_field(1, id);
      writer.optional_field(2, location.module);
      writer.optional_field(3, location.address);
      for (const Line &line : lines) {
        nested.clear();
        WireWriter inner{nested};
        inner.varint_field(1, function_id(line));
        inner.optional_field(2, static_cast<uint64_t>(line.line));
        inner.optional_field(3, static_cast<uint64_t>(line.column));
        writer.message_field(4, nested);
      }
      writer.optional_field(5, (location.flags & kIsFolded) != 0);
      emit(4, message_);
    };
    for (LocationId id = 1; id < locations.size(); ++id)
      write_one(id, locations[id], profile_.lines_of(id));
    if (needs_empty_location_) write_one(locations.size(), {}, {});
  }

  void write_functions() {
    const auto functions = profile_.functions();
    const auto write_one = [&](uint64_t id, const Function &function, StringId file) {
      message_.clear();
      WireWriter writer{message_};
      writer.varint_field(1, id);
      writer.optional_field(2, function.name);
      writer.optional_field(3, function.system_name);
      writer.optional_field(4, file);
      writer.optional_field(5, static_cast<uint64_t>(function.start_line));
      emit(5, message_);
    };
    for (size_t id = 1; id < functions.size(); ++id)
      write_one(id, functions[id], functions[id].file);
    for (size_t i = 0; i < extra_functions_.size(); ++i)
      write_one(functions.size() + i, functions[extra_functions_[i].function],
                extra_functions_[i].file);
  }

  void write_strings() {
    for (const StringRef &text : profile_.strings.refs())
      writer_.bytes_field(6, {text.data, text.size});
    if (needs_second_empty_) writer_.bytes_field(6, {});
  }

  void write_metadata() {
    const Metadata &meta = profile_.meta;
    writer_.optional_field(7, meta.drop_frames);
    writer_.optional_field(8, meta.keep_frames);
    writer_.optional_field(9, static_cast<uint64_t>(meta.time_ns));
    writer_.optional_field(10, static_cast<uint64_t>(meta.duration_ns));
    if (meta.period_type != 0 || meta.period_unit != 0)
      value_type(11, meta.period_type, meta.period_unit);
    writer_.optional_field(12, static_cast<uint64_t>(meta.period));
    if (!meta.comments.empty()) {
      message_.clear();
      WireWriter list{message_};
      for (const StringId comment : meta.comments) list.varint(comment);
      emit(13, message_);
    }
    writer_.optional_field(14, meta.default_type);
    writer_.optional_field(15, meta.doc_url);
  }

  const Profile &profile_;
  const Context &context_;
  const Buffer &output_;
  const size_t start_;
  WireWriter writer_;
  Buffer message_;
  std::vector<int64_t> scales_;
  std::vector<ExtraFunction> extra_functions_;
  InternIndex extra_index_;
  uint64_t seed_ = random_hash_seed();
  bool needs_empty_location_ = false;
  bool needs_second_empty_ = false;
};

} // namespace

void write_pprof(const Profile &profile, const PprofOptions &options, Buffer &output) {
  if (options.gzip_level < 0 || options.gzip_level > 12)
    throw Error{Status::kInvalidArgument, "the gzip level is 0 (none) or 1 to 12"};
  if (profile.has_timestamps())
    options.context.write_log(LogLevel::kWarning, "pprof: it has no room for timestamps");
  if (options.gzip_level == 0) return PprofWriter{profile, options.context, output}.write();
  Buffer plain;
  PprofWriter{profile, options.context, plain}.write();
  deflate_gzip(plain.span(), options.gzip_level, output);
}

} // namespace profcore
