#pragma once

#include "symbolize/elf_image.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace profcore {

/// One line of source at an address, the innermost function's first where functions were inlined.
struct SourceLine {
  std::string function; ///< as the object file has it (mangled)
  std::string file;
  int64_t line = 0;
  int64_t column = 0;
  int64_t function_line = 0;
};

/// What can say more of an address than a symbol: DWARF with its inlined calls, a jitdump's debug
/// lines, Go's pclntab. A module asks its line source first and its symbols where that has no
/// answer, so a source that is damaged or lacks a unit costs nothing but its own part.
///
/// Made once per file, used by all threads at the same time: `lines_at` must be safe for that.
class LineSource {
public:
  virtual ~LineSource() = default;
  /// Appends the lines at a linked address, innermost first; false when it knows none.
  virtual bool lines_at(uint64_t address, std::vector<SourceLine> &lines) const = 0;
  /// Memory held, counted in the symbolizer's budget.
  virtual size_t bytes() const = 0;
};

/// Opens the line source of a file, or gives none. The image's bytes may only be read during the
/// call. Failures are answered by "none".
class LineSourceFactory {
public:
  virtual ~LineSourceFactory() = default;
  virtual std::unique_ptr<LineSource> open(const ElfImage &image, uint64_t max_bytes) = 0;
};

} // namespace profcore
