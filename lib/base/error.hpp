#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <utility>

namespace profcore {

/// Stable status codes; the values are those of `profcore_status` in the C ABI.
enum class Status : int32_t {
  kOk = 0,
  kInvalidArgument = -1,
  kNoMemory = -2,
  kIo = -3,
  kMalformed = -4,
  kUnknownFormat = -5,
  kUnsupported = -6,
  kLimit = -7,
  kCancelled = -8,
  kNotFound = -9,
  kNoData = -10,
  kPermission = -11,
  kInternal = -12,
};

constexpr uint64_t kNoOffset = UINT64_MAX;

/// An expected failure inside lib/. `offset` is a byte offset into the (inflated) input, or
/// kNoOffset.
class Error : public std::exception {
public:
  Error(Status status, std::string message, uint64_t offset = kNoOffset)
      : status_{status}, message_{std::move(message)}, offset_{offset} {}

  Status status() const noexcept { return status_; }
  const std::string &message() const noexcept { return message_; }
  uint64_t offset() const noexcept { return offset_; }
  /// What was being worked on (a path, a part of an upload); set on the way up by whoever knows.
  const std::string &context() const noexcept { return context_; }
  void set_context(std::string context) { context_ = std::move(context); }
  const char *what() const noexcept override { return message_.c_str(); }

private:
  Status status_;
  std::string message_;
  std::string context_;
  uint64_t offset_;
};

} // namespace profcore
