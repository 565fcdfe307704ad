// What the subcommands share: opening inputs, filters, trees, writing results.
#pragma once

#include "options.hpp"

#include <profcore/profcore.hpp>

#include <string>
#include <vector>

enum ExitCode {
  kExitOk = 0,
  kExitFailed = 1,
  kExitUsage = 2,
  kExitNoData = 3,
  kExitPermission = 4,
  kExitInterrupted = 130,
};

extern const std::span<const Option> kGeneralOptions; ///< --help, --quiet ...
extern const std::span<const Option> kInputOptions;
extern const std::span<const Option> kFilterOptions;
extern const std::span<const Option> kTreeOptions;
extern const std::span<const Option> kViewOptions; ///< --total, --compat

extern const Command kRecord, kConvert, kTop, kFlame, kDiff, kSymbolize, kEvents, kMetrics, kCheck;

/// Limits from the options, a progress line on a terminal, SIGINT as cancel.
profcore_context make_context(const Arguments &arguments);
/// Removes the progress line, if one is shown.
void end_progress();
void install_signal_handler();
bool interrupted();

/// Text from a file for a terminal: control characters as \xNN.
std::string printable(std::string_view text);

/// The character at the front of UTF-8; of length 0 when there is none.
struct Character {
  uint32_t code = 0;
  size_t length = 0;
};
Character first_character(std::string_view text);
/// Control characters, and what else ends a line for some reader.
bool breaks_lines(uint32_t code);
/// A message on stderr, coloured on a terminal unless NO_COLOR or --color=never say otherwise.
void print_error(std::string_view text);
void print_warning(std::string_view text);
void set_color_mode(std::string_view mode);

/// UsageError when stdin is named twice.
void check_inputs(const std::vector<std::string> &paths);
/// Reads one input ("-" = stdin) and prints its warnings unless --quiet. `jfr_metrics`: with what
/// metrics of a JVM need.
profcore::Profile open_profile(const std::string &path, const Arguments &arguments,
                               bool jfr_metrics = false);
/// Reads all inputs, merges them, applies the filters.
profcore::Profile open_profiles(const std::vector<std::string> &paths, const Arguments &arguments);
profcore::Profile apply_filters(profcore::Profile profile, const Arguments &arguments);
/// --total and --compat, behind the filters: those look at plain names and whole stacks.
profcore::Profile apply_view(profcore::Profile profile, const Arguments &arguments);
/// UsageError for a --compat that there is not; to be told before hours of recording.
void check_view(const Arguments &arguments);
/// --compat deepflow.
bool has_deepflow_forms(const Arguments &arguments);

/// Nothing but a root without a value.
bool is_empty(const profcore::Flame &flame);
profcore::Flame build_flame(const profcore::Profile &profile, const Arguments &arguments);
/// "cpu/nanoseconds", fit for a terminal.
std::string name_type(const profcore::Profile &profile, size_t index);
/// The first columns in one line, and how many more there are.
std::string list_types(const profcore::Profile &profile);
/// Title for a graph: --title, or the file names.
std::string make_title(const Arguments &arguments, const std::vector<std::string> &paths);
std::string make_subtitle(const profcore::Profile &profile, const Arguments &arguments);

/// Writes to `path`, or to stdout for "-".
void save(const profcore::Buffer &buffer, const std::string &path);

/// The format named by --to or by the ending of `path`; UsageError when neither tells.
profcore_output_format choose_format(const Arguments &arguments, const std::string &path);
bool is_profile_format(profcore_output_format format);
/// What shapes a tree says nothing about a profile; better refused than ignored.
void refuse_tree_options(const Arguments &arguments, profcore_output_format format);
/// Columns of the terminal when stdout is one, else 0.
uint32_t terminal_width();
