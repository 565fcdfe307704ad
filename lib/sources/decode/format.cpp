#include "sources/decode/decode.hpp"

namespace profcore {

std::string_view format_name(Format format) noexcept {
  switch (format) {
  case Format::kUnknown:
    return "unknown";
  case Format::kPprof:
    return "pprof";
  case Format::kPprofLegacy:
    return "pprof-legacy";
  case Format::kCollapsed:
    return "collapsed";
  case Format::kJfr:
    return "jfr";
  case Format::kSpeedscope:
    return "speedscope";
  case Format::kFlamebearer:
    return "flamebearer";
  case Format::kOtlp:
    return "otlp";
  case Format::kPyroscopeTrie:
    return "trie";
  case Format::kPyroscopeTree:
    return "tree";
  case Format::kPerfScript:
    return "perf-script";
  case Format::kChromeTrace:
    return "chrome-trace";
  }
  return "unknown";
}

std::string_view compression_name(Compression compression) noexcept {
  switch (compression) {
  case Compression::kNone:
    return "none";
  case Compression::kGzip:
    return "gzip";
  case Compression::kZstd:
    return "zstd";
  case Compression::kLz4:
    return "lz4";
  case Compression::kZip:
    return "zip";
  case Compression::kZlib:
    return "zlib";
  }
  return "none";
}

} // namespace profcore
