// One call: locations without lines are collected and sorted by module and address, so that a
// module is found, locked and asked for once, and equal symbols follow one another.

#include "symbolize/symbolizer.hpp"

#include "symbolize/demangle.hpp"
#include "symbolize/java_name.hpp"
#include "symbolize/module_cache.hpp"
#include "symbolize/process_files.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <tuple>
#include <unistd.h>
#include <vector>

namespace profcore {
namespace {

class OwnedDescriptor {
public:
  OwnedDescriptor() = default;
  explicit OwnedDescriptor(int fd) noexcept : fd_{fd} {}
  OwnedDescriptor(const OwnedDescriptor &) = delete;
  OwnedDescriptor &operator=(const OwnedDescriptor &) = delete;
  ~OwnedDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const noexcept { return fd_; }

private:
  int fd_ = -1;
};

bool has_native_code(FrameKind kind) noexcept {
  switch (kind) {
  case FrameKind::kUnknown:
  case FrameKind::kUser:
  case FrameKind::kKernel:
  case FrameKind::kLibrary:
  case FrameKind::kJavaInterpreted:
  case FrameKind::kJavaCompiled:
  case FrameKind::kManaged:
    return true;
  default:
    return false;
  }
}

/// "/tmp/perf-123.map" is 123; else 0.
int32_t perf_map_pid(std::string_view path) noexcept {
  constexpr std::string_view kPrefix = "/tmp/perf-";
  constexpr std::string_view kSuffix = ".map";
  if (!path.starts_with(kPrefix) || !path.ends_with(kSuffix) ||
      path.size() <= kPrefix.size() + kSuffix.size())
    return 0;
  path.remove_prefix(kPrefix.size());
  path.remove_suffix(kSuffix.size());
  int32_t pid = 0;
  const auto result = std::from_chars(path.data(), path.data() + path.size(), pid);
  const bool whole = result.ec == std::errc{} && result.ptr == path.data() + path.size();
  return whole && pid > 0 ? pid : 0;
}

UnnamedReason reason_of(PerfMapProblem problem) noexcept {
  switch (problem) {
  case PerfMapProblem::kProcessGone:
    return UnnamedReason::kProcessGone;
  case PerfMapProblem::kNotPermitted:
  case PerfMapProblem::kUntrusted:
    return UnnamedReason::kNotPermitted;
  default:
    return UnnamedReason::kNoPerfMap;
  }
}

} // namespace

class Symbolizer::Batch {
public:
  Batch(Symbolizer &owner, Profile &profile, ModuleProvider &provider, const Context &context)
      : owner_{owner}, profile_{profile}, provider_{provider}, context_{context} {}

  void run() {
    collect();
    for (size_t from = 0; from < pending_.size();) {
      context_.report(from, pending_.size());
      size_t to = from;
      while (to < pending_.size() && pending_[to].is_kernel == pending_[from].is_kernel &&
             (pending_[from].is_kernel || pending_[to].module == pending_[from].module))
        ++to;
      const std::span<const Pending> group{pending_.data() + from, to - from};
      last_symbol_ = kNone;
      if (group.front().is_kernel)
        kernel(group);
      else
        module(group);
      context_.check_result(profile_.bytes());
      from = to;
    }
    context_.report(pending_.size(), pending_.size());
    owner_.cache_->add(named_, unnamed_);
  }

private:
  struct Pending {
    uint64_t address;
    ModuleId module;
    LocationId location;
    bool is_kernel;
  };
  using Group = std::span<const Pending>;
  static constexpr uint64_t kNone = UINT64_MAX;

  void collect() {
    const std::span<const Location> locations = profile_.locations();
    for (size_t i = 1; i < locations.size(); ++i) {
      const Location &at = locations[i];
      if (at.line_count != 0 || at.reason == UnnamedReason::kTruncated || !has_native_code(at.kind))
        continue;
      const bool is_kernel = at.kind == FrameKind::kKernel;
      pending_.push_back({at.address, at.module, static_cast<LocationId>(i), is_kernel});
    }
    std::sort(pending_.begin(), pending_.end(), [](const Pending &a, const Pending &b) {
      const ModuleId a_module = a.is_kernel ? 0 : a.module;
      const ModuleId b_module = b.is_kernel ? 0 : b.module;
      return std::tie(a.is_kernel, a_module, a.address) <
             std::tie(b.is_kernel, b_module, b.address);
    });
  }

