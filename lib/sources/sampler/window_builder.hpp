#pragma once

#include "sampler.h"
#include "sources/sampler/process_table.hpp"
#include "sources/sampler/sampler.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace profcore::sampler {

/// Adds the user frames outside of all files' mappings, up to `most` in all. The stack was taken by
/// a StackStore.
void add_code_of_no_file(const sampler_stack &stack, size_t most, std::vector<uint64_t> &addresses);

/// The stacks that arrived for one window, by hash.
class StackStore {
public:
  struct Stack {
    uint32_t first = 0; ///< in the store's frames
    uint16_t user = 0;
    uint16_t kernel = 0;
    uint8_t stop = 0;
  };

  /// False for a record that is none. `size` is what came.
  bool add(const sampler_stack &stack, size_t size);
  const Stack *find(uint64_t hash) const;
  std::span<const uint64_t> frames(const Stack &stack) const {
    return {frames_.data() + stack.first, size_t{stack.user} + stack.kernel};
  }
  void clear();
  size_t size() const noexcept { return stacks_.size(); }

private:
  std::vector<uint64_t> frames_;
  std::unordered_map<uint64_t, Stack> stacks_;
};

/// Makes a profile of what was counted.
class WindowBuilder {
public:
  /// `comment` says how it was sampled.
  WindowBuilder(const Options &options, ModuleFiles &files, ProcessTable &processes,
                const StackStore &stacks, std::string_view comment);

  /// False when the stack did not arrive: a frame says so in its place.
  bool add(const sampler_key &key, const sampler_count &count);
  Window finish(int64_t start_ns, int64_t duration_ns);

private:
  /// Whose a sample is: an id, and which of the processes that had it.
  struct Owner {
    int32_t pid = 0;
    uint32_t started = 0;
    Process *process = nullptr; ///< null: not known any more

    uint64_t identity() const noexcept {
      return uint64_t{started} << 32 | static_cast<uint32_t>(pid);
    }
  };

  Owner owner_of(const sampler_key &key);
  Owner maker_of(const Mapping &mapping, const Owner &owner);
  StackId stack_of(const sampler_key &key);
  LocationId user_frame(uint64_t frame, const Owner &owner);
  LocationId named_frame(std::string_view name);
  LocationId kernel_frame(uint64_t address);
  ModuleId module_of_file(uint32_t file, const Owner &owner);
  ModuleId jit_module_of(const Owner &owner);
  ModuleId add_module(const Module &module, ModuleOrigin origin);
  LabelSetId labels_of(const sampler_key &key, const sampler_count &count);

  struct PairHash {
    size_t operator()(const std::pair<uint64_t, uint64_t> &pair) const noexcept {
      return static_cast<size_t>(pair.first * UINT64_C(0x9e3779b97f4a7c15) ^ pair.second);
    }
  };

  const Options &options_;
  ModuleFiles &files_;
  ProcessTable &processes_;
  const StackStore &stacks_;
  Window window_;
  int64_t samples_ = 0;
  int64_t nanoseconds_ = 0;
  std::unordered_map<uint32_t, ModuleId> file_modules_;
  std::unordered_map<uint64_t, ModuleId> jit_modules_;
  std::unordered_map<std::pair<uint64_t, uint64_t>, LocationId, PairHash> locations_;
  std::unordered_map<std::pair<uint64_t, uint64_t>, StackId, PairHash> made_stacks_;
  ModuleId kernel_module_ = 0;
};

} // namespace profcore::sampler
