// C++ names are demangled by the C++ runtime's own function, which knows every construct its
// compiler makes. What it lacks is a bound on its output: a name may refer back to parts of itself
// (S1_ is the part number 2), parts may hold such references again, and so a few hundred bytes can
// stand for gigabytes. So the length is estimated first, from the references alone. A part may only
// refer to parts of lower number, and only by references that stand before the first one to itself;
// hence W(k) <= L + sum of W(j) for those references, L being the length of the mangled text, and
// the whole name is at most the sum over all references. That is far above the truth for real names
// (which refer often, but not in layers), and still tells bombs from them.

#include "symbolize/demangle.hpp"

#include <algorithm>
#include <cstdlib>
#include <cxxabi.h>
#include <limits>
#include <vector>

namespace profcore {
namespace {

/// An estimate, so well above what is kept: names in use stay below 1e8, bombs are above 1e12.
constexpr double kMostEstimated = 3e9;
constexpr size_t kLongestCpp = 4096;

/// "S_" is part 0, "S0_" part 1, "SZ_" part 36, "S10_" part 37; `at` is behind the S.
bool take_number(std::string_view text, size_t &at, uint32_t &part) noexcept {
  uint64_t number = 0;
  size_t digits = 0;
  for (; at < text.size() && text[at] != '_'; ++at, ++digits) {
    const char c = text[at];
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'Z' ? c - 'A' + 10 : -1;
    if (digit < 0 || digits > 5) return false;
    number = number * 36 + static_cast<uint64_t>(digit);
  }
  if (at == text.size()) return false;
  ++at;
  part = static_cast<uint32_t>(digits == 0 ? 0 : number + 1);
  return true;
}

} // namespace

double estimate_cpp_length(std::string_view mangled) {
  const auto length = static_cast<double>(mangled.size());
  struct Part {
    uint32_t number;
    double size;
    double references;
  };
  std::vector<Part> parts; // by number
  double parameters = 0;
  bool has_pack = false;
  double total = length;
  for (size_t i = 0; i + 1 < mangled.size(); ++i) {
    const char c = mangled[i];
    if (c >= '0' && c <= '9') { // a name: its letters are no references
      size_t size = 0;
      size_t at = i;
      while (at < mangled.size() && mangled[at] >= '0' && mangled[at] <= '9' && size < (1U << 20))
        size = size * 10 + static_cast<size_t>(mangled[at++] - '0');
      if (size <= mangled.size() - at && size > 0) i = at + size - 1;
      continue;
    }
    if (c == 'D' && mangled[i + 1] == 'p') has_pack = true;
    if (c != 'S' && c != 'T') continue;
    size_t at = i + 1;
    uint32_t number = 0;
    if (!take_number(mangled, at, number)) continue;
    i = at - 1;
    if (c == 'T') {
      ++parameters;
      continue;
    }
    auto found = std::lower_bound(parts.begin(), parts.end(), number,
                                  [](const Part &part, uint32_t n) { return part.number < n; });
    if (found == parts.end() || found->number != number) {
      double size = length;
      for (auto lower = parts.begin(); lower != found; ++lower)
        size += lower->references * lower->size;
      found = parts.insert(found, {number, size, 0});
      if (parts.size() > 4096) return std::numeric_limits<double>::infinity();
    }
    ++found->references;
    total += found->size;
  }
  // A template parameter stands for an argument, which stands before it; a pack for each element.
  total *= 1 + parameters / 4;
  return has_pack ? total * 4 : total;
}

bool demangle_cpp(std::string_view mangled, std::string &output) {
  output.clear();
  if (!mangled.starts_with("_Z") || mangled.size() > kLongestCpp) return false;
  if (estimate_cpp_length(mangled) > kMostEstimated) return false;
  const std::string terminated{mangled};
  int status = 0;
  char *const text = abi::__cxa_demangle(terminated.c_str(), nullptr, nullptr, &status);
  if (text == nullptr) return false;
  struct Freed {
    char *text;
    ~Freed() { std::free(text); }
  } const freed{text};
  const std::string_view view{text};
  if (status != 0 || view.size() > kLongestDemangled) return false;
  output.assign(view);
  return true;
}

bool demangle(std::string_view mangled, std::string &output) {
  output.clear();
  if (mangled.size() < 3 || mangled.size() > kLongestMangled || mangled[0] != '_') return false;
  if (mangled[1] == 'R') return demangle_rust_v0(mangled, output);
  if (mangled[1] != 'Z') return false;
  return demangle_rust_legacy(mangled, output) || demangle_cpp(mangled, output);
}

} // namespace profcore
