// profcore: the command-line tool. Thin on purpose: everything it does goes through the C ABI.
#include "common.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fmt/format.h>

namespace {

constexpr std::array kCommands = {&kRecord,    &kConvert, &kTop,     &kFlame, &kDiff,
                                  &kSymbolize, &kEvents,  &kMetrics, &kCheck};

void print_overview(FILE *to) {
  fmt::print(to, "Usage: profcore COMMAND ...\n\nAny profile in, flame graphs, tables and other "
                 "formats out.\n\n");
  for (const Command *command : kCommands)
    fmt::print(to, "  {:<11}{}\n", command->name, command->summary);
  fmt::print(
      to,
      "\n`profcore COMMAND --help` tells more. Exit status: 0 ok, 1 failed, 2 usage, 3 no data,\n"
      "4 no permission, 130 interrupted.\n");
}

int exit_code(profcore_status status) {
  switch (status) {
  case PROFCORE_ERR_INVALID_ARGUMENT:
    return kExitUsage;
  case PROFCORE_ERR_NO_DATA:
    return kExitNoData;
  case PROFCORE_ERR_PERMISSION:
    return kExitPermission;
  case PROFCORE_ERR_CANCELLED:
    return kExitInterrupted;
  default:
    return kExitFailed;
  }
}

int run_command(const Command &command, std::span<char *const> words) {
  try {
    const Arguments arguments{command, words};
    set_color_mode(arguments.get("color"));
    if (arguments.has("help")) {
      const bool full = std::any_of(words.begin(), words.end(), [](const char *word) {
        return std::string_view{word} == "--help";
      });
      fmt::print("{}", help_text(command, full));
      return kExitOk;
    }
    return command.run(arguments);
  } catch (const UsageError &error) {
    print_error(error.what());
    fmt::print(stderr, "Try `profcore {} --help`.\n", command.name);
    return kExitUsage;
  } catch (const profcore::Exception &error) {
    if (error.status() == PROFCORE_ERR_CANCELLED && interrupted()) {
      end_progress();
      return kExitInterrupted;
    }
    std::string text = error.what();
    if (error.offset() != PROFCORE_NO_OFFSET && error.status() != PROFCORE_ERR_INVALID_ARGUMENT)
      text += fmt::format(" (at byte {})", error.offset());
    if (error.status() == PROFCORE_ERR_LIMIT)
      text += "\nLimits of memory are set by --max-memory MIB.";
    if (error.status() == PROFCORE_ERR_PERMISSION && &command == &kRecord)
      text += "\n`profcore check` tells what is missing here.";
    print_error(text);
    return exit_code(error.status());
  } catch (const std::exception &error) {
    print_error(error.what());
    return kExitFailed;
  }
}

int run_main(int argc, char **argv) {
  install_signal_handler();
  set_color_mode({});
  if (argc < 2) {
    print_overview(stderr);
    return kExitUsage;
  }
  const std::string_view name = argv[1];
  if (name == "--help" || name == "-h" || name == "help") {
    print_overview(stdout);
    return kExitOk;
  }
  if (name == "--version") {
    fmt::print("profcore {}\n", profcore_version_get());
    return kExitOk;
  }
  for (const Command *command : kCommands)
    if (name == command->name)
      return run_command(*command, {argv + 2, static_cast<size_t>(argc - 2)});
  print_error(fmt::format("unknown command \"{}\"", name));
  print_overview(stderr);
  return kExitUsage;
}

} // namespace

int main(int argc, char **argv) {
  const int status = run_main(argc, argv);
  // What was printed may still wait; a full disk is not success. EPIPE is: the reader had enough.
  errno = 0;
  if (std::fflush(stdout) != 0 && errno != EPIPE && status == kExitOk) {
    print_error(fmt::format("cannot write to stdout: {}", std::strerror(errno)));
    return kExitFailed;
  }
  return status;
}
