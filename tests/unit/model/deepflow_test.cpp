#include "build_profile.hpp"
#include "model/deepflow_name.hpp"
#include "model/frame_name.hpp"
#include "model/operations.hpp"

#include <doctest/doctest.h>

using namespace profcore;
using namespace profcore::test;

namespace {

struct Frame {
  const char *name;   ///< "" = not named
  const char *raw;    ///< as the object file has it
  const char *module; ///< path
  FrameKind kind;
  const char *expected;
  uint64_t address = 0x1234;
  UnnamedReason reason = UnnamedReason::kNotCovered;
};

LocationId add(Profile &profile, const Frame &frame) {
  Location location;
  location.address = frame.address;
  location.kind = frame.kind;
  if (*frame.module != '\0') {
    Module module;
    module.path = profile.intern(frame.module);
    module.end = UINT64_MAX;
    location.module = profile.add_module(module);
  }
  if (*frame.name == '\0') {
    location.reason = frame.reason;
    return profile.add_location(location, {});
  }
  Function function;
  function.name = profile.intern(frame.name);
  function.system_name = profile.intern(frame.raw);
  const Line line{profile.add_function(function), 0, 7, 0};
  return profile.add_location(location, {&line, 1});
}

Profile of_stack(std::vector<Frame> frames) {
  Profile profile;
  profile.add_sample_type("samples", "count");
  StackId stack = 0;
  for (const Frame &frame : frames) stack = profile.stacks.child(stack, add(profile, frame));
  profile.add_sample(stack, 0, std::vector<int64_t>{1});
  return profile;
}

constexpr auto kUser = FrameKind::kUser;
constexpr auto kKernel = FrameKind::kKernel;
constexpr auto kLibrary = FrameKind::kLibrary;
constexpr auto kManaged = FrameKind::kManaged;

} // namespace

