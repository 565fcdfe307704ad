// profcore/profcore.hpp: header-only C++ over the C ABI. Handles free themselves, failures throw
// profcore::Exception. Everything is inline over exported C functions, so the C++ compiler and
// standard library of the host do not matter to the library.
#ifndef PROFCORE_PROFCORE_HPP
#define PROFCORE_PROFCORE_HPP

#include <profcore/profcore.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace profcore {
// Apart from the classes inside the library: both may meet in one statically linked program.
inline namespace wrapper {

/// A failed call: what() is the message with the context in front; the parts on their own.
class Exception : public std::runtime_error {
public:
  /// Copies what `err` says; it may be NULL.
  Exception(profcore_status status, const profcore_error *err)
      : std::runtime_error{text(status, err)}, status_{status},
        offset_{profcore_error_get_offset(err)}, context_{std::make_shared<const std::string>(
                                                     profcore_error_get_context(err))} {}
  profcore_status status() const noexcept { return status_; }
  uint64_t offset() const noexcept { return offset_; } ///< PROFCORE_NO_OFFSET = not known
  /// What was being worked on (a path), or "".
  const std::string &context() const noexcept { return *context_; }

private:
  static std::string text(profcore_status status, const profcore_error *err) {
    const std::string message = profcore_error_get_message(err);
    if (message.empty()) return profcore_status_get_name(status);
    const std::string context = profcore_error_get_context(err);
    return context.empty() ? message : context + ": " + message;
  }

  profcore_status status_;
  uint64_t offset_;
  std::shared_ptr<const std::string> context_; // copying an exception must not throw
};

namespace detail {

template <auto Free> struct Deleter {
  template <class T> void operator()(T *handle) const noexcept { Free(handle); }
};

/// check([&](profcore_error **err) { return profcore_...(..., err); })
template <class Call> void check(Call &&call) {
  profcore_error *err = nullptr;
  const profcore_status status = call(&err);
  const std::unique_ptr<profcore_error, Deleter<profcore_error_free>> owned{err};
  if (status != PROFCORE_OK) throw Exception{status, err};
}

template <class T, class View, class Handle>
std::span<const T> view(View function, Handle *handle) {
  size_t count = 0;
  const T *data = function(handle, &count);
  return {data, count};
}

} // namespace detail

inline std::string_view to_view(profcore_str text) {
  return {text.data, text.size};
}

/// Zeroed options with their size set: `auto options = profcore::init<profcore_flame_options>();`
template <class Options> Options init() {
  Options options{};
  options.size = sizeof(Options);
  return options;
}

/// What some bytes look like; `saw` of the result is a line for people.
inline profcore_sniff_result sniff(std::span<const std::byte> bytes) {
  auto result = init<profcore_sniff_result>();
  detail::check(
      [&](auto err) { return profcore_sniff_bytes(bytes.data(), bytes.size(), &result, err); });
  return result;
}

/// Bytes that an output wrote.
class Buffer {
public:
  explicit Buffer(profcore_buffer *handle) : handle_{handle} {}
  std::string_view view() const {
    return {profcore_buffer_get_data(handle_.get()), profcore_buffer_get_size(handle_.get())};
  }
  void save(const std::string &path) const {
    detail::check([&](auto err) { return profcore_buffer_save(get(), path.c_str(), err); });
  }

  profcore_buffer *get() const noexcept { return handle_.get(); }

private:
  std::unique_ptr<profcore_buffer, detail::Deleter<profcore_buffer_free>> handle_;
};

class Flame;
class Metrics;

/// A finding of a decoder: what was odd, and where (PROFCORE_NO_OFFSET and line 0 = not known).
struct Warning {
  std::string_view text;
  uint64_t offset;
  uint64_t line;
};

/// How often something was lost, skipped or repaired.
struct Counter {
  std::string_view name;
  uint64_t value;
};

/// A profile. Views are borrowed: valid until it changes or goes.
class Profile {
public:
  Profile() {
    profcore_profile *handle = nullptr;
    detail::check([&](auto err) { return profcore_profile_new(&handle, err); });
    handle_.reset(handle);
  }
  explicit Profile(profcore_profile *handle) : handle_{handle} {}

  static Profile from_file(const std::string &path,
                           const profcore_decode_options *options = nullptr) {
    return make(
        [&](auto out, auto err) { return profcore_decode_file(path.c_str(), options, out, err); });
  }
  static Profile from_bytes(std::span<const std::byte> bytes,
                            const profcore_decode_options *options = nullptr) {
    return make([&](auto out, auto err) {
      return profcore_decode_bytes(bytes.data(), bytes.size(), options, out, err);
    });
  }
  static Profile from_fd(int fd, const profcore_decode_options *options = nullptr) {
    return make([&](auto out, auto err) { return profcore_decode_fd(fd, options, out, err); });
  }
  static Profile merge(std::span<const Profile> profiles,
                       const profcore_merge_options *options = nullptr) {
    std::vector<const profcore_profile *> handles;
    for (const Profile &profile : profiles) handles.push_back(profile.get());
    return make([&](auto out, auto err) {
      return profcore_profile_merge(handles.data(), handles.size(), options, out, err);
    });
  }
  Profile filter(const profcore_filter_options &options) const {
    return make(
        [&](auto out, auto err) { return profcore_profile_filter(get(), &options, out, err); });
  }
  /// Every stack as its process and thread.
  Profile host_view(const profcore_view_options *options = nullptr) const {
    return make(
        [&](auto out, auto err) { return profcore_profile_host_view(get(), options, out, err); });
  }
  /// DeepFlow's forms of frames and values.
  Profile deepflow_view(const profcore_view_options *options = nullptr) const {
    return make([&](auto out, auto err) {
      return profcore_profile_deepflow_view(get(), options, out, err);
    });
  }
  void scale(double factor) {
    detail::check([&](auto err) { return profcore_profile_scale(get(), factor, err); });
  }

  size_t sample_count() const { return profcore_profile_get_sample_count(get()); }
  size_t sample_type_count() const { return profcore_profile_get_sample_type_count(get()); }
  size_t default_type() const { return profcore_profile_get_default_type(get()); }
  profcore_sample_type sample_type(size_t index) const {
    auto type = init<profcore_sample_type>();
    detail::check(
        [&](auto err) { return profcore_profile_get_sample_type(get(), index, &type, err); });
    return type;
  }
  /// Column by "type" or "type/unit".
  size_t find_sample_type(const std::string &name) const {
    size_t index = 0;
    detail::check([&](auto err) {
      return profcore_profile_find_sample_type(get(), name.c_str(), &index, err);
    });
    return index;
  }
  profcore_metadata metadata() const {
    auto metadata = init<profcore_metadata>();
    detail::check([&](auto err) { return profcore_profile_get_metadata(get(), &metadata, err); });
    return metadata;
  }
  std::span<const int64_t> values(size_t type) const {
    size_t count = 0;
    const int64_t *data = profcore_profile_view_values(get(), type, &count);
    return {data, count};
  }
  std::span<const uint32_t> stacks() const {
    return detail::view<uint32_t>(profcore_profile_view_stacks, get());
  }
  std::span<const uint32_t> label_sets() const {
    return detail::view<uint32_t>(profcore_profile_view_label_sets, get());
  }
  std::span<const int64_t> timestamps() const {
    return detail::view<int64_t>(profcore_profile_view_timestamps, get());
  }
  std::span<const profcore_stack_node> stack_nodes() const {
    return detail::view<profcore_stack_node>(profcore_profile_view_stack_nodes, get());
  }
  std::span<const profcore_location> locations() const {
    return detail::view<profcore_location>(profcore_profile_view_locations, get());
  }
  std::span<const profcore_line> lines() const {
    return detail::view<profcore_line>(profcore_profile_view_lines, get());
  }
  std::span<const profcore_function> functions() const {
    return detail::view<profcore_function>(profcore_profile_view_functions, get());
  }
  std::span<const profcore_module> modules() const {
    return detail::view<profcore_module>(profcore_profile_view_modules, get());
  }
  std::span<const profcore_str> strings() const {
    return detail::view<profcore_str>(profcore_profile_view_strings, get());
  }
  /// "" for an id that is not there.
  std::string_view text(uint32_t id) const {
    const auto all = strings();
    return id < all.size() ? to_view(all[id]) : std::string_view{};
  }
  /// The labels of one label set; none for an id that is not there.
  std::span<const profcore_label> labels(uint32_t label_set) const {
    const auto offsets = detail::view<uint32_t>(profcore_profile_view_label_set_offsets, get());
    if (size_t{label_set} + 1 >= offsets.size()) return {};
    return detail::view<profcore_label>(profcore_profile_view_labels, get())
        .subspan(offsets[label_set], offsets[label_set + 1] - offsets[label_set]);
  }
  std::vector<std::string_view> comments() const {
    std::vector<std::string_view> all(profcore_profile_get_comment_count(get()));
    for (size_t i = 0; i < all.size(); ++i) {
      size_t size = 0;
      const char *text = profcore_profile_get_comment(get(), i, &size);
      all[i] = {text, size};
    }
    return all;
  }
  std::vector<Warning> warnings() const {
    std::vector<Warning> all(profcore_profile_get_warning_count(get()));
    for (size_t i = 0; i < all.size(); ++i)
      all[i].text = profcore_profile_get_warning(get(), i, &all[i].offset, &all[i].line);
    return all;
  }
  std::vector<Counter> counters() const {
    std::vector<Counter> all(profcore_profile_get_counter_count(get()));
    for (size_t i = 0; i < all.size(); ++i)
      all[i].name = profcore_profile_get_counter(get(), i, &all[i].value);
    return all;
  }
  /// Memory held.
  size_t bytes() const { return profcore_profile_get_bytes(get()); }

  // Building. Equal content gets the same id.
  uint32_t add_string(std::string_view text) {
    return add([&](auto id, auto err) {
      return profcore_profile_add_string(get(), text.data(), text.size(), id, err);
    });
  }
  uint32_t add_function(const profcore_function &function) {
    return add([&](auto id, auto err) {
      return profcore_profile_add_function(get(), &function, id, err);
    });
  }
  uint32_t add_module(const profcore_module &module) {
    return add(
        [&](auto id, auto err) { return profcore_profile_add_module(get(), &module, id, err); });
  }
  /// `lines` innermost first.
  uint32_t add_location(const profcore_location &location, std::span<const profcore_line> lines) {
    return add([&](auto id, auto err) {
      return profcore_profile_add_location(get(), &location, lines.data(), lines.size(), id, err);
    });
  }
  /// `locations` root first.
  uint32_t add_stack(std::span<const uint32_t> locations) {
    return add([&](auto id, auto err) {
      return profcore_profile_add_stack(get(), locations.data(), locations.size(), id, err);
    });
  }
  uint32_t add_label_set(std::span<const profcore_label> labels) {
    return add([&](auto id, auto err) {
      return profcore_profile_add_label_set(get(), labels.data(), labels.size(), id, err);
    });
  }
  size_t add_sample_type(const std::string &type, const std::string &source_unit) {
    size_t index = 0;
    detail::check([&](auto err) {
      return profcore_profile_add_sample_type(get(), type.c_str(), source_unit.c_str(), &index,
                                              err);
    });
    return index;
  }
  /// One value per column, canonical units; timestamp 0 = none.
  void add_sample(uint32_t stack, uint32_t label_set, std::span<const int64_t> values,
                  int64_t timestamp_ns = 0) {
    detail::check([&](auto err) {
      return profcore_profile_add_sample(get(), stack, label_set, values.data(), values.size(),
                                         timestamp_ns, err);
    });
  }
  void set_metadata(const profcore_metadata &metadata) {
    detail::check([&](auto err) { return profcore_profile_set_metadata(get(), &metadata, err); });
  }
  void add_comment(std::string_view text) {
    detail::check([&](auto err) {
      return profcore_profile_add_comment(get(), text.data(), text.size(), err);
    });
  }

  inline Flame flame(const profcore_flame_options *options = nullptr) const;
  inline Metrics metrics(const profcore_metrics_options *options = nullptr) const;
  Buffer write(profcore_output_format format,
               const profcore_output_options *options = nullptr) const {
    profcore_buffer *out = nullptr;
    detail::check(
        [&](auto err) { return profcore_output_profile(get(), format, options, &out, err); });
    return Buffer{out};
  }

  profcore_profile *get() const noexcept { return handle_.get(); }

private:
  template <class Call> static uint32_t add(Call &&call) {
    uint32_t id = 0;
    detail::check([&](auto err) { return call(&id, err); });
    return id;
  }
  template <class Call> static Profile make(Call &&call) {
    profcore_profile *out = nullptr;
    detail::check([&](auto err) { return call(&out, err); });
    return Profile{out};
  }

  std::unique_ptr<profcore_profile, detail::Deleter<profcore_profile_free>> handle_;
};

/// Figures of a whole profile.
class Metrics {
public:
  explicit Metrics(profcore_metrics *handle) : handle_{handle} {}
  size_t size() const { return profcore_metrics_get_count(get()); }
  /// Its strings are borrowed.
  profcore_metric operator[](size_t index) const {
    auto metric = init<profcore_metric>();
    detail::check(
        [&](auto err) { return profcore_metrics_get_metric(get(), index, &metric, err); });
    return metric;
  }
  size_t find(const std::string &name) const {
    size_t index = 0;
    detail::check(
        [&](auto err) { return profcore_metrics_find(get(), name.c_str(), &index, err); });
    return index;
  }
  profcore_metrics_language language() const { return profcore_metrics_get_language(get()); }
  /// Start and end, nanoseconds since 1970; both 0 when not known.
  std::pair<int64_t, int64_t> range() const {
    std::pair<int64_t, int64_t> range;
    profcore_metrics_get_range(get(), &range.first, &range.second);
    return range;
  }
  Buffer write(profcore_metrics_format format) const {
    profcore_buffer *out = nullptr;
    detail::check([&](auto err) { return profcore_metrics_write(get(), format, &out, err); });
    return Buffer{out};
  }

  profcore_metrics *get() const noexcept { return handle_.get(); }

private:
  std::unique_ptr<profcore_metrics, detail::Deleter<profcore_metrics_free>> handle_;
};

inline Metrics Profile::metrics(const profcore_metrics_options *options) const {
  profcore_metrics *out = nullptr;
  detail::check([&](auto err) { return profcore_metrics_compute(get(), options, &out, err); });
  return Metrics{out};
}

/// Rows of a top table; `frame` indexes the tree's frames.
class Top {
public:
  explicit Top(profcore_top *handle) : handle_{handle} {}
  std::span<const profcore_top_row> rows() const {
    return detail::view<profcore_top_row>(profcore_top_view_rows, get());
  }

  profcore_top *get() const noexcept { return handle_.get(); }

private:
  std::unique_ptr<profcore_top, detail::Deleter<profcore_top_free>> handle_;
};

/// Callers and callees of the functions that matched; `frame` indexes the tree's frames.
class Peek {
public:
  struct Function {
    uint32_t frame;
    int64_t self;
    int64_t total;
  };

  explicit Peek(profcore_peek *handle) : handle_{handle} {}
  size_t size() const { return profcore_peek_get_count(get()); }
  Function function(size_t index) const {
    Function function{};
    detail::check([&](auto err) {
      return profcore_peek_get_function(get(), index, &function.frame, &function.self,
                                        &function.total, err);
    });
    return function;
  }
  std::span<const profcore_peek_row> callers(size_t index) const {
    size_t count = 0;
    const profcore_peek_row *rows = profcore_peek_view_callers(get(), index, &count);
    return {rows, count};
  }
  std::span<const profcore_peek_row> callees(size_t index) const {
    size_t count = 0;
    const profcore_peek_row *rows = profcore_peek_view_callees(get(), index, &count);
    return {rows, count};
  }

  profcore_peek *get() const noexcept { return handle_.get(); }

private:
  std::unique_ptr<profcore_peek, detail::Deleter<profcore_peek_free>> handle_;
};

/// A flame tree.
class Flame {
public:
  explicit Flame(profcore_flame *handle) : handle_{handle} {}

  static Flame diff(const Flame &baseline, const Flame &tree,
                    const profcore_flame_diff_options *options = nullptr) {
    profcore_flame *out = nullptr;
    detail::check([&](auto err) {
      return profcore_flame_diff(baseline.get(), tree.get(), options, &out, err);
    });
    return Flame{out};
  }
  profcore_flame_info info() const {
    auto info = init<profcore_flame_info>();
    detail::check([&](auto err) { return profcore_flame_get_info(get(), &info, err); });
    return info;
  }
  size_t size() const { return profcore_flame_get_node_count(get()); }
  std::span<const uint32_t> node_frames() const {
    return detail::view<uint32_t>(profcore_flame_view_node_frames, get());
  }
  std::span<const uint32_t> parents() const {
    return detail::view<uint32_t>(profcore_flame_view_parents, get());
  }
  std::span<const uint32_t> depths() const {
    return detail::view<uint32_t>(profcore_flame_view_depths, get());
  }
  std::span<const uint32_t> subtree_ends() const {
    return detail::view<uint32_t>(profcore_flame_view_subtree_ends, get());
  }
  std::span<const int64_t> self() const {
    return detail::view<int64_t>(profcore_flame_view_self, get());
  }
  std::span<const int64_t> total() const {
    return detail::view<int64_t>(profcore_flame_view_total, get());
  }
  std::span<const int64_t> base_self() const {
    return detail::view<int64_t>(profcore_flame_view_base_self, get());
  }
  std::span<const int64_t> base_total() const {
    return detail::view<int64_t>(profcore_flame_view_base_total, get());
  }
  std::span<const profcore_flame_frame> frames() const {
    return detail::view<profcore_flame_frame>(profcore_flame_view_frames, get());
  }
  std::span<const profcore_str> strings() const {
    return detail::view<profcore_str>(profcore_flame_view_strings, get());
  }
  /// "" for an id that is not there.
  std::string_view text(uint32_t id) const {
    const auto all = strings();
    return id < all.size() ? to_view(all[id]) : std::string_view{};
  }
  std::string_view frame_name(uint32_t frame) const {
    const auto all = frames();
    return frame < all.size() ? text(all[frame].name) : std::string_view{};
  }

  Top top(profcore_top_order order = PROFCORE_TOP_SELF, size_t limit = 0) const {
    profcore_top *out = nullptr;
    detail::check([&](auto err) { return profcore_flame_top(get(), order, limit, &out, err); });
    return Top{out};
  }
  /// `function` is a regex, or with `exact` the whole name.
  Peek peek(const std::string &function, bool exact = false) const {
    profcore_peek *out = nullptr;
    detail::check([&](auto err) {
      return profcore_flame_peek(get(), function.c_str(), exact ? 1 : 0, &out, err);
    });
    return Peek{out};
  }
  Buffer write(profcore_output_format format,
               const profcore_output_options *options = nullptr) const {
    profcore_buffer *out = nullptr;
    detail::check(
        [&](auto err) { return profcore_output_flame(get(), format, options, &out, err); });
    return Buffer{out};
  }

  profcore_flame *get() const noexcept { return handle_.get(); }

private:
  std::unique_ptr<profcore_flame, detail::Deleter<profcore_flame_free>> handle_;
};

inline Flame Profile::flame(const profcore_flame_options *options) const {
  profcore_flame *out = nullptr;
  detail::check([&](auto err) { return profcore_flame_build(get(), options, &out, err); });
  return Flame{out};
}

/// A running sampler.
class Sampler {
public:
  explicit Sampler(const profcore_sampler_options *options = nullptr) {
    profcore_sampler *handle = nullptr;
    detail::check([&](auto err) { return profcore_sampler_start(options, &handle, err); });
    handle_.reset(handle);
  }

  int fd() const { return profcore_sampler_get_fd(get()); }
  std::string_view event() const { return profcore_sampler_get_event(get()); }
  profcore_sampler_backend backend() const { return profcore_sampler_get_backend(get()); }
  std::string_view backend_reason() const { return profcore_sampler_get_backend_reason(get()); }
  void process() {
    detail::check([&](auto err) { return profcore_sampler_process(get(), err); });
  }
  Profile drain() {
    profcore_profile *profile = nullptr;
    detail::check([&](auto err) { return profcore_sampler_drain(get(), &profile, err); });
    return Profile{profile};
  }
  void refresh_java(uint32_t timeout_ms) {
    detail::check([&](auto err) { return profcore_sampler_refresh_java(get(), timeout_ms, err); });
  }
  std::string_view java_reason() const { return profcore_sampler_get_java_reason(get()); }
  void stop() {
    detail::check([&](auto err) { return profcore_sampler_stop(get(), err); });
  }
  profcore_sampler_stats stats() const {
    auto stats = init<profcore_sampler_stats>();
    detail::check([&](auto err) { return profcore_sampler_get_stats(get(), &stats, err); });
    return stats;
  }
  /// What sampling needs of this machine and user.
  static std::vector<profcore_sampler_need> needs() {
    size_t count = 0;
    detail::check([&](auto err) { return profcore_sampler_check(nullptr, &count, err); });
    std::vector<profcore_sampler_need> all(count, init<profcore_sampler_need>());
    detail::check([&](auto err) { return profcore_sampler_check(all.data(), &count, err); });
    return all;
  }

  profcore_sampler *get() const noexcept { return handle_.get(); }

private:
  std::unique_ptr<profcore_sampler, detail::Deleter<profcore_sampler_free>> handle_;
};

/// Names of some addresses, in the order in which they were given.
class Symbols {
public:
  explicit Symbols(profcore_symbols *handle = nullptr) : handle_{handle} {
    view_ = init<profcore_symbols_view>();
    if (handle != nullptr)
      detail::check([&](auto err) { return profcore_symbols_get_view(handle, &view_, err); });
  }

  size_t size() const { return view_.count; }
  const profcore_symbols_view &view() const { return view_; }
  /// Of address i, innermost first; none when it has no name.
  std::span<const profcore_symbols_line> lines(size_t i) const {
    return {view_.lines + view_.first_line[i], view_.line_count[i]};
  }
  /// The outermost function's, or "".
  std::string_view name(size_t i) const {
    const auto all = lines(i);
    return all.empty() ? std::string_view{} : to_view(all.back().name);
  }
  profcore_unnamed_reason reason(size_t i) const { return view_.reason[i]; }
  std::string_view module(size_t i) const { return to_view(view_.modules[view_.module[i]]); }

  profcore_symbols *get() const noexcept { return handle_.get(); }

private:
  std::unique_ptr<profcore_symbols, detail::Deleter<profcore_symbols_free>> handle_;
  profcore_symbols_view view_{};
};

/// Names addresses; one for a whole program, used by any number of threads.
class Symbolizer {
public:
  explicit Symbolizer(const profcore_symbolizer_options *options = nullptr) {
    profcore_symbolizer *handle = nullptr;
    detail::check([&](auto err) { return profcore_symbolizer_new(options, &handle, err); });
    handle_.reset(handle);
  }

  /// Names what has no name yet, in place.
  void name(Profile &profile, const profcore_symbolizer_profile_options *options = nullptr) {
    detail::check([&](auto err) {
      return profcore_symbolizer_name_profile(get(), profile.get(), options, err);
    });
  }
  /// `is_return`: empty, or 1 for addresses that a call returns to.
  Symbols look_up(const profcore_address_source &source, std::span<const uint64_t> addresses,
                  std::span<const uint8_t> is_return = {}) {
    if (!is_return.empty() && is_return.size() != addresses.size())
      throw Exception{PROFCORE_ERR_INVALID_ARGUMENT, nullptr};
    profcore_symbols *out = nullptr;
    detail::check([&](auto err) {
      return profcore_symbolizer_look_up(get(), &source, addresses.data(),
                                         is_return.empty() ? nullptr : is_return.data(),
                                         addresses.size(), &out, err);
    });
    return Symbols{out};
  }
  profcore_symbolizer_stats stats() const {
    auto stats = init<profcore_symbolizer_stats>();
    detail::check([&](auto err) { return profcore_symbolizer_get_stats(get(), &stats, err); });
    return stats;
  }
  void clear() {
    detail::check([&](auto err) { return profcore_symbolizer_clear(get(), err); });
  }

  profcore_symbolizer *get() const noexcept { return handle_.get(); }

private:
  std::unique_ptr<profcore_symbolizer, detail::Deleter<profcore_symbolizer_free>> handle_;
};

/// The events of a JFR recording, front to back. Values, texts and frames are borrowed until the
/// next event, types until the next chunk.
class Events {
public:
  explicit Events(profcore_events *handle) : handle_{handle} {}

  static Events from_file(const std::string &path,
                          const profcore_events_options *options = nullptr) {
    return make([&](auto out, auto err) {
      return profcore_events_open_file(path.c_str(), options, out, err);
    });
  }
  /// `bytes` need to stay as they are as long as the events.
  static Events from_bytes(std::span<const std::byte> bytes,
                           const profcore_events_options *options = nullptr) {
    return make([&](auto out, auto err) {
      return profcore_events_open_bytes(bytes.data(), bytes.size(), options, out, err);
    });
  }
  static Events from_fd(int fd, const profcore_events_options *options = nullptr) {
    return make([&](auto out, auto err) { return profcore_events_open_fd(fd, options, out, err); });
  }

  /// nullptr at the end.
  const profcore_event *next() {
    const profcore_event *event = nullptr;
    detail::check([&](auto err) { return profcore_events_next(get(), &event, err); });
    return event;
  }
  const profcore_events_chunk *next_chunk() {
    const profcore_events_chunk *chunk = nullptr;
    detail::check([&](auto err) { return profcore_events_next_chunk(get(), &chunk, err); });
    return chunk;
  }
  const profcore_events_chunk *chunk() const { return profcore_events_get_chunk(get()); }
  std::span<const profcore_event_type> types() const {
    return detail::view<profcore_event_type>(profcore_events_view_types, get());
  }

  /// Kind NONE when there is none; of the event when `parent` is nullptr.
  profcore_value child(const profcore_value *parent, size_t index) {
    profcore_value value{};
    detail::check(
        [&](auto err) { return profcore_events_get_child(get(), parent, index, &value, err); });
    return value;
  }
  profcore_value child(const profcore_value *parent, const std::string &name) {
    profcore_value value{};
    detail::check([&](auto err) {
      return profcore_events_find_child(get(), parent, name.c_str(), &value, err);
    });
    return value;
  }
  /// `for (profcore_value child{}; events.next_child(parent, child);)`
  bool next_child(const profcore_value *parent, profcore_value &child) {
    detail::check([&](auto err) { return profcore_events_next_child(get(), parent, &child, err); });
    return child.kind != PROFCORE_VALUE_NONE;
  }

  profcore_event_thread thread() {
    auto thread = init<profcore_event_thread>();
    detail::check([&](auto err) { return profcore_events_get_thread(get(), &thread, err); });
    return thread;
  }
  struct Stack {
    std::span<const profcore_event_frame> frames; ///< innermost first
    uint64_t depth;                               ///< of the whole stack
    bool is_truncated;                            ///< by the recorder
  };
  /// At most `most` frames, 0 = all; of the event's stack trace when `trace` is nullptr.
  Stack stack(size_t most = 0, const profcore_value *trace = nullptr) {
    const profcore_event_frame *frames = nullptr;
    size_t count = 0;
    uint64_t depth = 0;
    int32_t is_truncated = 0;
    detail::check([&](auto err) {
      return profcore_events_view_frames(get(), trace, most, &frames, &count, &depth, &is_truncated,
                                         err);
    });
    return {{frames, count}, depth, is_truncated != 0};
  }

  std::vector<Warning> warnings() const {
    std::vector<Warning> all(profcore_events_get_warning_count(get()));
    for (size_t i = 0; i < all.size(); ++i)
      all[i].text = profcore_events_get_warning(get(), i, &all[i].offset);
    return all;
  }
  std::vector<Counter> counters() const {
    std::vector<Counter> all(profcore_events_get_counter_count(get()));
    for (size_t i = 0; i < all.size(); ++i)
      all[i].name = profcore_events_get_counter(get(), i, &all[i].value);
    return all;
  }

  profcore_events *get() const noexcept { return handle_.get(); }

private:
  template <class Call> static Events make(Call &&call) {
    profcore_events *out = nullptr;
    detail::check([&](auto err) { return call(&out, err); });
    return Events{out};
  }

  std::unique_ptr<profcore_events, detail::Deleter<profcore_events_free>> handle_;
};

} // namespace wrapper
} // namespace profcore

#endif