  void give_up(const Pending &pending, UnnamedReason reason) {
    profile_.mutable_locations()[pending.location].reason = reason;
    ++unnamed_[static_cast<size_t>(reason)];
  }
  void give_up(Group group, UnnamedReason reason) {
    for (const Pending &pending : group) give_up(pending, reason);
  }

  FunctionId function_of(std::string_view raw, std::string_view shown) {
    Function function;
    function.system_name = profile_.intern(raw);
    function.name = shown.data() == raw.data() ? function.system_name : profile_.intern(shown);
    return profile_.add_function(function);
  }

  void name(const Pending &pending, FunctionId function) {
    const Line line{function, 0, 0, 0};
    profile_.set_lines(pending.location, {&line, 1});
    ++named_;
  }

  /// For names that no module keeps; `symbol` tells when it is the last one again.
  void name(const Pending &pending, uint64_t symbol, std::string_view raw) {
    if (symbol != last_symbol_) {
      const bool changed = owner_.options_.demangle && demangle(raw, shown_);
      last_function_ = function_of(raw, changed ? std::string_view{shown_} : raw);
      last_symbol_ = symbol;
    }
    name(pending, last_function_);
  }

  void kernel(Group group) {
    KernelSymbols::View view = owner_.kernel_.view();
    const auto in_core = [&view](uint64_t address) {
      return view.core && address >= view.core->begin() && address < view.core->end();
    };
    if (view.state != KernelSymbols::State::kLoaded ||
        !std::all_of(group.begin(), group.end(),
                     [&](const Pending &pending) { return in_core(pending.address); }))
      view = owner_.kernel_.refreshed_view(false);
    switch (view.state) {
    case KernelSymbols::State::kLoaded:
      break;
    case KernelSymbols::State::kRestricted:
      return give_up(group, UnnamedReason::kKernelHidden);
    case KernelSymbols::State::kNotPermitted:
      return give_up(group, UnnamedReason::kNotPermitted);
    default:
      return give_up(group, UnnamedReason::kNoSymbols);
    }
    bool may_refresh = true;
    for (const Pending &pending : group) {
      if (kernel_name(view, pending)) continue;
      if (may_refresh && !in_core(pending.address)) { // a new BPF program, perhaps
        may_refresh = false;
        view = owner_.kernel_.refreshed_view(true);
        last_symbol_ = kNone; // symbols of another table
        if (kernel_name(view, pending)) continue;
      }
      give_up(pending, UnnamedReason::kNotCovered);
    }
  }

  bool kernel_name(const KernelSymbols::View &view, const Pending &pending) {
    const KernelTable *table = view.core.get();
    uint32_t symbol = table->find(pending.address);
    if (symbol == KernelTable::kNotFound) {
      table = view.modules.get();
      symbol = table->find(pending.address);
    }
    if (symbol == KernelTable::kNotFound) return false;
    const uint64_t identity = uint64_t{table == view.modules.get()} << 32 | symbol;
    name(pending, identity, table->name(symbol));
    return true;
  }

