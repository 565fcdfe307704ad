// Naming addresses through the C ABI: of this very process, of files, of the kernel, of profiles.
#include "support.hpp"

#include <profcore/profcore.hpp>

#include <cstdio>
#include <dlfcn.h>
#include <doctest/doctest.h>
#include <fstream>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace capi;

extern "C" __attribute__((noinline, used, visibility("default"))) int capi_test_known(int x) {
  asm volatile("" : "+r"(x));
  return x + 1;
}

namespace {

uint64_t address_of(int (*function)(int)) {
  return reinterpret_cast<uint64_t>(function);
}

profcore_address_source this_process() {
  auto source = profcore::init<profcore_address_source>();
  source.kind = PROFCORE_ADDRESS_PROCESS;
  source.pid = ::getpid();
  return source;
}

struct Mapping {
  uint64_t start = 0, end = 0, offset = 0;
};

/// Of this program's code.
Mapping own_mapping(uint64_t address) {
  std::ifstream maps{"/proc/self/maps"};
  for (std::string line; std::getline(maps, line);) {
    Mapping at;
    unsigned long start = 0, end = 0, offset = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx %*s %lx", &start, &end, &offset) == 3 &&
        address >= start && address < end)
      return {start, end, offset};
  }
  return {};
}

std::string own_path() {
  char path[4096];
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
  return {path, static_cast<size_t>(size > 0 ? size : 0)};
}

} // namespace

TEST_CASE("addresses of a live process, of its file, and return addresses") {
  CHECK(capi_test_known(1) == 2);
  const uint64_t known = address_of(&capi_test_known);
  profcore::Symbolizer symbolizer;
  const std::vector<uint64_t> addresses{known + 1, 16, known, known + 1};
  const profcore::Symbols names = symbolizer.look_up(this_process(), addresses);
  REQUIRE(names.size() == 4);
  CHECK(names.name(0) == "capi_test_known");
  CHECK(names.name(2) == "capi_test_known");
  CHECK(names.view().first_line[0] == names.view().first_line[3]);
  CHECK(names.module(0) == own_path());
  CHECK(names.lines(1).empty());
  CHECK(names.reason(1) == PROFCORE_UNNAMED_NO_MODULE);
  CHECK(names.module(1).empty());
  CHECK(names.reason(0) == PROFCORE_UNNAMED_NONE);

  // The first byte of a function is where a call that ends the one before returns to.
  const std::vector<uint8_t> is_return{1, 0, 1, 0};
  const profcore::Symbols returned = symbolizer.look_up(this_process(), addresses, is_return);
  CHECK(returned.name(0) == "capi_test_known");
  CHECK(returned.name(2) != "capi_test_known");

  const Mapping mapping = own_mapping(known);
  const std::string path = own_path();
  auto file = profcore::init<profcore_address_source>();
  file.kind = PROFCORE_ADDRESS_FILE_OFFSET;
  file.path = path.c_str();
  const std::vector<uint64_t> offsets{known - mapping.start + mapping.offset};
  CHECK(symbolizer.look_up(file, offsets).name(0) == "capi_test_known");
  file.build_id = "0123";
  CHECK(symbolizer.look_up(file, offsets).reason(0) == PROFCORE_UNNAMED_MODULE_CHANGED);
  file.build_id = nullptr;
  file.kind = PROFCORE_ADDRESS_FILE;
  Dl_info info{};
  REQUIRE(::dladdr(reinterpret_cast<const void *>(known), &info) != 0);
  const std::vector<uint64_t> linked{known - reinterpret_cast<uint64_t>(info.dli_fbase)};
  CHECK(symbolizer.look_up(file, linked).name(0) == "capi_test_known");
  file.path = "/nowhere/at/all";
  CHECK(symbolizer.look_up(file, linked).reason(0) == PROFCORE_UNNAMED_MODULE_MISSING);
  file.path = "/dev/null";
  CHECK(symbolizer.look_up(file, linked).reason(0) == PROFCORE_UNNAMED_MODULE_MISSING);

  const profcore_symbolizer_stats stats = symbolizer.stats();
  CHECK(stats.named >= 6);
  CHECK(stats.modules >= 1);
  CHECK(stats.processes == 1);
  CHECK(stats.bytes > 0);
  CHECK(stats.unnamed[PROFCORE_UNNAMED_MODULE_CHANGED] == 1);
  symbolizer.clear();
  CHECK(symbolizer.stats().bytes == 0);
  CHECK(symbolizer.stats().processes == 0);
  CHECK(symbolizer.look_up(this_process(), addresses).name(0) == "capi_test_known");
}

