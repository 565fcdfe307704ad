#pragma once

#include <cstdint>

namespace profcore::sampler {

/// The number of the pid namespace that this process is in, and that its ids and /proc's are of; 0
/// for the first one. Throws Error (unsupported) when /proc is not of this namespace, since then
/// the same number would mean two processes.
uint32_t own_pid_namespace();
bool is_proc_of_own_namespace();

} // namespace profcore::sampler