  void module(Group group) {
    const Module module = profile_.modules()[group.front().module];
    const std::string_view path = profile_.text(module.path);
    if (group.front().module == 0) return give_up(group, UnnamedReason::kNoModule);
    if (const int32_t pid = perf_map_pid(path)) return perf_map(group, pid);
    if (path == "[vdso]") return object(group, module, *owner_.cache_->vdso());
    if (path.starts_with('[') || path.starts_with("//anon"))
      return give_up(group, UnnamedReason::kNoSymbols); // heap, stack: no file, no JIT known

    const ModuleFile file = provider_.file_of(group.front().module);
    int fd = file.fd;
    if (fd < 0) {
      if (file.path.empty()) {
        const ProcessView process = provider_.process_of(group.front().module);
        const bool gone =
            process.pid > 0 &&
            read_process_status(owner_.options_.proc_root, process.pid, process.start_time).state ==
                ProcessStatus::kGone;
        return give_up(group, gone ? UnnamedReason::kProcessGone : UnnamedReason::kModuleMissing);
      }
      fd = ::open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
      if (fd < 0)
        return give_up(group, errno == EACCES || errno == EPERM ? UnnamedReason::kNotPermitted
                                                                : UnnamedReason::kModuleMissing);
    }
    const OwnedDescriptor closed{file.fd < 0 ? fd : -1};
    const std::shared_ptr<ModuleIndex> index = owner_.cache_->module_of(fd);
    const std::string_view wanted = profile_.text(module.build_id);
    if (!wanted.empty() && !index->build_id().empty() && wanted != index->build_id())
      return give_up(group, UnnamedReason::kModuleChanged);
    object(group, module, *index);
    // What was fetched counts, even when this call goes on for long.
    owner_.cache_->trim(owner_.kernel_.bytes());
  }

  void object(Group group, const Module &module, ModuleIndex &index) {
    if (index.problem() != UnnamedReason::kNone) return give_up(group, index.problem());
    const bool is_ranged = module.end > module.start;
    ModuleIndex::Names names{index};
    for (const Pending &pending : group) {
      if (is_ranged && (pending.address < module.start || pending.address >= module.end)) {
        give_up(pending, UnnamedReason::kNoModule);
        continue;
      }
      const uint64_t offset =
          is_ranged ? pending.address - module.start + module.offset : pending.address;
      const std::optional<uint64_t> address = index.address_of(offset);
      if (!address) {
        give_up(pending, UnnamedReason::kNotCovered);
        continue;
      }
      if (index.line_source() != nullptr && line_source(pending, *index.line_source(), *address))
        continue;
      const uint32_t symbol = index.find(*address);
      if (symbol == ModuleIndex::kNotFound) {
        give_up(pending, UnnamedReason::kNotCovered);
        continue;
      }
      if (symbol != last_symbol_) {
        const std::optional<SymbolName> found = names.of(symbol, owner_.options_.demangle);
        if (!found) {
          give_up(pending, UnnamedReason::kModuleDamaged);
          continue;
        }
        last_function_ = function_of(found->raw, found->shown);
        last_symbol_ = symbol;
      }
      name(pending, last_function_);
    }
  }

  bool line_source(const Pending &pending, const LineSource &source, uint64_t address) {
    source_lines_.clear();
    if (!source.lines_at(address, source_lines_) || source_lines_.empty()) return false;
    lines_.clear();
    for (const SourceLine &at : source_lines_) {
      const bool changed = owner_.options_.demangle && demangle(at.function, shown_);
      Function function;
      function.system_name = profile_.intern(at.function);
      function.name = changed ? profile_.intern(shown_) : function.system_name;
      function.file = profile_.intern(at.file);
      function.start_line = at.function_line;
      lines_.push_back({profile_.add_function(function), 0, at.line, at.column});
    }
    profile_.set_lines(pending.location, lines_);
    ++named_;
    return true;
  }

