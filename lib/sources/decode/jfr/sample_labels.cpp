#include "sources/decode/jfr/sample_labels.hpp"

#include "base/hash.hpp"
#include "sources/decode/jfr/stack_reader.hpp"

namespace profcore::jfr {
namespace {

constexpr size_t kMostText = size_t{1} << 20;

} // namespace

/// Where the key is, or the empty slot where it belongs.
size_t SampleLabels::slot_of(const Parts &parts) const noexcept {
  // Keys are the input's: a plain sum of them could be made to collide.
  uint64_t hash = hash_u64(parts.thread, seed_);
  hash = hash_combine(hash, parts.of_class, seed_);
  hash = hash_combine(hash, parts.state, seed_);
  const size_t mask = slots_.size() - 1;
  size_t at = hash & mask;
  while (slots_[at].set != 0 && slots_[at].parts != parts) at = (at + 1) & mask;
  return at;
}

void SampleLabels::grow() {
  PodVector<Slot> old = std::move(slots_);
  slots_.assign_zeros(old.empty() ? 64 : old.size() * 2);
  for (const Slot &slot : old)
    if (slot.set != 0) slots_[slot_of(slot.parts)] = slot;
}

SampleLabels::SampleLabels(Profile &profile, const Chunk &chunk, StackReader &stacks)
    : profile_{profile}, chunk_{chunk}, stacks_{stacks}, seed_{random_hash_seed()},
      multipliers_{random_hash_seed() | 1, random_hash_seed() | 1} {
  grow();
  const Schema &schema = chunk.schema();
  thread_type_ = schema.find_name("java.lang.Thread");
  const auto field = [&](std::string_view name) {
    return thread_type_ == kNoType ? UINT32_MAX : schema[thread_type_].find_field(name);
  };
  os_name_ = field("osName");
  os_id_ = field("osThreadId");
  java_name_ = field("javaName");
  java_id_ = field("javaThreadId");
}

std::string_view SampleLabels::state_name(TypeIndex type, uint64_t key) {
  return type == kNoType ? std::string_view{} : chunk_.text_of(type, key, arena_);
}

LabelSetId SampleLabels::find_uncached(const Parts &parts) {
  if (state_type_ == kNoType && (parts.has & kState) != 0) state_type_ = parts.state_type;
  const size_t at = slot_of(parts);
  if (slots_[at].set != 0) return slots_[at].set - 1;
  const LabelSetId made = make(parts, {});
  slots_[at] = {parts, made + 1, 0};
  if (++used_ * 2 > slots_.size()) grow();
  return made;
}

LabelSetId SampleLabels::make(const Parts &parts, std::span<const Label> more) {
  labels_.clear();
  if (arena_.bytes() > kMostText) arena_ = {}; // short texts only: long ones are the chunk's
  const auto add = [this](std::string_view key, std::string_view text) {
    if (text.empty()) return;
    Label label;
    label.key = profile_.intern(key);
    label.text = ids_.id_of(profile_, text);
    labels_.push_back(label);
  };
  if ((parts.has & kThread) != 0) add_thread(parts.thread);
  if ((parts.has & kState) != 0) {
    std::string_view state = state_name(parts.state_type, parts.state);
    if (state.starts_with("STATE_")) state.remove_prefix(6);
    if (state != "DEFAULT") add("state", state);
  }
  if ((parts.has & kClass) != 0) add("class", stacks_.class_name(parts.of_class));
  labels_.insert(labels_.end(), more.begin(), more.end());
  return profile_.add_label_set(labels_);
}

void SampleLabels::add_thread(uint64_t key) {
  const uint8_t *const at = thread_type_ == kNoType ? nullptr : chunk_.find(thread_type_, key);
  if (at == nullptr) return;
  const auto [found, is_new] = threads_.try_emplace(key);
  if (is_new) found->second = read_thread(at);
  const Thread &thread = found->second;
  if (thread.has_name) labels_.push_back(thread.name);
  if (thread.has_id) labels_.push_back(thread.id);
}

SampleLabels::Thread SampleLabels::read_thread(const uint8_t *at) {
  const Type &type = chunk_.schema()[thread_type_];
  values_.resize(type.fields.size());
  chunk_.read_fields(thread_type_, at, chunk_.end(), values_);
  const auto text = [&](uint32_t field) -> std::string_view {
    if (field == UINT32_MAX) return {};
    return chunk_.text_of(type.fields[field], values_[field], arena_);
  };
  const auto number = [&](uint32_t field) {
    return field == UINT32_MAX ? 0 : static_cast<int64_t>(values_[field].number);
  };
  Thread thread;
  std::string_view name = text(java_name_);
  if (name.empty()) name = text(os_name_);
  if (!name.empty()) {
    thread.has_name = true;
    thread.name.key = profile_.intern("thread");
    thread.name.text = ids_.id_of(profile_, name);
  }
  // A virtual thread has no id of the system's.
  const int64_t os_id = number(os_id_);
  const int64_t id = os_id > 0 ? os_id : number(java_id_);
  if (id > 0) {
    thread.has_id = true;
    thread.id.key = profile_.intern(os_id > 0 ? "tid" : "java_tid");
    thread.id.is_number = 1;
    thread.id.number = id;
  }
  return thread;
}

} // namespace profcore::jfr
