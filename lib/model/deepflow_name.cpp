#include "model/deepflow_name.hpp"

#include "model/frame_name.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>

namespace profcore {
namespace {

constexpr std::array<std::string_view, kDeepflowForms> kPrefixes = {"",     "",     "[k] ", "[l] ",
                                                                    "[c] ", "[p] ", "[t] "};

/// No symbol begins with a bracket, but what stands for one does; a process may be named anything.
bool has_form(DeepflowForm form, std::string_view name) {
  const bool is_task = form == DeepflowForm::kProcess || form == DeepflowForm::kThread;
  return is_task ? is_deepflow_task(name) : name.starts_with('[');
}

bool is_java(FrameKind kind) {
  return kind == FrameKind::kJavaInterpreted || kind == FrameKind::kJavaCompiled ||
         kind == FrameKind::kJavaInlined || kind == FrameKind::kManaged;
}

std::string_view primitive_type(char descriptor) {
  switch (descriptor) {
  case 'B':
    return "byte";
  case 'C':
    return "char";
  case 'D':
    return "double";
  case 'F':
    return "float";
  case 'I':
    return "int";
  case 'J':
    return "long";
  case 'S':
    return "short";
  case 'Z':
    return "boolean";
  default:
    return {};
  }
}

/// `Lcom/x/Y;::m` as `com/x/Y::m`, an array's with [] at its end, `[I` as `int[]`; false for what
/// begins with no class descriptor.
bool append_java_name(std::string_view name, std::string &output) {
  const size_t dimensions = std::min(name.find_first_not_of('['), name.size());
  std::string_view rest = name.substr(dimensions);
  if (rest.empty() || dimensions > 255) return false;
  if (rest[0] == 'L') {
    const size_t end = rest.find_first_of("; (<[");
    if (end == std::string_view::npos || rest[end] != ';' || end == 1) return false;
    const std::string_view method = rest.substr(end + 1);
    if (!method.empty() && !method.starts_with("::")) return false;
    output += rest.substr(1, end - 1);
    output += method;
  } else {
    const std::string_view type = primitive_type(rest[0]);
    if (dimensions == 0 || type.empty() || rest.size() != 1) return false;
    output += type;
  }
  for (size_t i = 0; i < dimensions; ++i) output += "[]";
  return true;
}

/// Memory of no file has a path that is none: [heap], [stack], //anon, /dev/zero, /SYSV...
bool is_file(std::string_view path) {
  if (path.empty() || path.starts_with("//anon") || path.starts_with("anon_inode:") ||
      path.starts_with("/dev/zero") || path.starts_with("/SYSV"))
    return false;
  return path[0] != '[' || path == "[vdso]";
}

void keep_separators(std::string &output, size_t from) {
  std::replace(output.begin() + static_cast<std::ptrdiff_t>(from), output.end(), ';', ':');
}

} // namespace

bool is_deepflow_task(std::string_view name) {
  return name.starts_with("[p] ") || name.starts_with("[t] ");
}

DeepflowForm deepflow_form(const Profile &profile, const Location &location) {
  switch (location.kind) {
  case FrameKind::kProcess:
    return DeepflowForm::kProcess;
  case FrameKind::kThread:
    return DeepflowForm::kThread;
  case FrameKind::kKernel:
    return DeepflowForm::kKernel;
  case FrameKind::kGpu:
    return DeepflowForm::kCuda;
  case FrameKind::kPython:
  case FrameKind::kLabel:
    return DeepflowForm::kPlain;
  default:
    break;
  }
  const std::string_view file = module_name(profile, location.module);
  if (file.starts_with("libcuda.so") || file.starts_with("libcudart.so") ||
      file.starts_with("libcublas"))
    return DeepflowForm::kCuda;
  const std::string_view path = profile.text(profile.modules()[location.module].path);
  if (path.find(".so") != std::string_view::npos) return DeepflowForm::kLibrary;
  if (path.empty() && location.kind == FrameKind::kLibrary) return DeepflowForm::kLibrary;
  return is_java(location.kind) || kind_of_module(path) == FrameKind::kManaged
             ? DeepflowForm::kJava
             : DeepflowForm::kPlain;
}

void append_deepflow_name(DeepflowForm form, std::string_view name, std::string &output) {
  const size_t from = output.size();
  if (!has_form(form, name)) output += kPrefixes[static_cast<size_t>(form)];
  if (form != DeepflowForm::kJava || !append_java_name(name, output)) output += name;
  keep_separators(output, from);
}

void append_deepflow_unnamed(const Profile &profile, const Location &location, bool at_root,
                             std::string &output) {
  const size_t from = output.size();
  const Module &module = profile.modules()[location.module];
  const std::string_view path = profile.text(module.path);
  const bool inside = module.end <= module.start ||
                      (location.address >= module.start && location.address < module.end);
  if (location.reason == UnnamedReason::kTruncated)
    output += "(truncated)";
  else if (location.kind != FrameKind::kKernel && is_file(path) && inside &&
           location.reason != UnnamedReason::kNoPerfMap)
    output += path[0] == '[' ? std::string{path}
                             : fmt::format("[{}]", fmt::string_view{path.data(), path.size()});
  else if (at_root && location.kind != FrameKind::kKernel)
    output += "[unknown start_thread?]";
  else
    output += fmt::format("[unknown] 0x{:016x}", location.address);
  keep_separators(output, from);
}

bool is_place_in_module(std::string_view name, std::string_view module) {
  if (module.empty() || !name.starts_with(module)) return false;
  name.remove_prefix(module.size());
  for (const std::string_view before : {"+fn_0x", "+0x"})
    if (name.starts_with(before) && name.size() > before.size())
      return name.find_first_not_of("0123456789abcdef", before.size()) == std::string_view::npos;
  return false;
}

} // namespace profcore
