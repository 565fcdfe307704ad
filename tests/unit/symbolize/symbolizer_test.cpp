#include "elf_builder.hpp"
#include "recording.hpp"
#include "symbolize/symbolizer.hpp"
#include "temporary_folder.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace profcore;
using namespace profcore::test;

extern "C" [[gnu::noinline]] int profcore_test_known_function(int x) {
  asm volatile("" : "+r"(x));
  return x + 1;
}
namespace known {
template <class T> struct Holder {
  [[gnu::noinline]] static int method(const T &value) {
    int x = static_cast<int>(value.size());
    asm volatile("" : "+r"(x));
    return x;
  }
};
} // namespace known

namespace {

/// Adds the mapping of this process that holds the address.
LocationId own_address(Recording &recording, const void *function) {
  const auto address = reinterpret_cast<uint64_t>(function);
  std::FILE *maps = std::fopen("/proc/self/maps", "r");
  REQUIRE(maps != nullptr);
  char line[4352];
  LocationId found = 0;
  while (std::fgets(line, sizeof line, maps) != nullptr) {
    uint64_t start = 0;
    uint64_t end = 0;
    uint64_t offset = 0;
    char path[4096] = "";
    if (std::sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %*s %*s %4095s", &start, &end,
                    &offset, path) < 3 ||
        address < start || address >= end)
      continue;
    const ModuleId module = recording.module(path, start, end, offset);
    recording.provider.files[module].path = path;
    found = recording.at(module, address);
  }
  std::fclose(maps);
  REQUIRE(found != 0);
  return found;
}

} // namespace

TEST_CASE("functions of this very program have their names") {
  CHECK(profcore_test_known_function(1) == 2);
  CHECK(known::Holder<std::string>::method("abc") == 3);
  Recording recording;
  const LocationId plain =
      own_address(recording, reinterpret_cast<const void *>(&profcore_test_known_function));
  const LocationId mangled =
      own_address(recording, reinterpret_cast<const void *>(&known::Holder<std::string>::method));
  Symbolizer symbolizer;
  symbolizer.symbolize(recording.profile, recording.provider, {});
  CHECK(recording.name(plain) == "profcore_test_known_function");
  CHECK(recording.name(mangled).starts_with("known::Holder<std::"));
  const Function &function =
      recording.profile.functions()[recording.profile.lines_of(mangled)[0].function];
  CHECK(recording.profile.text(function.system_name).starts_with("_ZN5known6Holder"));
  CHECK(recording.reason(mangled) == UnnamedReason::kNone);
  CHECK(symbolizer.stats().named == 2);
  CHECK(symbolizer.stats().modules_built == 1);
}

TEST_CASE("the vDSO has names") {
  if (::getauxval(AT_SYSINFO_EHDR) == 0) {
    MESSAGE("skipped: no vDSO here");
    return;
  }
  Recording recording;
  const uint64_t start = ::getauxval(AT_SYSINFO_EHDR);
  const ModuleId module = recording.module("[vdso]", start, start + 0x4000);
  for (uint64_t at = 0; at < 0x4000; at += 16) recording.at(module, start + at);
  Symbolizer symbolizer;
  symbolizer.symbolize(recording.profile, recording.provider, {});
  bool found = false;
  for (LocationId i = 1; i < recording.profile.locations().size(); ++i)
    found = found || recording.name(i).find("clock_gettime") != std::string::npos;
  CHECK(found);
}

