#pragma once

#include "base/arena.hpp"
#include "base/error.hpp"
#include "base/hash.hpp"
#include "base/intern_index.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace profcore {

using StringId = uint32_t; ///< 0 is always the empty string

/// A string as the tables hold it; also what the C ABI hands out (`profcore_str`).
struct StringRef {
  const char *data;
  size_t size;
};

/// Interned strings: equal text has one id, ids count up from 0 in order of first use, text is
/// NUL-terminated and never moves. Bytes are kept as they came, valid UTF-8 or not.
class StringTable {
public:
  StringTable() : seed_{random_hash_seed()} { intern({}); }
  StringTable(StringTable &&other) noexcept = default;
  StringTable &operator=(StringTable &&other) noexcept = default;

  StringId intern(std::string_view text) {
    return index_.find_or_insert(
        hash_bytes(text, seed_), [&](uint32_t id) { return view(id) == text; },
        [&] {
          if (entries_.size() >= UINT32_MAX - 1)
            throw Error{Status::kLimit, "more than 4294967294 distinct strings"};
          const std::string_view copy = arena_.copy(text);
          entries_.push_back({copy.data(), copy.size()});
          return static_cast<uint32_t>(entries_.size() - 1);
        });
  }
  /// The id of text that is already there, or UINT32_MAX.
  StringId find(std::string_view text) const {
    return index_.find(hash_bytes(text, seed_), [&](uint32_t id) { return view(id) == text; });
  }

  std::string_view view(StringId id) const noexcept {
    const StringRef &entry = entries_[id];
    return {entry.data, entry.size};
  }
  std::string_view operator[](StringId id) const noexcept { return view(id); }
  size_t size() const noexcept { return entries_.size(); }
  void reserve(size_t strings) {
    entries_.reserve(strings);
    index_.reserve(strings);
  }
  void reserve(size_t strings, size_t bytes) {
    reserve(strings);
    arena_.expect(bytes);
  }
  std::span<const StringRef> refs() const noexcept { return entries_.span(); }
  size_t bytes() const noexcept { return arena_.bytes() + entries_.bytes() + index_.bytes(); }

private:
  Arena arena_;
  PodVector<StringRef> entries_;
  InternIndex index_;
  uint64_t seed_;
};

} // namespace profcore
