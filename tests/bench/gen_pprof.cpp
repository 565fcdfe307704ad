// Writes a large, repeatable profile.proto file, raw, without any library.
//
// Stacks are walks over a random call graph whose nodes are locations: each has a few callees, the
// first of them much likelier, so that prefixes are shared as in real programs (about five new trie
// nodes per distinct stack; the Go heap profiles looked at have three to five). Every distinct
// stack is used once and the remaining samples repeat one, the hot ones more often, with other
// labels: with the defaults 80 % of the samples repeat a stack. Profiles that were aggregated by
// stack alone repeat none; traced ones from the field repeat 47-98 %. Location ids are given in
// order of first use, so the hot ones are short, as Go's writers do.

#include "arguments.hpp"
#include "random.hpp"

#include <algorithm>
#include <string_view>

namespace {

using bench::Random;

constexpr const char *kHelp =
    "usage: gen_pprof -o FILE [options]\n"
    "  --samples N          samples (1000000)\n"
    "  --distinct-stacks N  distinct stacks (200000), 'all' = every sample has its own\n"
    "  --functions N        functions (30000)\n"
    "  --strings WHERE      last (default; among the messages as Go orders them), first,\n"
    "                       or interleaved (a piece of the table between all other messages)\n"
    "  --seed N             (1)\n";

constexpr std::uint32_t kMaxDepth = 127;
constexpr std::uint32_t kRoots = 32;
constexpr std::uint32_t kMappings = 24;
constexpr std::uint32_t kFiles = 3000;
constexpr std::uint64_t kTickNanos = 10'000'000;
constexpr std::uint32_t kThreads = 64;
constexpr std::uint32_t kEndpoints = 500;

enum class StringsAt { kLast, kFirst, kInterleaved };

struct Options {
  std::string output;
  std::uint32_t samples = 1'000'000;
  std::uint32_t stacks = 200'000;
  std::uint32_t functions = 30'000;
  StringsAt strings = StringsAt::kLast;
  std::uint64_t seed = 1;
};

class Message {
public:
  void varint(std::uint32_t field, std::uint64_t value) {
    if (value == 0) return;
    append(field << 3);
    append(value);
  }

  void bytes(std::uint32_t field, std::string_view value) {
    append((field << 3) | 2);
    append(value.size());
    data_ += value;
  }

  void append(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) data_ += static_cast<char>(value | 0x80);
    data_ += static_cast<char>(value);
  }

  const std::string &data() const { return data_; }
  void clear() { data_.clear(); }

private:
  std::string data_;
};

struct Stack {
  std::uint64_t first = 0; // into the pool of location references, root first
  std::uint32_t depth = 0;
};

// Locations are call sites; a location's callees depend on its number alone, so no graph is stored.
class CallGraph {
public:
  CallGraph(std::uint32_t locations, std::uint64_t seed) : locations_(locations), seed_(seed) {}

  std::uint32_t root(Random &random) const {
    return random.skewed_below(std::min(kRoots, locations_));
  }

  std::uint32_t callee(std::uint32_t location, Random &random) const {
    Random own(seed_ ^ (std::uint64_t{location} << 20));
    const std::uint32_t fanout = 1 + own.below(6);
    std::uint32_t choice = 0;
    while (choice + 1 < fanout && random.chance(30)) ++choice;
    Random edge(seed_ ^ (std::uint64_t{location} << 20) ^ (choice + 1));
    return edge.skewed_below(locations_);
  }

private:
  std::uint32_t locations_;
  std::uint64_t seed_;
};

struct Stacks {
  std::vector<std::uint32_t> pool;
  std::vector<Stack> list;
  std::size_t trie_nodes = 0;
};

std::uint32_t draw_depth(Random &random) {
  std::uint32_t depth = 3 + random.geometric(6) + random.geometric(6);
  if (random.below(200) == 0) depth += random.between(20, kMaxDepth);
  return std::min(depth, kMaxDepth);
}

