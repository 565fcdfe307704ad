// How fast collapsed text could be read if less were done. From below:
//   newlines  find the line ends
//   split     and the last space of each line, and the number after it
//   intern    and cut the stack into frames, each name looked up in a hash table
//   trie      and a prefix tree from a single table keyed by parent and name, without any of the
//             tricks that sorted input or prefetching allow

#include "harness.hpp"

#include <array>

namespace {

constexpr std::uint64_t kMultiplier = 0x9e3779b97f4a7c15u;

std::uint64_t mix(std::uint64_t value) {
  value *= kMultiplier;
  return value ^ (value >> 32);
}

std::uint64_t hash_text(std::string_view text) {
  std::uint64_t hash = text.size() * kMultiplier;
  std::size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + i, 8);
    hash = mix(hash ^ word);
  }
  std::uint64_t rest = 0;
  if (i < text.size()) std::memcpy(&rest, text.data() + i, text.size() - i);
  return mix(hash ^ rest);
}

class Names {
public:
  std::uint32_t intern(std::string_view name) {
    const std::uint64_t hash = hash_text(name);
    for (std::size_t i = hash & mask();; i = (i + 1) & mask()) {
      Slot &slot = slots_[i];
      if (slot.id != 0) {
        if (slot.hash == hash && names_[slot.id - 1] == name) return slot.id - 1;
        continue;
      }
      names_.push_back(name);
      slot = {hash, static_cast<std::uint32_t>(names_.size())};
      if (names_.size() * 2 > slots_.size()) grow();
      return static_cast<std::uint32_t>(names_.size() - 1);
    }
  }

private:
  struct Slot {
    std::uint64_t hash = 0;
    std::uint32_t id = 0;
  };

  std::size_t mask() const { return slots_.size() - 1; }

  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot &slot : old) {
      if (slot.id == 0) continue;
      std::size_t i = slot.hash & mask();
      while (slots_[i].id != 0) i = (i + 1) & mask();
      slots_[i] = slot;
    }
  }

  std::vector<Slot> slots_ = std::vector<Slot>(1024);
  std::vector<std::string_view> names_;
};

class Trie {
public:
  // Node 0 is the root, so an edge to it marks an empty slot.
  std::uint32_t child(std::uint32_t parent, std::uint32_t name) {
    const std::uint64_t key = std::uint64_t{parent} << 32 | name;
    for (std::size_t i = mix(key) & mask();; i = (i + 1) & mask()) {
      Slot &slot = slots_[i];
      if (slot.node != 0) {
        if (slot.key == key) return slot.node;
        continue;
      }
      const std::uint32_t node = ++nodes_;
      slot = {key, node};
      if (std::size_t{nodes_} * 2 > slots_.size()) grow();
      self_.push_back(0);
      return node;
    }
  }

  void add(std::uint32_t node, std::int64_t value) { self_[node] += value; }

private:
  struct Slot {
    std::uint64_t key = 0;
    std::uint32_t node = 0;
  };

  std::size_t mask() const { return slots_.size() - 1; }

  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot &slot : old) {
      if (slot.node == 0) continue;
      std::size_t i = mix(slot.key) & mask();
      while (slots_[i].node != 0) i = (i + 1) & mask();
      slots_[i] = slot;
    }
  }

  std::vector<Slot> slots_ = std::vector<Slot>(1024);
  std::vector<std::int64_t> self_ = std::vector<std::int64_t>(1);
  std::uint32_t nodes_ = 0;
};

template <class Line> std::uint64_t for_each_line(std::string_view text, Line line) {
  std::uint64_t lines = 0;
  while (!text.empty()) {
    const void *found = std::memchr(text.data(), '\n', text.size());
    const std::size_t size =
        found == nullptr ? text.size()
                         : static_cast<std::size_t>(static_cast<const char *>(found) - text.data());
    line(text.substr(0, size));
    ++lines;
    text.remove_prefix(found == nullptr ? size : size + 1);
  }
  return lines;
}

struct Split {
  std::string_view stack;
  std::int64_t value;
};

Split split_line(std::string_view line) {
  const std::size_t space = line.rfind(' ');
  if (space == std::string_view::npos || space + 1 == line.size() || line.size() - space > 19)
    throw bench::Failure("a line without a count");
  Split split{line.substr(0, space), 0};
  for (char digit : line.substr(space + 1)) {
    if (digit < '0' || digit > '9') throw bench::Failure("a count that is not a number");
    split.value = split.value * 10 + (digit - '0');
  }
  return split;
}

template <class Frame> void for_each_frame(std::string_view stack, Frame frame) {
  for (;;) {
    const void *found = std::memchr(stack.data(), ';', stack.size());
    if (found == nullptr) break;
    const auto size = static_cast<std::size_t>(static_cast<const char *>(found) - stack.data());
    frame(stack.substr(0, size));
    stack.remove_prefix(size + 1);
  }
  frame(stack);
}

bench::Outcome count_newlines(std::string_view text) {
  return {for_each_line(text, [](std::string_view) {}), 0};
}

bench::Outcome split_lines(std::string_view text) {
  bench::Outcome outcome;
  outcome.samples = for_each_line(
      text, [&](std::string_view line) { outcome.checksum += split_line(line).value; });
  return outcome;
}

bench::Outcome intern_frames(std::string_view text) {
  bench::Outcome outcome;
  Names names;
  std::vector<std::uint32_t> path;
  outcome.samples = for_each_line(text, [&](std::string_view line) {
    const Split split = split_line(line);
    path.clear();
    for_each_frame(split.stack,
                   [&](std::string_view frame) { path.push_back(names.intern(frame)); });
    outcome.checksum += split.value;
  });
  return outcome;
}

bench::Outcome build_trie(std::string_view text) {
  bench::Outcome outcome;
  Names names;
  Trie trie;
  outcome.samples = for_each_line(text, [&](std::string_view line) {
    const Split split = split_line(line);
    std::uint32_t node = 0;
    for_each_frame(split.stack,
                   [&](std::string_view frame) { node = trie.child(node, names.intern(frame)); });
    trie.add(node, split.value);
    outcome.checksum += split.value;
  });
  return outcome;
}

} // namespace

int main(int argc, char **argv) {
  return bench::guarded_main(
      argc, argv, "newlines|split|intern|trie",
      [](const std::string &bytes, int runs, std::string_view mode) {
        const auto same = [](bench::Outcome outcome) { return outcome; };
        if (mode == "newlines")
          bench::repeat("find newlines", bytes, runs, count_newlines, same);
        else if (mode == "split")
          bench::repeat("split at last space", bytes, runs, split_lines, same);
        else if (mode == "intern")
          bench::repeat("split and intern", bytes, runs, intern_frames, same);
        else if (mode == "trie")
          bench::repeat("plain prefix tree", bytes, runs, build_trie, same);
        else
          throw bench::Failure("no such mode");
      });
}
