#include "capi/guard.hpp"
#include "symbolize/symbolizer.hpp"

#include <charconv>
#include <ctime>
#include <iterator>

using namespace profcore;
using namespace profcore::capi;

static_assert(sizeof(profcore_symbolizer_options) == size_t{10} * 8 &&
                  sizeof(profcore_symbolizer_stats) == size_t{51} * 8 &&
                  sizeof(profcore_symbolizer_profile_options) == size_t{9} * 8 &&
                  sizeof(profcore_address_source) == size_t{11} * 8 &&
                  sizeof(profcore_symbols_line) == size_t{8} * 8 &&
                  sizeof(profcore_symbols_view) == size_t{15} * 8,
              "no implicit padding");
static_assert(PROFCORE_ADDRESS_KERNEL == AddressSource::kKernel &&
              PROFCORE_ADDRESS_PROCESS == AddressSource::kProcess &&
              PROFCORE_ADDRESS_FILE_OFFSET == AddressSource::kFileOffset &&
              PROFCORE_ADDRESS_FILE == AddressSource::kFile);
static_assert(kUnnamedReasons <= std::size(profcore_symbolizer_stats{}.unnamed));

struct profcore_symbolizer {
  Symbolizer symbolizer;
};

struct profcore_symbols {
  NamedAddresses names;
  std::vector<profcore_symbols_line> lines;
  std::vector<profcore_str> modules;
};

namespace {

/// The files that a profile names, on this machine.
class FilesOfProfile final : public ModuleProvider {
public:
  FilesOfProfile(const Profile &profile, std::string root)
      : profile_{profile}, root_{std::move(root)} {}

  ModuleFile file_of(uint32_t module) override {
    const std::string_view path = profile_.text(profile_.modules()[module].path);
    if (!path.starts_with('/')) return {};
    return {-1, root_ + std::string{path}};
  }
  /// Of code made at run time the sampler keeps the host's id of a process in a container.
  ProcessView process_of(uint32_t module) override {
    constexpr std::string_view kPrefix = "pid-";
    std::string_view text = profile_.text(profile_.modules()[module].build_id);
    ProcessView process;
    if (!text.starts_with(kPrefix)) return process;
    text.remove_prefix(kPrefix.size());
    std::from_chars(text.data(), text.data() + text.size(), process.pid);
    return process;
  }
  bool is_running_kernel() override {
    timespec now{};
    timespec up{};
    if (::clock_gettime(CLOCK_REALTIME, &now) != 0 || ::clock_gettime(CLOCK_BOOTTIME, &up) != 0)
      return false;
    const auto nanoseconds = [](const timespec &at) {
      return int64_t{at.tv_sec} * 1'000'000'000 + at.tv_nsec;
    };
    if (profile_.meta.time_ns < nanoseconds(now) - nanoseconds(up)) return false;
    const std::string running = running_kernel_build_id();
    for (const Module &module : profile_.modules()) {
      const std::string_view build_id = profile_.text(module.build_id);
      if (profile_.text(module.path).starts_with("[kernel") && !build_id.empty() &&
          !running.empty() && build_id != running)
        return false;
    }
    return true;
  }

private:
  const Profile &profile_;
  std::string root_;
};

} // namespace

