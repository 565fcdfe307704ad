#pragma once

#include "model/profile.hpp"

#include <string>
#include <string_view>

namespace profcore {

/// The last part of a module's path; of its last 4096 bytes, as it is asked for per address.
std::string_view module_name(const Profile &profile, ModuleId module) noexcept;

/// What stands for a location without lines: `module+0xoffset` (the offset into the module's file,
/// so that it can be looked up there), `0xaddress` when the module is not known or does not hold
/// the address, `(truncated)` where the stack was cut.
void append_location_name(const Profile &profile, const Location &location, std::string &output);

/// A function's name, else its system name, else "" (then `append_location_name` has to do).
std::string_view function_name(const Profile &profile, FunctionId function) noexcept;

/// What code of a module is, by its path: the kernel or one of its modules (kKernel), what was
/// compiled at run time (perf-PID.map: kManaged), a shared library or the vDSO (kLibrary), else
/// kUser.
FrameKind kind_of_module(std::string_view path) noexcept;

/// The kind of line `index` (0 = innermost) of a location: its own for the outermost line; for the
/// others an inlined kind, or the location's own where inlining is not told apart (kernel ...).
FrameKind line_kind(const Location &location, size_t index) noexcept;

/// Stable lower-case words ("kernel", "java_inlined" ...), as the JSON outputs have them.
std::string_view frame_kind_name(FrameKind kind) noexcept;
std::string_view unnamed_reason_name(UnnamedReason reason) noexcept;

} // namespace profcore
