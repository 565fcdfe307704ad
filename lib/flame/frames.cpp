#include "flame/frames.hpp"

#include "model/frame_name.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fmt/format.h>
#include <tuple>

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

uint64_t pointer_bits(std::string_view text) {
  return std::bit_cast<uintptr_t>(text.data());
}

bool same_text(std::string_view a, std::string_view b) {
  return a.size() == b.size() && a.data() == b.data();
}

/// Eight bytes of a text as a number that sorts like them; past the end as if NULs followed.
uint64_t text_chunk(std::string_view text, size_t at) {
  if (at >= text.size()) return 0;
  uint64_t chunk = 0;
  std::memcpy(&chunk, text.data() + at, std::min<size_t>(8, text.size() - at));
  return __builtin_bswap64(chunk);
}

/// Gives every text its place among all of them, equal texts the same one.
///
/// Texts are sorted eight bytes at a time. Names share long fronts (namespaces, packages), which
/// comparing whole strings reads again and again; here every byte is read once, and frames are then
/// compared by numbers however long their names are.
class TextRanks {
public:
  uint32_t add(std::string_view text) {
    return index_.find_or_insert(
        hash_u64(pointer_bits(text) ^ text.size() << 48, seed_),
        [&](uint32_t id) { return same_text(texts_[id], text); },
        [&] {
          texts_.push_back(text);
          return static_cast<uint32_t>(texts_.size() - 1);
        });
  }
  /// Interns the texts, smallest first, in `strings`.
  void finish(StringTable &strings) {
    PodVector<Key> keys;
    keys.resize_uninitialized(texts_.size());
    for (uint32_t i = 0; i < texts_.size(); ++i) keys[i] = {0, i};
    sort(keys.span());
    ranks_.resize_uninitialized(texts_.size());
    ids_.resize_uninitialized(texts_.size());
    uint32_t rank = 0;
    for (size_t i = 0; i < keys.size(); ++i) {
      const uint32_t text = keys[i].text;
      ids_[text] = strings.intern(texts_[text]);
      if (i != 0 && ids_[text] != ids_[keys[i - 1].text]) ++rank;
      ranks_[text] = rank;
    }
  }
  uint32_t rank(uint32_t text) const { return ranks_[text]; }
  StringId id(uint32_t text) const { return ids_[text]; }

private:
  struct Key {
    uint64_t chunk;
    uint32_t text;
  };
  struct Range {
    size_t begin, end, at;
  };

  void sort(std::span<Key> all) const {
    std::vector<Range> ranges = {{0, all.size(), 0}};
    while (!ranges.empty()) {
      const Range range = ranges.back();
      ranges.pop_back();
      const auto keys = all.subspan(range.begin, range.end - range.begin);
      for (Key &key : keys) key.chunk = text_chunk(texts_[key.text], range.at);
      std::sort(keys.begin(), keys.end(),
                [](const Key &a, const Key &b) { return a.chunk < b.chunk; });
      for (size_t begin = 0, end = 0; begin < keys.size(); begin = end) {
        for (end = begin + 1; end < keys.size() && keys[end].chunk == keys[begin].chunk;) ++end;
        if (end - begin == 1) continue;
        // Texts that end here are fronts of those that go on; they differ by NULs at most.
        const auto equal = keys.subspan(begin, end - begin);
        const auto rest = std::partition(equal.begin(), equal.end(), [&](const Key &key) {
          return texts_[key.text].size() <= range.at + 8;
        });
        std::sort(equal.begin(), rest, [&](const Key &a, const Key &b) {
          return texts_[a.text].size() < texts_[b.text].size();
        });
        const size_t first = range.begin + begin + static_cast<size_t>(rest - equal.begin());
        if (range.begin + end - first > 1)
          ranges.push_back({first, range.begin + end, range.at + 8});
      }
    }
  }

  std::vector<std::string_view> texts_;
  InternIndex index_;
  PodVector<uint32_t> ranks_;
  PodVector<StringId> ids_;
  uint64_t seed_ = random_hash_seed();
};

/// A draft as numbers that sort like it.
struct Ranked {
  uint32_t name, file, module, kind_class;
  int64_t line;
  uint64_t address;
  uint32_t draft;
  uint32_t reserved;

  auto key() const { return std::tuple{name, file, line, module, address, kind_class}; }
};

constexpr uint32_t kAnyFile = UINT32_MAX;

