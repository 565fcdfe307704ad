// Command-line options as a table: the parser, the help text and whatever else needs the list read
// the same rows.
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

struct Option {
  std::string_view name;  ///< without dashes
  char letter;            ///< 0 = none
  std::string_view value; ///< what the value is called in the help; empty = takes none
  std::string_view help;
};

struct Command {
  std::string_view name;
  std::string_view arguments; ///< "FILE... -o OUT"
  std::string_view summary;   ///< one line
  std::string_view details;   ///< the rest of the help, with examples
  std::vector<std::span<const Option>> options;
  int (*run)(const class Arguments &);
};

/// A wrong command line: exit status 2.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Arguments {
public:
  /// Throws UsageError. "--" ends the options; "-" is an argument.
  Arguments(const Command &command, std::span<char *const> words);

  bool has(std::string_view name) const;
  /// The last value given, or `otherwise`.
  std::string get(std::string_view name, std::string_view otherwise = {}) const;
  /// All values given.
  std::vector<std::string> all(std::string_view name) const;
  double number(std::string_view name, double otherwise, double least, double most) const;
  uint64_t whole(std::string_view name, uint64_t otherwise, uint64_t most) const;
  /// "5", "5%" or "0.05" of 1? Always percent: "5" and "5%" are 0.05. `most` is in percent.
  double percent(std::string_view name, double otherwise, double most) const;
  const std::vector<std::string> &positional() const { return positional_; }
  const Command &command() const { return command_; }

private:
  struct Given {
    const Option *option;
    std::string value;
  };
  const Option *find(std::string_view name) const;
  const Option *find(char letter) const;

  const Command &command_;
  std::vector<Given> given_;
  std::vector<std::string> positional_;
};

std::string help_text(const Command &command, bool full);
