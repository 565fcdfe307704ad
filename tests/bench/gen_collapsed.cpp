// Writes a large, repeatable collapsed-stack file ("frame;frame;frame count" per line).
//
// A random tree is grown first: each new node draws its depth, then a parent among the nodes one
// level up, then a name that its parent does not have among its children yet. Lines end at every
// leaf and then at inner nodes; when nodes run out (there are slightly fewer nodes than lines) a
// few stacks come twice, as in files that were concatenated. The sorted and the shuffled file hold
// the same lines. Sorted is what stack-collapsing tools write; shuffled is the hard case for a
// reader that shares prefixes with the line before.

#include "arguments.hpp"
#include "random.hpp"

#include <algorithm>
#include <string_view>

namespace {

using bench::Random;

constexpr const char *kHelp = "usage: gen_collapsed -o FILE [options]\n"
                              "  --lines N     (1000000)\n"
                              "  --names N     distinct frame names (4045)\n"
                              "  --nodes N     nodes of the prefix tree (97 % of the lines)\n"
                              "  --sorted      lines in byte order\n"
                              "  --shuffled    lines in random order (default)\n"
                              "  --seed N      (1)\n";

constexpr std::uint32_t kMaxDepth = 64;

struct Options {
  std::string output;
  std::uint32_t lines = 1'000'000;
  std::uint32_t names = 4045;
  std::uint32_t nodes = 0;
  bool sorted = false;
  std::uint64_t seed = 1;
};

struct Node {
  std::uint32_t parent;
  std::uint32_t name;
  bool leaf;
};

constexpr std::uint32_t kNoParent = 0xffffffffu;

std::string make_name(std::uint32_t number, Random &random) {
  static constexpr std::string_view kWords[] = {
      "concurrent", "Executor", "internal", "Handler", "dispatch", "allocate",  "Iterator",
      "serializer", "network",  "Channel",  "storage", "compare",  "transform", "Scheduler"};
  const auto word = [&] {
    return std::string(kWords[random.below(static_cast<std::uint32_t>(std::size(kWords)))]);
  };
  const std::string id = std::to_string(number);
  switch (random.below(10)) {
  case 0:
    return "[lib" + word() + id + ".so.6]";
  case 1:
    return "__" + word() + "_" + word() + id + "_[k]";
  case 2: // spaces inside a frame are legal: only the last one of a line ends the stack
  case 3:
    return "std::" + word() + "<" + word() + ", unsigned long>::" + word() + id + "(void*)";
  case 4:
  case 5:
  case 6:
    return word() + "::" + word() + "::" + word() + "::" + word() + id;
  default:
    return "org/example/" + word() + "/" + word() + "$" + word() + "." + word() + id;
  }
}

std::vector<Node> grow_tree(std::uint32_t nodes, std::uint32_t names, Random &random) {
  std::vector<Node> tree;
  tree.reserve(nodes);
  std::vector<std::vector<std::uint32_t>> by_depth(kMaxDepth + 1);
  bench::HashSet edges;
  while (tree.size() < nodes) {
    std::uint32_t depth = 3 + random.geometric(3) + random.geometric(2);
    depth = std::min(depth, kMaxDepth);
    while (depth > 1 && by_depth[depth - 1].empty()) --depth;
    const bool top = depth == 1;
    const auto &above = by_depth[depth - 1];
    const std::uint32_t parent =
        top ? kNoParent : above[random.skewed_below(static_cast<std::uint32_t>(above.size()))];
    const std::uint32_t name = random.chance(50) ? random.skewed_below(names) : random.below(names);
    if (!edges.insert(Random::mix((std::uint64_t{parent} << 32 | name) + 1))) continue;
    if (!top) tree[parent].leaf = false;
    by_depth[depth].push_back(static_cast<std::uint32_t>(tree.size()));
    tree.push_back({parent, name, true});
  }
  return tree;
}

std::vector<std::uint32_t> choose_ends(const std::vector<Node> &tree, std::uint32_t lines,
                                       Random &random) {
  std::vector<std::uint32_t> ends;
  std::vector<std::uint32_t> inner;
  for (std::uint32_t i = 0; i < tree.size(); ++i) (tree[i].leaf ? ends : inner).push_back(i);
  random.shuffle(inner);
  for (std::size_t i = 0; i < inner.size() && ends.size() < lines; ++i) ends.push_back(inner[i]);
  while (ends.size() < lines) ends.push_back(random.below(static_cast<std::uint32_t>(tree.size())));
  random.shuffle(ends);
  ends.resize(lines);
  return ends;
}

struct Lines {
  std::string text;
  std::vector<std::size_t> starts; // one more than lines
  std::uint64_t frames = 0;
  std::uint64_t total = 0;
};

Lines make_lines(const std::vector<Node> &tree, const std::vector<std::uint32_t> &ends,
                 const std::vector<std::string> &names, Random &random) {
  Lines lines;
  lines.starts.reserve(ends.size() + 1);
  std::vector<std::uint32_t> path;
  for (std::uint32_t end : ends) {
    lines.starts.push_back(lines.text.size());
    path.clear();
    for (std::uint32_t node = end; node != kNoParent; node = tree[node].parent)
      path.push_back(tree[node].name);
    lines.frames += path.size();
    for (std::size_t i = path.size(); i-- > 0;) {
      lines.text += names[path[i]];
      lines.text += i == 0 ? ' ' : ';';
    }
    const std::uint32_t count = 1 + random.geometric(20);
    lines.total += count;
    lines.text += std::to_string(count);
    lines.text += '\n';
  }
  lines.starts.push_back(lines.text.size());
  return lines;
}

void write_lines(const Lines &lines, const Options &options) {
  std::vector<std::string_view> order;
  order.reserve(options.lines);
  const std::string_view text = lines.text;
  for (std::size_t i = 0; i + 1 < lines.starts.size(); ++i)
    order.push_back(text.substr(lines.starts[i], lines.starts[i + 1] - lines.starts[i]));
  if (options.sorted) std::sort(order.begin(), order.end());
  bench::OutputFile out(options.output);
  std::string block;
  for (std::string_view line : order) {
    block += line;
    if (block.size() < (1u << 20)) continue;
    out.write(block);
    block.clear();
  }
  out.write(block);
  out.close();
}

Options parse(int argc, char **argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--sorted" || name == "--shuffled") {
      options.sorted = name == "--sorted";
      continue;
    }
    if (++i >= argc) bench::usage(kHelp);
    if (name == "-o")
      options.output = argv[i];
    else if (name == "--lines")
      options.lines = static_cast<std::uint32_t>(bench::parse_number(argv[i], kHelp, 50'000'000));
    else if (name == "--names")
      options.names = static_cast<std::uint32_t>(bench::parse_number(argv[i], kHelp, 1'000'000));
    else if (name == "--nodes")
      options.nodes = static_cast<std::uint32_t>(bench::parse_number(argv[i], kHelp, 50'000'000));
    else if (name == "--seed")
      options.seed = bench::parse_number(argv[i], kHelp);
    else
      bench::usage(kHelp);
  }
  if (options.nodes == 0)
    options.nodes = static_cast<std::uint32_t>(std::uint64_t{options.lines} * 97 / 100);
  // A tree cannot have more children anywhere than there are names.
  if (options.output.empty() || options.lines == 0 || options.names < 100 || options.nodes == 0 ||
      options.nodes > options.lines)
    bench::usage(kHelp);
  return options;
}

} // namespace

int main(int argc, char **argv) {
  const Options options = parse(argc, argv);
  Random random(options.seed);
  std::vector<std::string> names;
  for (std::uint32_t i = 0; i < options.names; ++i) names.push_back(make_name(i, random));
  const auto tree = grow_tree(options.nodes, options.names, random);
  const auto ends = choose_ends(tree, options.lines, random);
  const Lines lines = make_lines(tree, ends, names, random);
  write_lines(lines, options);
  std::fprintf(stderr,
               "%zu bytes, %u lines, %llu frames (%.1f per line), %u names, %zu tree nodes, "
               "total %llu\n",
               lines.text.size(), options.lines, static_cast<unsigned long long>(lines.frames),
               static_cast<double>(lines.frames) / options.lines, options.names, tree.size(),
               static_cast<unsigned long long>(lines.total));
  return 0;
}