TEST_CASE("a process that has gone, or is another one by now") {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  REQUIRE(child > 0);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  profcore::Symbolizer symbolizer;
  auto source = this_process();
  source.pid = child;
  const std::vector<uint64_t> addresses{address_of(&capi_test_known)};
  CHECK(symbolizer.look_up(source, addresses).reason(0) == PROFCORE_UNNAMED_PROCESS_GONE);
  source = this_process();
  source.start_time = 1;
  CHECK(symbolizer.look_up(source, addresses).reason(0) == PROFCORE_UNNAMED_PROCESS_GONE);
  CHECK(symbolizer.stats().processes == 0);
}

TEST_CASE("kernel addresses have a name or a reason") {
  profcore::Symbolizer symbolizer;
  auto source = profcore::init<profcore_address_source>();
  source.kind = PROFCORE_ADDRESS_KERNEL;
  std::ifstream list{"/proc/kallsyms"};
  uint64_t address = 0;
  std::string name;
  for (std::string line; std::getline(list, line);) {
    unsigned long at = 0;
    char type = 0;
    char text[512];
    if (std::sscanf(line.c_str(), "%lx %c %511s", &at, &type, text) == 3 && type == 'T' &&
        std::string_view{text} == "schedule")
      address = at;
  }
  const std::vector<uint64_t> addresses{address + 4, 0x10};
  const profcore::Symbols names = symbolizer.look_up(source, addresses);
  if (address != 0) CHECK(names.name(0) == "schedule");
  CHECK(names.lines(1).empty());
  CHECK(names.reason(1) != PROFCORE_UNNAMED_NONE);
}

TEST_CASE("a profile of addresses gets names, and another program's does not") {
  const uint64_t known = address_of(&capi_test_known);
  const Mapping mapping = own_mapping(known);
  const auto named = [&](const char *build_id, uint8_t &reason, uint32_t &flags) {
    profcore_profile *made = nullptr;
    REQUIRE(profcore_profile_new(&made, nullptr) == PROFCORE_OK);
    profcore::Profile profile{made};
    const auto text = [&](std::string_view value) {
      uint32_t id = 0;
      REQUIRE(profcore_profile_add_string(made, value.data(), value.size(), &id, nullptr) ==
              PROFCORE_OK);
      return id;
    };
    profcore_module module{};
    module.path = text(own_path());
    module.build_id = text(build_id);
    module.start = mapping.start;
    module.end = mapping.end;
    module.offset = mapping.offset;
    uint32_t module_id = 0;
    REQUIRE(profcore_profile_add_module(made, &module, &module_id, nullptr) == PROFCORE_OK);
    profcore_location location{};
    location.address = known + 1;
    location.module = module_id;
    location.kind = PROFCORE_FRAME_USER;
    location.reason = PROFCORE_UNNAMED_NOT_ATTEMPTED;
    uint32_t location_id = 0;
    REQUIRE(profcore_profile_add_location(made, &location, nullptr, 0, &location_id, nullptr) ==
            PROFCORE_OK);
    profcore::Symbolizer symbolizer;
    symbolizer.name(profile);
    const profcore_location &at = profile.locations()[location_id];
    reason = at.reason;
    flags = profile.modules()[module_id].flags;
    if (at.line_count == 0) return std::string{};
    const profcore_line &line = profile.lines()[at.first_line];
    return std::string{profile.text(profile.functions()[line.function].name)};
  };
  uint8_t reason = 0;
  uint32_t flags = 0;
  CHECK(named("", reason, flags) == "capi_test_known");
  CHECK(flags == PROFCORE_MODULE_HAS_FUNCTIONS);
  CHECK(named("00ff", reason, flags).empty());
  CHECK(reason == PROFCORE_UNNAMED_MODULE_CHANGED);
  CHECK(flags == 0);
}

