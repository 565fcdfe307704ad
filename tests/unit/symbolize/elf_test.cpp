#include "base/mapped_file.hpp"
#include "elf_builder.hpp"
#include "symbolize/elf_symbols.hpp"

#include <algorithm>
#include <cstdio>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <filesystem>
#include <random>
#include <sys/stat.h>
#include <unistd.h>

using namespace profcore;
using profcore::test::ElfBuilder;

namespace {

struct Loaded {
  std::vector<uint8_t> bytes;
  ElfImage image;
  ElfSymbols symbols;

  explicit Loaded(const ElfBuilder &builder)
      : bytes{builder.build()}, image{ByteSource{bytes}}, symbols{ElfSymbols::build(image, {})} {}
  std::string at(uint64_t address) const {
    const uint32_t symbol = symbols.find(address);
    std::string name;
    if (symbol == ElfSymbols::kNotFound) return "-";
    return symbols.name(symbol, name) ? name : "?";
  }
};

} // namespace

TEST_CASE("headers of both classes and byte orders") {
  for (const bool is_64 : {false, true}) {
    for (const bool is_big : {false, true}) {
      ElfBuilder builder;
      builder.is_64 = is_64;
      builder.is_big = is_big;
      builder.machine = is_big ? EM_PPC64 : EM_X86_64;
      builder.symtab = {{"main", 0x401100, 0x20}, {"helper", 0x401200, 0x10}};
      builder.build_id = {0xde, 0xad, 0xbe, 0xef};
      builder.build_id_in_segment = is_big;
      const Loaded elf{builder};
      CHECK(elf.image.is_64() == is_64);
      CHECK(elf.image.is_big_endian() == is_big);
      CHECK(elf.image.build_id_text() == "deadbeef");
      CHECK(elf.image.warnings().empty());
      CHECK(elf.at(0x401100) == "main");
      CHECK(elf.at(0x40111f) == "main");
      CHECK(elf.at(0x401120) == "-");
      CHECK(elf.at(0x401205) == "helper");
      CHECK(elf.image.find_name(".text") != nullptr);
      CHECK(elf.image.find_name(".nothing") == nullptr);
    }
  }
}

TEST_CASE("offsets become addresses by what is in the file, executable first") {
  ElfBuilder builder;
  builder.segments = {{PF_R, 0, 0x400000, 0x1800, 0x1800},
                      {PF_R | PF_X, 0x1000, 0x501000, 0x1000, 0x1000},
                      {PF_R | PF_W, 0x2000, 0x700000, 0x100, 0x9000}};
  const Loaded elf{builder};
  CHECK(elf.image.address_of(0x10) == 0x400010);
  CHECK(elf.image.address_of(0x1200) == 0x501200); // both hold it
  CHECK(elf.image.address_of(0x20ff) == 0x7000ff);
  CHECK_FALSE(elf.image.address_of(0x2100)); // only in memory
  CHECK(elf.image.offset_of(0x501010) == 0x1010);
  CHECK_FALSE(elf.image.offset_of(0x700100));
}

