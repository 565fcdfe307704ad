#pragma once

#include "model/profile.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace profcore {

/// What addresses are in.
struct AddressSource {
  enum Kind : uint8_t { kKernel, kProcess, kFileOffset, kFile };

  Kind kind = kKernel;
  int32_t pid = 0;         ///< of kProcess
  uint64_t start_time = 0; ///< of kProcess; 0 = whoever has the pid
  std::string path;        ///< of a file
  std::string build_id;    ///< that it must have; empty = any
};

/// Names of addresses, by their place in what was asked. Texts are in one block and end in NUL.
struct NamedAddresses {
  /// A text's place in `texts`.
  struct Text {
    uint32_t offset = 0;
    uint32_t size = 0;
  };
  struct NameLine {
    Text name, system_name, file;
    int64_t line = 0;
    int64_t column = 0;
  };

  std::vector<uint32_t> first_line, line_count, module;
  std::vector<uint8_t> reason, flags;
  std::vector<NameLine> lines;
  std::vector<Text> modules; ///< paths; the first is none
  std::string texts;
};

} // namespace profcore
