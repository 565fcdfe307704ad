#pragma once

#include <string>
#include <string_view>

namespace profcore::jfr {

/// Appends a class as people write it: `java/lang/String` as `java.lang.String`, `[B` as `byte[]`,
/// `[[Ljava/lang/String;` as `java.lang.String[][]`. What is neither stays as it is but for the
/// slashes.
void append_class_name(std::string_view internal, std::string &output);

} // namespace profcore::jfr
