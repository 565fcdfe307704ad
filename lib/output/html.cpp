// The page is a template with four placeholders (assets/README.md); the tree goes in as one JSON
// object. Nodes are a preorder LEB128 stream, some four bytes each, deflated and in base64: a
// million nodes are about 3 MB of page, where one JSON object per node would be 60. Linear in
// nodes.

#include "base/inflate.hpp"
#include "base/json_writer.hpp"
#include "output/output.hpp"
#include "output/page.hpp"
#include "output/text.hpp"
#include "output/tree_json.hpp"

#include <string>

namespace profcore {
namespace {

constexpr size_t kMaxNodes = 2'000'000;
constexpr size_t kDeflateFrom = 4096;
constexpr uint32_t kLeftOutKind = 14;
constexpr size_t kProgressStep = size_t{1} << 18;

void put_varint(Buffer &out, uint64_t value) {
  while (value >= 0x80) {
    out.put(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.put(static_cast<char>(value));
}

uint64_t zigzag(int64_t value) {
  return static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63);
}

int64_t wrapping_minus(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}

/// What of each node's total lies neither in itself nor in its children: the value of what was
/// pruned.
PodVector<int64_t> left_out_values(const FlameTree &tree, const PodVector<int64_t> &self,
                                   const PodVector<int64_t> &total) {
  PodVector<int64_t> left;
  left.resize_uninitialized(tree.size());
  for (size_t node = 0; node < tree.size(); ++node)
    left[node] = wrapping_minus(total[node], self[node]);
  for (size_t node = 1; node < tree.size(); ++node)
    left[tree.parent[node]] = wrapping_minus(left[tree.parent[node]], total[node]);
  return left;
}

class NodeStream {
public:
  NodeStream(const FlameTree &tree, const Context &context) : tree_{tree}, context_{context} {}

  void write() {
    left_ = left_out_values(tree_, tree_.self, tree_.total);
    if (tree_.is_diff()) base_left_ = left_out_values(tree_, tree_.base_self, tree_.base_total);
    PodVector<uint32_t> open; // the path to the node at hand
    for (uint32_t node = 0; node < tree_.size(); ++node) {
      if (node % kProgressStep == 0) {
        context_.report(node, tree_.size());
        context_.check_result(bytes_.size());
      }
      while (!open.empty() && tree_.subtree_end[open.back()] <= node) close(open);
      put(tree_.depth[node], tree_.frame[node], tree_.self[node],
          tree_.is_diff() ? tree_.base_self[node] : 0);
      open.push_back(node);
    }
    while (!open.empty()) close(open);
  }

  const Buffer &bytes() const { return bytes_; }
  uint64_t count() const { return count_; }

private:
  void close(PodVector<uint32_t> &open) {
    const uint32_t node = open.back();
    open.pop_back();
    const int64_t base = tree_.is_diff() ? base_left_[node] : 0;
    if (left_[node] != 0 || base != 0)
      put(tree_.depth[node] + 1, static_cast<uint32_t>(tree_.frames.size()), left_[node], base);
  }
  void put(uint32_t depth, uint32_t frame, int64_t self, int64_t base) {
    put_varint(bytes_, count_ == 0 ? 0 : last_depth_ + 1 - depth);
    put_varint(bytes_, frame);
    put_varint(bytes_, zigzag(self));
    if (tree_.is_diff()) put_varint(bytes_, zigzag(base));
    last_depth_ = depth;
    ++count_;
  }

  const FlameTree &tree_;
  const Context &context_;
  PodVector<int64_t> left_;
  PodVector<int64_t> base_left_;
  Buffer bytes_;
  uint64_t count_ = 0;
  uint32_t last_depth_ = 0;
};

Buffer to_base64(const Buffer &bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  Buffer text;
  text.resize_uninitialized((bytes.size() + 2) / 3 * 4);
  size_t at = 0;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t have = bytes.size() - i < 3 ? bytes.size() - i : 3;
    uint32_t word = 0;
    for (size_t k = 0; k < 3; ++k)
      word = word << 8 | (k < have ? static_cast<unsigned char>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k)
      text[at++] = k <= have ? kDigits[word >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

void write_names(const FlameTree &tree, JsonWriter &json) {
  json.key("names");
  json.begin_array();
  for (uint32_t id = 0; id < tree.strings.size(); ++id) json.string(tree.strings[id]);
  json.string("(left out)");
  json.end_array();
}

void write_frames(const FlameTree &tree, JsonWriter &json) {
  const auto column = [&](std::string_view name, auto value_of, int64_t left_out) {
    json.key(name);
    json.begin_array();
    for (const FlameFrame &frame : tree.frames) json.number(static_cast<int64_t>(value_of(frame)));
    json.number(left_out);
    json.end_array();
  };
  json.key("frames");
  json.begin_object();
  column(
      "name", [](const FlameFrame &f) { return f.name; },
      static_cast<int64_t>(tree.strings.size()));
  column(
      "file", [](const FlameFrame &f) { return f.file; }, 0);
  column(
      "module", [](const FlameFrame &f) { return f.module; }, 0);
  column(
      "line", [](const FlameFrame &f) { return f.line; }, 0);
  column(
      "kind", [](const FlameFrame &f) { return f.kind; }, kLeftOutKind);
  json.end_object();
}

void write_data(const FlameTree &tree, const RenderOptions &options, Buffer &output) {
  JsonWriter json{output};
  const std::string_view type = tree.strings[tree.type];
  json.begin_object();
  json.member("version", 1);
  json.member("title", options.title.empty() ? type : options.title);
  json.member("subtitle", options.subtitle);
  write_tree_meta(tree, json);
  json.member("type", type);
  json.member("unit", tree.strings[tree.unit]);
  json.member("inverted", tree.inverted);
  json.member("icicle", options.icicle);
  json.member("diff", tree.is_diff());
  json.member("normalised", tree.normalised);
  write_names(tree, json);
  write_frames(tree, json);
  NodeStream nodes{tree, options.context};
  nodes.write();
  json.member("nodeCount", nodes.count());
  const bool deflate = nodes.bytes().size() >= kDeflateFrom;
  json.member("encoding", deflate ? "base64+deflate-raw" : "base64");
  Buffer packed;
  if (deflate) deflate_raw({nodes.bytes().data(), nodes.bytes().size()}, 6, packed);
  const Buffer text = to_base64(deflate ? packed : nodes.bytes());
  json.member("nodes", std::string_view{text.data(), text.size()});
  json.key("pruned");
  json.begin_object();
  json.member("nodes", tree.pruned_nodes);
  json.member("value", int64_t{0}); // their value is in the stream, as "(left out)" leaves
  json.end_object();
  json.member("total", tree.size() == 0 ? int64_t{0} : tree.total[0]);
  json.member("baselineTotal", tree.is_diff() ? tree.base_total[0] : int64_t{0});
  json.end_object();
}

void write_page(const FlameTree &tree, const RenderOptions &options, Buffer &output) {
  const auto emit_until = [&](std::string_view &rest, std::string_view placeholder) {
    const size_t at = rest.find(placeholder);
    append(rest.substr(0, at), output);
    rest.remove_prefix(at + placeholder.size());
  };
  std::string_view rest = page::html_template;
  emit_until(rest, "@TITLE@");
  append_xml(options.title.empty() ? tree.strings[tree.type] : options.title, output);
  emit_until(rest, "/*@CSS@*/");
  append(page::style, output);
  emit_until(rest, "@DATA@");
  write_data(tree, options, output);
  emit_until(rest, "/*@JS@*/");
  append(page::script, output);
  append(rest, output);
}

} // namespace

void write_html(const FlameTree &tree, const RenderOptions &options, Buffer &output) {
  if (tree.size() <= kMaxNodes) return write_page(tree, options, output);
  // No screen shows a millionth; a browser does hold two million nodes.
  double share = 1e-6;
  FlameTree pruned = prune_flame_tree(tree, share);
  while (pruned.size() > kMaxNodes && share < 1) pruned = prune_flame_tree(tree, share *= 4);
  write_page(pruned, options, output);
}

} // namespace profcore
