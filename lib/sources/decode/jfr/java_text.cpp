#include "sources/decode/jfr/java_text.hpp"

namespace profcore::jfr {
namespace {

std::string_view primitive_name(char descriptor) noexcept {
  switch (descriptor) {
  case 'Z':
    return "boolean";
  case 'B':
    return "byte";
  case 'C':
    return "char";
  case 'S':
    return "short";
  case 'I':
    return "int";
  case 'J':
    return "long";
  case 'F':
    return "float";
  case 'D':
    return "double";
  default:
    return {};
  }
}

} // namespace

void append_class_name(std::string_view internal, std::string &output) {
  size_t dimensions = 0;
  while (dimensions < internal.size() && internal[dimensions] == '[') ++dimensions;
  std::string_view element = internal.substr(dimensions);
  if (dimensions > 0) {
    const std::string_view primitive =
        element.size() == 1 ? primitive_name(element[0]) : std::string_view{};
    if (!primitive.empty()) {
      element = primitive;
    } else if (element.size() > 2 && element.front() == 'L' && element.back() == ';') {
      element = element.substr(1, element.size() - 2);
    } else {
      dimensions = 0;
      element = internal;
    }
  }
  for (const char c : element) output += c == '/' ? '.' : c;
  for (size_t i = 0; i < dimensions; ++i) output += "[]";
}

} // namespace profcore::jfr