TEST_CASE("every form of a frame") {
  const Frame frames[] = {
      {"main", "main", "/usr/bin/x", kUser, "main"},
      {"ns::f(int)", "_ZN2ns1fEi", "/usr/bin/x", kUser, "ns::f(int)"},
      {"main", "", "", kUser, "main"},
      {"vfs_read", "vfs_read", "[kernel.kallsyms]", kKernel, "[k] vfs_read"},
      {"core::fmt::write", "_RNvNt4core3fmt5write", "[kernel.kallsyms]", kKernel,
       "[k] _RNvNt4core3fmt5write"},
      {"malloc", "malloc", "/lib/x86_64-linux-gnu/libc.so.6", kLibrary, "[l] malloc"},
      {"std::terminate()", "_ZSt9terminatev", "/usr/lib/libstdc++.so.6", kLibrary,
       "[l] std::terminate()"},
      {"gone", "", "/opt/libx.so (deleted)", kLibrary, "[l] gone"},
      {"f", "", "/opt/my.software/bin/x", kUser, "[l] f"}, // as strstr finds it there
      {"f", "", "", kLibrary, "[l] f"},
      {"__vdso_clock_gettime", "", "[vdso]", kLibrary, "__vdso_clock_gettime"},
      {"cuLaunchKernel", "", "/usr/lib/libcuda.so.1", kLibrary, "[c] cuLaunchKernel"},
      {"cublasSgemm_v2", "", "/usr/lib/libcublasLt.so.12", kLibrary, "[c] cublasSgemm_v2"},
      {"gemm", "", "", FrameKind::kGpu, "[c] gemm"},
      {"a;b", "", "/usr/bin/x", kUser, "a:b"},
      {"<[u8; 4] as X>::f", "", "/usr/bin/x", kUser, "<[u8: 4] as X>::f"},
      {"Lru<[u8; 4]>::get", "", "/usr/bin/x", kUser, "Lru<[u8: 4]>::get"},
      {"handler.py:loop", "", "", FrameKind::kPython, "handler.py:loop"},
      {"nginx", "", "", FrameKind::kProcess, "[p] nginx"},
      {"worker;1", "", "", FrameKind::kThread, "[t] worker:1"},
      // the JVM's words
      {"Lcom/x/Y;::m", "", "/tmp/perf-7.map", kManaged, "com/x/Y::m"},
      {"Lcom/x/Y;::m", "", "", FrameKind::kJavaCompiled, "com/x/Y::m"},
      {"Lcom/x/Y;::m", "", "/usr/bin/x", kUser, "Lcom/x/Y:::m"},
      {"[Lcom/x/Y;::m", "", "/tmp/perf-7.map", kManaged, "com/x/Y::m[]"},
      {"[Ljava/lang/String;", "", "", FrameKind::kJavaCompiled, "java/lang/String[]"},
      {"[I", "", "", FrameKind::kJavaCompiled, "int[]"},
      {"[[D", "", "", FrameKind::kJavaCompiled, "double[][]"},
      {"I", "", "", FrameKind::kJavaCompiled, "I"},
      {"L;", "", "", FrameKind::kJavaCompiled, "L:"},
      {"[", "", "", FrameKind::kJavaCompiled, "["},
      {"Lx", "", "", FrameKind::kJavaCompiled, "Lx"},
      {"Lambda;method", "", "", FrameKind::kJavaCompiled, "Lambda:method"},
      {"int java.lang.String.hashCode()", "", "/tmp/perf-7.map", kManaged,
       "int java.lang.String.hashCode()"},
      // not named
      {"", "", "/usr/local/bin/kube-apiserver", kUser, "[/usr/local/bin/kube-apiserver]"},
      {"", "", "/lib/ld-musl-x86_64.so.1", kLibrary, "[/lib/ld-musl-x86_64.so.1]"},
      {"", "", "/tmp/perf-29887.map", kManaged, "[/tmp/perf-29887.map]"},
      {"", "", "/tmp/perf-29887.map", kManaged, "[unknown] 0x0000000000001234", 0x1234,
       UnnamedReason::kNoPerfMap},
      {"", "", "/opt/a;b", kUser, "[/opt/a:b]"},
      {"", "", "[vdso]", kLibrary, "[vdso]"},
      {"", "", "", kUser, "[unknown] 0x0000000003932388", 0x3932388, UnnamedReason::kNoModule},
      {"", "", "[heap]", kUser, "[unknown] 0x0000000000001234"},
      {"", "", "//anon", kUser, "[unknown] 0x0000000000001234"},
      {"", "", "[kernel.kallsyms]", kKernel, "[unknown] 0xffffffff81000000", 0xffffffff81000000},
      // a name that says no more than the place
      {"x+0x1a0", "", "/usr/bin/x", kUser, "[/usr/bin/x]"},
      {"x+fn_0x1a0", "", "/usr/bin/x", kUser, "[/usr/bin/x]"},
      {"x+fn_0x", "", "/usr/bin/x", kUser, "x+fn_0x"},
      {"libx.so.1+0x40", "", "/lib/libx.so.1", kLibrary, "[/lib/libx.so.1]"},
      {"x+0xg", "", "/usr/bin/x", kUser, "x+0xg"},
      {"y+0x1a0", "", "/usr/bin/x", kUser, "y+0x1a0"},
      // what the sampler says of a stack that did not arrive
      {"[stack trace lost]", "", "", FrameKind::kUnknown, "[stack trace lost]"},
  };
  for (const Frame &frame : frames) {
    const Profile profile = of_stack({{"root", "", "/usr/bin/x", kUser, ""}, frame});
    const Profile view = deepflow_view(profile);
    CAPTURE(frame.name);
    CAPTURE(frame.module);
    REQUIRE(view.stacks.depth(view.sample_stacks()[0]) == 2);
    const LocationId at = view.stacks[view.sample_stacks()[0]].location;
    REQUIRE(view.lines_of(at).size() == 1);
    CHECK(function_name(view, view.lines_of(at)[0].function) == frame.expected);
    // What is known beside the name stays.
    CHECK(view.locations()[at].address == frame.address);
    CHECK(view.text(view.modules()[view.locations()[at].module].path) == frame.module);
    CHECK(view.locations()[at].kind == frame.kind);
    const Profile twice = deepflow_view(view);
    CHECK(rows(twice) == rows(view));
  }
}

