#include "model/frame_name.hpp"
#include "output/output.hpp"
#include "output/table.hpp"
#include "output/units.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace profcore {
namespace {

void append_number(int64_t value, char end, Buffer &output) {
  append(fmt::format_int{value}.str(), output);
  output.put(end);
}

void write_tsv(const FlameTree &tree, const std::vector<TopRow> &rows, size_t shown,
               const Context &context, Buffer &output) {
  const size_t start = output.size();
  append("name\tfile\tline\tmodule\tkind\tself\ttotal", output);
  append(tree.is_diff() ? "\tbase_self\tbase_total\n" : "\n", output);
  for (size_t i = 0; i < shown; ++i) {
    if (i % kReportEvery == 0) {
      context.report(i, shown);
      context.check_result(output.size() - start);
    }
    std::string name;
    append_clean(tree.strings[tree.frames[rows[i].frame].name], name);
    append(name, output);
    output.put('\t');
    append_tsv_frame(tree, rows[i].frame, output);
    append_number(rows[i].self, '\t', output);
    append_number(rows[i].total, tree.is_diff() ? '\t' : '\n', output);
    if (!tree.is_diff()) continue;
    append_number(rows[i].base_self, '\t', output);
    append_number(rows[i].base_total, '\n', output);
  }
}

} // namespace

void write_top_table(const FlameTree &tree, const TableOptions &options, Buffer &output) {
  const std::vector<TopRow> rows = top(tree, options.order, 0);
  const size_t shown = options.limit == 0 ? rows.size() : std::min(options.limit, rows.size());
  if (options.tsv) return write_tsv(tree, rows, shown, options.context, output);

  const std::string_view unit = tree.strings[tree.unit];
  const int64_t total = tree.size() == 0 ? 0 : tree.total[0];
  const bool is_diff = tree.is_diff();
  const int64_t base_total = is_diff ? tree.base_total[0] : 0;
  TextTable table{
      is_diff ? std::vector<std::string_view>{"self", "before", "change", "change%", "total",
                                              "before", "change", "change%", "name"}
              : std::vector<std::string_view>{"self", "self%", "sum%", "total", "total%", "name"}};
  int64_t sum = 0;
  for (size_t i = 0; i < shown; ++i) {
    if (i % kReportEvery == 0) options.context.report(i, shown);
    const TopRow &row = rows[i];
    sum = saturating_sum(sum, row.self);
    if (is_diff) {
      table.add_row({humanise(row.self, unit), humanise(row.base_self, unit),
                     humanise_difference(row.self, row.base_self, unit),
                     format_share(saturating_difference(row.self, row.base_self), base_total),
                     humanise(row.total, unit), humanise(row.base_total, unit),
                     humanise_difference(row.total, row.base_total, unit),
                     format_share(saturating_difference(row.total, row.base_total), base_total),
                     frame_label(tree, row.frame)});
    } else {
      table.add_row({humanise(row.self, unit), format_share(row.self, total),
                     format_share(sum, total), humanise(row.total, unit),
                     format_share(row.total, total), frame_label(tree, row.frame)});
    }
  }
  append_table_head(tree, output);
  append(fmt::format("Shown: {} of {} frames, {} self ({})\n", shown, rows.size(),
                     humanise(sum, unit), format_share(sum, total)),
         output);
  if (is_diff) append("change% is of the total before\n", output);
  output.put('\n');
  table.write(options.width, output);
}

} // namespace profcore
