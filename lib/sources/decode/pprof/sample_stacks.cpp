#include "sources/decode/pprof/sample_parts.hpp"

#include <fmt/format.h>

namespace profcore::pprof {

void StackPart::resolve(std::span<PendingSample> samples, std::span<StackId> stacks) {
  size_t walking = 0;
  ids_.clear();
  for (size_t i = 0; i < samples.size(); ++i) {
    PendingSample &sample = samples[i];
    if (sample.slow) continue;
    stacks[i] = 0;
    if (sample.stack_size == 0) continue;
    if (cache_.takes(sample.stack_size)) {
      const uint32_t known = cache_.find(sample.stack_print);
      if (known != RawCache::kNotFound) {
        stacks[i] = known;
        continue;
      }
    }
    const size_t first = ids_.size();
    sample.slow = !decode_ids(sample.stack, sample.stack + sample.stack_size);
    if (!sample.slow) new_stacks_[walking++] = {i, first, ids_.size() - first};
  }
  for (size_t i = 0; i < walking; ++i)
    walks_[i] = {ids_.data() + new_stacks_[i].first_id, new_stacks_[i].depth, 0};
  stacks_.find_prefixes({walks_.data(), walking});
  for (size_t i = 0; i < walking; ++i) {
    const size_t at = new_stacks_[i].sample;
    stacks[at] = stacks_.finish(walks_[i]);
    if (cache_.takes(samples[at].stack_size)) cache_.insert(samples[at].stack_print, stacks[at]);
  }
  cache_.judge();
}

/// A list from its first tag to its end, behind what is in `ids_`. False for any damage.
bool StackPart::decode_ids(const uint8_t *at, const uint8_t *end) {
  const bool packed = *at == 0x0a;
  uint64_t id = 0;
  if (packed) at = wire::read_varint(at + 1, end_, id);
  const size_t first = ids_.size();
  ids_.resize_uninitialized(first + static_cast<size_t>(end - at)); // an id takes a byte at least
  const uint32_t *const dense = decoder_.locations_.dense().data();
  const size_t dense_size = decoder_.locations_.dense().size();
  LocationId *out = ids_.data() + first;
  while (at < end) {
    at = wire::read_id(packed ? at : at + 1, end_, id);
    const LocationId location = at == nullptr     ? IdMap::kAbsent
                                : id < dense_size ? dense[id]
                                                  : decoder_.locations_.find(id);
    if (location == IdMap::kAbsent) {
      ids_.resize_uninitialized(first);
      return false;
    }
    *out++ = location;
  }
  ids_.resize_uninitialized(static_cast<size_t>(out - ids_.data()));
  return at == end && ids_.size() - first <= decoder_.options_.context.limits.max_stack_depth;
}

void StackPart::add_slowly(uint64_t id, uint64_t offset) {
  const LocationId location = decoder_.locations_.find(id);
  if (location == IdMap::kAbsent)
    throw Error{Status::kMalformed,
                fmt::format("a sample refers to location {}, which is not there", id), offset};
  if (slow_ids_.size() >= decoder_.options_.context.limits.max_stack_depth)
    throw Error{Status::kLimit, "a stack is deeper than the limit", offset};
  slow_ids_.push_back(location);
}

} // namespace profcore::pprof
