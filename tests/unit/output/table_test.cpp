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

TEST_CASE("top table adds up and cuts names to the terminal") {
  TreeBuilder builder{"cpu", "nanoseconds"};
  builder.add({"main", "a_function_with_a_rather_long_name"}, 3000).add({"main"}, 1000);
  TableOptions options;
  options.width = 60;
  options.limit = 1;
  Buffer out;
  write_top_table(builder.build(), options, out);
  CHECK(text(out) == "Type: cpu (nanoseconds)\n"
                     "Total: 4us\n"
                     "Shown: 1 of 2 frames, 3us self (75.00%)\n"
                     "\n"
                     "self   self%    sum%  total  total%  name\n"
                     " 3us  75.00%  75.00%    3us  75.00%  a_function_with_a_rath\xe2\x80\xa6\n");
  options = {};
  options.tsv = true;
  out.clear();
  write_top_table(builder.build(), options, out);
  CHECK(text(out) == "name\tfile\tline\tmodule\tkind\tself\ttotal\n"
                     "a_function_with_a_rather_long_name\t\t0\t\tunknown\t3000\t3000\n"
                     "main\t\t0\t\tunknown\t1000\t4000\n");
}

TEST_CASE("top table of a diff shows the change against the total before") {
  TreeBuilder builder{"n", "count"};
  builder.add({"f"}, 30, 10).add({"g"}, 0, 10);
  TableOptions options;
  options.order = TopOrder::kDelta;
  Buffer out;
  write_top_table(builder.build(), options, out);
  const std::string table = text(out);
  CHECK(table.find("Total: 30, before 20, change +10\n") != std::string::npos);
  CHECK(table.find("  30      10     +20  100.00%     30      10     +20  100.00%  f\n") !=
        std::string::npos);
  CHECK(table.find("   0      10     -10  -50.00%      0      10     -10  -50.00%  g\n") !=
        std::string::npos);
}

TEST_CASE("peek table puts a function between callers and callees") {
  TreeBuilder builder{"n", "count"};
  builder.add({"main", "f", "g"}, 6).add({"other", "f"}, 2);
  Buffer out;
  write_peek_table(builder.build(), "^f$", {}, out);
  const std::string table = text(out);
  const size_t caller = table.find("    6  75.00%  |   main\n");
  const size_t function = table.find("   2  25.00%      8  100.00%                 | f\n");
  const size_t callee = table.find("    6  75.00%  |   g\n");
  CHECK(caller != std::string::npos);
  CHECK(function != std::string::npos);
  CHECK(callee != std::string::npos);
  CHECK(caller < function);
  CHECK(function < callee);
  CHECK_THROWS_AS(write_peek_table(builder.build(), "nowhere", {}, out), Error);
  TableOptions exact;
  exact.exact = true;
  CHECK_THROWS_AS(write_peek_table(builder.build(), "^f$", exact, out), Error);
  CHECK_THROWS_AS(write_peek_json(builder.build(), "nowhere", {}, out), Error);
  out.clear();
  write_peek_json(builder.build(), "main", exact, out);
  CHECK(text(out).find(R"("functions":[{"name":"main","self":0,"total":6,)"
                       R"("callers":[{"value":6}],"callees":[{"name":"f","value":6}]}]})") !=
        std::string::npos);
}
