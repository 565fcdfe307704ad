#include "symbolize/module_index.hpp"

#include "base/hash.hpp"
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
    module->symbols_ = ElfSymbols::build(image, {bounds.max_bytes});
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
  if (module->bytes() > bounds.max_bytes) {
    auto refused = std::make_shared<ModuleIndex>(UnnamedReason::kOverBudget);
    refused->build_id_ = std::move(module->build_id_);
    return refused;
  }
  return module;
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
  }
  if (cached.name.raw.empty()) return std::nullopt;
  if (demangled && !cached.is_demangled) {
    if (demangle(cached.name.raw, at.shown_)) cached.name.shown = at.texts_.copy(at.shown_);
    cached.is_demangled = true;
  }
  return demangled ? cached.name : SymbolName{cached.name.raw, cached.name.raw};
}

size_t ModuleIndex::bytes() const {
  const std::lock_guard lock{mutex_};
  return sizeof *this + segments_.capacity() * sizeof(ElfSegment) + build_id_.capacity() +
         symbols_.bytes() + (lines_ ? lines_->bytes() : 0) + cache_index_.bytes() + cache_.bytes() +
         texts_.bytes() + raw_.capacity() + shown_.capacity();
}

} // namespace profcore
