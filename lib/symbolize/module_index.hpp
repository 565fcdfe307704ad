#pragma once

#include "base/arena.hpp"
#include "base/intern_index.hpp"
#include "model/profile.hpp"
#include "symbolize/elf_symbols.hpp"
#include "symbolize/function_bounds.hpp"
#include "symbolize/line_source.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace profcore {

/// A symbol's name as it is in the file and as people read it; they live as long as the module.
struct SymbolName {
  std::string_view raw;
  std::string_view shown;
};

/// Everything known of one object file, shared by all processes that map it. The index never
/// changes once made and is searched without a lock; names are fetched and demangled when they are
/// first asked for, once each, under a lock of the module.
class ModuleIndex {
public:
  static constexpr uint32_t kNotFound = ElfSymbols::kNotFound;

  struct Bounds {
    uint64_t max_bytes = 0;
    LineSourceFactory *line_sources = nullptr;
    std::string debug_folder; ///< has debug files by build id (/usr/lib/debug); empty = none
  };

  /// Never throws for what the file is: `problem` says why it has no names.
  static std::shared_ptr<ModuleIndex> build(const ByteSource &bytes, const Bounds &bounds);
  explicit ModuleIndex(UnnamedReason problem) : problem_{problem} {}
  ModuleIndex(const ModuleIndex &) = delete;
  ModuleIndex &operator=(const ModuleIndex &) = delete;

  /// kNone when there are names to be had; kNoSymbols when at most the bounds of functions are.
  UnnamedReason problem() const noexcept { return problem_; }
  std::string_view build_id() const noexcept { return build_id_; }
  const LineSource *line_source() const noexcept { return lines_.get(); }

  std::optional<uint64_t> address_of(uint64_t offset) const noexcept {
    return ElfImage::address_in(segments_, offset);
  }

  /// What covers a linked address: a symbol, or a function that has no name, or neither.
  struct Found {
    uint32_t symbol = kNotFound;            ///< to be given to `Names::of`
    std::optional<uint64_t> function_start; ///< linked; only without a symbol
    bool wants_file = false;                ///< to be asked again with the file at hand
  };
  /// `bytes` are the file's again: call frame information is read when it is first needed. nullptr:
  /// it is not open.
  Found find(uint64_t address, const ByteSource *bytes);

  /// Holds the module's lock on its names.
  class Names {
  public:
    explicit Names(ModuleIndex &module) : module_{module}, lock_{module.mutex_} {}
    Names(const Names &) = delete;
    Names &operator=(const Names &) = delete;
    ~Names();
    /// nullopt when the file's names cannot be read any more.
    std::optional<SymbolName> of(uint32_t symbol, bool demangled);

  private:
    ModuleIndex &module_;
    std::unique_lock<std::mutex> lock_;
    bool has_read_ = false;
  };

  /// Waits for nobody, also while names are fetched from a slow file.
  size_t bytes() const noexcept {
    return table_bytes_.load(std::memory_order_relaxed) +
           name_bytes_.load(std::memory_order_relaxed);
  }

private:
  struct Cached {
    uint32_t symbol;
    bool is_demangled; ///< it was tried
    SymbolName name;
  };

  const FunctionBounds *function_bounds(const ByteSource *bytes);

  UnnamedReason problem_ = UnnamedReason::kNone;
  uint64_t max_bytes_ = 0;
  std::string build_id_;
  std::vector<ElfSegment> segments_;
  ElfSymbols symbols_;
  std::unique_ptr<LineSource> lines_;
  std::atomic<size_t> table_bytes_{sizeof(ModuleIndex)};
  std::atomic<size_t> name_bytes_{0};

  std::mutex building_bounds_;
  std::atomic<bool> has_bounds_{false};
  FunctionBounds bounds_; ///< made under `building_bounds_`, never changed after

  std::mutex mutex_; ///< guards what follows
  InternIndex cache_index_;
  PodVector<Cached> cache_;
  Arena texts_;
  std::string raw_, shown_; ///< kept for their memory
};

} // namespace profcore
