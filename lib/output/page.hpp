#pragma once

#include <string_view>

/// The parts of the flame graph page, put into the library by assets/embed.py.
namespace profcore::page {

extern const std::string_view html_template;
extern const std::string_view style;
extern const std::string_view script;

} // namespace profcore::page