TEST_CASE("every address without a name says why") {
  const TemporaryFolder folder;
  folder.write("good", bytes_of(little_elf()));
  ElfBuilder stripped;
  folder.write("stripped", bytes_of(stripped));
  folder.write("text", "no object file");
  folder.write("damaged", bytes_of(little_elf()).substr(0, 40));
  Recording recording;
  const ModuleId good = recording.file(folder.file("good"), "abcd");
  const LocationId named = recording.at(good, 0x11110);
  const LocationId demangled = recording.at(good, 0x11200);
  const LocationId outside = recording.at(good, 0x11130);
  const LocationId past_file = recording.at(good, 0x1ff00);
  const LocationId past_module = recording.at(good, 0x20000);
  const LocationId unmapped = recording.at(0, 0x1234);
  const LocationId no_symbols = recording.at(recording.file(folder.file("stripped")), 0x11110);
  const LocationId no_object = recording.at(recording.file(folder.file("text")), 0x11110);
  const LocationId damaged = recording.at(recording.file(folder.file("damaged")), 0x11110);
  const LocationId missing = recording.at(recording.file(folder.file("missing")), 0x11110);
  const LocationId nowhere = recording.at(recording.module("/gone"), 0x11110);
  const ModuleId orphan = recording.module("/gone too");
  recording.provider.processes[orphan].pid = 4194304 + 1; // no pid is that high
  const LocationId gone = recording.at(orphan, 0x11110);
  const LocationId heap = recording.at(recording.module("[heap]"), 0x11110);
  Recording other; // the same file with another build id expected
  const LocationId changed = other.at(other.file(folder.file("good"), "ffff"), 0x11110);
  const LocationId cut = [&] {
    Location location;
    location.reason = UnnamedReason::kTruncated;
    return recording.profile.add_location(location, {});
  }();
  Symbolizer symbolizer;
  symbolizer.symbolize(recording.profile, recording.provider, {});
  symbolizer.symbolize(other.profile, other.provider, {});
  CHECK(recording.name(named) == "main");
  CHECK(recording.name(demangled) == "foo::bar(int)");
  CHECK(recording.reason(outside) == UnnamedReason::kNotCovered);
  CHECK(recording.reason(past_file) == UnnamedReason::kNotCovered);
  CHECK(recording.reason(past_module) == UnnamedReason::kNoModule);
  CHECK(recording.reason(unmapped) == UnnamedReason::kNoModule);
  CHECK(recording.reason(no_symbols) == UnnamedReason::kNoSymbols);
  CHECK(recording.reason(no_object) == UnnamedReason::kNoSymbols);
  CHECK(recording.reason(damaged) == UnnamedReason::kModuleDamaged);
  CHECK(recording.reason(missing) == UnnamedReason::kModuleMissing);
  CHECK(recording.reason(nowhere) == UnnamedReason::kModuleMissing);
  CHECK(recording.reason(gone) == UnnamedReason::kProcessGone);
  CHECK(recording.reason(heap) == UnnamedReason::kNoSymbols);
  CHECK(other.reason(changed) == UnnamedReason::kModuleChanged);
  CHECK(recording.reason(cut) == UnnamedReason::kTruncated);
  const SymbolizerStats stats = symbolizer.stats();
  CHECK(stats.named == 2);
  CHECK(stats.unnamed[static_cast<size_t>(UnnamedReason::kNotCovered)] == 2);
}

TEST_CASE("one module for all processes, also for copies of a build") {
  const TemporaryFolder folder;
  folder.write("one", bytes_of(little_elf()));
  folder.write("copy", bytes_of(little_elf()));
  Symbolizer symbolizer;
  for (const char *name : {"one", "copy", "one"}) {
    Recording recording;
    const LocationId location = recording.at(recording.file(folder.file(name)), 0x11110);
    symbolizer.symbolize(recording.profile, recording.provider, {});
    CHECK(recording.name(location) == "main");
  }
  CHECK(symbolizer.stats().modules_built == 1);
  CHECK(symbolizer.stats().modules_found == 2);

  // Written anew under its name: another file.
  ElfBuilder changed = little_elf();
  changed.symtab[0].name = "new_main";
  changed.build_id = {1};
  ::unlink(folder.file("one").c_str());
  folder.write("one", bytes_of(changed));
  Recording recording;
  const LocationId location = recording.at(recording.file(folder.file("one")), 0x11110);
  symbolizer.symbolize(recording.profile, recording.provider, {});
  CHECK(recording.name(location) == "new_main");
  CHECK(symbolizer.stats().modules_built == 2);
}

