#include "base/proc.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

using namespace profcore;

TEST_CASE("the line of a process") {
  ProcStat stat;
  const std::string numbers = " S 7 8 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 12 0 98765 1 2 3";
  const std::string odd = "42 (a name) S) (x)" + numbers + "\n";
  REQUIRE(parse_proc_stat(odd, stat));
  CHECK(stat.comm == "a name) S) (x");
  CHECK(stat.parent == 7);
  CHECK(stat.threads == 12);
  CHECK(stat.start_ticks == 98765);
  // Where it is cut there is no start.
  const std::string whole = "42 (x)" + numbers;
  const size_t start = whole.find("98765");
  for (size_t size = 0; size < start; ++size) {
    CAPTURE(size);
    CHECK_FALSE(parse_proc_stat(whole.substr(0, size), stat));
  }
  CHECK_FALSE(parse_proc_stat("42 )x(" + numbers, stat));
  CHECK_FALSE(parse_proc_stat("", stat));
  CHECK_FALSE(parse_proc_stat("()", stat));
  CHECK(nanoseconds_of_ticks(static_cast<uint64_t>(sysconf(_SC_CLK_TCK))) == 1'000'000'000);
}

TEST_CASE("the own process is read") {
  std::string text;
  ProcStat stat;
  REQUIRE(read_proc("/proc/self/stat", text));
  REQUIRE(parse_proc_stat(text, stat));
  CHECK(stat.parent == getppid());
  CHECK(stat.start_ticks > 0);
  REQUIRE(read_proc("/proc/self/stat", text, 5));
  CHECK(text.size() == 5);
  CHECK_FALSE(read_proc("/proc/self/no such", text));
  CHECK(text.empty());
  CHECK_FALSE(read_proc("/proc/self", text)); // a folder

  REQUIRE(read_proc("/proc/self/maps", text));
  std::string_view rest{text};
  bool found = false;
  const auto here = reinterpret_cast<uint64_t>(&parse_proc_stat);
  for (ProcMapping mapping; take_mapping(rest, mapping);)
    found = found || (mapping.start <= here && here < mapping.end && mapping.is_executable &&
                      mapping.inode != 0 && mapping.path.ends_with("base_test"));
  CHECK(found);
}

TEST_CASE("mappings, and lines that are none") {
  std::string_view text = "55d0-55d8 r-xp 00001000 fd:1a 12345                 /usr/bin/a b\n"
                          "no mapping\n"
                          "7000-8000 rw-p 00000000 00:00 0 \n"
                          "8000-7000 r-xp 00000000 00:00 0 /upside/down\n"
                          "9000-a000 r-xp 00000000 00:00\n"
                          "9000-a000\n"
                          "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]";
  ProcMapping mapping;
  REQUIRE(take_mapping(text, mapping));
  CHECK(mapping.start == 0x55d0);
  CHECK(mapping.end == 0x55d8);
  CHECK(mapping.offset == 0x1000);
  CHECK(mapping.major == 0xfd);
  CHECK(mapping.minor == 0x1a);
  CHECK(mapping.inode == 12345);
  CHECK(mapping.is_executable);
  CHECK(mapping.path == "/usr/bin/a b");
  REQUIRE(take_mapping(text, mapping));
  CHECK(mapping.start == 0x7000);
  CHECK_FALSE(mapping.is_executable);
  CHECK(mapping.path.empty());
  REQUIRE(take_mapping(text, mapping));
  CHECK(mapping.path == "[vsyscall]");
  CHECK(mapping.start == UINT64_C(0xffffffffff600000));
  CHECK_FALSE(take_mapping(text, mapping));
  CHECK_FALSE(take_mapping(text, mapping));
}

TEST_CASE("nothing but regular files is opened") {
  std::string folder = "/tmp/profcore-proc-XXXXXX";
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  const std::string file = folder + "/file";
  const std::string pipe = folder + "/pipe";
  const std::string link = folder + "/link";
  const std::string to_pipe = folder + "/to-pipe";
  close(open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  REQUIRE(symlink("file", link.c_str()) == 0);
  REQUIRE(symlink("pipe", to_pipe.c_str()) == 0);
  const auto error_of = [](const std::string &path, int flags) {
    errno = 0;
    const int fd = open_regular(path, flags);
    if (fd >= 0) close(fd);
    return fd >= 0 ? 0 : errno;
  };
  CHECK(error_of(file, O_RDONLY) == 0);
  CHECK(error_of(link, O_RDONLY) == 0);
  CHECK(error_of(link, O_RDONLY | O_NOFOLLOW) == ENOENT);
  CHECK(error_of(file, O_RDONLY | O_NOFOLLOW) == 0);
  for (const std::string &other : {pipe, to_pipe, folder, std::string{"/dev/null"}}) {
    CAPTURE(other);
    CHECK(error_of(other, O_RDONLY) == ENOENT);
  }
  CHECK(error_of(folder + "/none", O_RDONLY) == ENOENT);
  const int fd = open_regular(file, O_RDONLY);
  CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  close(fd);
  for (const std::string &made : {file, pipe, link, to_pipe}) unlink(made.c_str());
  rmdir(folder.c_str());
}
