#pragma once

#include "sampler.h"
#include "sources/sampler/process_table.hpp"

namespace profcore::sampler {

/// The kernel's copy of a process: its mappings, each with the rows of its file. Mappings past
/// SAMPLER_MAX_MAPPINGS are left out: false.
bool make_bpf_process(const Process &process, const ModuleFiles &files, sampler_process &to);

} // namespace profcore::sampler