/// The file of a frame merged by name: the one that all agree on who have one.
class CommonFile {
public:
  void add(FlameFrame &frame, StringId file) {
    if (file == 0 || conflict_ || frame.file == file) return;
    conflict_ = frame.file != 0;
    frame.file = conflict_ ? 0 : file;
  }
  void next() { conflict_ = false; }

private:
  bool conflict_ = false;
};

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
  TextRanks ranks;
  PodVector<Ranked> order;
  order.resize_uninitialized(drafts.size());
  for (uint32_t i = 0; i < drafts.size(); ++i) {
    const FrameDraft &draft = drafts[i];
    order[i] = {ranks.add(draft.name),
                ranks.add(draft.file),
                ranks.add(draft.module),
                kind_class(draft.kind),
                draft.line,
                draft.address,
                i,
                0};
  }
  // Used until the sort, text ids are replaced by ranks; `drafts` still tells the text.
  ranks.finish(tree.strings);
  for (Ranked &frame : order)
    frame = {ranks.rank(frame.name),
             tree.key == FrameKey::kFunction ? kAnyFile : ranks.rank(frame.file),
             ranks.rank(frame.module),
             frame.kind_class,
             frame.line,
             frame.address,
             frame.draft,
             0};
  std::sort(order.begin(), order.end(),
            [](const Ranked &a, const Ranked &b) { return a.key() < b.key(); });

  tree.frames.clear();
  tree.frames.reserve(drafts.size() + 1);
  FlameFrame root;
  root.name = tree.strings.intern("all");
  tree.frames.push_back(root);
  PodVector<uint32_t> remap;
  remap.resize_uninitialized(drafts.size());
  const Ranked *last = nullptr;
  CommonFile file;
  for (const Ranked &ranked : order) {
    const FrameDraft &draft = drafts[ranked.draft];
    if (last != nullptr && last->key() == ranked.key()) {
      tree.frames.back().kind = merged_kind(tree.frames.back().kind, draft.kind);
      file.add(tree.frames.back(), ranks.id(ranks.add(draft.file)));
    } else {
      file.next();
      FlameFrame frame;
      frame.name = ranks.id(ranks.add(draft.name));
      frame.file = ranks.id(ranks.add(draft.file));
      frame.module = ranks.id(ranks.add(draft.module));
      frame.kind = draft.kind;
      frame.line = draft.line;
      frame.address = draft.address;
      tree.frames.push_back(frame);
      last = &ranked;
    }
    remap[ranked.draft] = static_cast<uint32_t>(tree.frames.size() - 1);
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
  PodVector<StringId> moved;
  moved.resize(tree.strings.size(), UINT32_MAX);
  const auto move_string = [&](StringId id) {
    if (moved[id] == UINT32_MAX) moved[id] = strings.intern(tree.strings[id]);
    return moved[id];
  };
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
  if (goes_by_function()) by_function_.resize(profile.functions().size(), kNoCode);
}

uint32_t FrameNamer::intern(const FrameDraft &draft) {
  // A step per field: two of them folded into one word could be chosen so that all agree.
  uint64_t hash = hash_u64(pointer_bits(draft.name), seed_);
  hash = hash_combine(hash, pointer_bits(draft.file), seed_);
  hash = hash_combine(hash, static_cast<uint64_t>(draft.line), seed_);
  hash = hash_combine(hash, pointer_bits(draft.module), seed_);
  hash = hash_combine(hash, draft.address, seed_);
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

std::string_view FrameNamer::unnamed(const Location &location) {
  text_.clear();
  append_location_name(profile_, location, text_);
  return made_[made_.intern(text_)];
}

uint32_t FrameNamer::draft_of_unnamed(const Location &location) {
  FrameDraft draft;
  draft.kind = number(location.kind);
  const std::string_view base = module_name(profile_, location.module);
  switch (key_) {
  case FrameKey::kFunction:
  case FrameKey::kFileFunction:
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

uint32_t FrameNamer::draft_of_line(const Location &location, const Line &line, FrameKind kind) {
  const bool plain = goes_by_function() && line.function != 0 && kind_class(number(kind)) == 0;
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
  draft.name = function_name(profile_, line.function);
  draft.file = profile_.text(function.file);
  if (key_ == FrameKey::kFile) {
    const std::string_view file = line.file != 0 ? profile_.text(line.file) : draft.file;
    if (file.empty()) return draft_of_unnamed(location);
    draft.name = draft.file = file;
    return intern(draft);
  }
  if (!goes_by_function()) {
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
  if (lines.size() == 1) return draft_of_line(location, lines[0], location.kind);
  if (runs_.size() + lines.size() >= kMany - 2)
    throw Error{Status::kLimit, "more than 2147483645 inlined lines"};
  if (runs_.empty()) runs_.push_back(0); // a run never begins at 0, see RecordSource::Cursor
  const auto first = static_cast<uint32_t>(runs_.size());
  for (size_t i = lines.size(); i-- > 0;)
    runs_.push_back(draft_of_line(location, lines[i], line_kind(location, i)) |
                    (i != 0 ? kMore : 0));
  return first | kMany;
}

void FrameNamer::finish(FlameTree &tree) {
  tree.key = key_;
  remap_ = place_frames(drafts_, tree);
  for (uint32_t &code : codes_)
    if ((code & kMany) == 0) code = remap_[code];
  for (size_t i = 1; i < runs_.size(); ++i)
    runs_[i] = remap_[runs_[i] & ~kMore] | (runs_[i] & kMore);
}

} // namespace profcore::flame
