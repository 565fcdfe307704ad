#pragma once

#include "flame/tree.hpp"
#include "output/text.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace profcore {

constexpr size_t kReportEvery = size_t{1} << 16; ///< rows between two reports of progress

/// A text table: right-aligned columns as wide as their widest cell, then one left-aligned column
/// of free text, cut so that lines fit a given width.
class TextTable {
public:
  explicit TextTable(std::vector<std::string_view> headings) : headings_{std::move(headings)} {}

  /// One cell per heading; the last is the free one and must be clean text.
  void add_row(std::vector<std::string> cells);
  /// A line of dashes.
  void add_rule() { rows_.emplace_back(); }
  /// `width` 0 = never cut.
  void write(size_t width, Buffer &output) const;

private:
  std::vector<std::string_view> headings_;
  std::vector<std::vector<std::string>> rows_; ///< an empty one is a rule
};

/// A frame's name as tables show it: clean, with its line or address when the key keeps them.
std::string frame_label(const FlameTree &tree, uint32_t frame);

/// "Type: ..." and "Total: ..." lines.
void append_table_head(const FlameTree &tree, Buffer &output);

/// Tab-separated: file, line, module, kind of a frame, each followed by a tab.
void append_tsv_frame(const FlameTree &tree, uint32_t frame, Buffer &output);

} // namespace profcore
