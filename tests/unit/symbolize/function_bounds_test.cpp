#include "build_features.hpp"
#include "elf_builder.hpp"
#include "recording.hpp"
#include "symbolize/elf_symbols.hpp"
#include "symbolize/function_bounds.hpp"
#include "symbolize/symbolizer.hpp"
#include "temporary_folder.hpp"

#include <doctest/doctest.h>
#include <fstream>
#include <iterator>
#include <link.h>

#if PROFCORE_HAVE_LZMA
#include <lzma.h>
#endif

using namespace profcore;
using namespace profcore::test;

extern "C" [[gnu::noinline]] int profcore_test_bounded_function(int x) {
  for (int i = 0; i < x; ++i) asm volatile("" : "+r"(x));
  return x + 1;
}

namespace {

/// Call frame information: one CIE, then functions whose addresses are relative to where they are.
struct Frames {
  static constexpr uint64_t kAddress = 0x402000;
  std::vector<uint8_t> bytes;

  void u32(uint64_t value) {
    for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<uint8_t>(value >> 8 * i));
  }
  Frames() {
    u32(16); // length
    u32(0);  // a CIE
    for (const int byte : std::initializer_list<int>{1, 'z', 'R', 0, 1, 0x78, 16, 1, 0x1b, 0, 0, 0})
      bytes.push_back(static_cast<uint8_t>(byte));
  }
  void function(uint64_t start, uint32_t size) {
    u32(16);
    u32(bytes.size()); // back to the CIE at 0
    u32(start - (kAddress + bytes.size()));
    u32(size);
    u32(0);
  }
  ElfBuilder::Extra section() const {
    return {".eh_frame", SHT_PROGBITS, SHF_ALLOC, kAddress, bytes};
  }
};

