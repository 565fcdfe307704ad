#pragma once

#include "base/pod_vector.hpp"
#include "sources/sampler/module_files.hpp"
#include "sources/sampler/perf_records.hpp"
#include "sources/sampler/process_table.hpp"
#include "unwind_row.h"

#include <cstdint>
#include <span>
#include <vector>

namespace profcore::sampler {

/// Walks stacks that were copied, by the step and the rows that the kernel's program has, too: see
/// bpf/unwind_step.h. A file's rows are made when the first frame lies in it.
class UserUnwinder {
public:
  /// Rows take at most `row_budget` bytes; files beyond it are walked by frame pointers.
  UserUnwinder(ModuleFiles &files, uint64_t row_budget) : files_{files}, budget_{row_budget} {}

  struct Walk {
    size_t frames = 0;
    uint8_t stop = 0; ///< enum unwind_stop
  };
  /// Fills `frames`, leaf first, with frames as in bpf/sampler.h. Without a process they are plain
  /// addresses.
  Walk walk(const Process *process, const SampleRecord &sample, std::span<uint64_t> frames);

  /// Makes the rows of a file that process `pid` has mapped, if that was not done yet.
  void prepare(int32_t pid, const Mapping &mapping);
  /// To be called once a window, after the files' own `age`, with what is mapped now, by number:
  /// numbers of files that were forgotten are given anew, and rows that nobody needs make room.
  void age(const std::vector<bool> &mapped);

  uint64_t rows() const noexcept { return used_ / sizeof(unwind_row); }
  uint64_t bytes() const noexcept { return used_; }
  /// Of those that frames lay in.
  uint64_t files_without_rows() const noexcept;
  uint64_t evicted() const noexcept { return evicted_; }
  /// CPU time of `prepare`, which walks do, too.
  uint64_t preparing_nanoseconds() const noexcept { return preparing_; }

private:
  struct Table {
    PodVector<unwind_row> rows;
    uint64_t base = 0; ///< the ELF address that the rows' pcs count from
    bool found_no_room = false;
    uint8_t failures = 0; ///< to open the file, in this window
  };

  const unwind_row *find_row(int32_t pid, const Mapping &mapping, uint64_t pc);
  void take(Table &table, PodVector<unwind_row> rows, uint64_t base);
  void drop(Table &table);

  ModuleFiles &files_;
  uint64_t budget_;
  uint64_t used_ = 0;
  uint64_t evicted_ = 0;
  uint64_t preparing_ = 0;
  std::vector<Table> tables_; ///< by module
};

} // namespace profcore::sampler
