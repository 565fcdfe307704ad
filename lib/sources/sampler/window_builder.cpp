#include "sources/sampler/window_builder.hpp"

#include "model/frame_name.hpp"
#include "unwind_row.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <sys/utsname.h>

namespace profcore::sampler {
namespace {

std::string_view comm_of(const char (&comm)[SAMPLER_COMM]) {
  return {comm, strnlen(comm, sizeof comm)};
}

/// Why a walk ended before the root, in words.
std::string_view stop_text(uint8_t stop) {
  switch (stop) {
  case UNWIND_NO_TABLE:
    return "no unwind information and no frame pointer";
  case UNWIND_GAP:
    return "code without unwind information and no frame pointer";
  case UNWIND_UNSUPPORTED:
    return "unwind information of an unsupported form";
  case UNWIND_BAD_FP:
    return "bad frame pointer";
  case UNWIND_UNREADABLE:
    return "stack not readable";
  case UNWIND_SP_NOT_RISING:
    return "stack does not lead upwards";
  case UNWIND_BAD_PC:
    return "bad return address";
  case UNWIND_NO_LR:
    return "no link register";
  case UNWIND_DEPTH:
    return "deeper than is kept";
  case UNWIND_NOT_READY:
    return "new process or file: by frame pointers";
  case UNWIND_CUT:
    return "stack longer than the copy of it";
  default:
    return "other";
  }
}

} // namespace

void add_code_of_no_file(const sampler_stack &stack, size_t most,
                         std::vector<uint64_t> &addresses) {
  for (size_t i = 0; i < stack.user_frames && addresses.size() < most; ++i)
    if ((stack.frames[i] & SAMPLER_FRAME_IN_MODULE) == 0) addresses.push_back(stack.frames[i]);
}

bool StackStore::add(const sampler_stack &stack, size_t size) {
  const size_t frames = size_t{stack.user_frames} + stack.kernel_frames;
  if (size < SAMPLER_STACK_HEAD || frames > 2 * SAMPLER_MAX_FRAMES ||
      size < SAMPLER_STACK_HEAD + frames * sizeof(uint64_t) || frames_.size() > UINT32_MAX - frames)
    return false;
  const auto [at, is_new] = stacks_.try_emplace(stack.hash);
  if (!is_new) return true;
  at->second = {static_cast<uint32_t>(frames_.size()), stack.user_frames, stack.kernel_frames,
                stack.stop};
  frames_.insert(frames_.end(), stack.frames, stack.frames + frames);
  return true;
}

const StackStore::Stack *StackStore::find(uint64_t hash) const {
  const auto found = stacks_.find(hash);
  return found == stacks_.end() ? nullptr : &found->second;
}

void StackStore::clear() {
  frames_.clear();
  stacks_.clear();
}

WindowBuilder::WindowBuilder(const Options &options, ModuleFiles &files, ProcessTable &processes,
                             const StackStore &stacks, std::string_view comment)
    : options_{options}, files_{files}, processes_{processes}, stacks_{stacks} {
  Profile &profile = window_.profile;
  profile.add_sample_type("samples", "count");
  profile.add_sample_type("cpu", "nanoseconds");
  profile.meta.period_type = profile.intern("cpu");
  profile.meta.period_unit = profile.intern("nanoseconds");
  profile.meta.default_type = profile.intern("cpu");
  profile.meta.source_format = profile.intern("profcore");
  utsname host{};
  if (uname(&host) == 0) profile.meta.host = profile.intern(host.nodename);
  profile.meta.comments.push_back(profile.intern(comment));
  window_.origins.resize(1); // module 0 is none
}

ModuleId WindowBuilder::add_module(const Module &module, ModuleOrigin origin) {
  const ModuleId id = window_.profile.add_module(module);
  if (window_.origins.size() <= id) window_.origins.resize(size_t{id} + 1);
  window_.origins[id] = std::move(origin);
  return id;
}

ModuleId WindowBuilder::module_of_file(uint32_t file, const Owner &owner) {
  const auto known = file_modules_.find(file);
  if (known != file_modules_.end()) return known->second;
  const ModuleFile &from = files_[file];
  if (!from.file.is_open() && owner.process != nullptr) // too many are open: for this window only
    for (const Mapping &mapping : owner.process->mappings)
      if (mapping.module == file &&
          files_.reopen(file, owner.process->pid, mapping.start, mapping.end,
                        false)) // the window has the descriptors of others already
        break;
  Module module;
  module.path = window_.profile.intern(from.path);
  module.build_id = window_.profile.intern(from.build_id);
  // Addresses are offsets in the file, so that the processes that share it share its frames.
  for (const CodeSegment &part : from.code)
    module.end = std::max(module.end, part.file_offset + part.size);
  if (module.end == 0) module.end = UINT64_C(1) << SAMPLER_FRAME_OFFSET_BITS;
  ModuleOrigin origin;
  origin.fd = from.file.get();
  const ModuleId id = add_module(module, std::move(origin));
  file_modules_.emplace(file, id);
  return id;
}

ModuleId WindowBuilder::jit_module_of(const Owner &owner) {
  const int32_t pid = owner.pid;
  const auto known = jit_modules_.find(owner.identity());
  if (known != jit_modules_.end()) return known->second;
  ModuleOrigin origin;
  origin.pid = pid;
  origin.namespace_pid = namespace_pid_of(pid);
  if (owner.process != nullptr) {
    origin.start_time = owner.process->start_time;
    origin.omits_frame_pointers = owner.process->omits_frame_pointers;
  }
  Module module;
  module.path = window_.profile.intern(fmt::format("/tmp/perf-{}.map", origin.namespace_pid));
  // Two processes of two containers may have the same path: the range tells the modules apart.
  module.end = UINT64_MAX;
  module.build_id = window_.profile.intern(
      origin.namespace_pid == pid ? std::string{} : fmt::format("pid-{}", pid));
  const ModuleId id = add_module(module, std::move(origin));
  jit_modules_.emplace(owner.identity(), id);
  return id;
}

WindowBuilder::Owner WindowBuilder::owner_of(const sampler_key &key) {
  const auto pid = static_cast<int32_t>(key.tgid);
  return {pid, key.started, processes_.find(pid, key.started)};
}

/// Who wrote the names of anonymous memory: CPython's child processes run on what their parent
/// made.
WindowBuilder::Owner WindowBuilder::maker_of(const Mapping &mapping, const Owner &owner) {
  if (mapping.made_by == 0 || mapping.made_by == owner.pid) return owner;
  Process *maker = processes_.find(mapping.made_by);
  if (maker != nullptr && maker->start_time > owner.process->start_time)
    return owner; // its id has been given to another
  const uint32_t started = maker != nullptr ? SAMPLER_STARTED(maker->start_time) : 0;
  return {mapping.made_by, started, maker};
}

LocationId WindowBuilder::user_frame(uint64_t frame, const Owner &owner) {
  const bool in_module = (frame & SAMPLER_FRAME_IN_MODULE) != 0;
  const std::pair<uint64_t, uint64_t> key{frame, in_module ? 0 : owner.identity()};
  const auto known = locations_.find(key);
  if (known != locations_.end()) return known->second;
  Location location;
  location.kind = FrameKind::kUser;
  location.reason = UnnamedReason::kNotAttempted;
  auto file = ModuleFiles::kNone;
  location.address = frame;
  if (in_module) {
    file = static_cast<uint32_t>(frame >> SAMPLER_FRAME_OFFSET_BITS & SAMPLER_FRAME_MODULE_MASK);
    location.address = frame & SAMPLER_FRAME_OFFSET_MASK;
  } else if (owner.process != nullptr) {
    location.reason = UnnamedReason::kNoModule;
    for (const Mapping &mapping : owner.process->mappings) {
      if (frame < mapping.start || frame >= mapping.end) continue;
      file = mapping.module;
      if (file == ModuleFiles::kNone) { // anonymous: a JIT compiler's
        location.module = jit_module_of(maker_of(mapping, owner));
        location.kind = FrameKind::kManaged;
        location.reason = UnnamedReason::kNotAttempted;
      } else {
        location.address = frame - mapping.start + mapping.offset;
      }
      break;
    }
  }
  if (file != ModuleFiles::kNone && file < files_.size()) {
    location.module = module_of_file(file, owner);
    location.reason = UnnamedReason::kNotAttempted;
    location.kind = kind_of_module(files_[file].path);
  }
  const LocationId id = window_.profile.add_location(location, {});
  locations_.emplace(key, id);
  return id;
}

/// A frame that stands for what is not known.
LocationId WindowBuilder::named_frame(std::string_view name) {
  Function function;
  function.name = window_.profile.intern(name);
  Line line;
  line.function = window_.profile.add_function(function);
  return window_.profile.add_location({}, {&line, 1});
}

LocationId WindowBuilder::kernel_frame(uint64_t address) {
  const std::pair<uint64_t, uint64_t> key{address, 1};
  const auto known = locations_.find(key);
  if (known != locations_.end()) return known->second;
  if (kernel_module_ == 0) {
    Module module;
    module.path = window_.profile.intern("[kernel.kallsyms]");
    module.start = UINT64_C(1) << 63;
    module.end = UINT64_MAX;
    module.offset = module.start;
    kernel_module_ = add_module(module, {});
  }
  Location location;
  location.address = address;
  location.module = kernel_module_;
  location.kind = FrameKind::kKernel;
  location.reason = UnnamedReason::kNotAttempted;
  const LocationId id = window_.profile.add_location(location, {});
  locations_.emplace(key, id);
  return id;
}

StackId WindowBuilder::stack_of(const sampler_key &key) {
  const Owner owner = owner_of(key);
  const std::pair<uint64_t, uint64_t> identity{key.stack, owner.identity()};
  const auto known = made_stacks_.find(identity);
  if (known != made_stacks_.end()) return known->second;
  StackTrie &trie = window_.profile.stacks;
  StackId stack = 0;
  if (key.tgid == 0) stack = trie.child(stack, named_frame("[outside this pid namespace]"));
  if (const StackStore::Stack *found = stacks_.find(key.stack)) {
    const std::span<const uint64_t> frames = stacks_.frames(*found);
    for (size_t i = found->user; i-- > 0;) stack = trie.child(stack, user_frame(frames[i], owner));
    for (size_t i = found->kernel; i-- > 0;) {
      // A return address may be the first of the next function: the call is before it.
      const uint64_t address = frames[size_t{found->user} + i];
      stack = trie.child(stack, kernel_frame(i == 0 ? address : address - 1));
    }
  }
  made_stacks_.emplace(identity, stack);
  return stack;
}

LabelSetId WindowBuilder::labels_of(const sampler_key &key, const sampler_count &count) {
  Profile &profile = window_.profile;
  std::array<Label, 8> labels;
  size_t filled = 0;
  const auto text = [&](std::string_view name, std::string_view value) {
    Label &label = labels[filled++];
    label.key = profile.intern(name);
    label.text = profile.intern(value);
  };
  const auto number = [&](std::string_view name, int64_t value) {
    Label &label = labels[filled++];
    label.key = profile.intern(name);
    label.is_number = 1;
    label.number = value;
  };
  if (key.tgid == 0) { // the sampler is in a container; what is outside has no ids here
    text("process", "outside this pid namespace");
    if (options_.per_cpu) number("cpu", key.cpu);
    return profile.add_label_set({labels.data(), filled});
  }
  text("process", comm_of(count.process_comm));
  number("pid", key.tgid);
  if (Process *process = owner_of(key).process) {
    const std::string &container = processes_.container_of(*process);
    if (!container.empty()) text("container", container);
  }
  if (options_.per_thread) {
    text("thread", comm_of(count.comm));
    number("tid", key.tid);
  }
  if (options_.per_cpu) number("cpu", key.cpu);
  if (const StackStore::Stack *stack = stacks_.find(key.stack))
    if (stack->user != 0 && stack->stop >= UNWIND_FIRST_INCOMPLETE)
      text("incomplete", stop_text(stack->stop));
  return profile.add_label_set({labels.data(), filled});
}

bool WindowBuilder::add(const sampler_key &key, const sampler_count &count) {
  const bool arrived = stacks_.find(key.stack) != nullptr;
  StackId stack = 0;
  if (arrived) {
    stack = stack_of(key);
  } else {
    stack = window_.profile.stacks.child(0, named_frame("[stack trace lost]"));
  }
  const std::array<int64_t, 2> values{static_cast<int64_t>(count.samples),
                                      static_cast<int64_t>(count.nanoseconds)};
  samples_ += values[0];
  nanoseconds_ += values[1];
  window_.profile.add_sample(stack, labels_of(key, count), values);
  return arrived;
}

Window WindowBuilder::finish(int64_t start_ns, int64_t duration_ns) {
  // The frequency may have been lowered meanwhile: this is the average.
  const int64_t period =
      samples_ > 0 ? nanoseconds_ / samples_ : INT64_C(1000000000) / options_.frequency;
  for (SampleType &type : window_.profile.mutable_sample_types()) type.period = period;
  window_.profile.meta.period = period;
  window_.profile.meta.frequency_hz =
      std::round(1e9 / static_cast<double>(std::max(period, INT64_C(1))));
  window_.profile.meta.time_ns = start_ns;
  window_.profile.meta.duration_ns = duration_ns;
  window_.profile.stacks.drop_index();
  return std::move(window_);
}

} // namespace profcore::sampler