TEST_CASE("a borrowed descriptor wins over the path and stays open") {
  const TemporaryFolder folder;
  folder.write("file", bytes_of(little_elf()));
  const int fd = ::open(folder.file("file").c_str(), O_RDONLY | O_CLOEXEC);
  Recording recording;
  const ModuleId module = recording.module("/somewhere/else");
  recording.provider.files[module] = {fd, "/somewhere/else"};
  const LocationId location = recording.at(module, 0x11110);
  Symbolizer symbolizer;
  symbolizer.symbolize(recording.profile, recording.provider, {});
  CHECK(recording.name(location) == "main");
  CHECK(::close(fd) == 0);
}

TEST_CASE("the budget holds by forgetting what was not used for longest") {
  const TemporaryFolder folder;
  SymbolizerOptions options;
  options.max_bytes = 600000;
  Symbolizer symbolizer{options};
  for (int i = 0; i < 12; ++i) {
    ElfBuilder builder;
    for (uint64_t s = 0; s < 4000; ++s)
      builder.symtab.push_back(
          {"function_" + std::to_string(i) + "_" + std::to_string(s), 0x401000 + s, 1});
    const std::string file = "lib" + std::to_string(i);
    folder.write(file, bytes_of(builder));
    Recording recording;
    const ModuleId module = recording.file(folder.file(file));
    std::vector<LocationId> locations;
    for (uint64_t s = 0; s < 500; ++s) locations.push_back(recording.at(module, 0x11000 + s));
    symbolizer.symbolize(recording.profile, recording.provider, {});
    CHECK(recording.name(locations[7]) == "function_" + std::to_string(i) + "_7");
    CHECK(symbolizer.stats().bytes <= options.max_bytes);
  }
  CHECK(symbolizer.stats().modules_evicted > 0);
  CHECK(symbolizer.stats().modules < 12);
  options.max_bytes = 20000;
  Symbolizer small{options};
  Recording recording;
  const LocationId location = recording.at(recording.file(folder.file("lib3")), 0x11000);
  small.symbolize(recording.profile, recording.provider, {});
  CHECK(recording.reason(location) == UnnamedReason::kOverBudget);
}

TEST_CASE("names stay mapped, and no page of them ours") {
  const TemporaryFolder folder;
  ElfBuilder builder;
  for (uint64_t s = 0; s < 1000; ++s)
    builder.symtab.push_back(
        {std::string(1000, 'x') + std::to_string(s), 0x401000 + s, 1}); // a megabyte of names
  folder.write("large", bytes_of(builder));
  Recording recording;
  const ModuleId module = recording.file(folder.file("large"));
  std::vector<LocationId> locations;
  for (uint64_t s = 0; s < 1000; ++s) locations.push_back(recording.at(module, 0x11000 + s));
  Symbolizer symbolizer;
  symbolizer.symbolize(recording.profile, recording.provider, {});
  CHECK(recording.name(locations[999]).ends_with("999"));
  std::ifstream maps{"/proc/self/smaps"};
  bool is_ours = false;
  size_t found = 0;
  for (std::string line; std::getline(maps, line);) {
    if (line.ends_with(folder.file("large"))) is_ours = true;
    if (!is_ours || !line.starts_with("Rss:")) continue;
    CHECK(std::strtoull(line.c_str() + 4, nullptr, 10) == 0);
    is_ours = false;
    ++found;
  }
  CHECK(found == 1);
}

