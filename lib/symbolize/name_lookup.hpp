#pragma once

#include "symbolize/line_source.hpp"
#include "symbolize/module_cache.hpp"
#include "symbolize/symbolizer.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace profcore {

/// An address to be named, and the caller's number of it.
struct LookupItem {
  uint64_t address;
  uint32_t item;
};

/// Takes what a look-up finds: for every item one call of `named`, `lined` or `unnamed`.
class NameSink {
public:
  virtual ~NameSink() = default;
  /// A name as the file has it and as shown; the number is given to `named`.
  virtual uint32_t add_name(std::string_view raw, std::string_view shown) = 0;
  /// `by_bounds`: kNone, or why there is no symbol, and the name says where the function begins.
  virtual void named(uint32_t item, uint32_t name, UnnamedReason by_bounds) = 0;
  virtual void lined(uint32_t item, std::span<const SourceLine> lines) = 0;
  virtual void unnamed(uint32_t item, UnnamedReason reason) = 0;
  /// What code made at run time is, when its name tells.
  virtual void set_kind(uint32_t, FrameKind) {}
};

/// Where a file is mapped. With end == start the addresses are offsets in the file.
struct MappedObject {
  uint64_t start = 0;
  uint64_t end = 0;
  uint64_t offset = 0;
  std::string_view name;  ///< the last part of its path
  bool is_linked = false; ///< the addresses are the file's own, as linked
};

/// Names addresses, a group of the same origin at a time (sorted, so that equal symbols follow one
/// another). What is read is kept in the cache. One per call and thread.
class NameLookup {
public:
  using Group = std::span<const LookupItem>;

  NameLookup(ModuleCache &cache, KernelSymbols &kernel, const SymbolizerOptions &options,
             NameSink &sink)
      : cache_{cache}, kernel_{kernel}, options_{options}, sink_{sink} {}

  void kernel(Group group);
  void perf_map(Group group, const ProcessView &process);
  void vdso(Group group, const MappedObject &object);
  /// An open file; with another build id than `wanted`, when there is one, it is another file.
  std::shared_ptr<ModuleIndex> file(Group group, const MappedObject &object, int fd,
                                    std::string_view wanted);
  /// The module of a file that was read before, or nullptr.
  std::shared_ptr<ModuleIndex> module_at(const std::string &path) { return cache_.module_at(path); }
  /// A module that the cache gave before. What only its file can tell is put into `deferred`.
  void known(Group group, const MappedObject &object, ModuleIndex &index,
             std::vector<LookupItem> &deferred);
  /// Opens it; `process` tells why it may be missing.
  void file(Group group, const MappedObject &object, const std::string &path,
            std::string_view wanted, const ProcessView &process);
  void give_up(Group group, UnnamedReason reason);

  const NameCounts &counts() const noexcept { return counts_; }

private:
  static constexpr uint64_t kNone = UINT64_MAX;

  void unnamed(const LookupItem &item, UnnamedReason reason);
  void named(const LookupItem &item);
  void name(const LookupItem &item, uint64_t symbol, std::string_view raw);
  void jit_name(const LookupItem &item, uint64_t symbol, std::string_view raw);
  void kernel_by_list(Group group);
  bool kernel_name(const KernelSymbols::View &view, const LookupItem &item);
  void object(Group group, const MappedObject &object, ModuleIndex &index, const ByteSource *bytes,
              std::vector<LookupItem> *deferred);
  bool lined(const LookupItem &item, const LineSource &source, uint64_t address);
  void name_by_bounds(const LookupItem &item, const MappedObject &object, uint64_t start,
                      UnnamedReason reason);

  ModuleCache &cache_;
  KernelSymbols &kernel_;
  const SymbolizerOptions &options_;
  NameSink &sink_;
  NameCounts counts_;
  uint64_t last_symbol_ = kNone;
  uint64_t last_start_ = kNone;
  uint32_t last_name_ = 0;
  FrameKind last_kind_ = FrameKind::kUser; ///< of the last symbol of a perf map
  uint32_t last_start_name_ = 0;
  std::string text_;
  std::vector<SourceLine> lines_;
};

} // namespace profcore
