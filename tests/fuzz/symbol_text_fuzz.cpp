// Any text as a perf map, as kallsyms, as /proc/modules and as a mangled name. The first byte
// chooses; a text that comes in two parts must read as it does in one.
#include "base/error.hpp"
#include "symbolize/demangle.hpp"
#include "symbolize/java_name.hpp"
#include "symbolize/kernel_symbols.hpp"
#include "symbolize/perf_map.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace profcore;

namespace {

void perf_map(std::string_view text) {
  PerfMap whole;
  whole.append(text);
  PerfMap parts;
  size_t end = text.find('\n', text.size() / 2);
  end = end == std::string_view::npos ? text.size() : end + 1;
  parts.append(text.substr(0, end));
  parts.append(text.substr(end));
  if (whole.lines() != parts.lines() || whole.bad_lines() != parts.bad_lines()) std::abort();
  for (uint64_t at = 0; at < text.size(); ++at) {
    uint64_t address = 0; // what the text itself may hold
    for (size_t i = at; i < text.size() && i < at + 16; ++i) {
      const char c = text[i];
      if (c >= '0' && c <= '9')
        address = address << 4 | static_cast<uint64_t>(c - '0');
      else if (c >= 'a' && c <= 'f')
        address = address << 4 | static_cast<uint64_t>(c - 'a' + 10);
      else
        break;
    }
    const uint32_t a = whole.find(address);
    const uint32_t b = parts.find(address);
    if ((a == PerfMap::kNotFound) != (b == PerfMap::kNotFound)) std::abort();
    if (a != PerfMap::kNotFound && whole.name(a) != parts.name(b)) std::abort();
    if (at > 4096) break;
  }
}

void kallsyms(std::string_view text) {
  const auto modules = parse_kernel_modules(text);
  KallsymsParser whole;
  whole.feed(text);
  whole.finish(modules);
  KallsymsParser parts;
  for (size_t at = 0; at < text.size(); at += 5) parts.feed(text.substr(at, 5));
  parts.finish(modules);
  if (whole.bad_lines() != parts.bad_lines() || whole.restricted() != parts.restricted())
    std::abort();
  const KernelTable a = whole.take_core();
  const KernelTable b = parts.take_core();
  if (a.size() != b.size() || a.begin() != b.begin() || a.end() != b.end()) std::abort();
  if (a.size() > 0 && a.name(a.find(a.begin())) != b.name(b.find(a.begin()))) std::abort();
  const KernelTable m = whole.take_modules();
  if (m.size() > 0) (void)m.name(m.find(m.begin()));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text{reinterpret_cast<const char *>(data) + 1, size - 1};
  try {
    switch (data[0] % 3) {
    case 0:
      perf_map(text);
      break;
    case 1:
      kallsyms(text);
      break;
    default: {
      std::string output;
      if (java_method_name(text, output) != (java_frame_kind(text) == FrameKind::kJavaCompiled))
        std::abort();
      if (demangle(text, output) && output.size() > kLongestDemangled) std::abort();
    }
    }
  } catch (const Error &) {
    // A clear refusal.
  }
  return 0;
}
