#include "recording.hpp"
#include "symbolize/process_cache.hpp"
#include "symbolize/process_maps.hpp"
#include "symbolize/symbolizer.hpp"
#include "temporary_folder.hpp"

#include <doctest/doctest.h>
#include <sys/sysmacros.h>
#include <unistd.h>

using namespace profcore;
using namespace profcore::test;

namespace {

constexpr const char *kMaps =
    "00400000-00410000 r--p 00000000 08:01 77                        /opt/a program\n"
    "00410000-00420000 r-xp 00010000 08:01 77                        /opt/a program\n"
    "00500000-00510000 rwxp 00000000 00:00 0 \n"
    "00600000-00600000 r-xp 00000000 00:00 0\n"
    "00700000-00x10000 r-xp 00000000 00:00 0\n"
    "7ffd0000-7ffd2000 r-xp 00000000 00:00 0                         [vdso]\n"
    "80000000-80010000 r-xp 00002000 fd:0a 88                        /usr/lib/libx.so (deleted)";

NamedAddresses look_up(Symbolizer &symbolizer, int32_t pid, std::vector<uint64_t> addresses) {
  AddressSource source;
  source.kind = AddressSource::kProcess;
  source.pid = pid;
  return symbolizer.look_up(source, addresses, {});
}

std::string name_of(const NamedAddresses &names, size_t i) {
  if (names.line_count[i] == 0) return "-" + std::to_string(names.reason[i]);
  const NamedAddresses::Text text = names.lines[names.first_line[i]].name;
  return names.texts.substr(text.offset, text.size);
}

} // namespace

TEST_CASE("the code mappings of a text") {
  const std::vector<CodeMapping> found = parse_code_mappings(kMaps);
  REQUIRE(found.size() == 4);
  CHECK(found[0].start == 0x410000);
  CHECK(found[0].end == 0x420000);
  CHECK(found[0].offset == 0x10000);
  CHECK(found[0].inode == 77);
  CHECK(found[0].device == makedev(8, 1));
  CHECK(found[0].path == "/opt/a program");
  CHECK(found[1].path.empty());
  CHECK(found[1].inode == 0);
  CHECK(found[2].path == "[vdso]");
  CHECK(found[3].path == "/usr/lib/libx.so (deleted)");
  CHECK(found[3].device == makedev(0xfd, 0x0a));
  CHECK(parse_code_mappings("").empty());
  CHECK(parse_code_mappings("\n\n- -\n400000-").empty());
}

TEST_CASE("by the kernel's query or the text, the same mappings") {
  const TemporaryFolder folder;
  const auto function = reinterpret_cast<uint64_t>(&parse_code_mappings);
  const auto data = reinterpret_cast<uint64_t>(&folder);
  std::vector<uint64_t> addresses{function, function + 1, data};
  std::sort(addresses.begin(), addresses.end());
  std::vector<CodeMapping> asked;
  REQUIRE(ProcessMaps::find("/proc", ::getpid(), addresses, asked) == ProcessMaps::Result::kDone);
  REQUIRE(asked.size() == 1);
  CHECK(asked[0].start <= function);
  CHECK(asked[0].end > function + 1);
  std::ifstream own{"/proc/self/maps"};
  folder.write("5/maps", std::string{std::istreambuf_iterator<char>{own}, {}});
  std::vector<CodeMapping> read; // a plain file knows no query
  REQUIRE(ProcessMaps::find(folder.path(), 5, addresses, read) == ProcessMaps::Result::kDone);
  REQUIRE(read.size() == 1);
  CHECK(read[0].start == asked[0].start);
  CHECK(read[0].end == asked[0].end);
  CHECK(read[0].offset == asked[0].offset);
  CHECK(read[0].inode == asked[0].inode);
  CHECK(read[0].device == asked[0].device);
  CHECK(read[0].path == asked[0].path);
  CHECK(ProcessMaps::find(folder.path(), 6, addresses, read) == ProcessMaps::Result::kGone);
}

