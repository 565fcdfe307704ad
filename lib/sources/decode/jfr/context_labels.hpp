#pragma once

#include "base/hash.hpp"
#include "base/inflate.hpp"
#include "model/profile.hpp"

#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace profcore::jfr {

/// Pyroscope's sidecar to a recording (the part `labels` of its uploads): what labels a context id
/// of an event stands for. A protobuf message LabelsSnapshot { contexts = 1: map of id to { labels
/// = 1: map of key to value, both ids of strings }, strings = 2: map of id to text }.
class ContextLabels {
public:
  /// Plain, or gzip as its agent sends it. Throws kMalformed when it is no such message. `bytes`
  /// must stay.
  ContextLabels(std::span<const uint8_t> bytes, const Context &context);
  ContextLabels() = default;

  struct Pair {
    std::string_view key, value;
  };
  /// Empty when the id is not known.
  std::span<const Pair> find(uint64_t context) const noexcept;
  std::string_view text(uint64_t id) const noexcept;
  /// Labels past the most that a context can have: every event of it gets them all.
  uint64_t lost() const noexcept { return lost_; }

private:
  static constexpr size_t kMostLabels = 128;

  Bytes inflated_;
  std::unordered_map<uint64_t, std::string_view, SeededHash> strings_;
  std::unordered_map<uint64_t, std::vector<Pair>, SeededHash> contexts_;
  uint64_t lost_ = 0;
};

} // namespace profcore::jfr