Stacks make_stacks(std::uint32_t count, std::uint32_t locations, Random &random) {
  const CallGraph graph{locations, random.next()};
  Stacks stacks;
  stacks.list.reserve(count);
  bench::HashSet prefixes;
  bench::HashSet whole;
  std::vector<std::uint32_t> path;
  while (stacks.list.size() < count) {
    path.assign(1, graph.root(random));
    const std::uint32_t depth = draw_depth(random);
    while (path.size() < depth) path.push_back(graph.callee(path.back(), random));

    std::uint64_t hash = 0;
    for (std::uint32_t location : path) hash = Random::mix((hash ^ location) + 0x9e3779b97f4a7c15u);
    while (!whole.insert(hash) && path.size() < kMaxDepth) {
      path.push_back(random.below(locations));
      hash = Random::mix((hash ^ path.back()) + 0x9e3779b97f4a7c15u);
    }
    std::uint64_t prefix = 0;
    for (std::uint32_t location : path) {
      prefix = Random::mix((prefix ^ location) + 0x9e3779b97f4a7c15u);
      prefixes.insert(prefix);
    }
    stacks.list.push_back({stacks.pool.size(), static_cast<std::uint32_t>(path.size())});
    stacks.pool.insert(stacks.pool.end(), path.begin(), path.end());
  }
  stacks.trie_nodes = prefixes.size();
  return stacks;
}

// Every stack once, the rest repeats: hot stacks (low numbers) more often.
std::vector<std::uint32_t> assign_stacks(std::uint32_t samples, std::uint32_t stacks,
                                         Random &random) {
  std::vector<std::uint32_t> order(samples);
  for (std::uint32_t i = 0; i < samples; ++i)
    order[i] = i < stacks ? i : random.skewed_below(stacks);
  random.shuffle(order);
  return order;
}

std::string make_name(std::uint32_t number, Random &random) {
  static constexpr std::string_view kWords[] = {
      "server", "handler", "cache", "index",  "query", "stream", "codec", "buffer", "session",
      "router", "client",  "store", "parser", "batch", "worker", "token", "metric", "schedule"};
  constexpr auto kCount = static_cast<std::uint32_t>(std::size(kWords));
  std::string name = "example.org/";
  name += kWords[random.below(kCount)];
  name += '/';
  name += kWords[random.below(kCount)];
  name += random.chance(60) ? ".(*" : ".";
  name += kWords[random.below(kCount)];
  if (name.find('(') != std::string::npos) name += ')';
  name += '.';
  name += kWords[random.below(kCount)];
  name += std::to_string(number);
  return name;
}

class Writer {
public:
  Writer(const Options &options, bench::OutputFile &out)
      : options_(options), out_(out), random_(Random::mix(options.seed) + 7) {}

  // Body messages first go to memory: where the strings stand is decided afterwards.
  void write(const Stacks &stacks, const std::vector<std::uint32_t> &order) {
    string("");
    make_fixed_strings();
    value_type(1, "samples", "count");
    value_type(1, "cpu", "nanoseconds");
    number_locations(stacks, order);
    for (std::uint32_t stack : order) sample(stacks, stacks.list[stack]);
    mappings();
    locations();
    functions();
    finish();
  }

  std::uint64_t references() const { return references_; }
  std::uint64_t labels() const { return labels_; }
  std::size_t used_locations() const { return used_.size(); }

private:
  std::uint32_t string(std::string text) {
    strings_.push_back(std::move(text));
    return static_cast<std::uint32_t>(strings_.size() - 1);
  }

  void emit(std::uint32_t field, const Message &message) {
    Message framed;
    framed.bytes(field, message.data());
    body_.push_back(framed.data());
  }

  void value_type(std::uint32_t field, const char *type, const char *unit) {
    Message message;
    message.varint(1, string(type));
    message.varint(2, string(unit));
    emit(field, message);
  }

  void make_fixed_strings() {
    thread_name_key_ = string("thread name");
    thread_id_key_ = string("thread id");
    endpoint_key_ = string("trace endpoint");
    span_key_ = string("span id");
    bytes_key_ = string("request size");
    bytes_unit_ = string("bytes");
    for (std::uint32_t i = 0; i < kThreads; ++i) {
      const auto id = string("pool-" + std::to_string(i / 8) + "-worker-" + std::to_string(i));
      if (i == 0) first_thread_ = id;
    }
    for (std::uint32_t i = 0; i < kEndpoints; ++i) {
      const auto id = string("GET /api/v2/" + make_name(i, random_));
      if (i == 0) first_endpoint_ = id;
    }
  }

  void number_locations(const Stacks &stacks, const std::vector<std::uint32_t> &order) {
    numbers_.assign(std::size_t{options_.functions} * 2, 0);
    for (std::uint32_t stack : order) {
      const Stack &s = stacks.list[stack];
      for (std::uint32_t i = s.depth; i-- > 0;) {
        const std::uint32_t location = stacks.pool[s.first + i];
        if (numbers_[location] != 0) continue;
        used_.push_back(location);
        numbers_[location] = static_cast<std::uint32_t>(used_.size());
      }
    }
  }

