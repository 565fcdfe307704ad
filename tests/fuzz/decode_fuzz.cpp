// Any bytes through everything: sniff, decode, flame tree (plain and inverted) and the writers.
#include "check_profile.hpp"
#include "flame/tree.hpp"
#include "output/output.hpp"
#include "sources/decode/decode.hpp"

#include <cstdint>

using namespace profcore;

namespace {

void require_consistent_tree(const FlameTree &tree) {
  for (size_t i = 1; i < tree.size(); ++i) {
    require(tree.parent[i] < i);
    require(tree.subtree_end[i] > i && tree.subtree_end[i] <= tree.size());
    require(tree.frame[i] < tree.frames.size());
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const SniffResult seen = sniff({data, size});
  require(!seen.saw.empty());
  DecodeOptions options;
  options.context.limits.max_inflated_bytes = 16 << 20;
  options.context.limits.max_result_bytes = 256 << 20;
  options.context.limits.max_stack_depth = 1 << 14;
  Profile profile;
  try {
    profile = decode({data, size}, options);
  } catch (const Error &error) {
    require(!error.message().empty());
    return 0;
  }
  require(seen.readable);
  require_consistent(profile);
  if (profile.sample_types().empty()) return 0;
  for (const bool inverted : {false, true}) {
    FlameOptions flame;
    flame.inverted = inverted;
    FlameTree tree;
    try {
      tree = build_flame_tree(profile, flame);
    } catch (const Error &error) {
      require(!error.message().empty());
      continue;
    }
    require_consistent_tree(tree);
    Buffer html;
    write_html(tree, {}, html);
    require(!html.empty());
  }
  Buffer json;
  write_profile_json(profile, {}, json);
  require(!json.empty());
  Buffer pprof;
  PprofOptions plain;
  plain.gzip_level = 0;
  write_pprof(profile, plain, pprof);
  return 0;
}