TEST_CASE("kernel frames, and a kernel that hides its addresses") {
  const TemporaryFolder folder;
  folder.write("kallsyms", "ffffffff81000000 T start_here\nffffffff81000100 T next\n"
                           "ffffffff81000200 T _etext\nffffffffc0000000 t load\t[mod]\n");
  SymbolizerOptions options;
  options.proc_root = folder.path();
  Recording recording;
  const LocationId core = recording.at(0, 0xffffffff81000110, FrameKind::kKernel);
  const LocationId module =
      recording.at(recording.module("[kernel.kallsyms]"), 0xffffffffc0000001, FrameKind::kKernel);
  const LocationId hole = recording.at(0, 0xffffffff81000200, FrameKind::kKernel);
  Symbolizer symbolizer{options};
  symbolizer.symbolize(recording.profile, recording.provider, {});
  CHECK(recording.name(core) == "next");
  CHECK(recording.name(module) == "load");
  CHECK(recording.reason(hole) == UnnamedReason::kNotCovered);

  folder.write("kallsyms", "0000000000000000 T start_here\n0000000000000000 T next\n");
  Recording hidden;
  const LocationId location = hidden.at(0, 0xffffffff81000110, FrameKind::kKernel);
  Symbolizer fresh{options};
  fresh.symbolize(hidden.profile, hidden.provider, {});
  CHECK(hidden.reason(location) == UnnamedReason::kKernelHidden);
}

TEST_CASE("kernel frames whose functions are told, and the list for the rest") {
  const TemporaryFolder folder;
  folder.write("kallsyms", "ffffffff81000000 T in_list\nffffffff81000100 T next\n"
                           "ffffffff81000200 T _etext\n");
  SymbolizerOptions options;
  options.proc_root = folder.path();
  options.kernel_namer = [](std::span<const uint64_t> addresses,
                            std::vector<KernelFunction> &found) {
    if (std::find(addresses.begin(), addresses.end(), 0xffffffff81000110) != addresses.end())
      found.push_back({0xffffffff81000100, 0xffffffff81000200, "told", true});
    return true;
  };
  Symbolizer symbolizer{options};
  Recording recording;
  const LocationId told = recording.at(0, 0xffffffff81000110, FrameKind::kKernel);
  const LocationId again = recording.at(0, 0xffffffff81000120, FrameKind::kKernel);
  symbolizer.symbolize(recording.profile, recording.provider, {});
  CHECK(recording.name(told) == "told");
  CHECK(recording.name(again) == "told");
  Recording other;
  const LocationId listed = other.at(0, 0xffffffff81000010, FrameKind::kKernel);
  const LocationId known = other.at(0, 0xffffffff81000130, FrameKind::kKernel);
  const LocationId nowhere = other.at(0, 0xffffffff81000200, FrameKind::kKernel);
  symbolizer.symbolize(other.profile, other.provider, {});
  CHECK(other.name(listed) == "in_list");
  CHECK(other.name(known) == "told");
  CHECK(other.reason(nowhere) == UnnamedReason::kNotCovered);
}

