// How long it takes to turn a file's call frame information into rows, against libdw walking over
// the same places (one dwarf_cfi_addrframe for each):
//   unwind_table_bench [FILE...]
// Without files: those that this program is made of. Medians of seven, CPU time; ours maps the file anew each
// time.

#include "base/error.hpp"
#include "sources/sampler/unwind_table.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <fstream>
#include <set>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

using namespace profcore;

namespace {

constexpr int kRounds = 7;

double now_ms() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

double median(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

/// Every stretch that libdw tells apart, from the first row that is no gap on; -1 when it cannot.
double libdw_ms(const std::string &path, const UnwindTable &table, size_t &places) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const double start = now_ms();
  Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, nullptr);
  Dwarf_CFI *cfi = elf == nullptr ? nullptr : dwarf_getcfi_elf(elf);
  if (cfi == nullptr) return -1;
  places = 0;
  for (const unwind_row &row : table.rows) {
    Dwarf_Frame *frame = nullptr;
    if (dwarf_cfi_addrframe(cfi, table.base + row.pc, &frame) != 0) continue;
    Dwarf_Op *ops = nullptr;
    size_t count = 0;
    places += dwarf_frame_cfa(frame, &ops, &count) == 0;
    free(frame);
  }
  const double result = now_ms() - start;
  dwarf_cfi_end(cfi);
  elf_end(elf);
  close(fd);
  return result;
}

void measure(const std::string &path) {
  std::vector<double> ours, libdw;
  UnwindTable table;
  size_t places = 0;
  for (int round = 0; round < kRounds; ++round) {
    const double start = now_ms();
    // Plainly mapped: only the pages with call frame information are wanted, not the whole file.
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat status {};
    if (fd < 0 || fstat(fd, &status) != 0) throw Error{Status::kIo, "cannot be opened"};
    const auto size = static_cast<size_t>(status.st_size);
    void *file = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (file == MAP_FAILED) throw Error{Status::kIo, "cannot be mapped"};
    table = build_unwind_table({static_cast<const uint8_t *>(file), size}, size_t{1} << 22);
    munmap(file, size);
    ours.push_back(now_ms() - start);
    libdw.push_back(libdw_ms(path, table, places));
  }
  std::printf("%s\n  %zu rows, %.1f MB: %.2f ms (%.1f ns a row); libdw %.1f ms for %zu places: "
              "%.0f times ours\n",
              path.c_str(), table.rows.size(),
              static_cast<double>(table.rows.size() * sizeof(unwind_row)) * 1e-6, median(ours),
              median(ours) * 1e6 / static_cast<double>(table.rows.size()), median(libdw), places,
              median(libdw) / median(ours));
}

} // namespace

int main(int argc, char **argv) {
  std::set<std::string> files{argv + 1, argv + argc};
  if (files.empty()) {
    std::ifstream maps{"/proc/self/maps"};
    for (std::string line; std::getline(maps, line);) {
      const size_t path = line.find('/');
      if (path != std::string::npos && line.find("r-xp") < path) files.insert(line.substr(path));
    }
  }
  elf_version(EV_CURRENT);
  for (const std::string &file : files) {
    try {
      measure(file);
    } catch (const Error &error) {
      std::fprintf(stderr, "%s: %s\n", file.c_str(), error.what());
      return 1;
    }
  }
  return 0;
}
