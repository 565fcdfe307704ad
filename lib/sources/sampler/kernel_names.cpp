#include "sources/sampler/kernel_names.hpp"

#include "build_features.hpp"

#include <charconv>

namespace profcore::sampler {
namespace {

bool take_hex(std::string_view text, uint64_t &value) {
  if (text.starts_with("0x")) text.remove_prefix(2); // the kernel writes a bare 0
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return result.ec == std::errc{} && result.ptr == text.data() + text.size();
}

} // namespace

std::optional<KernelFunction> parse_kernel_function(uint64_t address, std::string_view text) {
  KernelFunction function;
  if (const size_t module = text.rfind(" ["); module != std::string_view::npos)
    text = text.substr(0, module);
  const size_t slash = text.rfind('/');
  const size_t plus = text.rfind('+', slash);
  uint64_t offset = 0;
  uint64_t size = 0;
  if (slash == std::string_view::npos || plus == std::string_view::npos || plus == 0 ||
      !take_hex(text.substr(plus + 1, slash - plus - 1), offset) ||
      !take_hex(text.substr(slash + 1), size) || offset >= size || offset > address ||
      size > UINT64_MAX - (address - offset))
    return std::nullopt;
  function.begin = address - offset;
  function.end = function.begin + size;
  function.name = text.substr(0, plus);
  return function;
}

#if !PROFCORE_HAVE_BPF
void KernelNames::Closer::operator()(kernel_names_bpf *) const noexcept {}
KernelNames::KernelNames() = default;
KernelNames::~KernelNames() = default;
bool KernelNames::ask(std::span<const uint64_t>, std::vector<KernelFunction> &) {
  return false;
}
#endif

} // namespace profcore::sampler
