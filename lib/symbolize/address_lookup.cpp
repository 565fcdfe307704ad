// Addresses of the kernel, of a live process or of a file, without a profile around them.
//
// They are sorted, so that those of a module and of a symbol follow one another; the answers are
// put where the questions stood. For a process whose mappings and files are known nothing is opened
// and nothing read: mappings hold on to their module as long as the cache does.

#include "base/error.hpp"
#include "base/proc.hpp"
#include "symbolize/demangle.hpp"
#include "symbolize/module_cache.hpp"
#include "symbolize/name_lookup.hpp"
#include "symbolize/open_file.hpp"
#include "symbolize/process_cache.hpp"
#include "symbolize/process_files.hpp"
#include "symbolize/symbolizer.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <optional>
#include <unistd.h>
#include <unordered_map>

namespace profcore {
namespace {

std::string_view base_name(std::string_view path) noexcept {
  return path.substr(path.rfind('/') + 1); // npos + 1 is 0
}

class NameCollector final : public NameSink {
public:
  NameCollector(NamedAddresses &result, size_t count, bool demangled)
      : result_{result}, demangled_{demangled} {
    result.first_line.resize(count);
    result.line_count.resize(count);
    result.module.resize(count);
    result.reason.resize(count);
    result.flags.resize(count);
    result.modules.push_back({});
    result.texts.push_back('\0'); // the empty text
  }

  uint32_t add_name(std::string_view raw, std::string_view shown) override {
    NamedAddresses::NameLine line;
    line.system_name = text(raw);
    line.name = raw.data() == shown.data() ? line.system_name : text(shown);
    return add(line);
  }
  void named(uint32_t item, uint32_t name, UnnamedReason by_bounds) override {
    result_.first_line[item] = name;
    result_.line_count[item] = 1;
    result_.reason[item] = static_cast<uint8_t>(by_bounds);
    result_.flags[item] = by_bounds == UnnamedReason::kNone ? 0 : kNamedByBounds;
  }
  void lined(uint32_t item, std::span<const SourceLine> lines) override {
    result_.first_line[item] = static_cast<uint32_t>(result_.lines.size());
    result_.line_count[item] = static_cast<uint32_t>(lines.size());
    for (const SourceLine &at : lines) {
      NamedAddresses::NameLine line;
      line.system_name = text(at.function);
      line.name = demangled_ && demangle(at.function, shown_) ? text(shown_) : line.system_name;
      line.file = text(at.file);
      line.line = at.line;
      line.column = at.column;
      add(line);
    }
  }
  void unnamed(uint32_t item, UnnamedReason reason) override {
    result_.reason[item] = static_cast<uint8_t>(reason);
  }

  void set_module(std::span<const LookupItem> group, std::string_view path) {
    const auto [at, is_new] =
        modules_.try_emplace(std::string{path}, static_cast<uint32_t>(result_.modules.size()));
    if (is_new) result_.modules.push_back(text(path));
    for (const LookupItem &item : group) result_.module[item.item] = at->second;
  }

private:
  NamedAddresses::Text text(std::string_view text) {
    if (text.empty()) return {};
    if (result_.texts.size() + text.size() >= UINT32_MAX)
      throw Error{Status::kLimit, "more than 4 GB of names"};
    const NamedAddresses::Text at{static_cast<uint32_t>(result_.texts.size()),
                                  static_cast<uint32_t>(text.size())};
    result_.texts.append(text);
    result_.texts.push_back('\0');
    return at;
  }
  uint32_t add(const NamedAddresses::NameLine &line) {
    result_.lines.push_back(line);
    return static_cast<uint32_t>(result_.lines.size() - 1);
  }

  NamedAddresses &result_;
  bool demangled_;
  std::string shown_;
  std::unordered_map<std::string, uint32_t> modules_;
};

/// The file of a mapping: by the mapping itself, which also leads to a file that was deleted or
/// that lies in another mount namespace, but is not permitted to all; or by its path as the process
/// sees it.
struct MappedFile {
  std::string by_mapping;
  std::string by_path; ///< empty when the file is not there any more

