// Every allocation fails once: decode -> merge -> filter -> flame -> diff -> encode, and naming
// addresses, through the C ABI, for every N the N-th allocation (and in a second sweep every one
// from the N-th on) returns NULL. Each run must end in PROFCORE_ERR_NO_MEMORY or succeed, and must
// give back all it took.
//
// malloc and its relatives are defined here, over glibc's own, so that C libraries are swept too.
#include "../unit/decode/jfr/jfr_samples.hpp"

#include <profcore/profcore.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unistd.h>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
int main() {
  std::fputs("skipped: the address sanitizer owns malloc\n", stderr);
  return 77;
}
#else

extern "C" {
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);
}

namespace {

struct Sweep {
  bool active = false;
  bool failing = false; ///< from fail_at on
  bool once = true;
  long countdown = 0;
  long live = 0;
  long allocations = 0;
} sweep;

bool should_fail() {
  if (!sweep.active) return false;
  ++sweep.allocations;
  if (sweep.failing) return !sweep.once;
  if (sweep.countdown > 0 && --sweep.countdown == 0) {
    sweep.failing = true;
    return true;
  }
  return false;
}

void *counted(void *block) {
  if (sweep.active && block != nullptr) ++sweep.live;
  return block;
}

} // namespace

extern "C" {

void *malloc(size_t size) {
  if (should_fail()) return errno = ENOMEM, nullptr;
  return counted(__libc_malloc(size));
}
void *calloc(size_t count, size_t size) {
  if (should_fail()) return errno = ENOMEM, nullptr;
  return counted(__libc_calloc(count, size));
}
void *realloc(void *block, size_t size) {
  if (should_fail()) return errno = ENOMEM, nullptr;
  void *moved = __libc_realloc(block, size);
  if (block == nullptr) counted(moved);
  return moved;
}
int posix_memalign(void **out, size_t alignment, size_t size) {
  if (should_fail()) return ENOMEM;
  *out = counted(__libc_memalign(alignment, size));
  return *out == nullptr ? ENOMEM : 0;
}
void *aligned_alloc(size_t alignment, size_t size) {
  if (should_fail()) return errno = ENOMEM, nullptr;
  return counted(__libc_memalign(alignment, size));
}
void *memalign(size_t alignment, size_t size) {
  return aligned_alloc(alignment, size);
}
void free(void *block) {
  if (sweep.active && block != nullptr) --sweep.live;
  __libc_free(block);
}

} // extern "C"

