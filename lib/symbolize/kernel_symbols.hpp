#pragma once

// Names of kernel addresses, from /proc/kallsyms.
//
// The list has no sizes. A function ends where the next symbol of any kind begins, and at the
// latest where its text does: linker marks (_etext, ...) end the kernel's own, /proc/modules says
// where a module ends, and what is known of neither ends with its page. So an address in a hole has
// no name. Names of functions only are kept (8 bytes less for every datum), in one block; where
// several names share an address, the one that the kernel itself would print: the first in its
// list, which it sorts for that. But not a linker mark, and `__pi_memcpy` gives way to `memcpy`.
//
// Formatting the list costs the kernel some 50 ms whatever part is wanted, so it is read again only
// when /proc/modules changed, or for an address outside of everything known (a new BPF program),
// and then not more often than every ten seconds. The kernel's own symbols never change and are
// kept.
//
// Where somebody can ask the kernel for single addresses (`KernelNamer`), the list is read only
// when it is cheaper, or for an address that got no answer.

#include "base/context.hpp"
#include "symbolize/range_table.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace profcore {

/// Where a kernel module lies, of /proc/modules.
struct KernelModule {
  std::string name;
  uint64_t base = 0;
  uint64_t size = 0;
};

/// Lines that are damaged are left out; so are modules without an address (restricted).
std::vector<KernelModule> parse_kernel_modules(std::string_view text);

/// The build id in /sys/kernel/notes, hexadecimal; empty when it cannot be told.
std::string running_kernel_build_id();

/// Part of the kernel's symbols, never changed once made.
class KernelTable {
public:
  static constexpr uint32_t kNotFound = RangeTable::kNotFound;

  uint32_t find(uint64_t address) const noexcept { return table_.find(address); }
  std::string_view name(uint32_t symbol) const noexcept { return names_.get() + symbol; }
  size_t size() const noexcept { return table_.size(); }
  size_t bytes() const noexcept { return table_.bytes() + names_size_; }
  /// First and one past the last address that has a name.
  uint64_t begin() const noexcept { return begin_; }
  uint64_t end() const noexcept { return end_; }

private:
  friend class KallsymsParser;
  RangeTable table_;              ///< values are offsets into the names
  std::unique_ptr<char[]> names_; ///< each ends in a NUL
  size_t names_size_ = 0;
  uint64_t begin_ = 0;
  uint64_t end_ = 0;
};

/// Takes the text of /proc/kallsyms in pieces of any size.
class KallsymsParser {
public:
  /// Without `with_core` only lines that name a module are taken.
  explicit KallsymsParser(bool with_core = true) : with_core_{with_core} {}

  void feed(std::string_view text);
  /// After the last piece.
  void finish(const std::vector<KernelModule> &modules);

  KernelTable take_core() { return std::move(core_.made); }
  KernelTable take_modules() { return std::move(modules_.made); }

  uint64_t lines() const noexcept { return lines_; }
  uint64_t bad_lines() const noexcept { return bad_lines_; }
  /// There were symbols, and every address was 0.
  bool restricted() const noexcept { return lines_ > bad_lines_ && !saw_address_; }

private:
  struct Symbol {
    uint64_t address;
    uint32_t name; ///< kNoName: only an end of others
    uint16_t group;
    uint16_t rank;
  };
  struct Part {
    PodVector<Symbol> symbols;
    PodVector<char> names;
    std::string alias; ///< of a position independent name, the first at the last address
    KernelTable made;
  };

  void line(std::string_view text);
  void add(Part &part, uint64_t address, uint16_t group, std::string_view name, char type);
  uint16_t group_of(std::string_view module);
  void build(Part &part, const std::vector<KernelModule> &modules);

  bool with_core_;
  Part core_, modules_;
  std::vector<std::string> groups_;
  uint16_t last_group_ = 0;
  std::string rest_; ///< of a line cut between two pieces
  uint64_t lines_ = 0;
  uint64_t bad_lines_ = 0;
  bool saw_address_ = false;
};

/// A function of the running kernel.
struct KernelFunction {
  uint64_t begin = 0;
  uint64_t end = 0;
  std::string name;
  bool is_core = false; ///< the kernel's own: it stays as it is
};

/// Adds the functions that cover sorted addresses, as far as they can be told; false when this
/// kernel tells nothing, or not this user. One call at a time.
using KernelNamer =
    std::function<bool(std::span<const uint64_t> addresses, std::vector<KernelFunction> &found)>;

/// The running kernel's symbols, shared by all threads.
class KernelSymbols {
public:
  enum class State : uint8_t { kNotLoaded, kLoaded, kRestricted, kNotPermitted, kMissing };

  struct View {
    State state = State::kNotLoaded;
    std::shared_ptr<const KernelTable> core;
    std::shared_ptr<const KernelTable> modules;
  };

  explicit KernelSymbols(std::string proc_root = "/proc", KernelNamer namer = {})
      : proc_root_{std::move(proc_root)}, namer_{std::move(namer)} {}

  /// The functions of some sorted addresses, sorted, without the list; what it does not name may be
  /// in the list. nullopt: the list was read already, or has to be.
  std::optional<std::vector<KernelFunction>> functions_of(std::span<const uint64_t> addresses);
  /// What is known, loaded when nothing is yet.
  View view();
  /// Looks whether modules changed, and reads again if so. `missed`: an address was in none.
  View refreshed_view(bool missed);
  /// Forgets everything.
  void clear();
  size_t bytes() const;

private:
  using Clock = std::chrono::steady_clock;

  void load(bool with_core);
  std::string read_modules() const;

  std::string proc_root_;
  KernelNamer namer_;
  mutable std::mutex mutex_;
  View view_;
  std::map<uint64_t, KernelFunction> core_functions_; ///< by their begin, while there is no list
  uint64_t modules_hash_ = 0;
  Clock::time_point loaded_at_{};
};

} // namespace profcore
