#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace profcore {

/// Longer mangled names stay as they are.
constexpr size_t kLongestMangled = size_t{16} << 10;
/// What a name may grow to; a name that would be longer stays as it is.
constexpr size_t kLongestDemangled = size_t{64} << 10;

/// The readable form of a C++ (Itanium) or Rust (legacy and v0) symbol; false, and `output` empty,
/// when it is neither or damaged. Takes bounded time and memory for any input.
bool demangle(std::string_view mangled, std::string &output);

/// Rust's two forms; crate hashes are left out, as `rustfilt` does.
bool demangle_rust_legacy(std::string_view mangled, std::string &output);
bool demangle_rust_v0(std::string_view mangled, std::string &output);
bool demangle_cpp(std::string_view mangled, std::string &output);

/// An upper estimate of how long a C++ name becomes: see demangle.cpp. (Shown for tests.)
double estimate_cpp_length(std::string_view mangled);

} // namespace profcore
