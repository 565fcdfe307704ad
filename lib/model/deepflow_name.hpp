#pragma once

#include "model/profile.hpp"

#include <string>
#include <string_view>

namespace profcore {

/// What DeepFlow writes in front of a frame's name.
enum class DeepflowForm : uint8_t {
  kPlain,   ///< `main`: of the executable, interpreted, or of code made at run time
  kJava,    ///< the same, the class descriptor in front of it rewritten
  kKernel,  ///< `[k] vfs_read`, never demangled
  kLibrary, ///< `[l] malloc`: the module's path has ".so" in it
  kCuda,    ///< `[c] cuLaunchKernel`
  kProcess, ///< `[p] nginx`
  kThread,  ///< `[t] worker`
};
constexpr size_t kDeepflowForms = 7;

DeepflowForm deepflow_form(const Profile &profile, const Location &location);

/// Appends a frame's name in its form. `;` separates frames and becomes `:`. A name that has one of
/// the forms already stays as it is.
void append_deepflow_name(DeepflowForm form, std::string_view name, std::string &output);

/// Appends what stands for a location without a name: `[path]` of its module, else `[unknown]
/// 0x...` with 16 digits, or `[unknown start_thread?]` for a user frame at the root.
void append_deepflow_unnamed(const Profile &profile, const Location &location, bool at_root,
                             std::string &output);

/// `[p] ...` or `[t] ...`.
bool is_deepflow_task(std::string_view name);

/// `module+0x...` or `module+fn_0x...` (a function known by its bounds alone): a name that stands
/// for "somewhere in this module".
bool is_place_in_module(std::string_view name, std::string_view module);

} // namespace profcore
