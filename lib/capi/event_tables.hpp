#pragma once

#include "base/arena.hpp"
#include "sources/decode/jfr/events.hpp"

#include <profcore/profcore.h>

#include <string_view>
#include <unordered_map>
#include <vector>

namespace profcore::capi {

/// The types of one chunk as the C ABI shows them.
class EventTables {
public:
  explicit EventTables(const jfr::Chunk &chunk);

  const std::vector<profcore_event_type> &types() const noexcept { return types_; }
  /// nullptr for kNoType.
  const profcore_event_type *type(jfr::TypeIndex index) const noexcept {
    return index < types_.size() ? &types_[index] : nullptr;
  }
  const jfr::EventFields &event_fields(jfr::TypeIndex index) const noexcept {
    return event_fields_[index];
  }

private:
  /// A NUL-terminated copy; one for all who share the text, of which a chunk can have any number.
  profcore_str kept(std::string_view text);

  Arena names_;
  std::unordered_map<const char *, profcore_str> known_;
  std::vector<profcore_event_type> types_;
  std::vector<profcore_event_field> fields_;
  std::vector<jfr::EventFields> event_fields_;
};

} // namespace profcore::capi
