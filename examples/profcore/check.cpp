#include "common.hpp"

#include <array>
#include <fmt/format.h>
#include <sys/utsname.h>

namespace {

constexpr std::array kOptions = {
    Option{"json", 0, "", "as JSON"},
};

int run(const Arguments &arguments) {
  if (!arguments.positional().empty()) throw UsageError{"check takes no arguments"};
  utsname system{};
  uname(&system);
  const std::string headers = fmt::format("{}.{}.{}", PROFCORE_VERSION_MAJOR,
                                          PROFCORE_VERSION_MINOR, PROFCORE_VERSION_PATCH);
  if (arguments.has("json")) {
    std::string features;
    std::string_view left = profcore_features_get();
    while (!left.empty()) {
      const std::string_view word = left.substr(0, left.find(' '));
      left.remove_prefix(std::min(left.size(), word.size() + 1));
      const size_t equals = word.find('=');
      features += fmt::format("{}\"{}\":{}", features.empty() ? "" : ",", word.substr(0, equals),
                              word.substr(equals + 1) == "yes");
    }
    std::string needs;
    for (const profcore_sampler_need &need : profcore::Sampler::needs())
      needs += fmt::format("{}{{\"need\":\"{}\",\"have\":\"{}\",\"met\":{},\"hard\":{},"
                           "\"consequence\":\"{}\",\"fix\":\"{}\"}}",
                           needs.empty() ? "" : ",", need.need, need.have, need.is_met != 0,
                           need.is_hard != 0, need.consequence, need.fix);
    fmt::print("{{\"library\":\"{}\",\"headers\":\"{}\",\"features\":{{{}}},\"kernel\":\"{}\","
               "\"machine\":\"{}\",\"recording\":[{}]}}\n",
               profcore_version_get(), headers, features, system.release, system.machine, needs);
    return kExitOk;
  }
  fmt::print("library   {}\nheaders   {}\nfeatures  {}\nkernel    {} {} {}\n",
             profcore_version_get(), headers, profcore_features_get(), system.sysname,
             system.release, system.machine);
  fmt::print("\nrecording\n");
  for (const profcore_sampler_need &need : profcore::Sampler::needs()) {
    fmt::print("  {}  {:<26} {}\n",
               need.is_met != 0    ? "ok     "
               : need.is_hard != 0 ? "MISSING"
                                   : "missing",
               need.need, need.have);
    if (need.is_met == 0) fmt::print("           {}\n           {}\n", need.consequence, need.fix);
  }
  if (headers != profcore_version_get())
    print_warning("the tool was built against other headers than the library that runs");
  return kExitOk;
}

} // namespace

const Command kCheck{"check",
                     "[--json]",
                     "Tells the versions and what this build can read and do.",
                     "\nExamples:\n"
                     "  profcore check\n"
                     "  profcore check --json\n",
                     {kOptions, kGeneralOptions},
                     run};
