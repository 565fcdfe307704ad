#include "output/output.hpp"
#include "output/svg_style.hpp"
#include "support/tree_builder.hpp"

#include <doctest/doctest.h>

using namespace profcore;
using test::TreeBuilder;

namespace {

std::string svg(const FlameTree &tree, const RenderOptions &options = {}) {
  Buffer out;
  write_svg(tree, options, out);
  return {out.data(), out.size()};
}

size_t count(const std::string &text, std::string_view part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

} // namespace

TEST_CASE("svg has a bar per node, with its value and share") {
  const FlameTree tree =
      TreeBuilder{"cpu", "nanoseconds"}.add({"main", "work"}, 3000).add({"main"}, 1000).build();
  const std::string text = svg(tree);
  CHECK(count(text, "<rect") == 4); // background, all, main, work
  CHECK(count(text, "<title>work\n3us, 75.00%</title>") == 1);
  CHECK(count(text, "<title>main\n4us, 100.00% (self 1us, 25.00%)</title>") == 1);
  CHECK(count(text, "cpu: 4us") == 1);
  CHECK(svg(tree) == text);
}

TEST_CASE("svg lets nothing out of its markup") {
  const FlameTree tree = TreeBuilder{"<&\"", "count"}
                             .add({"</title><script>alert(1)</script>", "\x1b]0;\xff'\""}, 5)
                             .build();
  RenderOptions options;
  options.title = "</svg><a b=\"";
  const std::string text = svg(tree, options);
  CHECK(count(text, "<script") == 0);
  CHECK(count(text, "</svg>") == 1);
  CHECK(count(text, "\x1b") == 0);
  CHECK(count(text, "&lt;/svg&gt;") == 2);
}

TEST_CASE("svg leaves out narrow bars with their subtrees and counts them") {
  TreeBuilder builder{"samples", "count"};
  builder.add({"big"}, 1'000'000).add({"tiny", "below"}, 1).add({"tiny"}, 1);
  const std::string text = svg(builder.build());
  CHECK(count(text, "<rect") == 3);
  CHECK(count(text, "2 frames narrower than 0.1 px not drawn") == 1);
  RenderOptions all;
  all.min_width_px = 0;
  CHECK(count(svg(builder.build(), all), "<rect") == 5);
}

TEST_CASE("svg puts the root at the bottom, or on top of an icicle") {
  const FlameTree tree = TreeBuilder{"samples", "count"}.add({"f"}, 1).build();
  RenderOptions options;
  CHECK(count(svg(tree, options), "class=\"root\" x=\"10.00\" y=\"73\"") == 1);
  options.icicle = true;
  CHECK(count(svg(tree, options), "class=\"root\" x=\"10.00\" y=\"56\"") == 1);
}

TEST_CASE("svg of a diff tells what changed") {
  const FlameTree tree = TreeBuilder{"cpu", "nanoseconds"}
                             .add({"grew"}, 3000, 1000)
                             .add({"new"}, 1000, 0)
                             .add({"gone", "with"}, 0, 500)
                             .build();
  const std::string text = svg(tree);
  CHECK(count(text, "before 1us, 66.67%; change +2us") == 1);
  CHECK(count(text, "\nnew</title><rect class=\"n\"") == 1);
  CHECK(count(text, "2 frames only in the profile before") == 1);
}

TEST_CASE("svg of nothing says so") {
  CHECK(count(svg(FlameTree{}), "no data") == 1);
  CHECK(count(svg(TreeBuilder{"t", "count"}.build()), "no data") == 1);
  RenderOptions options;
  options.width = 7;
  CHECK_THROWS_AS(svg(FlameTree{}, options), Error);
}

TEST_CASE("colours follow names and changes") {
  CHECK(frame_style(1, "main") == frame_style(1, "main"));
  CHECK(frame_style(static_cast<uint32_t>(FrameKind::kKernel), "f").front() == 'k');
  CHECK(diff_style(10, 100, 10, 100) == "z");
  CHECK(diff_style(20, 100, 10, 100) == "g4");
  CHECK(diff_style(0, 100, 10, 100) == "s8");
  CHECK(diff_style(5, 100, 0, 100) == "n");
  CHECK(diff_style(0, 0, 0, 0) == "z");
}
