#pragma once

#include "flame/tree.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace profcore::test {

/// Makes a FlameTree from paths, independently of lib/flame, siblings by name.
class TreeBuilder {
public:
  TreeBuilder(std::string_view type, std::string_view unit) : type_{type}, unit_{unit} {
    nodes_.push_back({});
  }

  /// `frames` root first.
  TreeBuilder &add(const std::vector<std::string> &frames, int64_t value, int64_t base = 0) {
    size_t at = 0;
    for (const std::string &frame : frames) {
      const auto found = nodes_[at].children.find(frame);
      if (found != nodes_[at].children.end()) {
        at = found->second;
        continue;
      }
      nodes_.push_back({});
      nodes_[at].children.emplace(frame, nodes_.size() - 1);
      at = nodes_.size() - 1;
    }
    nodes_[at].self += value;
    nodes_[at].base += base;
    is_diff_ = is_diff_ || base != 0;
    return *this;
  }
  /// Details of all frames of that name.
  TreeBuilder &describe(const std::string &name, FrameKind kind, std::string_view file = {},
                        int64_t line = 0, std::string_view module = {}) {
    details_[name] = {kind, std::string{file}, line, std::string{module}};
    return *this;
  }

  FlameTree build() const {
    FlameTree tree;
    tree.type = tree.strings.intern(type_);
    tree.unit = tree.strings.intern(unit_);
    FlameFrame root;
    root.name = tree.strings.intern("all");
    tree.frames.push_back(root);
    struct Visit {
      size_t node;
      uint32_t parent;
      uint32_t depth;
      const std::string *name;
    };
    std::map<std::string, uint32_t> frames;
    std::vector<Visit> pending{{0, 0, 0, nullptr}};
    while (!pending.empty()) {
      const Visit visit = pending.back();
      pending.pop_back();
      const auto id = static_cast<uint32_t>(tree.size());
      uint32_t frame = 0;
      if (visit.name != nullptr) frame = frame_of(*visit.name, frames, tree);
      tree.frame.push_back(frame);
      tree.parent.push_back(visit.parent);
      tree.depth.push_back(visit.depth);
      tree.subtree_end.push_back(id + 1);
      tree.self.push_back(nodes_[visit.node].self);
      tree.total.push_back(nodes_[visit.node].self);
      if (is_diff_) {
        tree.base_self.push_back(nodes_[visit.node].base);
        tree.base_total.push_back(nodes_[visit.node].base);
      }
      const auto &children = nodes_[visit.node].children;
      for (auto child = children.rbegin(); child != children.rend(); ++child)
        pending.push_back({child->second, id, visit.depth + 1, &child->first});
    }
    for (size_t node = tree.size(); node-- > 1;) {
      const uint32_t parent = tree.parent[node];
      tree.total[parent] += tree.total[node];
      if (is_diff_) tree.base_total[parent] += tree.base_total[node];
      tree.subtree_end[parent] = std::max(tree.subtree_end[parent], tree.subtree_end[node]);
    }
    return tree;
  }

private:
  struct Node {
    std::map<std::string, size_t> children;
    int64_t self = 0;
    int64_t base = 0;
  };
  struct Detail {
    FrameKind kind = FrameKind::kUnknown;
    std::string file;
    int64_t line = 0;
    std::string module;
  };

  uint32_t frame_of(const std::string &name, std::map<std::string, uint32_t> &frames,
                    FlameTree &tree) const {
    const auto [at, is_new] = frames.try_emplace(name, static_cast<uint32_t>(tree.frames.size()));
    if (!is_new) return at->second;
    FlameFrame frame;
    frame.name = tree.strings.intern(name);
    if (const auto detail = details_.find(name); detail != details_.end()) {
      frame.kind = static_cast<uint32_t>(detail->second.kind);
      frame.file = tree.strings.intern(detail->second.file);
      frame.line = detail->second.line;
      frame.module = tree.strings.intern(detail->second.module);
    }
    tree.frames.push_back(frame);
    return at->second;
  }

  std::string type_;
  std::string unit_;
  std::vector<Node> nodes_;
  std::map<std::string, Detail> details_;
  bool is_diff_ = false;
};

} // namespace profcore::test
