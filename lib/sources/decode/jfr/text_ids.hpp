#pragma once

#include "base/hash.hpp"
#include "model/profile.hpp"

#include <cstdint>
#include <string_view>
#include <unordered_map>

namespace profcore::jfr {

/// Interns texts of a chunk. Long ones are known again by where they stand: millions of events may
/// refer to one of a megabyte, which is not to be hashed each time.
class TextIds {
public:
  /// A long `text` must stay where it is as long as this is asked.
  StringId id_of(Profile &profile, std::string_view text) {
    constexpr size_t kLong = 256;
    if (text.size() < kLong) return profile.intern(text);
    const auto [found, is_new] = known_.try_emplace(reinterpret_cast<uintptr_t>(text.data()));
    if (is_new || found->second.size != text.size())
      found->second = {text.size(), profile.intern(text)};
    return found->second.id;
  }

private:
  struct Known {
    size_t size = 0;
    StringId id = 0;
  };
  std::unordered_map<uint64_t, Known, SeededHash> known_;
};

} // namespace profcore::jfr
