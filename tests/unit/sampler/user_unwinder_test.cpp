#include "base/error.hpp"
#include "sampler.h"
#include "sources/sampler/sampler.hpp"
#include "sources/sampler/user_unwinder.hpp"

#include <algorithm>
#include <cstring>
#include <doctest/doctest.h>
#include <pthread.h>
#include <thread>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

using namespace profcore::sampler;

namespace {

/// This thread as a sample of it would be.
struct Self {
  ucontext_t context;
  std::vector<uint8_t> copy;
  SampleRecord sample;
};

uint64_t stack_end() {
  pthread_attr_t attributes;
  pthread_getattr_np(pthread_self(), &attributes);
  void *start = nullptr;
  size_t size = 0;
  pthread_attr_getstack(&attributes, &start, &size);
  pthread_attr_destroy(&attributes);
  return reinterpret_cast<uint64_t>(start) + size;
}

__attribute__((noinline, no_sanitize("address"))) void copy_stack(Self &self) {
  const uint8_t *from = reinterpret_cast<const uint8_t *>(self.sample.sp);
  for (size_t i = 0; i < self.copy.size(); ++i) self.copy[i] = from[i];
}

__attribute__((noinline)) void take(Self &self) {
  getcontext(&self.context);
  self.sample.abi = PERF_SAMPLE_REGS_ABI_64;
#if defined(__x86_64__)
  self.sample.pc = static_cast<uint64_t>(self.context.uc_mcontext.gregs[REG_RIP]);
  self.sample.sp = static_cast<uint64_t>(self.context.uc_mcontext.gregs[REG_RSP]);
  self.sample.bp = static_cast<uint64_t>(self.context.uc_mcontext.gregs[REG_RBP]);
#elif defined(__aarch64__)
  self.sample.pc = self.context.uc_mcontext.pc;
  self.sample.sp = self.context.uc_mcontext.sp;
  self.sample.bp = self.context.uc_mcontext.regs[29];
  self.sample.lr = self.context.uc_mcontext.regs[30];
#endif
  self.copy.resize(std::min<uint64_t>(stack_end() - self.sample.sp, 65528));
  copy_stack(self);
  self.sample.stack = self.copy;
}

__attribute__((noinline)) int nest(int depth, Self &self) {
  if (depth == 0) {
    take(self);
    return 1;
  }
  const int below = nest(depth - 1, self);
  __asm__ volatile("" ::: "memory");
  return below + 1;
}

/// The newest thread of this process, whose stack is short.
Self in_thread(int depth) {
  Self self{};
  std::thread{[&] { nest(depth, self); }}.join();
  return self;
}

#if defined(__x86_64__)
// Like gcc's: what is said at the ret is that rbp was saved, no more that it is back.
asm(R"(
  .text
  .type pop_and_return, @function
pop_and_return:
  .cfi_startproc
  push %rbp
  .cfi_def_cfa_offset 16
  .cfi_offset 6, -16
  pop %rbp
  .cfi_def_cfa_offset 8
  .globl popped_here
  .hidden popped_here
popped_here:
  ret
  .cfi_endproc
  .size pop_and_return, . - pop_and_return
)");
#endif

} // namespace

#if defined(__x86_64__)
extern "C" const char popped_here[];
#endif

