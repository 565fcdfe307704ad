#pragma once

// As much of an ELF file as unwinding needs: where its code lies and its call frame information.
// (Names and build ids are the symbolizer's business, which this layer does not see.)

#include "base/pod_vector.hpp"

#include <cstdint>
#include <span>

namespace profcore {

enum class Machine : uint8_t { kX86_64, kAarch64 };

/// A loadable segment with code.
struct CodeSegment {
  uint64_t address;
  uint64_t file_offset;
  uint64_t size; ///< in memory
};

struct FrameSection {
  std::span<const uint8_t> bytes; ///< as in the file, perhaps compressed
  uint64_t address = 0;
  bool compressed = false;
  bool found() const noexcept { return !bytes.empty(); }
};

/// A procedure linkage table.
struct PltSection {
  std::span<const uint8_t> bytes;
  uint64_t address;
  bool is_lazy; ///< ".plt": may bind at the first call, with a common part at its start
};

struct ElfSections {
  Machine machine = Machine::kX86_64;
  bool big_endian = false;
  bool is_go = false; ///< has Go's own function table
  PodVector<CodeSegment> code;
  FrameSection eh_frame;
  FrameSection debug_frame;
  PltSection plt[4] = {};
  size_t plt_count = 0;
};

/// Only 64-bit executables and shared objects of the machines above; Error kMalformed or
/// kUnsupported for anything else. A table that goes past the file is as if it were not there.
ElfSections read_elf_sections(std::span<const uint8_t> file);

} // namespace profcore
