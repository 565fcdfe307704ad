#include "symbolize/name_lookup.hpp"

#include "base/proc.hpp"
#include "symbolize/demangle.hpp"
#include "symbolize/java_name.hpp"
#include "symbolize/open_file.hpp"
#include "symbolize/process_files.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <unistd.h>

namespace profcore {
namespace {

constexpr uint64_t kMostPerfMap = uint64_t{64}
                                  << 20; ///< of memory for one, which anybody may write

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

void NameLookup::unnamed(const LookupItem &item, UnnamedReason reason) {
  sink_.unnamed(item.item, reason);
  ++counts_.unnamed[static_cast<size_t>(reason)];
}

void NameLookup::give_up(Group group, UnnamedReason reason) {
  for (const LookupItem &item : group) unnamed(item, reason);
}

void NameLookup::named(const LookupItem &item) {
  sink_.named(item.item, last_name_, UnnamedReason::kNone);
  ++counts_.named;
}

/// For names that no module keeps; `symbol` tells when it is the last one again.
void NameLookup::name(const LookupItem &item, uint64_t symbol, std::string_view raw) {
  if (symbol != last_symbol_) {
    const bool changed = options_.demangle && demangle(raw, text_);
    last_name_ = sink_.add_name(raw, changed ? std::string_view{text_} : raw);
    last_symbol_ = symbol;
  }
  named(item);
}

void NameLookup::kernel(Group group) {
  std::vector<uint64_t> addresses;
  addresses.reserve(group.size());
  for (const LookupItem &item : group) addresses.push_back(item.address);
  const auto functions = kernel_.functions_of(addresses);
  if (!functions) return kernel_by_list(group);
  last_symbol_ = kNone;
  std::vector<LookupItem> rest;
  size_t at = 0;
  for (const LookupItem &item : group) {
    while (at < functions->size() && (*functions)[at].end <= item.address) ++at;
    if (at < functions->size() && (*functions)[at].begin <= item.address)
      name(item, (*functions)[at].begin, (*functions)[at].name);
    else
      rest.push_back(item);
  }
  if (!rest.empty()) kernel_by_list(rest);
}

void NameLookup::kernel_by_list(Group group) {
  last_symbol_ = kNone;
  KernelSymbols::View view = kernel_.view();
  const auto in_core = [&view](uint64_t address) {
    return view.core && address >= view.core->begin() && address < view.core->end();
  };
  if (view.state != KernelSymbols::State::kLoaded ||
      !std::all_of(group.begin(), group.end(),
                   [&](const LookupItem &item) { return in_core(item.address); }))
    view = kernel_.refreshed_view(false);
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
  for (const LookupItem &item : group) {
    if (kernel_name(view, item)) continue;
    if (may_refresh && !in_core(item.address)) { // a new BPF program, perhaps
      may_refresh = false;
      view = kernel_.refreshed_view(true);
      last_symbol_ = kNone; // symbols of another table
      if (kernel_name(view, item)) continue;
    }
    unnamed(item, UnnamedReason::kNotCovered);
  }
}

bool NameLookup::kernel_name(const KernelSymbols::View &view, const LookupItem &item) {
  const KernelTable *table = view.core.get();
  uint32_t symbol = table->find(item.address);
  if (symbol == KernelTable::kNotFound) {
    table = view.modules.get();
    symbol = table->find(item.address);
  }
  if (symbol == KernelTable::kNotFound) return false;
  const uint64_t identity = uint64_t{table == view.modules.get()} << 32 | symbol;
  name(item, identity, table->name(symbol));
  return true;
}

void NameLookup::perf_map(Group group, const ProcessView &process) {
  last_symbol_ = kNone;
  const std::shared_ptr<PerfMapSlot> slot = cache_.perf_map_of(process);
  {
    const std::lock_guard lock{slot->mutex};
    auto problem = PerfMapProblem::kNone;
    auto result = PerfMapLog::Result::kUnchanged;
    if (!slot->is_taken) {
      const PerfMapFile file = open_perf_map(options_.proc_root, options_.host_tmp, process.pid,
                                             process.namespace_pid, process.start_time);
      const OpenFile closed{file.fd};
      problem = file.problem;
      if (file.fd >= 0)
        result = slot->log.refresh(file.fd, std::min(options_.max_bytes, kMostPerfMap));
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
      for (const LookupItem &item : group) {
        uint64_t symbol = 0;
        const char *raw = slot->log.find(item.address, symbol);
        if (raw == nullptr)
          unnamed(item, missing);
        else
          jit_name(item, symbol, raw);
      }
    }
  }
  cache_.trim(kernel_.bytes());
}

void NameLookup::jit_name(const LookupItem &item, uint64_t symbol, std::string_view raw) {
  if (symbol != last_symbol_) {
    last_kind_ = java_frame_kind(raw);
    if (last_kind_ == FrameKind::kJavaCompiled && options_.demangle) {
      last_name_ =
          sink_.add_name(raw, java_method_name(raw, text_) ? std::string_view{text_} : raw);
      last_symbol_ = symbol;
    }
  }
  name(item, symbol, raw);
  if (last_kind_ != FrameKind::kUser) sink_.set_kind(item.item, last_kind_);
}

void NameLookup::vdso(Group group, const MappedObject &object_at) {
  const ModuleCache::Opened module = cache_.vdso();
  object(group, object_at, *module.index, &module.bytes, nullptr);
}

void NameLookup::file(Group group, const MappedObject &object_at, const std::string &path,
                      std::string_view wanted, const ProcessView &process) {
  if (path.empty()) {
    const bool gone =
        process.pid > 0 &&
        read_process_status(options_.proc_root, process.pid, process.start_time).state ==
            ProcessStatus::kGone;
    return give_up(group, gone ? UnnamedReason::kProcessGone : UnnamedReason::kModuleMissing);
  }
  const OpenFile opened{open_regular(path, O_RDONLY)};
  if (opened.get() < 0)
    return give_up(group, errno == EACCES || errno == EPERM ? UnnamedReason::kNotPermitted
                                                            : UnnamedReason::kModuleMissing);
  file(group, object_at, opened.get(), wanted);
}

std::shared_ptr<ModuleIndex> NameLookup::file(Group group, const MappedObject &object_at, int fd,
                                              std::string_view wanted) {
  const ModuleCache::Opened module = cache_.module_of(fd);
  const bool is_read = module.index->problem() == UnnamedReason::kNone ||
                       module.index->problem() == UnnamedReason::kNoSymbols;
  if (is_read && !wanted.empty() && wanted != module.index->build_id()) {
    give_up(group, UnnamedReason::kModuleChanged);
    return module.index;
  }
  const size_t before = module.is_new ? 0 : module.index->bytes();
  object(group, object_at, *module.index, &module.bytes, nullptr);
  // What was fetched counts, even when this call goes on for long.
  if (module.index->bytes() != before) cache_.trim(kernel_.bytes());
  return module.index;
}

void NameLookup::known(Group group, const MappedObject &object_at, ModuleIndex &index,
                       std::vector<LookupItem> &deferred) {
  object(group, object_at, index, nullptr, &deferred);
}

void NameLookup::object(Group group, const MappedObject &object, ModuleIndex &index,
                        const ByteSource *bytes, std::vector<LookupItem> *deferred) {
  const UnnamedReason problem = index.problem();
  if (problem != UnnamedReason::kNone && problem != UnnamedReason::kNoSymbols)
    return give_up(group, problem);
  const UnnamedReason missing =
      problem == UnnamedReason::kNone ? UnnamedReason::kNotCovered : problem;
  const bool is_ranged = object.end > object.start;
  last_symbol_ = kNone;
  last_start_ = kNone;
  ModuleIndex::Names names{index};
  for (const LookupItem &item : group) {
    if (is_ranged && (item.address < object.start || item.address >= object.end)) {
      unnamed(item, UnnamedReason::kNoModule);
      continue;
    }
    const uint64_t offset = is_ranged ? item.address - object.start + object.offset : item.address;
    const std::optional<uint64_t> address =
        object.is_linked ? item.address : index.address_of(offset);
    if (!address) {
      unnamed(item, missing);
      continue;
    }
    if (index.line_source() != nullptr && lined(item, *index.line_source(), *address)) continue;
    const ModuleIndex::Found found = index.find(*address, bytes);
    if (found.wants_file && deferred != nullptr) {
      deferred->push_back(item);
      continue;
    }
    if (found.symbol == ModuleIndex::kNotFound) {
      if (found.function_start)
        name_by_bounds(item, object, *found.function_start, missing);
      else
        unnamed(item, missing);
      continue;
    }
    if (found.symbol != last_symbol_) {
      const std::optional<SymbolName> text = names.of(found.symbol, options_.demangle);
      if (!text) {
        unnamed(item, UnnamedReason::kModuleDamaged);
        continue;
      }
      last_name_ = sink_.add_name(text->raw, text->shown);
      last_symbol_ = found.symbol;
    }
    named(item);
  }
}

void NameLookup::name_by_bounds(const LookupItem &item, const MappedObject &object, uint64_t start,
                                UnnamedReason reason) {
  if (start != last_start_) {
    text_ = object.name;
    text_ += "+fn_0x";
    char digits[16];
    text_.append(digits, std::to_chars(digits, digits + sizeof digits, start, 16).ptr);
    last_start_name_ = sink_.add_name({}, text_);
    last_start_ = start;
  }
  sink_.named(item.item, last_start_name_, reason);
  ++counts_.named_by_bounds;
}

bool NameLookup::lined(const LookupItem &item, const LineSource &source, uint64_t address) {
  lines_.clear();
  if (!source.lines_at(address, lines_) || lines_.empty()) return false;
  sink_.lined(item.item, lines_);
  ++counts_.named;
  return true;
}

} // namespace profcore
