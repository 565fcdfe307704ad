// How the cost of a flame tree grows: with the trie's nodes, not with samples, and in a straight
// line.
#include "flame/tree.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <random>
#include <string>

using namespace profcore;

namespace {

enum class Shape { kDeep, kScattered };

/// A trie of `nodes` over `functions` functions (named as C++ ones are, half of them with two
/// locations, one location in 16 with an inlined line), and samples at random stacks.
/// Deep: a new stack leaves a recent one, as samples of threads do. Scattered: it leaves any, so
/// each step of a walk misses the cache.
Profile make_profile(size_t nodes, size_t samples, size_t functions, Shape shape) {
  std::mt19937_64 random{nodes};
  Profile profile;
  profile.add_sample_type("cpu", "nanoseconds");
  std::vector<FunctionId> names;
  for (size_t i = 0; i < functions; ++i) {
    Function function;
    function.name = profile.intern("service::component_" + std::to_string(i % 97) + "::Handler" +
                                   std::to_string(i) + "::process(request const&)");
    function.file = profile.intern("src/component_" + std::to_string(i % 97) + ".cpp");
    names.push_back(profile.add_function(function));
  }
  std::vector<LocationId> locations;
  for (size_t i = 0; i < functions + functions / 2; ++i) {
    const Line lines[] = {{names[(i * 7 + 1) % functions], 0, int64_t(i % 50), 0},
                          {names[i % functions], 0, int64_t(i), 0}};
    const size_t inlined = i % 16 == 0 ? 0 : 1;
    Location location;
    location.address = 0x1000 + i;
    location.kind = FrameKind::kUser;
    locations.push_back(profile.add_location(location, {lines + inlined, 2 - inlined}));
  }
  profile.stacks.reserve(nodes);
  while (profile.stacks.size() < nodes) {
    const size_t size = profile.stacks.size();
    const size_t window = shape == Shape::kDeep ? std::min<size_t>(size, 64) : size;
    const auto parent = static_cast<StackId>(size - 1 - random() % window);
    profile.stacks.append_unindexed(shape == Shape::kDeep && random() % 3000 == 0 ? 0 : parent,
                                    locations[random() % locations.size()]);
  }
  // Samples go to leaves, so that the whole trie is needed, until there are no more samples.
  std::vector<char> inner(nodes);
  for (const StackNode &node : profile.stacks.nodes()) inner[node.parent] = 1;
  std::vector<StackId> leaves;
  for (size_t i = 1; i < nodes; ++i)
    if (inner[i] == 0) leaves.push_back(static_cast<StackId>(i));
  std::shuffle(leaves.begin(), leaves.end(), random);
  for (size_t i = 0; i < std::max(samples, leaves.size()); ++i) {
    const int64_t value = 1 + static_cast<int64_t>(random() % 1000);
    profile.add_sample(leaves[i % leaves.size()], 0, {&value, 1});
  }
  return profile;
}

/// Of this thread, so that other work on the machine shows less.
double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double seconds_of(const Profile &profile, const FlameOptions &options, size_t turns,
                  FlameTree &tree) {
  double best = 1e9;
  for (size_t turn = 0; turn < turns; ++turn) {
    tree = {};
    const double begin = cpu_seconds();
    tree = build_flame_tree(profile, options);
    best = std::min(best, cpu_seconds() - begin);
  }
  return best;
}

size_t status_kilobytes(const char *field) {
  FILE *file = fopen("/proc/self/status", "r");
  if (file == nullptr) return 0;
  char line[256];
  size_t value = 0;
  while (fgets(line, sizeof line, file) != nullptr)
    if (strncmp(line, field, strlen(field)) == 0)
      value = strtoull(line + strlen(field), nullptr, 10);
  fclose(file);
  return value;
}

void reset_peak() {
  if (FILE *file = fopen("/proc/self/clear_refs", "w"); file != nullptr) {
    fputs("5", file);
    fclose(file);
  }
}

void row(const char *name, size_t nodes, size_t samples, size_t functions, Shape shape,
         const FlameOptions &options) {
  const Profile profile = make_profile(nodes, samples, functions, shape);
  FlameTree tree;
  reset_peak();
  const size_t before = status_kilobytes("VmRSS:");
  const double seconds = seconds_of(profile, options, nodes > 2'000'000 ? 2 : 4, tree);
  const size_t peak = status_kilobytes("VmHWM:");
  std::printf("%-22s %10zu %9zu %10zu %9.1f %9.1f %9.1f %10.1f %10.1f\n", name, nodes,
              profile.sample_count(), tree.size(), seconds * 1e3, seconds * 1e9 / double(nodes),
              seconds * 1e9 / double(tree.size()), double(tree.bytes()) / double(tree.size()),
              peak > before ? double(peak - before) * 1024 / double(nodes) : 0);
  std::fflush(stdout);
}

} // namespace

int main(int argc, char **argv) {
  const size_t most = argc > 1 ? strtoull(argv[1], nullptr, 10) : 10'000'000;
  constexpr size_t kSamples = 1'000'000;
  std::printf("%-22s %10s %9s %10s %9s %9s %9s %10s %10s\n", "case", "trie nodes", "samples",
              "tree nodes", "ms", "ns/trie", "ns/tree", "B/tree", "peak B/trie");
  FlameOptions options;
  for (size_t nodes = 10'000; nodes <= most; nodes *= 10)
    row("deep", nodes, kSamples, 20'000, Shape::kDeep, options);
  for (size_t nodes = 10'000; nodes <= most; nodes *= 10)
    row("deep, few samples", nodes, 0, 20'000, Shape::kDeep, options);
  for (size_t nodes = 10'000; nodes <= most; nodes *= 10)
    row("scattered", nodes, kSamples, 20'000, Shape::kScattered, options);
  row("a function per 4 nodes", std::min<size_t>(most, 1'000'000), kSamples, 250'000, Shape::kDeep,
      options);
  options.fold_recursion = true;
  row("folded", std::min<size_t>(most, 1'000'000), kSamples, 20'000, Shape::kDeep, options);
  options.fold_recursion = false;
  options.inverted = true;
  row("inverted", std::min<size_t>(most, 100'000), kSamples, 20'000, Shape::kDeep, options);
}
