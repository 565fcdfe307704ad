#pragma once

#include "base/error.hpp"
#include "capi/handles.hpp"

#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace profcore::capi {

/// Makes the error object; falls back to the static out-of-memory one. Returns the status.
profcore_status report(profcore_error **err, Status status, std::string_view message,
                       std::string_view context, uint64_t offset) noexcept;

/// Turns whatever is being handled into a status and an error object. The only catch of lib/.
profcore_status report_current_exception(profcore_error **err) noexcept;

/// Runs the body of an exported function.
template <class Body> profcore_status guard(profcore_error **err, Body &&body) noexcept {
  if (err != nullptr) *err = nullptr;
  try {
    body();
    return PROFCORE_OK;
  } catch (...) {
    return report_current_exception(err);
  }
}

[[noreturn]] inline void invalid(std::string message) {
  throw Error{Status::kInvalidArgument, std::move(message)};
}

template <class T> const T &required(const T *argument, const char *name) {
  if (argument == nullptr) invalid(std::string{name} + " is NULL");
  return *argument;
}
template <class T> T &required(T *argument, const char *name) {
  if (argument == nullptr) invalid(std::string{name} + " is NULL");
  return *argument;
}

/// NULL is empty.
inline std::string_view text_or_empty(const char *text) {
  return text == nullptr ? std::string_view{} : std::string_view{text};
}

/// Sizes past this are no size at all, and a size that cuts a member in two is none either.
constexpr size_t kLargestStruct = size_t{1} << 16;
inline bool is_struct_size(size_t size) {
  return size >= sizeof size && size <= kLargestStruct && size % alignof(uint64_t) == 0;
}

/// The caller's struct as this library knows it: a shorter one (an older caller) is filled up with
/// zeros, the unknown tail of a longer one (a newer caller) and `reserved` must be zero.
template <class Options> Options read_options(const Options *options) {
  Options known{};
  known.size = sizeof known;
  if (options == nullptr) return known;
  const size_t size = options->size;
  if (!is_struct_size(size)) invalid("the size of an options struct is not set");
  if (size > sizeof known) {
    const auto *bytes = reinterpret_cast<const unsigned char *>(options);
    for (size_t i = sizeof known; i < size; ++i)
      if (bytes[i] != 0) invalid("an options struct has fields that this version does not know");
  }
  std::memcpy(static_cast<void *>(&known), options, size < sizeof known ? size : sizeof known);
  known.size = sizeof known;
  for (const auto word : known.reserved)
    if (word != 0) invalid("reserved fields of an options struct must be zero");
  if constexpr (requires { known.reserved0; })
    if (known.reserved0 != 0) invalid("reserved fields of an options struct must be zero");
  return known;
}

/// Checks a struct to fill, and zeroes all of it but its size: what a failure leaves.
template <class Info> Info *start_info(Info *out) {
  const size_t size = required(out, "out").size;
  if (!is_struct_size(size)) invalid("out->size is not set");
  std::memset(reinterpret_cast<char *>(out) + sizeof size, 0, size - sizeof size);
  return out;
}

/// Copies a filled struct to a caller who may know less or more of it, after start_info.
template <class Info> void write_info(Info *out, const Info &info) {
  const size_t known = out->size < sizeof info ? out->size : sizeof info;
  std::memcpy(reinterpret_cast<char *>(out) + sizeof out->size,
              reinterpret_cast<const char *>(&info) + sizeof info.size, known - sizeof info.size);
}

/// Other values are kept free for later versions.
inline bool flag(int32_t value, const char *name) {
  if (value != 0 && value != 1) invalid(std::string{name} + " must be 0 or 1");
  return value == 1;
}

template <class Enum> Enum checked_enum(int32_t value, int32_t last, const char *what) {
  if (value < 0 || value > last) invalid(std::string{"unknown "} + what);
  return static_cast<Enum>(value);
}

/// The caller's limits and callbacks as the inside of the library takes them. Must stay where it is
/// while `context` is in use.
class ContextAdapter {
public:
  explicit ContextAdapter(const profcore_context *context);
  ContextAdapter(const ContextAdapter &) = delete;
  ContextAdapter &operator=(const ContextAdapter &) = delete;

  const Context &get() const noexcept { return context_; }

private:
  static bool forward_progress(uint64_t done, uint64_t total, void *self);
  static void forward_log(LogLevel level, const char *line, size_t size, void *self);

  profcore_context given_;
  Context context_;
};

inline profcore_str to_str(std::string_view text) {
  return {text.data(), text.size()};
}

/// Hands what a call added to the warnings of its inputs to the log.
void log_warnings(const Profile &profile, std::span<const Profile *const> inputs,
                  const Context &context);

/// Column named by the caller, or the default one.
size_t resolve_type(const Profile &profile, const char *name);

} // namespace profcore::capi
