// usage: golden_test EXPECTED_DIR [--update]
#include "golden/samples.hpp"
#include "model/operations.hpp"
#include "output/output.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>

using namespace profcore;
namespace fs = std::filesystem;

namespace {

using Outputs = std::map<std::string, std::string>;

void make(Outputs &outputs, const std::string &name, const std::function<void(Buffer &)> &write) {
  Buffer buffer;
  write(buffer);
  outputs[name] = {buffer.data(), buffer.size()};
}

void add_profile_outputs(const Profile &profile, Outputs &outputs) {
  make(outputs, "profile.json", [&](Buffer &out) { write_profile_json(profile, {}, out); });
  make(outputs, "profile.speedscope.json",
       [&](Buffer &out) { write_speedscope(profile, "golden <profile>", {}, out); });
  make(outputs, "cpu.collapsed", [&](Buffer &out) { write_collapsed(profile, {}, out); });
  make(outputs, "samples.collapsed", [&](Buffer &out) {
    CollapsedOptions options;
    options.type = 0;
    options.kind_suffix = true;
    write_collapsed(profile, options, out);
  });
}

void add_tree_outputs(const FlameTree &tree, const std::string &name, bool icicle,
                      Outputs &outputs) {
  make(outputs, name + ".flame.json", [&](Buffer &out) { write_flame_json(tree, {}, out); });
  make(outputs, name + ".flamebearer.json",
       [&](Buffer &out) { write_flamebearer(tree, "golden", {}, out); });
  const std::string title = "Golden <" + name + ">";
  make(outputs, name + ".svg", [&](Buffer &out) {
    RenderOptions options;
    options.title = title;
    options.icicle = icicle;
    options.min_width_px = 12;
    write_svg(tree, options, out);
  });
  TableOptions table;
  make(outputs, name + ".tree.txt", [&](Buffer &out) { write_tree_table(tree, table, out); });
  const TopOrder order = tree.is_diff() ? TopOrder::kDelta : TopOrder::kSelf;
  table.order = order;
  table.limit = 5;
  make(outputs, name + ".top.json", [&](Buffer &out) { write_top_json(tree, table, out); });
  table.width = 80;
  table.limit = 12;
  make(outputs, name + ".top.txt", [&](Buffer &out) { write_top_table(tree, table, out); });
  table.tsv = true;
  make(outputs, name + ".top.tsv", [&](Buffer &out) { write_top_table(tree, table, out); });
}

Outputs make_outputs() {
  Outputs outputs;
  const Profile before = test::make_sample_profile(false);
  const Profile after = test::make_sample_profile(true);
  add_profile_outputs(before, outputs);

  FlameOptions options;
  const FlameTree tree = build_flame_tree(before, options);
  add_tree_outputs(tree, "cpu", false, outputs);
  add_tree_outputs(diff_flame_trees(tree, build_flame_tree(after, options), {}), "diff", false,
                   outputs);
  make(outputs, "cpu.peek.txt",
       [&](Buffer &out) { write_peek_table(tree, "serve|memcpy", {}, out); });
  make(outputs, "cpu.peek.json",
       [&](Buffer &out) { write_peek_json(tree, "serve|memcpy", {}, out); });

  options.type = 0;
  options.inverted = true;
  add_tree_outputs(build_flame_tree(before, options), "inverted", true, outputs);

  const Profile deepflow = deepflow_view(before);
  make(outputs, "deepflow.collapsed", [&](Buffer &out) { write_collapsed(deepflow, {}, out); });
  options = {};
  options.root_name = "Total";
  const FlameTree total = build_flame_tree(deepflow_view(host_view(before)), options);
  make(outputs, "total.tree.txt", [&](Buffer &out) { write_tree_table(total, {}, out); });

  options = {};
  options.key = FrameKey::kLine;
  options.group_by = {"thread"};
  const FlameTree grouped = build_flame_tree(before, options);
  make(outputs, "grouped.tree.txt", [&](Buffer &out) {
    TableOptions table;
    table.width = 60;
    table.limit = 10;
    write_tree_table(grouped, table, out);
  });
  return outputs;
}

std::string read_file(const fs::path &path) {
  std::ifstream stream{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{stream}, {}};
}

void explain(const std::string &name, const std::string &expected, const std::string &made) {
  const auto [left, right] =
      std::mismatch(expected.begin(), expected.end(), made.begin(), made.end());
  const auto at = static_cast<size_t>(left - expected.begin());
  const auto line = std::count(expected.begin(), left, '\n') + 1;
  const auto around = [&](const std::string &text) {
    const size_t from = at < 40 ? 0 : at - 40;
    return from < text.size() ? text.substr(from, 80) : std::string{};
  };
  std::fprintf(stderr, "%s: differs at byte %zu, line %td\n  expected: ...%s\n  made:     ...%s\n",
               name.c_str(), at, line, around(expected).c_str(), around(made).c_str());
}

} // namespace

int main(int argc, char **argv) {
  if (argc < 2 || argc > 3 || (argc == 3 && std::string{argv[2]} != "--update")) {
    std::fprintf(stderr, "usage: golden_test EXPECTED_DIR [--update]\n");
    return 2;
  }
  const fs::path folder{argv[1]};
  const Outputs outputs = make_outputs();
  if (argc == 3) {
    for (const auto &entry : fs::directory_iterator{folder}) fs::remove(entry.path());
    for (const auto &[name, text] : outputs) {
      std::ofstream stream{folder / name, std::ios::binary};
      stream.write(text.data(), static_cast<std::streamsize>(text.size()));
      if (!stream) return std::fprintf(stderr, "%s: cannot write\n", name.c_str()), 1;
    }
    std::printf("%zu files written\n", outputs.size());
    return 0;
  }
  int failed = 0;
  for (const auto &[name, text] : outputs) {
    const std::string expected = read_file(folder / name);
    if (expected == text) continue;
    ++failed;
    explain(name, expected, text);
  }
  for (const auto &entry : fs::directory_iterator{folder}) {
    if (outputs.contains(entry.path().filename().string())) continue;
    ++failed;
    std::fprintf(stderr, "%s: no output makes it\n", entry.path().filename().c_str());
  }
  if (failed != 0)
    std::fprintf(stderr, "%d golden files differ; see tests/golden/README.md\n", failed);
  return failed == 0 ? 0 : 1;
}
