// The smallest C++ host: top.c over profcore.hpp, where handles free themselves and failures throw.
// Build: c++ -std=c++20 top.cpp $(pkg-config --cflags --libs profcore)
#include <profcore/profcore.hpp>

#include <cinttypes>
#include <cstdio>

namespace {

void print_top(const profcore::Flame &flame) {
  const profcore_flame_info info = flame.info();
  std::printf("%s in %s, %" PRId64 " in all\n", info.type.data, info.unit.data, info.total);
  const profcore::Top top = flame.top(PROFCORE_TOP_SELF, 10);
  for (const profcore_top_row &row : top.rows()) {
    const double share =
        info.total != 0 ? 100.0 * static_cast<double>(row.self) / static_cast<double>(info.total)
                        : 0.0;
    std::printf("%14" PRId64 " %5.1f %%  %14" PRId64 "  %s\n", row.self, share, row.total,
                flame.frame_name(row.frame).data());
  }
}

} // namespace

int main(int argc, char **argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FILE\n", argv[0]);
    return 2;
  }
  try {
    const auto profile = profcore::Profile::from_file(argv[1]);
    for (const profcore::Warning &warning : profile.warnings())
      std::fprintf(stderr, "warning: %s\n", warning.text.data());
    print_top(profile.flame());
    return 0;
  } catch (const profcore::Exception &error) {
    std::fprintf(stderr, "%s: %s", profcore_status_get_name(error.status()), error.what());
    if (error.offset() != PROFCORE_NO_OFFSET)
      std::fprintf(stderr, " (at byte %" PRIu64 ")", error.offset());
    std::fputc('\n', stderr);
    return 1;
  }
}
