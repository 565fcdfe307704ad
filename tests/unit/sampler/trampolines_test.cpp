#include "sources/sampler/pid_namespace.hpp"
#include "sources/sampler/trampolines.hpp"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace profcore::sampler;

namespace {

const std::vector<uint8_t> kPlain = {0x48, 0x83, 0xec, 8, 0xff, 0xd1, 0x48, 0x83, 0xc4, 8, 0xc3};
const std::vector<uint8_t> kEndbr = {0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x83, 0xec, 8,
                                     0xff, 0xd1, 0x48, 0x83, 0xc4, 8,    0xc3};

/// An arena as CPython fills it.
std::vector<uint8_t> arena(std::vector<uint8_t> copy, size_t stride) {
  copy.resize(stride);
  std::vector<uint8_t> code;
  while (code.size() + stride <= 65536) code.insert(code.end(), copy.begin(), copy.end());
  code.resize(65536);
  return code;
}

/// The words from sp to the caller's sp at a pc of the arena.
int words_at(const FileRows &table, uint32_t pc) {
  int words = 0;
  for (const unwind_row &row : table.rows.span())
    if (row.pc <= pc) words = row.cfa;
  return words;
}

} // namespace

TEST_CASE("an arena of trampolines is known by its beginning") {
  CHECK(read_trampolines(arena(kPlain, 11)) == Trampolines{11, 0}); // CPython 3.12
  CHECK(read_trampolines(arena(kPlain, 16)) == Trampolines{16, 0}); // 3.13
  CHECK(read_trampolines(arena(kEndbr, 16)) == Trampolines{16, 4});
  CHECK(read_trampolines(arena(kEndbr, 15)) == Trampolines{15, 4});
  CHECK(read_trampolines(arena(kPlain, 272)) == Trampolines{272, 0});
}

TEST_CASE("what is no arena of trampolines is none") {
  CHECK(read_trampolines({}) == Trampolines{});
  CHECK(read_trampolines(kPlain) == Trampolines{}); // a single one may be anything
  CHECK(read_trampolines(std::vector<uint8_t>(1024)) == Trampolines{});
  std::vector<uint8_t> later = arena(kPlain, 16);
  later.insert(later.begin(), 0x90);
  CHECK(read_trampolines(later) == Trampolines{});
  CHECK(read_trampolines(arena(kPlain, 12)) == Trampolines{}); // forms are few: they take memory
  CHECK(read_trampolines(arena(kPlain, 512)) == Trampolines{});
  CHECK(make_trampoline_rows({}).rows.empty());
  for (size_t cut = 0; cut < 22; ++cut) {
    std::vector<uint8_t> code = arena(kPlain, 11);
    code.resize(cut);
    CHECK(read_trampolines(code) == Trampolines{});
  }
}

TEST_CASE("every instruction of an arena has its frame") {
  for (const Trampolines form : {Trampolines{11, 0}, Trampolines{16, 0}, Trampolines{16, 4},
                                 Trampolines{15, 4}, Trampolines{272, 0}}) {
    const FileRows rows = make_trampoline_rows(form);
    for (const uint32_t copy : {0U, 1U, 57U, 65536U / form.stride - 1}) {
      const uint32_t start = copy * form.stride;
      CAPTURE(form.stride);
      CAPTURE(copy);
      CHECK(words_at(rows, start) == 1);
      CHECK(words_at(rows, start + form.first + 3U) == 1);  // in the sub
      CHECK(words_at(rows, start + form.first + 4U) == 2);  // the call
      CHECK(words_at(rows, start + form.first + 5U) == 2);  // it, seen from its return address
      CHECK(words_at(rows, start + form.first + 6U) == 2);  // the add
      CHECK(words_at(rows, start + form.first + 10U) == 1); // the ret
    }
    for (size_t i = 1; i < rows.rows.size(); ++i) CHECK(rows.rows[i - 1].pc < rows.rows[i].pc);
    CHECK(rows.rows.span().back().pc < rows.end);
    CHECK(words_at(rows, 65536 + 6) == 2);
  }
}

TEST_CASE("arenas are looked for in processes with Python, once") {
  const std::vector<uint8_t> code = arena(kPlain, 16);
  const size_t size = code.size();
  void *memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  std::copy(code.begin(), code.end(), static_cast<uint8_t *>(memory));
  const auto start = reinterpret_cast<uint64_t>(memory);

  ModuleFiles files;
  Process process;
  process.pid = getpid();
  process.mappings.push_back({start, start + size, 0, ModuleFiles::kNone});
  find_trampolines(process, files);
  CHECK(process.mappings[0].was_looked_at);
  CHECK(process.mappings[0].trampolines == ModuleFiles::kNone);

  process.mappings[0].was_looked_at = false;
  const uint32_t python = files.add({1, 2, 3}, "/usr/lib/libpython3.12.so.1.0", 0, 0, 0);
  process.mappings.push_back({start + size, start + 2 * size, 0, python});
  find_trampolines(process, files);
  REQUIRE(process.mappings[0].trampolines < files.size());
  CHECK(files[process.mappings[0].trampolines].trampolines == Trampolines{16, 0});
  CHECK(process.mappings[1].trampolines == ModuleFiles::kNone);
  CHECK(process.mappings[1].known_as() == python);
  munmap(memory, size);
  find_trampolines(process, files); // not read again, or it would be gone
  CHECK(process.mappings[0].trampolines < files.size());
  CHECK(files.add_trampolines({16, 0}) == process.mappings[0].trampolines);
  CHECK(files.add_trampolines({11, 0}) != process.mappings[0].trampolines);
}

TEST_CASE("the ids of /proc are ours") {
  CHECK(count_namespace_ids("/proc/self/status") == 1);
  CHECK(count_namespace_ids("/proc/self/no-such-file") == 0);
  CHECK(count_namespace_ids("/proc/self/comm") == 0);
  CHECK_NOTHROW(own_pid_namespace());
}
