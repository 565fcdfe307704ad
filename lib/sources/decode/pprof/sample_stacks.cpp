#include "sources/decode/pprof/id_list.hpp"
#include "sources/decode/pprof/sample_parts.hpp"

namespace profcore::pprof {

void ListMemory::settle(std::span<const SplitSample> samples, size_t first_row,
                        std::span<uint32_t> ids, std::vector<SlowSample> &slow) {
  for (const uint32_t at : std::span{waiting_.data(), waiting_count_}) {
    if (ids[at] != kOdd) ids[at] = new_[ids[at] - next_id_].id;
    if (ids[at] == kOdd) [[unlikely]]
      slow.push_back({samples[at].begin, samples[at].end, first_row + at});
  }
  judge();
}

void ListMemory::judge() noexcept {
  constexpr uint64_t kTrial = UINT64_C(1) << 17; // look-ups before the verdict
  const uint64_t found = looked_up_ - cache_.used();
  if (looked_up_ < kTrial || given_up_ || found * 32 >= looked_up_) return;
  given_up_ = true;
  cache_.release();
}

void StackPart::resolve(std::span<const SplitSample> samples, size_t first_row,
                        std::span<StackId> stacks) {
  std::span<NewList> lists = memory_.look_up<&SplitSample::stack_size, &SplitSample::stack_print>(
      samples, static_cast<uint32_t>(stacks_.size()), stacks);
  size_t walking = 0;
  ids_.clear();
  for (size_t i = 0; i < lists.size(); ++i) {
    const SplitSample &sample = samples[lists[i].sample];
    // One that is not right has no ids here: the empty stack until it is found out below.
    lists[i].id = decode_ids(sample.begin, sample.begin + sample.stack_size) ? 0 : ListMemory::kOdd;
    id_ends_[walking++] = ids_.size();
    if (walking < kSideBySide && ids_.size() < kManyIds && i + 1 < lists.size()) continue;
    add(lists.subspan(i + 1 - walking, walking));
    walking = 0;
    ids_.clear();
  }
  memory_.settle(samples, first_row, stacks, slow_);
}

void StackPart::add(std::span<NewList> lists) {
  size_t from = 0;
  for (size_t i = 0; i < lists.size(); ++i) {
    walks_[i] = {ids_.data() + from, id_ends_[i] - from, 0};
    from = id_ends_[i];
  }
  stacks_.find_prefixes({walks_.data(), lists.size()});
  for (size_t i = 0; i < lists.size(); ++i)
    lists[i].settle(lists[i].id != ListMemory::kOdd ? stacks_.finish(walks_[i]) : ListMemory::kOdd);
}

/// A list from its first tag to its end, behind what is in `ids_`. False for any damage.
bool StackPart::decode_ids(const uint8_t *at, const uint8_t *end) {
  const bool packed = *at == 0x0a;
  uint64_t id = 0;
  if (packed) at = wire::read_varint(at + 1, end_, id);
  const size_t first = ids_.size();
  const uint64_t deepest = decoder_.options_.context.limits.max_stack_depth;
  ids_.resize_uninitialized(first + static_cast<size_t>(end - at)); // an id takes a byte at least
  LocationId *out = ids_.data() + first;
  const std::span<const uint32_t> dense = decoder_.locations_.dense();
  if (packed) {
    const LocationId *const last = read_known_ids<IdMap::kAbsent>(at, end, end_, dense, out);
    if (last != nullptr) {
      const auto depth = static_cast<size_t>(last - out);
      ids_.resize_uninitialized(depth <= deepest ? first + depth : first);
      return depth <= deepest;
    }
  }
  bool all_there = true;
  while (at < end) {
    at = wire::read_id(packed ? at : at + 1, end_, id);
    const LocationId location = at == nullptr       ? IdMap::kAbsent
                                : id < dense.size() ? dense[id]
                                                    : decoder_.locations_.find(id);
    all_there = location != IdMap::kAbsent;
    if (!all_there) break;
    *out++ = location;
  }
  const auto depth = static_cast<size_t>(out - ids_.data()) - first;
  const bool good = all_there && at == end && depth <= deepest;
  ids_.resize_uninitialized(good ? first + depth : first);
  return good;
}

} // namespace profcore::pprof
