#include "symbolize/java_name.hpp"

#include <algorithm>

namespace profcore {
namespace {

/// The class and the method of a raw name; empty when it is none.
struct Parts {
  std::string_view type;
  std::string_view method;
};

/// Of names in Java and in languages for the JVM: any letters beyond ASCII, and what compilers put
/// in.
bool is_name_char(char c) noexcept {
  const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  const bool is_digit = c >= '0' && c <= '9';
  return is_letter || is_digit || c == '_' || c == '$' || c == '-' ||
         (static_cast<unsigned char>(c) & 0x80) != 0;
}

bool is_name(std::string_view text, std::string_view also) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), [also](char c) {
    return is_name_char(c) || also.find(c) != also.npos;
  });
}

/// "int com.x.Y.method(long, int[])"
Parts external_form(std::string_view raw) noexcept {
  const size_t open = raw.find('(');
  if (open == raw.npos || !raw.ends_with(')')) return {};
  const std::string_view arguments = raw.substr(open + 1, raw.size() - open - 2);
  const size_t space = raw.find(' ');
  if (space == raw.npos || space > open) return {};
  const std::string_view result = raw.substr(0, space);
  const std::string_view name = raw.substr(space + 1, open - space - 1);
  const size_t dot = name.rfind('.');
  if (dot == name.npos) return {};
  const Parts parts{name.substr(0, dot), name.substr(dot + 1)};
  // "/" and "+" are in the names of hidden classes.
  const bool fits = is_name(result, ".[]/+") && is_name(parts.type, "./+") &&
                    is_name(parts.method, "<>") && parts.type.front() != '.' &&
                    (arguments.empty() || is_name(arguments, "., []/+"));
  return fits ? parts : Parts{};
}

/// "Lcom/x/Y;::method", with a signature behind it or not
Parts agent_form(std::string_view raw) noexcept {
  if (!raw.starts_with('L')) return {};
  const size_t end = raw.find(";::");
  if (end == raw.npos) return {};
  Parts parts{raw.substr(1, end - 1), raw.substr(end + 3)};
  parts.method = parts.method.substr(0, parts.method.find('('));
  return is_name(parts.type, "/+.") && is_name(parts.method, "<>") ? parts : Parts{};
}

Parts parts_of(std::string_view raw) noexcept {
  const Parts parts = external_form(raw);
  return parts.method.empty() ? agent_form(raw) : parts;
}

/// Where "/0x0000000800c03200" (or "+0x...") of a hidden class begins; the end without one.
size_t hidden_suffix(std::string_view type) noexcept {
  const size_t at = std::min(type.rfind("/0x"), type.rfind("+0x"));
  if (at == type.npos || at + 3 == type.size()) return type.size();
  const bool all =
      std::all_of(type.begin() + static_cast<ptrdiff_t>(at) + 3, type.end(),
                  [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  return all ? at : type.size();
}

} // namespace

FrameKind java_frame_kind(std::string_view raw) noexcept {
  if (raw == "Interpreter") return FrameKind::kJavaInterpreted;
  return parts_of(raw).method.empty() ? FrameKind::kUser : FrameKind::kJavaCompiled;
}

bool java_method_name(std::string_view raw, std::string &shown) {
  const Parts parts = parts_of(raw);
  if (parts.method.empty()) return false;
  shown.assign(parts.type.substr(0, hidden_suffix(parts.type)));
  std::replace(shown.begin(), shown.end(), '/', '.');
  shown += '.';
  shown += parts.method;
  return true;
}

} // namespace profcore
