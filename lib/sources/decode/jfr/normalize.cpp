#include "sources/decode/jfr/normalize.hpp"

#include <algorithm>

namespace profcore::jfr {
namespace {

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
bool is_hex(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'f');
}

bool all_digits(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}
bool all_hex(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_hex);
}

/// What follows `$$Lambda` in a name made by the JVM: `$12.0x...`, `$12/123`, `/0x...`, `12`.
bool is_lambda_tail(std::string_view tail) noexcept {
  if (all_digits(tail)) return true;
  if (tail.starts_with('$')) tail.remove_prefix(1);
  while (!tail.empty() && is_digit(tail.front())) tail.remove_prefix(1);
  if (tail.empty() || (tail.front() != '.' && tail.front() != '/')) return false;
  tail.remove_prefix(1);
  if (tail.starts_with("0x")) tail.remove_prefix(2);
  return all_hex(tail);
}

bool rewrite_lambda(std::string_view symbol, std::string &storage) {
  constexpr std::string_view kMark = "$$Lambda";
  const size_t at = symbol.rfind(kMark);
  if (at == std::string_view::npos || at == 0) return false;
  const size_t after = at + kMark.size();
  if (!is_lambda_tail(symbol.substr(after))) return false;
  storage.assign(symbol.substr(0, after));
  storage += '_';
  return true;
}

/// `prefix` and then only digits.
bool rewrite_numbered(std::string_view symbol, std::string_view prefix, std::string &storage) {
  if (!symbol.starts_with(prefix) || !all_digits(symbol.substr(prefix.size()))) return false;
  storage.assign(prefix);
  storage += '_';
  return true;
}

void strip_deleted(std::string_view &symbol) noexcept {
  constexpr std::string_view kDeleted = " (deleted)";
  if (symbol.ends_with(kDeleted)) symbol.remove_suffix(kDeleted.size());
}

void strip_tmp(std::string_view &symbol) noexcept {
  if (symbol.starts_with("./tmp/"))
    symbol.remove_prefix(6);
  else if (symbol.starts_with("/tmp/"))
    symbol.remove_prefix(5);
}

/// Libraries that Java programs unpack under a new name each time.
bool rewrite_library(std::string_view symbol, std::string &storage) {
  std::string_view rest = symbol;
  strip_deleted(rest);
  if (!rest.ends_with(".so")) return false;
  strip_tmp(rest);
  rest.remove_suffix(3);
  constexpr std::string_view kZstd = "libzstd-jni-";
  if (rest.starts_with(kZstd)) {
    // libzstd-jni-1.5.1-16931311898282279136
    std::string_view version = rest.substr(kZstd.size());
    const size_t dash = version.rfind('-');
    if (dash == std::string_view::npos || !all_digits(version.substr(dash + 1))) return false;
    version = version.substr(0, dash);
    if (std::count(version.begin(), version.end(), '.') != 2 ||
        !std::all_of(version.begin(), version.end(),
                     [](char c) { return is_digit(c) || c == '.'; }))
      return false;
    storage = "libzstd-jni-_.so";
    return true;
  }
  constexpr std::string_view kCorretto = "amazonCorrettoCryptoProvider";
  std::string_view corretto = rest;
  if (corretto.starts_with("lib")) corretto.remove_prefix(3);
  if (corretto.starts_with(kCorretto)) {
    corretto.remove_prefix(kCorretto.size());
    if (corretto.starts_with("NativeLibraries.")) corretto.remove_prefix(16);
    if (corretto.size() < 16 || !all_hex(corretto.substr(0, 16))) return false;
    corretto.remove_prefix(16);
    if (!corretto.empty() && corretto != "/libcrypto" &&
        corretto != "/libamazonCorrettoCryptoProvider")
      return false;
    storage = "libamazonCorrettoCryptoProvider_.so";
    return true;
  }
  constexpr std::string_view kAsync = "libasyncProfiler-";
  if (rest.starts_with(kAsync)) {
    const size_t dash = rest.rfind('-');
    if (rest.size() - dash - 1 != 36 || !all_hex(rest.substr(dash + 1))) return false;
    storage = "libasyncProfiler-_.so";
    return true;
  }
  return false;
}

/// `Service$$EnhancerBySpringCGLIB$$1a2b3c4d` and `Service$$SpringCGLIB$$0`.
bool rewrite_cglib(std::string_view symbol, std::string &storage) {
  const size_t dollars = symbol.rfind("$$");
  if (dollars == std::string_view::npos || !all_hex(symbol.substr(dollars + 2))) return false;
  const std::string_view before = symbol.substr(0, dollars);
  const size_t by = before.rfind("$$");
  if (by == std::string_view::npos || before.find("CGLIB", by) == std::string_view::npos)
    return false;
  storage.assign(symbol.substr(0, dollars + 2));
  storage += '_';
  return true;
}

/// `LambdaForm$MH/0x0000000800c01400`: a hidden class is its name and an address.
bool rewrite_hidden(std::string_view symbol, std::string &storage) {
  const size_t at = symbol.find_last_of("./+");
  if (at == std::string_view::npos || at == 0) return false;
  const std::string_view tail = symbol.substr(at + 1);
  if (!tail.starts_with("0x") || !all_hex(tail.substr(2))) return false;
  storage.assign(symbol.substr(0, at));
  return true;
}

bool rewrite_proxy(std::string_view symbol, std::string &storage) {
  constexpr std::string_view kProxy = "$Proxy";
  const size_t at = symbol.rfind(kProxy);
  if (at == std::string_view::npos || (at != 0 && symbol[at - 1] != '/')) return false;
  return rewrite_numbered(symbol, symbol.substr(0, at + kProxy.size()), storage);
}

} // namespace

std::string_view normalize_symbol(std::string_view symbol, Normalize how, std::string &storage) {
  if (how == Normalize::kNone || symbol.size() < 6) return symbol;
  const bool last_is_generated =
      is_hex(symbol.back()) || symbol.back() == 'o' || symbol.back() == ')';
  if (!last_is_generated) return symbol;
  if (rewrite_numbered(symbol, "jdk/internal/reflect/GeneratedMethodAccessor", storage) ||
      rewrite_lambda(symbol, storage) || rewrite_library(symbol, storage) ||
      rewrite_cglib(symbol, storage))
    return storage;
  if (how != Normalize::kAll) return symbol;
  for (const std::string_view package : {"jdk/internal/reflect/", "sun/reflect/"})
    for (const std::string_view accessor :
         {"GeneratedMethodAccessor", "GeneratedConstructorAccessor",
          "GeneratedSerializationConstructorAccessor"}) {
      const std::string prefix = std::string{package}.append(accessor);
      if (rewrite_numbered(symbol, prefix, storage)) return storage;
    }
  if (rewrite_proxy(symbol, storage) || rewrite_hidden(symbol, storage)) return storage;
  return symbol;
}

} // namespace profcore::jfr
