#include "../symbolize/temporary_folder.hpp"
#include "jvm_counters.hpp"
#include "sources/sampler/jvm_process.hpp"

#include <doctest/doctest.h>
#include <random>
#include <sys/stat.h>
#include <unistd.h>

using namespace profcore::sampler;
using profcore::test::jvm_counters;
using profcore::test::TemporaryFolder;

namespace {

std::span<const uint8_t> bytes_of(const std::string &text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

/// A /proc with one process, 77, that is 7 in its own pid namespace.
struct FakeProc {
  TemporaryFolder folder;
  std::string status;
  std::string maps = "7f00-7f10 r-xp 00000000 fe:00 12 /usr/lib/jvm/x/lib/server/libjvm.so\n"
                     "7f20-7f30 rw-s 00000000 fe:00 13    /tmp/hsperfdata_me/7\n";
  std::string command_line{"java\0-jar\0x.jar\0", 16};
  std::string counters = jvm_counters({{"sun.rt.jvmCapabilities", "11000000"},
                                       {"java.property.java.vm.specification.version", "17"},
                                       {"java.rt.vmArgs", "-Xmx1g -XX:+PreserveFramePointer"}},
                                      1795282881746);

  FakeProc() {
    const std::string user = std::to_string(geteuid());
    const std::string group = std::to_string(getegid());
    status = "Name:\tjava\nState:\tS (sleeping)\nNStgid:\t77\t7\nUid:\t0\t" + user +
             "\t0\t0\nGid:\t0\t" + group + "\t0\t0\nSigCgt:\t0000000101005ccd\n";
  }
  JvmProcess inspect() {
    folder.write("77/stat",
                 "77 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20 21\n");
    folder.write("77/status", status);
    folder.write("77/maps", maps);
    folder.write("77/cmdline", command_line);
    folder.write("77/root/tmp/hsperfdata_me/7", counters);
    return inspect_jvm(folder.path(), 77);
  }
};

} // namespace

TEST_CASE("a JVM tells of itself") {
  const std::string text = jvm_counters({{"sun.rt.jvmCapabilities", "01"},
                                         {"other", ""},
                                         {"java.property.java.vm.specification.version", "1.8"},
                                         {"java.rt.vmArgs", "-Xint"}},
                                        5);
  const JvmSelfDescription self = parse_jvm_counters(bytes_of(text));
  CHECK(self.is_attachable == false);
  CHECK(self.is_started == true);
  CHECK(self.version == 8);
  CHECK(self.arguments == "-Xint");
  CHECK(parse_jvm_counters(bytes_of(jvm_counters({}, 0))).is_started == false);
  CHECK(!parse_jvm_counters(bytes_of("")).is_started.has_value());
  CHECK(!parse_jvm_counters(bytes_of(std::string(64, 'x'))).is_attachable.has_value());
}

TEST_CASE("damaged counters are read without harm") {
  const std::string whole = jvm_counters(
      {{"sun.rt.jvmCapabilities", "11"}, {"java.property.java.vm.specification.version", "21"}}, 9);
  for (size_t size = 0; size < whole.size(); ++size)
    parse_jvm_counters(bytes_of(whole.substr(0, size)));
  std::mt19937 random{7};
  for (int round = 0; round < 20000; ++round) {
    std::string damaged = whole;
    for (int i = 0; i < 4; ++i)
      damaged[4 + random() % (damaged.size() - 4)] =
          static_cast<char>(random() % 3 == 0 ? 0xff : random());
    const JvmSelfDescription self = parse_jvm_counters(bytes_of(damaged));
    CHECK(self.version >= 0);
    CHECK(self.arguments.size() <= damaged.size());
  }
}

TEST_CASE("a JVM is looked at before it is asked") {
  FakeProc proc;
  SUBCASE("one that can be asked") {
    const JvmProcess jvm = proc.inspect();
    CHECK(jvm.problem == JavaProblem::kNone);
    CHECK(jvm.namespace_pid == 7);
    CHECK(jvm.start_ticks == 4242);
    CHECK(jvm.user == geteuid());
    CHECK(jvm.catches_quit);
    CHECK(!jvm.is_stopped);
    CHECK(jvm.is_started);
    CHECK(!jvm.omits_frame_pointers);
    CHECK(is_running(proc.folder.path(), 77, 4242));
    CHECK(is_running(proc.folder.path(), 77, 0));
    CHECK(!is_running(proc.folder.path(), 77, 4243));
    CHECK(!is_running(proc.folder.path(), 78, 0));
  }
  SUBCASE("attaching is off, told by the JVM") {
    proc.counters = jvm_counters({{"sun.rt.jvmCapabilities", "01"}}, 1);
    CHECK(proc.inspect().problem == JavaProblem::kDisabled);
  }
  SUBCASE("attaching is off, by its command line") {
    proc.counters.clear();
    proc.command_line = std::string{"java\0-XX:+DisableAttachMechanism\0X\0", 35};
    CHECK(proc.inspect().problem == JavaProblem::kDisabled);
    proc.command_line += "-XX:-DisableAttachMechanism";
    CHECK(proc.inspect().problem == JavaProblem::kNone);
  }
  SUBCASE("too old") {
    proc.counters = jvm_counters(
        {{"sun.rt.jvmCapabilities", "11"}, {"java.property.java.vm.specification.version", "11"}},
        1);
    CHECK(proc.inspect().problem == JavaProblem::kTooOld);
  }
  SUBCASE("starting") {
    proc.counters = jvm_counters({{"sun.rt.jvmCapabilities", "11"}}, 0);
    CHECK(proc.inspect().problem == JavaProblem::kStarting);
  }
  SUBCASE("OpenJ9") {
    proc.maps += "7f40-7f50 r-xp 00000000 fe:00 14 /opt/openj9/lib/default/libj9vm29.so\n";
    CHECK(proc.inspect().problem == JavaProblem::kOpenJ9);
  }
  SUBCASE("no JVM") {
    proc.maps = "7f00-7f10 r-xp 00000000 fe:00 12 /usr/bin/notlibjvm.so\n";
    CHECK(proc.inspect().problem == JavaProblem::kNotJvm);
  }
  SUBCASE("signals and state") {
    proc.status.replace(proc.status.find("101005ccd"), 9, "101005cc8");
    proc.status.replace(proc.status.find("S (sl"), 1, "T");
    const JvmProcess jvm = proc.inspect();
    CHECK(!jvm.catches_quit);
    CHECK(jvm.is_stopped);
  }
  SUBCASE("ended, or none of ours") {
    proc.status.replace(proc.status.find("S (sl"), 1, "Z");
    CHECK(proc.inspect().problem == JavaProblem::kGone);
    CHECK(inspect_jvm(proc.folder.path(), 78).problem == JavaProblem::kGone);
    proc.status = "garbage";
    CHECK(proc.inspect().problem == JavaProblem::kGone);
  }
  SUBCASE("default flags keep no frame pointers; the interpreter always does") {
    proc.counters = jvm_counters({{"sun.rt.jvmCapabilities", "11"}}, 1);
    CHECK(proc.inspect().omits_frame_pointers);
    proc.command_line = std::string{"java\0-Xint\0X\0", 13};
    CHECK(!proc.inspect().omits_frame_pointers);
    proc.command_line = std::string{"java\0X\0-Xinternal\0", 18};
    CHECK(proc.inspect().omits_frame_pointers);
    proc.command_line =
        std::string{"java\0-XX:+PreserveFramePointer\0-XX:-PreserveFramePointer\0X\0", 60};
    CHECK(proc.inspect().omits_frame_pointers);
  }
  SUBCASE("counters that are a link, or lead out of its root, are not followed") {
    proc.counters = jvm_counters({{"sun.rt.jvmCapabilities", "01"}}, 1);
    proc.inspect();
    REQUIRE(rename(proc.folder.file("77/root/tmp/hsperfdata_me/7").c_str(),
                   proc.folder.file("outside").c_str()) == 0);
    REQUIRE(symlink(proc.folder.file("outside").c_str(),
                    proc.folder.file("77/root/tmp/hsperfdata_me/7").c_str()) == 0);
    CHECK(inspect_jvm(proc.folder.path(), 77).problem != JavaProblem::kDisabled);
  }
}
