#include "model/frame_name.hpp"

#include <charconv>

namespace profcore {
namespace {

void append_hex(uint64_t value, std::string &output) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, 16).ptr;
  output += "0x";
  output.append(digits, end);
}

} // namespace

std::string_view module_name(const Profile &profile, ModuleId module) noexcept {
  constexpr size_t kLongestPath = 4096;
  std::string_view path = profile.text(profile.modules()[module].path);
  if (path.size() > kLongestPath) path.remove_prefix(path.size() - kLongestPath);
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos || slash + 1 == path.size()) return path;
  return path.substr(slash + 1);
}

void append_location_name(const Profile &profile, const Location &location, std::string &output) {
  if (location.reason == UnnamedReason::kTruncated) {
    output += "(truncated)";
    return;
  }
  const Module &module = profile.modules()[location.module];
  const std::string_view name = module_name(profile, location.module);
  const bool ranged = module.end > module.start;
  const bool inside = location.address >= module.start && location.address < module.end;
  if (name.empty() || (ranged && !inside)) {
    append_hex(location.address, output);
    return;
  }
  // No file has a longer name; every address in this module repeats it.
  constexpr size_t kLongest = 255;
  if (name.size() > kLongest)
    output.append(name.substr(0, kLongest - 3)).append("...");
  else
    output += name;
  output += '+';
  append_hex(ranged ? location.address - module.start + module.offset : location.address, output);
}

std::string_view function_name(const Profile &profile, FunctionId function) noexcept {
  const Function &at = profile.functions()[function];
  return profile.text(at.name != 0 ? at.name : at.system_name);
}

FrameKind kind_of_module(std::string_view path) noexcept {
  if (path.starts_with("[kernel") || path.starts_with("[guest.kernel")) return FrameKind::kKernel;
  if (path == "[vdso]" || path == "[vsyscall]") return FrameKind::kLibrary;
  std::string_view file = path;
  const size_t slash = path.rfind('/');
  if (slash != std::string_view::npos) file.remove_prefix(slash + 1);
  if (file == "vmlinux" || file.starts_with("vmlinux-") || file.ends_with(".ko"))
    return FrameKind::kKernel;
  if (file.starts_with("perf-") && file.ends_with(".map")) return FrameKind::kManaged;
  constexpr std::string_view kDeleted = " (deleted)";
  if (file.ends_with(kDeleted)) file.remove_suffix(kDeleted.size());
  if (file.ends_with(".so") || file.find(".so.") != std::string_view::npos)
    return FrameKind::kLibrary;
  return FrameKind::kUser;
}

FrameKind line_kind(const Location &location, size_t index) noexcept {
  if (index + 1 >= location.line_count) return location.kind;
  switch (location.kind) {
  case FrameKind::kJavaCompiled:
    return FrameKind::kJavaInlined;
  case FrameKind::kUnknown:
  case FrameKind::kUser:
  case FrameKind::kLibrary:
    return FrameKind::kInlined;
  default:
    return location.kind;
  }
}

std::string_view frame_kind_name(FrameKind kind) noexcept {
  switch (kind) {
  case FrameKind::kUnknown:
    return "unknown";
  case FrameKind::kUser:
    return "user";
  case FrameKind::kKernel:
    return "kernel";
  case FrameKind::kLibrary:
    return "library";
  case FrameKind::kJavaInterpreted:
    return "java_interpreted";
  case FrameKind::kJavaCompiled:
    return "java_compiled";
  case FrameKind::kJavaInlined:
    return "java_inlined";
  case FrameKind::kPython:
    return "python";
  case FrameKind::kGpu:
    return "gpu";
  case FrameKind::kThread:
    return "thread";
  case FrameKind::kProcess:
    return "process";
  case FrameKind::kInlined:
    return "inlined";
  case FrameKind::kManaged:
    return "managed";
  case FrameKind::kLabel:
    return "label";
  }
  return "unknown";
}

std::string_view unnamed_reason_name(UnnamedReason reason) noexcept {
  switch (reason) {
  case UnnamedReason::kNone:
    return "none";
  case UnnamedReason::kNotAttempted:
    return "not_attempted";
  case UnnamedReason::kNoModule:
    return "no_module";
  case UnnamedReason::kNoSymbols:
    return "no_symbols";
  case UnnamedReason::kNotCovered:
    return "not_covered";
  case UnnamedReason::kModuleMissing:
    return "module_missing";
  case UnnamedReason::kModuleChanged:
    return "module_changed";
  case UnnamedReason::kModuleDamaged:
    return "module_damaged";
  case UnnamedReason::kNotPermitted:
    return "not_permitted";
  case UnnamedReason::kTruncated:
    return "truncated";
  case UnnamedReason::kProcessGone:
    return "process_gone";
  case UnnamedReason::kNoPerfMap:
    return "no_perf_map";
  case UnnamedReason::kKernelHidden:
    return "kernel_hidden";
  case UnnamedReason::kOverBudget:
    return "over_budget";
  }
  return "none";
}

} // namespace profcore
