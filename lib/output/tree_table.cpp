#include "output/output.hpp"
#include "output/table.hpp"
#include "output/units.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>

namespace profcore {
namespace {

/// Deeper rows say their depth instead: indenting a stack of a million frames is a terabyte.
constexpr uint32_t kDeepestIndent = 60;

/// Marks the `limit` nodes with the largest totals, and what lies between them and the root.
PodVector<uint8_t> choose_nodes(const FlameTree &tree, size_t limit) {
  PodVector<uint8_t> chosen;
  if (limit == 0 || limit >= tree.size()) {
    chosen.resize(tree.size(), 1);
    return chosen;
  }
  chosen.resize(tree.size());
  const auto weight = [&](uint32_t node) {
    return tree.is_diff() ? std::max(tree.total[node], tree.base_total[node]) : tree.total[node];
  };
  std::vector<uint32_t> nodes(tree.size());
  std::iota(nodes.begin(), nodes.end(), 0U);
  std::nth_element(nodes.begin(), nodes.begin() + static_cast<ptrdiff_t>(limit), nodes.end(),
                   [&](uint32_t a, uint32_t b) {
                     const int64_t left = weight(a);
                     const int64_t right = weight(b);
                     return left == right ? a < b : left > right;
                   });
  for (size_t i = 0; i < limit; ++i) chosen[nodes[i]] = 1;
  // Ancestors are among them already, unless there are negative values.
  for (size_t node = tree.size(); node-- > 1;)
    if (chosen[node] != 0) chosen[tree.parent[node]] = 1;
  return chosen;
}

void write_tsv(const FlameTree &tree, const PodVector<uint8_t> &chosen, const Context &context,
               Buffer &output) {
  const size_t start = output.size();
  append("depth\tname\tfile\tline\tmodule\tkind\tself\ttotal", output);
  append(tree.is_diff() ? "\tbase_self\tbase_total\n" : "\n", output);
  for (uint32_t node = 0; node < tree.size(); ++node) {
    if (node % kReportEvery == 0) {
      context.report(node, tree.size());
      context.check_result(output.size() - start);
    }
    if (chosen[node] == 0) continue;
    std::string line = fmt::format("{}\t", tree.depth[node]);
    append_clean(tree.name_of(node), line);
    line += '\t';
    append(line, output);
    append_tsv_frame(tree, tree.frame[node], output);
    line = fmt::format("{}\t{}", tree.self[node], tree.total[node]);
    if (tree.is_diff())
      line += fmt::format("\t{}\t{}", tree.base_self[node], tree.base_total[node]);
    line += '\n';
    append(line, output);
  }
}

std::string indented_label(const FlameTree &tree, uint32_t node, uint32_t deepest_indent) {
  const uint32_t depth = tree.depth[node];
  std::string label(size_t{std::min(depth, deepest_indent)} * 2, ' ');
  if (depth > deepest_indent) label += fmt::format("[{}] ", depth);
  return label + frame_label(tree, tree.frame[node]);
}

} // namespace

void write_tree_table(const FlameTree &tree, const TableOptions &options, Buffer &output) {
  const PodVector<uint8_t> chosen = choose_nodes(tree, options.limit);
  if (options.tsv) return write_tsv(tree, chosen, options.context, output);

  // Not a TextTable: a tree can have millions of rows, so they are made as they are written.
  const std::string_view unit = tree.strings[tree.unit];
  const bool is_diff = tree.is_diff();
  const size_t start = output.size();
  size_t shown = 0;
  for (const uint8_t flag : chosen) shown += flag;
  append_table_head(tree, output);
  append(fmt::format("Shown: {} of {} nodes\n\n", shown, tree.size()), output);
  size_t value_width = 8;
  for (uint32_t node = 0; node < tree.size(); ++node) {
    if (chosen[node] == 0) continue;
    value_width = std::max(value_width, humanise(tree.total[node], unit).size());
    if (!is_diff) {
      value_width = std::max(value_width, humanise(tree.self[node], unit).size());
      continue;
    }
    value_width = std::max(value_width, humanise(tree.base_total[node], unit).size());
    value_width = std::max(
        value_width, humanise_difference(tree.total[node], tree.base_total[node], unit).size());
  }
  const size_t share_width = 8;
  const size_t fixed =
      is_diff ? 3 * (value_width + 2) + share_width + 2 : 2 * (value_width + share_width + 4);
  const size_t room = options.width == 0
                          ? SIZE_MAX
                          : std::max<size_t>(options.width > fixed ? options.width - fixed : 0, 12);
  const auto deepest_indent = static_cast<uint32_t>(std::min<size_t>(kDeepestIndent, room / 4));
  const auto cell = [&](std::string_view text, size_t width) {
    append_right(text, width, output);
    append_padding(2, output);
  };
  if (is_diff) {
    cell("total", value_width), cell("total%", share_width);
    cell("before", value_width), cell("change", value_width);
  } else {
    cell("total", value_width), cell("total%", share_width);
    cell("self", value_width), cell("self%", share_width);
  }
  append("name\n", output);
  const int64_t whole = tree.size() == 0 ? 0 : tree.total[0];
  std::string storage;
  for (uint32_t node = 0; node < tree.size(); ++node) {
    if (node % kReportEvery == 0) {
      options.context.report(node, tree.size());
      options.context.check_result(output.size() - start);
    }
    if (chosen[node] == 0) continue;
    const int64_t total = tree.total[node];
    cell(humanise(total, unit), value_width);
    cell(format_share(total, whole), share_width);
    if (is_diff) {
      cell(humanise(tree.base_total[node], unit), value_width);
      cell(humanise_difference(total, tree.base_total[node], unit), value_width);
    } else {
      const int64_t self = tree.self[node];
      cell(self == 0 ? "" : humanise(self, unit), value_width);
      cell(self == 0 ? "" : format_share(self, whole), share_width);
    }
    const std::string label = indented_label(tree, node, deepest_indent);
    append(cut_to_width(label, room, storage), output);
    output.put('\n');
  }
}

} // namespace profcore
