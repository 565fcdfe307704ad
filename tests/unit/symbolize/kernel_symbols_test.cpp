#include "symbolize/kernel_symbols.hpp"
#include "temporary_folder.hpp"

#include <doctest/doctest.h>
#include <random>

using namespace profcore;

namespace {

constexpr std::string_view kText = "0000000000000000 A fixed_percpu_data\n"
                                   "ffffffff81000000 T _stext\n"
                                   "ffffffff81000000 t __local_start\n"
                                   "ffffffff81000000 T first\n"
                                   "ffffffff81000000 W weak_first\n"
                                   "ffffffff81000040 T second\n"
                                   "ffffffff81000040 T __pi_second\n"
                                   "ffffffff81000080 t third\n"
                                   "ffffffff810000c0 T __pi_copy\n"
                                   "ffffffff810000c0 T other_copy\n"
                                   "ffffffff810000c0 W copy\n"
                                   "ffffffff810000e0 T __pi_lonely\n"
                                   "ffffffff810000e0 T lonely_too\n"
                                   "ffffffff81000100 T _etext\n"
                                   "ffffffff81000200 D some_data\n"
                                   "ffffffff81000300 d other_data\n"
                                   "ffffffffc0001100 t driver_read\t[driver]\n"
                                   "ffffffffc0001000 t driver_init\t[driver]\n"
                                   "ffffffffc0001200 r driver_table\t[driver]\n"
                                   "ffffffffc0001280 t driver_last\t[driver]\n"
                                   "ffffffffc0010010 t lonely\t[unlisted]\n"
                                   "ffffffffc0020000 t bpf_prog_1234_filter\t[bpf]\n"
                                   "ffffffffc0020040 t bpf_prog_5678_count\t[bpf]\n";
constexpr std::string_view kModules =
    "driver 8192 1 - Live 0xffffffffc0001000\nbroken x\nhidden 10 0 - Live 0x0000000000000000\n";

struct Parsed {
  KernelTable core, modules;
  explicit Parsed(std::string_view text, size_t step = SIZE_MAX) {
    KallsymsParser parser;
    for (size_t at = 0; at < text.size(); at += std::min(step, text.size() - at))
      parser.feed(text.substr(at, step));
    parser.finish(parse_kernel_modules(kModules));
    CHECK(parser.bad_lines() == 0);
    core = parser.take_core();
    modules = parser.take_modules();
  }
  std::string_view at(uint64_t address) const {
    if (const uint32_t found = core.find(address); found != KernelTable::kNotFound)
      return core.name(found);
    const uint32_t found = modules.find(address);
    return found == KernelTable::kNotFound ? "-" : modules.name(found);
  }
};

void check_names(const Parsed &parsed) {
  CHECK(parsed.at(0xffffffff81000000) == "__local_start"); // the first that is no mark
  CHECK(parsed.at(0xffffffff8100003f) == "__local_start");
  CHECK(parsed.at(0xffffffff81000040) == "second");
  CHECK(parsed.at(0xffffffff810000bf) == "third");
  CHECK(parsed.at(0xffffffff810000c0) == "copy");
  CHECK(parsed.at(0xffffffff810000ff) == "__pi_lonely");
  CHECK(parsed.at(0xffffffff81000100) == "-");
  CHECK(parsed.at(0xffffffff81000210) == "-");
  CHECK(parsed.at(0) == "-");
  CHECK(parsed.at(0xffffffffc0001050) == "driver_init");
  CHECK(parsed.at(0xffffffffc00011ff) == "driver_read");
  CHECK(parsed.at(0xffffffffc0001200) == "-");
  CHECK(parsed.at(0xffffffffc0002fff) == "driver_last"); // to the module's end
  CHECK(parsed.at(0xffffffffc0003000) == "-");
  CHECK(parsed.at(0xffffffffc0010fff) == "lonely"); // to the page's end
  CHECK(parsed.at(0xffffffffc0011000) == "-");
  CHECK(parsed.at(0xffffffffc002003f) == "bpf_prog_1234_filter");
  CHECK(parsed.at(0xffffffffc0020100) == "bpf_prog_5678_count");
  CHECK(parsed.at(0xffffffffd0000000) == "-");
}

} // namespace

TEST_CASE("which kernel symbol an address gets") {
  check_names(Parsed{kText});
}

TEST_CASE("kallsyms in pieces of any size") {
  for (const size_t step : {size_t{1}, size_t{7}, size_t{64}}) check_names(Parsed{kText, step});
}

TEST_CASE("addresses hidden by kptr_restrict are told") {
  KallsymsParser parser;
  parser.feed("0000000000000000 T _stext\n0000000000000000 T first\n");
  parser.finish({});
  CHECK(parser.restricted());
  CHECK(parser.take_core().size() == 0);
  KallsymsParser empty;
  empty.finish({});
  CHECK_FALSE(empty.restricted());
}

TEST_CASE("damaged lines of kallsyms are counted") {
  KallsymsParser parser;
  parser.feed("ffffffff81000000 T good\nxyz T bad\n\nffffffff81000010\nffffffff81000010 T\n"
              "ffffffff81000010 T \nfffffffffffffffff1 T long\nffffffff81000020 T also good");
  parser.finish({});
  CHECK(parser.bad_lines() == 6);
  const KernelTable core = parser.take_core();
  CHECK(core.name(core.find(0xffffffff81000001)) == "good");
}

