#include "output/output.hpp"
#include "output/table.hpp"
#include "output/units.hpp"

#include <fmt/format.h>

namespace profcore {
namespace {

std::string caller_label(const FlameTree &tree, uint32_t frame) {
  return frame == 0 ? std::string{"(root)"} : frame_label(tree, frame);
}

} // namespace

void write_peek_table(const FlameTree &tree, std::string_view function, bool exact,
                      Buffer &output) {
  const std::vector<Peek> found = peek(tree, function, exact);
  const std::string_view unit = tree.strings[tree.unit];
  const int64_t total = tree.size() == 0 ? 0 : tree.total[0];
  TextTable table{
      {"self", "self%", "total", "total%", "calls", "calls%", "caller | function | callee"}};
  for (const Peek &at : found) {
    table.add_rule();
    const auto add_neighbour = [&](const PeekRow &row, std::string label) {
      table.add_row({"", "", "", "", humanise(row.value, unit), format_share(row.value, at.total),
                     "|   " + std::move(label)});
    };
    for (const PeekRow &row : at.callers) add_neighbour(row, caller_label(tree, row.frame));
    table.add_row({humanise(at.self, unit), format_share(at.self, total), humanise(at.total, unit),
                   format_share(at.total, total), "", "", "| " + frame_label(tree, at.frame)});
    for (const PeekRow &row : at.callees) add_neighbour(row, frame_label(tree, row.frame));
  }
  table.add_rule();
  append_table_head(tree, output);
  append(fmt::format("Shown: {} {}\n\n", found.size(),
                     found.size() == 1 ? "function with its callers and callees"
                                       : "functions with their callers and callees"),
         output);
  table.write(0, output);
}

} // namespace profcore
