#include "sampler.h"
#include "sources/sampler/process_table.hpp"
#include "sources/sampler/unwind_table.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <string>
#include <unistd.h>

using namespace profcore::sampler;

namespace {

constexpr FileId kProgram{8, 1, 100};
constexpr FileId kLibrary{8, 1, 200};
constexpr int32_t kPid = 1 << 30; // no process has such a number

/// A process that the table knows without /proc.
Process &make(ProcessTable &table, int32_t pid = kPid) {
  table.on_fork(pid, pid - 1, 1000);
  return *table.find(pid);
}

std::string layout(const Process &process) {
  std::string text;
  for (const Mapping &mapping : process.mappings)
    text += fmt::format("{:x}-{:x}@{:x}:{} ", mapping.start, mapping.end, mapping.offset,
                        static_cast<int32_t>(mapping.module));
  return text;
}

} // namespace

TEST_CASE("mappings stay in order and the newest wins") {
  ModuleFiles files;
  ProcessTable table{files};
  Process &process = make(table);
  table.on_mmap(kPid, 0x5000, 0x3000, 0x1000, kLibrary, "/lib/b.so");
  table.on_mmap(kPid, 0x1000, 0x2000, 0, kProgram, "/bin/a");
  CHECK(layout(process) == "1000-3000@0:1 5000-8000@1000:0 ");
  // In the middle of one: its ends stay, with the right offsets.
  table.on_mmap(kPid, 0x6000, 0x1000, 0, kProgram, "/bin/a");
  CHECK(layout(process) == "1000-3000@0:1 5000-6000@1000:0 6000-7000@0:1 7000-8000@3000:0 ");
  // Over several and beyond.
  table.on_mmap(kPid, 0x2000, 0x5800, 0, kLibrary, "/lib/b.so");
  CHECK(layout(process) == "1000-2000@0:1 2000-7800@0:0 7800-8000@3800:0 ");
  CHECK(files.size() == 2);
}

TEST_CASE("mappings that are none are left out") {
  ModuleFiles files;
  ProcessTable table{files};
  Process &process = make(table);
  table.on_mmap(kPid, 0xffffffffff600000, 0x1000, 0, {}, "[vsyscall]");
  table.on_mmap(kPid, 0x1000, 0, 0, kProgram, "/bin/a");
  table.on_mmap(kPid, 0x7000000000000000, UINT64_MAX, 0, kProgram, "/bin/a");
  CHECK(layout(process).empty());
  // Anonymous memory has code of JIT compilers, but no file.
  table.on_mmap(kPid, 0x1000, 0x1000, 0, {}, "//anon");
  table.on_mmap(kPid, 0x3000, 0x1000, 0, {0, 1, 77}, "/memfd:jit (deleted)");
  CHECK(layout(process) == "1000-2000@0:-1 3000-4000@0:-1 ");
  CHECK(files.size() == 0);
}

TEST_CASE("a child has its parent's mappings until it runs a program") {
  ModuleFiles files;
  ProcessTable table{files};
  Process &parent = make(table);
  table.on_comm(kPid, "shell", false);
  table.on_mmap(kPid, 0x1000, 0x1000, 0, kProgram, "/bin/sh");
  parent.container = "c";
  parent.has_container = true;
  table.on_fork(kPid + 1, kPid, 2000);
  Process *child = table.find(kPid + 1);
  REQUIRE(child != nullptr);
  CHECK(layout(*child) == "1000-2000@0:0 ");
  CHECK(child->comm == "shell");
  CHECK(child->container == "c");
  CHECK(child->parent == kPid);
  CHECK(child->start_time == 2000);
  table.on_comm(kPid + 1, "gcc", true);
  CHECK(layout(*child).empty());
  CHECK(child->comm == "gcc");
  CHECK(layout(*table.find(kPid)) == "1000-2000@0:0 ");
}

TEST_CASE("who has exited is kept for one window more") {
  ModuleFiles files;
  ProcessTable table{files};
  make(table);
  make(table, kPid + 5);
  table.on_exit(kPid);
  table.on_exit(kPid);
  std::vector<int32_t> forgotten;
  table.forget_exited(forgotten);
  CHECK(table.find(kPid) != nullptr);
  CHECK(forgotten.empty());
  // The number of the other is given to a new process meanwhile: that one stays.
  table.on_exit(kPid + 5);
  table.on_fork(kPid + 5, kPid, 3000);
  table.forget_exited(forgotten);
  table.forget_exited(forgotten);
  CHECK(forgotten == std::vector<int32_t>{kPid});
  CHECK(table.find(kPid) == nullptr);
  REQUIRE(table.find(kPid + 5) != nullptr);
  CHECK(table.find(kPid + 5)->start_time == 3000);
}

