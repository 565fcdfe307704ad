#include "output/svg_style.hpp"

#include "base/hash.hpp"
#include "model/profile.hpp"
#include "output/text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>

namespace profcore {
namespace {

constexpr unsigned kShades = 8;
constexpr uint64_t kShadeSeed = 0x70726f66; // fixed: colours must not change from run to run

/// Hue range in degrees and saturation of a family. Lightness is spread over the shades.
struct Family {
  char letter;
  int first_hue;
  int last_hue;
  int saturation;
};

constexpr std::array kFamilies = {
    Family{'u', 18, 48, 88},   // native code
    Family{'k', 352, 368, 62}, // kernel
    Family{'j', 92, 140, 48},  // Java and other managed code
    Family{'p', 198, 222, 66}, // Python
    Family{'i', 168, 188, 44}, // inlined
    Family{'t', 225, 255, 16}, // groups: processes, threads, labels
    Family{'x', 268, 292, 42}, // GPU
};

char family_of(uint32_t kind) {
  switch (static_cast<FrameKind>(kind)) {
  case FrameKind::kKernel:
    return 'k';
  case FrameKind::kJavaInterpreted:
  case FrameKind::kJavaCompiled:
  case FrameKind::kManaged:
    return 'j';
  case FrameKind::kPython:
    return 'p';
  case FrameKind::kJavaInlined:
  case FrameKind::kInlined:
    return 'i';
  case FrameKind::kThread:
  case FrameKind::kProcess:
  case FrameKind::kLabel:
    return 't';
  case FrameKind::kGpu:
    return 'x';
  default:
    return 'u';
  }
}

/// HSL to #rrggbb, in integers: the same text on every machine. hue 0..359, others in percent.
std::string hex_colour(int hue, int saturation, int lightness) {
  const int chroma = (100 - std::abs(2 * lightness - 100)) * saturation; // of 10000
  const int ramp = chroma * (60 - std::abs(hue % 120 - 60)) / 60;        // second component
  const int low = lightness * 100 - chroma / 2;
  const int sector = hue / 60 % 6;
  const std::array<std::array<int, 3>, 6> mix = {{{chroma, ramp, 0},
                                                  {ramp, chroma, 0},
                                                  {0, chroma, ramp},
                                                  {0, ramp, chroma},
                                                  {ramp, 0, chroma},
                                                  {chroma, 0, ramp}}};
  std::array<int, 3> byte{};
  for (size_t i = 0; i < 3; ++i)
    byte[i] =
        std::clamp(((mix[static_cast<size_t>(sector)][i] + low) * 255 + 5000) / 10000, 0, 255);
  return fmt::format("#{:02x}{:02x}{:02x}", byte[0], byte[1], byte[2]);
}

void append_rule(std::string_view selector, const std::string &colour, Buffer &output) {
  append(fmt::format(".{}{{fill:{}}}", fmt::string_view{selector.data(), selector.size()}, colour),
         output);
}

void append_families(bool dark, Buffer &output) {
  for (const Family &family : kFamilies) {
    for (unsigned shade = 0; shade < kShades; ++shade) {
      const int step = static_cast<int>(shade);
      const int span = family.last_hue - family.first_hue;
      const int hue = (family.first_hue + span * step / static_cast<int>(kShades - 1)) % 360;
      // Neighbouring shades differ in lightness too, or bars of one family run together.
      const int spread = (step * 5) % static_cast<int>(kShades);
      const int lightness = dark ? 27 + spread : 68 + spread * 3 / 2;
      const int saturation = dark ? family.saturation * 11 / 20 : family.saturation;
      append_rule(fmt::format("{}{}", family.letter, shade), hex_colour(hue, saturation, lightness),
                  output);
    }
  }
}

void append_changes(bool dark, Buffer &output) {
  append_rule("z", dark ? "#3a3f47" : "#e4e4e2", output);
  append_rule("n", dark ? "#6f3f86" : "#d5a6ea", output);
  for (int step = 1; step <= 8; ++step) {
    const int lightness = dark ? 25 + step * 2 : 92 - step * 4;
    const int saturation = dark ? 20 + step * 5 : 40 + step * 5;
    append_rule(fmt::format("g{}", step), hex_colour(4, saturation, lightness), output);
    append_rule(fmt::format("s{}", step), hex_colour(214, saturation, lightness), output);
  }
}

} // namespace

std::string frame_style(uint32_t kind, std::string_view name) {
  const uint64_t hash = hash_bytes(name, kShadeSeed);
  return {family_of(kind), static_cast<char>('0' + hash % kShades)};
}

std::string diff_style(int64_t total, int64_t whole, int64_t base_total, int64_t base_whole) {
  if (base_total == 0 && total != 0) return "n";
  const double share = whole == 0 ? 0 : static_cast<double>(total) / static_cast<double>(whole);
  const double base =
      base_whole == 0 ? 0 : static_cast<double>(base_total) / static_cast<double>(base_whole);
  const double larger = std::max(std::abs(share), std::abs(base));
  if (larger == 0) return "z";
  // Relative to the node itself: a small function that doubled is as red as a large one.
  const double change = (share - base) / larger;
  const int step = static_cast<int>(std::lround(std::clamp(std::abs(change), 0.0, 1.0) * 8));
  if (step == 0) return "z";
  return fmt::format("{}{}", change > 0 ? 'g' : 's', step);
}

void append_stylesheet(bool is_diff, Buffer &output) {
  append("svg{font:11px ui-monospace,SFMono-Regular,Menlo,Consolas,\"DejaVu Sans Mono\",monospace}"
         ".bg{fill:#fff}text{fill:#1b1b1b}.h{font-size:16px;font-weight:600}"
         ".h,.d{font-family:system-ui,\"Segoe UI\",Roboto,\"DejaVu Sans\",sans-serif}"
         ".d{fill:#5c5c5c}.root{fill:#d9dbe0}g:hover>rect{stroke:#1b1b1b}",
         output);
  if (is_diff)
    append_changes(false, output);
  else
    append_families(false, output);
  append("@media(prefers-color-scheme:dark){.bg{fill:#16181d}text{fill:#e6e6e6}.d{fill:#9aa0aa}"
         ".root{fill:#3a3f4a}g:hover>rect{stroke:#e6e6e6}",
         output);
  if (is_diff)
    append_changes(true, output);
  else
    append_families(true, output);
  append("}", output);
}

} // namespace profcore
