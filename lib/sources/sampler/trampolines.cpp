// CPython 3.12 and newer with -X perf runs every Python function through a copy of a few
// instructions of its own, so that profilers find a name for it in /tmp/perf-PID.map. The copies
// fill arenas of 64 KiB of anonymous memory. They keep no frame pointer and have no call frame
// information: a walk that meets one would end there. But they are all alike,
//
//     [endbr64]  sub $8, %rsp   call *%rcx   add $8, %rsp   ret
//
// packed or aligned, according to version and options. So the beginning of each anonymous mapping
// of a process with Python in it is read once, when the mapping is new: the kernel tells of it when
// it becomes executable, and it is filled by then. Later versions push the frame pointer instead
// and need nothing; so does aarch64.

#include "sources/sampler/trampolines.hpp"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace profcore::sampler {
namespace {

constexpr std::array<uint8_t, 15> kInstructions = {0xf3, 0x0f, 0x1e, 0xfa, // endbr64
                                                   0x48, 0x83, 0xec, 0x08, // sub $8, %rsp
                                                   0xff, 0xd1,             // call *%rcx
                                                   0x48, 0x83, 0xc4, 0x08, // add $8, %rsp
                                                   0xc3};                  // ret
constexpr uint8_t kEndbr = 4;
constexpr size_t kAligned = 16;
constexpr size_t kPadded = 272; ///< with -X perf_jit
constexpr uint32_t kArena = 65536;
constexpr uint32_t kMostArenas = 64; ///< in one mapping: some 300,000 functions
constexpr size_t kLooked = 1024;     ///< two copies, wherever the second one is

bool has_python(const Process &process, const ModuleFiles &files) {
  return std::any_of(process.mappings.begin(), process.mappings.end(), [&](const Mapping &mapping) {
    return mapping.module != ModuleFiles::kNone &&
           files[mapping.module].path.find("python") != std::string::npos;
  });
}

} // namespace

Trampolines read_trampolines(std::span<const uint8_t> code) {
  for (const uint8_t skipped : {uint8_t{0}, kEndbr}) {
    const std::span<const uint8_t> copy{kInstructions.begin() + skipped, kInstructions.end()};
    if (code.size() < copy.size() || !std::equal(copy.begin(), copy.end(), code.begin())) continue;
    const auto second = std::search(code.begin() + static_cast<ptrdiff_t>(copy.size()), code.end(),
                                    copy.begin(), copy.end());
    // CPython's distances only: each form takes room for rows, and any process can say that it is
    // CPython.
    const auto stride = static_cast<size_t>(second - code.begin());
    if (second == code.end() || (stride != copy.size() && stride != kAligned && stride != kPadded))
      return {};
    return {static_cast<uint16_t>(stride), static_cast<uint8_t>(kEndbr - skipped)};
  }
  return {};
}

FileRows make_trampoline_rows(Trampolines trampolines) {
  FileRows result;
  if (trampolines.stride == 0) return result;
  PodVector<unwind_row> &rows = result.rows;
  const auto add = [&](uint32_t pc, int16_t words) {
    if (!rows.empty() && rows.back().cfa == words) return;
    rows.push_back({pc, words, UNWIND_RULE_SP, 0});
  };
  const uint32_t pushed = trampolines.first + 4U; // behind the sub
  const uint32_t popped = pushed + 6;             // behind the add
  for (uint32_t copy = 0; copy + popped < kArena; copy += trampolines.stride) {
    add(copy, 1);
    add(copy + pushed, 2);
    add(copy + popped, 1);
  }
  // Arenas side by side are one mapping. In the later ones this holds for whoever has called.
  add(kArena, 2);
  result.end = kMostArenas * kArena;
  return result;
}

void find_trampolines(Process &process, ModuleFiles &files) {
  const auto is_new = [](const Mapping &mapping) {
    return mapping.module == ModuleFiles::kNone && !mapping.was_looked_at;
  };
  if (std::none_of(process.mappings.begin(), process.mappings.end(), is_new)) return;
  Descriptor memory;
  if (has_python(process, files))
    memory =
        Descriptor{open(fmt::format("/proc/{}/mem", process.pid).c_str(), O_RDONLY | O_CLOEXEC)};
  for (Mapping &mapping : process.mappings) {
    if (!is_new(mapping)) continue;
    mapping.was_looked_at = true;
    if (!memory.is_open()) continue;
    std::array<uint8_t, kLooked> code;
    const ssize_t got = pread(memory.get(), code.data(),
                              std::min<uint64_t>(code.size(), mapping.end - mapping.start),
                              static_cast<off_t>(mapping.start));
    if (got <= 0) continue;
    const Trampolines form = read_trampolines({code.data(), static_cast<size_t>(got)});
    if (form.stride == 0) continue;
    mapping.trampolines = files.add_trampolines(form);
    mapping.made_by = process.pid;
  }
}

} // namespace profcore::sampler