TEST_CASE("one symbolizer, many threads") {
  profcore::Symbolizer symbolizer;
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      const std::vector<uint64_t> addresses{address_of(&capi_test_known),
                                            reinterpret_cast<uint64_t>(&std::fopen)};
      for (int i = 0; i < 200; ++i) {
        const profcore::Symbols names = symbolizer.look_up(this_process(), addresses);
        wrong[t] += names.name(0) != "capi_test_known";
        if (i % 50 == 49) symbolizer.clear();
      }
    });
  for (std::thread &thread : threads) thread.join();
  for (const int count : wrong) CHECK(count == 0);
}

TEST_CASE("what is wrong is refused") {
  profcore_symbolizer *symbolizer = nullptr;
  auto options = profcore::init<profcore_symbolizer_options>();
  options.no_demangle = 2;
  CHECK_STATUS(PROFCORE_ERR_INVALID_ARGUMENT, profcore_symbolizer_new(&options, &symbolizer, err));
  options = profcore::init<profcore_symbolizer_options>();
  options.maps_ms = 3600001;
  CHECK_STATUS(PROFCORE_ERR_INVALID_ARGUMENT, profcore_symbolizer_new(&options, &symbolizer, err));
  CHECK_STATUS(PROFCORE_ERR_INVALID_ARGUMENT, profcore_symbolizer_new(nullptr, nullptr, err));
  REQUIRE(profcore_symbolizer_new(nullptr, &symbolizer, nullptr) == PROFCORE_OK);
  auto source = profcore::init<profcore_address_source>();
  profcore_symbols *symbols = nullptr;
  const uint64_t address = 1;
  const auto look_up = [&] {
    return outcome_of([&](profcore_error **err) {
             return profcore_symbolizer_look_up(symbolizer, &source, &address, nullptr, 1, &symbols,
                                                err);
           })
        .status;
  };
  source.kind = PROFCORE_ADDRESS_FILE;
  CHECK(look_up() == PROFCORE_ERR_INVALID_ARGUMENT);
  source.kind = PROFCORE_ADDRESS_PROCESS;
  CHECK(look_up() == PROFCORE_ERR_INVALID_ARGUMENT);
  source.kind = 4;
  CHECK(look_up() == PROFCORE_ERR_INVALID_ARGUMENT);
  source.kind = PROFCORE_ADDRESS_KERNEL;
  CHECK_STATUS(
      PROFCORE_ERR_INVALID_ARGUMENT,
      profcore_symbolizer_look_up(symbolizer, &source, nullptr, nullptr, 1, &symbols, err));
  CHECK_STATUS(
      PROFCORE_ERR_INVALID_ARGUMENT,
      profcore_symbolizer_look_up(symbolizer, nullptr, &address, nullptr, 1, &symbols, err));
  CHECK_STATUS(PROFCORE_ERR_INVALID_ARGUMENT,
               profcore_symbolizer_name_profile(symbolizer, nullptr, nullptr, err));
  REQUIRE(profcore_symbolizer_look_up(symbolizer, &source, nullptr, nullptr, 0, &symbols,
                                      nullptr) == PROFCORE_OK);
  auto view = profcore::init<profcore_symbols_view>();
  REQUIRE(profcore_symbols_get_view(symbols, &view, nullptr) == PROFCORE_OK);
  CHECK(view.count == 0);
  CHECK(view.module_total == 1);
  view.size = 3;
  CHECK_STATUS(PROFCORE_ERR_INVALID_ARGUMENT, profcore_symbols_get_view(symbols, &view, err));
  profcore_symbols_free(symbols);
  profcore_symbols_free(nullptr);
  auto stats = profcore::init<profcore_symbolizer_stats>();
  REQUIRE(profcore_symbolizer_get_stats(symbolizer, &stats, nullptr) == PROFCORE_OK);
  REQUIRE(profcore_symbolizer_clear(symbolizer, nullptr) == PROFCORE_OK);
  profcore_symbolizer_free(symbolizer);
  profcore_symbolizer_free(nullptr);
}