TEST_CASE("code made at run time is named by the process's map, also after its end") {
  const TemporaryFolder folder;
  const std::string user = std::to_string(::geteuid());
  folder.write("proc/50/stat", "50 (java) S 1 1 1 0 -1 0 1 0 0 0 0 0 0 0 20 0 1 0 99 1 1\n");
  folder.write("proc/50/status",
               "Uid:\t" + user + "\t" + user + "\t" + user + "\t" + user + "\nNSpid:\t50\t3\n");
  folder.write("proc/50/root/tmp/perf-3.map",
               "7000 100 Lcom/example/Main;::run\n\xff bad\n7100 10 _ZN3foo3barEi\n");
  SymbolizerOptions options;
  options.proc_root = folder.file("proc");
  options.host_tmp = folder.file("tmp");
  Symbolizer symbolizer{options};
  const auto look_up = [&](uint64_t start_time, uint64_t address) {
    Recording recording;
    const ModuleId module = recording.module("/tmp/perf-3.map", 0, 0);
    recording.provider.processes[module] = {50, 3, start_time};
    const LocationId location = recording.at(module, address, FrameKind::kJavaCompiled);
    symbolizer.symbolize(recording.profile, recording.provider, {});
    const std::string name = recording.name(location);
    return name != "-" ? name : std::to_string(static_cast<int>(recording.reason(location)));
  };
  const auto number = [](UnnamedReason reason) { return std::to_string(static_cast<int>(reason)); };
  CHECK(look_up(99, 0x7050) == "com.example.Main.run");
  CHECK(look_up(99, 0x7100) == "foo::bar(int)");
  CHECK(look_up(99, 0x7200) == number(UnnamedReason::kNotCovered));
  CHECK(symbolizer.stats().bad_lines == 1);
  CHECK(look_up(98, 0x7050) == number(UnnamedReason::kProcessGone));
  folder.append("proc/50/root/tmp/perf-3.map", "7000 20 recompiled\n");
  CHECK(look_up(99, 0x7010) == "recompiled");
  std::filesystem::remove_all(folder.file("proc/50"));
  CHECK(look_up(99, 0x7010) == "recompiled");
  CHECK(look_up(97, 0x7010) == number(UnnamedReason::kProcessGone));
  folder.write("proc/51/stat", "51 (java) S 1 1 1 0 -1 0 1 0 0 0 0 0 0 0 20 0 1 0 99 1 1\n");
  folder.write("proc/51/status",
               "Uid:\t" + user + "\t" + user + "\t" + user + "\t" + user + "\nNSpid:\t51\n");
  std::filesystem::create_directories(folder.file("proc/51/root/tmp"));
  Recording recording;
  const ModuleId module = recording.module("/tmp/perf-51.map", 0, 0);
  const LocationId location = recording.at(module, 0x1);
  symbolizer.symbolize(recording.profile, recording.provider, {});
  CHECK(recording.reason(location) == UnnamedReason::kNoPerfMap);
}

TEST_CASE("a JVM's map is read when it is told to be whole, and not as it is written") {
  const TemporaryFolder folder;
  const std::string user = std::to_string(::geteuid());
  folder.write("proc/50/stat", "50 (java) S 1 1 1 0 -1 0 1 0 0 0 0 0 0 0 20 0 1 0 99 1 1\n");
  folder.write("proc/50/status",
               "Uid:\t" + user + "\t" + user + "\t" + user + "\t" + user + "\nNSpid:\t50\t3\n");
  const std::string map = "proc/50/root/tmp/perf-3.map";
  SymbolizerOptions options;
  options.proc_root = folder.file("proc");
  options.host_tmp = folder.file("tmp");
  Symbolizer symbolizer{options};
  const ProcessView process{50, 3, 99};
  struct Found {
    std::string name;
    std::string raw;
    FrameKind kind;
  };
  const auto look_up = [&](uint64_t address) {
    Recording recording;
    const ModuleId module = recording.module("/tmp/perf-3.map", 0, 0);
    recording.provider.processes[module] = process;
    const LocationId location = recording.at(module, address);
    symbolizer.symbolize(recording.profile, recording.provider, {});
    Found found{recording.name(location), {}, recording.profile.locations()[location].kind};
    for (const Line &line : recording.profile.lines_of(location))
      found.raw = recording.profile.text(recording.profile.functions()[line.function].system_name);
    return found;
  };
  CHECK(!symbolizer.take_perf_map(process, 1 << 20)); // there is none
  CHECK(look_up(0x7050).name == "-");
  folder.write(map, "7000 100 void com.example.Main.run(int)\n7100 100 Interpreter\n"
                    "7200 10 StubRoutines (1)\n");
  CHECK(symbolizer.take_perf_map(process, 1 << 20));
  CHECK(look_up(0x7050).name == "com.example.Main.run");
  CHECK(look_up(0x7050).raw == "void com.example.Main.run(int)");
  CHECK(look_up(0x7050).kind == FrameKind::kJavaCompiled);
  CHECK(look_up(0x7150).name == "Interpreter");
  CHECK(look_up(0x7150).kind == FrameKind::kJavaInterpreted);
  CHECK(look_up(0x7200).name == "StubRoutines (1)");
  CHECK(look_up(0x7200).kind == FrameKind::kUser);
  const uint64_t named[] = {0x7050, 0x7200};
  const uint64_t unnamed[] = {0x7050, 0x7300};
  CHECK(symbolizer.has_names(process, named));
  CHECK(!symbolizer.has_names(process, unnamed));
  CHECK(!symbolizer.has_names({50, 3, 98}, named));
  folder.write(map, "7000 1"); // half written
  CHECK(look_up(0x7050).name == "com.example.Main.run");
  std::filesystem::remove(folder.file(map));
  CHECK(look_up(0x7050).name == "com.example.Main.run");
  CHECK(!symbolizer.take_perf_map(process, 1 << 20));
  CHECK(!symbolizer.take_perf_map({50, 3, 98}, 1 << 20)); // another process
  CHECK(look_up(0x7050).name == "com.example.Main.run");
  CHECK(symbolizer.stats().bytes > 0);
}

