#include "symbolize/module_index.hpp"

#include "base/hash.hpp"
#include "symbolize/debug_file.hpp"
#include "symbolize/demangle.hpp"

#include <algorithm>
#include <cstring>
#include <elf.h>
#include <new>

namespace profcore {

std::shared_ptr<ModuleIndex> ModuleIndex::build(const ByteSource &bytes, const Bounds &bounds) {
  char magic[SELFMAG];
  if (!bytes.read(0, magic, sizeof magic) || std::memcmp(magic, ELFMAG, SELFMAG) != 0)
    return std::make_shared<ModuleIndex>(UnnamedReason::kNoSymbols); // a data file
  auto module = std::make_shared<ModuleIndex>(UnnamedReason::kNone);
  try {
    const ElfImage image{bytes};
    module->build_id_ = image.build_id_text();
    for (const ElfSegment &segment : image.segments())
      if (segment.type == PT_LOAD) module->segments_.push_back(segment);
    module->segments_.shrink_to_fit();
    module->max_bytes_ = bounds.max_bytes;
    const DebugFile debug = open_debug_file(image, bounds.debug_folder, bounds.max_bytes);
    module->symbols_ = ElfSymbols::build(image, {bounds.max_bytes}, debug.image());
    if (bounds.line_sources != nullptr)
      module->lines_ = bounds.line_sources->open(image, bounds.max_bytes);
    if (module->symbols_.empty() && module->lines_ == nullptr)
      module->problem_ = module->symbols_.damaged() || !image.warnings().empty()
                             ? UnnamedReason::kModuleDamaged
                             : UnnamedReason::kNoSymbols;
  } catch (const Error &error) {
    module->problem_ = error.status() == Status::kLimit ? UnnamedReason::kOverBudget
                                                        : UnnamedReason::kModuleDamaged;
  }
  module->symbols_.let_go();
  module->table_bytes_ += module->segments_.capacity() * sizeof(ElfSegment) +
                          module->build_id_.capacity() + module->symbols_.bytes() +
                          (module->lines_ ? module->lines_->bytes() : 0);
  if (module->bytes() > bounds.max_bytes) {
    auto refused = std::make_shared<ModuleIndex>(UnnamedReason::kOverBudget);
    refused->build_id_ = std::move(module->build_id_);
    return refused;
  }
  return module;
}

const FunctionBounds *ModuleIndex::function_bounds(const ByteSource *bytes) {
  if (!has_bounds_.load(std::memory_order_acquire)) {
    if (bytes == nullptr) return nullptr;
    const std::lock_guard lock{building_bounds_};
    if (!has_bounds_.load(std::memory_order_relaxed)) {
      try {
        bounds_ = FunctionBounds::build(ElfImage{*bytes}, max_bytes_);
      } catch (const Error &) {
        // None, then: addresses keep the reason that they have.
      }
      table_bytes_ += bounds_.bytes();
      has_bounds_.store(true, std::memory_order_release);
    }
  }
  return &bounds_;
}

ModuleIndex::Found ModuleIndex::find(uint64_t address, const ByteSource *bytes) {
  const uint32_t symbol = symbols_.find(address);
  if (symbol != kNotFound && !ElfSymbols::is_guess(symbol)) return {symbol, {}, false};
  const FunctionBounds *bounds = function_bounds(bytes);
  if (bounds == nullptr) return {kNotFound, {}, true};
  const std::optional<uint64_t> start = bounds->start_of(address);
  if (!start) return {symbol, {}, false};
  if (symbol != kNotFound) {
    // A symbol of no size that begins before the function ends there, too.
    const bool reaches_in = *start > 0 && symbols_.find(*start - 1) == symbol;
    return reaches_in ? Found{kNotFound, start, false} : Found{symbol, {}, false};
  }
  // The size that the symbol at the start lacks is the function's.
  const uint32_t at_start = symbols_.find(*start);
  if (at_start != kNotFound && ElfSymbols::is_guess(at_start)) return {at_start, {}, false};
  return {kNotFound, start, false};
}

std::optional<SymbolName> ModuleIndex::Names::of(uint32_t symbol, bool demangled) {
  ModuleIndex &at = module_;
  bool is_new = false;
  const uint32_t id = at.cache_index_.find_or_insert(
      hash_u64(symbol, 0), [&](uint32_t other) { return at.cache_[other].symbol == symbol; },
      [&] {
        is_new = true;
        at.cache_.push_back({symbol, false, {}});
        return static_cast<uint32_t>(at.cache_.size() - 1);
      });
  Cached &cached = at.cache_[id];
  if (is_new && at.symbols_.name(symbol, at.raw_)) {
    cached.name.raw = at.texts_.copy(at.raw_);
    cached.name.shown = cached.name.raw;
    has_read_ = true;
  }
  if (cached.name.raw.empty()) return std::nullopt;
  if (demangled && !cached.is_demangled) {
    std::string_view mangled = cached.name.raw;
    std::string_view suffix;
    if (ElfSymbols::is_plt(symbol)) {
      suffix = mangled.substr(mangled.size() - ElfSymbols::kPltSuffix.size());
      mangled.remove_suffix(suffix.size());
    }
    if (demangle(mangled, at.shown_)) {
      at.shown_ += suffix;
      cached.name.shown = at.texts_.copy(at.shown_);
    }
    cached.is_demangled = true;
  }
  return demangled ? cached.name : SymbolName{cached.name.raw, cached.name.raw};
}

ModuleIndex::Names::~Names() {
  ModuleIndex &at = module_;
  if (has_read_) at.symbols_.let_go();
  at.name_bytes_.store(at.cache_index_.bytes() + at.cache_.bytes() + at.texts_.bytes() +
                           at.raw_.capacity() + at.shown_.capacity(),
                       std::memory_order_relaxed);
}

} // namespace profcore
