#include "base/regex.hpp"

#include "base/error.hpp"
#include "base/utf8.hpp"
#include "build_features.hpp"

#include <algorithm>

#if PROFCORE_HAVE_RE2
#include <re2/re2.h>
#else
namespace re2 {
class RE2 {};
} // namespace re2
#endif

namespace profcore {

Regex::Regex() noexcept = default;
Regex::Regex(Regex &&other) noexcept = default;
Regex &Regex::operator=(Regex &&other) noexcept = default;
Regex::~Regex() = default;

bool Regex::is_available() noexcept {
  return PROFCORE_HAVE_RE2 != 0;
}

Regex::Regex(std::string_view pattern, std::string_view what, size_t max_memory) {
  const Problem problem = compile(pattern, max_memory);
  if (problem.reason.empty()) return;
  std::string message{what};
  message += ": bad regular expression";
  if (problem.at != SIZE_MAX) message += " at position " + std::to_string(problem.at);
  message += ": " + problem.reason;
  throw Error{Status::kInvalidArgument, std::move(message),
              problem.at == SIZE_MAX ? kNoOffset : problem.at};
}

std::optional<Regex> Regex::try_compile(std::string_view pattern, std::string &problem) {
  std::optional<Regex> regex{Regex{}};
  problem = regex->compile(pattern, kMaxMemory).reason;
  if (!problem.empty()) regex.reset();
  return regex;
}

#if PROFCORE_HAVE_RE2

namespace {

// RE2 quotes the offending part but not where it stands; a part that occurs once tells. For a
// missing or surplus parenthesis it quotes the whole pattern, which tells nothing.
size_t find_fault(std::string_view pattern, const re2::RE2 &compiled) {
  if (compiled.error_code() == re2::RE2::ErrorTrailingBackslash) return pattern.size() - 1;
  const std::string &part = compiled.error_arg();
  if (part.empty() || (part.size() == pattern.size() && pattern.size() > 1)) return SIZE_MAX;
  const size_t at = pattern.find(part);
  if (at == std::string_view::npos || pattern.find(part, at + 1) != std::string_view::npos)
    return SIZE_MAX;
  return at;
}

std::string replace_damaged(std::string_view text) {
  std::string repaired;
  repaired.reserve(text.size() + 16);
  while (!text.empty()) {
    const size_t length = utf8_sequence_length(text);
    if (length == 0)
      repaired += "\xef\xbf\xbd";
    else
      repaired += text.substr(0, length);
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return repaired;
}

} // namespace

Regex::Problem Regex::compile(std::string_view pattern, size_t max_memory) {
  if (pattern.size() > kMaxPattern)
    return {"longer than " + std::to_string(kMaxPattern) + " bytes"};
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(static_cast<int64_t>(max_memory));
  compiled_ = std::make_unique<re2::RE2>(re2::StringPiece{pattern.data(), pattern.size()}, options);
  if (compiled_->ok()) return {};
  const std::string_view reason = compiled_->error();
  // The message ends in the offending part, which may be all of a long pattern, or no UTF-8.
  return {replace_damaged(reason.substr(0, 200)), find_fault(pattern, *compiled_)};
}

bool Regex::match(std::string_view text, bool whole) const {
  if (!is_valid_utf8(text)) return match(replace_damaged(text), whole);
  const auto anchor = whole ? re2::RE2::ANCHOR_BOTH : re2::RE2::UNANCHORED;
  return compiled_->Match(re2::StringPiece{text.data(), text.size()}, 0, text.size(), anchor,
                          nullptr, 0);
}

#else

Regex::Problem Regex::compile(std::string_view, size_t) {
  throw Error{Status::kUnsupported, "regular expressions are not built in (RE2 was not found)"};
}

bool Regex::match(std::string_view, bool) const {
  return false;
}

#endif

} // namespace profcore