TEST_CASE("what changed is told once") {
  ModuleFiles files;
  ProcessTable table{files};
  make(table);
  table.on_mmap(kPid, 0x1000, 0x1000, 0, kProgram, "/bin/a");
  table.on_mmap(kPid, 0x5000, 0x1000, 0, kLibrary, "/lib/b.so");
  CHECK(table.take_changed() == std::vector<int32_t>{kPid});
  CHECK(table.take_changed().empty());
  table.on_comm(kPid, "x", false); // a rule may choose it by its new name
  CHECK(table.take_changed() == std::vector<int32_t>{kPid});
}

TEST_CASE("memory of a JIT compiler is one mapping as long as it grows") {
  ModuleFiles files;
  ProcessTable table{files};
  Process &process = make(table);
  table.on_mmap(kPid, 0x8000, 0x1000, 0, kLibrary, "/lib/b.so");
  for (uint64_t i = 0; i < 1000; ++i)
    table.on_mmap(kPid, 0x10000 + i * 0x1000, 0x1000, 0, {}, "//anon");
  CHECK(layout(process) == "8000-9000@0:0 10000-3f8000@0:-1 ");
  // Over the middle of it.
  table.on_mmap(kPid, 0x20000, 0x1000, 0, kLibrary, "/lib/b.so");
  CHECK(layout(process) == "8000-9000@0:0 10000-20000@0:-1 20000-21000@0:0 21000-3f8000@11000:-1 ");
}

TEST_CASE("mappings are bounded: pieces without a file go first") {
  ModuleFiles files;
  ProcessTable table{files};
  Process &process = make(table);
  for (uint64_t i = 0; i < 100; ++i)
    table.on_mmap(kPid, 0x100000 + i * 0x10000, 0x1000, 0, kLibrary, "/lib/b.so");
  for (uint64_t i = 0; i < 10 * ProcessTable::kMostMappings; ++i)
    table.on_mmap(kPid, 0x40000000 + i * 0x2000, 0x1000, 0, {}, "//anon");
  CHECK(process.mappings.size() <= ProcessTable::kMostMappings);
  CHECK(std::count_if(process.mappings.begin(), process.mappings.end(),
                      [](const Mapping &mapping) { return mapping.module == 0; }) == 100);
  CHECK(std::is_sorted(process.mappings.begin(), process.mappings.end(),
                       [](const Mapping &a, const Mapping &b) { return a.start < b.start; }));
  CHECK(table.cut_mappings() + process.mappings.size() == 100 + 10 * ProcessTable::kMostMappings);
}

TEST_CASE("of too many mappings the kernel is told those with rows, and the large ones") {
  ModuleFiles files;
  ProcessTable table{files};
  Process &process = make(table);
  for (uint64_t i = 0; i < 400; ++i)
    table.on_mmap(kPid, 0x1000000 + i * 0x1000000, 0x1000 * (i + 1), 0, {8, 1, i + 1}, "/lib/x.so");
  for (uint32_t i = 0; i < 400; ++i) {
    files[i].was_prepared = true;
    files[i].has_kernel_rows = i % 2 == 1;
  }
  std::vector<const Mapping *> chosen;
  CHECK(choose_mappings(process, files, 400, chosen) == 0);
  CHECK(choose_mappings(process, files, 256, chosen) == 144);
  REQUIRE(chosen.size() == 256);
  size_t with_rows = 0;
  uint64_t smallest = UINT64_MAX;
  for (size_t i = 0; i < chosen.size(); ++i) {
    if (files[chosen[i]->module].has_kernel_rows)
      ++with_rows;
    else
      smallest = std::min(smallest, chosen[i]->end - chosen[i]->start);
    if (i > 0) CHECK(chosen[i - 1]->start < chosen[i]->start);
  }
  CHECK(with_rows == 200);
  CHECK(smallest ==
        0x1000 * (400 - 2 * 56 + 1)); // the 56 largest of the others: 399, 397 ... pages
}

TEST_CASE("a process lives as long as one of its threads") {
  ModuleFiles files;
  ProcessTable table{files};
  Process &process = make(table);
  table.on_thread(kPid);
  table.on_thread(kPid);
  table.on_exit(kPid, kPid); // the first thread
  CHECK_FALSE(process.has_exited);
  table.on_exit(kPid, kPid + 1);
  CHECK_FALSE(process.has_exited);
  table.on_exit(kPid, kPid + 2);
  CHECK(process.has_exited);
  CHECK(table.take_exited() == std::vector<int32_t>{kPid});
}

