#include "options.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fmt/format.h>

namespace {

/// Edit distance, for "did you mean"; both are short.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1] ? 1 : 0)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string nearest(const Command &command, std::string_view name) {
  std::string_view best;
  size_t best_distance = 3;
  for (const auto group : command.options)
    for (const Option &option : group)
      if (const size_t d = distance(option.name, name); d < best_distance) {
        best_distance = d;
        best = option.name;
      }
  return best.empty() ? std::string{} : fmt::format(" (did you mean --{}?)", best);
}

} // namespace

Arguments::Arguments(const Command &command, std::span<char *const> words) : command_{command} {
  bool only_arguments = false;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (only_arguments || word == "-" || !word.starts_with('-')) {
      positional_.emplace_back(word);
      continue;
    }
    if (word == "--") {
      only_arguments = true;
      continue;
    }
    const auto next_word = [&](std::string_view option) -> std::string {
      if (i + 1 >= words.size()) throw UsageError{fmt::format("{} needs a value", option)};
      return words[++i];
    };
    if (word.starts_with("--")) {
      const size_t equals = word.find('=');
      const std::string_view name = word.substr(2, equals == word.npos ? word.npos : equals - 2);
      const Option *option = find(name);
      if (option == nullptr)
        throw UsageError{fmt::format("unknown option --{}{}", name, nearest(command, name))};
      if (option->value.empty()) {
        if (equals != word.npos) throw UsageError{fmt::format("--{} takes no value", name)};
        given_.push_back({option, {}});
      } else {
        given_.push_back(
            {option, equals != word.npos ? std::string{word.substr(equals + 1)} : next_word(word)});
      }
      continue;
    }
    for (size_t at = 1; at < word.size(); ++at) {
      const Option *option = find(word[at]);
      if (option == nullptr) throw UsageError{fmt::format("unknown option -{}", word[at])};
      if (option->value.empty()) {
        given_.push_back({option, {}});
        continue;
      }
      given_.push_back({option, at + 1 < word.size() ? std::string{word.substr(at + 1)}
                                                     : next_word(word.substr(0, at + 1))});
      break;
    }
  }
}

const Option *Arguments::find(std::string_view name) const {
  for (const auto group : command_.options)
    for (const Option &option : group)
      if (option.name == name) return &option;
  return nullptr;
}

const Option *Arguments::find(char letter) const {
  for (const auto group : command_.options)
    for (const Option &option : group)
      if (option.letter != 0 && option.letter == letter) return &option;
  return nullptr;
}

bool Arguments::has(std::string_view name) const {
  return std::any_of(given_.begin(), given_.end(),
                     [&](const Given &g) { return g.option->name == name; });
}

std::string Arguments::get(std::string_view name, std::string_view otherwise) const {
  for (size_t i = given_.size(); i-- > 0;)
    if (given_[i].option->name == name) return given_[i].value;
  return std::string{otherwise};
}

std::vector<std::string> Arguments::all(std::string_view name) const {
  std::vector<std::string> values;
  for (const Given &given : given_)
    if (given.option->name == name) values.push_back(given.value);
  return values;
}

double Arguments::number(std::string_view name, double otherwise, double least, double most) const {
  if (!has(name)) return otherwise;
  const std::string text = get(name);
  char *end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value >= least && value <= most))
    throw UsageError{
        fmt::format("--{} takes a number from {} to {:.15g}, not \"{}\"", name, least, most, text)};
  return value;
}

uint64_t Arguments::whole(std::string_view name, uint64_t otherwise, uint64_t most) const {
  const double value = number(name, static_cast<double>(otherwise), 0, static_cast<double>(most));
  if (value != std::floor(value))
    throw UsageError{fmt::format("--{} takes a whole number, not \"{}\"", name, get(name))};
  return static_cast<uint64_t>(value);
}

double Arguments::percent(std::string_view name, double otherwise, double most) const {
  if (!has(name)) return otherwise;
  std::string text = get(name);
  if (text.ends_with('%')) text.pop_back();
  char *end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value >= 0 && value <= most))
    throw UsageError{fmt::format("--{} takes a percentage from 0 to {:.15g}, not \"{}\"", name,
                                 most, get(name))};
  return value / 100;
}

namespace {

constexpr size_t kHelpColumns = 80;
constexpr size_t kHelpIndent = 30;

/// Words of `text`, the first line going on at column `at`.
std::string wrap(std::string_view text, size_t at) {
  std::string wrapped;
  bool first = true;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (!first && at + 1 + word.size() > kHelpColumns) {
      wrapped += '\n';
      wrapped.append(kHelpIndent, ' ');
      at = kHelpIndent;
    } else if (!first) {
      wrapped += ' ';
      ++at;
    }
    wrapped += word;
    at += word.size();
    first = false;
  }
  return wrapped;
}

} // namespace

std::string help_text(const Command &command, bool full) {
  std::string text = fmt::format("Usage: profcore {} {}\n\n{}\n", command.name, command.arguments,
                                 command.summary);
  text += "\nOptions:\n";
  for (const auto group : command.options) {
    for (const Option &option : group) {
      std::string left = fmt::format(
          "  {}--{}{}{}", option.letter != 0 ? fmt::format("-{}, ", option.letter) : "    ",
          option.name, option.value.empty() ? "" : " ", option.value);
      if (left.size() + 2 > kHelpIndent) {
        text += left + '\n';
        left.clear();
      }
      text += fmt::format("{:<{}}{}\n", left, kHelpIndent, wrap(option.help, kHelpIndent));
    }
  }
  std::string_view details = command.details;
  while (details.starts_with('\n')) details.remove_prefix(1);
  if (full && !details.empty()) text += fmt::format("\n{}", details);
  if (!full)
    text += fmt::format("\n`profcore {} --help` tells more, with examples.\n", command.name);
  return text;
}