namespace {

struct Run {
  profcore_status status = PROFCORE_OK;
  const char *step = "";
};

/// One pass over everything; frees all it made whatever happens.
Run run_all(const std::vector<char> &input) {
  profcore_profile *first = nullptr;
  profcore_profile *merged = nullptr;
  profcore_profile *filtered = nullptr;
  profcore_flame *flame = nullptr;
  profcore_flame *diff = nullptr;
  profcore_top *top = nullptr;
  profcore_error *err = nullptr;
  Run run;
  const auto step = [&](const char *name, auto &&call) {
    if (run.status != PROFCORE_OK) return;
    run.step = name;
    run.status = call();
    const bool consistent = (err == nullptr) == (run.status == PROFCORE_OK) &&
                            profcore_error_get_status(err) == run.status;
    profcore_error_free(err);
    err = nullptr;
    if (!consistent) run.status = PROFCORE_ERR_INTERNAL;
  };
  const auto write_profile = [&](profcore_output_format format) {
    return [&, format] {
      profcore_buffer *buffer = nullptr;
      const profcore_status status =
          profcore_output_profile(filtered, format, nullptr, &buffer, &err);
      profcore_buffer_free(buffer);
      return status;
    };
  };
  const auto write_flame = [&](profcore_output_format format) {
    return [&, format] {
      profcore_output_options options = PROFCORE_INIT(profcore_output_options);
      options.function = "ma";
      profcore_buffer *buffer = nullptr;
      const profcore_status status = profcore_output_flame(diff, format, &options, &buffer, &err);
      profcore_buffer_free(buffer);
      return status;
    };
  };
  step("decode",
       [&] { return profcore_decode_bytes(input.data(), input.size(), nullptr, &first, &err); });
  step("merge", [&] {
    const profcore_profile *both[] = {first, first};
    return profcore_profile_merge(both, 2, nullptr, &merged, &err);
  });
  step("filter", [&] {
    profcore_filter_options options = PROFCORE_INIT(profcore_filter_options);
    // No regex: RE2 itself leaks, and prints, when an allocation fails inside it.
    options.drop_frames = 1;
    return profcore_profile_filter(merged, &options, &filtered, &err);
  });
  step("deepflow view", [&] {
    profcore_profile *view = nullptr;
    const profcore_status status = profcore_profile_deepflow_view(merged, nullptr, &view, &err);
    profcore_profile_free(view);
    return status;
  });
  step("pprof", write_profile(PROFCORE_OUTPUT_PPROF));
  step("collapsed", write_profile(PROFCORE_OUTPUT_COLLAPSED));
  step("profile json", write_profile(PROFCORE_OUTPUT_JSON));
  step("speedscope", write_profile(PROFCORE_OUTPUT_SPEEDSCOPE));
  step("flame", [&] { return profcore_flame_build(filtered, nullptr, &flame, &err); });
  step("diff", [&] { return profcore_flame_diff(flame, flame, nullptr, &diff, &err); });
  step("top", [&] { return profcore_flame_top(diff, PROFCORE_TOP_SELF, 0, &top, &err); });
  step("flame json", write_flame(PROFCORE_OUTPUT_JSON));
  step("flamebearer", write_flame(PROFCORE_OUTPUT_FLAMEBEARER));
  step("svg", write_flame(PROFCORE_OUTPUT_SVG));
  step("html", write_flame(PROFCORE_OUTPUT_HTML));
  step("table", write_flame(PROFCORE_OUTPUT_TOP));
  step("tree", write_flame(PROFCORE_OUTPUT_TREE));
  profcore_top_free(top);
  profcore_flame_free(diff);
  profcore_flame_free(flame);
  profcore_profile_free(filtered);
  profcore_profile_free(merged);
  profcore_profile_free(first);
  return run;
}

/// Names of addresses of this very program, by process and by file.
Run run_names() {
  Run run;
  profcore_error *err = nullptr;
  profcore_symbolizer *symbolizer = nullptr;
  const auto step = [&](const char *name, auto &&call) {
    if (run.status != PROFCORE_OK) return;
    run.step = name;
    run.status = call();
    profcore_error_free(err);
    err = nullptr;
  };
  const auto look_up = [&](const profcore_address_source &source, uint64_t address) {
    profcore_symbols *symbols = nullptr;
    const uint64_t addresses[] = {address, address + 1, 16};
    const profcore_status status =
        profcore_symbolizer_look_up(symbolizer, &source, addresses, nullptr, 3, &symbols, &err);
    profcore_symbols_free(symbols);
    return status;
  };
  step("symbolizer", [&] { return profcore_symbolizer_new(nullptr, &symbolizer, &err); });
  step("process", [&] {
    profcore_address_source source = PROFCORE_INIT(profcore_address_source);
    source.kind = PROFCORE_ADDRESS_PROCESS;
    source.pid = ::getpid();
    return look_up(source, reinterpret_cast<uint64_t>(&run_names));
  });
  step("file", [&] {
    profcore_address_source source = PROFCORE_INIT(profcore_address_source);
    source.kind = PROFCORE_ADDRESS_FILE_OFFSET;
    source.path = "/proc/self/exe";
    return look_up(source, 0x2000);
  });
  profcore_symbolizer_free(symbolizer);
  return run;
}

template <class Work> long sweep_work(const char *name, Work &&run_all) {
  // Once without failures: what is set up once per process (iconv, regex tables) is not a leak.
  if (const Run warm = run_all(); warm.status != PROFCORE_OK) {
    std::printf("%s: %s fails with enough memory: %s\n", name, warm.step,
                profcore_status_get_name(warm.status));
    return 1;
  }
  long bad = 0;
  for (const bool once : {true, false}) {
    for (long n = 1;; ++n) {
      sweep = {};
      sweep.once = once;
      sweep.countdown = n;
      sweep.active = true;
      const Run run = run_all();
      sweep.active = false;
      const bool failed = sweep.failing;
      // A failed allocation may be survived (a table stays unsorted, a cache unfilled), never
      // turned into another error.
      if (run.status != PROFCORE_ERR_NO_MEMORY && run.status != PROFCORE_OK) {
        std::printf("%s: allocation %ld: %s ended with %s\n", name, n, run.step,
                    profcore_status_get_name(run.status));
        ++bad;
      }
      if (sweep.live != 0) {
        std::printf("%s: allocation %ld (%s): %ld blocks leaked\n", name, n, run.step, sweep.live);
        ++bad;
      }
      if (!failed) {
        std::printf("%s: %ld allocations swept, failing %s\n", name, n - 1,
                    once ? "once" : "from there on");
        break;
      }
      if (bad > 20) return bad;
    }
  }
  return bad;
}

long sweep_input(const char *name, const std::vector<char> &input) {
  return sweep_work(name, [&] { return run_all(input); });
}

std::vector<char> bytes_of(const std::string &text) {
  return {text.begin(), text.end()};
}

} // namespace

int main() {
  std::string collapsed;
  for (int i = 0; i < 300; ++i)
    collapsed += "main;a" + std::to_string(i % 7) + ";b" + std::to_string(i % 31) + ";c" +
                 std::to_string(i) + " " + std::to_string(i) + "\n";
  std::vector<char> text = bytes_of(collapsed);
  long bad = sweep_input("collapsed", text);
  bad += sweep_work("names", run_names);

  // The same profile as pprof, made by the library itself.
  profcore_profile *profile = nullptr;
  profcore_buffer *pprof = nullptr;
  if (profcore_decode_bytes(text.data(), text.size(), nullptr, &profile, nullptr) != PROFCORE_OK ||
      profcore_output_profile(profile, PROFCORE_OUTPUT_PPROF, nullptr, &pprof, nullptr) !=
          PROFCORE_OK)
    return 1;
  const char *data = profcore_buffer_get_data(pprof);
  bad += sweep_input("pprof", {data, data + profcore_buffer_get_size(pprof)});
  profcore_buffer_free(pprof);
  profcore_profile_free(profile);

  bad += sweep_input("jfr", bytes_of(jfr_test::sample_chunk(0, 3, 1, "main").finish() +
                                     jfr_test::sample_chunk(1, 3, 1, "other").finish()));
  // Damage takes other ways: warnings, a second look for metadata, a search for the next chunk.
  std::string damaged = jfr_test::sample_chunk(0, 3, 1, "main").finish();
  jfr_test::put(damaged, jfr_test::kMetadataAt, 0);
  bad += sweep_input("damaged jfr", bytes_of(damaged + "junk"));
  return bad == 0 ? 0 : 1;
}

#endif
