#pragma once

#include "base/error.hpp"
#include "capi/handles.hpp"

#include <cstring>
#include <memory>
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

/// The caller's struct as this library knows it: a shorter one (an older caller) is filled up with
/// zeros, the unknown tail of a longer one (a newer caller) and `reserved` must be zero.
template <class Options> Options read_options(const Options *options) {
  Options known{};
  known.size = sizeof known;
  if (options == nullptr) return known;
  const size_t size = options->size;
  if (size < sizeof size) invalid("the size of an options struct is not set");
  if (size > sizeof known) {
    if (size > (size_t{1} << 16)) invalid("the size of an options struct is not believable");
    const auto *bytes = reinterpret_cast<const unsigned char *>(options);
    for (size_t i = sizeof known; i < size; ++i)
      if (bytes[i] != 0) invalid("an options struct has fields that this version does not know");
  }
  std::memcpy(static_cast<void *>(&known), options, size < sizeof known ? size : sizeof known);
  known.size = sizeof known;
  for (const auto word : known.reserved)
    if (word != 0) invalid("reserved fields of an options struct must be zero");
  return known;
}

/// Copies a filled struct to a caller who may know less or more of it.
template <class Info> void write_info(Info *out, const Info &info) {
  Info &target = required(out, "out");
  const size_t size = target.size;
  if (size < sizeof size) invalid("out->size is not set");
  const size_t known = size < sizeof info ? size : sizeof info;
  if (known > sizeof size)
    std::memcpy(reinterpret_cast<char *>(&target) + sizeof size,
                reinterpret_cast<const char *>(&info) + sizeof size, known - sizeof size);
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

/// Column named by the caller, or the default one.
size_t resolve_type(const Profile &profile, const char *name);

} // namespace profcore::capi
