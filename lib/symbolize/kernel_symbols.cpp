#include "symbolize/kernel_symbols.hpp"

#include "base/hash.hpp"
#include "base/input_stream.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <iterator>

namespace profcore {
namespace {

constexpr uint32_t kNoName = UINT32_MAX;
constexpr uint64_t kPage = 4096;
/// Programs of BPF are packed side by side and all of them are listed, but for none is the size.
constexpr uint64_t kLongestBpfProgram = uint64_t{64} << 10;
constexpr size_t kMostGroups = 60000;
constexpr size_t kLongestLine = 4096;
constexpr uint64_t kMostBytes = uint64_t{256} << 20;
constexpr auto kBetweenReloads = std::chrono::seconds{10};
constexpr size_t kOwnMapping = size_t{2} << 20;
constexpr uint16_t kMark = 2; ///< set by the linker: it ends others and names nothing
constexpr uint16_t kFunction = 1;
constexpr uint16_t kAlias = 0; ///< of the position independent name before it
constexpr std::string_view kPositionIndependent = "__pi_";
/// Asking for so many costs about a third of what the list does, memory too.
constexpr size_t kMostAsked = 16384;

bool is_linker_mark(std::string_view name) noexcept {
  return name == "_text" || name == "_stext" || name == "_etext" || name == "_sinittext" ||
         name == "_einittext" || name == "_end" || name.ends_with("text_start") ||
         name.ends_with("text_end");
}

bool parse_hex(std::string_view text, uint64_t &value) noexcept {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return result.ec == std::errc{} && result.ptr == text.data() + text.size();
}

} // namespace

std::vector<KernelModule> parse_kernel_modules(std::string_view text) {
  std::vector<KernelModule> modules;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    // name size users by state 0xaddress [(flags)]
    std::string_view fields[6];
    size_t count = 0;
    for (std::string_view left = line; count < 6 && !left.empty();) {
      const size_t end = std::min(left.find(' '), left.size());
      if (end > 0) fields[count++] = left.substr(0, end);
      left.remove_prefix(std::min(left.size(), end + 1));
    }
    KernelModule module;
    if (count < 6 || !fields[5].starts_with("0x")) continue;
    const auto size =
        std::from_chars(fields[1].data(), fields[1].data() + fields[1].size(), module.size);
    if (size.ec != std::errc{} || !parse_hex(fields[5].substr(2), module.base) || module.base == 0)
      continue;
    module.name = fields[0];
    modules.push_back(std::move(module));
  }
  return modules;
}

std::string running_kernel_build_id() {
  std::string notes;
  try {
    InputStream input = InputStream::open("/sys/kernel/notes", {});
    char part[4096];
    while (const size_t got = input.read_some(part, sizeof part)) {
      notes.append(part, got);
      if (notes.size() > (size_t{1} << 20)) return {};
    }
  } catch (const Error &) {
    return {};
  }
  const auto word = [&](size_t at) {
    uint32_t value;
    std::memcpy(&value, notes.data() + at, sizeof value);
    return size_t{value};
  };
  const auto padded = [](size_t size) { return (size + 3) & ~size_t{3}; };
  for (size_t at = 0; notes.size() - at >= 12;) {
    const size_t name = word(at);
    const size_t text = word(at + 4);
    const size_t type = word(at + 8);
    at += 12;
    if (name > notes.size() || text > notes.size() || padded(name) + text > notes.size() - at)
      break;
    if (type == 3 && name == 4 && notes.compare(at, 3, "GNU") == 0) {
      std::string id;
      for (const char byte : notes.substr(at + padded(name), text)) {
        constexpr char kDigits[] = "0123456789abcdef";
        id += kDigits[static_cast<uint8_t>(byte) >> 4];
        id += kDigits[static_cast<uint8_t>(byte) & 15];
      }
      return id;
    }
    at += std::min(padded(name) + padded(text), notes.size() - at);
  }
  return {};
}

void KallsymsParser::feed(std::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view part = text.substr(0, end);
    if (end == std::string_view::npos) {
      if (rest_.size() <= kLongestLine) rest_ += part; // longer ones are damaged anyway
      return;
    }
    if (rest_.empty()) {
      line(part);
    } else {
      rest_ += part;
      line(rest_);
      rest_.clear();
    }
    text.remove_prefix(end + 1);
  }
}

void KallsymsParser::line(std::string_view text) {
  ++lines_;
  // "ffffffff81000000 T name", for modules followed by a tab and "[module]"
  const size_t space = text.find(' ');
  uint64_t address = 0;
  if (space == std::string_view::npos || text.size() > kLongestLine || text.size() < space + 4 ||
      text[space + 2] != ' ' || !parse_hex(text.substr(0, space), address)) {
    ++bad_lines_;
    return;
  }
  const char type = text[space + 1];
  std::string_view name = text.substr(space + 3);
  std::string_view module;
  if (name.back() == ']') {
    const size_t tab = name.find('\t');
    if (tab != std::string_view::npos && tab + 2 < name.size() && name[tab + 1] == '[') {
      module = name.substr(tab + 2, name.size() - tab - 3);
      name = name.substr(0, tab);
    }
  }
  if (address == 0) return;
  saw_address_ = true;
  if (!module.empty())
    add(modules_, address, group_of(module), name, type);
  else if (with_core_)
    add(core_, address, 0, name, type);
}

