#include "symbolize/perf_map.hpp"
#include "symbolize/process_files.hpp"
#include "temporary_folder.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <map>
#include <random>
#include <sys/stat.h>
#include <unistd.h>

using namespace profcore;

namespace {

std::string at(const PerfMap &map, uint64_t address) {
  const uint32_t found = map.find(address);
  return found == PerfMap::kNotFound ? "-" : std::string{map.name(found)};
}

struct Open {
  int fd;
  explicit Open(const std::string &path) : fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)} {}
  ~Open() { ::close(fd); }
};

void age(const std::string &path) {
  const timespec times[2] = {{1000000000, 0}, {1000000000, 0}};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
}

} // namespace

TEST_CASE("perf map lines in all their forms, and what is no line") {
  PerfMap map;
  map.append("1000 10 plain\n0x2000 0x10 prefixed\r\n3000 10 a name with  spaces\n"
             "\nnot a line\n4000 10\n4000 10 \n5000 0 empty\n6000 zz bad\n"
             "7000 10 caf\xe9\n8000 10000000000000000 long\nffffffffffffffff 10 wraps\n"
             "11111111111111111 1 overflow\n9000\t20\ttabs\n");
  CHECK(at(map, 0x1000) == "plain");
  CHECK(at(map, 0x1010) == "-");
  CHECK(at(map, 0x200f) == "prefixed");
  CHECK(at(map, 0x3000) == "a name with  spaces");
  CHECK(at(map, 0x7001) == "caf\xe9");
  CHECK(at(map, 0x901f) == "tabs");
  CHECK(map.bad_lines() == 8);
  CHECK(map.lines() == 14);
}

TEST_CASE("the last line wins, and only where it reaches") {
  PerfMap map;
  map.append("1000 100 old\n1040 20 newer\n");
  CHECK(at(map, 0x103f) == "old");
  CHECK(at(map, 0x1040) == "newer");
  CHECK(at(map, 0x1060) == "old");
  map.append("1050 100 newest\n");
  CHECK(at(map, 0x104f) == "newer");
  CHECK(at(map, 0x1060) == "newest");
  CHECK(at(map, 0x114f) == "newest");
  map.append("1000 10 again\n");
  CHECK(at(map, 0x1000) == "again");
  CHECK(at(map, 0x1010) == "old");
}

TEST_CASE("many overlapping lines in many parts are as the last one by hand") {
  std::mt19937_64 random{5};
  PerfMap map;
  std::map<uint64_t, std::string> expected;
  size_t line = 0;
  for (int part = 0; part < 200; ++part) {
    std::string text;
    for (uint64_t i = 0; i <= random() % 12; ++i) {
      const uint64_t start = random() % 2000;
      const uint64_t size = 1 + random() % 60;
      const std::string name = "f" + std::to_string(line++);
      char numbers[64];
      std::snprintf(numbers, sizeof numbers, "%lx %lx ", static_cast<unsigned long>(start),
                    static_cast<unsigned long>(size));
      text += numbers + name + "\n";
      for (uint64_t a = start; a < start + size; ++a) expected[a] = name;
    }
    map.append(text);
  }
  size_t wrong = 0;
  for (uint64_t a = 0; a < 2100; ++a)
    wrong += at(map, a) != (expected.contains(a) ? expected[a] : "-");
  CHECK(wrong == 0);
}

TEST_CASE("a log is read as it grows, and anew when it is another") {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("perf.map");
  folder.write("perf.map", "1000 10 one\n2000 10 half");
  PerfMapLog log;
  const Open first{path};
  CHECK(log.refresh(first.fd, 1 << 20) == PerfMapLog::Result::kReplaced);
  CHECK(at(log.map(), 0x1000) == "one");
  CHECK(at(log.map(), 0x2000) == "-"); // somebody may still be writing it
  CHECK(log.refresh(first.fd, 1 << 20) == PerfMapLog::Result::kUnchanged);
  folder.append("perf.map", "_done\n1000 8 two\n");
  CHECK(log.refresh(first.fd, 1 << 20) == PerfMapLog::Result::kGrown);
  CHECK(at(log.map(), 0x2000) == "half_done");
  CHECK(at(log.map(), 0x1000) == "two");
  CHECK(at(log.map(), 0x1008) == "one");
  CHECK(log.map().lines() == 3);

  folder.write("perf.map", "1000 10 fresh\n2000 10 written anew and longer than before\n"
                           "3000 10 and more of it\n");
  CHECK(log.refresh(first.fd, 1 << 20) == PerfMapLog::Result::kReplaced);
  CHECK(at(log.map(), 0x1008) == "fresh");

  ::unlink(path.c_str());
  folder.write("perf.map", "4000 10 last line without its end");
  age(path);
  const Open second{path};
  CHECK(log.refresh(second.fd, 1 << 20) == PerfMapLog::Result::kReplaced);
  CHECK(at(log.map(), 0x1008) == "-");
  CHECK(at(log.map(), 0x4001) == "last line without its end");
}