TEST_CASE("lines of a better source come before symbols, and symbols where it has none") {
  struct Source : LineSource {
    bool lines_at(uint64_t address, std::vector<SourceLine> &lines) const override {
      if (address != 0x401110) return false;
      lines.push_back({"_ZN3foo7inlinedEv", "foo.hpp", 7, 3, 5});
      lines.push_back({"main", "main.cpp", 20, 0, 10});
      return true;
    }
    size_t bytes() const override { return 100; }
  };
  struct Factory : LineSourceFactory {
    std::unique_ptr<LineSource> open(const ElfImage &image, uint64_t) override {
      CHECK(image.find_name(".symtab") != nullptr);
      return std::make_unique<Source>();
    }
  } factory;
  const TemporaryFolder folder;
  folder.write("file", bytes_of(little_elf()));
  SymbolizerOptions options;
  options.line_sources = &factory;
  Recording recording;
  const ModuleId module = recording.file(folder.file("file"));
  const LocationId lined = recording.at(module, 0x11110);
  const LocationId plain = recording.at(module, 0x11111);
  Symbolizer symbolizer{options};
  symbolizer.symbolize(recording.profile, recording.provider, {});
  CHECK(recording.name(lined) == "foo::inlined()");
  CHECK(recording.profile.lines_of(lined).size() == 2);
  CHECK(recording.profile.lines_of(lined)[0].line == 7);
  CHECK(recording.name(plain) == "main");
}

TEST_CASE("one symbolizer for many threads") {
  const TemporaryFolder folder;
  for (int i = 0; i < 4; ++i) {
    ElfBuilder builder = little_elf();
    builder.build_id = {static_cast<uint8_t>(i)};
    folder.write("lib" + std::to_string(i), bytes_of(builder));
  }
  SymbolizerOptions options;
  options.max_bytes = 12000; // so that threads evict what others use
  Symbolizer symbolizer{options};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int round = 0; round < 200; ++round) {
        Recording recording;
        const std::string file = folder.file("lib" + std::to_string((t + round) % 4));
        const ModuleId module = recording.file(file);
        const LocationId first = recording.at(module, 0x11110);
        const LocationId second = recording.at(module, 0x11210);
        symbolizer.symbolize(recording.profile, recording.provider, {});
        wrong += recording.name(first) != "main" || recording.name(second) != "foo::bar(int)";
      }
    });
  for (std::thread &thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("a cancelled call stops") {
  Recording recording;
  recording.at(0, 1);
  Context context;
  context.progress = [](uint64_t, uint64_t, void *) { return false; };
  Symbolizer symbolizer;
  CHECK_THROWS_AS(symbolizer.symbolize(recording.profile, recording.provider, context), Error);
}