  void perf_map(Group group, int32_t path_pid) {
    ProcessView process = provider_.process_of(group.front().module);
    if (process.namespace_pid <= 0) process.namespace_pid = path_pid;
    if (process.pid <= 0) process.pid = path_pid;
    const std::shared_ptr<PerfMapSlot> slot = owner_.cache_->perf_map_of(process);
    {
      const std::lock_guard lock{slot->mutex};
      auto problem = PerfMapProblem::kNone;
      auto result = PerfMapLog::Result::kUnchanged;
      if (!slot->is_taken) {
        const PerfMapFile file =
            open_perf_map(owner_.options_.proc_root, owner_.options_.host_tmp, process.pid,
                          process.namespace_pid, process.start_time);
        const OwnedDescriptor closed{file.fd};
        problem = file.problem;
        if (file.fd >= 0) result = slot->log.refresh(file.fd, owner_.options_.max_bytes);
        slot->count();
      }
      // A map read before serves on after its process is gone.
      if (!slot->log.loaded()) {
        give_up(group, problem != PerfMapProblem::kNone ? reason_of(problem)
                                                        : UnnamedReason::kModuleDamaged);
      } else {
        const UnnamedReason missing = slot->log.cut() ? UnnamedReason::kOverBudget
                                      : result == PerfMapLog::Result::kDamaged
                                          ? UnnamedReason::kModuleDamaged
                                          : UnnamedReason::kNotCovered;
        for (const Pending &pending : group) {
          uint64_t symbol = 0;
          const char *raw = slot->log.find(pending.address, symbol);
          if (raw == nullptr)
            give_up(pending, missing);
          else
            jit_name(pending, symbol, raw);
        }
      }
    }
    owner_.cache_->trim(owner_.kernel_.bytes());
  }

  void jit_name(const Pending &pending, uint64_t symbol, std::string_view raw) {
    if (symbol != last_symbol_) {
      last_kind_ = java_frame_kind(raw);
      if (last_kind_ == FrameKind::kJavaCompiled && owner_.options_.demangle) {
        last_function_ = function_of(raw, java_method_name(raw, shown_) ? shown_ : raw);
        last_symbol_ = symbol;
      }
    }
    name(pending, symbol, raw);
    if (last_kind_ != FrameKind::kUser)
      profile_.mutable_locations()[pending.location].kind = last_kind_;
  }

  Symbolizer &owner_;
  Profile &profile_;
  ModuleProvider &provider_;
  const Context &context_;
  std::vector<Pending> pending_;
  uint64_t last_symbol_ = kNone;
  FunctionId last_function_ = 0;
  FrameKind last_kind_ = FrameKind::kUser; ///< of the last symbol of a perf map
  std::string shown_;
  std::vector<SourceLine> source_lines_;
  std::vector<Line> lines_;
  uint64_t named_ = 0;
  std::array<uint64_t, kUnnamedReasons> unnamed_{};
};

Symbolizer::Symbolizer(SymbolizerOptions options)
    : options_{std::move(options)}, kernel_{options_.proc_root}, cache_{std::make_unique<Cache>(
                                                                     options_)} {}

Symbolizer::~Symbolizer() = default;

void Symbolizer::symbolize(Profile &profile, ModuleProvider &provider, const Context &context) {
  Batch{*this, profile, provider, context}.run();
}

bool Symbolizer::take_perf_map(const ProcessView &process, uint64_t max_bytes) {
  const std::shared_ptr<PerfMapSlot> slot = cache_->perf_map_of(process);
  bool was_read = false;
  {
    const std::lock_guard lock{slot->mutex};
    const PerfMapFile file = open_perf_map(options_.proc_root, options_.host_tmp, process.pid,
                                           process.namespace_pid, process.start_time);
    const OwnedDescriptor closed{file.fd};
    was_read =
        file.fd >= 0 && slot->log.replace(file.fd, std::min(max_bytes, options_.max_bytes)) !=
                            PerfMapLog::Result::kDamaged;
    slot->is_taken = slot->is_taken || was_read;
    slot->count();
  }
  cache_->trim(kernel_.bytes());
  return was_read;
}

bool Symbolizer::has_names(const ProcessView &process, std::span<const uint64_t> addresses) {
  const std::shared_ptr<PerfMapSlot> slot = cache_->perf_map_of(process);
  const std::lock_guard lock{slot->mutex};
  uint64_t symbol = 0;
  return std::all_of(addresses.begin(), addresses.end(),
                     [&](uint64_t address) { return slot->log.find(address, symbol) != nullptr; });
}

SymbolizerStats Symbolizer::stats() const {
  return cache_->stats();
}

void Symbolizer::clear() {
  cache_->clear();
  kernel_.clear();
}

} // namespace profcore
