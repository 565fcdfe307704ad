#include "sources/decode/legacy/builder.hpp"

#include <array>

namespace profcore::legacy {
namespace {

// Alternatives of one regular expression; each is a function name as the symbolizer would show it.
// They are google/pprof's, so that a converted profile is trimmed alike by every tool.
constexpr std::string_view kAllocator =
    // C and POSIX
    "calloc|cfree|malloc|free|memalign|do_memalign|(__)?posix_memalign|pvalloc|valloc|realloc|"
    // tcmalloc
    "tcmalloc::.*|tc_calloc|tc_cfree|tc_malloc|tc_free|tc_memalign|tc_posix_memalign|tc_pvalloc|"
    "tc_valloc|tc_realloc|tc_new|tc_delete|tc_newarray|tc_deletearray|tc_new_nothrow|"
    "tc_newarray_nothrow|"
    // macOS zones
    "malloc_zone_malloc|malloc_zone_calloc|malloc_zone_valloc|malloc_zone_realloc|"
    "malloc_zone_memalign|malloc_zone_free|"
    // Go
    "runtime\\..*|"
    // C++ and others
    "BaseArena::.*|(::)?do_malloc_no_errno|(::)?do_malloc_pages|(::)?do_malloc|"
    "DoSampledAllocation|MallocedMemBlock::MallocedMemBlock|_M_allocate|__builtin_(vec_)?delete|"
    "__builtin_(vec_)?new|__gnu_cxx::new_allocator::allocate|__libc_malloc|"
    "__malloc_alloc_template::allocate|allocate|cpp_alloc|operator new(\\[\\])?|"
    "simple_alloc::allocate";

constexpr std::string_view kAllocatorKept =
    "runtime\\.panic|runtime\\.reflectcall|runtime\\.call[0-9]*";

constexpr std::string_view kLocks =
    "RecordLockProfileData|(base::)?RecordLockProfileData.*|(base::)?SubmitMutexProfileData.*|"
    "(base::)?SubmitSpinLockProfileData.*|(base::Mutex::)?AwaitCommon.*|(base::Mutex::)?Unlock.*|"
    "(base::Mutex::)?UnlockSlow.*|(base::Mutex::)?ReaderUnlock.*|(base::MutexLock::)?~MutexLock.*|"
    "(Mutex::)?AwaitCommon.*|(Mutex::)?Unlock.*|(Mutex::)?UnlockSlow.*|(Mutex::)?ReaderUnlock.*|"
    "(MutexLock::)?~MutexLock.*|(SpinLock::)?Unlock.*|(SpinLock::)?SlowUnlock.*|"
    "(SpinLockHolder::)?~SpinLockHolder.*";

constexpr std::string_view kCpuProfiler =
    "ProfileData::Add|ProfileData::prof_handler|CpuProfiler::prof_handler|__pthread_sighandler|"
    "__restore";

} // namespace

FrameFilters frame_filters(const Profile &profile) {
  const auto &types = profile.sample_types();
  if (types.empty()) return {kCpuProfiler, {}};
  const std::string_view first = profile.text(types.front().type);
  if (first == "objects" || first == "inuse_objects" || first == "alloc_objects")
    return {kAllocator, kAllocatorKept};
  if (first == "contentions") return {kLocks, {}};
  return {kCpuProfiler, {}};
}

} // namespace profcore::legacy