std::vector<uint8_t> own_program() {
  std::ifstream file{"/proc/self/exe", std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

/// The linked address of a function of this program.
uint64_t linked(const void *function) {
  uint64_t base = 0;
  ::dl_iterate_phdr(
      [](dl_phdr_info *info, size_t, void *to) {
        *static_cast<uint64_t *>(to) = info->dlpi_addr;
        return 1; // the first is the program
      },
      &base);
  return reinterpret_cast<uint64_t>(function) - base;
}

} // namespace

TEST_CASE("functions of this program by its call frame information, with and without sections") {
  CHECK(profcore_test_bounded_function(1) == 2);
  const uint64_t address = linked(reinterpret_cast<const void *>(&profcore_test_bounded_function));
  std::vector<uint8_t> program = own_program();
  const FunctionBounds bounds = FunctionBounds::build(ElfImage{ByteSource{program}}, 1 << 30);
  CHECK(bounds.size() > 100);
  CHECK(bounds.start_of(address) == address);
  CHECK(bounds.start_of(address + 5) == address);
  CHECK(bounds.start_of(address - 1) != address);
  if (sizeof(void *) != 8) return;
  std::fill_n(program.begin() + 0x28, 8, uint8_t{0}); // e_shoff
  std::fill_n(program.begin() + 0x3a, 6, uint8_t{0}); // its counts
  const ElfImage bare{ByteSource{program}};
  CHECK(bare.sections().empty());
  const FunctionBounds same = FunctionBounds::build(bare, 1 << 30);
  CHECK(same.size() == bounds.size());
  CHECK(same.start_of(address + 5) == address);
}

TEST_CASE("an address without a symbol is named by its function's start, and says so") {
  const TemporaryFolder folder;
  ElfBuilder builder;
  builder.dynsym = {{"exported", 0x401100, 0x20}};
  Frames frames;
  frames.function(0x401100, 0x20);
  frames.function(0x401200, 0x40);
  builder.extra = {frames.section()};
  folder.write("prog", bytes_of(builder));
  Recording recording;
  const ModuleId module = recording.file(folder.file("prog"));
  const LocationId exported = recording.at(module, 0x11110);
  const LocationId first = recording.at(module, 0x11200);
  const LocationId last = recording.at(module, 0x1123f);
  const LocationId behind = recording.at(module, 0x11240);
  Symbolizer symbolizer;
  symbolizer.symbolize(recording.profile, recording.provider, {});
  CHECK(recording.name(exported) == "exported");
  CHECK_FALSE(recording.by_bounds(exported));
  CHECK(recording.name(first) == "prog+fn_0x401200");
  CHECK(recording.name(last) == "prog+fn_0x401200");
  CHECK(recording.by_bounds(last));
  CHECK(recording.reason(last) == UnnamedReason::kNotCovered);
  CHECK(recording.profile.lines_of(first)[0].function ==
        recording.profile.lines_of(last)[0].function);
  const Function &function =
      recording.profile.functions()[recording.profile.lines_of(last)[0].function];
  CHECK(function.system_name == 0);
  CHECK(recording.name(behind) == "-");
  CHECK(recording.profile.modules()[module].flags == kHasFunctions);
  CHECK(symbolizer.stats().named == 1);
  CHECK(symbolizer.stats().named_by_bounds == 2);
  CHECK(symbolizer.stats().unnamed[static_cast<size_t>(UnnamedReason::kNotCovered)] == 1);
}

TEST_CASE("a program without any symbol has functions all the same") {
  const TemporaryFolder folder;
  ElfBuilder builder;
  Frames frames;
  frames.function(0x401200, 0x40);
  builder.extra = {frames.section()};
  folder.write("dash", bytes_of(builder));
  Recording recording;
  const ModuleId module = recording.file(folder.file("dash"));
  const LocationId inside = recording.at(module, 0x11220);
  const LocationId outside = recording.at(module, 0x11300);
  Symbolizer symbolizer;
  symbolizer.symbolize(recording.profile, recording.provider, {});
  CHECK(recording.name(inside) == "dash+fn_0x401200");
  CHECK(recording.reason(inside) == UnnamedReason::kNoSymbols);
  CHECK(recording.reason(outside) == UnnamedReason::kNoSymbols);
}

TEST_CASE("a symbol of no size reaches as far as its function, and not into the next") {
  const TemporaryFolder folder;
  ElfBuilder builder;
  builder.dynsym = {{"start", 0x401100, 0}};
  builder.symtab = {{"label", 0x401180, 0}, {"within", 0x401310, 0}};
  Frames frames;
  frames.function(0x401100, 0x40);
  frames.function(0x401200, 0x40);
  frames.function(0x401300, 0x40);
  builder.extra = {frames.section()};
  folder.write("prog", bytes_of(builder));
  Recording recording;
  const ModuleId module = recording.file(folder.file("prog"));
  const LocationId start = recording.at(module, 0x11120);
  const LocationId gap = recording.at(module, 0x11150);
  const LocationId label = recording.at(module, 0x111f0);
  const LocationId next = recording.at(module, 0x11210);
  const LocationId before = recording.at(module, 0x11305);
  const LocationId within = recording.at(module, 0x11315);
  Symbolizer symbolizer;
  symbolizer.symbolize(recording.profile, recording.provider, {});
  CHECK(recording.name(start) == "start");
  CHECK(recording.name(gap) == "-");
  CHECK(recording.name(label) == "label");
  CHECK(recording.name(next) == "prog+fn_0x401200");
  CHECK(recording.name(before) == "prog+fn_0x401300");
  CHECK(recording.name(within) == "within");
}

TEST_CASE("damaged call frame information is left out") {
  ElfBuilder builder;
  Frames frames;
  frames.function(0x401200, 0x40);
  frames.function(0x909090, 0x40);   // nowhere
  frames.function(0x401ff0, 0x4000); // past its segment
  frames.function(0x401300, 0);
  frames.u32(16); // of a CIE that is none
  frames.u32(3);
  for (int i = 0; i < 3; ++i) frames.u32(0);
  frames.function(0x401400, 0x10);
  frames.u32(0xfffffff0); // longer than the section
  frames.u32(0);
  builder.extra = {frames.section()};
  const auto bytes = builder.build();
  const FunctionBounds bounds = FunctionBounds::build(ElfImage{ByteSource{bytes}}, 1 << 20);
  CHECK(bounds.size() == 2);
  CHECK(bounds.bad_entries() == 4);
  CHECK(bounds.start_of(0x40140f) == 0x401400);
  CHECK_FALSE(bounds.start_of(0x401410).has_value());
  CHECK_FALSE(bounds.start_of(0x401300).has_value());
  CHECK_THROWS_AS(FunctionBounds::build(ElfImage{ByteSource{bytes}}, 10), Error);
}

TEST_CASE("a stripped program's names are in its debug file, when that is the same program's") {
  const TemporaryFolder folder;
  ElfBuilder stripped;
  stripped.build_id = {0xab, 0xcd, 0xef};
  stripped.dynsym = {{"exported", 0x401100, 0x20}};
  ElfBuilder debug;
  debug.build_id = stripped.build_id;
  debug.symtab = {{"hidden", 0x401200, 0x20}};
  folder.write("prog", bytes_of(stripped));
  folder.write("debug/.build-id/ab/cdef.debug", bytes_of(debug));
  const auto name = [&](const std::string &debug_folder) {
    Recording recording;
    const ModuleId module = recording.file(folder.file("prog"));
    const LocationId hidden = recording.at(module, 0x11210);
    const LocationId exported = recording.at(module, 0x11110);
    SymbolizerOptions options;
    options.debug_folder = debug_folder;
    Symbolizer symbolizer{options};
    symbolizer.symbolize(recording.profile, recording.provider, {});
    CHECK(recording.name(exported) == "exported");
    return recording.name(hidden);
  };
  CHECK(name(folder.file("debug")) == "hidden");
  CHECK(name("") == "-");
  debug.build_id = {0xab, 0xcd, 0xee};
  folder.write("debug/.build-id/ab/cdef.debug", bytes_of(debug));
  CHECK(name(folder.file("debug")) == "-");
  folder.write("debug/.build-id/ab/cdef.debug", "no ELF file");
  CHECK(name(folder.file("debug")) == "-");
}

#if PROFCORE_HAVE_LZMA
TEST_CASE("names in .gnu_debugdata, packed by xz; damaged ones are none") {
  const TemporaryFolder folder;
  ElfBuilder inner;
  inner.symtab = {{"hidden", 0x401200, 0x20}};
  const std::vector<uint8_t> plain = inner.build();
  std::vector<uint8_t> packed(plain.size() + 4096);
  size_t size = 0;
  REQUIRE(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, nullptr, plain.data(), plain.size(),
                                  packed.data(), &size, packed.size()) == LZMA_OK);
  packed.resize(size);
  ElfBuilder stripped;
  stripped.dynsym = {{"exported", 0x401100, 0x20}};
  const auto name = [&] {
    stripped.extra = {{".gnu_debugdata", SHT_PROGBITS, 0, 0, packed}};
    folder.write("prog", bytes_of(stripped));
    Recording recording;
    const ModuleId module = recording.file(folder.file("prog"));
    const LocationId hidden = recording.at(module, 0x11210);
    const LocationId exported = recording.at(module, 0x11110);
    Symbolizer symbolizer;
    symbolizer.symbolize(recording.profile, recording.provider, {});
    CHECK(recording.name(exported) == "exported");
    return recording.name(hidden);
  };
  CHECK(name() == "hidden");
  packed[size / 2] ^= 0xff;
  CHECK(name() == "-");
  packed.resize(size / 2);
  CHECK(name() == "-");
}
#endif
