#include "sources/sampler/module_files.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

using namespace profcore::sampler;

namespace {

/// A folder of files, gone at the end.
struct Folder {
  Folder() {
    char name[] = "/tmp/profcore-files-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string write(const std::string &name, const std::string &text) const {
    std::ofstream{path / name} << text;
    return path / name;
  }
  std::filesystem::path path;
};

FileId id_of(const std::string &path) {
  struct stat info {};
  REQUIRE(stat(path.c_str(), &info) == 0);
  return {major(info.st_dev), minor(info.st_dev), info.st_ino};
}

/// As this process has it mapped; by its path, since there is no such mapping.
uint32_t add(ModuleFiles &files, const std::string &path) {
  return files.add(id_of(path), path, getpid(), 0x1000, 0x2000);
}

const std::vector<bool> kNothing;

} // namespace

TEST_CASE("a file has one number, under whatever path") {
  const Folder folder;
  ModuleFiles files;
  const std::string path = folder.write("a.so", "one");
  const uint32_t number = add(files, path);
  CHECK(add(files, path) == number);
  std::filesystem::create_hard_link(path, folder.path / "b.so");
  CHECK(add(files, folder.path / "b.so") == number);
  CHECK(files[number].file.is_open());
  CHECK(files.take_opened() == std::vector<uint32_t>{number});
  CHECK(add(files, folder.write("c.so", "one")) != number);
  CHECK(files.add_vdso() == files.add_vdso());
}

TEST_CASE("a file that is written anew in its place is another one") {
  const Folder folder;
  ModuleFiles files;
  const std::string path = folder.write("a.so", "one");
  const uint32_t before = add(files, path);
  folder.write("a.so", "another"); // the same inode
  const uint32_t after = add(files, path);
  CHECK(after != before);
  CHECK_FALSE(files[before].file.is_open()); // what is in it now is not what was sampled
  CHECK(files[after].file.is_open());
  CHECK(add(files, path) == after);
  CHECK_FALSE(files.reopen(before, getpid(), 0x1000, 0x2000));
  // Also when it was closed meanwhile, and when only its time differs.
  for (uint32_t i = 0; i < ModuleFiles::kWindowsKept; ++i) files.age(kNothing);
  CHECK_FALSE(files[after].file.is_open());
  const timespec times[2] = {{1, 0}, {1, 0}};
  REQUIRE(utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
  CHECK(add(files, path) != after);
}

TEST_CASE("files are closed when nobody has had them mapped for two windows") {
  const Folder folder;
  ModuleFiles files;
  const std::string path = folder.write("a.so", "one");
  const uint32_t number = add(files, path);
  std::vector<bool> mapped(1, true);
  for (int i = 0; i < 5; ++i) files.age(mapped);
  CHECK(files.open_count() == 1);
  files.age(kNothing);
  CHECK(files.open_count() == 1);
  files.age(kNothing);
  CHECK(files.open_count() == 0);
  CHECK(add(files, path) == number); // mapped again: open again, the same
  CHECK(files.open_count() == 1);
}

TEST_CASE("no more files are open than may be, whatever is mapped") {
  const Folder folder;
  ModuleFiles files{8, ModuleFiles::kManyModules};
  for (int i = 0; i < 40; ++i) {
    const uint32_t number = add(files, folder.write(fmt::format("{}.so", i), "one"));
    CHECK(files[number].file.is_open()); // the newest is what is needed next
    CHECK(files.open_count() <= 8);
    files.age(std::vector<bool>(files.size(), true));
  }
  const uint32_t first = 0;
  CHECK_FALSE(files[first].file.is_open());
  CHECK(files.reopen(first, getpid(), 0x1000, 0x2000));
  CHECK(files.open_count() <= 8);
  // Those that wait to be read are not closed, so that new ones cannot be opened.
  ModuleFiles waiting{2, ModuleFiles::kManyModules};
  for (int i = 0; i < 4; ++i)
    waiting[add(waiting, (folder.path / fmt::format("{}.so", i)).string())].is_waiting = true;
  CHECK(waiting.open_count() == 2);
  CHECK_FALSE(waiting[3].file.is_open());
}

TEST_CASE("numbers are given anew when there are many and long unused") {
  const Folder folder;
  ModuleFiles files{512, 10};
  for (int i = 0; i < 200; ++i) {
    add(files, folder.write(fmt::format("{}.so", i), "one"));
    files.age(kNothing);
  }
  CHECK(files.size() < 20);
  CHECK(files.known() <= 13);
  CHECK(files.open_count() <= 3);
  // Not while the kernel's table has it.
  ModuleFiles used{512, 2};
  const uint32_t kept = add(used, (folder.path / "0.so").string());
  used[kept].slot = 7;
  for (int i = 1; i < 20; ++i) {
    CHECK(add(used, (folder.path / fmt::format("{}.so", i)).string()) != kept);
    used.age(kNothing);
  }
  CHECK(used[kept].path == (folder.path / "0.so").string());
}
