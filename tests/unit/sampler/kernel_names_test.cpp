// What the kernel says of its addresses, and that it is what its list says.
#include "sources/sampler/kernel_names.hpp"
#include "symbolize/kernel_symbols.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <doctest/doctest.h>
#include <fstream>
#include <string>
#include <vector>

using namespace profcore;

namespace {

/// Every third address at which kallsyms has code, and one inside of each function.
std::vector<uint64_t> some_addresses() {
  std::ifstream list{"/proc/kallsyms"};
  std::vector<uint64_t> addresses;
  std::string line;
  for (size_t i = 0; std::getline(list, line); ++i) {
    const size_t space = line.find(' ');
    const bool is_bpf = line.ends_with("[bpf]");
    if (space == std::string::npos || (i % 3 != 0 && !is_bpf)) continue;
    if (std::strchr("tTwW", line[space + 1]) == nullptr) continue;
    const uint64_t address = std::strtoull(line.c_str(), nullptr, 16);
    addresses.push_back(address);
    addresses.push_back(address + 5);
  }
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  return addresses;
}

} // namespace

TEST_CASE("what the kernel writes for an address") {
  const auto whole = sampler::parse_kernel_function(0x1012, "vfs_read.constprop.0+0x12/0x40");
  REQUIRE(whole.has_value());
  CHECK(whole->name == "vfs_read.constprop.0");
  CHECK(whole->begin == 0x1000);
  CHECK(whole->end == 0x1040);
  const auto module = sampler::parse_kernel_function(0x2000, "ext4_map+0x0/0x10 [ext4]");
  REQUIRE(module.has_value());
  CHECK(module->name == "ext4_map");
  CHECK(module->end == 0x2010);
  CHECK(sampler::parse_kernel_function(0x2000, "at_start+0/0x10")->begin == 0x2000);
  for (const char *text : {"", "0xffffffff81000000", "+0x1/0x2", "name", "name+0x10", "name/0x10",
                           "name+0x10/0x10", "name+0x11/0x10", "name+x/0x10", "name+0x1/",
                           "name+0x3000/0x4000", "name+0x1/0xffffffffffffffff"})
    CHECK_MESSAGE(!sampler::parse_kernel_function(0x2000, text), text);
}

TEST_CASE("this kernel names its addresses as its list does") {
  KernelSymbols list;
  const KernelSymbols::View view = list.view();
  sampler::KernelNames names;
  KernelSymbols asking{
      "/proc", [&](std::span<const uint64_t> addresses, std::vector<KernelFunction> &found) {
        std::vector<sampler::KernelFunction> told;
        if (!names.ask(addresses, told)) return false;
        for (const sampler::KernelFunction &at : told)
          found.push_back({at.begin, at.end, at.name, at.is_core});
        return true;
      }};
  const std::vector<uint64_t> addresses = some_addresses();
  if (view.state != KernelSymbols::State::kLoaded ||
      !asking.functions_of(std::span{addresses}.first(1))) {
    const char *required = std::getenv("PROFCORE_REQUIRE_BPF");
    if (required != nullptr && std::strcmp(required, "1") == 0) FAIL("the kernel tells nothing");
    MESSAGE("skipped: this kernel, or this user, is not told names of addresses");
    return;
  }
  const auto name_in_list = [&](uint64_t address) -> std::string {
    for (const auto &table : {view.core, view.modules})
      if (const uint32_t at = table->find(address); at != KernelTable::kNotFound)
        return std::string{table->name(at)};
    return "-";
  };
  REQUIRE(addresses.size() > 1000);
  size_t unnamed = 0;
  size_t different = 0;
  size_t wrong_ends = 0;
  constexpr size_t kAtOnce = 4096;
  for (size_t from = 0; from < addresses.size(); from += kAtOnce) {
    const auto part =
        std::span{addresses}.subspan(from, std::min(kAtOnce, addresses.size() - from));
    asking.clear();
    const auto functions = asking.functions_of(part);
    REQUIRE(functions.has_value());
    size_t at = 0;
    for (const uint64_t address : part) {
      while (at < functions->size() && (*functions)[at].end <= address) ++at;
      if (at == functions->size() || (*functions)[at].begin > address) {
        ++unnamed; // by the list, then
        continue;
      }
      const std::string listed = name_in_list(address);
      if (listed == (*functions)[at].name) continue;
      if (++different <= 10)
        MESSAGE(doctest::toString(address) << ": " << (*functions)[at].name << " but " << listed);
    }
    for (const KernelFunction &function : *functions) {
      if (!function.is_core) continue;
      const uint32_t symbol = view.core->find(function.begin);
      if (view.core->find(function.end - 1) != symbol || view.core->find(function.end) == symbol)
        ++wrong_ends;
    }
  }
  CHECK(different == 0);
  CHECK(wrong_ends == 0);
  CHECK(unnamed * 200 < addresses.size());
}

TEST_CASE("addresses that are none of the kernel's") {
  sampler::KernelNames names;
  std::vector<sampler::KernelFunction> functions;
  const std::vector<uint64_t> addresses{0, 1, 0x400000, UINT64_MAX};
  if (names.ask(addresses, functions)) CHECK(functions.empty());
}
