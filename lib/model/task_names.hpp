#pragma once

#include "model/profile.hpp"

#include <string>
#include <string_view>

namespace profcore {

/// Which process and thread a sample is of, as its labels tell.
struct TaskNames {
  std::string process; ///< "" = not told
  std::string thread;  ///< "" = not told
  bool is_main = true; ///< the thread that the process began as, or threads are not told apart
  bool is_told = false;
};

/// Reads the labels `process`, `pid`, `thread` and `tid`, and other sources' words for the same. A
/// name that is missing is made of the number ("pid 7"); the idle tasks `swapper/N` are one.
TaskNames task_names(const Profile &profile, LabelSetId labels);

} // namespace profcore