  void label(std::uint32_t key, std::uint32_t text, std::uint64_t number, std::uint32_t unit) {
    label_.clear();
    label_.varint(1, key);
    label_.varint(2, text);
    label_.varint(3, number);
    label_.varint(4, unit);
    sample_.bytes(3, label_.data());
    ++labels_;
  }

  void sample(const Stacks &stacks, const Stack &stack) {
    sample_.clear();
    packed_.clear();
    for (std::uint32_t i = stack.depth; i-- > 0;)
      packed_.append(numbers_[stacks.pool[stack.first + i]]);
    references_ += stack.depth;
    sample_.bytes(1, packed_.data());
    packed_.clear();
    const std::uint64_t count = 1 + random_.geometric(1);
    packed_.append(count);
    packed_.append(count * kTickNanos);
    sample_.bytes(2, packed_.data());

    // 0..4 labels with shares 15, 25, 35, 20, 5 %: 1.75 on average.
    const std::uint32_t dice = random_.below(100);
    const int wanted = dice < 15 ? 0 : dice < 40 ? 1 : dice < 75 ? 2 : dice < 95 ? 3 : 4;
    const std::uint32_t thread = random_.skewed_below(kThreads);
    if (wanted > 0) {
      if (random_.chance(50))
        label(thread_name_key_, first_thread_ + thread, 0, 0);
      else
        label(thread_id_key_, 0, 4000 + thread, 0);
    }
    if (wanted > 1) label(endpoint_key_, first_endpoint_ + random_.skewed_below(kEndpoints), 0, 0);
    if (wanted > 2) label(span_key_, 0, random_.next() >> 1, 0);
    if (wanted > 3) label(bytes_key_, 0, 64 + random_.below(1 << 16), bytes_unit_);
    emit(2, sample_);
  }

  std::uint64_t mapping_start(std::uint32_t mapping) const {
    return mapping == 0 ? 0x400000 : 0x7f0000000000 + std::uint64_t{mapping} * 0x4000000;
  }

  void mappings() {
    for (std::uint32_t i = 0; i < kMappings; ++i) {
      Message message;
      std::string build_id;
      for (int digit = 0; digit < 40; ++digit) build_id += "0123456789abcdef"[random_.below(16)];
      message.varint(1, i + 1);
      message.varint(2, mapping_start(i));
      message.varint(3, mapping_start(i) + 0x3000000);
      message.varint(4, i == 0 ? 0 : 0x1000);
      message.varint(5, string(i == 0 ? std::string("/usr/bin/service")
                                      : "/usr/lib/libpart" + std::to_string(i) + ".so"));
      message.varint(6, string(build_id));
      for (std::uint32_t flag = 7; flag <= 10; ++flag) message.varint(flag, 1);
      emit(3, message);
    }
  }

  void locations() {
    for (std::size_t i = 0; i < used_.size(); ++i) {
      const std::uint32_t location = used_[i];
      const std::uint32_t mapping = random_.skewed_below(kMappings);
      Message message;
      message.varint(1, i + 1);
      message.varint(2, mapping + 1);
      message.varint(3, mapping_start(mapping) + 0x1000 + std::uint64_t{location} * 16);
      const std::uint32_t dice = random_.below(100);
      const int lines = dice < 80 ? 1 : dice < 95 ? 2 : 3;
      for (int line = 1; line <= lines; ++line) {
        const bool outermost = line == lines;
        Message nested;
        nested.varint(1, 1 + (outermost ? location / 2 : random_.below(options_.functions)));
        nested.varint(2, 1 + random_.skewed_below(2000));
        if (mapping == 1) nested.varint(3, 1 + random_.below(100));
        message.bytes(4, nested.data());
      }
      emit(4, message);
    }
  }

  void functions() {
    std::uint32_t first_file = 0;
    for (std::uint32_t i = 0; i < kFiles; ++i) {
      const auto id = string("/src/" + make_name(i, random_) + ".go");
      if (i == 0) first_file = id;
    }
    for (std::uint32_t i = 0; i < options_.functions; ++i) {
      Message message;
      message.varint(1, i + 1);
      const std::string name = make_name(i, random_);
      const std::uint32_t id = string(name);
      message.varint(2, id);
      message.varint(3, random_.chance(10) ? string("_Z" + name) : id);
      message.varint(4, first_file + random_.below(kFiles));
      message.varint(5, 1 + random_.below(3000));
      emit(5, message);
    }
  }

  void flush(const std::string &bytes) {
    block_ += bytes;
    if (block_.size() < (1u << 20)) return;
    out_.write(block_);
    block_.clear();
  }

