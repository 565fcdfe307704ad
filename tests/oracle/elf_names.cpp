// elf_names FILE: for linked addresses on stdin (hexadecimal, one a line) what we say of them:
// "symbol NAME" (not demangled), "bounds 0xSTART" or "none".
// elf_names --bounds FILE: all functions of its call frame information, "start end".
// elf_names --dynamic FILE: names by its dynamic segment alone, as if it had no sections.
#include "symbolize/module_index.hpp"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <iostream>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

using namespace profcore;

int main(int argc, char **argv) {
  const bool bounds = argc > 2 && std::strcmp(argv[1], "--bounds") == 0;
  const bool dynamic = argc > 2 && std::strcmp(argv[1], "--dynamic") == 0;
  const char *path = argv[argc - 1];
  const int fd = argc > 1 ? ::open(path, O_RDONLY | O_CLOEXEC) : -1;
  struct stat status {};
  if (fd < 0 || ::fstat(fd, &status) != 0) {
    std::fprintf(stderr, "%s cannot be opened\n", path);
    return 1;
  }
  ByteSource bytes{fd, static_cast<uint64_t>(status.st_size)};
  std::vector<uint8_t> copy;
  if (dynamic) {
    copy.resize(static_cast<size_t>(status.st_size));
    if (!bytes.read(0, copy.data(), copy.size())) return 1;
    std::memset(copy.data() + 0x28, 0, 8);     // e_shoff
    std::memset(copy.data() + 0x3a, 0, 2 * 3); // e_shentsize, e_shnum, e_shstrndx
    bytes = ByteSource{copy};
  }
  if (bounds) {
    const FunctionBounds found = FunctionBounds::build(ElfImage{bytes}, UINT64_C(1) << 30);
    found.table().for_each([&](const RangeTable::Piece &piece) {
      std::printf("%" PRIx64 " %" PRIx64 "\n", piece.start, piece.start + piece.size);
    });
    return 0;
  }
  const auto module = ModuleIndex::build(bytes, {UINT64_C(1) << 30, nullptr, {}});
  ModuleIndex::Names names{*module};
  for (std::string line; std::getline(std::cin, line);) {
    const auto found = module->find(std::strtoull(line.c_str(), nullptr, 16), &bytes);
    if (found.symbol != ModuleIndex::kNotFound) {
      const auto name = names.of(found.symbol, false);
      std::printf("symbol %s\n", name ? std::string{name->raw}.c_str() : "?");
    } else if (found.function_start) {
      std::printf("bounds 0x%" PRIx64 "\n", *found.function_start);
    } else {
      std::puts("none");
    }
  }
  return 0;
}