  MappedFile(const std::string &proc_root, int32_t pid, const CodeMapping &mapping)
      : by_mapping{
            fmt::format("{}/{}/map_files/{:x}-{:x}", proc_root, pid, mapping.start, mapping.end)} {
    if (!mapping.path.ends_with(" (deleted)"))
      by_path = fmt::format("{}/{}/root{}", proc_root, pid, mapping.path);
  }
  int open() const {
    const int fd = open_regular(by_mapping, O_RDONLY);
    return fd >= 0 || by_path.empty() ? fd : open_regular(by_path, O_RDONLY | O_NOFOLLOW);
  }
};

void look_up_mapping(NameLookup &lookup, NameLookup::Group group, ProcessSlot::Known &known,
                     const std::string &proc_root, int32_t pid, uint64_t start_time) {
  const CodeMapping &mapping = known.mapping;
  const MappedObject object{mapping.start, mapping.end, mapping.offset, base_name(mapping.path),
                            false};
  if (mapping.path == "[vdso]") return lookup.vdso(group, object);
  if (mapping.path == "[vsyscall]") return lookup.give_up(group, UnnamedReason::kNoSymbols);
  if (mapping.inode == 0 || !mapping.path.starts_with('/') || mapping.path.starts_with("/memfd:") ||
      mapping.path.starts_with("/dev/zero"))
    return lookup.perf_map(group, {pid, 0, start_time}); // made at run time
  std::vector<LookupItem> left;
  std::shared_ptr<ModuleIndex> index = known.index.lock();
  std::optional<MappedFile> place;
  if (!index) {
    place.emplace(proc_root, pid, mapping);
    index = lookup.module_at(place->by_mapping); // another process may have it mapped, too
    known.index = index;
  }
  if (index) {
    lookup.known(group, object, *index, left);
    if (left.empty()) return;
    group = left;
  }
  if (!place) place.emplace(proc_root, pid, mapping);
  const OpenFile file{place->open()};
  if (file.get() < 0)
    return lookup.give_up(group, errno == EACCES || errno == EPERM ? UnnamedReason::kNotPermitted
                                                                   : UnnamedReason::kModuleMissing);
  known.index = lookup.file(group, object, file.get(), {});
}

} // namespace

void Symbolizer::look_up_process(const AddressSource &source, NameLookup &lookup,
                                 std::span<const LookupItem> items, const ModuleUse &use) {
  if (source.pid <= 0) return lookup.give_up(items, UnnamedReason::kProcessGone);
  const std::shared_ptr<ProcessSlot> slot = processes_->slot_of(source.pid, source.start_time);
  size_t bytes = 0;
  {
    const std::lock_guard lock{slot->mutex};
    std::vector<uint64_t> addresses;
    addresses.reserve(items.size());
    for (const LookupItem &item : items) addresses.push_back(item.address);
    const auto read_before = slot->read_at;
    ProcessMaps::Result result = slot->refresh(options_.proc_root, source.pid, addresses,
                                               std::chrono::milliseconds{options_.maps_ms});
    if (result == ProcessMaps::Result::kDone && source.start_time != 0 &&
        slot->read_at != read_before &&
        read_process_status(options_.proc_root, source.pid, source.start_time).state ==
            ProcessStatus::kGone)
      result = ProcessMaps::Result::kGone;
    if (result != ProcessMaps::Result::kDone) {
      processes_->forget(source.pid, source.start_time);
      return lookup.give_up(items, result == ProcessMaps::Result::kGone
                                       ? UnnamedReason::kProcessGone
                                       : UnnamedReason::kNotPermitted);
    }
    for (size_t from = 0; from < items.size();) {
      size_t to = from + 1;
      ProcessSlot::Known *known = slot->find(items[from].address);
      while (to < items.size() && (known == nullptr ? slot->find(items[to].address) == nullptr
                                                    : items[to].address < known->mapping.end))
        ++to;
      const NameLookup::Group group = items.subspan(from, to - from);
      if (known == nullptr) {
        lookup.give_up(group, UnnamedReason::kNoModule);
      } else {
        use(group, known->mapping.path);
        look_up_mapping(lookup, group, *known, options_.proc_root, source.pid, source.start_time);
      }
      from = to;
    }
    for (const ProcessSlot::Known &known : slot->mappings)
      bytes += sizeof known + known.mapping.path.capacity();
  }
  processes_->settle(source.pid, source.start_time, bytes);
  cache_->set_process_bytes(processes_->bytes());
}

NamedAddresses Symbolizer::look_up(const AddressSource &source, std::span<const uint64_t> addresses,
                                   std::span<const uint8_t> is_return) {
  if (addresses.size() >= UINT32_MAX) throw Error{Status::kLimit, "too many addresses at once"};
  std::vector<LookupItem> items;
  items.reserve(addresses.size());
  for (size_t i = 0; i < addresses.size(); ++i) {
    const uint64_t back = !is_return.empty() && is_return[i] != 0 && addresses[i] != 0 ? 1 : 0;
    items.push_back({addresses[i] - back, static_cast<uint32_t>(i)});
  }
  std::sort(items.begin(), items.end(), [](const LookupItem &a, const LookupItem &b) {
    return a.address != b.address ? a.address < b.address : a.item < b.item;
  });
  NamedAddresses result;
  NameCollector names{result, addresses.size(), options_.demangle};
  NameLookup lookup{*cache_, kernel_, options_, names};
  if (items.empty()) return result;
  switch (source.kind) {
  case AddressSource::kKernel:
    names.set_module(items, "[kernel.kallsyms]");
    lookup.kernel(items);
    break;
  case AddressSource::kProcess:
    look_up_process(source, lookup, items,
                    [&](std::span<const LookupItem> group, std::string_view path) {
                      names.set_module(group, path);
                    });
    break;
  case AddressSource::kFileOffset:
  case AddressSource::kFile: {
    names.set_module(items, source.path);
    const MappedObject object{0, 0, 0, base_name(source.path), source.kind == AddressSource::kFile};
    lookup.file(items, object, source.path, source.build_id, {});
    break;
  }
  }
  cache_->add(lookup.counts());
  return result;
}

} // namespace profcore
