#include "flame/frames.hpp"

#include <algorithm>
#include <bit>
#include <fmt/format.h>

namespace profcore::flame {
namespace {

constexpr uint32_t number(FrameKind kind) {
  return static_cast<uint32_t>(kind);
}

uint32_t kind_priority(uint32_t kind) {
  if (kind == number(FrameKind::kUnknown)) return 100;
  if (kind == number(FrameKind::kJavaInlined)) return 101;
  if (kind == number(FrameKind::kInlined)) return 102;
  return kind;
}

FrameKind inlined_kind(FrameKind kind) {
  switch (kind) {
  case FrameKind::kJavaCompiled:
    return FrameKind::kJavaInlined;
  case FrameKind::kUnknown:
  case FrameKind::kUser:
  case FrameKind::kLibrary:
    return FrameKind::kInlined;
  default:
    return kind;
  }
}

int compare(const FrameDraft &a, const FrameDraft &b) {
  if (const int c = a.name.compare(b.name); c != 0) return c;
  if (const int c = a.file.compare(b.file); c != 0) return c;
  if (a.line != b.line) return a.line < b.line ? -1 : 1;
  if (const int c = a.module.compare(b.module); c != 0) return c;
  if (a.address != b.address) return a.address < b.address ? -1 : 1;
  const uint32_t class_a = kind_class(a.kind);
  const uint32_t class_b = kind_class(b.kind);
  return class_a == class_b ? 0 : (class_a < class_b ? -1 : 1);
}

/// The first eight bytes of a name as a number that sorts like them.
uint64_t name_prefix(std::string_view name) {
  uint64_t prefix = 0;
  for (size_t i = 0; i < 8; ++i)
    prefix = prefix << 8 | (i < name.size() ? static_cast<unsigned char>(name[i]) : 0U);
  return prefix;
}

uint64_t pointer_bits(std::string_view text) {
  return std::bit_cast<uintptr_t>(text.data());
}

bool same_text(std::string_view a, std::string_view b) {
  return a.size() == b.size() && a.data() == b.data();
}

} // namespace

uint32_t kind_class(uint32_t kind) noexcept {
  switch (static_cast<FrameKind>(kind)) {
  case FrameKind::kKernel:
  case FrameKind::kPython:
  case FrameKind::kGpu:
  case FrameKind::kThread:
  case FrameKind::kProcess:
  case FrameKind::kLabel:
    return kind;
  default:
    return 0;
  }
}

uint32_t merged_kind(uint32_t a, uint32_t b) noexcept {
  return kind_priority(b) < kind_priority(a) ? b : a;
}

bool draft_less(const FrameDraft &a, const FrameDraft &b) noexcept {
  return compare(a, b) < 0;
}

FrameDraft draft_of(const FlameTree &tree, uint32_t frame) noexcept {
  const FlameFrame &at = tree.frames[frame];
  return {tree.strings[at.name],
          tree.strings[at.file],
          tree.strings[at.module],
          at.line,
          at.address,
          at.kind};
}

PodVector<uint32_t> place_frames(const std::vector<FrameDraft> &drafts, FlameTree &tree) {
  struct Key {
    uint64_t prefix;
    uint32_t draft;
  };
  PodVector<Key> order;
  order.resize_uninitialized(drafts.size());
  for (uint32_t i = 0; i < drafts.size(); ++i) order[i] = {name_prefix(drafts[i].name), i};
  std::sort(order.begin(), order.end(), [&](const Key &a, const Key &b) {
    if (a.prefix != b.prefix) return a.prefix < b.prefix;
    return compare(drafts[a.draft], drafts[b.draft]) < 0;
  });

  tree.frames.clear();
  tree.frames.reserve(drafts.size() + 1);
  FlameFrame root;
  root.name = tree.strings.intern("all");
  tree.frames.push_back(root);
  PodVector<uint32_t> remap;
  remap.resize_uninitialized(drafts.size());
  const FrameDraft *last = nullptr;
  for (const Key &key : order) {
    const FrameDraft &draft = drafts[key.draft];
    if (last != nullptr && compare(*last, draft) == 0) {
      tree.frames.back().kind = merged_kind(tree.frames.back().kind, draft.kind);
    } else {
      FlameFrame frame;
      frame.name = tree.strings.intern(draft.name);
      frame.file = tree.strings.intern(draft.file);
      frame.module = tree.strings.intern(draft.module);
      frame.kind = draft.kind;
      frame.line = draft.line;
      frame.address = draft.address;
      tree.frames.push_back(frame);
      last = &draft;
    }
    remap[key.draft] = static_cast<uint32_t>(tree.frames.size() - 1);
  }
  return remap;
}

void drop_unused_frames(FlameTree &tree) {
  PodVector<uint32_t> remap;
  remap.resize(tree.frames.size(), 0);
  for (const uint32_t frame : tree.frame) remap[frame] = 1;
  remap[0] = 1;
  size_t used = 0;
  for (const uint32_t flag : remap) used += flag;
  if (used == tree.frames.size()) return;

  StringTable strings;
  PodVector<FlameFrame> frames;
  frames.reserve(used);
  const auto move_string = [&](StringId id) { return strings.intern(tree.strings[id]); };
  for (size_t i = 0; i < tree.frames.size(); ++i) {
    if (remap[i] == 0) continue;
    FlameFrame frame = tree.frames[i];
    frame.name = move_string(frame.name);
    frame.file = move_string(frame.file);
    frame.module = move_string(frame.module);
    remap[i] = static_cast<uint32_t>(frames.size());
    frames.push_back(frame);
  }
  for (uint32_t &frame : tree.frame) frame = remap[frame];
  tree.type = move_string(tree.type);
  tree.unit = move_string(tree.unit);
  for (auto &[key, value] : tree.meta) {
    key = move_string(key);
    value = move_string(value);
  }
  tree.frames = std::move(frames);
  tree.strings = std::move(strings);
}

FrameNamer::FrameNamer(const Profile &profile, FrameKey key)
    : profile_{profile}, key_{key}, seed_{random_hash_seed()} {
  codes_.resize(profile.locations().size(), kNoCode);
  if (key == FrameKey::kFunction) by_function_.resize(profile.functions().size(), kNoCode);
}

uint32_t FrameNamer::intern(const FrameDraft &draft) {
  uint64_t hash = hash_u64(pointer_bits(draft.name), seed_);
  hash =
      hash_combine(hash, pointer_bits(draft.file) ^ static_cast<uint64_t>(draft.line) << 40, seed_);
  hash = hash_combine(hash, pointer_bits(draft.module) ^ draft.address, seed_);
  const uint32_t id = index_.find_or_insert(
      hash,
      [&](uint32_t other) {
        const FrameDraft &at = drafts_[other];
        return same_text(at.name, draft.name) && same_text(at.file, draft.file) &&
               same_text(at.module, draft.module) && at.line == draft.line &&
               at.address == draft.address && kind_class(at.kind) == kind_class(draft.kind);
      },
      [&] {
        if (drafts_.size() >= kMany - 2)
          throw Error{Status::kLimit, "more than 2147483645 distinct frames"};
        drafts_.push_back(draft);
        return static_cast<uint32_t>(drafts_.size() - 1);
      });
  drafts_[id].kind = merged_kind(drafts_[id].kind, draft.kind);
  return id;
}

uint32_t FrameNamer::add_label(std::string_view key, std::string_view value) {
  FrameDraft draft;
  draft.name = made_[made_.intern(value)];
  draft.module = made_[made_.intern(key)];
  draft.kind = number(FrameKind::kLabel);
  return intern(draft);
}

std::string_view FrameNamer::base_name(ModuleId module) const {
  const std::string_view path = profile_.text(profile_.modules()[module].path);
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos || slash + 1 == path.size() ? path
                                                                     : path.substr(slash + 1);
}

std::string_view FrameNamer::unnamed(const Location &location) {
  if (location.reason == UnnamedReason::kTruncated) return made_[made_.intern("(truncated)")];
  const Module &module = profile_.modules()[location.module];
  const std::string_view base = base_name(location.module);
  const bool ranged = module.end > module.start;
  const bool inside = location.address >= module.start && location.address < module.end;
  fmt::memory_buffer name;
  if (base.empty() || (ranged && !inside)) {
    fmt::format_to(fmt::appender(name), "{:#x}", location.address);
  } else {
    const uint64_t offset =
        ranged ? location.address - module.start + module.offset : location.address;
    name.append(base);
    fmt::format_to(fmt::appender(name), "+{:#x}", offset);
  }
  return made_[made_.intern({name.data(), name.size()})];
}

uint32_t FrameNamer::draft_of_unnamed(const Location &location) {
  FrameDraft draft;
  draft.kind = number(location.kind);
  const std::string_view base = base_name(location.module);
  switch (key_) {
  case FrameKey::kFunction:
  case FrameKey::kLine:
    draft.name = unnamed(location);
    break;
  case FrameKey::kFile:
    draft.name = made_[made_.intern(
        base.empty() ? "(no file)"
                     : fmt::format("[{}]", fmt::string_view{base.data(), base.size()}))];
    break;
  case FrameKey::kModule:
    if (base.empty())
      draft.name =
          made_[made_.intern(location.kind == FrameKind::kKernel ? "[kernel]" : "(no module)")];
    else
      draft.name = made_[made_.intern(base)];
    draft.module = draft.name;
    break;
  case FrameKey::kAddress:
    draft.name = unnamed(location);
    draft.module = profile_.text(profile_.modules()[location.module].path);
    draft.address = location.address;
    break;
  }
  return intern(draft);
}

uint32_t FrameNamer::draft_of_line(const Location &location, const Line &line, bool inlined) {
  const FrameKind kind = inlined ? inlined_kind(location.kind) : location.kind;
  const bool plain =
      key_ == FrameKey::kFunction && line.function != 0 && kind_class(number(kind)) == 0;
  if (plain) {
    const uint32_t known = by_function_[line.function];
    if (known != kNoCode) {
      drafts_[known].kind = merged_kind(drafts_[known].kind, number(kind));
      return known;
    }
  }
  const Function &function = profile_.functions()[line.function];
  FrameDraft draft;
  draft.kind = number(kind);
  draft.name = profile_.text(function.name != 0 ? function.name : function.system_name);
  draft.file = profile_.text(function.file);
  if (key_ == FrameKey::kFile) {
    const std::string_view file = line.file != 0 ? profile_.text(line.file) : draft.file;
    if (file.empty()) return draft_of_unnamed(location);
    draft.name = draft.file = file;
    return intern(draft);
  }
  if (key_ != FrameKey::kFunction) {
    if (line.file != 0) draft.file = profile_.text(line.file);
    draft.line = line.line;
  }
  if (draft.name.empty()) draft.name = unnamed(location);
  if (key_ == FrameKey::kAddress) {
    draft.module = profile_.text(profile_.modules()[location.module].path);
    draft.address = location.address;
  }
  const uint32_t id = intern(draft);
  // A function without any name is named after the location, so it is not the same everywhere.
  if (plain && (function.name != 0 || function.system_name != 0)) by_function_[line.function] = id;
  return id;
}

uint32_t FrameNamer::make_code(LocationId id) {
  const Location &location = profile_.locations()[id];
  const auto lines = profile_.lines_of(id);
  if (lines.empty() || key_ == FrameKey::kModule) return draft_of_unnamed(location);
  if (lines.size() == 1) return draft_of_line(location, lines[0], false);
  if (runs_.size() + lines.size() >= kMany - 2)
    throw Error{Status::kLimit, "more than 2147483645 inlined lines"};
  if (runs_.empty()) runs_.push_back(0); // a run never begins at 0, see RecordSource::Cursor
  const auto first = static_cast<uint32_t>(runs_.size());
  for (size_t i = lines.size(); i-- > 0;)
    runs_.push_back(draft_of_line(location, lines[i], i + 1 != lines.size()) |
                    (i != 0 ? kMore : 0));
  return first | kMany;
}

void FrameNamer::finish(FlameTree &tree) {
  remap_ = place_frames(drafts_, tree);
  for (uint32_t &code : codes_)
    if ((code & kMany) == 0) code = remap_[code];
  for (size_t i = 1; i < runs_.size(); ++i)
    runs_[i] = remap_[runs_[i] & ~kMore] | (runs_[i] & kMore);
}

} // namespace profcore::flame