TEST_CASE("only a user frame at the root that nothing is known of is a start_thread") {
  const Frame unknown{"", "", "", kUser, "", 0x42, UnnamedReason::kNoModule};
  const Frame main{"main", "", "/usr/bin/x", kUser, ""};
  CHECK(rows(deepflow_view(of_stack({unknown, unknown, main}))) ==
        std::vector<std::string>{"[unknown start_thread?] [unknown] 0x0000000000000042 main:1"});
  CHECK(rows(deepflow_view(of_stack({{"", "", "/usr/bin/x", kUser, ""}}))) ==
        std::vector<std::string>{"[/usr/bin/x]:1"});
  CHECK(rows(deepflow_view(of_stack({{"", "", "[kernel.kallsyms]", kKernel, "", 0x42}}))) ==
        std::vector<std::string>{"[unknown] 0x0000000000000042:1"});
}

TEST_CASE("inlined lines have their location's form") {
  Builder builder;
  const LocationId at = builder.frame("outer+inner%/lib/libx.so");
  builder.profile.add_sample_type("samples", "count");
  builder.profile.add_sample(builder.profile.stacks.child(0, at), 0, std::vector<int64_t>{3});
  CHECK(rows(deepflow_view(builder.profile)) == std::vector<std::string>{"[l] outer+[l] inner:3"});
}

TEST_CASE("stacks begin with their process or thread") {
  Builder builder;
  builder.profile.add_sample_type("samples", "count");
  const auto task = [&](const char *process, int64_t pid, const char *thread, int64_t tid) {
    return std::vector<Label>{
        builder.text_label("process", process), builder.number_label("pid", pid, ""),
        builder.text_label("thread", thread), builder.number_label("tid", tid, "")};
  };
  builder.sample("main f", 1, task("nginx", 7, "nginx", 7));
  builder.sample("main f", 2, task("nginx", 7, "worker", 8));
  builder.sample("main g", 4, task("nginx", 7, "worker", 9));
  builder.sample("main f", 8, task("nginx", 7, "renamed", 7));
  builder.sample("main", 16, {builder.text_label("process", "java")});
  builder.sample("main", 32, {builder.text_label("thread", "pool-1")});
  builder.sample("main", 64);
  builder.sample("idle", 128, task("swapper/3", 0, "swapper/3", 0));
  builder.sample("main", 256, {builder.number_label("pid", 5, "")});
  const Profile view = deepflow_view(builder.profile);
  CHECK(rows(view) == std::vector<std::string>{"[p] nginx main f:1", "[t] worker main f:2",
                                               "[t] worker main g:4", "[p] renamed main f:8",
                                               "[p] java main:16", "[t] pool-1 main:32", "main:64",
                                               "[p] swapper idle:128", "[p] pid 5 main:256"});
  CHECK(view.labels_of(view.sample_label_sets()[1]).size() == 4);
  // A stack is there once for every task, not for every row.
  CHECK(view.stacks.nodes().size() == 1 + 3 + 4 + 3 + 2 + 2 + 1 + 2 + 2);
}