TEST_CASE("a map written anew is taken as a whole, and what it dropped stays for one more") {
  const test::TemporaryFolder folder;
  const auto name = [](const PerfMapLog &log, uint64_t address) {
    uint64_t symbol = 0;
    const char *found = log.find(address, symbol);
    return std::string{found == nullptr ? "-" : found};
  };
  const std::string tail = "9000 10 the same last line, to look like a log that has grown\n";
  folder.write("perf.map", "1000 10 gone\n2000 10 old\n" + tail);
  PerfMapLog log;
  const Open file{folder.file("perf.map")};
  CHECK(log.replace(file.fd, 1 << 20) == PerfMapLog::Result::kReplaced);
  CHECK(name(log, 0x1000) == "gone");
  // HotSpot truncates and writes: the same inode, and here even the same bytes where the old file
  // ended.
  folder.write("perf.map", "3000 10 young\n2000 10 new\n" + tail + "4000 10 more\n");
  CHECK(log.replace(file.fd, 1 << 20) == PerfMapLog::Result::kReplaced);
  CHECK(name(log, 0x2008) == "new");
  CHECK(name(log, 0x3000) == "young");
  CHECK(name(log, 0x4000) == "more");
  CHECK(name(log, 0x1000) == "gone"); // sampled before it was thrown away
  CHECK(log.map().lines() == 4);
  uint64_t before = 0;
  uint64_t now = 0;
  log.find(0x1000, before);
  log.find(0x3000, now);
  CHECK(before != now);
  folder.write("perf.map", "2000 10 newest\n");
  log.replace(file.fd, 1 << 20);
  CHECK(name(log, 0x3000) == "young");
  CHECK(name(log, 0x1000) == "-");
  REQUIRE(::truncate(folder.file("perf.map").c_str(), off_t{1} << 40) == 0); // nothing but zeros
  CHECK(log.replace(file.fd, 1 << 20) == PerfMapLog::Result::kReplaced);
  CHECK(log.cut());
  CHECK(log.bytes() < 1 << 20);
  CHECK(name(log, 0x2000) == "newest");
  CHECK(log.replace(-1, 1 << 20) == PerfMapLog::Result::kDamaged);
  CHECK(name(log, 0x2000) == "newest");
}

TEST_CASE("a log past its budget is cut, and says so") {
  const test::TemporaryFolder folder;
  std::string text;
  while (text.size() < (size_t{9} << 20)) text += "1000 10 some_name_or_other\n";
  folder.write("perf.map", text);
  PerfMapLog log;
  const Open file{folder.file("perf.map")};
  log.refresh(file.fd, 1 << 20);
  CHECK(log.cut());
  CHECK(at(log.map(), 0x1000) == "some_name_or_other");
}

TEST_CASE("where a process's perf map is found") {
  const test::TemporaryFolder folder;
  const std::string user = std::to_string(::geteuid());
  const auto process = [&](const std::string &pid, const std::string &inner) {
    folder.write("proc/" + pid + "/stat",
                 pid + " (a) b) S 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1\n");
    folder.write("proc/" + pid + "/status", "Name:\ta\nUid:\t" + user + "\t" + user + "\t" + user +
                                                "\t" + user + "\nNSpid:\t" + pid + inner + "\n");
  };
  process("300", "\t7");
  const std::string proc = folder.file("proc");
  const ProcessStatus status = read_process_status(proc, 300, 0);
  CHECK(status.state == ProcessStatus::kAlive);
  CHECK(status.namespace_pid == 7);
  CHECK(status.start_time == 4711);
  CHECK(status.user == ::geteuid());
  CHECK(read_process_status(proc, 300, 4712).state == ProcessStatus::kGone);

  folder.write("host/readme", "");
  const std::string host = folder.file("host");
  const auto open = [&](int32_t pid, int32_t inner, uint64_t start) {
    const PerfMapFile file = open_perf_map(proc, host, pid, inner, start);
    if (file.fd >= 0) ::close(file.fd);
    return file.problem;
  };
  CHECK(open(300, 0, 0) == PerfMapProblem::kMissing);
  folder.write("proc/300/root/tmp/perf-7.map", "1000 10 inside\n");
  CHECK(open(300, 0, 4711) == PerfMapProblem::kNone);
  CHECK(open(300, 7, 0) == PerfMapProblem::kNone);
  CHECK(open(300, 8, 0) == PerfMapProblem::kMissing);
  CHECK(open(300, 0, 9) == PerfMapProblem::kProcessGone);
  CHECK(open(301, 0, 0) == PerfMapProblem::kProcessGone);
  folder.write("host/perf-301.map", "1000 10 outside\n");
  CHECK(open(301, 0, 0) == PerfMapProblem::kNone);

  // Links are not followed, neither in the place of the file nor out of the process's root.
  process("302", "");
  folder.write("secret", "1000 10 secret\n");
  std::filesystem::create_directories(folder.file("proc/302/root/tmp"));
  std::filesystem::create_symlink(folder.file("secret"),
                                  folder.file("proc/302/root/tmp/perf-302.map"));
  CHECK(open(302, 0, 0) == PerfMapProblem::kUntrusted);
  process("303", "");
  folder.write("elsewhere/perf-303.map", "1000 10 elsewhere\n");
  std::filesystem::create_directories(folder.file("proc/303/root"));
  std::filesystem::create_symlink(folder.file("elsewhere"), folder.file("proc/303/root/tmp"));
  CHECK(open(303, 0, 0) != PerfMapProblem::kNone);

  process("304", "");
  std::filesystem::create_directories(folder.file("proc/304/root/tmp"));
  REQUIRE(::mkfifo(folder.file("proc/304/root/tmp/perf-304.map").c_str(), 0600) == 0);
  CHECK(open(304, 0, 0) == PerfMapProblem::kUntrusted);
  if (::geteuid() == 0) {
    process("305", "");
    folder.write("proc/305/root/tmp/perf-305.map", "1000 10 planted\n");
    REQUIRE(::chown(folder.file("proc/305/root/tmp/perf-305.map").c_str(), 12345, 12345) == 0);
    CHECK(open(305, 0, 0) == PerfMapProblem::kUntrusted);
  }
}
