#include "sources/decode/jfr/context_labels.hpp"

#include "base/wire.hpp"

namespace profcore::jfr {
namespace {

struct Entry {
  uint64_t key = 0;
  uint64_t number = 0;
  WireField value{};
};

Entry read_entry(WireReader reader) {
  Entry entry;
  WireField field;
  while (reader.next(field)) {
    if (field.number == 1 && field.type == WireType::kVarint) entry.key = field.value;
    if (field.number == 2) {
      entry.value = field;
      entry.number = field.type == WireType::kVarint ? field.value : 0;
    }
  }
  return entry;
}

} // namespace

ContextLabels::ContextLabels(std::span<const uint8_t> bytes, const Context &context) {
  if (is_gzip(bytes)) {
    Context within = context;
    within.limits.tighten_inflated(Limits::scaled(context.limits.max_inflate_ratio, bytes.size()),
                                   "max_inflate_ratio");
    inflated_ = inflate_gzip(bytes, within);
    bytes = inflated_.span();
  }
  struct Raw {
    uint64_t context, key, value;
  };
  std::vector<Raw> raw;
  WireReader reader{bytes, bytes.data()};
  WireField field;
  while (reader.next(field)) {
    if (field.type != WireType::kBytes) continue;
    const Entry entry = read_entry(reader.inside(field));
    if (entry.value.type != WireType::kBytes) continue;
    if (field.number == 2) {
      strings_[entry.key] = {reinterpret_cast<const char *>(entry.value.bytes.data()),
                             entry.value.bytes.size()};
    } else if (field.number == 1) {
      WireReader labels{entry.value.bytes, bytes.data()};
      WireField label;
      while (labels.next(label)) {
        if (label.number != 1 || label.type != WireType::kBytes) continue;
        const Entry pair = read_entry(labels.inside(label));
        raw.push_back({entry.key, pair.key, pair.number});
      }
    }
  }
  for (const Raw &pair : raw) {
    const std::string_view key = text(pair.key);
    if (key.empty()) continue;
    std::vector<Pair> &labels = contexts_[pair.context];
    if (labels.size() < kMostLabels)
      labels.push_back({key, text(pair.value)});
    else
      ++lost_;
  }
}

std::span<const ContextLabels::Pair> ContextLabels::find(uint64_t context) const noexcept {
  const auto found = contexts_.find(context);
  return found == contexts_.end() ? std::span<const Pair>{} : std::span<const Pair>{found->second};
}

std::string_view ContextLabels::text(uint64_t id) const noexcept {
  const auto found = strings_.find(id);
  return found == strings_.end() ? std::string_view{} : found->second;
}

} // namespace profcore::jfr
