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
  table.on_comm(kPid, "x", false); // no mapping
  CHECK(table.take_changed().empty());
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
