// One call: locations without lines are collected and sorted by module and address, so that a
// module is found, locked and asked for once, and equal symbols follow one another.

#include "symbolize/symbolizer.hpp"

#include "model/frame_name.hpp"
#include "symbolize/demangle.hpp"
#include "symbolize/module_cache.hpp"
#include "symbolize/name_lookup.hpp"
#include "symbolize/open_file.hpp"
#include "symbolize/process_cache.hpp"

#include <algorithm>
#include <charconv>
#include <tuple>
#include <vector>

namespace profcore {
namespace {

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

/// Names the locations of one profile; items are their ids.
class ProfileNames final : public NameSink {
public:
  ProfileNames(Profile &profile, bool demangled) : profile_{profile}, demangled_{demangled} {}

  uint32_t add_name(std::string_view raw, std::string_view shown) override {
    Function function;
    function.system_name = profile_.intern(raw);
    function.name = shown.data() == raw.data() ? function.system_name : profile_.intern(shown);
    return profile_.add_function(function);
  }
  void named(uint32_t item, uint32_t name, UnnamedReason by_bounds) override {
    const Line line{name, 0, 0, 0};
    profile_.set_lines(item, {&line, 1});
    if (by_bounds == UnnamedReason::kNone) return;
    Location &location = profile_.mutable_locations()[item];
    location.flags |= kNamedByBounds;
    location.reason = by_bounds;
  }
  void lined(uint32_t item, std::span<const SourceLine> lines) override {
    lines_.clear();
    for (const SourceLine &at : lines) {
      const bool changed = demangled_ && demangle(at.function, shown_);
      Function function;
      function.system_name = profile_.intern(at.function);
      function.name = changed ? profile_.intern(shown_) : function.system_name;
      function.file = profile_.intern(at.file);
      function.start_line = at.function_line;
      lines_.push_back({profile_.add_function(function), 0, at.line, at.column});
    }
    profile_.set_lines(item, lines_);
  }
  void unnamed(uint32_t item, UnnamedReason reason) override {
    profile_.mutable_locations()[item].reason = reason;
  }
  void set_kind(uint32_t item, FrameKind kind) override {
    profile_.mutable_locations()[item].kind = kind;
  }

private:
  Profile &profile_;
  bool demangled_;
  std::string shown_;
  std::vector<Line> lines_;
};

struct Pending {
  ModuleId module; ///< 0 for the kernel's
  bool is_kernel;
  LookupItem item;
};

std::vector<Pending> collect(const Profile &profile) {
  std::vector<Pending> pending;
  const std::span<const Location> locations = profile.locations();
  for (size_t i = 1; i < locations.size(); ++i) {
    const Location &at = locations[i];
    if (at.line_count != 0 || at.reason == UnnamedReason::kTruncated || !has_native_code(at.kind))
      continue;
    const bool is_kernel = at.kind == FrameKind::kKernel;
    pending.push_back(
        {is_kernel ? 0 : at.module, is_kernel, {at.address, static_cast<uint32_t>(i)}});
  }
  std::sort(pending.begin(), pending.end(), [](const Pending &a, const Pending &b) {
    return std::tie(a.is_kernel, a.module, a.item.address) <
           std::tie(b.is_kernel, b.module, b.item.address);
  });
  return pending;
}

void look_up_module(NameLookup &lookup, NameLookup::Group group, const Profile &profile,
                    ModuleId id, ModuleProvider &provider) {
  const Module module = profile.modules()[id];
  const std::string_view path = profile.text(module.path);
  const MappedObject object{module.start, module.end, module.offset, module_name(profile, id),
                            false};
  if (id == 0) return lookup.give_up(group, UnnamedReason::kNoModule);
  if (const int32_t pid = perf_map_pid(path)) {
    ProcessView process = provider.process_of(id);
    if (process.namespace_pid <= 0) process.namespace_pid = pid;
    if (process.pid <= 0) process.pid = pid;
    return lookup.perf_map(group, process);
  }
  if (path == "[vdso]") return lookup.vdso(group, object);
  if (path.starts_with('[') || path.starts_with("//anon"))
    return lookup.give_up(group, UnnamedReason::kNoSymbols); // heap, stack: no file, no JIT known
  const std::string wanted{profile.text(module.build_id)};
  const ModuleFile file = provider.file_of(id);
  if (file.fd >= 0)
    lookup.file(group, object, file.fd, wanted);
  else
    lookup.file(group, object, file.path, wanted,
                file.path.empty() ? provider.process_of(id) : ProcessView{});
}

} // namespace

Symbolizer::Symbolizer(SymbolizerOptions options)
    : options_{std::move(options)}, kernel_{options_.proc_root, options_.kernel_namer},
      cache_{std::make_unique<ModuleCache>(options_)}, processes_{std::make_unique<ProcessCache>(
                                                           options_.max_bytes / 8)} {}

Symbolizer::~Symbolizer() = default;

void Symbolizer::symbolize(Profile &profile, ModuleProvider &provider, const Context &context) {
  const std::vector<Pending> pending = collect(profile);
  ProfileNames names{profile, options_.demangle};
  NameLookup lookup{*cache_, kernel_, options_, names};
  std::vector<LookupItem> group;
  for (size_t from = 0; from < pending.size();) {
    context.report(from, pending.size());
    const Pending &first = pending[from];
    group.clear();
    size_t to = from;
    for (; to < pending.size() && pending[to].is_kernel == first.is_kernel &&
           pending[to].module == first.module;
         ++to)
      group.push_back(pending[to].item);
    const auto named = [&] { return lookup.counts().named + lookup.counts().named_by_bounds; };
    const uint64_t before = named();
    if (first.is_kernel && provider.is_running_kernel())
      lookup.kernel(group);
    else if (first.is_kernel)
      lookup.give_up(group, UnnamedReason::kModuleChanged);
    else
      look_up_module(lookup, group, profile, first.module, provider);
    const ModuleId module = profile.locations()[first.item.item].module;
    if (named() > before && module != 0) profile.add_module_flags(module, kHasFunctions);
    context.check_result(profile.bytes());
    from = to;
  }
  context.report(pending.size(), pending.size());
  cache_->add(lookup.counts());
}

bool Symbolizer::take_perf_map(const ProcessView &process, uint64_t max_bytes) {
  const std::shared_ptr<PerfMapSlot> slot = cache_->perf_map_of(process);
  bool was_read = false;
  {
    const std::lock_guard lock{slot->mutex};
    const PerfMapFile file = open_perf_map(options_.proc_root, options_.host_tmp, process.pid,
                                           process.namespace_pid, process.start_time);
    const OpenFile closed{file.fd};
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
  SymbolizerStats stats = cache_->stats();
  stats.processes = processes_->size();
  return stats;
}

void Symbolizer::clear() {
  cache_->clear();
  processes_->clear();
  cache_->set_process_bytes(0);
  kernel_.clear();
}

} // namespace profcore
