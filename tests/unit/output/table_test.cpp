#include "output/output.hpp"
#include "output/table.hpp"
#include "support/tree_builder.hpp"

#include <doctest/doctest.h>

using namespace profcore;
using test::TreeBuilder;

namespace {

std::string text(const Buffer &out) {
  return {out.data(), out.size()};
}

std::string tree_table(const FlameTree &tree, const TableOptions &options = {}) {
  Buffer out;
  write_tree_table(tree, options, out);
  return text(out);
}

} // namespace

TEST_CASE("columns are as wide as their widest cell") {
  TextTable table{{"a", "long", "name"}};
  table.add_row({"1", "2", "x"});
  table.add_rule();
  table.add_row({"12345", "3", "a name too long"});
  Buffer out;
  table.write(25, out);
  CHECK(text(out) == "    a  long  name\n"
                     "    1     2  x\n"
                     "-------------------------\n"
                     "12345     3  a name too \xe2\x80\xa6\n");
}

TEST_CASE("tree table indents and shares") {
  const FlameTree tree = TreeBuilder{"cpu", "nanoseconds"}
                             .add({"main", "work"}, 3'000'000)
                             .add({"main"}, 1'000'000)
                             .build();
  CHECK(tree_table(tree) == "Type: cpu (nanoseconds)\n"
                            "Total: 4ms\n"
                            "Shown: 3 of 3 nodes\n"
                            "\n"
                            "   total    total%      self     self%  name\n"
                            "     4ms   100.00%                      all\n"
                            "     4ms   100.00%       1ms    25.00%    main\n"
                            "     3ms    75.00%       3ms    75.00%      work\n");
}

TEST_CASE("tree table limits to the largest and keeps their callers") {
  TreeBuilder builder{"n", "count"};
  builder.add({"a", "b", "c"}, 10).add({"d"}, 5).add({"e"}, 1).add({"minus"}, -100);
  TableOptions options;
  options.limit = 3;
  options.tsv = true;
  const std::string table = tree_table(builder.build(), options);
  CHECK(table == "depth\tname\tfile\tline\tmodule\tkind\tself\ttotal\n"
                 "0\tall\t\t0\t\tunknown\t0\t-84\n"
                 "1\ta\t\t0\t\tunknown\t0\t10\n"
                 "2\tb\t\t0\t\tunknown\t0\t10\n"
                 "3\tc\t\t0\t\tunknown\t10\t10\n");
}

TEST_CASE("tree table of a hostile depth stays linear") {
  TreeBuilder builder{"n", "count"};
  const std::vector<std::string> path(2000, "f");
  builder.add(path, 1);
  const std::string table = tree_table(builder.build());
  CHECK(table.size() < 2000 * 200);
  CHECK(table.find("[2000] f\n") != std::string::npos);
}

TEST_CASE("a name cannot add cells or lines") {
  TreeBuilder builder{"n", "count"};
  builder.add({"a\tb\nc"}, 1);
  TableOptions options;
  options.tsv = true;
  CHECK(tree_table(builder.build(), options)
            .find("a\xef\xbf\xbd"
                  "b\xef\xbf\xbd"
                  "c\t") != std::string::npos);
}