TEST_CASE("an id that is given again: each sample finds its own process") {
  ModuleFiles files;
  ProcessTable table{files};
  constexpr uint64_t kSecond = 1000000000;
  table.on_fork(kPid, 1, 10 * kSecond);
  table.on_comm(kPid, "first", false);
  table.on_exit(kPid);
  table.on_fork(kPid, 1, 20 * kSecond);
  table.on_comm(kPid, "second", false);
  CHECK(table.take_recycled() == std::vector<int32_t>{kPid});
  const auto name_at = [&](uint64_t seconds) {
    const Process *found = table.find(kPid, SAMPLER_STARTED(seconds * kSecond));
    return found == nullptr ? std::string{} : found->comm;
  };
  CHECK(name_at(10) == "first");
  CHECK(name_at(20) == "second");
  CHECK(name_at(15).empty()); // neither
  CHECK(table.find(kPid, 0)->comm == "second");
  std::vector<int32_t> forgotten;
  table.forget_exited(forgotten);
  CHECK(name_at(10) == "first"); // for one window more
  table.forget_exited(forgotten);
  CHECK(name_at(10).empty());
  CHECK(name_at(20) == "second");
}

TEST_CASE("records in the wrong order make a suspect, old ones are no news") {
  ModuleFiles files;
  ProcessTable table{files};
  Process &process = make(table);
  CHECK(table.is_news(kPid, 2000));
  CHECK(table.is_news(kPid, 3000));
  CHECK(table.take_suspects().empty());
  CHECK(table.is_news(kPid, 2500));
  CHECK(table.take_suspects() == std::vector<int32_t>{kPid});
  CHECK(table.is_news(kPid + 1, 1)); // not known
  process.scanned = 10000;           // what came before is in what /proc said
  CHECK_FALSE(table.is_news(kPid, 9000));
  CHECK(table.is_news(kPid, 11000));
}

TEST_CASE("the container of a process that has gone is its parent's") {
  ModuleFiles files;
  ProcessTable table{files};
  Process &parent = make(table);
  table.on_fork(kPid + 1, kPid, 2000);
  table.on_fork(kPid + 2, kPid + 1, 3000);
  parent.container = "c";
  parent.has_container = true;
  Process *child = table.find(kPid + 2);
  CHECK(table.container_of(*child) == "c");
  CHECK(child->has_container);
  table.on_comm(kPid + 2, "x", true); // may have been moved since
  CHECK_FALSE(child->has_container);
}

TEST_CASE("this process, from /proc") {
  ModuleFiles files;
  ProcessTable table{files};
  const int32_t self = getpid();
  const Process *process = table.scan(self);
  REQUIRE(process != nullptr);
  CHECK(process->start_time > 0);
  CHECK(process->start_time == start_time_of(self));
  CHECK_FALSE(process->mappings.empty());
  CHECK(std::is_sorted(process->mappings.begin(), process->mappings.end(),
                       [](const Mapping &a, const Mapping &b) { return a.start < b.start; }));
  const auto here = reinterpret_cast<uint64_t>(&start_time_of);
  const auto own =
      std::find_if(process->mappings.begin(), process->mappings.end(), [&](const Mapping &mapping) {
        return here >= mapping.start && here < mapping.end;
      });
  REQUIRE(own != process->mappings.end());
  REQUIRE(own->module != ModuleFiles::kNone);
  const ModuleBytes bytes{files[own->module]};
  CHECK_FALSE(profcore::build_unwind_table({bytes.data(), bytes.size()}, 1 << 20).code.empty());
  const auto pids = list_processes();
  CHECK(std::find(pids.begin(), pids.end(), self) != pids.end());
  CHECK(command_line_of(self).find("sampler") != std::string::npos);
  CHECK(table.scan(kPid) == nullptr);
}

TEST_CASE("the container in a cgroup's path") {
  const std::string id(60, 'a');
  const std::string one = id + "0123";
  const std::string other = id + "4567";
  for (const std::string &path :
       {"0::/docker/" + one, "0::/system.slice/docker-" + one + ".scope",
        "12:cpu:/kubepods.slice/kubepods-pod12_34.slice/cri-containerd-" + one + ".scope\n0::/\n",
        "0::/kubepods/besteffort/pod1234/" + one + "\n",
        "0::/machine.slice/libpod-" + one + ".scope/container",
        "0::/docker/" + other + "/docker/" + one})
    CHECK_MESSAGE(container_in_cgroups(path) == one, path);
  for (const std::string &path : {std::string{}, std::string{"0::/\n"}, "0::/docker/" + one + "a",
                                  std::string{"0::/user.slice/user-1000.slice"}})
    CHECK_MESSAGE(container_in_cgroups(path).empty(), path);
}