TEST_CASE("times are in microseconds, a sample's weight cut") {
  Profile profile;
  profile.add_sample_type("samples", "count");
  profile.add_sample_type("cpu", "nanoseconds");
  profile.add_sample_type("off-cpu", "nanoseconds");
  profile.add_sample_type("alloc_space", "bytes");
  for (SampleType &type : profile.mutable_sample_types()) type.period = 10'101'010; // 99 Hz
  profile.add_sample(0, 0, std::vector<int64_t>{1, 10'101'010, 1'999, 5});
  profile.add_sample(0, 0, std::vector<int64_t>{1000, 10'101'010'000, -1'999, 5});
  profile.add_sample(0, 0, std::vector<int64_t>{3, 4'567, 0, 5}); // no multiple of the period
  profile.meta.default_type = profile.intern("cpu");
  const Profile view = deepflow_view(profile);
  CHECK(view.values(0)[1] == 1000);
  CHECK(view.values(1)[0] == 10'101);
  CHECK(view.values(1)[1] == 10'101'000);
  CHECK(view.values(1)[2] == 4);
  CHECK(view.values(2)[0] == 1);
  CHECK(view.values(2)[1] == -1);
  CHECK(view.values(3)[2] == 5);
  CHECK(view.default_type() == 1);
  CHECK(view.find_type("on-cpu/microseconds") == 1);
  CHECK(view.find_type("off-cpu/microseconds") == 2);
  CHECK(view.find_type("alloc_space/bytes") == 3);
  CHECK(view.sample_types()[1].period == 10'101);
}

TEST_CASE("the host's view has processes and threads alone") {
  Builder builder;
  builder.profile.add_sample_type("samples", "count");
  const auto task = [&](const char *process, int64_t pid, const char *thread, int64_t tid) {
    return std::vector<Label>{
        builder.text_label("process", process), builder.number_label("pid", pid, ""),
        builder.text_label("thread", thread), builder.number_label("tid", tid, "")};
  };
  builder.sample("main f", 1, task("nginx", 7, "nginx", 7));
  builder.sample("main f", 2, task("nginx", 7, "worker", 8));
  builder.sample("main g", 4, task("nginx", 7, "worker", 8));
  builder.sample("main f", 8, task("cron", 9, "cron", 9));
  builder.sample("main f", 16);
  const Profile view = host_view(builder.profile);
  CHECK(rows(view) ==
        std::vector<std::string>{"nginx:1", "nginx worker:6", "cron:8", "(unknown process):16"});
  const StackId worker = view.sample_stacks()[1];
  CHECK(view.locations()[view.stacks[worker].location].kind == FrameKind::kThread);
  CHECK(view.locations()[view.stacks[view.stacks[worker].parent].location].kind ==
        FrameKind::kProcess);
  CHECK(rows(deepflow_view(view)) ==
        std::vector<std::string>{"[p] nginx:1", "[p] nginx [t] worker:6", "[p] cron:8",
                                 "[p] (unknown process):16"});
  CHECK(rows(deepflow_view(deepflow_view(view))) == rows(deepflow_view(view)));
}

TEST_CASE("the host's view of one program's threads, with times") {
  Builder builder;
  builder.profile.meta.command = builder.profile.intern("/usr/bin/java -jar x.jar");
  builder.profile.add_sample_type("samples", "count");
  builder.timed("main", 1, 5);
  const std::vector<Label> labels{builder.text_label("thread name", "GC")};
  builder.profile.add_sample(1, builder.profile.add_label_set(labels), std::vector<int64_t>{2}, 6);
  const Profile view = host_view(builder.profile);
  CHECK(rows(view) == std::vector<std::string>{"java:1", "java GC:2"});
  CHECK(view.timestamps()[1] == 6);
}

TEST_CASE("the host's view needs a word of processes or threads, and saturates") {
  Builder builder;
  builder.sample("main", 1);
  CHECK_THROWS_AS(host_view(builder.profile), Error);
  CHECK(host_view(Profile{}).sample_count() == 0);
  const std::vector<Label> labels{builder.text_label("process", "x")};
  builder.sample("main", INT64_MAX, labels);
  builder.sample("main f", INT64_MAX, labels);
  const Profile view = host_view(builder.profile);
  CHECK(view.values(0)[1] == INT64_MAX);
  CHECK(has_warning(view,
                    "Values past 64 bits were kept at the largest value when adding up threads"));
}

TEST_CASE("views stop at the limit of the result") {
  Builder builder;
  for (int i = 0; i < 400; ++i) {
    StackId stack = 0;
    for (int depth = 0; depth < 400; ++depth)
      stack = builder.profile.stacks.child(stack, builder.frame("f"));
    if (builder.profile.sample_types().empty()) builder.profile.add_sample_type("samples", "count");
    const std::vector<Label> labels{builder.text_label("thread", std::to_string(i))};
    builder.profile.add_sample(stack, builder.profile.add_label_set(labels),
                               std::vector<int64_t>{1});
  }
  Context context;
  context.limits.max_result_bytes = 500'000;
  CHECK_THROWS_AS(deepflow_view(builder.profile, context), Error);
  CHECK(deepflow_view(builder.profile).stacks.size() == 1 + 400 * 401);
}
