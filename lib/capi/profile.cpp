#include "capi/guard.hpp"
#include "model/operations.hpp"

#include <cmath>
#include <cstddef>

using namespace profcore;
using namespace profcore::capi;

// The tables are handed out as they are: the C structs and the model's must agree.
static_assert(sizeof(profcore_str) == sizeof(StringRef) &&
              offsetof(profcore_str, size) == offsetof(StringRef, size));
static_assert(sizeof(profcore_function) == sizeof(Function) &&
              offsetof(profcore_function, start_line) == offsetof(Function, start_line));
static_assert(sizeof(profcore_module) == sizeof(Module) &&
              offsetof(profcore_module, flags) == offsetof(Module, flags));
static_assert(sizeof(profcore_line) == sizeof(Line) &&
              offsetof(profcore_line, column) == offsetof(Line, column));
static_assert(sizeof(profcore_location) == sizeof(Location) &&
              offsetof(profcore_location, line_count) == offsetof(Location, line_count) &&
              offsetof(profcore_location, reason) == offsetof(Location, reason));
static_assert(sizeof(profcore_stack_node) == sizeof(StackNode));
static_assert(sizeof(profcore_label) == sizeof(Label) &&
              offsetof(profcore_label, number) == offsetof(Label, number));
static_assert(sizeof(profcore_context) == 15 * 8 && sizeof(profcore_sample_type) == 12 * 8 &&
                  sizeof(profcore_metadata) == 28 * 8 &&
                  sizeof(profcore_filter_options) == 16 * 8 &&
                  sizeof(profcore_merge_options) == 6 * 8 && sizeof(profcore_view_options) == 6 * 8,
              "no implicit padding");

namespace {

template <class Public, class Internal>
const Public *view(std::span<const Internal> table, size_t *count) {
  if (count != nullptr) *count = table.size();
  return reinterpret_cast<const Public *>(table.data());
}

template <class Public> const Public *no_view(size_t *count) {
  if (count != nullptr) *count = 0;
  return nullptr;
}

void check_id(uint32_t id, size_t size, const char *what) {
  if (id >= size) invalid(std::string{"no "} + what + " has the id " + std::to_string(id));
}

void check_string(const Profile &profile, uint32_t id) {
  check_id(id, profile.strings.size(), "string");
}

void check_reserved(uint32_t value) {
  if (value != 0) invalid("reserved fields must be zero");
}

constexpr uint8_t kLocationFlags = kIsFolded | kModuleInName | kNamedByBounds;
static_assert(kLocationFlags == (PROFCORE_LOCATION_IS_FOLDED | PROFCORE_LOCATION_MODULE_IN_NAME |
                                 PROFCORE_LOCATION_NAMED_BY_BOUNDS));
constexpr uint32_t kModuleFlags = PROFCORE_MODULE_HAS_FUNCTIONS | PROFCORE_MODULE_HAS_FILENAMES |
                                  PROFCORE_MODULE_HAS_LINE_NUMBERS |
                                  PROFCORE_MODULE_HAS_INLINE_FRAMES;

profcore_profile *finish(Profile result, std::span<const Profile *const> inputs,
                         const Context &context) {
  std::unique_ptr<profcore_profile> handle{new profcore_profile{std::move(result)}};
  log_warnings(handle->profile, inputs, context);
  return handle.release();
}

StringId intern(Profile &profile, const profcore_str &text) {
  return text.size == 0 ? 0 : profile.intern({&required(text.data, "data of a string"), text.size});
}

void make_view(const profcore_profile *handle, const profcore_view_options *options,
               profcore_profile **out, Profile (*view)(const Profile &, const Context &)) {
  required(out, "out") = nullptr;
  const Profile &profile = required(handle, "profile").profile;
  const profcore_view_options given = read_options(options);
  const ContextAdapter context{given.context};
  Profile result = view(profile, context.get());
  context.get().check_result(result.bytes());
  const Profile *const input = &profile;
  *out = finish(std::move(result), {&input, 1}, context.get());
}

} // namespace

#define VIEW(name, type, expression)                                                               \
  const type *profcore_profile_view_##name(const profcore_profile *handle, size_t *count) {        \
    if (handle == nullptr) return no_view<type>(count);                                            \
    const Profile &profile = handle->profile;                                                      \
    return view<type>(expression, count);                                                          \
  }