TEST_CASE("addresses of a process: files through its own root, code made at run time, other "
          "processes later") {
  const TemporaryFolder folder;
  const std::string user = std::to_string(::geteuid());
  folder.write("proc/50/stat", "50 (java) S 1 1 1 0 -1 0 1 0 0 0 0 0 0 0 20 0 1 0 99 1 1\n");
  folder.write("proc/50/status",
               "Uid:\t" + user + "\t" + user + "\t" + user + "\t" + user + "\nNSpid:\t50\t3\n");
  folder.write("proc/50/maps", "00011000-00012000 r-xp 00001000 08:01 77 /opt/prog\n"
                               "00500000-00510000 rwxp 00000000 00:00 0 \n"
                               "00600000-00610000 r-xp 00000000 08:01 78 /opt/gone (deleted)\n");
  folder.write("proc/50/root/opt/prog", bytes_of(little_elf()));
  folder.write("proc/50/root/tmp/perf-3.map", "500000 100 jitted\n");
  SymbolizerOptions options;
  options.proc_root = folder.file("proc");
  options.host_tmp = folder.file("tmp");
  Symbolizer symbolizer{options};
  const std::vector<uint64_t> addresses{0x11210, 0x500010, 0x600010, 0x11110, 0x11115, 0x700000};
  for (int round = 0; round < 2; ++round) {
    const NamedAddresses names = look_up(symbolizer, 50, addresses);
    CHECK(name_of(names, 0) == "foo::bar(int)");
    CHECK(name_of(names, 1) == "jitted");
    CHECK(name_of(names, 2) == "-5"); // the file is missing
    CHECK(name_of(names, 3) == "main");
    CHECK(name_of(names, 4) == "main");
    CHECK(name_of(names, 5) == "-2"); // no module
    CHECK(names.first_line[3] == names.first_line[4]);
    CHECK(names.module[0] == names.module[3]);
    CHECK(names.module[5] == 0);
  }
  CHECK(symbolizer.stats().modules_built == 1);
  CHECK(symbolizer.stats().processes == 1);
  CHECK(name_of(look_up(symbolizer, 51, {0x11110}), 0) == "-10"); // process gone
  CHECK(symbolizer.stats().processes == 1);

  // Mappings count as unchanged for a second; without that they are asked for each time.
  options.maps_ms = 0;
  Symbolizer impatient{options};
  CHECK(name_of(look_up(impatient, 50, {0x11110}), 0) == "main");
  folder.write("proc/50/maps", "00511000-00512000 r-xp 00001000 08:01 77 /opt/prog\n");
  ::usleep(2000);
  CHECK(name_of(look_up(impatient, 50, {0x11110}), 0) == "-2");
  CHECK(name_of(look_up(impatient, 50, {0x511110}), 0) == "main");
  CHECK(name_of(look_up(symbolizer, 50, {0x11110}), 0) == "main");

  AddressSource source;
  source.kind = AddressSource::kProcess;
  source.pid = 50;
  source.start_time = 99;
  const std::vector<uint64_t> moved{0x511110};
  CHECK(name_of(impatient.look_up(source, moved, {}), 0) == "main");
  folder.write("proc/50/stat", "50 (other) S 1 1 1 0 -1 0 1 0 0 0 0 0 0 0 20 0 1 0 100 1 1\n");
  ::usleep(2000);
  CHECK(name_of(impatient.look_up(source, moved, {}), 0) == "-10");
}

TEST_CASE("mappings that replace others, and a bound on what is kept of processes") {
  const TemporaryFolder folder;
  ProcessSlot slot;
  folder.write("7/maps",
               "1000-3000 r-xp 00000000 08:01 1 /a\n3000-4000 r-xp 00000000 08:01 2 /b\n");
  const std::chrono::milliseconds long_time{3600000};
  CHECK(slot.refresh(folder.path(), 7, {0x1800, 0x3800}, long_time) == ProcessMaps::Result::kDone);
  CHECK(slot.mappings.size() == 2);
  folder.write("7/maps", "2000-6000 r-xp 00000000 08:01 3 /c\n");
  CHECK(slot.refresh(folder.path(), 7, {0x5000}, long_time) == ProcessMaps::Result::kDone);
  REQUIRE(slot.mappings.size() == 1);
  CHECK(slot.find(0x2800)->mapping.path == "/c");
  CHECK(slot.find(0x1800) == nullptr);

  ProcessCache cache{100000};
  for (int32_t pid = 1; pid <= 1000; ++pid) {
    (void)cache.slot_of(pid, 0);
    cache.settle(pid, 0, 1000);
    CHECK(cache.bytes() <= 100000);
  }
  CHECK(cache.size() < 100);
  const auto last = cache.slot_of(1000, 0);
  cache.forget(1000, 0);
  cache.clear();
  CHECK(cache.bytes() == 0);
}
