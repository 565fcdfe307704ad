#include "output/table.hpp"

#include "model/frame_name.hpp"
#include "output/units.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace profcore {

void TextTable::add_row(std::vector<std::string> cells) {
  rows_.push_back(std::move(cells));
}

void TextTable::write(size_t width, Buffer &output) const {
  const size_t last = headings_.size() - 1;
  std::vector<size_t> columns(last);
  for (size_t i = 0; i < last; ++i) columns[i] = display_width(headings_[i]);
  for (const auto &row : rows_)
    for (size_t i = 0; i < last && !row.empty(); ++i)
      columns[i] = std::max(columns[i], display_width(row[i]));
  size_t fixed = 0;
  for (const size_t column : columns) fixed += column + 2;
  // A name of a few letters is no use: past that the line may run over.
  const size_t room =
      width == 0 ? SIZE_MAX : std::max<size_t>(width > fixed ? width - fixed : 0, 12);
  const auto write_line = [&](const auto &cells) {
    for (size_t i = 0; i < last; ++i) {
      append_right(cells[i], columns[i], output);
      append_padding(2, output);
    }
    std::string storage;
    append(cut_to_width(cells[last], room, storage), output);
    output.put('\n');
  };
  write_line(headings_);
  for (const auto &row : rows_) {
    if (!row.empty()) {
      write_line(row);
      continue;
    }
    for (size_t i = 0; i < fixed + 12; ++i) output.put('-');
    output.put('\n');
  }
}

std::string frame_label(const FlameTree &tree, uint32_t frame) {
  const FlameFrame &at = tree.frames[frame];
  std::string label;
  append_clean(tree.strings[at.name], label);
  if (at.line != 0) {
    label += ' ';
    append_clean(tree.strings[at.file], label);
    label += fmt::format(":{}", at.line);
  }
  if (at.address != 0) label += fmt::format(" {:#x}", at.address);
  return label;
}

void append_table_head(const FlameTree &tree, Buffer &output) {
  const std::string_view unit = tree.strings[tree.unit];
  std::string head = "Type: ";
  append_clean(tree.strings[tree.type], head);
  if (!unit.empty()) {
    head += " (";
    append_clean(unit, head);
    head += ')';
  }
  if (tree.inverted) head += ", inverted";
  head += "\nTotal: ";
  const int64_t total = tree.size() == 0 ? 0 : tree.total[0];
  head += humanise(total, unit);
  if (tree.is_diff()) {
    const int64_t base = tree.base_total[0];
    head +=
        fmt::format(", before {}{}, change {}", humanise(base, unit),
                    tree.normalised ? " (normalised)" : "", humanise_difference(total, base, unit));
  }
  head += '\n';
  append(head, output);
}

void append_tsv_frame(const FlameTree &tree, uint32_t frame, Buffer &output) {
  const FlameFrame &at = tree.frames[frame];
  std::string text;
  append_clean(tree.strings[at.file], text);
  text += fmt::format("\t{}\t", at.line);
  append_clean(tree.strings[at.module], text);
  text += '\t';
  text += frame_kind_name(static_cast<FrameKind>(at.kind));
  text += '\t';
  append(text, output);
}

} // namespace profcore