extern "C" {

profcore_status profcore_symbolizer_new(const profcore_symbolizer_options *given_options,
                                        profcore_symbolizer **out, profcore_error **err) {
  return guard(err, [&] {
    required(out, "out") = nullptr;
    const profcore_symbolizer_options given = read_options(given_options);
    SymbolizerOptions options;
    if (given.max_bytes != 0) options.max_bytes = given.max_bytes;
    if (given.debug_folder != nullptr) options.debug_folder = given.debug_folder;
    constexpr uint32_t kLongestMs = 3600000;
    if (given.maps_ms > kLongestMs) invalid("maps_ms is more than an hour");
    if (given.maps_ms != 0) options.maps_ms = given.maps_ms;
    options.demangle = !flag(given.no_demangle, "no_demangle");
    *out = new profcore_symbolizer{Symbolizer{std::move(options)}};
  });
}

void profcore_symbolizer_free(profcore_symbolizer *symbolizer) {
  delete symbolizer;
}

profcore_status profcore_symbolizer_clear(profcore_symbolizer *symbolizer, profcore_error **err) {
  return guard(err, [&] { required(symbolizer, "symbolizer").symbolizer.clear(); });
}

profcore_status profcore_symbolizer_get_stats(const profcore_symbolizer *symbolizer,
                                              profcore_symbolizer_stats *stats,
                                              profcore_error **err) {
  return guard(err, [&] {
    start_info(stats);
    const SymbolizerStats now = required(symbolizer, "symbolizer").symbolizer.stats();
    profcore_symbolizer_stats info{};
    info.named = now.named;
    info.named_by_bounds = now.named_by_bounds;
    std::copy(now.unnamed.begin(), now.unnamed.end(), info.unnamed);
    info.modules = now.modules;
    info.modules_built = now.modules_built;
    info.modules_found = now.modules_found;
    info.modules_evicted = now.modules_evicted;
    info.perf_maps = now.perf_maps;
    info.bad_lines = now.bad_lines;
    info.processes = now.processes;
    info.bytes = now.bytes;
    write_info(stats, info);
  });
}

profcore_status
profcore_symbolizer_name_profile(profcore_symbolizer *symbolizer, profcore_profile *profile,
                                 const profcore_symbolizer_profile_options *given_options,
                                 profcore_error **err) {
  return guard(err, [&] {
    const profcore_symbolizer_profile_options given = read_options(given_options);
    const ContextAdapter context{given.context};
    Profile &named = required(profile, "profile").profile;
    FilesOfProfile files{named, std::string{text_or_empty(given.root)}};
    required(symbolizer, "symbolizer").symbolizer.symbolize(named, files, context.get());
  });
}

profcore_status profcore_symbolizer_look_up(profcore_symbolizer *symbolizer,
                                            const profcore_address_source *given_source,
                                            const uint64_t *addresses, const uint8_t *is_return,
                                            size_t count, profcore_symbols **out,
                                            profcore_error **err) {
  return guard(err, [&] {
    required(out, "out") = nullptr;
    Symbolizer &names = required(symbolizer, "symbolizer").symbolizer;
    const profcore_address_source given = read_options(&required(given_source, "source"));
    if (count != 0) required(addresses, "addresses");
    AddressSource source;
    source.kind = checked_enum<AddressSource::Kind>(given.kind, PROFCORE_ADDRESS_FILE,
                                                    "kind of an address source");
    source.pid = given.pid;
    source.start_time = given.start_time;
    source.path = text_or_empty(given.path);
    source.build_id = text_or_empty(given.build_id);
    const bool is_file = given.kind >= PROFCORE_ADDRESS_FILE_OFFSET;
    if (is_file && source.path.empty()) invalid("an address source of a file without a path");
    if (given.kind == PROFCORE_ADDRESS_PROCESS && given.pid <= 0)
      invalid("an address source of a process without a pid");
    auto made = std::make_unique<profcore_symbols>();
    made->names = names.look_up(source, {addresses, count}, {is_return, is_return ? count : 0});
    const NamedAddresses &found = made->names;
    const auto text = [&](NamedAddresses::Text at) {
      return profcore_str{found.texts.data() + at.offset, at.size};
    };
    made->lines.reserve(found.lines.size());
    for (const NamedAddresses::NameLine &line : found.lines)
      made->lines.push_back(
          {text(line.name), text(line.system_name), text(line.file), line.line, line.column});
    made->modules.reserve(found.modules.size());
    for (const NamedAddresses::Text path : found.modules) made->modules.push_back(text(path));
    *out = made.release();
  });
}

profcore_status profcore_symbols_get_view(const profcore_symbols *symbols,
                                          profcore_symbols_view *view, profcore_error **err) {
  return guard(err, [&] {
    start_info(view);
    const profcore_symbols &from = required(symbols, "symbols");
    profcore_symbols_view info{};
    info.count = from.names.first_line.size();
    info.first_line = from.names.first_line.data();
    info.line_count = from.names.line_count.data();
    info.reason = from.names.reason.data();
    info.flags = from.names.flags.data();
    info.module = from.names.module.data();
    info.lines = from.lines.data();
    info.line_total = from.lines.size();
    info.modules = from.modules.data();
    info.module_total = from.modules.size();
    write_info(view, info);
  });
}

void profcore_symbols_free(profcore_symbols *symbols) {
  delete symbols;
}

} // extern "C"