uint16_t KallsymsParser::group_of(std::string_view module) {
  if (last_group_ != 0 && groups_[last_group_ - 1] == module) return last_group_;
  for (size_t i = 0; i < groups_.size(); ++i)
    if (groups_[i] == module) return last_group_ = static_cast<uint16_t>(i + 1);
  if (groups_.size() >= kMostGroups) return static_cast<uint16_t>(kMostGroups);
  groups_.emplace_back(module);
  return last_group_ = static_cast<uint16_t>(groups_.size());
}

void KallsymsParser::add(Part &part, uint64_t address, uint16_t group, std::string_view name,
                         char type) {
  const bool is_text = type == 't' || type == 'T' || type == 'w' || type == 'W';
  uint16_t rank = is_text && !name.empty() && !is_linker_mark(name) ? kFunction : kMark;
  PodVector<char> &names = part.names;
  if (!part.symbols.empty()) {
    Symbol &last = part.symbols.back();
    if (last.address == address && last.group == group) {
      if (rank == kFunction && name == part.alias) rank = kAlias;
      if (rank >= last.rank) return;
      // The loser's name was the last one added.
      if (last.name != kNoName) names.resize_uninitialized(last.name);
      part.symbols.pop_back();
    } else if (rank == kMark && last.name == kNoName && group == 0 && last.group == 0 &&
               last.address < address) {
      return; // an end behind an end (only the kernel's own are sorted)
    }
  }
  part.alias.clear();
  if (rank == kFunction && name.starts_with(kPositionIndependent))
    part.alias = name.substr(kPositionIndependent.size());
  Symbol symbol{address, kNoName, group, rank};
  if (rank != kMark) {
    if (names.size() + name.size() >= kNoName - 1)
      throw Error{Status::kLimit, "more than 4 GB of kernel symbol names"};
    symbol.name = static_cast<uint32_t>(names.size());
    name = name.substr(0, name.find('\0'));
    names.append({name.data(), name.size()});
    names.push_back('\0');
  }
  part.symbols.push_back(symbol);
}

void KallsymsParser::finish(const std::vector<KernelModule> &modules) {
  if (!rest_.empty()) {
    const std::string last = std::move(rest_);
    rest_.clear();
    line(last);
  }
  build(core_, modules);
  build(modules_, modules);
}

void KallsymsParser::build(Part &part, const std::vector<KernelModule> &modules) {
  PodVector<Symbol> symbols = std::move(part.symbols);
  const auto before = [](const Symbol &a, const Symbol &b) {
    if (a.address != b.address) return a.address < b.address;
    return a.rank != b.rank ? a.rank > b.rank : a.name > b.name; // names stand in file order
  };
  if (!std::is_sorted(symbols.begin(), symbols.end(), before))
    std::sort(symbols.begin(), symbols.end(), before);
  const auto group_end = [&](const Symbol &symbol) {
    const std::string_view group = symbol.group == 0 || symbol.group > groups_.size()
                                       ? std::string_view{}
                                       : groups_[symbol.group - 1];
    for (const KernelModule &module : modules)
      if (module.name == group && symbol.address - module.base < module.size)
        return module.base + module.size;
    if (group == "bpf") return symbol.address + kLongestBpfProgram;
    return (symbol.address | (kPage - 1)) + 1;
  };
  PodVector<RangeTable::Piece> pieces;
  // At least what is mapped for itself, so that it is given back whole.
  pieces.reserve(std::max(symbols.size(), kOwnMapping / sizeof(RangeTable::Piece)));
  for (size_t i = 0; i < symbols.size(); ++i) {
    const Symbol &symbol = symbols[i];
    // Of equal addresses the last is the best.
    if (i + 1 < symbols.size() && symbols[i + 1].address == symbol.address) continue;
    if (symbol.name == kNoName) continue;
    const bool is_last = i + 1 == symbols.size();
    uint64_t end = is_last ? UINT64_MAX : symbols[i + 1].address;
    const bool is_bpf =
        symbol.group != 0 && symbol.group <= groups_.size() && groups_[symbol.group - 1] == "bpf";
    if (is_last || is_bpf || symbols[i + 1].group != symbol.group) {
      const uint64_t latest = group_end(symbol);
      if (latest > symbol.address) end = std::min(end, latest); // else it wrapped
    }
    const uint64_t size = std::min<uint64_t>(end - symbol.address, UINT32_MAX);
    if (size == 0) continue; // at the very end of address space
    pieces.push_back({symbol.address, static_cast<uint32_t>(size), symbol.name});
  }
  symbols = {};
  part.made.names_size_ = part.names.size();
  part.made.names_ = std::make_unique_for_overwrite<char[]>(part.names.size());
  if (!part.names.empty())
    std::memcpy(part.made.names_.get(), part.names.data(), part.names.size());
  part.names = {};
  if (pieces.empty()) return;
  part.made.begin_ = pieces[0].start;
  part.made.end_ = pieces.back().start + pieces.back().size;
  part.made.table_ = RangeTable::from_pieces(pieces.span());
}