  void flush_strings(std::size_t upto) {
    for (; next_string_ < upto; ++next_string_) {
      Message message;
      message.bytes(6, strings_[next_string_]);
      flush(message.data());
    }
  }

  void finish() {
    const std::uint32_t cpu = string("cpu");
    const std::uint32_t nanos = string("nanoseconds");
    const std::uint32_t comment = string("made by gen_pprof");
    if (options_.strings == StringsAt::kFirst) flush_strings(strings_.size());
    for (std::size_t i = 0; i < body_.size(); ++i) {
      if (options_.strings == StringsAt::kInterleaved)
        flush_strings(strings_.size() * i / body_.size());
      flush(body_[i]);
    }
    flush_strings(strings_.size());

    Message tail;
    tail.varint(9, 1'700'000'000'000'000'000);
    tail.varint(10, 60'000'000'000);
    Message period;
    period.varint(1, cpu);
    period.varint(2, nanos);
    tail.bytes(11, period.data());
    tail.varint(12, kTickNanos);
    tail.varint(13, comment);
    tail.varint(14, cpu);
    flush(tail.data());
    out_.write(block_);
  }

  const Options &options_;
  bench::OutputFile &out_;
  Random random_;
  std::vector<std::string> strings_;
  std::vector<std::string> body_;
  std::vector<std::uint32_t> numbers_;
  std::vector<std::uint32_t> used_;
  std::string block_;
  std::size_t next_string_ = 0;
  Message sample_, packed_, label_;
  std::uint32_t thread_name_key_ = 0, thread_id_key_ = 0, endpoint_key_ = 0, span_key_ = 0;
  std::uint32_t bytes_key_ = 0, bytes_unit_ = 0, first_thread_ = 0, first_endpoint_ = 0;
  std::uint64_t references_ = 0;
  std::uint64_t labels_ = 0;
};

Options parse(int argc, char **argv) {
  Options options;
  bool all_distinct = false;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name = argv[i];
    if (i + 1 >= argc) bench::usage(kHelp);
    const char *value = argv[i + 1];
    const std::string_view text = value;
    if (name == "-o")
      options.output = value;
    else if (name == "--samples")
      options.samples = static_cast<std::uint32_t>(bench::parse_number(value, kHelp, 100'000'000));
    else if (name == "--distinct-stacks" && text == "all")
      all_distinct = true;
    else if (name == "--distinct-stacks")
      options.stacks = static_cast<std::uint32_t>(bench::parse_number(value, kHelp, 100'000'000));
    else if (name == "--functions")
      options.functions = static_cast<std::uint32_t>(bench::parse_number(value, kHelp, 10'000'000));
    else if (name == "--seed")
      options.seed = bench::parse_number(value, kHelp);
    else if (name == "--strings" && text == "last")
      options.strings = StringsAt::kLast;
    else if (name == "--strings" && text == "first")
      options.strings = StringsAt::kFirst;
    else if (name == "--strings" && text == "interleaved")
      options.strings = StringsAt::kInterleaved;
    else
      bench::usage(kHelp);
  }
  if (all_distinct || options.stacks > options.samples) options.stacks = options.samples;
  if (options.output.empty() || options.stacks == 0 || options.functions == 0) bench::usage(kHelp);
  return options;
}

} // namespace

int main(int argc, char **argv) {
  const Options options = parse(argc, argv);
  Random random(options.seed);
  const Stacks stacks = make_stacks(options.stacks, options.functions * 2, random);
  const auto order = assign_stacks(options.samples, options.stacks, random);

  bench::OutputFile out(options.output);
  Writer writer(options, out);
  writer.write(stacks, order);
  out.close();

  std::uint32_t deepest = 0;
  for (const Stack &stack : stacks.list) deepest = std::max(deepest, stack.depth);
  const double samples = options.samples;
  std::fprintf(stderr,
               "%llu bytes, %u samples, %u distinct stacks (%.1f %% of the samples repeat one), "
               "%llu location references (%.1f per sample, deepest %u), %zu trie nodes, "
               "%zu locations, %u functions, %llu labels (%.2f per sample)\n",
               static_cast<unsigned long long>(out.written()), options.samples, options.stacks,
               100.0 * (samples - options.stacks) / samples,
               static_cast<unsigned long long>(writer.references()),
               static_cast<double>(writer.references()) / samples, deepest, stacks.trie_nodes,
               writer.used_locations(), options.functions,
               static_cast<unsigned long long>(writer.labels()),
               static_cast<double>(writer.labels()) / samples);
  return 0;
}
