#pragma once

#include "model/profile.hpp"

#include <string>
#include <string_view>

namespace profcore {

/// What a line of a perf map names: a Java method (kJavaCompiled), HotSpot's interpreter
/// (kJavaInterpreted), or anything else (kUser), stubs of the JVM too.
FrameKind java_frame_kind(std::string_view raw) noexcept;

/// A Java method as profilers show it, com.x.Y.method, from HotSpot's "int com.x.Y.method(long,
/// int)" and perf-map-agent's "Lcom/x/Y;::method". Overloads become one. Classes made at run time
/// lose the address in their names: "Y$$Lambda$14/0x0000000800c03200" is another one each time it
/// runs. False, and nothing written, for what is no method.
bool java_method_name(std::string_view raw, std::string &shown);

} // namespace profcore
