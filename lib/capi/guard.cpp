#include "capi/guard.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <new>
#include <stdexcept>

namespace profcore::capi {
namespace {

/// Made without memory, and never destroyed: a host may hold it while the process ends.
profcore_error &out_of_memory() noexcept {
  alignas(profcore_error) static unsigned char place[sizeof(profcore_error)];
  static profcore_error *const error = new (place)
      profcore_error{PROFCORE_ERR_NO_MEMORY, PROFCORE_NO_OFFSET, "out of memory", {}, true};
  return *error;
}

uint64_t limit_or(uint64_t given, uint64_t otherwise) {
  return given != 0 ? given : otherwise;
}

} // namespace

profcore_status report(profcore_error **err, Status status, std::string_view message,
                       std::string_view context, uint64_t offset) noexcept {
  const auto code = static_cast<profcore_status>(status);
  if (err == nullptr) return code;
  try {
    *err = new profcore_error{code, offset, std::string{message}, std::string{context}, false};
  } catch (...) {
    *err = &out_of_memory();
  }
  return code;
}

profcore_status report_current_exception(profcore_error **err) noexcept {
  try {
    throw;
  } catch (const Error &error) {
    return report(err, error.status(), error.message(), error.context(), error.offset());
  } catch (const std::bad_alloc &) {
    if (err != nullptr) *err = &out_of_memory();
    return PROFCORE_ERR_NO_MEMORY;
  } catch (const std::length_error &) {
    if (err != nullptr) *err = &out_of_memory();
    return PROFCORE_ERR_NO_MEMORY;
  } catch (const std::exception &error) {
    return report(err, Status::kInternal, error.what(), {}, kNoOffset);
  } catch (...) {
    return report(err, Status::kInternal, "unknown exception", {}, kNoOffset);
  }
}

ContextAdapter::ContextAdapter(const profcore_context *context) : given_{read_options(context)} {
  Limits &limits = context_.limits;
  limits.max_input_bytes = limit_or(given_.max_input_bytes, limits.max_input_bytes);
  limits.max_inflated_bytes = limit_or(given_.max_inflated_bytes, limits.max_inflated_bytes);
  limits.max_strings = limit_or(given_.max_strings, limits.max_strings);
  limits.max_samples = limit_or(given_.max_samples, limits.max_samples);
  limits.max_stack_depth = limit_or(given_.max_stack_depth, limits.max_stack_depth);
  limits.max_result_bytes = limit_or(given_.max_result_bytes, limits.max_result_bytes);
  limits.max_inflate_ratio = limit_or(given_.max_inflate_ratio, limits.max_inflate_ratio);
  limits.max_result_ratio = limit_or(given_.max_result_ratio, limits.max_result_ratio);
  if (given_.progress != nullptr) {
    context_.progress = forward_progress;
    context_.progress_user = this;
  }
  if (given_.log != nullptr) {
    context_.log = forward_log;
    context_.log_user = this;
  }
}

bool ContextAdapter::forward_progress(uint64_t done, uint64_t total, void *self) {
  const profcore_context &given = static_cast<ContextAdapter *>(self)->given_;
  return given.progress(done, total, given.progress_user) == 0;
}

void ContextAdapter::forward_log(LogLevel level, const char *line, size_t size, void *self) {
  const profcore_context &given = static_cast<ContextAdapter *>(self)->given_;
  given.log(static_cast<profcore_log_level>(level), line, size, given.log_user);
}

void log_warnings(const Profile &profile, std::span<const Profile *const> inputs,
                  const Context &context) {
  if (context.log == nullptr) return;
  for (const Warning &warning : profile.warnings()) {
    const bool is_old = std::any_of(inputs.begin(), inputs.end(), [&](const Profile *input) {
      return std::any_of(input->warnings().begin(), input->warnings().end(),
                         [&](const Warning &old) { return old.text == warning.text; });
    });
    if (is_old) continue;
    if (warning.line != 0)
      context.write_log(LogLevel::kWarning, fmt::format("line {}: {}", warning.line, warning.text));
    else if (warning.offset != kNoOffset)
      context.write_log(LogLevel::kWarning,
                        fmt::format("at byte {}: {}", warning.offset, warning.text));
    else
      context.write_log(LogLevel::kWarning, warning.text);
  }
}

size_t resolve_type(const Profile &profile, const char *name) {
  if (profile.sample_types().empty())
    throw Error{Status::kNoData, "the profile has no sample types"};
  if (name == nullptr || *name == '\0') return profile.default_type();
  const size_t found = profile.find_type(name);
  if (found != SIZE_MAX) return found;
  std::string message = "no sample type \"" + std::string{name} + "\"; there are:";
  constexpr size_t kMostTypes = 20;
  constexpr size_t kLongest = 64;
  const auto &types = profile.sample_types();
  for (size_t i = 0; i < types.size() && i < kMostTypes; ++i) {
    message += ' ';
    message += profile.text(types[i].type).substr(0, kLongest);
    message += '/';
    message += profile.text(types[i].unit).substr(0, kLongest);
  }
  if (types.size() > kMostTypes)
    message += " and " + std::to_string(types.size() - kMostTypes) + " more";
  throw Error{Status::kNotFound, message};
}

} // namespace profcore::capi
