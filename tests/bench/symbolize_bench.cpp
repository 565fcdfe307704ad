// What names cost: workloads B (symbol table), D (kernel), E (perf map) and a whole profile.
//   symbolize_bench [OBJECT]
// Medians of several rounds, CPU time. The ratio is against std::upper_bound over an array of 16
// bytes a symbol, sizes honoured, in the same run.
#include "symbolize/demangle.hpp"
#include "symbolize/kernel_symbols.hpp"
#include "symbolize/module_index.hpp"
#include "symbolize/perf_map.hpp"
#include "symbolize/symbolizer.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <elf.h>
#include <fcntl.h>
#include <fstream>
#include <random>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

using namespace profcore;

namespace {

constexpr size_t kLookups = 100'000;
constexpr int kRounds = 9;

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

template <class Work> double median_seconds(Work &&work, int rounds = kRounds) {
  std::vector<double> times;
  for (int i = 0; i < rounds; ++i) {
    const double start = cpu_seconds();
    work();
    times.push_back(cpu_seconds() - start);
  }
  std::nth_element(times.begin(), times.begin() + rounds / 2, times.end());
  return times[static_cast<size_t>(rounds / 2)];
}

size_t anonymous_kib() {
  std::ifstream status{"/proc/self/status"};
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("RssAnon:")) return std::strtoull(line.c_str() + 8, nullptr, 10);
  return 0;
}

volatile uint64_t sink;

template <class Find>
double lookup_nanoseconds(const std::vector<uint64_t> &addresses, Find &&find) {
  const double seconds = median_seconds([&] {
    uint64_t sum = 0;
    for (const uint64_t address : addresses) sum += find(address);
    sink = sum;
  });
  return seconds * 1e9 / static_cast<double>(addresses.size());
}

std::vector<uint64_t> uniform(uint64_t begin, uint64_t end) {
  std::mt19937_64 random{42};
  std::vector<uint64_t> addresses(kLookups);
  for (uint64_t &address : addresses) address = begin + random() % (end - begin);
  return addresses;
}

struct Plain {
  uint64_t start;
  uint32_t size;
  uint32_t value;
};

template <class Table> std::vector<Plain> plain_of(const Table &table) {
  std::vector<Plain> plain;
  table.for_each([&](const RangeTable::Piece &piece) {
    plain.push_back({piece.start, piece.size, piece.value});
  });
  return plain;
}

uint32_t find_plain(const std::vector<Plain> &plain, uint64_t address) {
  auto at = std::upper_bound(plain.begin(), plain.end(), address,
                             [](uint64_t a, const Plain &b) { return a < b.start; });
  if (at == plain.begin()) return RangeTable::kNotFound;
  --at;
  return address - at->start < at->size ? at->value : RangeTable::kNotFound;
}

void object_bench(const char *path) {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (fd < 0 || ::fstat(fd, &status) != 0) {
    std::printf("B  %s: not here\n", path);
    return;
  }
  const ByteSource bytes{fd, static_cast<uint64_t>(status.st_size)};
  const ElfImage image{bytes};
  const double load = median_seconds([&] { (void)ElfSymbols::build(image, {}); });
  const size_t before = anonymous_kib();
  const ElfSymbols symbols = ElfSymbols::build(image, {});
  const size_t after = anonymous_kib();
  uint64_t begin = 0;
  uint64_t end = 0;
  for (const ElfSection &section : image.sections())
    if ((section.flags & SHF_EXECINSTR) != 0 && section.size > end - begin) {
      begin = section.address;
      end = begin + section.size;
    }
  const auto addresses = uniform(begin, end);
  const auto plain = plain_of(symbols.table());
  size_t hits = 0;
  size_t different = 0;
  for (const uint64_t address : addresses) {
    hits += symbols.find(address) != ElfSymbols::kNotFound;
    different += symbols.find(address) != find_plain(plain, address);
  }
  const double own = lookup_nanoseconds(addresses, [&](uint64_t a) { return symbols.find(a); });
  const double peer =
      lookup_nanoseconds(addresses, [&](uint64_t a) { return find_plain(plain, a); });
  std::printf("B  %s: %zu pieces, %.1f bytes each, load %.2f ms, %zu KiB anonymous\n", path,
              symbols.size(),
              static_cast<double>(symbols.bytes()) / static_cast<double>(symbols.size()),
              load * 1e3, after > before ? after - before : 0);
  std::printf("B  look-up %.1f ns (%zu of %zu hit), upper_bound %.1f ns: ratio %.2f, %zu differ\n",
              own, hits, kLookups, peer, own / peer, different);

  const auto module = ModuleIndex::build(bytes, {uint64_t{1} << 30, nullptr, {}});
  const double start = cpu_seconds();
  {
    ModuleIndex::Names names{*module};
    for (const uint64_t address : addresses)
      if (const uint32_t found = module->find(address, &bytes).symbol;
          found != ModuleIndex::kNotFound)
        sink = names.of(found, true)->shown.size();
  }
  const double cold = (cpu_seconds() - start) * 1e9 / kLookups;
  const auto named = [&](bool demangled) {
    return lookup_nanoseconds(addresses, [&](uint64_t address) -> uint64_t {
      const uint32_t found = module->find(address, &bytes).symbol;
      if (found == ModuleIndex::kNotFound) return 0;
      ModuleIndex::Names names{*module}; // the lock is taken each time: the worst case
      return names.of(found, demangled)->shown.size();
    });
  };
  std::printf(
      "B  with name: first time %.0f ns, then raw %.0f ns, demangled %.0f ns; module %.2f MB\n",
      cold, named(false), named(true), static_cast<double>(module->bytes()) / 1e6);
  ::close(fd);
}