TEST_CASE("a copied stack is walked to its root") {
  ModuleFiles files;
  ProcessTable table{files};
  UserUnwinder unwinder{files, UINT64_C(64) << 20};
  const Process *process = table.scan(getpid());
  REQUIRE(process != nullptr);
  Self shallow = in_thread(3);
  Self deep = in_thread(13);
  std::vector<uint64_t> frames(SAMPLER_MAX_FRAMES);
  const UserUnwinder::Walk first = unwinder.walk(process, shallow.sample, frames);
  CHECK(first.stop == UNWIND_END);
  CHECK(first.frames > 5);
  const UserUnwinder::Walk second = unwinder.walk(process, deep.sample, frames);
  CHECK(second.stop == UNWIND_END);
  CHECK(second.frames == first.frames + 10);
  for (size_t i = 0; i < second.frames; ++i) CHECK((frames[i] & SAMPLER_FRAME_IN_MODULE) != 0);
  CHECK(unwinder.rows() > 0);

  SUBCASE("no more frames than there is room for") {
    const UserUnwinder::Walk walk = unwinder.walk(process, deep.sample, {frames.data(), 4});
    CHECK(walk.frames == 4);
    CHECK(walk.stop == UNWIND_DEPTH);
    CHECK(unwinder.walk(process, deep.sample, {}).frames == 0);
  }
  SUBCASE("a copy that ends early is told from memory that is not there") {
    deep.sample.stack = deep.sample.stack.first(64);
    deep.sample.is_cut = true;
    UserUnwinder::Walk walk = unwinder.walk(process, deep.sample, frames);
    CHECK(walk.stop == UNWIND_CUT);
    CHECK(walk.frames < second.frames);
    deep.sample.is_cut = false;
    walk = unwinder.walk(process, deep.sample, frames);
    CHECK(walk.stop == UNWIND_UNREADABLE);
  }
#if defined(__x86_64__)
  SUBCASE("a frame pointer that has been popped is below the copy") {
    SampleRecord sample = deep.sample;
    std::vector<uint8_t> copy(deep.copy.size() + 8);
    std::memcpy(copy.data(), &sample.pc, 8);
    std::copy(deep.copy.begin(), deep.copy.end(), copy.begin() + 8);
    sample.stack = copy;
    sample.sp -= 8;
    sample.pc = reinterpret_cast<uint64_t>(popped_here);
    const UserUnwinder::Walk walk = unwinder.walk(process, sample, frames);
    CHECK(walk.stop == UNWIND_END);
    CHECK(walk.frames == second.frames + 1);
  }
#endif
  SUBCASE("without a process: its first frame, an address") {
    const UserUnwinder::Walk walk = unwinder.walk(nullptr, deep.sample, frames);
    REQUIRE(walk.frames >= 1);
    CHECK(frames[0] == deep.sample.pc);
  }
  SUBCASE("hostile registers end the walk") {
    for (const uint64_t value : {UINT64_C(0), UINT64_C(1), UINT64_C(1) << 63, UINT64_MAX,
                                 UINT64_MAX - 7, deep.sample.sp - 8, deep.sample.sp + 65528}) {
      CAPTURE(value);
      for (uint64_t SampleRecord::*part :
           {&SampleRecord::pc, &SampleRecord::sp, &SampleRecord::bp, &SampleRecord::lr}) {
        SampleRecord bad = deep.sample;
        bad.*part = value;
        const UserUnwinder::Walk walk = unwinder.walk(process, bad, frames);
        CHECK(walk.stop != UNWIND_OK);
        CHECK(walk.frames <= frames.size());
      }
    }
  }
  SUBCASE("any bytes for a stack") {
    for (const uint8_t byte : {0, 1, 0x7f, 0xff}) {
      std::fill(deep.copy.begin(), deep.copy.end(), byte);
      CHECK(unwinder.walk(process, deep.sample, frames).stop != UNWIND_OK);
    }
    for (size_t i = 0; i + 8 <= deep.copy.size(); i += 8) // every word points at itself
      std::memcpy(&deep.copy[i], &deep.sample.sp, 8);
    CHECK(unwinder.walk(process, deep.sample, frames).stop != UNWIND_OK);
  }
  SUBCASE("samples without registers, and of other kinds of programs") {
    deep.sample.abi = PERF_SAMPLE_REGS_ABI_NONE;
    const UserUnwinder::Walk none = unwinder.walk(process, deep.sample, frames);
    CHECK(none.frames == 0);
    CHECK(none.stop == UNWIND_OK);
    deep.sample.abi = PERF_SAMPLE_REGS_ABI_32;
    const UserUnwinder::Walk other = unwinder.walk(process, deep.sample, frames);
    CHECK(other.frames == 1);
    CHECK(other.stop == UNWIND_OTHER);
  }
}

TEST_CASE("rows stay in their budget") {
  for (const uint64_t budget : {0, 8, 8000, 80000, 400000}) {
    ModuleFiles files;
    ProcessTable table{files};
    const Process *process = table.scan(getpid());
    REQUIRE(process != nullptr);
    UserUnwinder unwinder{files, budget};
    for (const Mapping &mapping : process->mappings) unwinder.prepare(getpid(), mapping);
    CHECK(unwinder.bytes() <= budget);
    CHECK(unwinder.files_without_rows() > 0);
  }
}

TEST_CASE("rows of files that nobody maps any more make room") {
  ModuleFiles files;
  ProcessTable table{files};
  const Process *process = table.scan(getpid());
  REQUIRE(process != nullptr);
  UserUnwinder all{files, UINT64_C(64) << 20};
  for (const Mapping &mapping : process->mappings) all.prepare(getpid(), mapping);
  const uint64_t everything = all.bytes();
  all.age(std::vector<bool>(files.size(), false)); // there is room for all
  CHECK(all.bytes() == everything);

  for (uint32_t i = 0; i < files.size(); ++i) files[i].was_prepared = false;
  UserUnwinder tight{files, everything + everything / 4};
  for (const Mapping &mapping : process->mappings) tight.prepare(getpid(), mapping);
  CHECK(tight.bytes() == everything);
  tight.age(std::vector<bool>(files.size(), true));
  CHECK(tight.bytes() == everything);
  tight.age(std::vector<bool>(files.size(), false));
  CHECK(tight.bytes() == 0);
  CHECK(tight.evicted() > 0);
  for (const Mapping &mapping : process->mappings) tight.prepare(getpid(), mapping);
  CHECK(tight.bytes() == everything);
  // A number that stands for another file now.
  for (uint32_t i = 0; i < files.size(); ++i) files[i].was_prepared = false;
  tight.age(std::vector<bool>(files.size(), true));
  CHECK(tight.bytes() == 0);
}

TEST_CASE("the perf ring refuses what it cannot do") {
  Options options;
  CHECK_THROWS_AS(start_ring_sampler(options), profcore::Error);
  options.pids = {getpid()};
  options.cgroup = "/sys/fs/cgroup";
  CHECK_THROWS_AS(start_ring_sampler(options), profcore::Error);
  options.cgroup.clear();
  options.frequency = 1001;
  CHECK_THROWS_AS(start_ring_sampler(options), profcore::Error);
  options.frequency = 99;
  options.stack_bytes = 65536;
  CHECK_THROWS_AS(start_ring_sampler(options), profcore::Error);
  options.stack_bytes = 0;
  options.pids = {1 << 30};
  CHECK_THROWS_AS(start_ring_sampler(options), profcore::Error);
}