extern "C" {

profcore_status profcore_profile_new(profcore_profile **out, profcore_error **err) {
  return guard(err, [&] {
    required(out, "out") = nullptr;
    *out = new profcore_profile{};
  });
}

void profcore_profile_free(profcore_profile *profile) {
  delete profile;
}

size_t profcore_profile_get_sample_count(const profcore_profile *profile) {
  return profile == nullptr ? 0 : profile->profile.sample_count();
}
size_t profcore_profile_get_sample_type_count(const profcore_profile *profile) {
  return profile == nullptr ? 0 : profile->profile.sample_types().size();
}
size_t profcore_profile_get_default_type(const profcore_profile *profile) {
  return profile == nullptr ? 0 : profile->profile.default_type();
}

profcore_status profcore_profile_get_sample_type(const profcore_profile *handle, size_t index,
                                                 profcore_sample_type *out, profcore_error **err) {
  return guard(err, [&] {
    start_info(out);
    const Profile &profile = required(handle, "profile").profile;
    if (index >= profile.sample_types().size()) invalid("no such sample type");
    const SampleType &type = profile.sample_types()[index];
    profcore_sample_type info{};
    info.type = to_str(profile.text(type.type));
    info.unit = to_str(profile.text(type.unit));
    info.source_unit = to_str(profile.text(type.source_unit));
    info.scale = type.scale;
    info.period = type.period;
    info.instant = type.kind == ValueKind::kInstant ? 1 : 0;
    write_info(out, info);
  });
}

profcore_status profcore_profile_find_sample_type(const profcore_profile *handle, const char *name,
                                                  size_t *index, profcore_error **err) {
  return guard(err, [&] {
    required(index, "index") = 0;
    *index = resolve_type(required(handle, "profile").profile, &required(name, "name"));
  });
}

const int64_t *profcore_profile_view_values(const profcore_profile *handle, size_t type,
                                            size_t *count) {
  if (handle == nullptr || type >= handle->profile.sample_types().size())
    return no_view<int64_t>(count);
  return view<int64_t>(handle->profile.values(type), count);
}

VIEW(stacks, uint32_t, profile.sample_stacks())
VIEW(label_sets, uint32_t, profile.sample_label_sets())
VIEW(timestamps, int64_t, profile.timestamps())
VIEW(stack_nodes, profcore_stack_node, profile.stacks.nodes())
VIEW(locations, profcore_location, profile.locations())
VIEW(lines, profcore_line, profile.lines())
VIEW(functions, profcore_function, profile.functions())
VIEW(modules, profcore_module, profile.modules())
VIEW(strings, profcore_str, profile.strings.refs())
VIEW(labels, profcore_label, profile.labels())
VIEW(label_set_offsets, uint32_t, profile.label_set_offsets())

profcore_status profcore_profile_get_metadata(const profcore_profile *handle,
                                              profcore_metadata *out, profcore_error **err) {
  return guard(err, [&] {
    start_info(out);
    const Profile &profile = required(handle, "profile").profile;
    const Metadata &meta = profile.meta;
    const auto str = [&](StringId id) { return to_str(profile.text(id)); };
    profcore_metadata info{};
    info.time_ns = meta.time_ns;
    info.duration_ns = meta.duration_ns;
    info.period = meta.period;
    info.frequency_hz = meta.frequency_hz;
    info.lost_samples = meta.lost_samples;
    info.period_type = str(meta.period_type);
    info.period_unit = str(meta.period_unit);
    info.default_type = str(meta.default_type);
    info.drop_frames = str(meta.drop_frames);
    info.keep_frames = str(meta.keep_frames);
    info.doc_url = str(meta.doc_url);
    info.host = str(meta.host);
    info.command = str(meta.command);
    info.source_format = str(meta.source_format);
    write_info(out, info);
  });
}

size_t profcore_profile_get_comment_count(const profcore_profile *profile) {
  return profile == nullptr ? 0 : profile->profile.meta.comments.size();
}
const char *profcore_profile_get_comment(const profcore_profile *handle, size_t index,
                                         size_t *size) {
  const bool there = handle != nullptr && index < handle->profile.meta.comments.size();
  const std::string_view text =
      there ? handle->profile.text(handle->profile.meta.comments[index]) : std::string_view{""};
  if (size != nullptr) *size = text.size();
  return text.data();
}

size_t profcore_profile_get_warning_count(const profcore_profile *profile) {
  return profile == nullptr ? 0 : profile->profile.warnings().size();
}
const char *profcore_profile_get_warning(const profcore_profile *handle, size_t index,
                                         uint64_t *offset, uint64_t *line) {
  const bool there = handle != nullptr && index < handle->profile.warnings().size();
  if (offset != nullptr) *offset = there ? handle->profile.warnings()[index].offset : kNoOffset;
  if (line != nullptr) *line = there ? handle->profile.warnings()[index].line : 0;
  return there ? handle->profile.warnings()[index].text.c_str() : "";
}

size_t profcore_profile_get_counter_count(const profcore_profile *profile) {
  return profile == nullptr ? 0 : profile->profile.counters().size();
}
const char *profcore_profile_get_counter(const profcore_profile *handle, size_t index,
                                         uint64_t *value) {
  const bool there = handle != nullptr && index < handle->profile.counters().size();
  if (value != nullptr) *value = there ? handle->profile.counters()[index].value : 0;
  return there ? handle->profile.counters()[index].name.c_str() : "";
}

size_t profcore_profile_get_bytes(const profcore_profile *profile) {
  return profile == nullptr ? 0 : profile->profile.bytes();
}

profcore_status profcore_profile_add_string(profcore_profile *handle, const char *text, size_t size,
                                            uint32_t *id, profcore_error **err) {
  return guard(err, [&] {
    required(id, "id") = 0;
    *id = intern(required(handle, "profile").profile, {text, size});
  });
}

profcore_status profcore_profile_add_function(profcore_profile *handle,
                                              const profcore_function *function, uint32_t *id,
                                              profcore_error **err) {
  return guard(err, [&] {
    required(id, "id") = 0;
    Profile &profile = required(handle, "profile").profile;
    const profcore_function &given = required(function, "function");
    check_string(profile, given.name);
    check_string(profile, given.system_name);
    check_string(profile, given.file);
    check_reserved(given.reserved);
    *id = profile.add_function({given.name, given.system_name, given.file, 0, given.start_line});
  });
}

profcore_status profcore_profile_add_module(profcore_profile *handle, const profcore_module *module,
                                            uint32_t *id, profcore_error **err) {
  return guard(err, [&] {
    required(id, "id") = 0;
    Profile &profile = required(handle, "profile").profile;
    const profcore_module &given = required(module, "module");
    check_string(profile, given.path);
    check_string(profile, given.build_id);
    check_reserved(given.reserved);
    if ((given.flags & ~kModuleFlags) != 0) invalid("unknown flags of a module");
    *id = profile.add_module(
        {given.path, given.build_id, given.start, given.end, given.offset, given.flags, 0});
  });
}

profcore_status profcore_profile_add_location(profcore_profile *handle,
                                              const profcore_location *location,
                                              const profcore_line *lines, size_t line_count,
                                              uint32_t *id, profcore_error **err) {
  return guard(err, [&] {
    required(id, "id") = 0;
    Profile &profile = required(handle, "profile").profile;
    const profcore_location &given = required(location, "location");
    if (line_count != 0) required(lines, "lines");
    check_id(given.module, profile.modules().size(), "module");
    if (given.kind > PROFCORE_FRAME_LABEL) invalid("unknown frame kind");
    if (given.reason > PROFCORE_UNNAMED_OVER_BUDGET) invalid("unknown reason");
    if ((given.flags & ~kLocationFlags) != 0) invalid("unknown flags of a location");
    check_reserved(given.reserved);
    const std::span<const Line> span{reinterpret_cast<const Line *>(lines), line_count};
    for (const Line &line : span) {
      check_id(line.function, profile.functions().size(), "function");
      check_string(profile, line.file);
    }
    Location added;
    added.address = given.address;
    added.module = given.module;
    added.kind = static_cast<FrameKind>(given.kind);
    added.flags = given.flags;
    added.reason = static_cast<UnnamedReason>(given.reason);
    *id = profile.add_location(added, span);
  });
}

profcore_status profcore_profile_add_stack(profcore_profile *handle, const uint32_t *locations,
                                           size_t count, uint32_t *id, profcore_error **err) {
  return guard(err, [&] {
    required(id, "id") = 0;
    Profile &profile = required(handle, "profile").profile;
    if (count != 0) required(locations, "locations");
    const std::span<const uint32_t> span{locations, count};
    for (const uint32_t location : span) {
      if (location == 0) invalid("location 0 cannot be part of a stack");
      check_id(location, profile.locations().size(), "location");
    }
    *id = profile.stacks.add_root_first(span);
  });
}

profcore_status profcore_profile_add_label_set(profcore_profile *handle,
                                               const profcore_label *labels, size_t count,
                                               uint32_t *id, profcore_error **err) {
  return guard(err, [&] {
    required(id, "id") = 0;
    Profile &profile = required(handle, "profile").profile;
    if (count != 0) required(labels, "labels");
    const std::span<const Label> span{reinterpret_cast<const Label *>(labels), count};
    for (const Label &label : span) {
      check_string(profile, label.key);
      check_string(profile, label.text);
      check_string(profile, label.unit);
      if (label.is_number > 1) invalid("is_number of a label must be 0 or 1");
    }
    *id = profile.add_label_set(span);
  });
}

profcore_status profcore_profile_add_sample_type(profcore_profile *handle, const char *type,
                                                 const char *source_unit, size_t *index,
                                                 profcore_error **err) {
  return guard(err, [&] {
    required(index, "index") = 0;
    *index = required(handle, "profile")
                 .profile.add_sample_type(&required(type, "type"), text_or_empty(source_unit));
  });
}

profcore_status profcore_profile_add_sample(profcore_profile *handle, uint32_t stack,
                                            uint32_t label_set, const int64_t *values,
                                            size_t value_count, int64_t timestamp_ns,
                                            profcore_error **err) {
  return guard(err, [&] {
    Profile &profile = required(handle, "profile").profile;
    check_id(stack, profile.stacks.size(), "stack");
    check_id(label_set, profile.label_set_count(), "label set");
    if (value_count != 0) required(values, "values");
    const std::span<const int64_t> span{values, value_count};
    if (timestamp_ns == 0)
      profile.add_sample(stack, label_set, span);
    else
      profile.add_sample(stack, label_set, span, timestamp_ns);
  });
}

profcore_status profcore_profile_set_metadata(profcore_profile *handle,
                                              const profcore_metadata *metadata,
                                              profcore_error **err) {
  return guard(err, [&] {
    Profile &profile = required(handle, "profile").profile;
    const profcore_metadata given = read_options(&required(metadata, "metadata"));
    if (!std::isfinite(given.frequency_hz) || given.frequency_hz < 0)
      invalid("frequency_hz must be finite and not negative");
    Metadata meta;
    meta.comments = profile.meta.comments;
    meta.time_ns = given.time_ns;
    meta.duration_ns = given.duration_ns;
    meta.period = given.period;
    meta.frequency_hz = given.frequency_hz;
    meta.lost_samples = given.lost_samples;
    meta.period_type = intern(profile, given.period_type);
    meta.period_unit = intern(profile, given.period_unit);
    meta.default_type = intern(profile, given.default_type);
    meta.drop_frames = intern(profile, given.drop_frames);
    meta.keep_frames = intern(profile, given.keep_frames);
    meta.doc_url = intern(profile, given.doc_url);
    meta.host = intern(profile, given.host);
    meta.command = intern(profile, given.command);
    meta.source_format = intern(profile, given.source_format);
    profile.meta = std::move(meta);
  });
}

profcore_status profcore_profile_add_comment(profcore_profile *handle, const char *text,
                                             size_t size, profcore_error **err) {
  return guard(err, [&] {
    Profile &profile = required(handle, "profile").profile;
    profile.meta.comments.push_back(intern(profile, {text, size}));
  });
}

profcore_status profcore_profile_merge(const profcore_profile *const *profiles, size_t count,
                                       const profcore_merge_options *options,
                                       profcore_profile **out, profcore_error **err) {
  return guard(err, [&] {
    required(out, "out") = nullptr;
    if (count != 0) required(profiles, "profiles");
    const profcore_merge_options given = read_options(options);
    const ContextAdapter context{given.context};
    std::vector<const Profile *> inputs;
    inputs.reserve(count);
    for (size_t i = 0; i < count; ++i)
      inputs.push_back(&required(profiles[i], "a profile").profile);
    *out = finish(merge(inputs, context.get()), inputs, context.get());
  });
}

profcore_status profcore_profile_filter(const profcore_profile *handle,
                                        const profcore_filter_options *options,
                                        profcore_profile **out, profcore_error **err) {
  return guard(err, [&] {
    required(out, "out") = nullptr;
    const Profile &profile = required(handle, "profile").profile;
    const profcore_filter_options given = read_options(options);
    FilterOptions filters;
    filters.focus = text_or_empty(given.focus);
    filters.ignore = text_or_empty(given.ignore);
    filters.hide = text_or_empty(given.hide);
    filters.show = text_or_empty(given.show);
    filters.show_from = text_or_empty(given.show_from);
    filters.tag_focus = text_or_empty(given.tag_focus);
    filters.tag_ignore = text_or_empty(given.tag_ignore);
    filters.drop_frames = flag(given.drop_frames, "drop_frames");
    const ContextAdapter context{given.context};
    filters.context = context.get();
    if (given.time_from_ns != 0) filters.time_from_ns = given.time_from_ns;
    if (given.time_to_ns != 0) filters.time_to_ns = given.time_to_ns;
    const Profile *const input = &profile;
    *out = finish(filter(profile, filters), {&input, 1}, context.get());
  });
}

profcore_status profcore_profile_host_view(const profcore_profile *handle,
                                           const profcore_view_options *options,
                                           profcore_profile **out, profcore_error **err) {
  return guard(err, [&] { make_view(handle, options, out, host_view); });
}

profcore_status profcore_profile_deepflow_view(const profcore_profile *handle,
                                               const profcore_view_options *options,
                                               profcore_profile **out, profcore_error **err) {
  return guard(err, [&] { make_view(handle, options, out, deepflow_view); });
}

profcore_status profcore_profile_scale(profcore_profile *handle, double factor,
                                       profcore_error **err) {
  return guard(err, [&] {
    if (!std::isfinite(factor)) invalid("the factor is not finite");
    scale(required(handle, "profile").profile, factor);
  });
}

} // extern "C"
