#include "model/frame_name.hpp"

#include <doctest/doctest.h>

using namespace profcore;

namespace {

std::string name_at(Profile &profile, ModuleId module, uint64_t address) {
  Location location;
  location.module = module;
  location.address = address;
  std::string name;
  append_location_name(profile, location, name);
  return name;
}

} // namespace

TEST_CASE("an unnamed location shows where it lies in its file") {
  Profile profile;
  Module module;
  module.path = profile.intern("/usr/lib/libx.so.1");
  module.start = 0x7f0000001000;
  module.end = 0x7f0000003000;
  module.offset = 0x1000;
  const ModuleId lib = profile.add_module(module);
  CHECK(name_at(profile, lib, 0x7f0000001234) == "libx.so.1+0x1234");
  CHECK(name_at(profile, lib, 0x7f0000003000) == "0x7f0000003000");
  CHECK(name_at(profile, 0, 0x42) == "0x42");
  CHECK(name_at(profile, 0, UINT64_MAX) == "0xffffffffffffffff");
  Module unranged;
  unranged.path = profile.intern("/odd/");
  CHECK(name_at(profile, profile.add_module(unranged), 1) == "/odd/+0x1");
  Module endless;
  endless.path = profile.intern("/" + std::string(100'000, 'x'));
  const std::string shown = name_at(profile, profile.add_module(endless), 1);
  CHECK(shown == std::string(252, 'x') + "...+0x1");
  Location cut;
  cut.reason = UnnamedReason::kTruncated;
  std::string name;
  append_location_name(profile, cut, name);
  CHECK(name == "(truncated)");
}

TEST_CASE("inner lines are inlined frames") {
  Location location;
  location.line_count = 3;
  location.kind = FrameKind::kLibrary;
  CHECK(line_kind(location, 0) == FrameKind::kInlined);
  CHECK(line_kind(location, 2) == FrameKind::kLibrary);
  location.kind = FrameKind::kKernel;
  CHECK(line_kind(location, 0) == FrameKind::kKernel);
  location.kind = FrameKind::kJavaCompiled;
  CHECK(line_kind(location, 1) == FrameKind::kJavaInlined);
  CHECK(line_kind(location, 2) == FrameKind::kJavaCompiled);
  CHECK(frame_kind_name(FrameKind::kJavaInlined) == "java_inlined");
}

TEST_CASE("a module's path tells the kind of its code") {
  const std::pair<const char *, FrameKind> kinds[] = {
      {"", FrameKind::kUser},
      {"/usr/bin/x", FrameKind::kUser},
      {"/opt/my.software/x", FrameKind::kUser},
      {"/lib/ld-musl-x86_64.so.1", FrameKind::kLibrary},
      {"libx.so", FrameKind::kLibrary},
      {"/opt/libx.so (deleted)", FrameKind::kLibrary},
      {"[vdso]", FrameKind::kLibrary},
      {"[heap]", FrameKind::kUser},
      {"/tmp/perf-1.map", FrameKind::kManaged},
      {"/tmp/perf.map", FrameKind::kUser},
      {"[kernel.kallsyms]_text", FrameKind::kKernel},
      {"[guest.kernel.kallsyms]", FrameKind::kKernel},
      {"/usr/lib/debug/vmlinux-6.1", FrameKind::kKernel},
      {"/lib/modules/6.1/nf_nat.ko", FrameKind::kKernel},
  };
  for (const auto &[path, kind] : kinds) {
    CAPTURE(path);
    CHECK(kind_of_module(path) == kind);
  }
}