std::string KernelSymbols::read_modules() const {
  std::string text;
  try {
    InputStream input = InputStream::open(proc_root_ + "/modules", {});
    char part[4096];
    while (const size_t got = input.read_some(part, sizeof part)) {
      text.append(part, got);
      if (text.size() > kMostBytes) break;
    }
  } catch (const Error &) {
    text.clear(); // a kernel without modules
  }
  return text;
}

std::optional<std::vector<KernelFunction>>
KernelSymbols::functions_of(std::span<const uint64_t> addresses) {
  if (!namer_) return std::nullopt;
  const std::lock_guard lock{mutex_};
  if (view_.state == State::kLoaded) return std::nullopt;
  std::vector<KernelFunction> functions;
  std::vector<uint64_t> unknown;
  for (const uint64_t address : addresses) {
    if (!functions.empty() && address < functions.back().end) continue;
    const auto after = core_functions_.upper_bound(address);
    if (after != core_functions_.begin() && address < std::prev(after)->second.end)
      functions.push_back(std::prev(after)->second);
    else
      unknown.push_back(address);
  }
  if (unknown.empty()) return functions;
  std::vector<KernelFunction> told;
  if (unknown.size() + core_functions_.size() > kMostAsked || !namer_(unknown, told)) {
    core_functions_.clear();
    return std::nullopt;
  }
  std::erase_if(told, [](const KernelFunction &function) {
    return function.name.empty() || is_linker_mark(function.name);
  });
  for (KernelFunction &function : told) {
    if (function.is_core) core_functions_.insert_or_assign(function.begin, function);
    functions.push_back(std::move(function));
  }
  std::sort(functions.begin(), functions.end(),
            [](const KernelFunction &a, const KernelFunction &b) { return a.begin < b.begin; });
  return functions;
}

KernelSymbols::View KernelSymbols::view() {
  const std::lock_guard lock{mutex_};
  if (view_.state == State::kNotLoaded) load(true);
  return view_;
}

KernelSymbols::View KernelSymbols::refreshed_view(bool missed) {
  const std::lock_guard lock{mutex_};
  if (view_.state == State::kNotLoaded) {
    load(true);
  } else if (view_.state == State::kLoaded) {
    const std::string modules = read_modules();
    const bool changed = hash_bytes(modules, 0) != modules_hash_;
    if (changed || (missed && Clock::now() - loaded_at_ > kBetweenReloads)) load(false);
  } else if (Clock::now() - loaded_at_ > kBetweenReloads) {
    load(true); // it may be allowed by now
  }
  return view_;
}

void KernelSymbols::load(bool with_core) {
  const std::string modules = read_modules();
  KallsymsParser parser{with_core};
  loaded_at_ = Clock::now();
  try {
    InputStream input = InputStream::open(proc_root_ + "/kallsyms", {});
    const auto part = std::make_unique_for_overwrite<char[]>(size_t{64} << 10);
    uint64_t total = 0;
    while (const size_t got = input.read_some(part.get(), size_t{64} << 10)) {
      total += got;
      if (total > kMostBytes) break;
      parser.feed({part.get(), got});
    }
  } catch (const Error &error) {
    if (with_core)
      view_.state = error.status() == Status::kPermission ? State::kNotPermitted : State::kMissing;
    return; // a failed reload leaves what there is
  }
  parser.finish(parse_kernel_modules(modules));
  modules_hash_ = hash_bytes(modules, 0);
  if (parser.restricted()) {
    view_.state = State::kRestricted;
    return;
  }
  if (with_core) view_.core = std::make_shared<KernelTable>(parser.take_core());
  view_.modules = std::make_shared<KernelTable>(parser.take_modules());
  view_.state = view_.core->size() + view_.modules->size() > 0 ? State::kLoaded : State::kMissing;
  core_functions_.clear();
}

void KernelSymbols::clear() {
  const std::lock_guard lock{mutex_};
  view_ = {};
  core_functions_.clear();
}

size_t KernelSymbols::bytes() const {
  const std::lock_guard lock{mutex_};
  constexpr size_t kAboutOne = 128; // with its name and its place in the map
  return (view_.core ? view_.core->bytes() : 0) + (view_.modules ? view_.modules->bytes() : 0) +
         core_functions_.size() * kAboutOne;
}

} // namespace profcore