void kernel_bench() {
  const size_t before = anonymous_kib();
  KernelSymbols kernel;
  const double start = cpu_seconds();
  const KernelSymbols::View view = kernel.view();
  const double first = cpu_seconds() - start;
  const size_t after = anonymous_kib();
  if (view.state != KernelSymbols::State::kLoaded) {
    std::printf("D  the kernel's symbols cannot be read\n");
    return;
  }
  const double load = median_seconds([] { (void)KernelSymbols{}.view(); });
  const double reading = median_seconds([] {
    const int fd = ::open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
    static char buffer[1 << 16];
    while (::read(fd, buffer, sizeof buffer) > 0) {
    }
    ::close(fd);
  });
  const auto addresses = uniform(view.core->begin(), view.core->end());
  const double own = lookup_nanoseconds(addresses, [&](uint64_t a) { return view.core->find(a); });
  std::printf("D  kallsyms: %zu + %zu pieces, load %.1f ms (first %.1f, read alone %.1f), %.2f MB, "
              "%zu KiB anonymous, look-up %.1f ns\n",
              view.core->size(), view.modules->size(), load * 1e3, first * 1e3, reading * 1e3,
              static_cast<double>(kernel.bytes()) / 1e6, after > before ? after - before : 0, own);
}

void perf_map_bench() {
  constexpr size_t kLines = 20'000;
  std::mt19937_64 random{1};
  std::string text;
  uint64_t at = 0x7f1234000000;
  std::vector<std::string> lines;
  for (size_t i = 0; i < kLines; ++i) {
    const uint64_t size = 32 + random() % 2000;
    char line[160];
    std::snprintf(line, sizeof line, "%lx %lx Lcom/example/service/Handler%zu;::process%lu\n",
                  static_cast<unsigned long>(at), static_cast<unsigned long>(size), i,
                  static_cast<unsigned long>(random() % 1000));
    lines.emplace_back(line);
    at += size + random() % 64;
  }
  const uint64_t end = at;
  std::shuffle(lines.begin(), lines.end(), random);
  for (const std::string &line : lines) text += line;
  char path[] = "/tmp/profcore_bench_XXXXXX";
  const int fd = ::mkstemp(path);
  if (fd < 0 || ::write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) return;
  const double load = median_seconds([&] {
    PerfMapLog log;
    log.refresh(fd, uint64_t{1} << 30);
  });
  PerfMapLog log;
  log.refresh(fd, uint64_t{1} << 30);
  const auto addresses = uniform(0x7f1234000000, end);
  const double own = lookup_nanoseconds(addresses, [&](uint64_t a) { return log.map().find(a); });
  std::string more;
  for (size_t i = 0; i < 100; ++i) more += lines[i];
  const double reload = median_seconds([&] {
    const double start = cpu_seconds();
    if (::write(fd, more.data(), more.size()) < 0) return;
    const double written = cpu_seconds() - start;
    log.refresh(fd, uint64_t{1} << 30);
    sink = static_cast<uint64_t>(written * 1e9);
  });
  const double writing = median_seconds([&] {
    if (::write(fd, more.data(), more.size()) < 0) return;
  });
  const double grown = lookup_nanoseconds(addresses, [&](uint64_t a) { return log.map().find(a); });
  std::printf("E  perf map: %zu lines, load %.2f ms, look-up %.1f ns; 100 more lines %.1f us (and "
              "%.1f us to write them), look-up then %.1f ns; %.2f MB\n",
              kLines, load * 1e3, own, (reload - writing) * 1e6, writing * 1e6, grown,
              static_cast<double>(log.bytes()) / 1e6);
  ::close(fd);
  ::unlink(path);
}

struct Provider : ModuleProvider {
  std::string path;
  ModuleFile file_of(uint32_t) override { return {-1, path}; }
  ProcessView process_of(uint32_t) override { return {}; }
};

void profile_bench(const char *path) {
  constexpr size_t kLocations = 10'000;
  Symbolizer symbolizer;
  Provider provider;
  provider.path = path;
  std::mt19937_64 random{3};
  struct stat status {};
  if (::stat(path, &status) != 0) return;
  std::vector<double> times;
  double first = 0;
  uint64_t named = 0;
  for (int round = 0; round < kRounds; ++round) {
    random.seed(3);
    Profile profile;
    Module module;
    module.path = profile.intern(path);
    module.end = static_cast<uint64_t>(status.st_size);
    const ModuleId id = profile.add_module(module);
    for (size_t i = 0; i < kLocations; ++i) {
      Location location;
      location.address = random() % module.end;
      location.module = id;
      location.kind = FrameKind::kUser;
      profile.add_location(location, {});
    }
    const double start = cpu_seconds();
    symbolizer.symbolize(profile, provider, {});
    const double seconds = (cpu_seconds() - start) * 1e6 / kLocations;
    if (round == 0)
      first = seconds;
    else
      times.push_back(seconds);
    named = symbolizer.stats().named / static_cast<uint64_t>(round + 1);
  }
  std::sort(times.begin(), times.end());
  std::printf(
      "   a profile of %zu distinct addresses (%zu named): first %.2f us each, then %.2f us\n",
      kLocations, static_cast<size_t>(named), first, times[times.size() / 2]);
}

} // namespace

int main(int argc, char **argv) {
  const char *object = argc > 1 ? argv[1] : "/usr/lib/x86_64-linux-gnu/libLLVM-14.so.1";
  kernel_bench();
  object_bench(object);
  perf_map_bench();
  profile_bench(object);
  return 0;
}