TEST_CASE("a symbol at the very end of address space covers nothing") {
  KallsymsParser parser;
  parser.feed("0000000000000001 t low\nffffffffffffffff T last\n");
  parser.finish({});
  const KernelTable core = parser.take_core();
  CHECK(core.find(UINT64_MAX) == KernelTable::kNotFound);
  CHECK(core.name(core.find(5)) == "low");
}

TEST_CASE("symbols come anew when modules change, and not before") {
  const test::TemporaryFolder folder;
  folder.write("kallsyms", kText);
  folder.write("modules", kModules);
  KernelSymbols kernel{folder.path()};
  const KernelSymbols::View first = kernel.view();
  REQUIRE(first.state == KernelSymbols::State::kLoaded);
  CHECK(kernel.bytes() > 0);
  folder.write("kallsyms", std::string{kText} + "ffffffffc0030000 t fresh\t[late]\n");
  CHECK(kernel.refreshed_view(true).modules == first.modules);
  folder.write("modules", std::string{kModules} + "late 4096 1 - Live 0xffffffffc0030000\n");
  const KernelSymbols::View second = kernel.refreshed_view(false);
  CHECK(second.core == first.core);
  CHECK(second.modules->find(0xffffffffc0030fff) != KernelTable::kNotFound);
  CHECK(first.modules->find(0xffffffffc0030fff) == KernelTable::kNotFound);
}

TEST_CASE("no kallsyms, or a hidden one") {
  const test::TemporaryFolder folder;
  CHECK(KernelSymbols{folder.path()}.view().state == KernelSymbols::State::kMissing);
  folder.write("kallsyms", "0000000000000000 T _stext\n");
  CHECK(KernelSymbols{folder.path()}.view().state == KernelSymbols::State::kRestricted);
}

TEST_CASE("the kernel is asked for functions, and its own are kept") {
  const test::TemporaryFolder folder;
  folder.write("kallsyms", kText);
  std::vector<uint64_t> asked;
  bool tells = true;
  KernelSymbols kernel{
      folder.path(), [&](std::span<const uint64_t> addresses, std::vector<KernelFunction> &found) {
        if (!tells) return false;
        asked.insert(asked.end(), addresses.begin(), addresses.end());
        for (const uint64_t address : addresses) {
          if (address == 0x1001) found.push_back({0x1000, 0x1100, "core", true});
          if (address == 0x2001) found.push_back({0x2000, 0x2100, "_stext", true});
          if (address == 0x3001) found.push_back({0x3000, 0x3100, "bpf_prog", false});
        }
        return true;
      }};
  const std::vector<uint64_t> addresses{0x1001, 0x2001, 0x3001, 0x4001};
  const auto first = kernel.functions_of(addresses);
  REQUIRE(first.has_value());
  REQUIRE(first->size() == 2); // a linker's mark is no name
  CHECK((*first)[0].name == "core");
  CHECK((*first)[1].name == "bpf_prog");
  CHECK(asked == addresses);
  CHECK(kernel.bytes() > 0);

  asked.clear();
  const std::vector<uint64_t> again{0x10fe, 0x10ff, 0x1100, 0x3001};
  const auto second = kernel.functions_of(again);
  REQUIRE(second.has_value());
  REQUIRE(second->size() == 2);
  CHECK((*second)[0].begin == 0x1000);
  CHECK(asked == std::vector<uint64_t>{0x1100, 0x3001}); // BPF programs come and go

  tells = false;
  CHECK_FALSE(kernel.functions_of(addresses).has_value());
  CHECK(kernel.bytes() == 0);
  tells = true;
  CHECK(kernel.functions_of(addresses).has_value());
  CHECK(kernel.view().state == KernelSymbols::State::kLoaded);
  CHECK_FALSE(kernel.functions_of(addresses).has_value()); // the list is there now
}

TEST_CASE("for very many addresses the list is cheaper") {
  size_t asked = 0;
  KernelSymbols kernel{"/nowhere",
                       [&](std::span<const uint64_t> addresses, std::vector<KernelFunction> &) {
                         asked += addresses.size();
                         return true;
                       }};
  std::vector<uint64_t> addresses(20000);
  for (size_t i = 0; i < addresses.size(); ++i) addresses[i] = 0x1000 + 16 * i;
  CHECK_FALSE(kernel.functions_of(addresses).has_value());
  CHECK(asked == 0);
  CHECK(kernel.functions_of(std::span{addresses}.first(1000))->empty());
  CHECK(asked == 1000);
}

TEST_CASE("this kernel's symbols are found at their own addresses") {
  KernelSymbols kernel;
  const KernelSymbols::View view = kernel.view();
  if (view.state != KernelSymbols::State::kLoaded || view.core->size() == 0) {
    MESSAGE("skipped: this kernel's symbols cannot be read");
    return;
  }
  CHECK(view.core->size() > 1000);
  CHECK(kernel.bytes() < size_t{9} << 19); // 4.5 MB
}
