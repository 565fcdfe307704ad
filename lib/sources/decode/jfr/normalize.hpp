#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace profcore::jfr {

/// Names of classes and libraries that are made at run time carry numbers and addresses, by which
/// the same code has another name in every process. This takes them out, once per symbol.
enum class Normalize : uint8_t {
  kNone,
  kPyroscope, ///< what Pyroscope's parser rewrites, to the letter
  kAll,       ///< also hidden classes, proxies, constructor accessors, CGLIB's classes
};

/// `App$$Lambda$12/0x00007f3e` becomes `App$$Lambda_`, `GeneratedMethodAccessor31`
/// `GeneratedMethodAccessor_`, `$Proxy12` `$Proxy_`, `LambdaForm$MH/0x0000` `LambdaForm$MH`.
/// Returns `symbol` itself, or `storage`, rewritten.
std::string_view normalize_symbol(std::string_view symbol, Normalize how, std::string &storage);

} // namespace profcore::jfr