TEST_CASE("which symbol an address gets") {
  ElfBuilder builder;
  builder.symtab = {
      {"outer", 0x401000, 0x100},
      {"inner", 0x401040, 0x10},
      {"weak", 0x401200, 0x10, STT_FUNC, STB_WEAK},
      {"local", 0x401200, 0x10, STT_FUNC, STB_LOCAL},
      {"global", 0x401200, 0x10},
      {"untyped", 0x401200, 0x10, STT_NOTYPE},
      {"part.cold", 0x401300, 0x10, STT_FUNC, STB_LOCAL},
      {"part", 0x401300, 0x10, STT_FUNC, STB_LOCAL},
      {"unsized", 0x401400, 0, STT_NOTYPE},
      {"$x", 0x401420, 0, STT_NOTYPE},
      {".Llabel", 0x401430, 0, STT_NOTYPE},
      {"after", 0x401480, 0x10},
      {"last_unsized", 0x401f00, 0},
      {"data", 0x401500, 0x10, STT_OBJECT},
      {"undefined", 0x401600, 0x10, STT_FUNC, STB_GLOBAL, SHN_UNDEF},
      {"elsewhere", 0x901000, 0x10},
      {"huge", 0x401800, UINT64_MAX},
  };
  builder.dynsym = {
      {"global@dyn", 0x401200, 0x20}, {"unsized_dyn", 0x401700, 0}, {"only_dyn", 0x401710, 8}};
  const Loaded elf{builder};
  CHECK(elf.at(0x40103f) == "outer");
  CHECK(elf.at(0x401045) == "inner");
  CHECK(elf.at(0x401050) == "outer");
  CHECK(elf.at(0x401100) == "-");
  CHECK(elf.at(0x401200) == "global");
  CHECK(elf.at(0x401210) == "global@dyn"); // the other's size ends before
  CHECK(elf.at(0x401300) == "part");
  CHECK(elf.at(0x401400) == "unsized");
  CHECK(elf.at(0x40147f) == "unsized");
  CHECK(elf.at(0x401480) == "after");
  CHECK(elf.at(0x401490) == "-");
  CHECK(elf.at(0x401500) == "-");
  CHECK(elf.at(0x401600) == "-");
  CHECK(elf.at(0x401700) == "unsized_dyn");
  CHECK(elf.at(0x401701) == "-");
  CHECK(elf.at(0x401717) == "only_dyn");
  CHECK(elf.at(0x901000) == "-");
  CHECK(elf.at(0x401fff) == "huge"); // cut at its segment; sized before unsized
  CHECK(elf.at(0x402000) == "-");
}

TEST_CASE("a symbol without a size ends with its section") {
  ElfBuilder builder;
  builder.text_size = 0x800;
  builder.symtab = {{"tail", 0x401700, 0}};
  const Loaded elf{builder};
  CHECK(elf.at(0x4017ff) == "tail");
  CHECK(elf.at(0x401800) == "-");
}

TEST_CASE("damage is an error or a gap, never a crash") {
  ElfBuilder builder;
  builder.symtab = {{"main", 0x401100, 0x20}, {"other", 0x401200, 0}};
  builder.dynsym = {{"dyn", 0x401300, 0x20}};
  builder.build_id = {1, 2, 3};
  const std::vector<uint8_t> good = builder.build();
  std::mt19937_64 random{3};
  size_t refused = 0;
  const auto feed = [&](const std::vector<uint8_t> &bytes) {
    try {
      const ElfImage image{ByteSource{bytes}};
      const ElfSymbols symbols = ElfSymbols::build(image, {});
      std::string name;
      for (uint64_t at = 0x401000; at < 0x402000; at += 16)
        if (const uint32_t found = symbols.find(at); found != ElfSymbols::kNotFound)
          (void)symbols.name(found, name);
    } catch (const Error &) {
      ++refused;
    }
  };
  for (size_t size = 0; size < good.size(); ++size) feed({good.begin(), good.begin() + size});
  CHECK(refused >= 64);
  for (int round = 0; round < 20000; ++round) {
    std::vector<uint8_t> bytes = good;
    for (int i = 0; i < 1 + round % 4; ++i)
      bytes[random() % bytes.size()] =
          random() % 2 == 0 ? static_cast<uint8_t>(random()) : static_cast<uint8_t>(0xff);
    feed(bytes);
  }
}

TEST_CASE("symbols past the budget are refused") {
  ElfBuilder builder;
  for (uint64_t i = 0; i < 5000; ++i) builder.symtab.push_back({"f", 0x401000 + i % 4096, 1});
  const auto bytes = builder.build();
  const ElfImage image{ByteSource{bytes}};
  CHECK_THROWS_AS(ElfSymbols::build(image, {10000}), Error);
}

TEST_CASE("names of a file that is cut short meanwhile are gone, and nothing else happens") {
  ElfBuilder builder;
  builder.symtab = {{"main", 0x401100, 0x20}};
  for (int i = 0; i < 2000; ++i)
    builder.symtab.push_back({"filler_with_a_long_name_" + std::to_string(i), 0x401200, 1});
  const auto bytes = builder.build();
  char path[] = "/tmp/profcore_elf_XXXXXX";
  const int fd = ::mkstemp(path);
  REQUIRE(fd >= 0);
  REQUIRE(::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  const ElfSymbols symbols = ElfSymbols::build(ElfImage{ByteSource{fd, bytes.size()}}, {});
  std::string name;
  const uint32_t symbol = symbols.find(0x401101);
  REQUIRE(symbol != ElfSymbols::kNotFound);
  CHECK(symbols.name(symbol, name));
  CHECK(name == "main");
  CHECK(::ftruncate(fd, 0) == 0);
  CHECK_FALSE(symbols.name(symbol, name));
  ::close(fd);
  ::unlink(path);
}

TEST_CASE("a library of this machine: every answer covers the address, and none is missed") {
  const char *path = nullptr;
  for (const char *candidate :
       {"/usr/lib/x86_64-linux-gnu/libLLVM-14.so.1", "/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
        "/usr/lib/aarch64-linux-gnu/libstdc++.so.6"})
    if (path == nullptr && std::filesystem::exists(candidate)) path = candidate;
  if (path == nullptr) {
    MESSAGE("skipped: none of the libraries is here");
    return;
  }
  const auto file = MappedFile::open(path, {}, FileAccess::kMap);
  const uint8_t *data = file.bytes().data();
  Elf64_Ehdr header;
  std::memcpy(&header, data, sizeof header);
  if (header.e_ident[EI_CLASS] != ELFCLASS64) return;
  struct Known {
    uint64_t start, end;
    const char *name;
  };
  std::vector<Known> known;
  const auto *sections = reinterpret_cast<const Elf64_Shdr *>(data + header.e_shoff);
  uint64_t text_begin = 0;
  uint64_t text_end = 0;
  for (size_t i = 0; i < header.e_shnum; ++i) {
    const Elf64_Shdr &section = sections[i];
    if ((section.sh_flags & SHF_EXECINSTR) != 0 && section.sh_size > text_end - text_begin) {
      text_begin = section.sh_addr;
      text_end = section.sh_addr + section.sh_size;
    }
    if (section.sh_type != SHT_DYNSYM && section.sh_type != SHT_SYMTAB) continue;
    const auto *symbols = reinterpret_cast<const Elf64_Sym *>(data + section.sh_offset);
    const char *strings =
        reinterpret_cast<const char *>(data + sections[section.sh_link].sh_offset);
    for (size_t s = 1; s < section.sh_size / sizeof(Elf64_Sym); ++s) {
      const auto type = ELF64_ST_TYPE(symbols[s].st_info);
      if ((type == STT_FUNC || type == STT_GNU_IFUNC) && symbols[s].st_shndx != SHN_UNDEF &&
          symbols[s].st_size != 0)
        known.push_back({symbols[s].st_value, symbols[s].st_value + symbols[s].st_size,
                         strings + symbols[s].st_name});
    }
  }
  std::sort(known.begin(), known.end(),
            [](const Known &a, const Known &b) { return a.start < b.start; });
  uint64_t longest = 0;
  for (const Known &at : known) longest = std::max(longest, at.end - at.start);

  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  REQUIRE(fd >= 0);
  const ElfImage image{ByteSource{fd, file.bytes().size()}};
  const ElfSymbols symbols = ElfSymbols::build(image, {});
  ::close(fd);
  CHECK_FALSE(symbols.damaged());
  std::mt19937_64 random{11};
  std::string name;
  size_t wrong = 0;
  size_t missed = 0;
  size_t hits = 0;
  for (int i = 0; i < 20000; ++i) {
    const uint64_t address = text_begin + random() % (text_end - text_begin);
    auto at = std::upper_bound(known.begin(), known.end(), address,
                               [](uint64_t a, const Known &b) { return a < b.start; });
    bool covered = false;
    bool named = false;
    const uint32_t found = symbols.find(address);
    if (found != ElfSymbols::kNotFound) REQUIRE(symbols.name(found, name));
    while (at != known.begin() && address - (at - 1)->start <= longest) {
      --at;
      if (address >= at->end) continue;
      covered = true;
      named = named || (found != ElfSymbols::kNotFound && name == at->name);
    }
    hits += covered;
    missed += covered && found == ElfSymbols::kNotFound;
    wrong += found != ElfSymbols::kNotFound && !named;
  }
  CHECK(hits > 1000);
  CHECK(missed == 0);
  CHECK(wrong == 0);
}
